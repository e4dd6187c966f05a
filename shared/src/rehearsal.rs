//! A rehearsal: five requests to a webhook's own URL, which show the customer whether the receiver accepts what it must
//! accept and refuses what it must refuse.
//!
//! The API stores a [`Rehearsal`] and sends one [`RehearsalMessage`] on the deliveries queue, for the first [`Step`].
//! The dispatcher makes that step's [`request`](Step::request), stores its [`StepOutcome`], and sends the message for
//! the next step. So there is one request at a time, and each has an invocation's time. Nothing here is a delivery:
//! no event and no delivery is stored, so neither health nor statistics nor lists see a rehearsal.
//!
//! What a receiver did is stored; what that means is decided when somebody reads it: [`judge`].

mod judge;
mod request;
mod view;

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
pub use judge::{Judgement, judge};
pub use request::{Request, UNKNOWN_EVENT};
use serde::{Deserialize, Serialize};
use ulid::Ulid;
pub use view::{RehearsalView, StepView};

use crate::{
    attempt::Attempt,
    names::{AccountId, EventType, WebhookId},
    request::{Fields, Invalid},
    webhook::{SampleRequest, Webhook},
};

/// How long after a rehearsal began no other one of the same webhook may begin.
pub const INTERVAL: Duration = Duration::from_mins(1);

/// The most requests of one rehearsal: one for each step, and some for steps whose dispatcher died before it had stored
/// the outcome.
pub const MOST_REQUESTS: u32 = 8;

/// How long after its beginning a rehearsal makes requests. A message that comes later, for example from the
/// dead-letter queue, makes none.
pub const LASTS: Duration = Duration::from_mins(15);

/// One request of a rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// An event as every delivery has it.
    SignedEvent,
    /// An event that another secret has signed.
    WrongSignature,
    /// An event with a valid signature and a timestamp of an hour ago.
    OldTimestamp,
    /// The event of the first step again: the same id, signed at another time.
    RepeatedId,
    /// An event of a type that no receiver knows, with a valid signature.
    UnknownEvent,
}

impl Step {
    /// Every step, in the order in which they are made.
    pub const ALL: [Self; 5] =
        [Self::SignedEvent, Self::WrongSignature, Self::OldTimestamp, Self::RepeatedId, Self::UnknownEvent];

    /// The step's name, in replies, messages and the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignedEvent => "signed_event",
            Self::WrongSignature => "wrong_signature",
            Self::OldTimestamp => "old_timestamp",
            Self::RepeatedId => "repeated_id",
            Self::UnknownEvent => "unknown_event",
        }
    }

    /// The step after this one; `None` after the last.
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step > self)
    }

    /// What the request of the step contains, in words.
    pub fn sent(self) -> &'static str {
        match self {
            Self::SignedEvent => "a sample event, signed like every delivery",
            Self::WrongSignature => "a sample event with a signature that another secret made",
            Self::OldTimestamp => "a sample event with a valid signature and a timestamp of an hour ago",
            Self::RepeatedId => "the event of the first step again, with the same webhook-id and a new signature",
            Self::UnknownEvent => "an event named rehearsal.unknown_event, signed like every delivery",
        }
    }

    /// The right answer of a receiver, in words.
    pub fn expected(self) -> &'static str {
        match self {
            Self::SignedEvent => "2xx",
            Self::WrongSignature | Self::OldTimestamp => "4xx, for example 401",
            Self::RepeatedId => "2xx, without handling the event again",
            Self::UnknownEvent => "2xx, without doing anything",
        }
    }

    /// Whether a correct receiver refuses the request.
    fn is_to_be_refused(self) -> bool {
        matches!(self, Self::WrongSignature | Self::OldTimestamp)
    }
}

/// What the endpoint did with the request of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutcome {
    pub started_at: Timestamp,
    /// Up to the status, or up to the failure.
    pub duration_ms: u64,
    /// The status; `None` if none arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// What happened, in one line: [`Attempt::explanation`].
    pub message: String,
    /// The beginning of the answer's body, if a status arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<String>,
}

impl From<Attempt> for StepOutcome {
    fn from(attempt: Attempt) -> Self {
        let (message, http_status) = (attempt.explanation(), attempt.outcome.http_status());
        let Attempt { started_at, duration_ms, outcome, .. } = attempt;
        Self { started_at, duration_ms, http_status, message, response: outcome.into_response() }
    }
}

/// The last rehearsal of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// A ULID. A message of another rehearsal does nothing.
    pub id: String,
    pub account_id: AccountId,
    pub webhook_id: WebhookId,
    pub started_at: Timestamp,
    /// The webhook's URL when it began. What is shown is about this URL, also after the webhook got another.
    pub url: String,
    /// The webhook's epoch when it began. If the URL or the status changes, the rehearsal stops.
    pub epoch: u64,
    /// The type of its events, except the one that no receiver knows.
    pub event: EventType,
    /// By the name of the step.
    pub outcomes: BTreeMap<String, StepOutcome>,
    /// Why no further request is made, although steps are missing.
    pub stopped: Option<String>,
}

/// Asks the dispatcher for one step of a rehearsal. It contains no secret, and it is not a
/// [`Message`](crate::delivery::Message): it names no event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RehearsalMessage {
    pub account_id: AccountId,
    pub webhook_id: WebhookId,
    /// The rehearsal's id.
    pub rehearsal: String,
    pub step: Step,
}

impl Rehearsal {
    /// Checks the body of `POST /api/v1/webhooks/{id}/rehearse`. There is nothing to choose.
    pub fn check_body(body: &[u8]) -> Result<(), Invalid> {
        Fields::parse_optional(body, &[], "no body, or an empty JSON object").map(|_| ())
    }

    /// A rehearsal that begins at `now`. Its id comes from the time when it was asked for and a number. A request that is
    /// made again after a crash has the same two, so it is the same rehearsal.
    pub fn begin(webhook: &Webhook, asked_at: Timestamp, number: u64, now: Timestamp) -> Self {
        let milliseconds = u64::try_from(asked_at.as_millisecond()).unwrap_or_default();
        Self {
            id: Ulid::from_parts(milliseconds, number.into()).to_string(),
            account_id: webhook.account_id.clone(),
            webhook_id: webhook.id,
            started_at: now,
            url: webhook.url.clone(),
            epoch: webhook.epoch,
            event: SampleRequest { event: None }.event_for(webhook),
            outcomes: BTreeMap::new(),
            stopped: None,
        }
    }

    /// What the endpoint did in this step; `None` if the step was not made.
    pub fn outcome(&self, step: Step) -> Option<&StepOutcome> {
        self.outcomes.get(step.name())
    }

    /// The message for the first step that was not made. `None` if all were made.
    pub fn next_message(&self) -> Option<RehearsalMessage> {
        let step = Step::ALL.into_iter().find(|step| self.outcome(*step).is_none())?;
        Some(RehearsalMessage {
            account_id: self.account_id.clone(),
            webhook_id: self.webhook_id,
            rehearsal: self.id.clone(),
            step,
        })
    }

    /// Why the rehearsal cannot go on with the webhook as it is now; `None` if it can.
    pub fn obstacle(&self, webhook: Option<&Webhook>) -> Option<&'static str> {
        match webhook {
            None => Some("the webhook was deleted"),
            Some(webhook) if webhook.epoch != self.epoch || !webhook.is_active() => {
                Some("the webhook's URL or status was changed meanwhile")
            }
            Some(_) => None,
        }
    }
}

impl RehearsalMessage {
    /// The message for the next step; `None` after the last.
    pub fn next(&self) -> Option<Self> {
        Some(Self { step: self.step.next()?, ..self.clone() })
    }

    /// The message as the queue takes it: JSON of ASCII, because its parts are.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("it has only strings and numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{delivery::Message, webhook::Secret};

    fn webhook() -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let url = "https://a.example.com/hook".to_owned();
        Webhook::new(account, WebhookId(1), url, vec![EventType::JobFailed], Secret::generate())
    }

    fn rehearsal() -> Rehearsal {
        Rehearsal::begin(&webhook(), Timestamp::UNIX_EPOCH, 7, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_steps_follow_each_other_and_their_names_are_those_that_are_stored() {
        let following = std::iter::successors(Some(Step::SignedEvent), |step| step.next());
        assert_eq!(following.collect::<Vec<_>>(), Step::ALL);
        for step in Step::ALL {
            assert_eq!(serde_json::to_value(step).unwrap(), step.name());
        }
    }

    #[test]
    fn the_next_message_is_for_the_first_step_that_was_not_made() {
        let mut rehearsal = rehearsal();
        let outcome = StepOutcome {
            started_at: Timestamp::UNIX_EPOCH,
            duration_ms: 1,
            http_status: None,
            message: "no".into(),
            response: None,
        };
        for step in Step::ALL {
            assert_eq!(rehearsal.next_message().unwrap().step, step);
            rehearsal.outcomes.insert(step.name().into(), outcome.clone());
        }
        assert_eq!(rehearsal.next_message(), None);
    }

    #[test]
    fn a_message_is_not_taken_for_a_delivery_and_a_delivery_not_for_a_rehearsal() {
        let text = rehearsal().next_message().unwrap().to_text();
        assert!(text.is_ascii() && serde_json::from_str::<Message>(&text).is_err(), "{text}");
        let delivery =
            r#"{"account_id":"acct_1","webhook_id":1,"event_id":"0","event":"job.failed","round":0,"attempt":1}"#;
        assert!(serde_json::from_str::<Message>(delivery).is_ok());
        assert!(serde_json::from_str::<RehearsalMessage>(delivery).is_err());
    }

    #[test]
    fn the_same_request_begins_the_same_rehearsal_and_another_one_another() {
        let id = |number| Rehearsal::begin(&webhook(), Timestamp::UNIX_EPOCH, number, Timestamp::now()).id;
        assert_eq!(id(1), id(1));
        assert_ne!(id(1), id(2));
    }

    #[test]
    fn its_request_has_no_fields() {
        assert!(Rehearsal::check_body(b"").is_ok() && Rehearsal::check_body(b"{}").is_ok());
        let refused = Rehearsal::check_body(br#"{"event":"job.failed"}"#).unwrap_err();
        assert_eq!(refused.to_string(), r#"there is no field "event"; send no body, or an empty JSON object"#);
    }

    #[test]
    fn it_stops_if_the_webhook_is_deleted_changed_or_disabled() {
        let (rehearsal, webhook) = (rehearsal(), webhook());
        assert_eq!(rehearsal.obstacle(Some(&webhook)), None);
        assert!(rehearsal.obstacle(None).unwrap().contains("deleted"));
        let changed = Webhook { epoch: 1, ..webhook };
        assert!(rehearsal.obstacle(Some(&changed)).unwrap().contains("changed"));
    }
}
