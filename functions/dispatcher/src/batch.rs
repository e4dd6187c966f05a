//! The messages of a batch as jobs, and the work that is left for each.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use jiff::Timestamp;
use nano_webhooks::{
    aws::AwsError,
    delivery::{Change, Message, Write},
    names::{AccountId, EventId, WebhookId},
    queue::{self, SqsEvent, SqsMessage},
    rehearsal::RehearsalMessage,
    store::Wait,
    telemetry::trace::Segment,
    webhook::Webhook,
};

/// Why a message goes back to the queue. This is always our failure, and counts as a receive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfinished {
    #[error("its delivery and its webhook could not be read")]
    NotRead(#[source] AwsError),
    #[error("its attempt could not be counted for the webhook's max_per_minute")]
    NotCounted(#[source] Arc<AwsError>),
    #[error("another dispatcher may be making its attempt")]
    NotClaimed,
    #[error("the outcome was not recorded")]
    NotRecorded(#[source] AwsError),
    #[error("the next attempt could not be arranged")]
    NotFollowedUp,
    #[error("its step of a rehearsal could not be made")]
    NotRehearsed(#[source] AwsError),
    #[error("the batch's time ran out")]
    OutOfTime,
}

/// A readable message, and the SQS record that it came in.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) record: &'a SqsMessage,
    pub(crate) message: Message,
}

impl Job<'_> {
    pub(crate) fn received_before(&self) -> bool {
        !queue::is_new(self.record)
    }
}

/// The work that is left for a job before its message may leave the queue.
#[derive(Debug)]
pub(crate) enum Work {
    Nothing,
    Record(Box<Recording>),
    /// Send a delayed message for the next attempt.
    FollowUp(Box<Wait>),
}

/// A change, and the conditional write that records it. The write is refused if the delivery has changed since it was
/// read.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) change: Change,
    pub(crate) write: Write,
}

/// What logs, metrics and traces show of an attempt in addition to its record.
#[derive(Debug)]
pub(crate) struct AttemptContext {
    pub(crate) webhook: Webhook,
    /// When the request went out, if it did.
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) ended_at: Timestamp,
    /// When the completion was sent to its queue. `None` unless this is the first attempt.
    pub(crate) queued_at: Option<Timestamp>,
    pub(crate) trace: Option<Segment>,
}

/// A job after its step, and the work that is left.
pub(crate) struct Worked<'a> {
    pub(crate) job: Job<'a>,
    pub(crate) work: Result<Work, Unfinished>,
    /// `None` if no attempt was made.
    pub(crate) circumstances: Option<Box<AttemptContext>>,
}

/// The messages of a batch, by what they ask for.
#[derive(Debug, Default)]
pub(crate) struct Batch<'a> {
    pub(crate) jobs: Vec<Job<'a>>,
    /// The steps of rehearsals.
    pub(crate) rehearsals: Vec<(&'a SqsMessage, RehearsalMessage)>,
    /// Messages that go back, because they ask for neither.
    pub(crate) unreadable: Vec<&'a SqsMessage>,
}

/// Reads the messages of a batch.
///
/// Two messages for the same attempt are one job. If one of them was received before, the job has that one: a
/// dispatcher may have died while it worked on it, and its work must be finished.
pub(crate) fn readable(event: &SqsEvent) -> Batch<'_> {
    let (mut batch, mut seen) = (Batch::default(), HashMap::new());
    let jobs = &mut batch.jobs;
    for record in &event.records {
        let body = record.body.as_deref().unwrap_or_default();
        match serde_json::from_str::<Message>(body) {
            Ok(message) => {
                let job = Job { record, message };
                match seen.entry(attempt_of(&job.message)) {
                    Entry::Vacant(entry) => {
                        entry.insert(jobs.len());
                        jobs.push(job);
                    }
                    Entry::Occupied(entry) if job.received_before() => jobs[*entry.get()] = job,
                    Entry::Occupied(_) => {}
                }
            }
            Err(err) => {
                if let Ok(message) = serde_json::from_str(body) {
                    batch.rehearsals.push((record, message));
                } else {
                    tracing::error!(message_id = record.message_id, %err, "a message is not a delivery");
                    batch.unreadable.push(record);
                }
            }
        }
    }
    batch
}

/// Whether the deliveries and webhooks of these messages may be read eventually consistently: each message is received
/// for the first time, and either comes from fan-out or follows a recorded attempt.
///
/// All others are read consistently. A new round, a probe or a test comes just after a change by the customer, and another
/// dispatcher may just have recorded the attempt of a message that was received before. A retry of a waiting delivery is
/// the next attempt of its round: within a second of a change it can still use the old URL or secret.
pub(crate) fn may_read_late(jobs: &[Job<'_>]) -> bool {
    jobs.iter().all(|job| {
        let Message { attempt, probe, queued_at, .. } = &job.message;
        !job.received_before() && (queued_at.is_some() || *attempt > 1 && probe.is_none())
    })
}

/// The key by which two messages ask for the same attempt. The delivery's id alone is not enough, because one
/// account's message must not replace another's. A probe of an old version does nothing, so it must not replace
/// another message either.
fn attempt_of(message: &Message) -> (AccountId, WebhookId, EventId, u32, u32, Option<u64>) {
    let Message { account_id, webhook_id, event_id, round, attempt, probe, .. } = message;
    (account_id.clone(), *webhook_id, event_id.clone(), *round, *attempt, *probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SqsEvent {
        serde_json::from_str(include_str!("../../../events/dispatcher.json")).unwrap()
    }

    #[test]
    fn an_attempt_that_is_asked_for_twice_is_one_job_and_another_round_or_attempt_is_another() {
        let mut event = sample();
        let repetition = event.records[0].clone();
        let other = |own: &str, other: &str| {
            let mut record = repetition.clone();
            record.body = record.body.map(|body| body.replace(own, other));
            record
        };
        let others = [other(r#""round": 0"#, r#""round": 1"#), other(r#""attempt": 1"#, r#""attempt": 2"#)];
        event.records.push(repetition.clone());
        event.records.extend(others);
        let asked: Vec<_> = readable(&event).jobs.iter().map(|job| (job.message.round, job.message.attempt)).collect();
        assert_eq!(asked, [(0, 1), (1, 1), (0, 2)]);
    }

    #[test]
    fn of_two_messages_for_an_attempt_the_one_that_was_received_before_is_kept() {
        let mut event = sample();
        let mut again = event.records[0].clone();
        again.attributes.approximate_receive_count = Some("2".into());
        event.records.push(again);
        let Batch { jobs, .. } = readable(&event);
        assert!(jobs.len() == 1 && jobs[0].received_before());
        event.records.reverse();
        let Batch { jobs, .. } = readable(&event);
        assert!(jobs.len() == 1 && jobs[0].received_before());
    }

    #[test]
    fn a_probe_does_not_stand_for_another_message() {
        let mut event = sample();
        let mut probe = event.records[0].clone();
        probe.body = probe.body.map(|body| body.replace(r#""attempt": 1"#, r#""attempt": 1, "probe": 3"#));
        event.records.insert(0, probe);
        assert_eq!(readable(&event).jobs.len(), 2);
    }

    #[test]
    fn a_message_is_not_taken_for_another_accounts_or_another_webhooks() {
        let mut event = sample();
        for (own, forged) in [(r#""acct_demo""#, r#""acct_forger""#), (r#""webhook_id": 1"#, r#""webhook_id": 2"#)] {
            let mut record = event.records[0].clone();
            record.body = record.body.map(|body| body.replace(own, forged));
            event.records.push(record);
        }
        assert_eq!(readable(&event).jobs.len(), 3);
    }

    #[test]
    fn only_what_fan_out_sends_and_what_follows_a_recorded_attempt_may_be_read_late() {
        let mut event = sample();
        let again = {
            let mut again = event.records[0].clone();
            again.attributes.approximate_receive_count = Some("2".into());
            again
        };
        event.records.push(again);
        let may = |record: usize, change: &dyn Fn(Message) -> Message| {
            let record = &event.records[record];
            let message: Message = serde_json::from_str(record.body.as_deref().unwrap()).unwrap();
            may_read_late(&[Job { record, message: change(Message { queued_at: None, ..message }) }])
        };
        assert!(may(0, &|sent| Message { queued_at: Some(Timestamp::UNIX_EPOCH), ..sent }), "from fan-out");
        assert!(may(0, &|sent| Message { attempt: 2, ..sent }), "after a recorded attempt");
        assert!(!may(1, &|sent| Message { attempt: 2, ..sent }), "received before");
        assert!(!may(0, &|sent| Message { attempt: 2, probe: Some(3), ..sent }), "a probe");
        assert!(!may(0, &|sent| sent), "a retry by hand, or a test");
    }

    #[test]
    fn a_step_of_a_rehearsal_is_no_job_and_goes_back_to_nobody() {
        let mut event = sample();
        let mut step = event.records[0].clone();
        step.body = Some(r#"{"account_id":"acct_demo","webhook_id":1,"rehearsal":"01","step":"signed_event"}"#.into());
        event.records.push(step);
        let Batch { jobs, rehearsals, unreadable } = readable(&event);
        assert_eq!((jobs.len(), rehearsals.len(), unreadable.len()), (1, 1, 0));
        assert_eq!(rehearsals[0].1.rehearsal, "01");
    }

    #[test]
    fn the_sample_event_holds_a_delivery() {
        let event = sample();
        let Batch { jobs, unreadable, .. } = readable(&event);
        assert!(unreadable.is_empty() && jobs.iter().all(|job| job.message.account_id.as_str() == "acct_demo"));
    }
}
