//! A webhook: an endpoint that a customer registered, and the event types that it subscribes to.
//!
//! Requests are parsed once, at the edge: a [`NewWebhook`] is always valid, and later code does not validate it
//! again.

mod callback;
mod change;
mod circuit;
mod fields;
mod health;
mod new;
mod notice;
mod notification;
mod optional;
mod pace;
mod recorded;
mod resend;
mod rotation;
mod sample;
mod secret;
mod static_headers;
mod subscription;
mod view;

use std::{fmt, str::FromStr};

pub use callback::{Callback, CallbackHost, InvalidCallbackHost};
pub use change::WebhookChange;
pub use circuit::{Circuit, InvalidProbeWaits, ProbeWaits, Settings};
pub use health::{Disabled, FailedAttempt, Health};
use jiff::Timestamp;
pub use new::NewWebhook;
pub use notice::{EXHAUSTED, Notice};
pub use notification::{Notification, Notifying};
pub use optional::{MAX_DESCRIPTION, MOST_PER_MINUTE, Metadata, OptionalFields};
pub use pace::{Action, Drain, Drained, Pace, Search, Settled, between, granted, minute_of};
pub use recorded::{Recorded, RecordedAttempt};
pub use resend::{Resend, ResendRequest, ResendStatus, ResendView};
pub use rotation::{PreviousSecret, Rotation, RotationConflict, Signing};
pub use sample::SampleRequest;
pub use secret::Secret;
use serde::{
    Deserialize, Serialize,
    de::{self, IntoDeserializer as _},
};
pub use static_headers::StaticHeaders;
pub(crate) use static_headers::is_of_a_header_name;
pub use subscription::{Subscription, TaskTypes};
pub use view::{Details, WebhookView};

use crate::names::{AccountId, EventType, WebhookId};

/// Whether a webhook receives deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Receives a delivery for every event of a type that it subscribes to.
    Active,
    /// Receives nothing until it is enabled again.
    Disabled,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl FromStr for Status {
    type Err = de::value::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::deserialize(name.into_deserializer())
    }
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
    /// The event types that it subscribes to.
    pub events: Subscription,
    /// The task types that it takes; `None` means all. [`Webhook::subscribes_to`] applies both.
    pub task_types: Option<TaskTypes>,
    /// What the customer calls it: at most [`MAX_DESCRIPTION`] characters.
    pub description: Option<String>,
    /// The headers of each request to `url`'s origin, besides those of the service.
    pub headers: StaticHeaders,
    /// The most requests to the endpoint in a minute of UTC; `None` means no limit.
    pub max_per_minute: Option<u32>,
    /// The customer's own values.
    pub metadata: Option<Metadata>,
    /// The hosts that a completion's `callback_url` may have, besides the origin of `url`.
    pub callback_hosts: Vec<CallbackHost>,
    /// Whether the customer wants deliveries. [`Webhook::status`] also says whether the service disabled it.
    pub status: Status,
    /// When the customer disabled it, if it still is. [`Webhook::disabled_at`] also says when the service did.
    pub disabled_by_owner_at: Option<Timestamp>,
    /// The newest secret. [`Webhook::signing_at`] says which secret signs which header.
    pub secret: Secret,
    /// The secrets before it, which stay valid until their overlaps end. See [`Webhook::previous_secrets_at`].
    pub previous_secrets: Vec<PreviousSecret>,
    /// When the newest secret takes over `X-Nano-Signature`; in the past or `None` if it has.
    pub secret_switches_at: Option<Timestamp>,
    /// Raised whenever the URL or the status changes. Attempts of an earlier epoch do not count for the endpoint's
    /// health.
    pub epoch: u64,
    /// When it was created; `None` if that was before the service stored it.
    pub created_at: Option<Timestamp>,
    /// When the customer last changed it or its secret; `None` if that was before the service stored it.
    pub updated_at: Option<Timestamp>,
    /// When the customer last asked for a probe.
    pub probe_asked_at: Option<Timestamp>,
    /// The last resend, under way or done.
    pub resend: Option<Resend>,
    /// When release must look at it next: its time in the index `by-action`.
    pub action_at: Option<Timestamp>,
    /// The health that watch-webhooks stored last. Read [`Webhook::health`] instead, which applies epoch and pace.
    pub stored_health: Health,
    /// The pace that release stored last. Read [`Webhook::pace`] instead, which applies the epoch.
    pub stored_pace: Pace,
}

impl Webhook {
    /// A newly registered webhook: active, with an empty history.
    pub fn new(
        account_id: AccountId,
        id: WebhookId,
        url: String,
        events: impl Into<Subscription>,
        secret: Secret,
    ) -> Self {
        Self {
            account_id,
            id,
            url,
            events: events.into(),
            task_types: None,
            description: None,
            headers: StaticHeaders::default(),
            max_per_minute: None,
            metadata: None,
            callback_hosts: Vec::new(),
            status: Status::Active,
            disabled_by_owner_at: None,
            secret,
            previous_secrets: Vec::new(),
            secret_switches_at: None,
            epoch: 0,
            created_at: None,
            updated_at: None,
            probe_asked_at: None,
            resend: None,
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

    /// When it was disabled; the earlier time, if both the customer and the service disabled it. `None` if it is active.
    pub fn disabled_at(&self) -> Option<Timestamp> {
        let by_service = self.health().disabled.map(|disabled| disabled.began_at);
        let by_owner = self.disabled_by_owner_at.filter(|_| self.status == Status::Disabled);
        by_service.into_iter().chain(by_owner).min()
    }

    /// Whether it is active and subscribes to an event of this type, of a task of this type.
    pub fn wants(&self, event: EventType, task_type: &str) -> bool {
        self.is_active() && self.subscribes_to(event, task_type)
    }

    /// Whether it subscribes to an event of this type, of a task of this type. It need not be active.
    pub fn subscribes_to(&self, event: EventType, task_type: &str) -> bool {
        self.events.includes(event) && self.takes(task_type)
    }

    /// Whether it takes tasks of this type, whatever their event.
    pub fn takes(&self, task_type: &str) -> bool {
        self.task_types.as_ref().is_none_or(|types| types.includes(task_type))
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
