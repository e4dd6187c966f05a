//! Builds records of attempts for the tests, with times in seconds.

use std::time::Duration;

use jiff::Timestamp;
use nano_webhooks::{
    attempt::{Attempt, Outcome},
    names::{AccountId, EventId, EventType, WebhookId},
    webhook::{Recorded, RecordedAttempt, Secret, Settings, Webhook},
};

pub(crate) fn start() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().expect("is a time")
}

pub(crate) fn second(second: u64) -> Timestamp {
    start() + Duration::from_secs(second)
}

pub(crate) fn delivery(number: u64) -> EventId {
    EventId::first_at(second(number))
}

pub(crate) fn webhook() -> Webhook {
    let account = AccountId::parse("acct_1").expect("is an account");
    let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
    Webhook::new(account, WebhookId(1), url, events, Secret::generate())
}

/// An attempt of a delivery that began in this second and was answered with this status immediately.
pub(crate) fn attempt(of: u64, at: u64, http_status: u16) -> RecordedAttempt {
    let outcome = Outcome::Http { http_status, response: String::new(), redirect: None };
    RecordedAttempt {
        event_id: delivery(of),
        round: 0,
        number: at,
        epoch: 0,
        probe: false,
        wait: None,
        last_success: None,
        exhausted: false,
        attempt: Attempt { started_at: second(at), duration_ms: 0, resent: false, outcome, answer: None },
    }
}

pub(crate) fn failure(of: u64, at: u64) -> RecordedAttempt {
    attempt(of, at, 500)
}

pub(crate) fn success(of: u64, at: u64) -> RecordedAttempt {
    attempt(of, at, 200)
}

/// A failed attempt of another delivery in each of these seconds.
pub(crate) fn failures(seconds: impl IntoIterator<Item = u64>) -> Vec<RecordedAttempt> {
    seconds.into_iter().map(|at| failure(at, at)).collect()
}

/// The webhook after a batch.
pub(crate) fn after(webhook: &Webhook, attempts: Vec<RecordedAttempt>) -> Webhook {
    folded(webhook, &Recorded { attempts, held: false })
}

pub(crate) fn after_held(webhook: &Webhook) -> Webhook {
    folded(webhook, &Recorded { attempts: Vec::new(), held: true })
}

fn folded(webhook: &Webhook, recorded: &Recorded) -> Webhook {
    let stored_health = webhook.health_after(recorded, &Settings::default());
    Webhook { stored_health: stored_health.unwrap_or_else(|| webhook.stored_health.clone()), ..webhook.clone() }
}

pub(crate) fn open() -> Webhook {
    after(&webhook(), failures(1..=10))
}
