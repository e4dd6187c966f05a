//! The error of an invalid request.

use serde_json::Value;

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

    /// An error about the request as a whole, such as a body that is no JSON, or about a header.
    pub fn request(message: impl Into<String>) -> Self {
        Self { field: None, message: message.into() }
    }

    /// The name of the field or the query parameter; `None` if the error is about no single one.
    pub fn field_name(&self) -> Option<&str> {
        self.field.as_deref()
    }
}

/// A value as a message quotes it, cut after 40 characters: a client must not decide how long the message is.
pub(super) fn shortened(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { format!("{}…", text.chars().take(40).collect::<String>()) }
}

pub(super) fn wrong_type(field: &str, expected: &str, found: &Value) -> Invalid {
    Invalid::field(field, format!("{field} must be {expected}, not {}", kind(found)))
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
