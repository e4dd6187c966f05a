//! A delivery: one event on its way to one webhook, from the message that fan-out sends to the record of what happened.
//!
//! Two budgets keep blame apart. What the *receiver* did wrong is an [`Outcome`]: data, counted as an attempt in the
//! [`Delivery`], and when the schedule is used up the delivery has failed. What *we* did wrong (a throttled table, a
//! crash) is an `Err` somewhere: it is counted by SQS, costs the customer no attempt, and leads to the dead-letter queue.

mod outcome;
mod view;

use std::{cmp::Ordering, fmt};

use jiff::{SignedDuration, Timestamp};
pub use outcome::{Attempt, Outcome};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use ulid::Ulid;
pub use view::{Listed, Summary, View};

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

    /// Parses a path segment. Only the one canonical spelling names a delivery.
    pub fn parse(text: &str) -> Option<Self> {
        let id: Ulid = text.parse().ok()?;
        (id.to_string() == text).then(|| Self(text.to_owned()))
    }

    /// When the task ended, in milliseconds.
    pub fn ended_at(&self) -> Timestamp {
        let milliseconds = self.0.parse().map_or(0, |id: Ulid| id.timestamp_ms());
        Timestamp::from_millisecond(i64::try_from(milliseconds).unwrap_or_default()).unwrap_or_default()
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
    /// Which round of the schedule this is: 0 at first, and one more for each manual retry. A message of a later round
    /// than the stored delivery's starts it afresh; that is how a retry gets past the check that stops duplicates.
    pub round: u32,
    /// When the completion was sent to its queue, by which the time to the first attempt is measured. Only fan-out's
    /// messages have it: a manual retry has none, nor has a test, nor one of a version that did not measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Timestamp>,
}

impl Message {
    /// The first message of a completion's delivery to a webhook.
    pub fn new(completion: &Completion, webhook: &Webhook) -> Self {
        Self {
            account_id: webhook.account_id.clone(),
            webhook_id: webhook.id,
            delivery_id: DeliveryId::of(completion, webhook.id),
            event: completion.event,
            body: completion.body.clone(),
            round: 0,
            queued_at: None,
        }
    }
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

impl State {
    /// Every state that is stored.
    pub const STORED: [Self; 4] = [Self::Retrying, Self::Delivered, Self::Failed, Self::Cancelled];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A delivery and its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What is delivered to whom.
    pub message: Message,
    /// Where it stands.
    pub state: State,
    /// The attempts of all rounds, oldest first, and no more than the last [`ATTEMPTS_KEPT`].
    pub attempts: Vec<Attempt>,
    /// How many attempts this round has had.
    pub tries: u32,
    /// When the next attempt is due, while [`State::Retrying`].
    pub next_attempt_at: Option<Timestamp>,
    /// How often it was stored: 0 means never. The store refuses a record whose version is not the one it has, so that
    /// of two dispatchers that hold the same delivery neither overwrites what the other has seen.
    pub version: u64,
}

/// Manual retries could fill an item without end; what is older than this many attempts is forgotten.
pub const ATTEMPTS_KEPT: usize = 50;

const LONG_OVERDUE: SignedDuration = SignedDuration::from_hours(1);

/// What to do with a delivery message that has just arrived.
#[derive(Debug)]
pub enum Step {
    /// Attempt it now.
    Send(Delivery, Webhook),
    /// Too early: it is due at this time.
    Wait(Timestamp),
    /// Its webhook is gone or disabled: record it as it is here, and be done with the message.
    Cancel(Delivery),
    /// There is nothing left to do: be done with the message.
    Finished,
}

/// Decides what a message means, given what the store has of its delivery and its webhook at this moment.
pub fn step(message: Message, stored: Option<Delivery>, webhook: Option<Webhook>, now: Timestamp) -> Step {
    let Some(delivery) = Delivery::unfinished(message, stored) else { return Step::Finished };
    match (webhook.filter(Webhook::is_active), delivery.next_attempt_at) {
        (None, _) => Step::Cancel(delivery.cancelled()),
        (Some(_), Some(due)) if due > now => Step::Wait(due),
        (Some(webhook), _) => Step::Send(delivery, webhook),
    }
}

impl Delivery {
    /// A delivery of which nothing is stored.
    pub fn pending(message: Message) -> Self {
        Self { message, state: State::Pending, attempts: Vec::new(), tries: 0, next_attempt_at: None, version: 0 }
    }

    /// What a message finds to do: nothing where its round is finished or over.
    fn unfinished(message: Message, stored: Option<Self>) -> Option<Self> {
        let Some(stored) = stored else { return Some(Self::pending(message)) };
        match message.round.cmp(&stored.message.round) {
            Ordering::Less => None,
            Ordering::Equal => (!stored.is_finished()).then_some(stored),
            Ordering::Greater => {
                Some(Self { message, state: State::Pending, tries: 0, next_attempt_at: None, ..stored })
            }
        }
    }

    /// Whether no further attempt will be made, unless someone asks for one.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, State::Delivered | State::Failed | State::Cancelled)
    }

    /// Whether a person may start it afresh: it is finished, or its next attempt is so long overdue that its message must
    /// have left the queue, as a dead letter or by age. If it has not, the later round takes its place.
    pub fn can_be_retried(&self, now: Timestamp) -> bool {
        self.is_finished() || self.next_attempt_at.is_some_and(|due| now.duration_since(due) > LONG_OVERDUE)
    }

    /// The delivery after an attempt.
    #[must_use]
    pub fn after(mut self, attempt: Attempt, verdict: Verdict) -> Self {
        if self.attempts.len() == ATTEMPTS_KEPT {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
        self.tries += 1;
        (self.state, self.next_attempt_at) = match verdict {
            Verdict::Delivered => (State::Delivered, None),
            Verdict::RetryAt(due) => (State::Retrying, Some(due)),
            Verdict::Failed => (State::Failed, None),
        };
        self
    }

    /// The message that starts a finished delivery afresh. Two retries of the same finished delivery make the same
    /// message, and so one round.
    pub fn retried(&self) -> Message {
        Message { round: self.message.round + 1, queued_at: None, ..self.message.clone() }
    }

    /// The delivery when its webhook was deleted or disabled.
    fn cancelled(self) -> Self {
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
        Message::new(&completion("t", "completed", "2026-01-02T03:04:05Z"), &active())
    }

    fn webhook(status: Status) -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
        Webhook { status, ..Webhook::new(account, WebhookId(1), url, events, Secret::generate()) }
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

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn active() -> Webhook {
        webhook(Status::Active)
    }

    fn attempt() -> Attempt {
        Attempt { started_at: now(), duration_ms: 1, resent: false, outcome: Outcome::Timeout }
    }

    fn finished(state: State) -> Delivery {
        Delivery { state, tries: 8, ..Delivery::pending(message()) }
    }

    #[test]
    fn a_delivery_is_sent_when_it_is_due_and_not_before() {
        assert!(matches!(step(message(), None, Some(active()), now()), Step::Send(..)));
        let later = now() + std::time::Duration::from_secs(5);
        let retrying = Delivery::pending(message()).after(attempt(), Verdict::RetryAt(later));
        assert!(
            matches!(step(message(), Some(retrying.clone()), Some(active()), now()), Step::Wait(due) if due == later)
        );
        assert!(matches!(step(message(), Some(retrying), Some(active()), later), Step::Send(..)));
    }

    #[test]
    fn a_finished_delivery_stays_finished() {
        for state in [State::Delivered, State::Failed, State::Cancelled] {
            assert!(matches!(step(message(), Some(finished(state)), Some(active()), now()), Step::Finished));
            assert!(matches!(step(message(), Some(finished(state)), None, now()), Step::Finished));
        }
    }

    #[test]
    fn a_deleted_or_disabled_webhook_gets_no_attempt() {
        for webhook in [None, Some(webhook(Status::Disabled))] {
            let Step::Cancel(delivery) = step(message(), None, webhook, now()) else { panic!("is cancelled") };
            assert_eq!(delivery.state, State::Cancelled);
        }
    }

    #[test]
    fn a_manual_retry_of_a_finished_delivery_starts_the_schedule_afresh() {
        for state in [State::Delivered, State::Failed, State::Cancelled] {
            let before = finished(state);
            let Step::Send(again, _) = step(before.retried(), Some(before.clone()), Some(active()), now()) else {
                panic!("is sent")
            };
            assert_eq!(again.message.delivery_id, before.message.delivery_id);
            assert_eq!((again.tries, again.state), (0, State::Pending));
        }
    }

    #[test]
    fn what_is_being_tried_cannot_be_retried_until_it_is_long_overdue() {
        let due = Delivery::pending(message()).after(attempt(), Verdict::RetryAt(now()));
        assert!(!due.can_be_retried(now() + LONG_OVERDUE));
        assert!(due.can_be_retried(now() + LONG_OVERDUE + SignedDuration::from_secs(1)));
        assert!(finished(State::Failed).can_be_retried(now()));
    }

    #[test]
    fn a_message_of_an_earlier_round_changes_nothing() {
        let stored = Delivery { message: finished(State::Failed).retried(), ..finished(State::Retrying) };
        assert!(matches!(step(message(), Some(stored), Some(active()), now()), Step::Finished));
    }

    #[test]
    fn of_endless_attempts_the_last_are_kept() {
        let mut delivery = Delivery::pending(message());
        for duration_ms in 0..60 {
            delivery = delivery.after(Attempt { duration_ms, ..attempt() }, Verdict::Failed);
        }
        assert_eq!(delivery.attempts.len(), ATTEMPTS_KEPT);
        assert_eq!(delivery.attempts.last().unwrap().duration_ms, 59);
        assert_eq!(delivery.tries, 60);
    }
}
