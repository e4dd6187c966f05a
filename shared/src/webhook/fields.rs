//! The fields of a request's body, parsed one by one, so that each refusal names its field and the fix.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{Invalid, Secret, Status};
use crate::names::EventType;
use crate::{
    canonical_json::{self, Error as JsonError},
    egress::{Policy, TargetUrl},
};

/// The fields of a body that is an object. Every name is known and occurs once. Types are checked when a field is
/// taken, so that the message can name the field.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Parses a body that may have the fields `names`. `expected` describes the body in error messages.
    pub(super) fn parse(body: &[u8], names: &[&str], expected: &str) -> Result<Self, Invalid> {
        let text = str::from_utf8(body).map_err(|_| Invalid("the body is not UTF-8".into()))?;
        if text.trim_ascii().is_empty() {
            return Err(Invalid(format!("the body is empty; send {expected}")));
        }
        let value = canonical_json::parse(text).map_err(|err| match err {
            JsonError::Syntax { .. } => Invalid(format!("the body is {err}")),
            err => Invalid(format!("the body cannot be read: {err}")),
        })?;
        if value.is_encoded_twice() {
            let problem = "the body is a string that holds JSON: it was encoded twice; send the object itself";
            return Err(Invalid(problem.into()));
        }
        // Parsed again, because the other parser keeps only one of two fields with the same name.
        let Ok(Self(fields)) = serde_json::from_str(text) else {
            return Err(Invalid(format!("the body must be {expected}, not {}", value.kind())));
        };
        for (at, (name, _)) in fields.iter().enumerate() {
            let quoted = || shortened(&Value::String(name.clone()));
            if !names.contains(&name.as_str()) {
                return Err(Invalid(format!("there is no field {}; send {expected}", quoted())));
            }
            if fields[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(Invalid(format!("the field {} is there twice; send it once", quoted())));
            }
        }
        Ok(Self(fields))
    }

    /// The same as [`Fields::parse`], for a body that may be empty.
    pub(super) fn parse_optional(body: &[u8], names: &[&str], expected: &str) -> Result<Self, Invalid> {
        Self::parse(if body.trim_ascii().is_empty() { b"{}" } else { body }, names, expected)
    }

    /// Removes and returns a field. A `null` counts as missing.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.swap_remove(at).1).filter(|value| !value.is_null())
    }

    /// Removes and returns a required field. Fails if it is missing or `null`.
    pub(super) fn take_required(&mut self, name: &str) -> Result<Value, Invalid> {
        self.take(name).ok_or_else(|| Invalid(format!("{name} is required")))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Fields(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
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

/// A value as a message quotes it, cut after 40 characters: a client must not decide how long the message is.
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
