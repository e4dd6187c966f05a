//! A request for a test event.

use super::{Webhook, fields};
use crate::{
    names::EventType,
    request::{Fields, Invalid},
};

/// A valid request for a test event.
#[derive(Debug)]
pub struct SampleRequest {
    /// The event type to send, which the webhook need not subscribe to. `None` means the first that the webhook names.
    pub event: Option<EventType>,
}

impl SampleRequest {
    /// Parses the body of `POST /api/v1/webhooks/{id}/test`, which may be empty. A `null` counts as a missing field.
    pub fn parse(body: &[u8]) -> Result<Self, Invalid> {
        let expected = "nothing, or a JSON object with, optionally, event";
        let mut fields = Fields::parse_optional(body, &["event"], expected)?;
        Ok(Self { event: fields.take("event").map(|event| fields::event("event", "event", &event)).transpose()? })
    }

    /// The event type to send: the requested one, otherwise the first that the webhook names. One that
    /// subscribes to all gets `job.completed`.
    pub fn event_for(&self, webhook: &Webhook) -> EventType {
        self.event.or(webhook.events.first()).unwrap_or(EventType::JobCompleted)
    }
}
