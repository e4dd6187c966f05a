mod records;
mod steps;

use super::*;
use crate::{
    attempt::Outcome,
    event::Payload,
    names::{AccountId, EventType, WebhookId},
    webhook::{Secret, Status},
};

const NOW: Timestamp = Timestamp::constant(1_767_322_800, 0);
const LATER: Timestamp = Timestamp::constant(1_767_326_400, 0);

/// The message that fan-out sends.
fn first() -> Message {
    let message = r#"{"account_id":"acct_1","webhook_id":1,"event_id":"01KDYAK3482WAV4DVEFM6KBDXQ","event":"job.completed",
        "round":0,"attempt":1,"queued_at":"2026-01-02T03:00:00Z"}"#;
    Message { payload: Some(payload()), ..serde_json::from_str(message).unwrap() }
}

fn payload() -> Payload {
    Payload { task_id: "t".into(), body: r#"{"task_id":"t"}"#.into() }
}

/// A message that asks for another attempt.
fn asking(round: u32, attempt: u32) -> Message {
    Message { round, attempt, queued_at: None, ..first() }
}

/// A message with the payload of its event, which the dispatcher has read.
fn loaded(message: Message) -> Message {
    Message { payload: Some(payload()), ..message }
}

/// A message whose event is not kept any more.
fn without_event(message: Message) -> Message {
    Message { payload: None, ..message }
}

fn stored(state: State, round: u32, tries: u32) -> Delivery {
    let attempts = (0..tries).map(|_| attempt(503)).collect();
    let next_attempt_at = (state == State::Retrying).then_some(LATER);
    let version = u64::from(tries).max(1);
    Delivery { round, state, attempts, tries, next_attempt_at, version, ..Delivery::pending(&first()).unwrap() }
}

fn webhook() -> Webhook {
    let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
    Webhook::new(AccountId::parse("acct_1").unwrap(), WebhookId(1), url, events, Secret::generate())
}

fn open() -> Webhook {
    let mut webhook = webhook();
    webhook.stored_health.circuit = Circuit::Open;
    webhook
}

fn disabled() -> Webhook {
    Webhook { status: Status::Disabled, ..webhook() }
}

/// A first, eventually consistent read.
const GLANCE: Look = Look { received_before: false, consistent: false, erased: false };
const LOOK: Look = Look { consistent: true, ..GLANCE };
const LOOK_AGAIN: Look = Look { received_before: true, ..LOOK };

fn attempt(http_status: u16) -> Attempt {
    let outcome = Outcome::Http { http_status, response: String::new(), redirect: None };
    Attempt { started_at: NOW, duration_ms: 5, resent: false, outcome, answer: None }
}

fn made(http_status: u16, verdict: Verdict) -> Change {
    let attempt = attempt(http_status);
    Change::Attempted(Made { attempt, verdict, epoch: 7, wait: None, last_success: None, watch: true })
}

fn succeeded() -> Change {
    made(204, Verdict::Delivered)
}

fn failed() -> Change {
    made(503, Verdict::RetryAt(LATER))
}
