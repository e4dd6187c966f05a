//! A run of release: how long it may take, how it sends messages, and the counts it reports.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use nano_webhooks::{
    aws::AwsError,
    delivery::Message,
    names::{AccountId, WebhookId},
    queue::Outgoing,
    telemetry::{
        self,
        metrics::{Metric, Metrics},
    },
};
use tokio::time::Instant;

use crate::Release;

/// A run starts nothing new this long before the function times out. Longer than any call takes, with its retries.
const TIME_FOR_THE_LAST_CALLS: Duration = Duration::from_secs(8);
/// A run stops waiting for any call this long before the function times out.
const TIME_TO_ANSWER: Duration = Duration::from_secs(2);

/// How often a run tries to send messages that the queue refuses, before it leaves them to the next run.
const ROUNDS: u32 = 4;

/// The start and the deadlines of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// The run handles everything that is due by this time.
    pub(crate) now: Timestamp,
    /// The run waits for no call after this.
    pub(crate) deadline: Instant,
    stop: Instant,
}

impl Run {
    /// A run that starts now and ends in time for a function that times out at `end`.
    pub(crate) fn until(end: SystemTime) -> Self {
        let end = Instant::now() + end.duration_since(SystemTime::now()).unwrap_or_default();
        let before = |time| end.checked_sub(time).unwrap_or(end);
        Self { now: Timestamp::now(), deadline: before(TIME_TO_ANSWER), stop: before(TIME_FOR_THE_LAST_CALLS) }
    }

    /// Whether the run may still start something.
    pub(crate) fn has_time(&self) -> bool {
        Instant::now() < self.stop
    }
}

/// Why a run leaves work to the next run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("the queue has not taken {0} messages")]
    Queue(usize),
}

/// The counts of a run, or of a part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Due attempts that were put on the queue.
    pub(crate) released: usize,
    /// Attempts that were overdue by an hour, and whose message was sent again.
    pub(crate) swept: usize,
    /// Held deliveries that were sent as probes.
    pub(crate) probes: usize,
    /// Held deliveries that were sent because their endpoint answers again.
    pub(crate) drained: usize,
    /// Deliveries that were sent because their customer asked for a resend.
    pub(crate) resent: usize,
    /// Failures on our side, whose work is left to the next run.
    pub(crate) faults: usize,
    /// How late the oldest due attempt was; `None` if none was due.
    pub(crate) oldest: Option<Duration>,
}

impl Done {
    /// The sum of both, with the larger `oldest`.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            released: self.released + other.released,
            swept: self.swept + other.swept,
            probes: self.probes + other.probes,
            drained: self.drained + other.drained,
            resent: self.resent + other.resent,
            faults: self.faults + other.faults,
            oldest: self.oldest.max(other.oldest),
        }
    }

    /// Logs and counts a failure on our side.
    pub(crate) fn fault(&mut self, err: &(dyn std::error::Error + 'static), message: &'static str) {
        tracing::error!(cause = telemetry::chain(err), "{message}");
        self.faults += 1;
    }

    /// Logs and counts a failure on our side that delays the work for one webhook.
    pub(crate) fn webhook_fault(&mut self, account: &AccountId, id: WebhookId, err: &Failure) {
        let (account_id, webhook_id, cause) = (account.as_str(), id.0, telemetry::chain(err));
        tracing::error!(account_id, webhook_id, cause, "a webhook has to wait a minute");
        self.faults += 1;
    }

    pub(crate) fn metrics(self) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.count(Metric::Released, self.released);
        metrics.count(Metric::Swept, self.swept);
        metrics.count(Metric::Probes, self.probes);
        metrics.count(Metric::Drained, self.drained);
        metrics.count(Metric::Resent, self.resent);
        metrics.count(Metric::Faults, self.faults);
        if let Some(oldest) = self.oldest {
            metrics.measure(Metric::AgeAtRelease, u64::try_from(oldest.as_millis()).unwrap_or(u64::MAX));
        }
        metrics
    }
}

impl Release {
    /// Sends messages, each with its delay. Fails if the queue has not accepted all of them after some retries.
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
