//! A request's body, field by field, and the error of an invalid request: each refusal names its field and the fix.

use std::{collections::HashSet, fmt};

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

use crate::{
    canonical_json::{self, Error as JsonError},
    rfc_3339::{TIMESTAMP, rfc_3339},
};

/// How much of a field's name an error shows, in characters: a client must not decide how long a reply is.
pub const SHOWN_OF_A_NAME: usize = 64;

/// Why a request is invalid: a sentence for the customer that says what would be right, and the field that it is about.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct Invalid {
    field: Option<String>,
    message: String,
}

impl Invalid {
    /// An error about one field of the body or one query parameter. The reply names it as `error.field`, so that a form
    /// can show the message beside its input. Of a name that the client made up, the first [`SHOWN_OF_A_NAME`]
    /// characters are kept.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        Self { field: Some(name.chars().take(SHOWN_OF_A_NAME).collect()), message: message.into() }
    }

    /// An error about the request as a whole, such as a body that is not JSON, or about a header.
    pub fn request(message: impl Into<String>) -> Self {
        Self { field: None, message: message.into() }
    }

    /// The name of the field or the query parameter; `None` if the error is about no single one.
    pub fn field_name(&self) -> Option<&str> {
        self.field.as_deref()
    }
}

/// The fields of a body that is an object. Every name is known and occurs once. Types are checked when a field is
/// taken, so that the message can name the field.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Parses a body that may have the fields `names`. `expected` describes the body in error messages.
    pub(crate) fn parse(body: &[u8], names: &[&str], expected: &str) -> Result<Self, Invalid> {
        let text = str::from_utf8(body).map_err(|_| Invalid::request("the body is not UTF-8"))?;
        if text.trim_ascii().is_empty() {
            return Err(Invalid::request(format!("the body is empty; send {expected}")));
        }
        let value = canonical_json::parse(text).map_err(|err| match err {
            JsonError::Syntax { .. } => Invalid::request(format!("the body is {err}")),
            err => Invalid::request(format!("the body cannot be read: {err}")),
        })?;
        if value.is_encoded_twice() {
            let problem = "the body is a string that holds JSON: it was encoded twice; send the object itself";
            return Err(Invalid::request(problem));
        }
        // Parsed again, because the other parser keeps only one of two fields with the same name.
        let Ok(fields) = serde_json::from_str::<Members>(text) else {
            return Err(Invalid::request(format!("the body must be {expected}, not {}", value.kind())));
        };
        if let Some(name) = fields.names().find(|name| !names.contains(name)) {
            return Err(Invalid::field(name, format!("there is no field {}; send {expected}", quoted(name))));
        }
        if let Some(name) = fields.repeated() {
            return Err(Invalid::field(name, format!("the field {} is there twice; send it once", quoted(name))));
        }
        let value = |(name, raw): (String, Box<RawValue>)| {
            let inner = serde_json::from_str::<Members>(raw.get()).unwrap_or_default();
            if let Some(member) = inner.repeated() {
                let problem = format!("{name} has the member {} twice; send it once", quoted(member));
                return Err(Invalid::field(&name, problem));
            }
            let value = serde_json::from_str(raw.get());
            value.map(|value| (name, value)).map_err(|err| Invalid::request(format!("the body cannot be read: {err}")))
        };
        Ok(Self(fields.0.into_iter().map(value).collect::<Result<_, _>>()?))
    }

    /// The same as [`Fields::parse`], for a body that may be empty.
    pub(crate) fn parse_optional(body: &[u8], names: &[&str], expected: &str) -> Result<Self, Invalid> {
        Self::parse(if body.trim_ascii().is_empty() { b"{}" } else { body }, names, expected)
    }

    /// Removes and returns a field. A `null` counts as missing.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.swap_remove(at).1).filter(|value| !value.is_null())
    }

    /// Removes a field and returns its change: a `null` removes what is stored. Returns `None` if the field is missing.
    pub(crate) fn take_edit<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Invalid>,
    ) -> Result<Option<Edit<T>>, Invalid> {
        let Some(at) = self.0.iter().position(|(field, _)| field == name) else { return Ok(None) };
        match self.0.swap_remove(at).1 {
            Value::Null => Ok(Some(Edit::Remove)),
            value => parse(&value).map(|value| Some(Edit::Set(value))),
        }
    }

    /// Removes and returns a required field. Fails if it is missing or `null`.
    pub(crate) fn take_required(&mut self, name: &str) -> Result<Value, Invalid> {
        self.take(name).ok_or_else(|| Invalid::field(name, format!("{name} is required")))
    }
}

/// The members of an object, also those whose name occurs twice.
#[derive(Default)]
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The first name that occurs a second time.
    fn repeated(&self) -> Option<&str> {
        let mut seen = HashSet::new();
        self.names().find(|name| !seen.insert(*name))
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

fn quoted(name: &str) -> String {
    shortened(&Value::String(name.to_owned()))
}

/// A change of a field that need not be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit<T> {
    Set(T),
    Remove,
}

impl<T> Edit<T> {
    /// The same edit by reference.
    pub const fn as_ref(&self) -> Edit<&T> {
        match self {
            Self::Set(value) => Edit::Set(value),
            Self::Remove => Edit::Remove,
        }
    }

    /// The same edit with another value.
    pub fn map<U>(self, to: impl FnOnce(T) -> U) -> Edit<U> {
        match self {
            Self::Set(value) => Edit::Set(to(value)),
            Self::Remove => Edit::Remove,
        }
    }
}

/// Parses a time.
pub(crate) fn time(field: &str, value: &Value) -> Result<Timestamp, Invalid> {
    let wrong = || Invalid::field(field, format!("{field} is {}; expected {}", shortened(value), TIMESTAMP));
    value.as_str().and_then(rfc_3339).map(|(_, time)| time).ok_or_else(wrong)
}

/// A whole number that is not negative. JSON has one kind of number: where JavaScript writes 60, Python may write 60.0.
pub(crate) fn whole_number(value: &Value) -> Option<u64> {
    value.as_f64().and_then(|number| number.to_string().parse().ok())
}

/// A value as a message quotes it, cut after 40 characters: a client must not decide how long the message is.
pub(crate) fn shortened(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { format!("{}…", text.chars().take(40).collect::<String>()) }
}

pub(crate) fn wrong_type(field: &str, expected: &str, found: &Value) -> Invalid {
    Invalid::field(field, format!("{field} must be {expected}, not {}", kind(found)))
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
