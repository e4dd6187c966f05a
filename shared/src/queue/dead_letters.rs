//! The dead-letter queue, for the operator's command: what lies there, why, and where it belongs.
//!
//! SQS lets nobody look at a message without receiving it. So looking hides what it has seen until all is seen, and then
//! shows it to everyone again; where that is cut short, the messages come back by themselves after [`HIDDEN_FOR`].

use std::collections::{HashMap, HashSet};

use aws_sdk_sqs::{
    Client,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, Message as SqsMessage, MessageSystemAttributeName, QueueAttributeName,
    },
};
use jiff::Timestamp;

use super::QueueError;
use crate::{delivery::Message, event::Completion};

/// How long what was received stays hidden, in seconds, if nobody shows it again.
const HIDDEN_FOR: i32 = 60;
/// The queue's answer covers only some of its servers unless it may wait, in seconds.
const WAIT: i32 = 1;
/// The most that one call takes.
const BATCH: usize = 10;

/// The queue.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    client: Client,
    url: String,
}

/// A message that could not be processed.
#[derive(Debug)]
pub struct DeadLetter {
    /// SQS's name for it.
    pub id: String,
    /// When it was sent: to its first queue where it came by redrive, to this one where fan-out recognised it.
    pub sent_at: Timestamp,
    /// The message as it was sent.
    pub body: String,
    /// Why it is here.
    pub cause: Cause,
    receipt: String,
}

/// Why a message could not be processed; see docs/delivery.md.
#[derive(Debug)]
pub enum Cause {
    /// It is no completion, for this reason. Nothing was delivered.
    NoCompletion(String),
    /// A completion that fan-out failed on, time and again; or one that EventBridge, in these words, could not put on the
    /// queue.
    Completion {
        /// The completion in it.
        completion: Completion,
        /// What EventBridge said.
        event_bus: Option<String>,
    },
    /// A delivery that the dispatcher failed on, time and again.
    Delivery(Message),
    /// It came from the deliveries queue and is no delivery: somebody put it there by hand.
    NoDelivery,
}

impl Cause {
    /// `attributes` are the message's own; `source` is the queue that it was moved from by redrive, if it was.
    fn of(body: &str, sent_at: Timestamp, attributes: &HashMap<String, String>, source: Option<&str>) -> Self {
        if let Some(reason) = attributes.get("reason") {
            return Self::NoCompletion(reason.clone());
        }
        if let Ok(message) = serde_json::from_str(body) {
            return Self::Delivery(message);
        }
        if source.is_some_and(|arn| arn.ends_with("-deliveries")) {
            return Self::NoDelivery;
        }
        match Completion::parse(body, sent_at) {
            Ok(completion) => Self::Completion { completion, event_bus: attributes.get("ERROR_MESSAGE").cloned() },
            // So close to SQS's limit that its reason did not fit.
            Err(rejection) => Self::NoCompletion(rejection.to_string()),
        }
    }
}

impl DeadLetters {
    /// The queue with this URL.
    pub fn new(aws: &aws_config::SdkConfig, url: String) -> Self {
        Self { client: Client::new(aws), url }
    }

    /// Looks through the queue, ten dead letters at a time, until `each` says that it has seen enough or everything was
    /// seen once. `each` gives back those that it did not delete; they are shown to everyone again in the end.
    pub async fn look_through<E: From<QueueError>>(
        &self,
        mut each: impl AsyncFnMut(Vec<DeadLetter>) -> Result<Look, E>,
    ) -> Result<(), E> {
        let (mut seen, mut kept, mut done) = (HashSet::new(), Vec::new(), Ok(()));
        loop {
            let received = match self.receive().await {
                Ok(received) => received,
                Err(err) => break done = Err(err.into()),
            };
            let (fresh, again): (Vec<_>, Vec<_>) =
                received.into_iter().partition(|letter| seen.insert(letter.id.clone()));
            kept.extend(again.into_iter().map(|letter| letter.receipt));
            if fresh.is_empty() {
                break;
            }
            match each(fresh).await {
                Ok(Look { kept: left, enough }) => {
                    kept.extend(left.into_iter().map(|letter| letter.receipt));
                    if enough {
                        break;
                    }
                }
                Err(err) => break done = Err(err),
            }
        }
        self.show_again(kept).await;
        done
    }

    /// How many there are, about: what is looked at by somebody else at this moment is not among them.
    pub async fn count(&self) -> Result<usize, QueueError> {
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let asked = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        let answer = asked.send().await;
        let answer = answer.map_err(|err| QueueError { doing: "count the dead letters", source: err.into() })?;
        Ok(answer.attributes.and_then(|attributes| attributes.get(&name)?.parse().ok()).unwrap_or_default())
    }

    /// Deletes one that was received, for good.
    pub async fn delete(&self, letter: &DeadLetter) -> Result<(), QueueError> {
        let delete = self.client.delete_message().queue_url(&self.url).receipt_handle(&letter.receipt);
        delete.send().await.map_err(|err| QueueError { doing: "delete a dead letter", source: err.into() })?;
        Ok(())
    }

    async fn receive(&self) -> Result<Vec<DeadLetter>, QueueError> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .visibility_timeout(HIDDEN_FOR)
            .wait_time_seconds(WAIT)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .map_err(|err| QueueError { doing: "look at the dead letters", source: err.into() })?;
        Ok(received.messages.unwrap_or_default().into_iter().map(DeadLetter::read).collect())
    }

    /// Where this fails they come back by themselves, a little later.
    async fn show_again(&self, receipts: Vec<String>) {
        for receipts in receipts.chunks(BATCH) {
            let entries = receipts.iter().enumerate().map(|(at, receipt)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
                entry.receipt_handle(receipt).visibility_timeout(0).build().expect("has its fields")
            });
            let show = self.client.change_message_visibility_batch().queue_url(&self.url);
            let _ = show.set_entries(Some(entries.collect())).send().await;
        }
    }
}

/// What became of some dead letters that were looked at.
#[derive(Debug)]
pub struct Look {
    /// Those that stay.
    pub kept: Vec<DeadLetter>,
    /// Whether no more are wanted.
    pub enough: bool,
}

impl DeadLetter {
    fn read(message: SqsMessage) -> Self {
        let system = message.attributes.unwrap_or_default();
        let sent_at = system.get(&MessageSystemAttributeName::SentTimestamp).and_then(|text| text.parse().ok());
        let sent_at = sent_at.and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or_default();
        let source = system.get(&MessageSystemAttributeName::DeadLetterQueueSourceArn).map(String::as_str);
        let attributes = message.message_attributes.unwrap_or_default().into_iter();
        let attributes = attributes.filter_map(|(name, value)| Some((name, value.string_value?))).collect();
        let body = message.body.unwrap_or_default();
        Self {
            id: message.message_id.unwrap_or_default(),
            sent_at,
            cause: Cause::of(&body, sent_at, &attributes, source),
            body,
            receipt: message.receipt_handle.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETION: &str = r#"{"account_id":"acct_1","task_id":"t","task_type":"image","status":"failed"}"#;
    const DELIVERY: &str = r#"{"account_id":"acct_1","webhook_id":1,"delivery_id":"0","event":"job.failed","body":"{}","round":0,"attempt":1}"#;
    const FROM_DELIVERIES: Option<&str> = Some("arn:aws:sqs:us-east-1:0:nano-webhooks-deliveries");

    fn cause(body: &str, attribute: Option<(&str, &str)>, source: Option<&str>) -> Cause {
        let attributes = attribute.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Cause::of(body, Timestamp::UNIX_EPOCH, &attributes, source)
    }

    #[test]
    fn a_reason_says_that_it_is_no_completion_whatever_it_looks_like() {
        let Cause::NoCompletion(reason) = cause(COMPLETION, Some(("reason", "status is missing")), None) else {
            panic!("has a reason")
        };
        assert_eq!(reason, "status is missing");
    }

    #[test]
    fn without_a_reason_its_body_says_what_it_is() {
        assert!(matches!(cause(COMPLETION, None, None), Cause::Completion { event_bus: None, .. }));
        assert!(matches!(cause(DELIVERY, None, FROM_DELIVERIES), Cause::Delivery(_)));
    }

    #[test]
    fn what_event_bridge_could_not_put_on_the_queue_comes_with_its_words() {
        let Cause::Completion { event_bus, .. } = cause(COMPLETION, Some(("ERROR_MESSAGE", "no permission")), None)
        else {
            panic!("is a completion")
        };
        assert_eq!(event_bus.as_deref(), Some("no permission"));
    }

    #[test]
    fn what_is_neither_is_known_by_the_queue_that_it_came_from() {
        assert!(matches!(cause("{}", None, FROM_DELIVERIES), Cause::NoDelivery));
        assert!(matches!(cause("{}", None, None), Cause::NoCompletion(_)));
    }
}
