//! Between the model and the library: what the model leaves out is put back for a decision, and taken off its result.

use std::time::Duration;

use jiff::Timestamp;
use nano_webhooks::{
    delivery::{Attempt, Delivery, Message, Outcome, State},
    retry::Schedule,
    webhook::{AccountId, EventType, Health, HealthChange, Secret, Status, Webhook, WebhookId},
};

use crate::world::{Answer, Bounds, Change, Due, Failing, Hook, Item, Standing};

pub(crate) const NOW: Timestamp = Timestamp::constant(1_767_322_800, 0);
pub(crate) const PATIENCE: Duration = Duration::from_hours(120);

/// The real things that the model's are made into, and how long the journey may be.
pub(crate) struct Setting {
    pub(crate) message: Message,
    pub(crate) webhook: Webhook,
    pub(crate) schedule: Schedule,
    /// How many attempts the schedule has.
    pub(crate) schedule_attempts: u8,
    pub(crate) max_receives: u8,
    pub(crate) bounds: Bounds,
    /// The guard that is taken away, to see that it is missed.
    pub(crate) without: Option<Guard>,
}

/// What the functions do that no function of the library does for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A message leaves the queue only after the outcome is recorded.
    RecordBeforeAck,
    /// A record has to be made from the version that the table has.
    Version,
    /// A manual retry is a new round.
    NewRound,
    /// Of one batch's messages for a delivery only those of the same round stand for each other.
    RoundInBatch,
    /// A message whose delivery is to be tried again stays.
    GiveBack,
    /// A message whose record was refused stays.
    GiveBackRefused,
}

impl Setting {
    /// The shortest schedule with a wait in it, and the fewest receives that leave room for a fault in each attempt.
    pub(crate) fn new(bounds: Bounds, without: Option<Guard>) -> Self {
        let message: Message = serde_json::from_str(
            r#"{"account_id":"a","webhook_id":1,"delivery_id":"01KDYAK3482WAV4DVEFM6KBDXQ","event":"job.completed",
                "body":"","round":0}"#,
        )
        .expect("is a message");
        let account = AccountId::parse("a").expect("is an account");
        let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
        let webhook = Webhook::new(account, WebhookId(1), url, events, Secret::generate());
        let schedule = "5".parse().expect("is a schedule");
        Self { message, webhook, schedule, schedule_attempts: 2, max_receives: 4, bounds, without }
    }

    pub(crate) fn delivery(&self, item: Item) -> Delivery {
        let state = [State::Pending].into_iter().chain(State::STORED).find(|state| state.as_str() == item.state);
        let attempt = Attempt { started_at: NOW, duration_ms: 0, resent: false, outcome: Outcome::Timeout };
        let time = |due| match due {
            Due::Later => NOW + Duration::from_secs(1),
            Due::Now => NOW,
            Due::Overdue => NOW - Duration::from_hours(24),
        };
        Delivery {
            message: self.message(item.round),
            state: state.expect("it came from a state"),
            attempts: vec![attempt; item.attempts],
            tries: item.tries,
            next_attempt_at: item.due.map(time),
            version: item.version,
        }
    }

    pub(crate) fn message(&self, round: u32) -> Message {
        Message { round, ..self.message.clone() }
    }

    pub(crate) fn webhook(&self, hook: Hook) -> Option<Webhook> {
        let status = match hook.standing {
            Standing::Active => Status::Active,
            Standing::Disabled => Status::Disabled,
            Standing::Deleted => return None,
        };
        let failing_since = match hook.failing {
            Failing::Not => None,
            Failing::Lately => Some(NOW),
            Failing::Long => Some(NOW - PATIENCE),
        };
        Some(Webhook { status, health: Health { failing_since, ..Health::default() }, ..self.webhook.clone() })
    }
}

impl Item {
    pub(crate) fn of(delivery: &Delivery) -> Self {
        Self {
            round: delivery.message.round,
            state: delivery.state.as_str(),
            tries: delivery.tries,
            attempts: delivery.attempts.len(),
            due: delivery.next_attempt_at.map(|due| if due > NOW { Due::Later } else { Due::Now }),
            version: delivery.version,
        }
    }
}

impl Change {
    pub(crate) fn of(change: &HealthChange) -> Self {
        match change {
            HealthChange::Recovered => Self::Recovered,
            HealthChange::Failed => Self::Failed,
            HealthChange::Gone { .. } => Self::Gone,
            HealthChange::GivenUp { .. } => Self::GivenUp,
        }
    }
}

impl Answer {
    pub(crate) const ALL: [Self; 4] = [Self::Accepted, Self::Refused, Self::Blocked, Self::Gone];

    pub(crate) fn outcome(self) -> Outcome {
        let http = |http_status| Outcome::Http { http_status, response: String::new() };
        match self {
            Self::Accepted => http(204),
            Self::Refused => http(503),
            Self::Blocked => Outcome::Blocked { detail: String::new() },
            Self::Gone => http(410),
        }
    }
}
