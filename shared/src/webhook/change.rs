//! A request to change a webhook.

use super::{
    Invalid, Status,
    fields::{self, Fields},
};
use crate::egress::{Policy, TargetUrl};
use crate::names::EventType;

/// A valid request to change a webhook: at least one field is set.
#[derive(Debug)]
pub struct WebhookChange {
    /// The new URL, also for deliveries that wait for a retry. The webhook's health starts again, because a new
    /// endpoint has not failed yet.
    pub url: Option<TargetUrl>,
    /// The new list of event types.
    pub events: Option<Vec<EventType>>,
    /// Whether the customer wants deliveries. Enabling a webhook also starts its health again.
    pub status: Option<Status>,
}

const EXPECTED: &str = "a JSON object with one or more of url, events and status";

impl WebhookChange {
    /// Parses the body of `PATCH /api/v1/webhooks/{id}`. A `null` counts as a missing field.
    pub fn parse(body: &[u8], policy: &Policy) -> Result<Self, Invalid> {
        let mut fields = Fields::parse(body, &["url", "events", "status"], EXPECTED)?;
        let change = Self {
            url: fields.take("url").map(|url| fields::url(&url, policy)).transpose()?,
            events: fields.take("events").map(|events| fields::events(&events)).transpose()?,
            status: fields.take("status").map(|status| fields::status(&status)).transpose()?,
        };
        if change.url.is_none() && change.events.is_none() && change.status.is_none() {
            return Err(Invalid(format!("there is nothing to change; send {EXPECTED}")));
        }
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        WebhookChange::parse(body.as_bytes(), &Policy::strict()).expect_err("is refused").0
    }

    #[test]
    fn each_part_can_be_changed_alone() {
        let change = WebhookChange::parse(br#"{"status":"disabled","url":null}"#, &Policy::strict()).unwrap();
        assert_eq!(change.status, Some(Status::Disabled));
        assert!(change.url.is_none() && change.events.is_none());
        let change = WebhookChange::parse(br#"{"url":"https://a.example.com/"}"#, &Policy::strict()).unwrap();
        assert_eq!(change.url.unwrap().as_str(), "https://a.example.com/");
    }

    #[test]
    fn each_refusal_names_the_field_and_the_fix() {
        let expected = "a JSON object with one or more of url, events and status";
        assert_eq!(refusal("{}"), format!("there is nothing to change; send {expected}"));
        assert_eq!(refusal(r#"{"events":null}"#), format!("there is nothing to change; send {expected}"));
        assert_eq!(refusal(""), format!("the body is empty; send {expected}"));
        assert_eq!(refusal(r#"{"status":"paused"}"#), r#"status is "paused"; expected active or disabled"#);
        assert_eq!(refusal(r#"{"status":true}"#), "status is true; expected active or disabled");
        assert!(refusal(r#"{"url":"https://10.0.0.1/"}"#).starts_with("url host"));
        let unknown = format!(r#"there is no field "secret_key"; send {expected}"#);
        assert_eq!(refusal(r#"{"secret_key":"12345678"}"#), unknown);
        assert!(refusal(r#"{"events":[]}"#).starts_with("events must not be empty"));
    }
}
