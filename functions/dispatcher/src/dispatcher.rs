//! The way of a batch: read what is stored, attempt what is asked for, record it, arrange what follows, and say which messages
//! go back to the queue.

use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use jiff::Timestamp;
use nano_webhooks::{
    delivery::{self, Change, Delivery, Look, Made, Message, Step},
    queue::{self, Queue, SqsBatchResponse, SqsEvent, SqsMessage},
    retry::{self, Schedule},
    sender::{Exchange, Sender},
    store::{Deliveries, Waiting, Webhooks},
    telemetry::{
        self,
        metrics::{Metric, Recorder},
        trace::{self, Tracer},
    },
    webhook::Webhook,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    batch::{Circumstances, Job, Recording, Unfinished, Work, Worked, readable},
    observed::{self, Observed},
    successes::Successes,
};

/// What a function needs after its last attempt to record the outcomes and answer.
const TIME_TO_FINISH: Duration = Duration::from_secs(3);

/// What a function needs after its last record to answer, of [`TIME_TO_FINISH`].
const TIME_TO_ANSWER: Duration = Duration::from_secs(1);

/// How long an attempt that has ended waits for others to be recorded with it. When all of a batch have ended none waits.
const TIME_TO_GATHER: Duration = Duration::from_millis(250);

/// The most that are recorded together: a batch.
const TOGETHER: usize = 10;

/// A receiver that asks for at least this long, with 429 or 503, opens its webhook's circuit.
const LONG_RETRY_AFTER: Duration = Duration::from_mins(1);

pub(crate) struct Dispatcher {
    pub(crate) webhooks: Webhooks,
    pub(crate) deliveries: Deliveries,
    pub(crate) waiting: Waiting,
    pub(crate) queue: Queue,
    pub(crate) sender: Sender,
    pub(crate) schedule: Schedule,
    /// A next attempt that is due sooner is a delayed message. SQS delays one for 15 minutes at most.
    pub(crate) longest_delay: Duration,
    pub(crate) retention_days: u32,
    pub(crate) tracer: Tracer,
    pub(crate) send_traceparent: bool,
    pub(crate) recorder: Recorder,
    pub(crate) successes: Successes,
}

/// Until when a batch may make attempts, and until when it may write.
#[derive(Clone, Copy)]
pub(crate) struct Deadlines {
    pub(crate) attempts: Instant,
    pub(crate) records: Instant,
}

/// What is known of a job before anything is done for it.
pub(crate) struct Planned<'a> {
    pub(crate) job: Job<'a>,
    pub(crate) step: Step,
}

pub(crate) type GivenBack<'a> = Vec<(&'a SqsMessage, Unfinished)>;

impl Dispatcher {
    /// Works on a batch until `deadline`, the end of the function's time; `trace` is the invocation's trace header.
    pub(crate) async fn handle(&self, event: &SqsEvent, deadline: SystemTime, trace: Option<&str>) -> SqsBatchResponse {
        let end = Instant::now() + deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let before = |time| end.checked_sub(time).unwrap_or_else(Instant::now);
        let deadlines = Deadlines { attempts: before(TIME_TO_FINISH), records: before(TIME_TO_ANSWER) };

        let observed = Observed::default();
        let (jobs, unreadable) = readable(event);
        let (planned, mut unfinished) = self.plan(jobs, deadlines).await;
        let (planned, unclaimed) = self.claim(planned, deadlines).await;
        unfinished.extend(unclaimed);
        let worked = planned.into_iter().map(|planned| self.work(planned, trace, &observed, deadlines.attempts));
        let worked = worked.collect::<FuturesUnordered<_>>();
        let settled = tokio_stream::StreamExt::chunks_timeout(worked, TOGETHER, TIME_TO_GATHER)
            .map(|worked| self.settle(worked, &observed, deadlines.records))
            .buffer_unordered(TOGETHER);
        unfinished.extend(settled.collect::<Vec<_>>().await.into_iter().flatten());

        for (record, why) in &unfinished {
            let cause = telemetry::chain(why);
            tracing::error!(message_id = record.message_id, cause, "a delivery goes back to the queue");
        }
        observed.count(Metric::Faults, unreadable.len() + unfinished.len());
        self.recorder.write(observed.into_metrics(), Timestamp::now());
        queue::give_back(unreadable.into_iter().chain(unfinished.into_iter().map(|(record, _)| record)))
    }

    /// Does what a step says, as far as it needs no record.
    async fn work<'a>(
        &self,
        Planned { job, step }: Planned<'a>,
        trace: Option<&str>,
        observed: &Observed,
        deadline: Instant,
    ) -> Worked<'a> {
        let (work, circumstances) = match step {
            Step::Done | Step::LookAgain => (Ok(Work::Nothing), None),
            Step::FollowUp(delivery) => (Ok(self.follow_up(&delivery)), None),
            Step::Record { delivery, change } => (Ok(recording(&job.message, delivery, change)), None),
            Step::Attempt { delivery, webhook, .. } => {
                let trace = self.tracer.begin(queue::trace_header(job.record), trace, Timestamp::now());
                let attempt = self.attempt(&job.message, delivery, webhook, trace);
                match timeout_at(deadline, attempt).await {
                    Ok((work, circumstances)) => (Ok(work), Some(Box::new(circumstances))),
                    Err(_) => (Err(Unfinished::OutOfTime), None),
                }
            }
        };
        let worked = Worked { job, work, circumstances };
        observed::attempted(&worked, &self.tracer, observed);
        worked
    }

    async fn attempt(
        &self,
        message: &Message,
        delivery: Delivery,
        webhook: Webhook,
        trace: Option<trace::Step>,
    ) -> (Work, Circumstances) {
        let traceparent = trace.as_ref().filter(|_| self.send_traceparent).map(trace::Step::traceparent);
        let exchange = self.sender.attempt(&webhook, &delivery, traceparent.as_deref()).await;
        let Exchange { attempt, retry_after, sent_at } = exchange;
        let now = Timestamp::now();
        let retry_after = retry_after.map_or(Duration::ZERO, |value| retry::retry_after(&value, now));
        let circumstances = retry::Circumstances { earlier_tries: delivery.tries, now, jitter: jitter(), retry_after };
        let asks_to_wait = matches!(attempt.outcome.http_status(), Some(429 | 503)) && retry_after >= LONG_RETRY_AFTER;
        let is_success = attempt.outcome.is_success();
        let made = Made {
            verdict: self.schedule.verdict(&attempt.outcome, circumstances),
            epoch: webhook.epoch,
            wait: asks_to_wait.then_some(retry_after.as_secs()),
            last_success: self.successes.last(&webhook, is_success.then_some(now)),
            watch: !is_success || !webhook.is_spotless(),
            attempt,
        };
        let queued_at = message.queued_at.filter(|_| delivery.version == 0);
        let work = recording(message, delivery, Change::Attempted(made));
        (work, Circumstances { webhook, sent_at, ended_at: now, queued_at, trace })
    }
}

/// The work of recording a change to a delivery as it was read.
pub(crate) fn recording(message: &Message, delivery: Delivery, change: Change) -> Work {
    match delivery::record(message, Some(delivery), &change) {
        Some(write) => Work::Record(Box::new(Recording { change, write })),
        None => Work::Nothing,
    }
}

/// What a job means, given what was read.
pub(crate) fn step(job: &Job<'_>, delivery: Option<Delivery>, webhook: Option<Webhook>, consistent: bool) -> Step {
    let look = Look { received_before: job.received_before(), consistent };
    delivery::step(&job.message, delivery, webhook, look)
}

/// From 0 up to 1.
pub(crate) fn jitter() -> f64 {
    f64::from(getrandom::u32().unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

/// How long to wait before a call to a busy table or queue is made again: up to 50 ms, then up to twice as long each time, to 2 s.
pub(crate) fn pause(round: u32) -> Duration {
    Duration::from_millis(50 << round.min(5)).min(Duration::from_secs(2)).mul_f64(0.5 + jitter() / 2.0)
}
