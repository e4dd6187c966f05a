//! The numbers for the operator's dashboard and alarms: one record per invocation, in CloudWatch's embedded metric
//! format, so that no metric costs a call.
//!
//! A record is a line on standard output. It has no level, so Lambda counts it as INFO. The template lets everything
//! from INFO on through, and [`super::init`] limits our own lines to the level that the operator chose.
//! The format:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::config::{self, ConfigError};

/// The namespace of every metric in CloudWatch.
pub const NAMESPACE: &str = "nano-webhooks";
/// Its one dimension, whose value is the stack's name: the name of [`Record::stack`].
pub const DIMENSION: &str = "Stack";

/// Every metric. `docs/logs.md` explains each one; the template's alarms and dashboard use these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Metric {
    /// Completions that fan-out accepted.
    Completions,
    /// Integers in completions' data whose digits change in the webhook's body, because JavaScript cannot hold them.
    RoundedNumbers,
    /// Delivery messages that fan-out sent.
    DeliveriesQueued,
    /// Milliseconds from when a completion was sent to its queue until fan-out received it.
    AgeAtFanOut,
    /// Messages that fan-out put on the dead-letter queue because they are not completions.
    DeadLetters,
    /// Attempts made.
    Attempts,
    /// Attempts that failed.
    AttemptsFailed,
    /// Duration of an attempt, in milliseconds.
    AttemptDuration,
    /// Milliseconds from when a completion was sent to its queue until the first byte of its first attempt's request
    /// was sent to the endpoint.
    TimeToFirstByte,
    /// Deliveries that an endpoint accepted.
    Delivered,
    /// Deliveries that failed: their schedule is used up, or their endpoint may not be called.
    Failed,
    /// Deliveries held until their webhook's circuit closes or the webhook is enabled.
    Held,
    /// Deliveries cancelled because their webhook was deleted.
    Cancelled,
    /// Attempts of a delivery in its current round, counted when the delivery ended.
    AttemptsPerDelivery,
    /// Circuits that opened because their endpoint is down.
    CircuitsOpened,
    /// Webhooks that the service disabled.
    WebhooksDisabled,
    /// Attempts that release put on the queue because they were due.
    Released,
    /// Attempts that release put on the queue again because they were overdue by an hour.
    Swept,
    /// Held deliveries that release sent as probes.
    Probes,
    /// Held deliveries that release sent in a drain.
    Drained,
    /// Deliveries that release sent because a customer asked for a resend.
    Resent,
    /// Milliseconds by which the most overdue of the released attempts was late.
    AgeAtRelease,
    /// Messages that returned to their queue because of our own fault, and work that release left to its next run.
    Faults,
}

impl Metric {
    /// Every metric. CloudWatch bills each that had a value.
    pub const ALL: [Self; 23] = [
        Self::Completions,
        Self::RoundedNumbers,
        Self::DeliveriesQueued,
        Self::AgeAtFanOut,
        Self::DeadLetters,
        Self::Attempts,
        Self::AttemptsFailed,
        Self::AttemptDuration,
        Self::TimeToFirstByte,
        Self::Delivered,
        Self::Failed,
        Self::Held,
        Self::Cancelled,
        Self::AttemptsPerDelivery,
        Self::CircuitsOpened,
        Self::WebhooksDisabled,
        Self::Released,
        Self::Swept,
        Self::Probes,
        Self::Drained,
        Self::Resent,
        Self::AgeAtRelease,
        Self::Faults,
    ];
}

/// The metrics of one invocation.
#[derive(Debug, Clone, Default)]
pub struct Metrics(BTreeMap<Metric, Vec<u64>>);

impl Metrics {
    /// Adds to a count. A count of zero is left out of the record.
    pub fn count(&mut self, metric: Metric, by: usize) {
        if by > 0 {
            let count = self.0.entry(metric).or_insert_with(|| vec![0]);
            count[0] += u64::try_from(by).unwrap_or(u64::MAX);
        }
    }

    /// Adds one value of a metric with percentiles. A batch has ten messages, and a metric may have a hundred values.
    pub fn measure(&mut self, metric: Metric, value: u64) {
        self.0.entry(metric).or_default().push(value);
    }

    /// Adds the time between two instants. A negative time counts as zero, because two machines' clocks differ.
    pub fn measure_since(&mut self, metric: Metric, from: Timestamp, until: Timestamp) {
        let passed = Duration::try_from(until.duration_since(from)).unwrap_or_default();
        self.measure(metric, u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
    }
}

/// Writes a function's records.
#[derive(Debug)]
pub struct Recorder {
    stack: String,
}

impl Recorder {
    /// Reads `STACK_NAME`: the metrics' dimension, which separates two stacks in one account.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self { stack: config::text("STACK_NAME")? })
    }

    /// Writes the metrics of an invocation; writes nothing if there are none. A record that cannot be written is
    /// lost, since there is nowhere to report that.
    pub fn write(&self, metrics: &Metrics, now: Timestamp) {
        if !metrics.0.is_empty() {
            let mut line = serde_json::to_vec(&self.record(metrics, now)).expect("it has only texts and numbers");
            line.push(b'\n');
            let _ = io::stdout().write_all(&line);
        }
    }

    fn record<'a>(&'a self, metrics: &'a Metrics, now: Timestamp) -> Record<'a> {
        // Units are left out: they would be a fifth of a small record, and logs are paid for by the byte.
        let definitions = metrics.0.keys().map(|metric| Definition { name: *metric }).collect();
        let directive = Directive { namespace: NAMESPACE, dimensions: [[DIMENSION]], metrics: definitions };
        let aws = Metadata { timestamp: now.as_millisecond(), cloud_watch_metrics: [directive] };
        Record { aws, stack: &self.stack, metrics }
    }
}

/// A record in the embedded metric format.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Record<'a> {
    #[serde(rename = "_aws")]
    aws: Metadata,
    stack: &'a str,
    #[serde(flatten)]
    metrics: &'a Metrics,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    /// Unix milliseconds.
    timestamp: i64,
    cloud_watch_metrics: [Directive; 1],
}

/// Says which fields of a record are metrics.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [[&'static str; 1]; 1],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: Metric,
}

impl Serialize for Metrics {
    /// A metric with one value is a number, and one with several is an array.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Values<'a> {
            One(u64),
            Several(&'a [u64]),
        }
        serializer.collect_map(self.0.iter().map(|(metric, values)| match values[..] {
            [value] => (metric, Values::One(value)),
            _ => (metric, Values::Several(values)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn record(metrics: &Metrics) -> Value {
        serde_json::to_value(Recorder { stack: "stage".into() }.record(metrics, now())).unwrap()
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
        assert_eq!(record(&metrics), expected);
    }

    #[test]
    fn the_list_has_every_metric() {
        assert!(Metric::ALL.iter().enumerate().all(|(at, metric)| *metric as usize == at), "in the enum's order");
        assert_eq!(Metric::ALL.len(), Metric::Faults as usize + 1, "Faults is the last one");
    }

    #[test]
    fn what_seems_to_lie_in_the_future_took_no_time() {
        let mut metrics = Metrics::default();
        metrics.measure_since(Metric::AgeAtFanOut, now(), now() + Duration::from_millis(1500));
        metrics.measure_since(Metric::AgeAtFanOut, now(), now() - Duration::from_secs(1));
        assert_eq!(record(&metrics)["AgeAtFanOut"], json!([1500, 0]));
    }
}
