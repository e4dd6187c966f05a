//! The messages of a batch as jobs, and the work that is left for each.

use std::collections::{HashMap, hash_map::Entry};

use jiff::Timestamp;
use nano_webhooks::{
    delivery::{Change, DeliveryId, Message, Write},
    queue::{self, SqsEvent, SqsMessage},
    store::{StoreError, Wait},
    telemetry::trace::Step as TraceStep,
    webhook::{AccountId, Webhook, WebhookId},
};

/// Why a message goes back to the queue. This is always our failure, and counts as a receive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfinished {
    #[error("its delivery and its webhook could not be read")]
    NotRead(#[source] StoreError),
    #[error("another dispatcher may be making its attempt")]
    NotClaimed,
    #[error("the outcome was not recorded")]
    NotRecorded(#[source] StoreError),
    #[error("the next attempt could not be arranged")]
    NotFollowedUp,
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
    FollowUp(Wait),
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
pub(crate) struct Circumstances {
    pub(crate) webhook: Webhook,
    /// When the request went out, if it did.
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) ended_at: Timestamp,
    /// When the completion was sent to its queue. `None` unless this is the first attempt.
    pub(crate) queued_at: Option<Timestamp>,
    pub(crate) trace: Option<TraceStep>,
}

/// Returns the jobs of a batch, and the records that go back because they hold no delivery message.
///
/// Two messages for the same attempt are one job. If one of them was received before, the job has that one: a
/// dispatcher may have died while it worked on it, and its work must be finished.
pub(crate) fn readable(event: &SqsEvent) -> (Vec<Job<'_>>, Vec<&SqsMessage>) {
    let (mut jobs, mut unreadable, mut seen) = (Vec::<Job<'_>>::new(), Vec::new(), HashMap::new());
    for record in &event.records {
        match serde_json::from_str::<Message>(record.body.as_deref().unwrap_or_default()) {
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
                tracing::error!(message_id = record.message_id, %err, "a message is no delivery");
                unreadable.push(record);
            }
        }
    }
    (jobs, unreadable)
}

/// Whether fan-out has sent all of these messages and none was received before. Only such a batch may be read
/// eventually consistently: a customer may have changed the webhook just before a retry or a test, and a dispatcher
/// may have recorded the attempt of a message that was received before.
pub(crate) fn are_new(jobs: &[Job<'_>]) -> bool {
    jobs.iter().all(|job| job.message.queued_at.is_some() && !job.received_before())
}

/// The key by which two messages ask for the same attempt. The delivery's id alone is not enough, because one
/// account's message must not replace another's. A probe of an old version does nothing, so it must not replace
/// another message either.
fn attempt_of(message: &Message) -> (AccountId, WebhookId, DeliveryId, u32, u32, Option<u64>) {
    let Message { account_id, webhook_id, delivery_id, round, attempt, probe, .. } = message;
    (account_id.clone(), *webhook_id, delivery_id.clone(), *round, *attempt, *probe)
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
        let asked: Vec<_> = readable(&event).0.iter().map(|job| (job.message.round, job.message.attempt)).collect();
        assert_eq!(asked, [(0, 1), (1, 1), (0, 2)]);
    }

    #[test]
    fn of_two_messages_for_an_attempt_the_one_that_was_received_before_is_kept() {
        let mut event = sample();
        let mut again = event.records[0].clone();
        again.attributes.insert("ApproximateReceiveCount".into(), "2".into());
        event.records.push(again);
        let (jobs, _) = readable(&event);
        assert!(jobs.len() == 1 && jobs[0].received_before());
        event.records.reverse();
        let (jobs, _) = readable(&event);
        assert!(jobs.len() == 1 && jobs[0].received_before());
    }

    #[test]
    fn a_probe_does_not_stand_for_another_message() {
        let mut event = sample();
        let mut probe = event.records[0].clone();
        probe.body = probe.body.map(|body| body.replace(r#""attempt": 1"#, r#""attempt": 1, "probe": 3"#));
        event.records.insert(0, probe);
        assert_eq!(readable(&event).0.len(), 2);
    }

    #[test]
    fn a_message_is_not_taken_for_another_accounts_or_another_webhooks() {
        let mut event = sample();
        for (own, forged) in [(r#""acct_demo""#, r#""acct_forger""#), (r#""webhook_id": 1"#, r#""webhook_id": 2"#)] {
            let mut record = event.records[0].clone();
            record.body = record.body.map(|body| body.replace(own, forged));
            event.records.push(record);
        }
        assert_eq!(readable(&event).0.len(), 3);
    }

    #[test]
    fn the_sample_event_holds_a_delivery() {
        let event = sample();
        let (jobs, unreadable) = readable(&event);
        assert!(unreadable.is_empty() && jobs.iter().all(|job| job.message.account_id.as_str() == "acct_demo"));
    }
}
