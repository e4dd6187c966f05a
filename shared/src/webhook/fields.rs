//! The fields of a request's body, parsed one by one, so that each refusal names its field and the fix.

use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{EventType, Secret, Status};
use crate::egress::{Policy, TargetUrl};

/// What is wrong with a request: a sentence for the customer that names the field and the fix.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Invalid(pub String);

/// The fields of a body, untyped: serde reports unknown and repeated ones by name, and the types are looked at afterwards,
/// where the message can name the field too. `expected` describes the body.
pub(super) fn object<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, Invalid> {
    if body.trim_ascii().is_empty() {
        return Err(Invalid(format!("the body is empty; send {expected}")));
    }
    let fields = serde_json::from_slice(body).map_err(|err| {
        if err.is_data() {
            let problem = err.to_string();
            let problem = &problem[..problem.floor_char_boundary(200)];
            Invalid(format!("the body must be {expected}: {problem}"))
        } else {
            Invalid(format!("the body is not valid JSON: {err}"))
        }
    })?;
    // serde takes an array for a struct, field by field.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Invalid(format!("the body must be {expected}")));
    }
    Ok(fields)
}

/// As [`object`], for a body that may be left out.
pub(super) fn optional_object<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, Invalid> {
    object(if body.trim_ascii().is_empty() { b"{}" } else { body }, expected)
}

pub(super) fn required(field: &str, value: Option<Value>) -> Result<Value, Invalid> {
    value.ok_or_else(|| Invalid(format!("{field} is required")))
}

pub(super) fn url(value: &Value, policy: &Policy) -> Result<TargetUrl, Invalid> {
    let url = value.as_str().ok_or_else(|| Invalid(format!("url must be a string, not {}", kind(value))))?;
    TargetUrl::parse(url, policy).map_err(|err| Invalid(err.to_string()))
}

pub(super) fn secret(value: Value) -> Result<Secret, Invalid> {
    match value {
        Value::String(text) => Secret::parse(&Zeroizing::new(text)),
        other => Err(Invalid(format!("secret_key must be a string, not {}", kind(&other)))),
    }
}

pub(super) fn status(value: &Value) -> Result<Status, Invalid> {
    let wrong = || Invalid(format!("status is {}; expected active or disabled", shortened(value)));
    match value.as_str() {
        Some("active") => Ok(Status::Active),
        Some("disabled") => Ok(Status::Disabled),
        _ => Err(wrong()),
    }
}

pub(super) fn event(field: &str, value: &Value) -> Result<EventType, Invalid> {
    let wrong = || Invalid(format!("{field} is {}; expected one of {}", shortened(value), event_names()));
    value.as_str().and_then(EventType::parse).ok_or_else(wrong)
}

pub(super) fn events(value: &Value) -> Result<Vec<EventType>, Invalid> {
    let names = event_names();
    let Value::Array(items) = value else {
        return Err(Invalid(format!("events must be an array of event names ({names}), not {}", kind(value))));
    };
    if items.is_empty() {
        return Err(Invalid(format!("events must not be empty; choose from {names}")));
    }
    let mut events = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let event = event(&format!("events[{at}]"), item)?;
        if events.contains(&event) {
            return Err(Invalid(format!("events[{at}] repeats \"{}\"; name each event once", event.as_str())));
        }
        events.push(event);
    }
    Ok(events)
}

/// A value as it is quoted in a message, which must not grow with what a stranger sends.
pub(super) fn shortened(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { format!("{}…", text.chars().take(40).collect::<String>()) }
}

fn event_names() -> String {
    EventType::ALL.map(EventType::as_str).join(", ")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
