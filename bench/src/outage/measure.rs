//! The counters of a simulation.

use std::ops::Sub;

use super::Ms;
use nano_webhooks::prices;

/// A histogram of durations, by the millisecond.
#[derive(Debug, Clone, Default)]
pub(super) struct Durations(Vec<u64>);

impl Durations {
    pub(super) fn add(&mut self, duration: Ms) {
        let at = usize::try_from(duration).expect("a simulation is not that long");
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The least duration that this share of all durations does not exceed; `None` if there is none.
    pub(super) fn percentile(&self, share: f64) -> Option<Ms> {
        let mut left = (self.count() as f64 * share).ceil().max(1.0);
        self.0
            .iter()
            .position(|count| {
                left -= *count as f64;
                left <= 0.0
            })
            .map(|duration| duration as Ms)
    }
}

/// fan-out's memory, and how long it works on a batch, as `cost` measures it.
const FAN_OUT_MB: f64 = 256.0;
const FAN_OUT_MS: f64 = 15.0;

/// The units of the bill.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bill {
    pub(super) sqs: f64,
    /// Those of them with messages that have a group.
    pub(super) sqs_fair: f64,
    pub(super) invocations: f64,
    pub(super) gb_ms: f64,
    pub(super) half_reads: u64,
    pub(super) writes: u64,
}

impl Bill {
    /// Counts what happens before the deliveries queue for one event: a tenth of a batch of ten, as `cost` counts it.
    /// The completion is sent, received and deleted; fan-out runs, reads, stores the event, and sends a message unless
    /// it holds the delivery, which takes the same time.
    pub(super) fn fan_out(&mut self, sends: bool) {
        const SHARE: f64 = 0.1;
        self.sqs += 3.0 * SHARE;
        if sends {
            self.request(SHARE);
        }
        self.invocations += SHARE;
        self.gb_ms += SHARE * FAN_OUT_MS * FAN_OUT_MB / 1024.0;
        self.half_reads += 1;
        self.writes += 1;
    }

    /// Counts an invocation; `duration` is in milliseconds.
    pub(super) fn invoke(&mut self, memory_mb: f64, duration: f64) {
        self.invocations += 1.0;
        self.gb_ms += memory_mb / 1024.0 * duration;
    }

    /// Counts requests to the deliveries queue, whose messages have groups.
    pub(super) fn request(&mut self, requests: f64) {
        self.sqs += requests;
        self.sqs_fair += requests;
    }

    pub(super) fn dollars(&self) -> f64 {
        let millions = self.sqs * prices::SQS_MILLION
            + self.sqs_fair * prices::SQS_FAIR_MILLION
            + self.invocations * prices::LAMBDA_MILLION
            + self.half_reads as f64 / 2.0 * prices::DYNAMODB_READ_MILLION
            + self.writes as f64 * prices::DYNAMODB_WRITE_MILLION;
        millions / 1e6 + self.gb_ms / 1e3 * prices::LAMBDA_GB_SECOND
    }
}

impl Sub for Bill {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            sqs: self.sqs - earlier.sqs,
            sqs_fair: self.sqs_fair - earlier.sqs_fair,
            invocations: self.invocations - earlier.invocations,
            gb_ms: self.gb_ms - earlier.gb_ms,
            half_reads: self.half_reads - earlier.half_reads,
            writes: self.writes - earlier.writes,
        }
    }
}

/// How the events of one flow ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Fates {
    pub(super) arrived: u64,
    pub(super) delivered: u64,
    /// How many have used up their schedule.
    pub(super) failed: u64,
    pub(super) attempts: u64,
    pub(super) in_vain: u64,
    /// Failed attempts that were not recorded, because another dispatcher had recorded the attempt or the delivery
    /// had ended.
    pub(super) repeated: u64,
    /// The times from the sending of the message to the answer, of deliveries that succeeded at their first attempt,
    /// for each span of the scenario.
    pub(super) latencies: Vec<Durations>,
}
