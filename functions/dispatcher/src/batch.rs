//! What comes in: the messages of an event, and what each of them is found to mean.

use std::collections::HashSet;

use jiff::Timestamp;
use nano_webhooks::{
    delivery::{Delivery, DeliveryId, Message},
    queue::{self, SqsEvent, SqsMessage},
    retry::Verdict,
    store::{RecordError, StoreError},
    telemetry::trace::Step,
    webhook::{AccountId, Webhook, WebhookId},
};

/// Why a message stays on the queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfinished {
    #[error("the next attempt is due at {0}")]
    NotDue(Timestamp),
    #[error("what is known of it could not be read")]
    NotRead(#[from] StoreError),
    #[error("the outcome was not recorded")]
    NotRecorded(#[from] RecordError),
    #[error("the operator could not be told of its webhook")]
    NotTold,
    #[error("the batch's time ran out")]
    OutOfTime,
}

/// A message that was worked on.
pub(crate) struct Worked<'a> {
    pub(crate) record: &'a SqsMessage,
    pub(crate) work: Result<Work, Unfinished>,
    /// Its webhook, where the service has disabled that and nobody was told.
    pub(crate) untold: Option<Webhook>,
}

impl Worked<'_> {
    pub(crate) fn attempted(&self) -> Option<&Attempted> {
        if let Ok(Work::Attempted(attempted)) = &self.work { Some(attempted) } else { None }
    }
}

/// What a message came to.
pub(crate) enum Work {
    /// There was nothing to do.
    Nothing,
    /// It is not due yet.
    Wait(Timestamp),
    /// Its webhook is gone or disabled, and the delivery is to be recorded so.
    Cancelled(Delivery),
    /// An attempt was made.
    Attempted(Box<Attempted>),
}

/// An attempt that was made, and is not recorded yet.
pub(crate) struct Attempted {
    /// The delivery as the attempt leaves it.
    pub(crate) delivery: Delivery,
    pub(crate) webhook: Webhook,
    pub(crate) verdict: Verdict,
    /// When the request went out, if it did.
    pub(crate) sent_at: Option<Timestamp>,
    pub(crate) ended_at: Timestamp,
    /// When the completion was sent to its queue, if this is the first attempt.
    pub(crate) queued_at: Option<Timestamp>,
    pub(crate) step: Option<Step>,
}

impl Work {
    /// What there is to record.
    pub(crate) fn delivery(&self) -> Option<&Delivery> {
        match self {
            Self::Nothing | Self::Wait(_) => None,
            Self::Cancelled(delivery) => Some(delivery),
            Self::Attempted(attempted) => Some(&attempted.delivery),
        }
    }
}

/// The messages of a batch that are to be worked on, beside the records that they came in, and the records that are to go
/// back because nothing can be read in them.
pub(crate) fn readable(event: &SqsEvent) -> (Vec<&SqsMessage>, Vec<Message>, Vec<&SqsMessage>) {
    let (mut records, mut messages, mut unreadable, mut seen) = (Vec::new(), Vec::new(), Vec::new(), HashSet::new());
    for record in &event.records {
        match serde_json::from_str::<Message>(record.body.as_deref().unwrap_or_default()) {
            // A round that stands twice in the batch is attempted once. Its first message alone is kept alive.
            Ok(message) if !seen.insert(round(&message)) => {}
            Ok(message) => {
                records.push(record);
                messages.push(message);
            }
            Err(err) => {
                tracing::error!(message_id = record.message_id, %err, "a message is no delivery");
                unreadable.push(record);
            }
        }
    }
    (records, messages, unreadable)
}

/// Whether fan-out has sent all of these messages and nobody has had one yet. A retry and a test follow on what somebody has
/// just changed, and a message that comes again on what was recorded.
pub(crate) fn are_new(records: &[&SqsMessage], messages: &[Message]) -> bool {
    records.iter().all(|record| queue::is_new(record)) && messages.iter().all(|message| message.queued_at.is_some())
}

/// What two messages have in common that ask for the same attempts. An id alone is not enough: one account's message must
/// not be taken for another's, whoever wrote it.
fn round(message: &Message) -> (AccountId, WebhookId, DeliveryId, u32) {
    let Message { account_id, webhook_id, delivery_id, round, .. } = message;
    (account_id.clone(), *webhook_id, delivery_id.clone(), *round)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_not_taken_for_the_repetition_that_stands_before_it() {
        let mut event: SqsEvent = serde_json::from_str(include_str!("../../../events/dispatcher.json")).unwrap();
        let repetition = event.records[0].clone();
        let mut retry = repetition.clone();
        retry.body = retry.body.map(|body| body.replace(r#""round": 0"#, r#""round": 1"#));
        event.records.extend([repetition, retry]);
        let rounds: Vec<u32> = readable(&event).1.iter().map(|message| message.round).collect();
        assert_eq!(rounds, [0, 1]);
    }

    #[test]
    fn a_message_is_not_taken_for_another_accounts_or_another_webhooks() {
        let mut event: SqsEvent = serde_json::from_str(include_str!("../../../events/dispatcher.json")).unwrap();
        for (own, forged) in [(r#""acct_demo""#, r#""acct_forger""#), (r#""webhook_id": 1"#, r#""webhook_id": 2"#)] {
            let mut record = event.records[0].clone();
            record.body = record.body.map(|body| body.replace(own, forged));
            event.records.push(record);
        }
        assert_eq!(readable(&event).1.len(), 3);
    }

    #[test]
    fn the_sample_event_holds_a_delivery() {
        let event: SqsEvent = serde_json::from_str(include_str!("../../../events/dispatcher.json")).unwrap();
        for record in &event.records {
            let message: Message = serde_json::from_str(record.body.as_deref().unwrap()).unwrap();
            assert_eq!(message.account_id.as_str(), "acct_demo");
        }
    }
}
