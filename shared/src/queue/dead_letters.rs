//! The dead-letter queue, for the operator's command: which messages are there, why, and where each one belongs.
//!
//! SQS shows a message only to a reader that receives it, and then hides it from all others. So a look hides each
//! message until it has seen all of them, and then makes them visible again. If it is cut short, each message becomes
//! visible again when its visibility timeout ends: after a minute or, on a long queue, after as long as a slow look
//! may take.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use aws_sdk_sqs::{
    Client,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, Message as SqsMessage, MessageSystemAttributeName, QueueAttributeName,
    },
};
use futures_util::future::{join_all, try_join_all};
use jiff::Timestamp;

use crate::{
    aws::{AwsError, WhileTryingTo as _},
    {delivery::Message, event::Completion, rehearsal::RehearsalMessage},
};

/// How many dead letters a slow look reads in a second; the visibility timeout is computed from it.
const SLOW_LOOK: usize = 50;
/// The longest visibility timeout of SQS, in seconds: 12 hours.
const LONGEST: usize = 12 * 3600;
/// How many seconds a call waits for messages. Without a wait, SQS asks only some of its servers.
const WAIT: i32 = 1;
/// The most messages that one call takes.
const BATCH: usize = 10;
/// How many calls are made at the same time.
const CALLS: usize = 8;
/// How many empty answers end a look although the count says that messages are left: the count can be a minute old.
const EMPTY_ANSWERS: usize = 3;

/// The dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    client: Client,
    url: String,
}

/// A message that could not be processed.
#[derive(Debug)]
pub struct DeadLetter {
    /// The message's id in SQS.
    pub id: String,
    /// When it was sent: to its first queue if SQS redrove it, to this queue if fan-out rejected it.
    pub sent_at: Timestamp,
    /// The message's text, as it was sent.
    pub body: String,
    /// Why it is a dead letter.
    pub cause: Cause,
    receipt: String,
}

/// Why a message could not be processed; see docs/delivery.md.
#[derive(Debug)]
pub enum Cause {
    /// Fan-out found no completion in it, for this reason. Nothing was delivered.
    NoCompletion(String),
    /// A completion that fan-out failed on repeatedly, or that EventBridge could not put on the queue.
    Completion {
        completion: Completion,
        /// EventBridge's error message, if EventBridge failed.
        event_bus: Option<String>,
    },
    /// A delivery message that the dispatcher failed on repeatedly.
    Delivery(Message),
    /// A notification that EventBridge could not put on the operator's SNS topic, with EventBridge's error message.
    Notification(String),
    /// A step of a rehearsal that the dispatcher failed on repeatedly.
    Rehearsal(RehearsalMessage),
    /// It came from the deliveries queue and is not a message of this service: somebody put it there by hand.
    NoDelivery,
}

impl Cause {
    /// `attributes` are the message's own; `source` is the ARN of the queue from which SQS redrove it, if it did.
    fn of(body: &str, sent_at: Timestamp, attributes: &HashMap<String, String>, source: Option<&str>) -> Self {
        if let Some(reason) = attributes.get("reason") {
            return Self::NoCompletion(reason.clone());
        }
        // The attributes that EventBridge sets:
        // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
        let error = attributes.get("ERROR_MESSAGE").cloned();
        if attributes.get("TARGET_ARN").is_some_and(|target| target.split(':').nth(2) == Some("sns")) {
            return Self::Notification(error.unwrap_or_default());
        }
        if let Ok(message) = serde_json::from_str(body) {
            return Self::Delivery(message);
        }
        if let Ok(message) = serde_json::from_str(body) {
            return Self::Rehearsal(message);
        }
        if source.is_some_and(|arn| arn.ends_with("-deliveries")) {
            return Self::NoDelivery;
        }
        match Completion::parse(body, sent_at) {
            Ok(completion) => Self::Completion { completion, event_bus: error },
            // Fan-out rejected it, but its reason did not fit: the message is close to SQS's limit.
            Err(rejection) => Self::NoCompletion(rejection.to_string()),
        }
    }
}

impl DeadLetters {
    /// The queue with this URL.
    pub fn new(aws: &aws_config::SdkConfig, url: String) -> Self {
        Self { client: Client::new(aws), url }
    }

    /// Looks through the queue until `each` has seen enough or every message was seen once. `each` returns the dead
    /// letters that it did not delete; they become visible again at the end. Returns about how many dead letters were
    /// not reached: 0 if `each` has seen enough or everything.
    pub async fn look_through<E: From<AwsError>>(
        &self,
        mut each: impl AsyncFnMut(Vec<DeadLetter>) -> Result<Look, E>,
    ) -> Result<usize, E> {
        let counted = self.counts().await?.all();
        let mut look =
            LookAt { calls: (counted / BATCH).clamp(1, CALLS), hidden_for: hidden_for(counted), held: vec![] };
        let looked = self.look(&mut look, counted, &mut each).await;
        self.show_again(look.held).await;
        looked
    }

    async fn look<E: From<AwsError>>(
        &self,
        look: &mut LookAt,
        counted: usize,
        each: &mut impl AsyncFnMut(Vec<DeadLetter>) -> Result<Look, E>,
    ) -> Result<usize, E> {
        let (mut seen, mut empty, start) = (HashSet::new(), 0, Instant::now());
        // After that time, seen letters become visible again, and the look might never end.
        while start.elapsed() < look.hidden_for {
            let received = try_join_all((0..look.calls).map(|_| self.receive(look.hidden_for))).await?;
            let received: Vec<_> = received.into_iter().flatten().collect();
            if received.is_empty() {
                empty += 1;
                if seen.len() >= counted || empty == EMPTY_ANSWERS || self.unseen(look).await? == 0 {
                    break;
                }
                continue;
            }
            let (fresh, again): (Vec<_>, Vec<_>) =
                received.into_iter().partition(|letter| seen.insert(letter.id.clone()));
            look.held.extend(again.into_iter().map(|letter| letter.receipt));
            if fresh.is_empty() {
                continue;
            }
            let Look { kept, enough } = each(fresh).await?;
            look.held.extend(kept.into_iter().map(|letter| letter.receipt));
            if enough {
                return Ok(0);
            }
        }
        if seen.len() >= counted { Ok(0) } else { Ok(self.unseen(look).await?) }
    }

    /// About how many dead letters are visible. It does not count those that another look hides at the moment.
    pub async fn count(&self) -> Result<usize, AwsError> {
        Ok(self.counts().await?.visible)
    }

    /// About how many dead letters are on the queue, except those that this look hides.
    async fn unseen(&self, look: &LookAt) -> Result<usize, AwsError> {
        Ok(self.counts().await?.all().saturating_sub(look.held.len()))
    }

    async fn counts(&self) -> Result<Counts, AwsError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let asked = self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(names.to_vec()));
        let answer = asked.send().await;
        let answer = answer.while_trying_to("count the dead letters")?;
        let attributes = answer.attributes.unwrap_or_default();
        let [visible, hidden] =
            names.map(|name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or_default());
        Ok(Counts { visible, hidden })
    }

    /// Deletes a received dead letter permanently.
    pub async fn delete(&self, letter: &DeadLetter) -> Result<(), AwsError> {
        let delete = self.client.delete_message().queue_url(&self.url).receipt_handle(&letter.receipt);
        delete.send().await.while_trying_to("delete a dead letter")?;
        Ok(())
    }

    async fn receive(&self, hidden_for: Duration) -> Result<Vec<DeadLetter>, AwsError> {
        let hidden_for = i32::try_from(hidden_for.as_secs()).unwrap_or(i32::MAX);
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .visibility_timeout(hidden_for)
            .wait_time_seconds(WAIT)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await
            .while_trying_to("look at the dead letters")?;
        Ok(received.messages.unwrap_or_default().into_iter().map(DeadLetter::read).collect())
    }

    /// Makes messages visible again. If this fails, they become visible by themselves a little later.
    async fn show_again(&self, receipts: Vec<String>) {
        for receipts in receipts.chunks(BATCH * CALLS) {
            join_all(receipts.chunks(BATCH).map(async |receipts| {
                let entries = receipts.iter().enumerate().map(|(at, receipt)| {
                    let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
                    entry.receipt_handle(receipt).visibility_timeout(0).build().expect("has its fields")
                });
                let show = self.client.change_message_visibility_batch().queue_url(&self.url);
                let _ = show.set_entries(Some(entries.collect())).send().await;
            }))
            .await;
        }
    }
}

/// The visibility timeout of a look: a minute, and a second more for each [`SLOW_LOOK`] letters, 12 hours at most.
fn hidden_for(letters: usize) -> Duration {
    Duration::from_secs((60 + letters / SLOW_LOOK).min(LONGEST) as u64)
}

/// A look in progress.
struct LookAt {
    /// How many calls are made at the same time.
    calls: usize,
    hidden_for: Duration,
    /// The receipts of the messages that it hides.
    held: Vec<String>,
}

/// SQS's approximate counts of the queue's messages.
struct Counts {
    visible: usize,
    hidden: usize,
}

impl Counts {
    fn all(&self) -> usize {
        self.visible + self.hidden
    }
}

/// What the caller of [`DeadLetters::look_through`] did with some dead letters.
#[derive(Debug)]
pub struct Look {
    /// The dead letters that were not deleted.
    pub kept: Vec<DeadLetter>,
    /// Whether the look can end.
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
    const DELIVERY: &str = r#"{"account_id":"acct_1","webhook_id":1,"event_id":"0","event":"job.failed","body":"{}","round":0,"attempt":1}"#;
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
    fn a_notification_that_its_topic_refused_is_no_completion_and_comes_with_event_bridges_words() {
        let attributes = [
            ("TARGET_ARN".into(), "arn:aws:sns:eu-west-1:000000000000:owners".into()),
            ("ERROR_MESSAGE".into(), "no permission".into()),
        ];
        let cause = Cause::of(COMPLETION, Timestamp::UNIX_EPOCH, &attributes.into(), None);
        assert!(matches!(cause, Cause::Notification(words) if words == "no permission"));
    }

    #[test]
    fn what_is_seen_stays_hidden_until_a_slow_look_ends() {
        assert_eq!(
            [0, 1_000, 120_000, usize::MAX].map(|letters| hidden_for(letters).as_secs()),
            [60, 80, 2_460, 43_200]
        );
    }

    #[test]
    fn what_is_neither_is_known_by_the_queue_that_it_came_from() {
        assert!(matches!(cause("{}", None, FROM_DELIVERIES), Cause::NoDelivery));
        let step = r#"{"account_id":"acct_1","webhook_id":1,"rehearsal":"01","step":"repeated_id"}"#;
        assert!(matches!(cause(step, None, FROM_DELIVERIES), Cause::Rehearsal(_)));
        assert!(matches!(cause("{}", None, None), Cause::NoCompletion(_)));
    }
}
