//! What the deliveries table recorded of a webhook: the input from which its health is computed.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    attempt::{Attempt, Outcome},
    names::EventId,
};

/// An attempt, with what its record says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedAttempt {
    /// The delivery.
    pub event_id: EventId,
    /// The delivery's round.
    pub round: u32,
    /// The attempt's number in the round. Each record has a number of its own.
    pub number: u64,
    /// The webhook's epoch when the dispatcher read it. Attempts of another epoch do not count for this one.
    pub epoch: u64,
    /// Whether it was a probe: sent while the circuit was open, to see whether the endpoint works again.
    pub probe: bool,
    /// The `Retry-After` of a 429 or 503, if it is a minute or longer.
    pub wait: Option<Duration>,
    /// When the last success that this dispatcher saw for the same webhook and epoch ended, if it saw one.
    ///
    /// Successes of a healthy webhook are not reported. Without this field, ten failures among a thousand attempts in
    /// one second would look like an endpoint that is down.
    pub last_success: Option<Timestamp>,
    /// Whether it used up the delivery's schedule.
    pub exhausted: bool,
    /// The attempt itself.
    pub attempt: Attempt,
}

impl RecordedAttempt {
    /// When the attempt ended.
    pub fn ended_at(&self) -> Timestamp {
        self.attempt.started_at + Duration::from_millis(self.attempt.duration_ms)
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.attempt.outcome, Outcome::Http { http_status: 410, .. })
    }
}

/// The records of one webhook in one batch of the deliveries table's stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The attempts, in any order. Some may have been in an earlier batch already.
    pub attempts: Vec<RecordedAttempt>,
    /// Whether a delivery was recorded as held.
    pub held: bool,
}
