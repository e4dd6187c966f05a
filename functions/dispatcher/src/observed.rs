//! What a batch is seen to have done: the operator's metrics, and a log line and a segment of a trace for each attempt.

use std::{cell::RefCell, ops::Not};

use jiff::{Timestamp, Unit};
use nano_webhooks::{
    delivery::{DeliveryId, Made, State, Write},
    telemetry::{
        self,
        metrics::{Metric, Metrics},
        trace::Tracer,
    },
    webhook::{AccountId, WebhookId},
};
use serde::Serialize;
use serde_json::json;
use url::Url;

use crate::batch::Attempted;

#[derive(Default)]
pub(crate) struct Observed(RefCell<Metrics>);

impl Observed {
    pub(crate) fn count(&self, metric: Metric, by: usize) {
        self.0.borrow_mut().count(metric, by);
    }

    /// An attempt, whether or not it can be recorded: it was made.
    pub(crate) fn attempted(&self, attempted: &Attempted) {
        let Attempted { made, sent_at, queued_at, .. } = attempted;
        let attempt = &made.attempt;
        let mut metrics = self.0.borrow_mut();
        metrics.count(Metric::Attempts, 1);
        metrics.count(Metric::AttemptsFailed, usize::from(!attempt.outcome.is_success()));
        metrics.measure(Metric::AttemptDuration, attempt.duration_ms);
        if let Some((queued_at, sent_at)) = queued_at.zip(*sent_at) {
            metrics.measure_since(Metric::TimeToFirstByte, queued_at, sent_at);
        }
    }

    /// A write that was recorded.
    pub(crate) fn recorded(&self, write: &Write) {
        let mut metrics = self.0.borrow_mut();
        let ended = match write.delivery.state {
            State::Pending | State::Retrying => return,
            State::Held if write.mark.is_some() => return,
            State::Held => return metrics.count(Metric::Held, 1),
            State::Cancelled => return metrics.count(Metric::Cancelled, 1),
            State::Delivered => Metric::Delivered,
            State::Failed => Metric::Failed,
        };
        metrics.count(ended, 1);
        metrics.measure(Metric::AttemptsPerDelivery, write.delivery.tries.into());
    }

    pub(crate) fn into_metrics(self) -> Metrics {
        self.0.into_inner()
    }
}

/// The line of an attempt: `docs/logs.md` lists its fields.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: Timestamp,
    level: &'static str,
    message: &'static str,
    delivery_id: &'a DeliveryId,
    account_id: &'a AccountId,
    webhook_id: WebhookId,
    attempt: usize,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Not::not")]
    resent: bool,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

/// Writes a line for each attempt.
pub(crate) fn log<'a>(attempted: impl Iterator<Item = &'a Attempted>) {
    let lines = attempted.map(|Attempted { made, delivery, ended_at, trace, .. }| {
        let attempt = &made.attempt;
        Line {
            timestamp: ended_at.round(Unit::Millisecond).unwrap_or(*ended_at),
            level: "INFO",
            message: "attempt",
            delivery_id: &delivery.id,
            account_id: &delivery.account_id,
            webhook_id: delivery.webhook_id,
            attempt: delivery.attempts.len(),
            outcome: attempt.outcome.phase(),
            http_status: attempt.outcome.http_status(),
            duration_ms: attempt.duration_ms,
            resent: attempt.resent,
            state: delivery.state,
            next_attempt_at: delivery.next_attempt_at,
            trace_id: trace.as_ref().map(|step| step.trace().id()),
        }
    });
    telemetry::write(lines);
}

/// Writes an attempt's part of its trace: the dispatcher's, with the endpoint's in it.
pub(crate) fn trace(tracer: &Tracer, attempted: &Attempted) {
    let Attempted { made: Made { attempt, .. }, delivery, webhook, ended_at, trace: Some(step), .. } = attempted else {
        return;
    };
    // No more of the URL: whoever reads traces need not read what customers put into paths and queries.
    let Ok(url) = Url::parse(&webhook.url) else { return };
    let (host, origin) =
        (url.host_str().unwrap_or_default().trim_matches(['[', ']']), url.origin().ascii_serialization());
    let status = attempt.outcome.http_status();
    let mut endpoint = json!({
        "name": host,
        "namespace": "remote",
        "http": { "request": { "method": "POST", "url": origin } },
        "error": status.is_some_and(|status| (400..500).contains(&status)),
        "throttle": status == Some(429),
        "fault": status.is_none_or(|status| status >= 500 || (300..400).contains(&status)),
    });
    if let Some(status) = status {
        endpoint["http"]["response"] = json!({ "status": status });
    }
    let annotations = json!({
        "account_id": webhook.account_id,
        "webhook_id": webhook.id,
        "delivery_id": delivery.id,
        "outcome": attempt.outcome.phase(),
        "attempt": delivery.attempts.len(),
    });
    tracer.end(step, "nano-webhooks dispatcher", *ended_at, &annotations, Some((attempt.started_at, endpoint)));
}
