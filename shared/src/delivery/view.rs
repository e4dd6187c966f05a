//! A delivery as the API shows it to a customer.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Delivery, Reason, State};
use crate::{
    attempt::{Attempt, Outcome, Phase},
    names::{EventId, EventType},
    reply_time::ReplyTime,
};

/// A delivery as it is listed.
#[derive(Debug, Clone)]
pub struct Listed {
    pub id: EventId,
    pub event: EventType,
    pub state: State,
    pub task_id: String,
    /// See [`Delivery::reason`].
    pub reason: Option<Reason>,
    /// See [`Delivery::attempts`].
    pub attempts: Vec<Attempt>,
    /// See [`Delivery::attempt_count`].
    pub attempt_count: usize,
    pub next_attempt_at: Option<Timestamp>,
}

/// A listed delivery, as an API reply shows it.
#[derive(Debug, Serialize)]
pub struct DeliverySummary<'a> {
    id: &'a EventId,
    event: EventType,
    task_id: &'a str,
    status: State,
    cancelled_reason: Option<Reason>,
    /// When the task ended.
    timestamp: ReplyTime,
    attempt_count: usize,
    last_attempt: Option<AttemptView<'a>>,
    next_attempt_at: Option<ReplyTime>,
}

impl<'a> From<&'a Listed> for DeliverySummary<'a> {
    fn from(listed: &'a Listed) -> Self {
        let Listed { id, event, state, task_id, reason, attempts, attempt_count, next_attempt_at } = listed;
        Self {
            id,
            event: *event,
            task_id,
            status: *state,
            cancelled_reason: reason.filter(|_| *state == State::Cancelled),
            timestamp: id.ended_at().into(),
            attempt_count: *attempt_count,
            last_attempt: attempts.last().map(AttemptView::from),
            next_attempt_at: next_attempt_at.map(ReplyTime::from),
        }
    }
}

/// One delivery with its body and attempts, as an API reply shows it.
#[derive(Debug, Serialize)]
pub struct DeliveryView<'a> {
    id: &'a EventId,
    event: EventType,
    task_id: &'a str,
    status: State,
    cancelled_reason: Option<Reason>,
    /// When the task ended.
    timestamp: ReplyTime,
    attempt_count: usize,
    next_attempt_at: Option<ReplyTime>,
    /// The URL that the job's submitter asked for, if it was called and not the webhook's own.
    callback_url: Option<&'a str>,
    /// The body that was signed and sent, byte for byte; `None` (null) if the event was erased or is no longer kept.
    payload: Option<&'a RawValue>,
    attempts: Vec<AttemptView<'a>>,
}

impl<'a> DeliveryView<'a> {
    /// A delivery, with the body of its event if that is still stored.
    pub fn new(delivery: &'a Delivery, body: Option<&'a str>) -> Self {
        let Delivery { id, event, task_id, callback_url, state, reason, attempts, next_attempt_at, .. } = delivery;
        Self {
            id,
            event: *event,
            task_id,
            status: *state,
            cancelled_reason: reason.filter(|_| *state == State::Cancelled),
            timestamp: id.ended_at().into(),
            attempt_count: delivery.attempt_count(),
            next_attempt_at: next_attempt_at.map(ReplyTime::from),
            callback_url: callback_url.as_deref(),
            payload: body.map(|body| serde_json::from_str(body).expect("the body was made by canonical_json")),
            attempts: attempts.iter().map(AttemptView::from).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct AttemptView<'a> {
    started_at: ReplyTime,
    duration_ms: u64,
    outcome: Phase,
    /// The attempt's explanation, in one sentence.
    message: String,
    http_status: Option<u16>,
    response: Option<&'a str>,
    /// See [`Attempt::resent`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    resent: bool,
}

impl<'a> From<&'a Attempt> for AttemptView<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        let (http_status, response) = match &attempt.outcome {
            // The answer is stored apart, and was not read.
            Outcome::Http { http_status, response, .. } if attempt.answer.is_some() && response.is_empty() => {
                (Some(*http_status), None)
            }
            Outcome::Http { http_status, response, .. } => (Some(*http_status), Some(response.as_str())),
            _ => (None, None),
        };
        Self {
            started_at: attempt.started_at.into(),
            duration_ms: attempt.duration_ms,
            outcome: attempt.outcome.phase(),
            message: attempt.explanation(),
            http_status,
            response,
            resent: attempt.resent,
        }
    }
}
