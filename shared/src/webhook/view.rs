//! A webhook as replies show it.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    CallbackHost, Circuit, Health, Metadata, OptionalFields, Secret, Status, Subscription, TaskTypes, Webhook,
};
use crate::{names::WebhookId, reply_time::ReplyTime};

impl Webhook {
    /// The webhook as the published page shows it: four fields, without secrets and details.
    pub fn view(&self) -> WebhookView<'_> {
        WebhookView {
            id: self.id,
            url: &self.url,
            events: &self.events,
            status: self.status(),
            callback_hosts: None,
            description: None,
            headers: None,
            max_per_minute: None,
            metadata: None,
            task_types: None,
            secret_key: None,
        }
    }

    /// The same as [`Webhook::view`], and those optional fields that the request gave.
    pub fn view_with(&self, given: &OptionalFields) -> WebhookView<'_> {
        WebhookView {
            callback_hosts: given.callback_hosts.is_some().then_some(self.callback_hosts.as_slice()),
            description: self.description.as_deref().filter(|_| given.description.is_some()),
            headers: given.headers.is_some().then(|| self.headers.names()),
            max_per_minute: self.max_per_minute.filter(|_| given.max_per_minute.is_some()),
            metadata: self.metadata.as_ref().filter(|_| given.metadata.is_some()),
            task_types: self.task_types.as_ref().filter(|_| given.task_types.is_some()),
            ..self.view()
        }
    }

    /// The webhook as its own page shows it: all its fields, its health, the number of `held` deliveries, and the
    /// stage of a rotation.
    pub fn details(&self, held: usize, now: Timestamp) -> Details<'_> {
        let Health { failing_since, consecutive_failures, last_failed_at, disabled, circuit, .. } = self.health();
        let is_probed = circuit == Circuit::Open && self.is_active();
        let previous = self.previous_secrets_at(now).map(|previous| previous.expires_at);
        Details {
            view: self.view(),
            callback_hosts: &self.callback_hosts,
            description: self.description.as_deref(),
            headers: self.headers.names(),
            max_per_minute: self.max_per_minute,
            metadata: self.metadata.as_ref(),
            task_types: self.task_types.as_ref(),
            created_at: self.created_at.map(ReplyTime::from),
            updated_at: self.updated_at.map(ReplyTime::from),
            failing_since: failing_since.map(ReplyTime::from),
            consecutive_failures,
            last_failed_at: last_failed_at.map(ReplyTime::from),
            disabled_at: self.disabled_at().map(ReplyTime::from),
            disabled_reason: disabled.map(|disabled| disabled.reason),
            circuit,
            next_probe_at: self.action_at.filter(|_| is_probed).map(ReplyTime::from),
            held,
            secret_switches_at: self.secret_switches_at(now).map(ReplyTime::from),
            previous_secret_expires_at: previous.max().map(ReplyTime::from),
        }
    }
}

/// A webhook in a reply. Its fields have the published page's order. It has no `Debug`, because it may hold a secret.
#[derive(Serialize)]
pub struct WebhookView<'a> {
    id: WebhookId,
    url: &'a str,
    events: &'a Subscription,
    status: Status,
    // These are not on the published page, so only the reply to a request that had one shows it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_hosts: Option<&'a [CallbackHost]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// The names alone: the values are secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_per_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_types: Option<&'a TaskTypes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<&'a str>,
}

impl<'a> WebhookView<'a> {
    /// Adds the secret if the service generated it. Only the reply that creates the secret may show it.
    #[must_use]
    pub fn once_with(self, generated: Option<&'a Secret>) -> Self {
        Self { secret_key: generated.map(Secret::reveal), ..self }
    }
}

/// One webhook with its details, in a reply.
#[derive(Serialize)]
pub struct Details<'a> {
    #[serde(flatten)]
    view: WebhookView<'a>,
    callback_hosts: &'a [CallbackHost],
    /// `None` (null) if the customer gave none.
    description: Option<&'a str>,
    /// The names alone: the values are secrets.
    headers: Vec<&'a str>,
    /// `None` (null) means no limit.
    max_per_minute: Option<u32>,
    /// `None` (null) if the customer gave none.
    metadata: Option<&'a Metadata>,
    /// `None` (null) means that it takes all task types.
    task_types: Option<&'a TaskTypes>,
    /// `None` (null) if the webhook is older than this field. The same for `updated_at`.
    created_at: Option<ReplyTime>,
    /// When the customer last changed the webhook or its secret.
    updated_at: Option<ReplyTime>,
    failing_since: Option<ReplyTime>,
    consecutive_failures: u64,
    last_failed_at: Option<ReplyTime>,
    /// Since when the webhook is disabled, by its owner or by the service.
    disabled_at: Option<ReplyTime>,
    disabled_reason: Option<String>,
    circuit: Circuit,
    next_probe_at: Option<ReplyTime>,
    /// How many deliveries are held, counted to 1,000.
    held: usize,
    /// When the new secret takes over `X-Nano-Signature`.
    secret_switches_at: Option<ReplyTime>,
    /// When the last of the previous secrets stops signing.
    previous_secret_expires_at: Option<ReplyTime>,
}

impl<'a> Details<'a> {
    /// The same as [`WebhookView::once_with`].
    #[must_use]
    pub fn once_with(self, generated: Option<&'a Secret>) -> Self {
        Self { view: self.view.once_with(generated), ..self }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::names::{AccountId, EventType};

    fn webhook() -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let url = "https://a.example.com/".to_owned();
        let webhook = Webhook::new(account, WebhookId(1), url, vec![EventType::JobFailed], Secret::generate());
        Webhook {
            description: Some("billing".into()),
            metadata: serde_json::from_value(json!({ "team": "a" })).unwrap(),
            task_types: serde_json::from_value(json!(["image"])).unwrap(),
            created_at: Some(Timestamp::UNIX_EPOCH),
            updated_at: Some(Timestamp::UNIX_EPOCH),
            ..webhook
        }
    }

    const PAGE: &str = r#"{"id":1,"url":"https://a.example.com/","events":["job.failed"],"status":"active""#;

    #[test]
    fn a_reply_has_the_pages_four_fields_and_what_the_request_gave() {
        let webhook = webhook();
        assert_eq!(serde_json::to_string(&webhook.view()).unwrap(), format!("{PAGE}}}"));
        let given = OptionalFields { description: Some("billing".into()), ..OptionalFields::default() };
        let shown = serde_json::to_string(&webhook.view_with(&given)).unwrap();
        assert_eq!(shown, format!(r#"{PAGE},"description":"billing"}}"#));
    }

    #[test]
    fn details_show_every_field_once_and_null_for_those_that_are_missing() {
        let webhook = webhook();
        let shown = serde_json::to_value(webhook.details(0, Timestamp::UNIX_EPOCH)).unwrap();
        assert_eq!(shown["metadata"], json!({ "team": "a" }));
        assert_eq!(shown["task_types"], json!(["image"]));
        assert_eq!(shown["created_at"], "1970-01-01T00:00:00.000Z");
        let old = Webhook { description: None, metadata: None, task_types: None, created_at: None, ..webhook };
        let shown = serde_json::to_value(old.details(0, Timestamp::UNIX_EPOCH)).unwrap();
        for field in ["description", "metadata", "task_types", "created_at"] {
            assert_eq!(shown.get(field), Some(&Value::Null), "{field}");
        }
    }
}
