//! JSON exactly as JavaScript writes it.
//!
//! A receiver verifies a webhook by parsing the body and signing `JSON.stringify(payload)`. So the bytes that we sign
//! and send must equal what `JSON.stringify(JSON.parse(body))` returns, for every payload that a producer can send.
//! Rust's usual JSON differs: it writes `6.0`, keeps `{"10":1,"2":2}` in that order, and formats `1e21` differently.
//!
//! [`parse`] reads a text as `JSON.parse` does, and a [`Value`] displays as `JSON.stringify` writes it. [`object`]
//! and [`string`] build a body by the same rules. [`to_ascii`] rewrites a text for SQS.
//!
//! `Value` implements `Deserialize`, so that a message type can have it as a field. It does not implement `Serialize`
//! on purpose: a serializer would format numbers its own way. The grammar is `serde_json`'s. Its feature
//! `arbitrary_precision` must stay off in the whole workspace, because it hides numbers from us.

mod error;
mod rounding;

use std::fmt;

pub use error::{Error, Place};
use indexmap::IndexMap;
pub use rounding::{member, rounded_integers};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value with JavaScript's limits: numbers are doubles, object keys are unique and ordered.
///
/// `Display` writes the canonical text. Equality is that of JSON: the order of keys does not count.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value {
    /// `null`; also used for a missing value.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A double. One that is not finite cannot come from a text, and is written `null`.
    Number(f64),
    /// Any Unicode text. JavaScript could also hold half a surrogate pair; this cannot.
    String(String),
    /// The elements, in their order.
    Array(Vec<Value>),
    /// The members, in JavaScript's order.
    Object(Object),
}

/// The members of an object, in JavaScript's order: first the keys that are array indices, ascending, then the others
/// in the order in which they first appeared. A repeated key keeps its first place and its last value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object(IndexMap<String, Value>);

/// Reads a JSON text as `JSON.parse` does.
///
/// The time is linear in the text's length, except for sorting index-like keys. A number too small for a double
/// becomes zero, as in JavaScript.
///
/// # Errors
/// [`Error::Syntax`] or [`Error::ByteOrderMark`] for a text that JavaScript refuses too; the other three for a text
/// that JavaScript accepts.
pub fn parse(text: &str) -> Result<Value, Error> {
    if text.starts_with('\u{feff}') {
        return Err(Error::ByteOrderMark);
    }
    serde_json::from_str(text).map_err(|error| Error::from_parser(text, &error))
}

/// Writes an object with these members in this order. The keys must be distinct, and none an array index, which
/// JavaScript would move to the front.
pub fn object(members: &[(&str, &Value)]) -> String {
    debug_assert!(members.iter().all(|(key, _)| rank(key) == u32::MAX), "a key is an array index");
    fmt::from_fn(|f| write_members(f, members.iter().copied())).to_string()
}

/// Displays `text` as a JSON string, with its quotes, as `JSON.stringify` writes it.
pub fn string(text: &str) -> impl fmt::Display {
    // serde_json escapes exactly what JavaScript escapes: quote, backslash and U+0000 to U+001F.
    fmt::from_fn(move |f| f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?))
}

/// Rewrites a JSON text in pure ASCII, for SQS, which refuses U+FFFE and U+FFFF.
///
/// Every character beyond ASCII becomes its `\uXXXX` escape, or two of them for a surrogate pair. The text becomes at
/// most three times as long. The result means the same but is not canonical: [`parse`] it again to get the body that
/// is signed.
///
/// Pass only a text that [`parse`] accepted or that this module wrote. For any JSON text the rewrite is right without
/// parsing: outside strings the grammar is all ASCII, and within a string a backslash is always followed by ASCII, so
/// a character beyond ASCII always stands for itself. For other texts it is wrong: `"\é"`, which is not JSON, would
/// become `"\\u00e9"`, which is.
pub fn to_ascii(json: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    if json.is_ascii() {
        return json.to_owned();
    }
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let digit = |shift: u16| char::from(HEX[usize::from((*unit >> shift) & 0xf)]);
            ascii.push_str("\\u");
            ascii.extend([12, 8, 4, 0].map(digit));
        }
    }
    ascii
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) if number.is_finite() => f.write_str(ryu_js::Buffer::new().format_finite(*number)),
            Self::Null | Self::Number(_) => f.write_str("null"),
            Self::Bool(bool) => write!(f, "{bool}"),
            Self::String(text) => write!(f, "{}", string(text)),
            Self::Array(elements) => {
                f.write_str("[")?;
                for (i, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", comma_before(i))?;
                }
                f.write_str("]")
            }
            Self::Object(Object(members)) => write_members(f, members.iter().map(|(key, value)| (key.as_str(), value))),
        }
    }
}

fn write_members<'a>(f: &mut fmt::Formatter<'_>, members: impl Iterator<Item = (&'a str, &'a Value)>) -> fmt::Result {
    f.write_str("{")?;
    for (i, (key, value)) in members.enumerate() {
        write!(f, "{}{}:{value}", comma_before(i), string(key))?;
    }
    f.write_str("}")
}

fn comma_before(position: usize) -> &'static str {
    if position == 0 { "" } else { "," }
}

impl Value {
    /// Whether this is a string that holds an object or an array: the result of encoding JSON as JSON again.
    pub fn is_encoded_twice(&self) -> bool {
        matches!(self, Self::String(text) if matches!(parse(text), Ok(Self::Object(_) | Self::Array(_))))
    }

    /// The value's kind, with its article: `a number`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl Object {
    /// The value of a member, if there is one.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Value, E> {
        Ok(Value::Bool(bool))
    }

    #[expect(clippy::cast_precision_loss, reason = "JavaScript rounds too, to the nearest double")]
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "JavaScript rounds too, to the nearest double")]
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = IndexMap::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            members.insert(key, value);
        }
        // The sort is stable: the keys that are not indices keep their order.
        members.sort_by_cached_key(|key, _| rank(key));
        Ok(Value::Object(Object(members)))
    }
}

/// The position of a key in the sort: array indices by their number, all other keys after them.
///
/// ECMAScript's array indices end at 2^32 - 2, so `u32::MAX` is free for the other keys. JavaScript never writes an
/// index as `"01"` or `"+1"`, so these are not indices.
fn rank(key: &str) -> u32 {
    let canonical = key == "0" || key.starts_with(|first| matches!(first, '1'..='9'));
    key.parse().ok().filter(|_| canonical).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        parse(text).expect("the text is JSON").to_string()
    }

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        assert_eq!(
            canonical("[6.0, -0, 1E21, 0.0000001, 9007199254740993, 1e-400]"),
            "[6,0,1e+21,1e-7,9007199254740992,0]"
        );
    }

    #[test]
    fn an_object_is_written_in_the_order_given() {
        let text = Value::String("\n".into());
        assert_eq!(object(&[("b", &text), ("a", &Value::Null)]), r#"{"b":"\n","a":null}"#);
    }

    #[test]
    fn a_number_that_no_text_gives_is_null() {
        assert_eq!(Value::Number(f64::NAN).to_string(), "null");
    }

    #[test]
    fn index_like_keys_come_first_in_numeric_order() {
        assert_eq!(
            canonical(r#"{"b":0,"4294967295":1,"10":2,"01":3,"4294967294":4,"a":5,"2":6}"#),
            r#"{"2":6,"10":2,"4294967294":4,"b":0,"4294967295":1,"01":3,"a":5}"#
        );
    }

    #[test]
    fn a_repeated_key_has_its_last_value_at_its_first_place() {
        assert_eq!(canonical(r#"{"a":1,"b":2,"\u0061":3}"#), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn only_what_must_be_escaped_is_escaped() {
        assert_eq!(
            canonical(r#""\/\u0041\u001F\b\u0022\\\u007f\u2028\ud83d\ude00""#),
            "\"/A\\u001f\\b\\\"\\\\\u{7f}\u{2028}\u{1f600}\""
        );
    }

    #[test]
    fn a_member_is_found_by_its_key() {
        let Ok(Value::Object(object)) = parse(r#"{"a":true}"#) else {
            panic!("not an object");
        };
        assert_eq!(object.get("a"), Some(&Value::Bool(true)));
        assert_eq!(object.get("b"), None);
    }

    #[test]
    fn ascii_text_has_lower_case_escapes_and_surrogate_pairs() {
        assert_eq!(to_ascii("{\"\u{e9}\\n\":\"\u{ffff}\u{1f600}\"}"), r#"{"\u00e9\n":"\uffff\ud83d\ude00"}"#);
    }
}
