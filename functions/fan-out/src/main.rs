//! Stores each completion as an event, and sends one delivery of it to each webhook that subscribed. A delivery is a
//! message to the dispatcher, and is in no table until its first attempt. A delivery for an endpoint that is down is
//! stored as held instead, without a message.
//!
//! If an event is stored already, because its completion was repeated or its message came back, what is stored is
//! sent, to the webhooks that are stored with it.

use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    aws::{self, AwsError},
    config,
    delivery::{self, Change, Message},
    egress::Policy,
    event::{Completion, Event, Payload},
    names::{AccountId, EventId},
    queue::{self, EncodedPayload, Outgoing, Queue, SqsBatchResponse, SqsEvent, SqsMessage},
    store::{Deliveries, Events, InsertResult, Webhooks, WriteResult, expires_at},
    telemetry::{
        self,
        metrics::{Metric, Metrics, Recorder},
        trace::{Segment, Tracer},
    },
    webhook::Webhook,
};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

struct FanOut {
    webhooks: Webhooks,
    events: Events,
    policy: Policy,
    held: Deliveries,
    event_retention_days: u32,
    retention_days: u32,
    deliveries: Queue,
    dead_letters: Queue,
    tracer: Tracer,
    recorder: Recorder,
}

/// A completion of the batch, and the SQS record that it came in.
struct Job<'a> {
    record: &'a SqsMessage,
    completion: Completion,
    trace: Option<Segment>,
}

/// An event that is stored, and the job that it came with.
struct StoredEvent<'a> {
    job: &'a Job<'a>,
    event: Event,
    payload: Payload,
    /// The encoded payload: made for the first message, and reused for the others.
    encoded: OnceCell<EncodedPayload>,
}

/// A delivery that fan-out has to send or to hold.
struct Wanted<'a> {
    stored: &'a StoredEvent<'a>,
    /// The first message, without the payload.
    message: Message,
    /// Whether the delivery waits because the webhook's circuit is open.
    is_down: bool,
}

/// How many of the deliveries to hold are stored.
#[derive(Default)]
struct Held {
    /// How many, counted from the first, are in the table.
    done: usize,
    /// How many of these were not stored before.
    stored: usize,
}

/// How many deliveries are stored as held in one call.
const TOGETHER: usize = 12;

/// The time a function needs after its last message, to answer.
const TIME_TO_ANSWER: Duration = Duration::from_secs(2);

/// An event makes many short-lived allocations, for which this allocator is faster than the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let fan_out = FanOut {
        webhooks: Webhooks::from_env(&aws)?,
        events: Events::from_env(&aws)?,
        policy: config::sending_policy()?,
        event_retention_days: config::event_retention_days()?,
        held: Deliveries::from_env(&aws)?,
        retention_days: config::parsed("HISTORY_RETENTION_DAYS")?,
        deliveries: Queue::from_env(&aws, "DELIVERIES_QUEUE_URL")?,
        dead_letters: Queue::from_env(&aws, "DEAD_LETTER_QUEUE_URL")?,
        tracer: Tracer::from_env()?,
        recorder: Recorder::from_env()?,
    };
    let handler = service_fn(async |event: LambdaEvent<SqsEvent>| {
        let LambdaEvent { payload, context } = event;
        let response = fan_out.handle(&payload, context.deadline(), context.xray_trace_id.as_deref()).await;
        Ok::<_, lambda_runtime::Error>(response)
    });
    lambda_runtime::run(handler).await
}

impl FanOut {
    /// Works on a batch until shortly before `deadline`, the end of the function's time. Returns the completions that
    /// are not finished by then, and go back to the queue. `trace` is the invocation's trace
    /// header.
    async fn handle(&self, event: &SqsEvent, deadline: SystemTime, trace: Option<&str>) -> SqsBatchResponse {
        let began = Timestamp::now();
        let remaining = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let deadline = Instant::now() + remaining.saturating_sub(TIME_TO_ANSWER);
        let mut metrics = Metrics::default();

        let (jobs, mut given_back) = self.jobs(event, trace, &mut metrics).await;
        metrics.count(Metric::Completions, jobs.len());
        metrics.count(Metric::RoundedNumbers, jobs.iter().map(|job| job.completion.rounded_integers).sum());
        let sent = jobs.iter().filter_map(|job| queue::sent_at(job.record));
        sent.for_each(|sent_at| metrics.measure_since(Metric::AgeAtFanOut, sent_at, began));

        let accounts = jobs.iter().map(|job| &job.completion.account_id);
        let webhooks = timeout_at(deadline, self.webhooks_of(accounts)).await.unwrap_or_default();
        let is_unread = |job: &&Job| !webhooks.contains_key(&job.completion.account_id);
        given_back.extend(jobs.iter().filter(is_unread).map(|job| job.record));

        let stored = timeout_at(deadline, Box::pin(self.store(&jobs, &webhooks, &mut given_back))).await;
        // If the time is over, no event is known to be stored.
        let stored = stored.unwrap_or_else(|_| {
            given_back.extend(jobs.iter().filter(|job| !is_unread(job)).map(|job| job.record));
            Vec::new()
        });
        let wanted = wanted(&stored, &webhooks);
        let (down, up): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|wanted| wanted.is_down);
        // Deliveries to working endpoints go first: they must not wait for a table that does not answer.
        let mut refused = self.send(&up, deadline).await;
        let mut held = Held::default();
        let half_the_time = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
        let _ = timeout_at(half_the_time, self.hold(&down, &mut held)).await;
        // Deliveries that could not be held are sent. The dispatcher then holds them.
        let not_held = &down[held.done..];
        refused.extend(self.send(not_held, deadline).await);

        metrics.count(Metric::Held, held.stored);
        metrics.count(Metric::DeliveriesQueued, up.len() + not_held.len() - refused.len());
        // A completion with several refused deliveries goes back once.
        let mut seen: HashSet<_> = given_back.iter().map(|record| &record.message_id).collect();
        refused.retain(|record| seen.insert(&record.message_id));
        given_back.extend(refused);
        metrics.count(Metric::Faults, given_back.len());
        self.recorder.write(&metrics, Timestamp::now());
        self.trace(&jobs);
        queue::give_back(given_back)
    }

    /// Sends deliveries to the dispatcher. Returns the record of each one that the queue did not take.
    async fn send<'a>(&self, wanted: &[Wanted<'a>], deadline: Instant) -> Vec<&'a SqsMessage> {
        let messages = wanted.iter().map(|wanted| (wanted.stored.job.record, wanted.outgoing()));
        self.deliveries.send(messages, deadline).await
    }

    /// Stores the events of the jobs whose webhooks are known, and returns those to send. A completion that is in the
    /// batch twice is one event. Adds the messages of jobs that could not be stored to `given_back`.
    async fn store<'a>(
        &self,
        jobs: &'a [Job<'a>],
        webhooks: &HashMap<&AccountId, Vec<Webhook>>,
        given_back: &mut Vec<&'a SqsMessage>,
    ) -> Vec<StoredEvent<'a>> {
        let mut seen = HashSet::<(AccountId, EventId)>::new();
        let (mut firsts, mut events) = (Vec::new(), Vec::new());
        for job in jobs {
            let Some(webhooks) = webhooks.get(&job.completion.account_id) else { continue };
            let event = Event::new(&job.completion, webhooks, &self.policy);
            if seen.insert((event.account_id.clone(), event.id.clone())) {
                firsts.push(job);
                events.push(event);
            }
        }
        let kept = self.events.store(&events, expires_at(self.event_retention_days)).await;
        let mut stored = Vec::with_capacity(events.len());
        for ((job, event), kept) in firsts.into_iter().zip(events).zip(kept) {
            let event = match kept {
                InsertResult::Inserted => event,
                InsertResult::Exists(before) => *before,
                InsertResult::Busy(err) => {
                    tracing::error!(cause = telemetry::chain(&err), "a completion goes back: its event is not stored");
                    given_back.push(job.record);
                    continue;
                }
            };
            // An event that was erased has no payload, and is not sent.
            let payload = event.payload();
            stored.extend(payload.map(|payload| StoredEvent { job, event, payload, encoded: OnceCell::new() }));
        }
        stored
    }

    /// Stores the deliveries to endpoints that are down as held. Stops at the first part that the table refuses.
    async fn hold(&self, down: &[Wanted<'_>], held: &mut Held) {
        for part in down.chunks(TOGETHER) {
            let writes = part.iter().map(Wanted::whole);
            let writes: Vec<_> = writes.filter_map(|whole| delivery::record(&whole, None, &Change::Held)).collect();
            let recorded = self.held.record(&writes.iter().collect::<Vec<_>>(), expires_at(self.retention_days)).await;
            for recorded in recorded {
                match recorded {
                    WriteResult::Done => held.stored += 1,
                    // The delivery is stored already: the completion is a repeated one.
                    WriteResult::Superseded(_) => {}
                    WriteResult::Busy(err) | WriteResult::Failed(err) => {
                        tracing::warn!(cause = telemetry::chain(&err), "deliveries to hold are sent to the dispatcher");
                        return;
                    }
                }
            }
            held.done += part.len();
        }
    }

    /// Parses the completions of a batch. Also returns the records that go back because their dead letter could not
    /// be sent.
    async fn jobs<'a>(
        &self,
        event: &'a SqsEvent,
        trace: Option<&str>,
        metrics: &mut Metrics,
    ) -> (Vec<Job<'a>>, Vec<&'a SqsMessage>) {
        let began = Timestamp::now();
        let parsed = join_all(event.records.iter().map(|record| self.parse(record))).await;
        let (mut jobs, mut given_back) = (Vec::new(), Vec::new());
        for (record, parsed) in event.records.iter().zip(parsed) {
            match parsed {
                Ok(Some(completion)) => {
                    let trace = self.tracer.begin(queue::trace_header(record), trace, began);
                    jobs.push(Job { record, completion, trace });
                }
                Ok(None) => metrics.count(Metric::DeadLetters, 1),
                Err(_) => given_back.push(record),
            }
        }
        (jobs, given_back)
    }

    fn trace(&self, jobs: &[Job<'_>]) {
        let now = Timestamp::now();
        for Job { completion, trace, .. } in jobs {
            let Some(step) = trace else { continue };
            let about = json!({ "account_id": completion.account_id, "task_id": completion.task_id });
            self.tracer.end(step, "nano-webhooks fan-out", now, &about, None);
        }
    }

    /// Parses the completion in a message. Returns `None` if the message is not a completion and was sent to the
    /// dead-letter queue. Fails if the dead-letter queue refuses it: the message then has to go back, so that it is
    /// not lost.
    async fn parse(&self, record: &SqsMessage) -> Result<Option<Completion>, AwsError> {
        let sent_at = queue::sent_at(record).unwrap_or_default();
        let rejection = match Completion::parse(record.body.as_deref().unwrap_or_default(), sent_at) {
            Ok(completion) => return Ok(Some(completion)),
            Err(rejection) => rejection.to_string(),
        };
        tracing::warn!(message_id = record.message_id, reason = rejection, "a message is not a completion");
        self.dead_letters.dead_letter(record, &rejection).await.inspect_err(|err| {
            tracing::error!(message_id = record.message_id, cause = telemetry::chain(err), "a dead letter was refused");
        })?;
        Ok(None)
    }

    /// Reads the webhooks of each account. The result leaves out accounts whose webhooks could not be read.
    async fn webhooks_of<'a>(
        &self,
        accounts: impl Iterator<Item = &'a AccountId>,
    ) -> HashMap<&'a AccountId, Vec<Webhook>> {
        let accounts: HashSet<_> = accounts.collect();
        let read = join_all(accounts.into_iter().map(async |account| match self.webhooks.list(account).await {
            Ok(webhooks) => Some((account, webhooks)),
            Err(err) => {
                tracing::error!(%account, cause = telemetry::chain(&err), "an account's completions stay on the queue");
                None
            }
        }));
        read.await.into_iter().flatten().collect()
    }
}

/// The deliveries of these events, to the webhooks that are stored with them.
fn wanted<'a>(stored: &'a [StoredEvent<'a>], webhooks: &HashMap<&AccountId, Vec<Webhook>>) -> Vec<Wanted<'a>> {
    let mut wanted = Vec::new();
    for stored in stored {
        let webhooks = webhooks.get(&stored.event.account_id).map(Vec::as_slice).unwrap_or_default();
        for id in &stored.event.recipients.sent_to {
            let webhook = webhooks.iter().find(|webhook| webhook.id == *id);
            let queued_at = queue::sent_at(stored.job.record);
            let message = Message { queued_at, ..Message::first(&stored.event, *id) };
            // If the webhook was deleted meanwhile, the delivery is sent, and the dispatcher cancels it.
            let is_down = webhook.is_some_and(|webhook| message.waits_for_circuit(webhook));
            wanted.push(Wanted { stored, message, is_down });
        }
    }
    wanted
}

impl Wanted<'_> {
    fn outgoing(&self) -> Outgoing {
        let StoredEvent { job, payload, encoded, .. } = self.stored;
        let encoded = encoded.get_or_init(|| EncodedPayload::new(payload));
        Outgoing::with_payload(&self.message, encoded).traced(job.trace.as_ref().map(Segment::next))
    }

    /// The message with its payload.
    fn whole(&self) -> Message {
        Message { payload: Some(self.stored.payload.clone()), ..self.message.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_event_holds_completions() {
        let event: SqsEvent = serde_json::from_str(include_str!("../../../events/fan-out.json")).unwrap();
        assert_eq!(event.records.len(), 2, "one bare, one in an EventBridge envelope");
        for record in &event.records {
            let sent_at = queue::sent_at(record).unwrap();
            let completion = Completion::parse(record.body.as_deref().unwrap(), sent_at).unwrap();
            assert_eq!(completion.account_id.as_str(), "acct_demo");
        }
    }
}
