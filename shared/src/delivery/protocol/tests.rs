mod records;
mod steps;

use super::*;
use crate::{
    attempt::Outcome,
    names::{AccountId, EventType, WebhookId},
    webhook::{Secret, Status},
};

const NOW: Timestamp = Timestamp::constant(1_767_322_800, 0);
const LATER: Timestamp = Timestamp::constant(1_767_326_400, 0);
const BODY: &str = r#"{"task_id":"t"}"#;

/// The message that fan-out sends.
fn first() -> Message {
    let message = r#"{"account_id":"acct_1","webhook_id":1,"delivery_id":"01KDYAK3482WAV4DVEFM6KBDXQ","event":"job.completed",
        "round":0,"attempt":1,"queued_at":"2026-01-02T03:00:00Z"}"#;
    Message { body: Some(BODY.into()), ..serde_json::from_str(message).unwrap() }
}

/// A message that asks for another attempt: it has no body.
fn asking(round: u32, attempt: u32) -> Message {
    Message { round, attempt, body: None, queued_at: None, ..first() }
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
const GLANCE: Look = Look { received_before: false, consistent: false };
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
