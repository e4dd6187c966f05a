//! A request to change a webhook.

use super::{CallbackHost, Metadata, StaticHeaders, Status, Subscription, TaskTypes, fields};
use crate::{
    egress::{Policy, TargetUrl},
    request::{Edit, Fields, Invalid},
};

/// A valid request to change a webhook: at least one field is set.
#[derive(Debug, Default)]
pub struct WebhookChange {
    /// The new URL, also for deliveries that wait for a retry. The webhook's health starts again, because a new
    /// endpoint has not failed yet.
    pub url: Option<TargetUrl>,
    /// The new list of event types.
    pub events: Option<Subscription>,
    /// Whether the customer wants deliveries. Enabling a webhook also starts its health again.
    pub status: Option<Status>,
    /// The new list of hosts that callbacks may have; an empty one removes them all.
    pub callback_hosts: Option<Vec<CallbackHost>>,
    /// The new description, or its removal.
    pub description: Option<Edit<String>>,
    /// The new headers, which replace all of the old ones, or their removal.
    pub headers: Option<Edit<StaticHeaders>>,
    /// The new limit of requests in a minute, or its removal.
    pub max_per_minute: Option<Edit<u32>>,
    /// The new metadata, which replaces all of the old one, or its removal.
    pub metadata: Option<Edit<Metadata>>,
    /// The new list of task types, or its removal: the webhook then takes all.
    pub task_types: Option<Edit<TaskTypes>>,
}

const NAMES: [&str; 9] =
    ["url", "events", "status", "callback_hosts", "description", "headers", "max_per_minute", "metadata", "task_types"];
const EXPECTED: &str = "a JSON object with one or more of url, events, status, callback_hosts, description, headers, \
                        max_per_minute, metadata and task_types";

impl WebhookChange {
    /// Parses the body of `PATCH /api/v1/webhooks/{id}`. A `null` removes the value of a field that a webhook need not have; for
    /// every other field it counts as missing.
    pub fn parse(body: &[u8], policy: &Policy) -> Result<Self, Invalid> {
        let mut fields = Fields::parse(body, &NAMES, EXPECTED)?;
        let change = Self {
            url: fields.take("url").map(|url| fields::url(&url, policy)).transpose()?,
            events: fields.take("events").map(|events| fields::events(&events)).transpose()?,
            status: fields.take("status").map(|status| fields::status(&status)).transpose()?,
            callback_hosts: fields.take("callback_hosts").map(|hosts| fields::callback_hosts(&hosts)).transpose()?,
            description: fields.take_edit("description", fields::description)?,
            headers: fields.take_edit("headers", StaticHeaders::parse)?,
            max_per_minute: fields.take_edit("max_per_minute", fields::max_per_minute)?,
            metadata: fields.take_edit("metadata", fields::metadata)?,
            task_types: fields.take_edit("task_types", fields::task_types)?,
        };
        if change.is_empty() {
            return Err(Invalid::request(format!("there is nothing to change; send {EXPECTED}")));
        }
        Ok(change)
    }

    const fn is_empty(&self) -> bool {
        let Self { url, events, status, callback_hosts, description, headers, max_per_minute, metadata, task_types } =
            self;
        url.is_none()
            && events.is_none()
            && status.is_none()
            && callback_hosts.is_none()
            && description.is_none()
            && headers.is_none()
            && max_per_minute.is_none()
            && metadata.is_none()
            && task_types.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        WebhookChange::parse(body.as_bytes(), &Policy::strict()).expect_err("is refused").to_string()
    }

    #[test]
    fn each_part_can_be_changed_alone() {
        let change = WebhookChange::parse(br#"{"status":"disabled","url":null}"#, &Policy::strict()).unwrap();
        assert_eq!(change.status, Some(Status::Disabled));
        assert!(change.url.is_none() && change.events.is_none());
        let change = WebhookChange::parse(br#"{"url":"https://a.example.com/"}"#, &Policy::strict()).unwrap();
        assert_eq!(change.url.unwrap().as_str(), "https://a.example.com/");
        let change = WebhookChange::parse(br#"{"callback_hosts":[]}"#, &Policy::strict()).unwrap();
        assert_eq!(change.callback_hosts, Some(Vec::new()));
    }

    #[test]
    fn null_removes_a_field_that_a_webhook_need_not_have() {
        let parse = |body: &str| WebhookChange::parse(body.as_bytes(), &Policy::strict()).unwrap();
        let change = parse(r#"{"description":null,"metadata":null,"task_types":null}"#);
        assert_eq!((change.description, change.metadata), (Some(Edit::Remove), Some(Edit::Remove)));
        assert_eq!(change.task_types, Some(Edit::Remove));
        let change = parse(r#"{"description":"billing","events":["*"]}"#);
        assert_eq!(change.description, Some(Edit::Set("billing".to_owned())));
        assert_eq!((change.events, change.metadata), (Some(Subscription::All), None));
    }

    #[test]
    fn each_refusal_names_the_field_and_the_fix() {
        let expected = "a JSON object with one or more of url, events, status, callback_hosts, description, headers, max_per_minute, metadata and task_types";
        assert_eq!(refusal("{}"), format!("there is nothing to change; send {expected}"));
        assert_eq!(refusal(r#"{"events":null}"#), format!("there is nothing to change; send {expected}"));
        assert_eq!(refusal(""), format!("the body is empty; send {expected}"));
        assert_eq!(refusal(r#"{"status":"paused"}"#), r#"status is "paused"; expected active or disabled"#);
        assert_eq!(refusal(r#"{"status":true}"#), "status is true; expected active or disabled");
        assert!(refusal(r#"{"url":"https://10.0.0.1/"}"#).starts_with("url host"));
        let unknown = format!(r#"there is no field "secret_key"; send {expected}"#);
        assert_eq!(refusal(r#"{"secret_key":"12345678"}"#), unknown);
        assert!(refusal(r#"{"events":[]}"#).starts_with("events must not be empty"));
        assert!(refusal(r#"{"callback_hosts":["*",7]}"#).starts_with("callback_hosts[1] is 7; expected a host name"));
    }
}
