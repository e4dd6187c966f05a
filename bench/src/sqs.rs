//! Plays SQS: takes messages and counts what the bill would count. It hands no messages out: the
//! [Lambda](crate::lambda) of this package plays the poller.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// SQS bills each begun 64 KiB of a request's payload as a request.
const CHUNK: usize = 64 * 1024;

/// A message that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) body: String,
    pub(crate) group: Option<String>,
    pub(crate) attributes: Value,
    pub(crate) system_attributes: Value,
}

/// The queues together.
#[derive(Debug, Default)]
pub(crate) struct Sqs {
    /// How often each operation was called.
    pub(crate) calls: BTreeMap<String, u64>,
    /// How many requests SQS would bill.
    pub(crate) billed: u64,
    /// How many of them sent messages with a group, which cost more with fair queues.
    pub(crate) billed_fair: u64,
    /// The messages that were sent since an instrument last took them.
    pub(crate) sent: Vec<Sent>,
    /// Operations that are not known here.
    pub(crate) refused: Vec<String>,
    number: u64,
}

/// How many requests SQS bills for one with this payload.
pub(crate) fn billed(bytes: usize) -> u64 {
    bytes.div_ceil(CHUNK).max(1) as u64
}

impl Sqs {
    /// Answers a call; returns the HTTP status and the body.
    pub(crate) fn call(&mut self, operation: &str, body: &[u8]) -> (u16, String) {
        *self.calls.entry(operation.to_owned()).or_default() += 1;
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let answer = match operation {
            "SendMessage" => {
                self.bill(&[&request]);
                self.take(&request)
            }
            "SendMessageBatch" => {
                self.bill(&entries.iter().collect::<Vec<_>>());
                let taken: Vec<Value> = entries.iter().map(|entry| self.take(entry)).collect();
                json!({"Successful": taken, "Failed": []})
            }
            "ChangeMessageVisibility" | "DeleteMessage" => {
                self.billed += 1;
                json!({})
            }
            "ChangeMessageVisibilityBatch" | "DeleteMessageBatch" => {
                self.billed += 1;
                let done: Vec<Value> = entries.iter().map(|entry| json!({"Id": entry["Id"]})).collect();
                json!({"Successful": done, "Failed": []})
            }
            _ => {
                self.refused.push(operation.to_owned());
                let kind = "com.amazonaws.sqs#UnsupportedOperation";
                return (400, json!({"__type": kind, "message": operation}).to_string());
            }
        };
        (200, answer.to_string())
    }

    /// Resets the counts of calls and billed requests.
    pub(crate) fn forget_usage(&mut self) {
        self.calls.clear();
        (self.billed, self.billed_fair) = (0, 0);
    }

    fn bill(&mut self, messages: &[&Value]) {
        let bytes = messages.iter().map(|message| {
            let body = message["MessageBody"].as_str().map_or(0, str::len);
            let attributes = message["MessageAttributes"].as_object();
            let attributes = attributes.into_iter().flatten().map(|(name, value)| {
                name.len()
                    + ["DataType", "StringValue"]
                        .map(|part| value[part].as_str().map_or(0, str::len))
                        .iter()
                        .sum::<usize>()
            });
            body + attributes.sum::<usize>()
        });
        let requests = billed(bytes.sum());
        self.billed += requests;
        self.billed_fair +=
            if messages.iter().any(|message| message["MessageGroupId"].is_string()) { requests } else { 0 };
    }

    fn take(&mut self, message: &Value) -> Value {
        self.number += 1;
        let text = |name: &str| message[name].as_str().map(str::to_owned);
        self.sent.push(Sent {
            body: text("MessageBody").unwrap_or_default(),
            group: text("MessageGroupId"),
            attributes: message["MessageAttributes"].clone(),
            system_attributes: message["MessageSystemAttributes"].clone(),
        });
        json!({"Id": message["Id"], "MessageId": message_id(self.number), "MD5OfMessageBody": "0".repeat(32)})
    }
}

/// The id of the message with this number.
pub(crate) fn message_id(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}
