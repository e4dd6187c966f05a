//! The event that a finished task becomes: the job pipeline's message, and the body that customers receive.
//!
//! The message is parsed once into a [`Completion`]. If that fails, the [`Rejection`]'s text goes with the message to
//! the dead-letter queue and tells the operator what the producer must change.

mod stored;
#[cfg(test)]
mod tests;
mod wrapping;

use jiff::Timestamp;
pub use stored::{Event, Payload, Recipients};

use self::wrapping::{Found, find_completion, rounded_integers};
use crate::{
    canonical_json::{self, Object, Value},
    egress::MAX_URL_BYTES,
    names::{AccountId, EventId, EventType, MAX_TASK_TYPE, sized},
    rfc_3339::{TIMESTAMP, rfc_3339},
};

/// The largest webhook body that is sent, in bytes. Within it, a delivery message stays below SQS's 1 MiB even if all
/// of its text must be escaped, and an event's item stays below DynamoDB's 400 KB.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// A finished task, as the job pipeline reports it: section 3 of the contract.
#[derive(Debug)]
pub struct Completion {
    /// The account that the task belongs to.
    pub account_id: AccountId,
    /// The platform's name for the task, 1 to 256 characters.
    pub task_id: String,
    /// The kind of task, 1 to 64 characters.
    pub task_type: String,
    /// The event type for the task's result.
    pub event: EventType,
    /// When the task ended. Completions with the same (account, task, event, instant) are one completion, however
    /// often sent.
    pub ended_at: Timestamp,
    /// The endpoint that the job's submitter asked for, as the producer sent it: at most 2,048 bytes, and not
    /// necessarily a URL. An event must not be lost because its callback cannot be called, so only
    /// [`Callback::choose`](crate::webhook::Callback::choose) says whether it can. It is not part of the event's id.
    pub callback_url: Option<String>,
    /// The webhook's body: exactly what `JSON.stringify(JSON.parse(body))` returns.
    pub body: String,
    /// How many integers of `data` change their digits in the body, because JavaScript cannot hold them.
    pub rounded_integers: usize,
}

/// Why a message is not a completion, as a sentence that names the field.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Rejection {
    /// Not a JSON text, or one with a value that JavaScript cannot hold.
    #[error("the message cannot be passed on as JSON: {0}")]
    Json(#[from] canonical_json::Error),
    /// A JSON value that is not an object.
    #[error("the message is {0}; expected a JSON object, one completion in each message")]
    NotAnObject(&'static str),
    /// A string that contains the object as JSON.
    #[error("{0} is a string that holds JSON: it was encoded twice; send the object itself")]
    EncodedTwice(&'static str),
    /// The envelope that SNS puts around a message of a topic.
    #[error(
        "the message is an SNS envelope; switch on raw message delivery in the subscription of the completions queue to the topic"
    )]
    SnsEnvelope,
    /// A required field is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A field has a wrong value.
    #[error("{field} is {found}; expected {expected}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// The field's value, shortened.
        found: String,
        /// A description of the valid values.
        expected: &'static str,
    },
    /// The webhook's body would be larger than [`MAX_BODY_BYTES`].
    #[error("the webhook body would be {0} bytes; the limit is {MAX_BODY_BYTES}: put large results behind a URL")]
    TooLarge(usize),
}

impl Completion {
    /// Computes the event's id. It is not random: a repeated completion has the same id, so fan-out finds the stored
    /// event, and the dispatcher finds the finished delivery and stops. If the computation changed, a completion sent
    /// both before and after an upgrade would be delivered twice.
    pub fn event_id(&self) -> EventId {
        let Self { account_id, task_id, event, ended_at, .. } = self;
        let distinction = format!("{event}#{}", ended_at.as_nanosecond());
        EventId::computed(*ended_at, account_id, task_id, &distinction)
    }

    /// Parses a message from the completions queue, bare or as the `detail` of an EventBridge event. If the timestamp
    /// is missing or `null`, the EventBridge event's `time` replaces it, or `sent_at` if there is none.
    pub fn parse(message: &str, sent_at: Timestamp) -> Result<Self, Rejection> {
        let parsed = canonical_json::parse(message)?;
        let Found { fields, time, .. } = find_completion(&parsed)?;

        let account_id = text(fields, "account_id", ACCOUNT_ID, |text| AccountId::parse(text).ok())?;
        let task_id = text(fields, "task_id", "a string of 1 to 256 characters", |text| sized(text, 256))?;
        let task_type = text(fields, "task_type", "a string of 1 to 64 characters", |text| sized(text, MAX_TASK_TYPE))?;
        let (event, status) = text(fields, "status", r#""completed" or "failed""#, |text| match text {
            "completed" => Some((EventType::JobCompleted, "completed")),
            "failed" => Some((EventType::JobFailed, "failed")),
            _ => None,
        })?;
        let (timestamp, ended_at) = match present(fields, "timestamp") {
            None => time.unwrap_or_else(|| (sent_at.to_string(), sent_at)),
            Some(_) => text(fields, "timestamp", TIMESTAMP, rfc_3339)?,
        };
        let callback_url = match present(fields, "callback_url") {
            None => None,
            Some(_) => Some(text(fields, "callback_url", CALLBACK_URL, short_enough)?),
        };

        let body = canonical_json::object(&[
            ("event", &Value::String(event.to_string())),
            ("task_id", &Value::String(task_id.clone())),
            ("task_type", &Value::String(task_type.clone())),
            ("status", &Value::String(status.into())),
            ("data", fields.get("data").unwrap_or(&Value::Null)),
            ("timestamp", &Value::String(timestamp)),
        ]);
        if body.len() > MAX_BODY_BYTES {
            return Err(Rejection::TooLarge(body.len()));
        }
        let rounded_integers = rounded_integers(message);
        Ok(Self { account_id, task_id, task_type, event, ended_at, callback_url, body, rounded_integers })
    }

    /// A completion for a test event: the published page's example, as a task whose name is `test_` and this number.
    pub fn sample(account_id: &AccountId, event: EventType, number: u64, now: Timestamp) -> Self {
        Self::test(account_id, event, number, now, "")
    }

    /// A completion for an event of a rehearsal: the same as [`Completion::sample`], but its `data` begins with
    /// `"rehearsal": true`.
    pub fn rehearsed(account_id: &AccountId, event: EventType, number: u64, now: Timestamp) -> Self {
        Self::test(account_id, event, number, now, r#""rehearsal":true,"#)
    }

    /// `more` are members of `data`, each with a comma.
    fn test(account_id: &AccountId, event: EventType, number: u64, now: Timestamp, more: &str) -> Self {
        let task = format!("test_{number:016x}");
        let status = if event == EventType::JobCompleted { "completed" } else { "failed" };
        let message = format!(
            r#"{{"account_id":"{account_id}","task_id":"{task}","task_type":"image","status":"{status}","data":{{{more}"url":"https://cdn.example.com/image.png","credits_charged":6}},"timestamp":"{now:.0}"}}"#
        );
        Self::parse(&message, now).expect("the sample is a completion")
    }
}

/// Adds `sent_at` to a completion that has no time of its own. Returns `None` if it has one, or if the message is not
/// a completion.
///
/// The operator's redrive sends such a message again with the time at which it was first sent, so that it stays the
/// same event.
pub fn with_timestamp(message: &str, sent_at: Timestamp) -> Option<String> {
    Completion::parse(message, sent_at).ok()?;
    let parsed = canonical_json::parse(message).ok()?;
    let Found { fields, time, is_event } = find_completion(&parsed).ok()?;
    if present(fields, "timestamp").is_some() || time.is_some() {
        return None;
    }
    // If a member occurs twice, the last one counts; so a member added at the end also replaces a `null`.
    let name = if is_event { "time" } else { "timestamp" };
    let members = message.trim_ascii_end().strip_suffix('}')?;
    Some(format!(r#"{members},"{name}":"{sent_at}"}}"#))
}

const ACCOUNT_ID: &str = "a string of 1 to 64 of the characters A-Z a-z 0-9 _ - . :";
const CALLBACK_URL: &str = "a URL of 1 to 2,048 bytes; without one, leave the field out";

fn present<'a>(fields: &'a Object, field: &str) -> Option<&'a Value> {
    fields.get(field).filter(|value| !matches!(value, Value::Null))
}

fn text<T>(
    fields: &Object,
    field: &'static str,
    expected: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Rejection> {
    let value = present(fields, field).ok_or(Rejection::Missing(field))?;
    let parsed = if let Value::String(text) = value { parse(text) } else { None };
    parsed.ok_or_else(|| Rejection::Field { field, found: shortened(value), expected })
}

fn short_enough(url: &str) -> Option<String> {
    (1..=MAX_URL_BYTES).contains(&url.len()).then(|| url.to_owned())
}

/// A value as a rejection quotes it, cut after 80 characters.
fn shortened(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => value.kind().into(),
        Value::Number(number) => format!("the number {}", Value::Number(*number)),
        value => {
            let text = value.to_string();
            if text.chars().count() <= 80 { text } else { format!("{}…", text.chars().take(80).collect::<String>()) }
        }
    }
}
