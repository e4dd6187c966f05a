//! A delivery: one event on its way to one webhook, from the message that fan-out sends to the record of its
//! attempts.
//!
//! A [`Message`] on the queue asks for one attempt. The *receiver's* answer or failure is an [`Outcome`](crate::attempt::Outcome): data,
//! recorded as an attempt of the [`Delivery`]. *Our* failure (a throttled table, a crash) is an `Err`: SQS counts it
//! as a receive of the message, it costs the customer no attempt, and too many receives make the message a dead
//! letter. The rules that keep messages and records in step are in [`protocol`](step).

mod protocol;
mod view;

use jiff::Timestamp;
pub use protocol::{Change, Look, Made, Mark, Step, Write, record, step};
use serde::{Deserialize, Serialize};
pub use view::{DeliverySummary, DeliveryView, Listed};

use crate::{
    attempt::Attempt,
    event::Completion,
    names::{AccountId, DeliveryId, EventType, WebhookId},
    webhook::{Circuit, Webhook},
};

/// Asks the dispatcher for one attempt. It names its webhook and contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub account_id: AccountId,
    pub webhook_id: WebhookId,
    pub delivery_id: DeliveryId,
    pub event: EventType,
    /// The body to send, byte for byte. `None` if the delivery is stored: the dispatcher then sends the stored body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The round of the schedule: 0 at first, and one more for each manual retry of a finished delivery.
    pub round: u32,
    /// The number of the attempt in that round, from 1.
    pub attempt: u32,
    /// If set, the message is a probe, which the dispatcher attempts although the webhook's circuit is open. The
    /// value is the delivery's version when the probe was sent, 0 if the delivery was not stored. The dispatcher
    /// drops a probe of any other version in the same round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<u64>,
    /// When the completion was sent to its queue, to measure the time to the first attempt. Only fan-out's messages
    /// have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Timestamp>,
}

impl Message {
    /// The first message of a completion's delivery to a webhook.
    pub fn new(completion: &Completion, webhook: &Webhook) -> Self {
        Self {
            account_id: webhook.account_id.clone(),
            webhook_id: webhook.id,
            delivery_id: completion.delivery_id(webhook.id),
            event: completion.event,
            body: Some(completion.body.clone()),
            round: 0,
            attempt: 1,
            probe: None,
            queued_at: None,
        }
    }
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The message is on the queue, and no attempt of the round is recorded. A delivery in this state is stored only
    /// if a dispatcher had to claim it.
    Pending,
    /// An attempt failed; the next one is due at [`Delivery::next_attempt_at`].
    Retrying,
    /// The delivery waits for its webhook's circuit to recover, or for its webhook to be enabled.
    Held,
    /// The receiver answered 2xx.
    Delivered,
    /// The schedule is used up, or no retry can help: the URL may not be called, or the receiver answered 410.
    Failed,
    /// The webhook was deleted before the delivery was finished.
    Cancelled,
}

impl State {
    /// Every state that is stored, in the order in which a delivery reaches them.
    pub const STORED: [Self; 6] =
        [Self::Pending, Self::Retrying, Self::Held, Self::Delivered, Self::Failed, Self::Cancelled];

    /// The state's name in the API and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether no further attempt follows, unless somebody retries the delivery by hand.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Delivered | Self::Failed | Self::Cancelled)
    }
}

/// A delivery and its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub account_id: AccountId,
    pub webhook_id: WebhookId,
    pub id: DeliveryId,
    pub event: EventType,
    /// The body that is sent, byte for byte.
    pub body: String,
    /// See [`Message::round`].
    pub round: u32,
    pub state: State,
    /// The attempts of all rounds, oldest first: at most the last [`ATTEMPTS_KEPT`].
    pub attempts: Vec<Attempt>,
    /// How many attempts of the schedule this round has used up. Probes use up none.
    pub tries: u32,
    /// When the next attempt is due, if the delivery is [`State::Retrying`].
    pub next_attempt_at: Option<Timestamp>,
    /// How many times the delivery was stored: 0 means never. The store refuses a write that was made from another
    /// version than the stored one. So if two dispatchers work on the same delivery, neither overwrites what the
    /// other recorded.
    pub version: u64,
}

/// How many attempts of a delivery are kept; the oldest are dropped. Without this limit, manual retries could make an
/// item too large to store.
pub const ATTEMPTS_KEPT: usize = 50;

impl Delivery {
    /// A delivery of which nothing is stored yet. Returns `None` if the message has no body.
    pub fn pending(message: &Message) -> Option<Self> {
        Some(Self {
            account_id: message.account_id.clone(),
            webhook_id: message.webhook_id,
            id: message.delivery_id.clone(),
            event: message.event,
            body: message.body.clone()?,
            round: message.round,
            state: State::Pending,
            attempts: Vec::new(),
            tries: 0,
            next_attempt_at: None,
            version: 0,
        })
    }

    /// The message that asks for the next attempt of the round.
    pub fn follow_up(&self) -> Message {
        Message {
            account_id: self.account_id.clone(),
            webhook_id: self.webhook_id,
            delivery_id: self.id.clone(),
            event: self.event,
            body: None,
            round: self.round,
            attempt: self.tries + 1,
            probe: None,
            queued_at: None,
        }
    }

    /// The probe: a message that asks for an attempt although the webhook's circuit is open.
    pub fn probe(&self) -> Message {
        Message { probe: Some(self.version), ..self.follow_up() }
    }

    /// The message for a manual retry. A finished delivery begins a new round of the schedule; any other one makes
    /// its next attempt now. If the webhook's circuit is open, the message is a probe. Two retries of the same stored
    /// delivery make the same message, so only one attempt follows.
    pub fn retried(&self, circuit: Circuit) -> Message {
        let probe = (circuit == Circuit::Open).then_some(self.version);
        let (round, attempt) =
            if self.state.is_finished() { (self.round + 1, 1) } else { (self.round, self.tries + 1) };
        Message { round, attempt, probe, ..self.follow_up() }
    }

    /// Adds an attempt to the history, and drops the oldest if there are more than [`ATTEMPTS_KEPT`].
    fn push(&mut self, attempt: Attempt) {
        if self.attempts.len() == ATTEMPTS_KEPT {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attempt::Outcome;
    use crate::webhook::Secret;

    fn completion(task: &str, status: &str, timestamp: &str) -> Completion {
        let message = format!(
            r#"{{"account_id":"acct_1","task_id":"{task}","task_type":"image","status":"{status}","timestamp":"{timestamp}"}}"#
        );
        Completion::parse(&message, Timestamp::UNIX_EPOCH).unwrap()
    }

    fn message() -> Message {
        let account = AccountId::parse("acct_1").unwrap();
        let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
        let webhook = Webhook::new(account, WebhookId(1), url, events, Secret::generate());
        Message::new(&completion("t", "completed", "2026-01-02T03:04:05Z"), &webhook)
    }

    #[test]
    fn a_repeated_completion_has_the_same_id_however_its_time_is_written() {
        let id = |timestamp| completion("t", "completed", timestamp).delivery_id(WebhookId(1));
        assert_eq!(id("2026-01-02T03:04:05Z"), id("2026-01-02T04:04:05.000+01:00"));
    }

    /// The expected id was recorded when the format was fixed. [`DeliveryId`] says what a change would break.
    #[test]
    fn an_id_stays_what_it_is_across_versions() {
        let id = completion("t", "completed", "2026-01-02T03:04:05Z").delivery_id(WebhookId(1));
        assert_eq!(id.as_str(), "01KDYAK3482WAV4DVEFM6KBDXQ");
    }

    #[test]
    fn account_webhook_task_event_and_time_each_make_another_id() {
        let of = |task, status, time, webhook| completion(task, status, time).delivery_id(WebhookId(webhook));
        let base = of("t", "completed", "2026-01-02T03:04:05Z", 1);
        assert_ne!(base, of("u", "completed", "2026-01-02T03:04:05Z", 1));
        assert_ne!(base, of("t", "failed", "2026-01-02T03:04:05Z", 1));
        assert_ne!(base, of("t", "completed", "2026-01-02T03:04:05.000001Z", 1));
        assert_ne!(base, of("t", "completed", "2026-01-02T03:04:05Z", 2));
        let mut other = completion("t", "completed", "2026-01-02T03:04:05Z");
        other.account_id = AccountId::parse("acct_2").unwrap();
        assert_ne!(base, other.delivery_id(WebhookId(1)));
    }

    #[test]
    fn ids_sort_by_the_time_the_task_ended() {
        let id = |timestamp| completion("t", "completed", timestamp).delivery_id(WebhookId(1));
        assert!(id("2026-01-02T03:04:05.001Z") < id("2026-01-02T03:04:05.002Z"));
    }

    #[test]
    fn a_retry_of_a_finished_delivery_begins_a_round_and_one_of_a_waiting_delivery_makes_its_next_attempt() {
        let stored = Delivery { tries: 3, version: 3, ..Delivery::pending(&message()).unwrap() };
        for state in State::STORED {
            let stored = Delivery { state, ..stored.clone() };
            let Message { round, attempt, body, probe, .. } = stored.retried(Circuit::Recovering);
            assert_eq!((round, attempt), if state.is_finished() { (1, 1) } else { (0, 4) }, "{state:?}");
            assert_eq!((body, probe), (None, None));
        }
        assert_eq!(stored.retried(Circuit::Open).probe, Some(3));
    }

    #[test]
    fn of_endless_attempts_the_last_are_kept() {
        let mut delivery = Delivery::pending(&message()).unwrap();
        for duration_ms in 0..60 {
            let started_at = Timestamp::UNIX_EPOCH;
            delivery.push(Attempt { started_at, duration_ms, resent: false, outcome: Outcome::Timeout, answer: None });
        }
        assert_eq!(delivery.attempts.len(), ATTEMPTS_KEPT);
        assert_eq!(delivery.attempts.last().unwrap().duration_ms, 59);
    }
}
