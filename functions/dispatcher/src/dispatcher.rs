//! The steps of a batch: read what is stored, make the attempts, record them, arrange the next attempts, and report
//! the messages that go back to the queue.

use std::{
    mem,
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt as _, future::join, stream::FuturesUnordered};
use jiff::Timestamp;
use nano_webhooks::{
    delivery::{self, Change, Delivery, Look, Made, Message, Step},
    queue::{self, Queue, SqsBatchResponse, SqsEvent, SqsMessage},
    retry::{self, Schedule},
    sender::{Exchange, Sender},
    store::{Deliveries, Events, Rehearsals, Stored, Waiting, Webhooks},
    telemetry::{
        self,
        metrics::{Metric, Recorder},
        trace::{self, Tracer},
    },
    webhook::Webhook,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    batch::{AttemptContext, Batch, Job, Recording, Unfinished, Work, Worked, readable},
    observed::{self, Observed},
    successes::Successes,
    used_up::UsedUp,
};

/// The time a function needs after its last attempt, to record the outcomes and answer.
const TIME_TO_FINISH: Duration = Duration::from_secs(3);

/// The part of [`TIME_TO_FINISH`] that a function needs after its last record, to answer.
const TIME_TO_ANSWER: Duration = Duration::from_secs(1);

/// How long a finished attempt waits for others, to be recorded in the same call. None waits once all of a batch have
/// finished.
const TIME_TO_GATHER: Duration = Duration::from_millis(250);

/// The most attempts that are recorded in one call: a batch.
const TOGETHER: usize = 10;

/// A 429 or 503 with a `Retry-After` of at least this opens the webhook's circuit.
const LONG_RETRY_AFTER: Duration = Duration::from_mins(1);

pub(crate) struct Dispatcher {
    pub(crate) webhooks: Webhooks,
    pub(crate) deliveries: Deliveries,
    pub(crate) events: Events,
    pub(crate) waiting: Waiting,
    pub(crate) rehearsals: Rehearsals,
    pub(crate) queue: Queue,
    pub(crate) sender: Sender,
    pub(crate) schedule: Schedule,
    /// A next attempt that is due within this time is sent as a delayed message. SQS delays a message by at most 15
    /// minutes.
    pub(crate) longest_delay: Duration,
    pub(crate) retention_days: u32,
    pub(crate) tracer: Tracer,
    pub(crate) send_traceparent: bool,
    pub(crate) recorder: Recorder,
    pub(crate) successes: Successes,
    pub(crate) used_up: UsedUp,
}

/// When a batch must stop making attempts, and when it must stop writing.
#[derive(Clone, Copy)]
pub(crate) struct Deadlines {
    pub(crate) attempts: Instant,
    pub(crate) records: Instant,
}

/// A job, and the step that the dispatcher takes for it.
pub(crate) struct Planned<'a> {
    pub(crate) job: Job<'a>,
    pub(crate) step: Step,
}

pub(crate) type GivenBack<'a> = Vec<(&'a SqsMessage, Unfinished)>;

impl Dispatcher {
    /// Works on a batch until `deadline`, the end of the function's time. Returns the messages that go back to the
    /// queue. `trace` is the invocation's trace header.
    pub(crate) async fn handle(&self, event: &SqsEvent, deadline: SystemTime, trace: Option<&str>) -> SqsBatchResponse {
        let end = Instant::now() + deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let before = |time| end.checked_sub(time).unwrap_or_else(Instant::now);
        let deadlines = Deadlines { attempts: before(TIME_TO_FINISH), records: before(TIME_TO_ANSWER) };

        let observed = Observed::default();
        let Batch { jobs, rehearsals, unreadable } = readable(event);
        let unfinished = if rehearsals.is_empty() {
            self.deliver(jobs, trace, &observed, deadlines).await
        } else {
            let delivered = self.deliver(jobs, trace, &observed, deadlines);
            let (unfinished, unrehearsed) = join(delivered, self.rehearse(rehearsals, deadlines)).await;
            unfinished.into_iter().chain(unrehearsed).collect()
        };
        for (record, why) in &unfinished {
            let cause = telemetry::chain(why);
            tracing::error!(message_id = record.message_id, cause, "a delivery goes back to the queue");
        }
        observed.count(Metric::Faults, unreadable.len() + unfinished.len());
        self.recorder.write(&observed.into_metrics(), Timestamp::now());
        queue::give_back(unreadable.into_iter().chain(unfinished.into_iter().map(|(record, _)| record)))
    }

    /// Makes the attempts of the jobs and records them. Returns the messages that go back to the queue.
    async fn deliver<'a>(
        &self,
        jobs: Vec<Job<'a>>,
        trace: Option<&str>,
        observed: &Observed,
        deadlines: Deadlines,
    ) -> GivenBack<'a> {
        let (planned, mut unfinished) = self.plan(jobs, deadlines).await;
        let (planned, uncounted) = self.limit(planned, deadlines).await;
        let (planned, unclaimed) = self.claim(planned, deadlines).await;
        unfinished.extend(uncounted.into_iter().chain(unclaimed));
        // One for the batch: so the next attempts are due together, and share an item of the waiting table.
        let jitter = jitter();
        let worked = planned.into_iter().map(|planned| self.work(planned, trace, observed, jitter, deadlines.attempts));
        let worked = worked.collect::<FuturesUnordered<_>>();
        let settled = tokio_stream::StreamExt::chunks_timeout(worked, TOGETHER, TIME_TO_GATHER)
            .map(|worked| self.settle(worked, observed, deadlines.records))
            .buffer_unordered(TOGETHER);
        unfinished.extend(settled.collect::<Vec<_>>().await.into_iter().flatten());
        unfinished
    }

    /// Makes the attempt if the step asks for one. Returns the work that is left: what to record or to send.
    async fn work<'a>(
        &self,
        Planned { job, step }: Planned<'a>,
        trace: Option<&str>,
        observed: &Observed,
        jitter: f64,
        deadline: Instant,
    ) -> Worked<'a> {
        let (work, circumstances) = match step {
            Step::Done | Step::LookAgain => (Ok(Work::Nothing), None),
            Step::FollowUp(delivery) => (Ok(self.follow_up(&delivery)), None),
            Step::Record { delivery, change } => (Ok(recording(&job.message, delivery, change)), None),
            Step::Attempt { delivery, webhook, .. } => {
                let trace = self.tracer.begin(queue::trace_header(job.record), trace, Timestamp::now());
                let attempt = self.attempt(&job.message, delivery, webhook, jitter, trace);
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
        jitter: f64,
        trace: Option<trace::Segment>,
    ) -> (Work, AttemptContext) {
        let traceparent = trace.as_ref().filter(|_| self.send_traceparent).map(trace::Segment::traceparent);
        // The step asks for an attempt only if the message has a payload.
        let body = message.payload.as_ref().map_or("", |payload| payload.body.as_str());
        let exchange = self.sender.attempt(&webhook, &delivery, body, traceparent.as_deref()).await;
        let Exchange { attempt, retry_after, sent_at } = exchange;
        let now = Timestamp::now();
        let circumstances = retry::Circumstances { earlier_tries: delivery.tries, now, jitter, retry_after };
        let asks_to_wait = matches!(attempt.outcome.http_status(), Some(429 | 503)) && retry_after >= LONG_RETRY_AFTER;
        let is_success = attempt.outcome.is_success();
        // What a callback at another origin does says nothing about the webhook's own endpoint.
        let is_own = !delivery.calls_elsewhere(&webhook);
        let made = Made {
            verdict: self.schedule.verdict(&attempt.outcome, circumstances),
            epoch: webhook.epoch,
            wait: asks_to_wait.then_some(retry_after.as_secs()),
            last_success: if is_own { self.successes.last(&webhook, is_success.then_some(now)) } else { None },
            watch: is_own && (!is_success || !webhook.is_spotless()),
            attempt,
        };
        let queued_at = message.queued_at.filter(|_| delivery.version == 0);
        let work = recording(message, delivery, Change::Attempted(made));
        (work, AttemptContext { webhook, sent_at, ended_at: now, queued_at, trace })
    }
}

/// The work of recording a change, from the delivery as it was read.
pub(crate) fn recording(message: &Message, delivery: Delivery, change: Change) -> Work {
    match delivery::record(message, Some(delivery), &change) {
        Some(write) => Work::Record(Box::new(Recording { change, write })),
        None => Work::Nothing,
    }
}

/// Decides the step for a job, from what was read, and completes the message with the payload of the event. If the job
/// must be read again, the message gets back what it had: the second read leaves out the event of a message with a payload.
pub(crate) fn step(job: &mut Job<'_>, Stored { delivery, webhook, event }: Stored, consistent: bool) -> Step {
    let look = Look {
        received_before: job.received_before(),
        consistent,
        erased: event.as_ref().is_some_and(|event| event.erased_at.is_some()),
    };
    let own_payload = event.map(|event| {
        job.message.callback_url = event.callback_for(job.message.webhook_id).map(str::to_owned);
        mem::replace(&mut job.message.payload, event.payload())
    });
    let step = delivery::step(&job.message, delivery, webhook, look);
    if let (Step::LookAgain, Some(payload)) = (&step, own_payload) {
        job.message.payload = payload;
    }
    step
}

/// A random number from 0 up to, but not including, 1.
pub(crate) fn jitter() -> f64 {
    f64::from(getrandom::u32().unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

/// How long to wait before a call to a busy table or queue is repeated: up to 50 ms at first, doubled each round, at
/// most 2 s.
pub(crate) fn pause(round: u32) -> Duration {
    Duration::from_millis(50 << round.min(5)).min(Duration::from_secs(2)).mul_f64(0.5 + jitter() / 2.0)
}

#[cfg(test)]
mod tests {
    use nano_webhooks::event::{Completion, Event};

    use super::*;

    #[test]
    fn an_event_that_a_late_read_has_found_is_read_again_at_the_second_look() {
        let sample: SqsEvent = serde_json::from_str(include_str!("../../../events/dispatcher.json")).unwrap();
        let message: Message = serde_json::from_str(sample.records[0].body.as_deref().unwrap()).unwrap();
        let message = Message { payload: None, attempt: 2, ..message };
        let mut job = Job { record: &sample.records[0], message: message.clone() };
        let completion = r#"{"account_id":"acct_demo","task_id":"t","task_type":"image","status":"completed"}"#;
        let completion = Completion::parse(completion, Timestamp::UNIX_EPOCH).unwrap();
        let event = Some(Event::test(&completion, message.webhook_id));
        let looked = step(&mut job, Stored { delivery: None, webhook: None, event }, false);
        assert!(matches!(looked, Step::LookAgain));
        assert_eq!(job.message, message, "the event is only read for a message without a payload");
    }
}
