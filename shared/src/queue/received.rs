//! A batch of messages as Lambda passes it to a function, and the function's answer.
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The messages of a batch.
#[derive(Debug, Clone, Deserialize)]
pub struct SqsEvent {
    #[serde(rename = "Records")]
    pub records: Vec<SqsMessage>,
}

/// The fields of a message that we use.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SqsMessage {
    pub message_id: Option<String>,
    pub body: Option<String>,
    #[serde(default)]
    pub attributes: Attributes,
}

/// The system attributes of a message that we use.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attributes {
    /// Unix milliseconds.
    pub sent_timestamp: Option<String>,
    pub approximate_receive_count: Option<String>,
    #[serde(rename = "AWSTraceHeader")]
    pub aws_trace_header: Option<String>,
}

/// The answer of a function to a batch: the messages that failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SqsBatchResponse {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

/// When a message was sent, by the queue's clock. It is the same each time the message is received.
pub fn sent_at(message: &SqsMessage) -> Option<Timestamp> {
    let milliseconds = message.attributes.sent_timestamp.as_ref()?.parse().ok()?;
    Timestamp::from_millisecond(milliseconds).ok()
}

/// Whether the message was received for the first time, as far as the queue knows.
pub fn is_new(message: &SqsMessage) -> bool {
    message.attributes.approximate_receive_count.as_deref() == Some("1")
}

/// The header of the trace that a message is part of.
pub fn trace_header(message: &SqsMessage) -> Option<&str> {
    message.attributes.aws_trace_header.as_deref()
}

/// The response with which SQS keeps these messages and deletes the others of the batch.
pub fn give_back<'a>(messages: impl IntoIterator<Item = &'a SqsMessage>) -> SqsBatchResponse {
    let failures = messages
        .into_iter()
        .map(|message| BatchItemFailure { item_identifier: message.message_id.clone().unwrap_or_default() });
    SqsBatchResponse { batch_item_failures: failures.collect() }
}
