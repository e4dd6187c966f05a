//! The event that a finished task becomes: the job pipeline's message, and the body that customers receive.
//!
//! The message is parsed once into a [`Completion`]. If that fails, the [`Rejection`]'s text goes with the message to
//! the dead-letter queue and tells the operator what the producer must change.

mod wrapping;

use jiff::Timestamp;

use self::wrapping::{Found, find_completion, rounded_integers};
use crate::{
    canonical_json::{self, Object, Value},
    names::{AccountId, DeliveryId, EventType, WebhookId},
};

/// The largest webhook body that is sent, in bytes. Within it, a delivery message stays below SQS's 1 MiB even if all
/// of its text must be escaped, and a delivery item stays below DynamoDB's 400 KB.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// A finished task, as the job pipeline reports it: section 3 of the contract.
#[derive(Debug)]
pub struct Completion {
    /// The account that the task belongs to.
    pub account_id: AccountId,
    /// The platform's name for the task, 1 to 256 characters.
    pub task_id: String,
    /// The event type for the task's result.
    pub event: EventType,
    /// When the task ended. Completions with the same (account, task, event, instant) are one completion, however
    /// often sent.
    pub ended_at: Timestamp,
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
    /// Computes the id of the delivery to one webhook. It is not random: a repeated completion has the same id for each webhook, so
    /// the dispatcher finds the finished delivery and stops. If the computation changed, a completion sent both before and
    /// after an upgrade would be delivered twice.
    pub fn delivery_id(&self, webhook: WebhookId) -> DeliveryId {
        let Self { account_id, task_id, event, ended_at, .. } = self;
        // The task id comes last because it alone can contain the separator.
        let name = format!("{account_id}#{webhook}#{}#{}#{task_id}", event.as_str(), ended_at.as_nanosecond());
        DeliveryId::computed(*ended_at, &name)
    }

    /// Parses a message from the completions queue, bare or as the `detail` of an EventBridge event. If the timestamp
    /// is missing or `null`, the EventBridge event's `time` replaces it, or `sent_at` if there is none.
    pub fn parse(message: &str, sent_at: Timestamp) -> Result<Self, Rejection> {
        let parsed = canonical_json::parse(message)?;
        let Found { fields, time, .. } = find_completion(&parsed)?;

        let account_id = text(fields, "account_id", ACCOUNT_ID, |text| AccountId::parse(text).ok())?;
        let task_id = text(fields, "task_id", "a string of 1 to 256 characters", |text| sized(text, 256))?;
        let task_type = text(fields, "task_type", "a string of 1 to 64 characters", |text| sized(text, 64))?;
        let (event, status) = text(fields, "status", r#""completed" or "failed""#, |text| match text {
            "completed" => Some((EventType::JobCompleted, "completed")),
            "failed" => Some((EventType::JobFailed, "failed")),
            _ => None,
        })?;
        let (timestamp, ended_at) = match present(fields, "timestamp") {
            None => time.unwrap_or_else(|| (sent_at.to_string(), sent_at)),
            Some(_) => text(fields, "timestamp", TIMESTAMP, rfc_3339)?,
        };

        let body = canonical_json::object(&[
            ("event", &Value::String(event.as_str().into())),
            ("task_id", &Value::String(task_id.clone())),
            ("task_type", &Value::String(task_type)),
            ("status", &Value::String(status.into())),
            ("data", fields.get("data").unwrap_or(&Value::Null)),
            ("timestamp", &Value::String(timestamp)),
        ]);
        if body.len() > MAX_BODY_BYTES {
            return Err(Rejection::TooLarge(body.len()));
        }
        Ok(Self { account_id, task_id, event, ended_at, body, rounded_integers: rounded_integers(message) })
    }

    /// A completion for a test event: the published page's example, as a new task whose name begins with `test_`.
    pub fn sample(account_id: &AccountId, event: EventType, now: Timestamp) -> Self {
        let task = format!("test_{:016x}", getrandom::u64().unwrap_or_default());
        let status = if event == EventType::JobCompleted { "completed" } else { "failed" };
        let message = format!(
            r#"{{"account_id":"{account_id}","task_id":"{task}","task_type":"image","status":"{status}","data":{{"url":"https://cdn.example.com/image.png","credits_charged":6}},"timestamp":"{now:.0}"}}"#
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
const TIMESTAMP: &str = r#"an RFC 3339 time from 1970 on, such as "2024-12-23T10:00:00Z""#;

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

fn sized(text: &str, most: usize) -> Option<String> {
    (1..=most).contains(&text.chars().count()).then(|| text.to_owned())
}

/// Parses an RFC 3339 time and returns its text, as customers get it, with its instant.
///
/// jiff also accepts RFC 9557's additions (a time zone in brackets) and other forms of ISO 8601. A customer's parser
/// may not, so only RFC 3339 is accepted. Its letters may have either case, and are made upper-case: some parsers
/// know no other.
fn rfc_3339(text: &str) -> Option<(String, Timestamp)> {
    let text = text.to_ascii_uppercase();
    let (date_time, rest) = text.split_at_checked("2024-12-23T10:00:00".len())?;
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|char: char| char.is_ascii_digit()),
        None => rest,
    };
    let shaped = has_shape(date_time, "0000-00-00T00:00:00")
        && (offset == "Z" || has_shape(offset, "+00:00") || has_shape(offset, "-00:00"));
    let instant: Timestamp = shaped.then(|| text.parse().ok())??;
    (instant >= Timestamp::UNIX_EPOCH).then_some((text, instant))
}

/// Whether a text has digits where `shape` has zeros, and the same characters as `shape` elsewhere.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
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

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = r#"{"account_id": "acct_123", "task_id": "task_xxx", "task_type": "image", "status": "completed",
        "data": {"url": "https://cdn.example.com/image.png", "credits_charged": 6.0},
        "timestamp": "2024-12-23T10:00:00Z"}"#;

    fn sent_at() -> Timestamp {
        "2026-01-02T03:04:05.678Z".parse().unwrap()
    }

    fn parse(message: &str) -> Result<Completion, Rejection> {
        Completion::parse(message, sent_at())
    }

    fn reason(message: &str) -> String {
        parse(message).expect_err("is rejected").to_string()
    }

    #[test]
    fn the_body_is_the_pages_example_in_its_order_and_canonical() {
        assert_eq!(
            parse(BARE).unwrap().body,
            r#"{"event":"job.completed","task_id":"task_xxx","task_type":"image","status":"completed","data":{"url":"https://cdn.example.com/image.png","credits_charged":6},"timestamp":"2024-12-23T10:00:00Z"}"#
        );
    }

    #[test]
    fn an_eventbridge_event_carries_the_completion_as_its_detail() {
        let wrapped = format!(
            r#"{{"version":"0","id":"1","detail-type":"TaskCompleted","source":"jobs","time":"2020-01-01T00:00:00Z","detail":{BARE}}}"#
        );
        assert_eq!(parse(&wrapped).unwrap().body, parse(BARE).unwrap().body);
    }

    #[test]
    fn a_sample_is_a_task_of_its_own_for_each_event() {
        let account = AccountId::parse("org:team-1.eu").unwrap();
        for event in EventType::ALL {
            let sample = Completion::sample(&account, event, sent_at());
            assert_eq!((&sample.account_id, sample.event), (&account, event));
            assert!(sample.body.contains(r#""timestamp":"2026-01-02T03:04:05Z""#), "{}", sample.body);
            assert_ne!(sample.task_id, Completion::sample(&account, event, sent_at()).task_id);
        }
    }

    #[test]
    fn a_failed_task_is_the_other_event() {
        let completion = parse(&BARE.replace("\"completed\"", "\"failed\"")).unwrap();
        assert_eq!(completion.event, EventType::JobFailed);
        assert!(completion.body.starts_with(r#"{"event":"job.failed","#));
        assert!(completion.body.contains(r#""status":"failed""#));
    }

    #[test]
    fn missing_data_is_null_and_a_missing_timestamp_is_when_the_message_was_sent() {
        let completion =
            parse(r#"{"account_id":"a","task_id":"t","task_type":"image","status":"failed","extra":1}"#).unwrap();
        assert!(completion.body.ends_with(r#""data":null,"timestamp":"2026-01-02T03:04:05.678Z"}"#));
        assert_eq!(completion.ended_at, sent_at());
    }

    #[test]
    fn each_rejection_names_the_field_and_what_would_be_right() {
        let cases = [
            ("status", r#""done""#, r#"status is "done"; expected "completed" or "failed""#),
            (
                "account_id",
                r#""a b""#,
                r#"account_id is "a b"; expected a string of 1 to 64 of the characters A-Z a-z 0-9 _ - . :"#,
            ),
            ("task_id", "7", "task_id is the number 7; expected a string of 1 to 256 characters"),
            ("task_type", r#""""#, r#"task_type is ""; expected a string of 1 to 64 characters"#),
            ("task_id", "null", "task_id is missing"),
        ];
        for (field, value, message) in cases {
            let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(BARE).unwrap();
            fields.insert(field.into(), serde_json::from_str(value).unwrap());
            assert_eq!(reason(&serde_json::Value::Object(fields).to_string()), message);
        }
        assert_eq!(reason("[]"), "the message is an array; expected a JSON object, one completion in each message");
        assert_eq!(
            reason(r#"{"detail-type":"x","detail":"y"}"#),
            r#"detail is "y"; expected an object: the completion"#
        );
        assert!(reason("not json").starts_with("the message cannot be passed on as JSON: "));
    }

    #[test]
    fn only_rfc_3339_from_1970_on_is_a_timestamp() {
        let with = |timestamp: &str| parse(&BARE.replace("2024-12-23T10:00:00Z", timestamp));
        for good in ["2024-12-23T10:00:00.123456789Z", "2024-12-23T11:00:00+01:00", "1970-01-01T00:00:00Z"] {
            assert!(with(good).unwrap().body.contains(good), "{good} is passed on as it is");
        }
        for bad in [
            "",
            "2024-12-23",
            "2024-12-23T10:00:00",
            "2024-12-23 10:00:00Z",
            "20241223T100000Z",
            "2024-12-23T10:00:00+01:00[Europe/Berlin]",
            "2024-12-23T10:00:00,5Z",
            "2024-12-23T10:00:00.Z",
            "2024-12-23T10:00:00+01:00:30",
            "2024-12-23T10:00:00+01",
            "2024-13-23T10:00:00Z",
            "1969-12-31T23:59:59Z",
            "1734949200",
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_time_with_small_letters_is_rfc_3339_and_goes_out_with_capital_ones() {
        let completion = parse(&BARE.replace("2024-12-23T10:00:00Z", "2026-11-28t06:00:00.5z")).unwrap();
        assert!(completion.body.contains(r#""timestamp":"2026-11-28T06:00:00.5Z""#), "{}", completion.body);
        assert_eq!(completion.ended_at, "2026-11-28T06:00:00.5Z".parse().unwrap());
    }

    #[test]
    fn a_body_is_at_most_256_kib() {
        let of = |size: usize| parse(&BARE.replace("6.0", &format!("\"{}\"", "x".repeat(size))));
        let overhead = of(0).unwrap().body.len();
        assert_eq!(of(MAX_BODY_BYTES - overhead).unwrap().body.len(), MAX_BODY_BYTES);
        assert_eq!(of(MAX_BODY_BYTES - overhead + 1).unwrap_err(), Rejection::TooLarge(MAX_BODY_BYTES + 1));
    }
}
