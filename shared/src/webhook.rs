//! A webhook: an endpoint that a customer registered, and the event types that it subscribes to.
//!
//! Requests are parsed once, at the edge: a [`NewWebhook`] is always valid, and later code does not validate it
//! again.

mod change;
mod circuit;
mod fields;
mod health;
mod invalid;
mod new;
mod notice;
mod notification;
mod pace;
mod recorded;
mod rotation;
mod sample;
mod secret;

pub use change::WebhookChange;
pub use circuit::{Circuit, InvalidProbeWaits, ProbeWaits, Settings};
pub use health::{Disabled, FailedAttempt, Health};
pub use invalid::Invalid;
use jiff::Timestamp;
pub use new::NewWebhook;
pub use notice::{EXHAUSTED, Notice};
pub use notification::{Notification, Notifying};
pub use pace::{Action, Drain, Drained, Pace, Search, Settled, between};
pub use recorded::{Recorded, RecordedAttempt};
pub use rotation::{PreviousSecret, Rotation, RotationConflict, Signing};
pub use sample::SampleRequest;
pub use secret::Secret;
use serde::{Deserialize, Serialize};

use crate::{
    names::{AccountId, EventType, WebhookId},
    reply_time::ReplyTime,
};

/// Whether a webhook receives deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Receives a delivery for every event of a type that it subscribes to.
    Active,
    /// Receives nothing until it is enabled again.
    Disabled,
}

/// A registered webhook.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The account that owns it.
    pub account_id: AccountId,
    /// Its number within the account.
    pub id: WebhookId,
    /// The URL of the endpoint, as the customer wrote it. It was vetted then, and is vetted again before every
    /// attempt.
    pub url: String,
    /// The event types that it subscribes to, in the customer's order.
    pub events: Vec<EventType>,
    /// Whether the customer wants deliveries. [`Webhook::status`] also says whether the service disabled it.
    pub status: Status,
    /// The newest secret. [`Webhook::signing_at`] says which secret signs which header.
    pub secret: Secret,
    /// The secrets before it, which stay valid until their overlaps end. See [`Webhook::previous_secrets_at`].
    pub previous_secrets: Vec<PreviousSecret>,
    /// When the newest secret takes over `X-Nano-Signature`; in the past or `None` if it has.
    pub secret_switches_at: Option<Timestamp>,
    /// Raised whenever the URL or the status changes. Attempts of an earlier epoch do not count for the endpoint's
    /// health.
    pub epoch: u64,
    /// When the customer last asked for a probe.
    pub probe_asked_at: Option<Timestamp>,
    /// When release must look at it next: its time in the index `by-action`.
    pub action_at: Option<Timestamp>,
    /// The health that watch-webhooks stored last. Read [`Webhook::health`] instead, which applies epoch and pace.
    pub stored_health: Health,
    /// The pace that release stored last. Read [`Webhook::pace`] instead, which applies the epoch.
    pub stored_pace: Pace,
}

impl Webhook {
    /// A newly registered webhook: active, with an empty history.
    pub fn new(account_id: AccountId, id: WebhookId, url: String, events: Vec<EventType>, secret: Secret) -> Self {
        Self {
            account_id,
            id,
            url,
            events,
            status: Status::Active,
            secret,
            previous_secrets: Vec::new(),
            secret_switches_at: None,
            epoch: 0,
            probe_asked_at: None,
            action_at: None,
            stored_health: Health::default(),
            stored_pace: Pace::default(),
        }
    }

    /// Whether it receives deliveries: the customer has it enabled, and the service has not disabled it.
    pub fn is_active(&self) -> bool {
        self.status == Status::Active && self.health().disabled.is_none()
    }

    /// The status that replies show: active only if both the customer and the service have it enabled.
    pub fn status(&self) -> Status {
        if self.is_active() { Status::Active } else { Status::Disabled }
    }

    /// Whether it is active and subscribes to this event type.
    pub fn wants(&self, event: EventType) -> bool {
        self.is_active() && self.events.contains(&event)
    }

    /// The webhook as a list shows it, without secrets and details.
    pub fn view(&self) -> WebhookView<'_> {
        WebhookView { id: self.id, url: &self.url, events: &self.events, status: self.status(), secret_key: None }
    }

    /// The webhook as its own page shows it: also its health, the number of `held` deliveries, and the stage of a
    /// rotation.
    pub fn details(&self, held: usize, now: Timestamp) -> Details<'_> {
        let Health { failing_since, consecutive_failures, last_failed_at, disabled, circuit, .. } = self.health();
        let is_probed = circuit == Circuit::Open && self.is_active();
        let previous = self.previous_secrets_at(now).map(|previous| previous.expires_at);
        Details {
            view: self.view(),
            failing_since: failing_since.map(ReplyTime::from),
            consecutive_failures,
            last_failed_at: last_failed_at.map(ReplyTime::from),
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
    events: &'a [EventType],
    status: Status,
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
    failing_since: Option<ReplyTime>,
    consecutive_failures: u64,
    last_failed_at: Option<ReplyTime>,
    disabled_reason: Option<String>,
    circuit: Circuit,
    next_probe_at: Option<ReplyTime>,
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
    use super::*;

    #[test]
    fn an_account_id_has_1_to_64_of_its_alphabet() {
        for good in ["a", "acct_123", "org:team-1.eu", &"x".repeat(64)] {
            assert!(AccountId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a#b", "ä", &"x".repeat(65)] {
            assert!(AccountId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_canonical_spelling_names_a_webhook() {
        assert_eq!(WebhookId::parse("12"), Some(WebhookId(12)));
        for bad in ["", "0", "01", "+1", "-1", "1.0", "1e3", "99999999999999999999"] {
            assert_eq!(WebhookId::parse(bad), None, "{bad}");
        }
    }
}
