//! What the deliveries table recorded of a webhook, as its health is computed from it.

use std::time::Duration;

use jiff::Timestamp;

use crate::delivery::{Attempt, DeliveryId, Outcome};

/// An attempt, and what its record says beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// Which delivery it was an attempt of.
    pub delivery_id: DeliveryId,
    /// Which round of it.
    pub round: u32,
    /// Which attempt of the round: another number for each record.
    pub number: u64,
    /// The webhook's epoch when the dispatcher read it. Attempts of another epoch say nothing about this one.
    pub epoch: u64,
    /// Whether it was sent to find out whether the endpoint is back, while the circuit was open.
    pub probe: bool,
    /// The `Retry-After` of a 429 or 503, if it is a minute or longer.
    pub wait: Option<Duration>,
    /// When the last success of the same webhook and epoch ended that the same dispatcher has seen, if it has seen one.
    ///
    /// Successes of a healthy webhook are not reported. Without this, ten failures of a thousand attempts in the same
    /// second would look like an endpoint that is down.
    pub last_success: Option<Timestamp>,
    /// Whether it used up the delivery's schedule.
    pub exhausted: bool,
    /// What happened.
    pub attempt: Attempt,
}

impl RecordedAttempt {
    /// When it ended.
    pub fn ended_at(&self) -> Timestamp {
        self.attempt.started_at + Duration::from_millis(self.attempt.duration_ms)
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.attempt.outcome, Outcome::Http { http_status: 410, .. })
    }
}

/// What one batch of the deliveries table's stream says about one webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The attempts, in any order. Some may have been in an earlier batch.
    pub attempts: Vec<RecordedAttempt>,
    /// Whether a delivery was recorded as held.
    pub held: bool,
}
