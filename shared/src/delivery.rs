//! A delivery: one event on its way to one webhook, from the message that fan-out sends to the record of what happened.
//!
//! Two budgets keep blame apart. What the *receiver* did wrong is an [`Outcome`]: data, counted as an attempt in the
//! [`Delivery`], and when the schedule is used up the delivery has failed. What *we* did wrong (a throttled table, a
//! crash) is an `Err` somewhere: it is counted by SQS, costs the customer no attempt, and leads to the dead-letter queue.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use ulid::Ulid;

use crate::{
    event::Completion,
    retry::Verdict,
    webhook::{AccountId, EventType, Webhook, WebhookId},
};

/// A delivery's name, and its `webhook-id` header: a ULID, so ids sort by the time at which the task ended.
///
/// It is computed, not drawn: the same completion gives every webhook the same id again, and a repeated completion thus
/// finds the finished delivery and stops. If this changed, a completion sent before and after an upgrade would be
/// delivered twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(String);

impl DeliveryId {
    /// The id of a completion's delivery to one webhook.
    pub fn of(completion: &Completion, webhook: WebhookId) -> Self {
        let Completion { account_id, task_id, event, ended_at, .. } = completion;
        // The task id comes last because it alone can hold the separator.
        let name = format!("{account_id}#{webhook}#{}#{}#{task_id}", event.as_str(), ended_at.as_nanosecond());
        let hash: [u8; 32] = Sha256::digest(name).into();
        let [random, _] = *hash.as_chunks().0 else { unreachable!("32 bytes are two times 16") };
        let milliseconds = u64::try_from(ended_at.as_millisecond()).expect("a completion ended in 1970 or later");
        Self(Ulid::from_parts(milliseconds, u128::from_be_bytes(random)).to_string())
    }

    /// The id as written: 26 characters of Crockford's base32.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What travels from fan-out to the dispatcher. It names its webhook and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Whose webhook.
    pub account_id: AccountId,
    /// Which webhook.
    pub webhook_id: WebhookId,
    /// Which delivery to it.
    pub delivery_id: DeliveryId,
    /// What it tells.
    pub event: EventType,
    /// The body to send, byte for byte.
    pub body: String,
}

/// What became of one attempt, by the phase that decided it. A receiver's failure is data, not an error of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The target may not be called. Nothing was sent.
    Blocked {
        /// Why, without what an internal name resolved to.
        detail: String,
    },
    /// The host name did not resolve.
    Dns {
        /// What the resolver said.
        detail: String,
    },
    /// No TCP connection came about.
    Connect {
        /// What the network said.
        detail: String,
    },
    /// No TLS session came about: an expired certificate, a wrong name.
    Tls {
        /// What was wrong.
        detail: String,
    },
    /// The attempt's time ran out before a status arrived.
    Timeout,
    /// The connection ended before a status arrived, or what arrived was not HTTP.
    Interrupted {
        /// What happened.
        detail: String,
    },
    /// A status arrived; it alone decides, whatever the body does.
    Http {
        /// The status.
        http_status: u16,
        /// The beginning of the response's body, as safe text.
        response: String,
    },
}

impl Outcome {
    /// Success is 2xx, nothing else.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Http { http_status: 200..=299, .. })
    }

    /// Whether a later attempt could end otherwise.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Blocked { .. })
    }

    /// The phase's name, as it stands in the history and in logs.
    pub fn phase(&self) -> &'static str {
        match self {
            Self::Blocked { .. } => "blocked",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout => "timeout",
            Self::Interrupted { .. } => "interrupted",
            Self::Http { .. } => "http",
        }
    }
}

/// One request to the endpoint and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Queued, no attempt yet. It is in no table: the queue is its only home.
    Pending,
    /// An attempt failed; the next is due.
    Retrying,
    /// The receiver said 2xx.
    Delivered,
    /// The schedule is used up, or the target may not be called.
    Failed,
    /// The webhook was deleted or disabled meanwhile.
    Cancelled,
}

/// A delivery and its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What is delivered to whom.
    pub message: Message,
    /// Where it stands.
    pub state: State,
    /// Every attempt, oldest first.
    pub attempts: Vec<Attempt>,
    /// When the next attempt is due, while [`State::Retrying`].
    pub next_attempt_at: Option<Timestamp>,
    /// How often it was stored: 0 means never. The store refuses a record whose version is not the one it has, so that
    /// of two dispatchers that hold the same delivery neither overwrites what the other has seen.
    pub version: u64,
}

/// What to do with a delivery message that has just arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Attempt it now.
    Send,
    /// Too early: it is due at this time.
    Wait(Timestamp),
    /// Its webhook is gone or disabled: record that, and be done with the message.
    Cancel,
    /// It is finished already: be done with the message.
    Finished,
}

impl Delivery {
    /// A delivery of which nothing is stored.
    pub fn pending(message: Message) -> Self {
        Self { message, state: State::Pending, attempts: Vec::new(), next_attempt_at: None, version: 0 }
    }

    /// What to do with it now. `webhook` is what the store has of its webhook at this moment.
    pub fn step(&self, webhook: Option<&Webhook>, now: Timestamp) -> Step {
        match (self.state, webhook) {
            (State::Delivered | State::Failed | State::Cancelled, _) => Step::Finished,
            (State::Pending | State::Retrying, Some(webhook)) if webhook.is_active() => match self.next_attempt_at {
                Some(due) if due > now => Step::Wait(due),
                _ => Step::Send,
            },
            (State::Pending | State::Retrying, _) => Step::Cancel,
        }
    }

    /// The delivery after an attempt.
    #[must_use]
    pub fn after(mut self, attempt: Attempt, verdict: Verdict) -> Self {
        self.attempts.push(attempt);
        (self.state, self.next_attempt_at) = match verdict {
            Verdict::Delivered => (State::Delivered, None),
            Verdict::RetryAt(due) => (State::Retrying, Some(due)),
            Verdict::Failed => (State::Failed, None),
        };
        self
    }

    /// The delivery when its webhook was deleted or disabled.
    #[must_use]
    pub fn cancelled(self) -> Self {
        Self { state: State::Cancelled, next_attempt_at: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Secret, Status};

    fn completion(task: &str, status: &str, timestamp: &str) -> Completion {
        let message = format!(
            r#"{{"account_id":"acct_1","task_id":"{task}","task_type":"image","status":"{status}","timestamp":"{timestamp}"}}"#
        );
        Completion::parse(&message, Timestamp::UNIX_EPOCH).unwrap()
    }

    fn message() -> Message {
        let completion = completion("t", "completed", "2026-01-02T03:04:05Z");
        Message {
            account_id: completion.account_id.clone(),
            webhook_id: WebhookId(1),
            delivery_id: DeliveryId::of(&completion, WebhookId(1)),
            event: completion.event,
            body: completion.body,
        }
    }

    fn webhook(status: Status) -> Webhook {
        Webhook {
            account_id: AccountId::parse("acct_1").unwrap(),
            id: WebhookId(1),
            url: "https://a.example.com/".into(),
            events: vec![EventType::JobCompleted],
            status,
            secret: Secret::generate(),
        }
    }

    #[test]
    fn a_repeated_completion_has_the_same_id_however_its_time_is_written() {
        let id = |timestamp| DeliveryId::of(&completion("t", "completed", timestamp), WebhookId(1));
        assert_eq!(id("2026-01-02T03:04:05Z"), id("2026-01-02T04:04:05.000+01:00"));
    }

    /// The literal was written down when the format was fixed; see [`DeliveryId`] for what a change would do.
    #[test]
    fn an_id_stays_what_it_is_across_versions() {
        let id = DeliveryId::of(&completion("t", "completed", "2026-01-02T03:04:05Z"), WebhookId(1));
        assert_eq!(id.as_str(), "01KDYAK3482WAV4DVEFM6KBDXQ");
    }

    #[test]
    fn account_webhook_task_event_and_time_each_make_another_id() {
        let of = |task, status, time, webhook| DeliveryId::of(&completion(task, status, time), WebhookId(webhook));
        let base = of("t", "completed", "2026-01-02T03:04:05Z", 1);
        assert_ne!(base, of("u", "completed", "2026-01-02T03:04:05Z", 1));
        assert_ne!(base, of("t", "failed", "2026-01-02T03:04:05Z", 1));
        assert_ne!(base, of("t", "completed", "2026-01-02T03:04:05.000001Z", 1));
        assert_ne!(base, of("t", "completed", "2026-01-02T03:04:05Z", 2));
        let mut other = completion("t", "completed", "2026-01-02T03:04:05Z");
        other.account_id = AccountId::parse("acct_2").unwrap();
        assert_ne!(base, DeliveryId::of(&other, WebhookId(1)));
    }

    #[test]
    fn ids_sort_by_the_time_the_task_ended() {
        let id = |timestamp| DeliveryId::of(&completion("t", "completed", timestamp), WebhookId(1));
        assert!(id("2026-01-02T03:04:05.001Z") < id("2026-01-02T03:04:05.002Z"));
    }

    #[test]
    fn a_delivery_is_sent_when_it_is_due_and_not_before() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let webhook = webhook(Status::Active);
        let pending = Delivery::pending(message());
        assert_eq!(pending.step(Some(&webhook), now), Step::Send);
        let attempt = Attempt { started_at: now, duration_ms: 1, outcome: Outcome::Timeout };
        let later = now + std::time::Duration::from_secs(5);
        let retrying = pending.after(attempt, Verdict::RetryAt(later));
        assert_eq!(retrying.step(Some(&webhook), now), Step::Wait(later));
        assert_eq!(retrying.step(Some(&webhook), later), Step::Send);
    }

    #[test]
    fn a_finished_delivery_stays_finished() {
        let now = Timestamp::UNIX_EPOCH;
        for state in [State::Delivered, State::Failed, State::Cancelled] {
            let delivery = Delivery { state, ..Delivery::pending(message()) };
            assert_eq!(delivery.step(Some(&webhook(Status::Active)), now), Step::Finished);
            assert_eq!(delivery.step(None, now), Step::Finished);
        }
    }

    #[test]
    fn a_deleted_or_disabled_webhook_gets_no_attempt() {
        let delivery = Delivery::pending(message());
        assert_eq!(delivery.step(None, Timestamp::UNIX_EPOCH), Step::Cancel);
        assert_eq!(delivery.step(Some(&webhook(Status::Disabled)), Timestamp::UNIX_EPOCH), Step::Cancel);
    }
}
