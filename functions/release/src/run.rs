//! How long a run may take, what came of it, and how it sends.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use nano_webhooks::{
    aws::AwsError,
    delivery::Message,
    queue::Outgoing,
    telemetry::{
        self,
        metrics::{Metric, Metrics},
    },
};
use tokio::time::Instant;

use crate::Release;

/// Before the function's time is over, nothing new is begun: this is longer than any call may take, with its repetitions.
const TIME_FOR_THE_LAST_CALLS: Duration = Duration::from_secs(8);
/// And no call is waited for any longer.
const TIME_TO_ANSWER: Duration = Duration::from_secs(2);

/// How often what the queue has not taken is sent again, before it is left to the next run.
const ROUNDS: u32 = 4;

/// One run: since when, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// What is due by this time is sent.
    pub(crate) now: Timestamp,
    /// When no call is waited for any longer.
    pub(crate) deadline: Instant,
    stop: Instant,
}

impl Run {
    /// A run that begins now, and ends in time for a function that is ended at this time.
    pub(crate) fn until(end: SystemTime) -> Self {
        let end = Instant::now() + end.duration_since(SystemTime::now()).unwrap_or_default();
        let before = |time| end.checked_sub(time).unwrap_or(end);
        Self { now: Timestamp::now(), deadline: before(TIME_TO_ANSWER), stop: before(TIME_FOR_THE_LAST_CALLS) }
    }

    /// Whether there is time to begin something.
    pub(crate) fn has_time(&self) -> bool {
        Instant::now() < self.stop
    }
}

/// Why something is left to the next run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("the queue has not taken {0} messages")]
    Queue(usize),
}

/// What a run, or a part of it, has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Attempts that were due and were put on the queue.
    pub(crate) released: usize,
    /// Attempts that should have been made an hour before and were asked for again.
    pub(crate) swept: usize,
    /// Held deliveries that were sent to see whether their endpoint is back.
    pub(crate) probes: usize,
    /// Held deliveries that were sent because their endpoint is back.
    pub(crate) drained: usize,
    /// What did not work through a fault of ours, and is left to the next run.
    pub(crate) faults: usize,
    /// For how long the one that had waited longest had been due.
    pub(crate) oldest: Option<Duration>,
}

impl Done {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            released: self.released + other.released,
            swept: self.swept + other.swept,
            probes: self.probes + other.probes,
            drained: self.drained + other.drained,
            faults: self.faults + other.faults,
            oldest: self.oldest.max(other.oldest),
        }
    }

    /// Logs and counts a fault of ours.
    pub(crate) fn fault(&mut self, err: &(dyn std::error::Error + 'static), message: &'static str) {
        tracing::error!(cause = telemetry::chain(err), "{message}");
        self.faults += 1;
    }

    pub(crate) fn metrics(self) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.count(Metric::Released, self.released);
        metrics.count(Metric::Swept, self.swept);
        metrics.count(Metric::Probes, self.probes);
        metrics.count(Metric::Drained, self.drained);
        metrics.count(Metric::Faults, self.faults);
        if let Some(oldest) = self.oldest {
            metrics.measure(Metric::AgeAtRelease, u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX));
        }
        metrics
    }
}

impl Release {
    /// Puts messages on the queue, each after a delay. Fails if the queue has not taken all of them.
    pub(crate) async fn send(&self, messages: Vec<(&Message, Duration)>, run: Run) -> Result<(), Failure> {
        let mut left: Vec<usize> = (0..messages.len()).collect();
        for round in 0..ROUNDS {
            let outgoing = left.iter().map(|at| {
                let (message, delay) = messages[*at];
                (*at, Outgoing::new(message).delayed(delay))
            });
            left = self.queue.send(outgoing, run.deadline).await;
            if left.is_empty() {
                return Ok(());
            }
            if !run.has_time() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100 << round).mul_f64(1.0 + fastrand::f64())).await;
        }
        Err(Failure::Queue(left.len()))
    }
}
