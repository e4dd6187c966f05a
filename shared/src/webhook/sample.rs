//! A request for a test event.

use serde::Deserialize;
use serde_json::Value;

use super::{
    EventType, Webhook,
    fields::{self, Invalid},
};

/// A valid request for a test event.
#[derive(Debug)]
pub struct SampleRequest {
    /// What it is to tell. It need not be what the webhook subscribed to.
    pub event: Option<EventType>,
}

impl SampleRequest {
    /// Parses the body of `POST /api/v1/webhooks/{id}/test`, which may be empty. A `null` counts as a missing field.
    pub fn parse(body: &[u8]) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            event: Option<Value>,
        }
        let Fields { event } = fields::optional_object(body, "empty, or a JSON object with, if you like, event")?;
        Ok(Self { event: event.map(|event| fields::event("event", &event)).transpose()? })
    }

    /// The event that a webhook is to be sent: by default the first that it subscribed to.
    pub fn event_for(&self, webhook: &Webhook) -> EventType {
        self.event.or(webhook.events.first().copied()).unwrap_or(EventType::JobCompleted)
    }
}
