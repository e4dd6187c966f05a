//! A delivery: one event on its way to one webhook, from the message that fan-out sends to the record of its
//! attempts.
//!
//! A [`Message`] on the queue asks for one attempt. The *receiver's* answer or failure is an [`Outcome`](crate::attempt::Outcome): data,
//! recorded as an attempt of the [`Delivery`]. *Our* failure (a throttled table, a crash) is an `Err`: SQS counts it
//! as a receive of the message, it costs the customer no attempt, and too many receives make the message a dead
//! letter. The rules that keep messages and records in step are in [`protocol`](step).

mod erasure;
mod protocol;
mod resend;
mod standing;
mod view;

use std::{fmt, str::FromStr};

pub use erasure::{ERASED_KEPT_DAYS, Erasure, remains};
use jiff::Timestamp;
pub use protocol::{Change, Look, Made, Mark, Step, Write, record, step, uses_quota};
use serde::{
    Deserialize, Serialize,
    de::{self, IntoDeserializer as _},
};
pub use standing::{EventDetails, EventSummary};
pub use view::{DeliverySummary, DeliveryView, Listed};

use crate::{
    attempt::Attempt,
    egress,
    event::{Event, Payload},
    names::{AccountId, EventId, EventType, WebhookId},
    webhook::{Circuit, Webhook},
};

/// Asks the dispatcher for one attempt. It names its webhook and contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub account_id: AccountId,
    pub webhook_id: WebhookId,
    pub event_id: EventId,
    pub event: EventType,
    /// What to send. Only fan-out's messages have it; for all others the dispatcher reads the stored event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
    /// The URL that the job's submitter asked for; `None` if the webhook's own URL is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// The round of the schedule: 0 at first, and one more for each manual retry of a finished delivery.
    pub round: u32,
    /// The number of the attempt in that round, from 1.
    pub attempt: u32,
    /// If set, the message is a probe, which the dispatcher attempts although the webhook's circuit is open. The
    /// value is the delivery's version when the probe was sent, 0 if the delivery was not stored. The dispatcher
    /// drops a probe of any other version in the same round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<u64>,
    /// The id of the resend that sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resend: Option<String>,
    /// When the completion was sent to its queue, to measure the time to the first attempt. Only fan-out's messages
    /// have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Timestamp>,
}

/// Whether a callback URL, if there is one, is at another origin than the webhook's own URL.
fn calls_elsewhere(callback_url: Option<&str>, webhook: &Webhook) -> bool {
    callback_url.is_some_and(|url| egress::origin(url) != egress::origin(&webhook.url))
}

fn waits_for_circuit(callback_url: Option<&str>, webhook: &Webhook) -> bool {
    webhook.circuit() == Circuit::Open && !calls_elsewhere(callback_url, webhook)
}

impl Message {
    /// Whether the delivery waits for the webhook's circuit: it is open, and the message is for the webhook's own
    /// endpoint.
    pub fn waits_for_circuit(&self, webhook: &Webhook) -> bool {
        waits_for_circuit(self.callback_url.as_deref(), webhook)
    }

    /// The message for the first attempt of an event's delivery to a webhook, without the payload.
    pub fn first(event: &Event, webhook_id: WebhookId) -> Self {
        Self {
            account_id: event.account_id.clone(),
            webhook_id,
            event_id: event.id.clone(),
            event: event.event,
            payload: None,
            callback_url: event.callback_for(webhook_id).map(str::to_owned),
            round: 0,
            attempt: 1,
            probe: None,
            resend: None,
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
    /// No attempt can follow; [`Delivery::reason`] says why.
    Cancelled,
}

impl State {
    /// Every state that is stored, in the order in which a delivery reaches them.
    pub const STORED: [Self; 6] =
        [Self::Pending, Self::Retrying, Self::Held, Self::Delivered, Self::Failed, Self::Cancelled];

    /// The names of all states, for messages.
    pub fn names() -> String {
        Self::STORED.map(|state| state.to_string()).join(", ")
    }

    /// Whether no further attempt follows, unless somebody retries the delivery by hand.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Delivered | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl FromStr for State {
    type Err = de::value::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::deserialize(name.into_deserializer())
    }
}

/// Why a delivery is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The webhook was deleted before the delivery was finished.
    Deleted,
    /// The customer erased the event.
    Erased,
    /// The event was older than the time for which events are kept.
    Expired,
}

/// A delivery and its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub account_id: AccountId,
    pub webhook_id: WebhookId,
    pub id: EventId,
    pub event: EventType,
    /// See [`Payload::task_id`].
    pub task_id: String,
    /// See [`Message::callback_url`].
    pub callback_url: Option<String>,
    /// See [`Message::round`].
    pub round: u32,
    pub state: State,
    /// Why it is [`State::Cancelled`]. A delivery that was finished before its event was erased keeps its state, and
    /// has [`Reason::Erased`] here, so that no later record adds an answer to it.
    pub reason: Option<Reason>,
    /// The id of the last resend that began a round of it. The same resend begins no second one.
    pub resend: Option<String>,
    /// The attempts of all rounds, oldest first: at most the last [`ATTEMPTS_KEPT`].
    pub attempts: Vec<Attempt>,
    /// How many attempts were made before these, and are no longer kept.
    pub dropped: u32,
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
    /// A delivery of which nothing is stored yet. Returns `None` if the message has no payload.
    pub fn pending(message: &Message) -> Option<Self> {
        Some(Self {
            account_id: message.account_id.clone(),
            webhook_id: message.webhook_id,
            id: message.event_id.clone(),
            event: message.event,
            task_id: message.payload.as_ref()?.task_id.clone(),
            callback_url: message.callback_url.clone(),
            round: message.round,
            state: State::Pending,
            reason: None,
            resend: message.resend.clone(),
            attempts: Vec::new(),
            dropped: 0,
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
            event_id: self.id.clone(),
            event: self.event,
            payload: None,
            callback_url: None,
            round: self.round,
            attempt: self.tries + 1,
            probe: None,
            resend: None,
            queued_at: None,
        }
    }

    /// The probe: a message that asks for an attempt although the webhook's circuit is open.
    pub fn probe(&self) -> Message {
        Message { probe: Some(self.version), ..self.follow_up() }
    }

    /// The message for a manual retry. A finished delivery begins a new round of the schedule; any other one makes
    /// its next attempt now. If it waits for the webhook's circuit, the message is a probe. Two retries of the same
    /// stored delivery make the same message, so only one attempt follows.
    pub fn retried(&self, webhook: &Webhook) -> Message {
        let probe = waits_for_circuit(self.callback_url.as_deref(), webhook).then_some(self.version);
        let (round, attempt) =
            if self.state.is_finished() { (self.round + 1, 1) } else { (self.round, self.tries + 1) };
        Message { round, attempt, probe, ..self.follow_up() }
    }

    /// How many attempts were made, over all rounds.
    pub fn attempt_count(&self) -> usize {
        self.dropped as usize + self.attempts.len()
    }

    /// The number of the next attempt, counted from 1 over all rounds.
    pub fn next_attempt(&self) -> usize {
        self.attempt_count() + 1
    }

    /// The URL to call.
    pub fn url<'a>(&'a self, webhook: &'a Webhook) -> &'a str {
        self.callback_url.as_deref().unwrap_or(&webhook.url)
    }

    /// Whether a callback goes to another origin (scheme, host or port) than the webhook's own URL.
    pub fn calls_elsewhere(&self, webhook: &Webhook) -> bool {
        calls_elsewhere(self.callback_url.as_deref(), webhook)
    }

    /// The delivery after its event was erased: nothing is sent any more, and what receivers answered is gone. Returns
    /// `None` if it is erased already.
    pub fn erased(self) -> Option<Self> {
        if self.reason == Some(Reason::Erased) {
            return None;
        }
        let state = if self.state.is_finished() { self.state } else { State::Cancelled };
        Some(Self { state, ..self.cancelled(Reason::Erased) })
    }

    /// The delivery after it was cancelled. If its event was erased, what receivers answered is gone, too: nothing else
    /// removes it from a delivery that the dispatcher has cancelled before the erasure came to it.
    fn cancelled(mut self, reason: Reason) -> Self {
        if reason == Reason::Erased {
            self.attempts.iter_mut().for_each(Attempt::forget_answer);
            self.callback_url = None;
        }
        Self { state: State::Cancelled, reason: Some(reason), next_attempt_at: None, ..self }
    }

    /// Adds an attempt to the history, and drops the oldest if there are more than [`ATTEMPTS_KEPT`]. If the event was
    /// erased, the attempt is added without the receiver's words.
    fn push(&mut self, mut attempt: Attempt) {
        if self.reason == Some(Reason::Erased) {
            attempt.forget_answer();
        }
        if self.attempts.len() == ATTEMPTS_KEPT {
            self.attempts.remove(0);
            self.dropped += 1;
        }
        self.attempts.push(attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{attempt::Outcome, event::Completion, webhook::Secret};

    fn message() -> Message {
        let message = r#"{"account_id":"acct_1","task_id":"t","task_type":"image","status":"completed","timestamp":"2026-01-02T03:04:05Z"}"#;
        let event = Event::test(&Completion::parse(message, Timestamp::UNIX_EPOCH).unwrap(), WebhookId(1));
        Message { payload: event.payload(), ..Message::first(&event, WebhookId(1)) }
    }

    fn webhook(circuit: Circuit) -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let (url, events) = ("https://a.example.com/hook".into(), vec![EventType::JobCompleted]);
        let mut webhook = Webhook::new(account, WebhookId(1), url, events, Secret::generate());
        webhook.stored_health.circuit = circuit;
        webhook
    }

    fn attempt(outcome: Outcome) -> Attempt {
        Attempt { started_at: Timestamp::UNIX_EPOCH, duration_ms: 1, resent: false, outcome, answer: None }
    }

    fn answered(response: &str) -> Attempt {
        attempt(Outcome::Http { http_status: 503, response: response.into(), redirect: None })
    }

    #[test]
    fn a_retry_of_a_finished_delivery_begins_a_round_and_one_of_a_waiting_delivery_makes_its_next_attempt() {
        let stored = Delivery { tries: 3, version: 3, ..Delivery::pending(&message()).unwrap() };
        for state in State::STORED {
            let stored = Delivery { state, ..stored.clone() };
            let Message { round, attempt, payload, probe, .. } = stored.retried(&webhook(Circuit::Recovering));
            assert_eq!((round, attempt), if state.is_finished() { (1, 1) } else { (0, 4) }, "{state:?}");
            assert_eq!((payload, probe), (None, None));
        }
        assert_eq!(stored.retried(&webhook(Circuit::Open)).probe, Some(3));
        let elsewhere = Delivery { callback_url: Some("https://jobs.example.net/".into()), ..stored };
        assert_eq!(elsewhere.retried(&webhook(Circuit::Open)).probe, None, "it does not wait for the circuit");
    }

    #[test]
    fn of_endless_attempts_the_last_are_kept_and_all_are_counted() {
        let mut delivery = Delivery::pending(&message()).unwrap();
        for number in 1..=60 {
            assert_eq!(delivery.next_attempt(), number);
            delivery.push(Attempt { duration_ms: number as u64 - 1, ..attempt(Outcome::Timeout) });
        }
        assert_eq!((delivery.attempts.len(), delivery.attempt_count()), (ATTEMPTS_KEPT, 60));
        assert_eq!(delivery.attempts.last().unwrap().duration_ms, 59);
    }

    #[test]
    fn erasing_forgets_what_was_answered_and_what_is_still_answered_later() {
        let mut delivery = Delivery::pending(&message()).unwrap();
        delivery.callback_url = Some("https://jobs.example.com/?token=secret".into());
        delivery.push(answered("you sent: secret"));
        let mut erased = delivery.erased().unwrap();
        assert_eq!(erased.callback_url, None);
        assert_eq!((erased.state, erased.reason), (State::Cancelled, Some(Reason::Erased)));
        erased.push(answered("you sent: secret"));
        assert_eq!(erased.attempts, [answered(""), answered("")]);
        assert_eq!(erased.erased(), None);
    }

    #[test]
    fn erasing_leaves_a_finished_delivery_in_its_state() {
        let delivered = Delivery { state: State::Delivered, ..Delivery::pending(&message()).unwrap() };
        assert_eq!(delivered.erased().unwrap().state, State::Delivered);
    }

    #[test]
    fn a_callback_at_another_scheme_host_or_port_goes_elsewhere() {
        let webhook = webhook(Circuit::Closed);
        let elsewhere = |callback: Option<&str>| {
            let callback_url = callback.map(str::to_owned);
            Delivery { callback_url, ..Delivery::pending(&message()).unwrap() }.calls_elsewhere(&webhook)
        };
        for own in [None, Some("https://a.example.com/other?job=1"), Some("https://A.example.com:443/")] {
            assert!(!elsewhere(own), "{own:?}");
        }
        for other in ["http://a.example.com/", "https://b.example.com/", "https://a.example.com:8443/", "nonsense"] {
            assert!(elsewhere(Some(other)), "{other}");
        }
    }
}
