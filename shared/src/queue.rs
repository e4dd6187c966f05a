//! What travels between the functions, and the only module that knows SQS.
//!
//! SQS refuses U+FFFE, U+FFFF and most control characters, and more than ten messages or 1 MiB in one batch. So every
//! message is pure ASCII JSON, and batches are packed by count and by bytes.

mod dead_letters;

use std::{collections::HashMap, time::Duration};

use aws_lambda_events::sqs::BatchItemFailure;
pub use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::{
    Client,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue,
        MessageSystemAttributeNameForSends as SystemName, MessageSystemAttributeValue, SendMessageBatchRequestEntry,
    },
};
pub use dead_letters::{Cause, DeadLetter, DeadLetters, Look};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use crate::{
    canonical_json,
    delivery::Message,
    telemetry::{self, trace::Trace},
};

/// The most messages in one `SendMessageBatch`.
const BATCH_MESSAGES: usize = 10;
/// The most bytes in one `SendMessageBatch`.
const BATCH_BYTES: usize = 1024 * 1024;
/// How many batches are on their way at once; with [`BATCH_BYTES`] this bounds the memory that sending takes.
const BATCHES_AT_ONCE: usize = 4;
/// SQS hides a message for at most twelve hours from when it was received; a function's own time comes off that.
const LONGEST_HIDE: Duration = Duration::from_mins(12 * 60 - 15);

/// A queue that we send to.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

/// The queue did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing}")]
pub struct QueueError {
    doing: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Queue {
    /// The queue with this URL.
    pub fn new(aws: &aws_config::SdkConfig, url: String) -> Self {
        Self { client: Client::new(aws), url }
    }

    /// Sends delivery messages, each with a tag of the caller's and the trace that it is part of, and gives back the tag of
    /// every message that the queue did not take. Messages are written out as they are sent, so memory holds a few batches
    /// and not all of them.
    pub async fn send<T: Copy>(&self, messages: impl Iterator<Item = (T, Message, Option<Trace>)>) -> Vec<T> {
        let outgoing = messages.map(|(tag, message, trace)| (tag, Outgoing { trace, ..Outgoing::new(&message) }));
        let refused: Vec<Vec<T>> = stream::iter(pack(outgoing))
            .map(|batch| self.send_batch(batch))
            .buffer_unordered(BATCHES_AT_ONCE)
            .collect()
            .await;
        refused.into_iter().flatten().collect()
    }

    /// Sends one delivery message, for a caller that has only one.
    pub async fn send_one(&self, message: &Message) -> Result<(), QueueError> {
        let Outgoing { account, text, .. } = Outgoing::new(message);
        let send = self.client.send_message().queue_url(&self.url).message_group_id(account).message_body(text);
        send.send().await.map_err(|err| QueueError { doing: "send a delivery", source: err.into() })?;
        Ok(())
    }

    /// Sends a message as it is, to the completions queue, and gives the name that SQS gave it.
    pub async fn send_text(&self, text: &str) -> Result<String, QueueError> {
        let sent = self.client.send_message().queue_url(&self.url).message_body(text).send().await;
        let sent = sent.map_err(|err| QueueError { doing: "send a message", source: err.into() })?;
        Ok(sent.message_id.unwrap_or_default())
    }

    async fn send_batch<T: Copy>(&self, batch: Vec<(T, Outgoing)>) -> Vec<T> {
        let (tags, entries): (Vec<T>, Vec<_>) =
            batch.into_iter().enumerate().map(|(at, (tag, outgoing))| (tag, outgoing.entry(at))).unzip();
        let answer = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await;
        match answer {
            Ok(answer) => {
                let refused = answer.failed().iter().filter_map(|failed| {
                    tracing::error!(code = failed.code(), message = failed.message(), "the queue refused a message");
                    tags.get(failed.id().parse::<usize>().ok()?).copied()
                });
                refused.collect()
            }
            Err(err) => {
                tracing::error!(cause = telemetry::chain(&err), "the queue refused a batch");
                tags
            }
        }
    }

    /// Passes on a message that cannot be processed, with the reason as the message attribute `reason`. A message so
    /// close to SQS's limit that the reason does not fit is refused; it then arrives without one, by redrive.
    pub async fn dead_letter(&self, message: &SqsMessage, reason: &str) -> Result<(), QueueError> {
        let reason =
            MessageAttributeValue::builder().data_type("String").string_value(canonical_json::to_ascii(reason));
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(message.body.as_deref().unwrap_or_default())
            .message_attributes("reason", reason.build().expect("has its data type"))
            .send()
            .await
            .map_err(|err| QueueError { doing: "send a dead letter", source: err.into() })?;
        Ok(())
    }

    /// Hides received messages, at most ten, each until it is due or for as long as SQS can; then it comes early and is
    /// hidden again. One that is not hidden comes back after the queue's own timeout, which the log says.
    pub async fn hide(&self, messages: &[(&SqsMessage, Duration)]) {
        if messages.is_empty() {
            return;
        }
        let entries = messages.iter().enumerate().map(|(at, (message, wait))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(message.receipt_handle.as_deref().unwrap_or_default())
                .visibility_timeout(seconds(*wait))
                .build()
                .expect("has its fields")
        });
        let hide = self.client.change_message_visibility_batch().queue_url(&self.url);
        let early = |at: usize, cause: &str| {
            let message_id = messages.get(at).and_then(|(message, _)| message.message_id.as_deref());
            tracing::warn!(message_id, cause, "comes back too early");
        };
        match hide.set_entries(Some(entries.collect())).send().await {
            Ok(answer) => answer.failed().iter().for_each(|failed| {
                early(failed.id().parse().unwrap_or(usize::MAX), failed.message().unwrap_or(failed.code()));
            }),
            Err(err) => {
                let cause = telemetry::chain(&err);
                (0..messages.len()).for_each(|at| early(at, &cause));
            }
        }
    }
}

/// Whole seconds, rounded up: a message that comes a moment late is better than one that comes in vain.
fn seconds(wait: Duration) -> i32 {
    let seconds = wait.min(LONGEST_HIDE).as_secs_f64().ceil();
    #[expect(clippy::cast_possible_truncation, reason = "at most twelve hours")]
    let seconds = seconds as i32;
    seconds
}

/// When a message was sent, by the queue's clock. It is the same each time the message is received.
pub fn sent_at(message: &SqsMessage) -> Option<Timestamp> {
    let milliseconds = message.attributes.get("SentTimestamp")?.parse().ok()?;
    Timestamp::from_millisecond(milliseconds).ok()
}

/// Whether nobody has received a message before, as far as the queue knows.
pub fn is_new(message: &SqsMessage) -> bool {
    message.attributes.get("ApproximateReceiveCount").is_some_and(|count| count == "1")
}

/// The trace that a message is part of, as the header that came with it.
pub fn trace_header(message: &SqsMessage) -> Option<&str> {
    message.attributes.get("AWSTraceHeader").map(String::as_str)
}

/// The answer that gives these messages back to the queue and lets it forget the others.
pub fn give_back<'a>(messages: impl IntoIterator<Item = &'a SqsMessage>) -> SqsBatchResponse {
    let failures = messages.into_iter().map(|message| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = message.message_id.clone().unwrap_or_default();
        failure
    });
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures.collect();
    response
}

/// A message as it is sent: its text, and the account by which SQS shares out fairly between groups.
struct Outgoing {
    account: String,
    text: String,
    trace: Option<Trace>,
}

impl Outgoing {
    fn new(message: &Message) -> Self {
        let text = serde_json::to_string(message).expect("a message has only strings and numbers");
        Self { account: message.account_id.to_string(), text: canonical_json::to_ascii(&text), trace: None }
    }

    fn entry(self, at: usize) -> SendMessageBatchRequestEntry {
        SendMessageBatchRequestEntry::builder()
            .id(at.to_string())
            .message_group_id(self.account)
            .message_body(self.text)
            .set_message_system_attributes(self.trace.map(|trace| {
                let value = MessageSystemAttributeValue::builder().data_type("String").string_value(trace.to_string());
                HashMap::from([(SystemName::AwsTraceHeader, value.build().expect("has its data type"))])
            }))
            .build()
            .expect("has its fields")
    }
}

/// Cuts messages into batches that SQS takes, in order. A single message always fits: see [`crate::event::MAX_BODY`].
fn pack<T>(messages: impl Iterator<Item = (T, Outgoing)>) -> impl Iterator<Item = Vec<(T, Outgoing)>> {
    let mut messages = messages.peekable();
    std::iter::from_fn(move || {
        let first = messages.next()?;
        let mut bytes = first.1.text.len();
        let mut batch = vec![first];
        while batch.len() < BATCH_MESSAGES
            && let Some(next) = messages.next_if(|(_, next)| bytes + next.text.len() <= BATCH_BYTES)
        {
            bytes += next.1.text.len();
            batch.push(next);
        }
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::MAX_BODY;

    fn message(body: String) -> Message {
        let text =
            r#"{"account_id":"acct_1","webhook_id":1,"delivery_id":"0","event":"job.failed","body":"","round":0}"#;
        Message { body, ..serde_json::from_str(text).unwrap() }
    }

    fn batches(sizes: &[usize]) -> Vec<Vec<usize>> {
        let outgoing = |(tag, size): (usize, &usize)| {
            (tag, Outgoing { account: String::new(), text: "x".repeat(*size), trace: None })
        };
        pack(sizes.iter().enumerate().map(outgoing))
            .map(|batch| batch.into_iter().map(|(tag, _)| tag).collect())
            .collect()
    }

    #[test]
    fn a_batch_has_at_most_ten_messages() {
        assert_eq!(batches(&[1; 21]).iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 1]);
    }

    #[test]
    fn a_batch_has_at_most_one_mib() {
        let half = BATCH_BYTES / 2;
        assert_eq!(batches(&[half, half, 1, half, half]), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(batches(&[]), Vec::<Vec<usize>>::new());
    }

    /// Two bytes of UTF-8 become six of ASCII, the most that any body grows; quotes and backslashes double.
    #[test]
    fn the_largest_body_fits_into_one_message_however_it_is_escaped() {
        for filler in ["é", "\u{FFFE}", "😀", "\"", "\\", "\u{7f}"] {
            let text = Outgoing::new(&message(filler.repeat(MAX_BODY / filler.len()))).text;
            assert!(text.len() <= BATCH_BYTES, "{filler:?} makes {} bytes", text.len());
        }
    }

    #[test]
    fn a_message_is_ascii_and_says_the_same() {
        let body = "{\"event\":\"é 😀 \u{FFFE}\u{FFFF}\u{2028}\\u0000\"}".to_owned();
        let text = Outgoing::new(&message(body.clone())).text;
        assert!(text.is_ascii());
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap().body, body);
    }
}
