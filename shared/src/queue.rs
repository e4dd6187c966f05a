//! The messages between the functions. This is the only module that knows SQS.
//!
//! SQS refuses U+FFFE, U+FFFF and most control characters, and more than ten messages or 1 MiB in one batch. So every
//! message is pure ASCII JSON, and batches are packed by count and by bytes.

mod dead_letters;
mod received;

use std::{collections::HashMap, time::Duration};

use aws_sdk_sqs::{
    Client,
    types::{
        MessageAttributeValue, MessageSystemAttributeNameForSends as SystemName, MessageSystemAttributeValue,
        SendMessageBatchRequestEntry,
    },
};
pub use dead_letters::{Cause, DeadLetter, DeadLetters, Look};
use futures_util::{StreamExt as _, stream};
pub use received::{SqsBatchResponse, SqsEvent, SqsMessage, give_back, is_new, sent_at, trace_header};
use tokio::time::{Instant, timeout_at};

use crate::{
    aws::{AwsError, WhileTryingTo as _},
    canonical_json,
    config::{self, ConfigError},
    delivery::Message,
    event::Payload,
    names::AccountId,
    telemetry::{self, trace::Trace},
};

/// The most messages in one `SendMessageBatch`.
const BATCH_MESSAGES: usize = 10;
/// The most bytes in one `SendMessageBatch`.
const BATCH_BYTES: usize = 1024 * 1024;
/// How many batches are sent at the same time. With [`BATCH_BYTES`] this bounds the memory that sending takes.
const BATCHES_AT_ONCE: usize = 4;
/// The longest `DelaySeconds` that SQS accepts.
pub const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// A queue that we send to.
#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue with this URL.
    pub fn new(aws: &aws_config::SdkConfig, url: String) -> Self {
        Self { client: Client::new(aws), url }
    }

    /// The queue whose URL is in this environment variable. Fails if the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig, variable: &'static str) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text(variable)?))
    }

    /// Sends delivery messages, and returns the tag of each one that the queue did not take. The caller chooses the
    /// tags. A message that is not sent by the deadline counts as not taken. The iterator is consumed as messages are
    /// sent, so memory holds a few batches and not all of them.
    pub async fn send<T: Copy>(&self, messages: impl Iterator<Item = (T, Outgoing)>, deadline: Instant) -> Vec<T> {
        let refused: Vec<Vec<T>> = stream::iter(pack(messages))
            .map(async |batch| {
                let tags: Vec<T> = batch.iter().map(|(tag, _)| *tag).collect();
                timeout_at(deadline, self.send_batch(batch)).await.unwrap_or(tags)
            })
            .buffer_unordered(BATCHES_AT_ONCE)
            .collect()
            .await;
        refused.into_iter().flatten().collect()
    }

    /// Sends one delivery message, for a caller that has only one.
    pub async fn send_one(&self, message: &Message) -> Result<(), AwsError> {
        let Outgoing { account, text, .. } = Outgoing::new(message);
        let send = self.client.send_message().queue_url(&self.url).message_group_id(account).message_body(text);
        send.send().await.while_trying_to("send a delivery")?;
        Ok(())
    }

    /// Sends a text unchanged, and returns the message's id in SQS. If the account is given, SQS keeps its backlog
    /// from delaying the messages of other accounts.
    pub async fn send_text(&self, text: &str, account: Option<&AccountId>) -> Result<String, AwsError> {
        let send = self.client.send_message().queue_url(&self.url).message_body(text);
        let group = account.map(|account| account.as_str().to_owned());
        let answer = send.set_message_group_id(group).send().await;
        let answer = answer.while_trying_to("send a message")?;
        Ok(answer.message_id.unwrap_or_default())
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

    /// Sends a message that cannot be processed to this queue, the dead-letter queue, with the reason as the message
    /// attribute `reason`. Fails if the message is so close to SQS's limit that the reason does not fit; SQS later
    /// redrives such a message without a reason.
    pub async fn dead_letter(&self, message: &SqsMessage, reason: &str) -> Result<(), AwsError> {
        let reason =
            MessageAttributeValue::builder().data_type("String").string_value(canonical_json::to_ascii(reason));
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(message.body.as_deref().unwrap_or_default())
            .message_attributes("reason", reason.build().expect("has its data type"))
            .send()
            .await
            .while_trying_to("send a dead letter")?;
        Ok(())
    }
}

/// A payload as a message contains it: JSON of ASCII.
#[derive(Debug)]
pub struct EncodedPayload(String);

impl EncodedPayload {
    pub fn new(payload: &Payload) -> Self {
        Self(canonical_json::to_ascii(&serde_json::to_string(payload).expect("it has only strings")))
    }
}

/// A delivery message ready to send. Its account is the message group, by which SQS shares out fairly.
#[derive(Debug)]
pub struct Outgoing {
    account: String,
    text: String,
    trace: Option<Trace>,
    delay: Duration,
}

impl Outgoing {
    pub fn new(message: &Message) -> Self {
        let text = serde_json::to_string(message).expect("a message has only strings and numbers");
        let (account, text) = (message.account_id.to_string(), canonical_json::to_ascii(&text));
        Self { account, text, trace: None, delay: Duration::ZERO }
    }

    /// A message with a payload that was encoded once for several webhooks.
    pub fn with_payload(message: &Message, payload: &EncodedPayload) -> Self {
        let without = Self::new(&Message { payload: None, ..message.clone() });
        let open = without.text.strip_suffix('}').expect("a message is a JSON object");
        Self { text: format!(r#"{open},"payload":{}}}"#, payload.0), ..without }
    }

    /// Makes the message part of a trace.
    #[must_use]
    pub fn traced(self, trace: Option<Trace>) -> Self {
        Self { trace, ..self }
    }

    /// Delays the message: rounded up to whole seconds, and at most 15 minutes, which is SQS's limit. A delayed
    /// message is not in flight.
    #[must_use]
    pub fn delayed(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    fn entry(self, at: usize) -> SendMessageBatchRequestEntry {
        let delay = delay_seconds(self.delay);
        SendMessageBatchRequestEntry::builder()
            .id(at.to_string())
            .message_group_id(self.account)
            .message_body(self.text)
            .set_delay_seconds((delay > 0).then_some(delay))
            .set_message_system_attributes(self.trace.map(|trace| {
                let value = MessageSystemAttributeValue::builder().data_type("String").string_value(trace.to_string());
                HashMap::from([(SystemName::AwsTraceHeader, value.build().expect("has its data type"))])
            }))
            .build()
            .expect("has its fields")
    }
}

fn delay_seconds(delay: Duration) -> i32 {
    let seconds = delay.min(LONGEST_DELAY).as_millis().div_ceil(1000);
    i32::try_from(seconds).expect("is 15 minutes at most")
}

/// Cuts messages into batches that SQS accepts, in order. A single message always fits: see
/// [`crate::event::MAX_BODY_BYTES`].
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
    use crate::event::MAX_BODY_BYTES;

    fn message(body: String) -> Message {
        let text =
            r#"{"account_id":"acct_1","webhook_id":1,"event_id":"0","event":"job.failed","round":0,"attempt":1}"#;
        let payload = Some(Payload { task_id: "t".into(), body });
        Message { payload, ..serde_json::from_str(text).unwrap() }
    }

    fn batches(sizes: &[usize]) -> Vec<Vec<usize>> {
        let outgoing = |(tag, size): (usize, &usize)| {
            (tag, Outgoing { account: String::new(), text: "x".repeat(*size), trace: None, delay: Duration::ZERO })
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
            let text = Outgoing::new(&message(filler.repeat(MAX_BODY_BYTES / filler.len()))).text;
            assert!(text.len() <= BATCH_BYTES, "{filler:?} makes {} bytes", text.len());
        }
    }

    #[test]
    fn a_message_is_ascii_and_says_the_same() {
        let body = "{\"event\":\"é 😀 \u{FFFE}\u{FFFF}\u{2028}\\u0000\"}".to_owned();
        let message = message(body);
        let payload = EncodedPayload::new(message.payload.as_ref().unwrap());
        for text in [Outgoing::new(&message).text, Outgoing::with_payload(&message, &payload).text] {
            assert!(text.is_ascii());
            assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
        }
    }

    #[test]
    fn a_delay_is_whole_seconds_rounded_up_and_no_longer_than_sqs_takes() {
        let delays = [0, 1, 1_000, 1_001, 900_000, 900_001].map(Duration::from_millis);
        assert_eq!(delays.map(delay_seconds), [0, 1, 1, 2, 900, 900]);
    }
}
