//! What the operator's dashboard and alarms are made of: one record for each invocation, in CloudWatch's embedded metric
//! format, so that no metric costs a call.
//!
//! A record is a line on standard output. It has no level of its own, so Lambda counts it as INFO: the template lets
//! everything from INFO on through, and [`super::init`] holds our own lines to the level that the operator chose.
//! The format: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::config::{self, ConfigError};

const NAMESPACE: &str = "nano-webhooks";
const DIMENSION: &str = "Stack";

/// Everything that is measured. `docs/logs.md` says what each one tells, and the template's alarms and dashboard name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Metric {
    /// Completions that fan-out understood.
    Completions,
    /// Integers in the data of completions that JavaScript cannot hold, so that they go out with other digits.
    RoundedNumbers,
    /// Delivery messages that fan-out sent.
    DeliveriesQueued,
    /// Milliseconds from when a completion was sent to its queue until fan-out had it.
    AgeAtFanOut,
    /// Messages that fan-out put on the dead-letter queue, because they are no completions.
    DeadLetters,
    /// Attempts that were made.
    Attempts,
    /// Those of them that failed.
    AttemptsFailed,
    /// Milliseconds that an attempt lasted.
    AttemptDuration,
    /// Milliseconds from when a completion was sent to its queue until the first byte of the first attempt's request was on
    /// its way to the endpoint.
    TimeToFirstByte,
    /// Deliveries that an endpoint took.
    Delivered,
    /// Deliveries whose schedule is used up, or that may not be made.
    Failed,
    /// Deliveries that wait until their webhook's circuit closes or it is enabled.
    Held,
    /// Deliveries whose webhook was deleted.
    Cancelled,
    /// Attempts that a delivery took in its present round, when it ended.
    AttemptsPerDelivery,
    /// Circuits that were opened: endpoints that are down.
    CircuitsOpened,
    /// Webhooks that the service disabled.
    WebhooksDisabled,
    /// Attempts that release put on the queue because they were due.
    Released,
    /// Attempts that release asked for again, because they were overdue by an hour.
    Swept,
    /// Held deliveries that release sent to see whether their endpoint is back.
    Probes,
    /// Held deliveries that release sent because their endpoint is back.
    Drained,
    /// Milliseconds for which the one of them that had waited longest had been due.
    AgeAtRelease,
    /// Messages that went back to their queue by a fault of ours, and what release had to leave to its next run.
    Faults,
}

/// What one invocation measures.
#[derive(Debug, Clone, Default)]
pub struct Metrics(BTreeMap<Metric, Vec<u64>>);

impl Metrics {
    /// Adds to a count. What is not counted is not in the record, rather than there as a zero.
    pub fn count(&mut self, metric: Metric, by: usize) {
        if by > 0 {
            let count = self.0.entry(metric).or_insert_with(|| vec![0]);
            count[0] += u64::try_from(by).unwrap_or(u64::MAX);
        }
    }

    /// Adds one value to those of which percentiles are taken. A batch has ten messages, a metric may have a hundred values.
    pub fn measure(&mut self, metric: Metric, value: u64) {
        self.0.entry(metric).or_default().push(value);
    }

    /// Adds the time between two instants. Clocks of two machines differ: what seems to be in the future took no time.
    pub fn measure_since(&mut self, metric: Metric, from: Timestamp, until: Timestamp) {
        let passed = Duration::try_from(until.duration_since(from)).unwrap_or_default();
        self.measure(metric, u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
    }
}

/// Writes the records of a function.
#[derive(Debug)]
pub struct Recorder {
    stack: String,
}

impl Recorder {
    /// One for the stack that `STACK_NAME` names: that is the metrics' dimension, so that two stacks in an account keep apart.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { stack: config::text("STACK_NAME")? })
    }

    /// Writes what an invocation measured, and nothing for one that measured nothing. A record that cannot be written is
    /// lost: there is nowhere to say so.
    pub fn write(&self, metrics: Metrics, now: Timestamp) {
        if !metrics.0.is_empty() {
            let mut line = self.record(metrics, now).to_string();
            line.push('\n');
            let _ = io::stdout().write_all(line.as_bytes());
        }
    }

    fn record(&self, metrics: Metrics, now: Timestamp) -> Value {
        // Without their units, which would be a fifth of a small record: a log is paid for by its bytes.
        let definitions: Vec<_> = metrics.0.keys().map(|metric| json!({ "Name": metric })).collect();
        let mut record = Map::new();
        record.insert(
            "_aws".into(),
            json!({
                "Timestamp": now.as_millisecond(),
                "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": definitions }],
            }),
        );
        record.insert(DIMENSION.into(), self.stack.as_str().into());
        for (metric, values) in metrics.0 {
            let value = if let [value] = values[..] { json!(value) } else { json!(values) };
            record.insert(format!("{metric:?}"), value);
        }
        record.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn record(metrics: Metrics) -> Value {
        Recorder { stack: "stage".into() }.record(metrics, now())
    }

    #[test]
    fn a_record_is_in_the_embedded_metric_format() {
        let mut metrics = Metrics::default();
        metrics.count(Metric::Attempts, 2);
        metrics.count(Metric::Attempts, 1);
        metrics.count(Metric::Faults, 0);
        metrics.measure(Metric::AttemptDuration, 12);
        metrics.measure(Metric::AttemptDuration, 7);
        let expected = json!({
            "_aws": {
                "Timestamp": 1_767_323_045_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "nano-webhooks",
                    "Dimensions": [["Stack"]],
                    "Metrics": [
                        { "Name": "Attempts" },
                        { "Name": "AttemptDuration" },
                    ],
                }],
            },
            "Stack": "stage",
            "Attempts": 3,
            "AttemptDuration": [12, 7],
        });
        assert_eq!(record(metrics), expected);
    }

    #[test]
    fn what_seems_to_lie_in_the_future_took_no_time() {
        let mut metrics = Metrics::default();
        metrics.measure_since(Metric::AgeAtFanOut, now(), now() + Duration::from_millis(1500));
        metrics.measure_since(Metric::AgeAtFanOut, now(), now() - Duration::from_secs(1));
        assert_eq!(record(metrics)["AgeAtFanOut"], json!([1500, 0]));
    }
}
