//! What a batch reports: the operator's metrics, and a log line and a trace segment for each attempt.

use std::{borrow::Cow, cell::RefCell};

use jiff::Unit;
use nano_webhooks::{
    delivery::{Change, Delivery, Made, State, Write},
    telemetry::{
        self,
        attempt_line::AttemptLine,
        metrics::{Metric, Metrics},
        trace::Tracer,
    },
};
use serde_json::json;
use url::Url;

use crate::batch::{AttemptContext, Work, Worked};

#[derive(Default)]
pub(crate) struct Observed(RefCell<Metrics>);

impl Observed {
    pub(crate) fn count(&self, metric: Metric, by: usize) {
        self.0.borrow_mut().count(metric, by);
    }

    /// Counts a recorded write that held, cancelled or finished a delivery.
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

/// An attempt that was made, whether or not it can be recorded.
struct Attempted<'a> {
    made: &'a Made,
    /// The delivery after the attempt, unless another dispatcher has changed it meanwhile.
    delivery: &'a Delivery,
    circumstances: &'a AttemptContext,
}

impl<'a> Attempted<'a> {
    fn of(worked: &'a Worked<'_>) -> Option<Self> {
        let Ok(Work::Record(recording)) = &worked.work else { return None };
        let Change::Attempted(made) = &recording.change else { return None };
        Some(Self { made, delivery: &recording.write.delivery, circumstances: worked.circumstances.as_deref()? })
    }
}

/// Measures an attempt, and writes its trace segment.
pub(crate) fn attempted(worked: &Worked<'_>, tracer: &Tracer, observed: &Observed) {
    let Some(attempted) = Attempted::of(worked) else { return };
    trace(tracer, &attempted);
    let Attempted { made: Made { attempt, .. }, circumstances: AttemptContext { sent_at, queued_at, .. }, .. } =
        attempted;
    let mut metrics = observed.0.borrow_mut();
    metrics.count(Metric::Attempts, 1);
    metrics.count(Metric::AttemptsFailed, usize::from(!attempt.outcome.is_success()));
    metrics.measure(Metric::AttemptDuration, attempt.duration_ms);
    if let Some((queued_at, sent_at)) = queued_at.zip(*sent_at) {
        metrics.measure_since(Metric::TimeToFirstByte, queued_at, sent_at);
    }
}

/// Writes a log line for each attempt.
pub(crate) fn log(worked: &[Worked<'_>]) {
    let lines = worked.iter().filter_map(Attempted::of).map(|Attempted { made, delivery, circumstances }| {
        let (attempt, AttemptContext { ended_at, trace, .. }) = (&made.attempt, circumstances);
        AttemptLine {
            timestamp: ended_at.round(Unit::Millisecond).unwrap_or(*ended_at),
            level: AttemptLine::LEVEL.into(),
            message: AttemptLine::MESSAGE.into(),
            event_id: Cow::Borrowed(&delivery.id),
            account_id: Cow::Borrowed(&delivery.account_id),
            webhook_id: delivery.webhook_id,
            attempt: delivery.attempt_count(),
            outcome: attempt.outcome.phase(),
            http_status: attempt.outcome.http_status(),
            duration_ms: attempt.duration_ms,
            resent: attempt.resent,
            state: delivery.state,
            next_attempt_at: delivery.next_attempt_at,
            trace_id: trace.as_ref().map(|step| step.trace().id().into()),
        }
    });
    telemetry::write(lines);
}

/// Writes an attempt's trace segment: the dispatcher's, which contains the endpoint's.
fn trace(tracer: &Tracer, Attempted { made, delivery, circumstances }: &Attempted<'_>) {
    let AttemptContext { webhook, ended_at, trace: Some(step), .. } = circumstances else { return };
    let attempt = &made.attempt;
    // Only the origin: a reader of traces must not see what customers put into paths and queries.
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
        "event_id": delivery.id,
        "outcome": attempt.outcome.phase(),
        "attempt": delivery.attempt_count(),
    });
    tracer.end(step, "nano-webhooks dispatcher", *ended_at, &annotations, Some((attempt.started_at, endpoint)));
}
