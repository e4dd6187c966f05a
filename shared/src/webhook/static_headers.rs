//! The request headers that a customer wants with each delivery, such as the key of an API gateway.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap, fmt};

use serde_json::Value;
use zeroize::Zeroizing;

use crate::request::{Invalid, shortened, wrong_type};

const FIELD: &str = "headers";

/// Request headers with fixed values, which are secrets: this type has no `Serialize`, its `Debug` shows names only, and
/// so do replies.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct StaticHeaders(Vec<(String, Zeroizing<String>)>);

/// Names that a customer may not set, in lower case. The service sets some of them itself; the others belong to one
/// connection (RFC 9110, section 7.6.1) or change where a request ends.
const REFUSED: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Prefixes of names that a customer may not set, in lower case.
const REFUSED_BEGINNINGS: [&str; 4] = ["content-", "proxy-", "webhook-", "x-nano-"];

/// A value that is shorter is not searched for in an answer: it can stand there by chance.
const SHORTEST_HIDDEN: usize = 6;

impl StaticHeaders {
    /// The most headers of a webhook.
    pub const MOST: usize = 16;
    /// The most characters of a name.
    pub const MAX_NAME: usize = 64;
    /// The most characters of a value.
    pub const MAX_VALUE: usize = 1_024;
    /// The most characters of all names and values together.
    pub const MAX_TOTAL: usize = 4_096;

    /// Parses the field `headers`: an object with strings as values.
    pub(super) fn parse(value: &Value) -> Result<Self, Invalid> {
        let wrong = |message: String| Invalid::field(FIELD, message);
        let Value::Object(members) = value else {
            return Err(wrong_type(FIELD, "an object with strings as values", value));
        };
        if members.len() > Self::MOST {
            return Err(wrong(format!("headers has {} entries; the limit is {}", members.len(), Self::MOST)));
        }
        let mut headers = Vec::<(String, _)>::new();
        for (name, value) in members {
            let shown = format!("headers[{}]", shortened(&Value::String(name.clone())));
            check_name(name).map_err(|problem| wrong(format!("{shown} {problem}")))?;
            if headers.iter().any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
                return Err(wrong(format!("{shown} is there twice (upper and lower case are the same); send it once")));
            }
            // The message must not show the value.
            let text = value.as_str().filter(|text| is_value(text)).ok_or_else(|| {
                let limit = Self::MAX_VALUE;
                wrong(format!("{shown} must be a string of 1 to {limit} visible ASCII characters and inner spaces"))
            })?;
            headers.push((name.clone(), Zeroizing::new(text.to_owned())));
        }
        match headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() {
            ..=Self::MAX_TOTAL => Ok(Self(headers)),
            total => Err(wrong(format!("headers has {total} characters; the limit is {}", Self::MAX_TOTAL))),
        }
    }

    /// The stored headers. Stored names and values are valid.
    pub(crate) fn stored(headers: BTreeMap<String, String>) -> Self {
        Self(headers.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect())
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, as the customer wrote them.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The names and the text of the values: to send them, or to store them.
    pub fn reveal(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Replaces each value of at least [`SHORTEST_HIDDEN`] characters in the beginning of a text that the endpoint
    /// answered, because the history shows it. The value `Bearer abc123` is also replaced where the endpoint repeats only
    /// `abc123`, or repeats it in JSON, and so is the beginning of a value with which the text ends.
    pub fn hide_in<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut hidden = Cow::Borrowed(text);
        for (name, secret) in self.secrets() {
            let shown = format!("[the value of {name}]");
            if hidden.contains(&*secret) {
                hidden = Cow::Owned(hidden.replace(&*secret, &shown));
            }
            // Of `Bearer abc123`, the word `Bearer` alone is not a secret.
            let shortest = secret.find(' ').map_or(0, |space| space + 1) + SHORTEST_HIDDEN;
            let cut = (shortest..secret.len()).rev().find(|length| hidden.ends_with(&secret[..*length]));
            if let Some(length) = cut {
                hidden = Cow::Owned(format!("{}{shown}", &hidden[..hidden.len() - length]));
            }
        }
        hidden
    }

    /// What [`StaticHeaders::hide_in`] searches for, each with its header's name. The longest come first, because one
    /// value may be a part of another.
    fn secrets(&self) -> Vec<(&str, Zeroizing<String>)> {
        let mut secrets = Vec::new();
        for (name, value) in self.reveal() {
            let credentials = value.split_once(' ').map(|(_, credentials)| credentials);
            for secret in [Some(value), credentials].into_iter().flatten().filter(|it| it.len() >= SHORTEST_HIDDEN) {
                let in_json = Value::String(secret.to_owned()).to_string();
                secrets.push((name, Zeroizing::new(secret.to_owned())));
                secrets.push((name, Zeroizing::new(in_json[1..in_json.len() - 1].to_owned())));
            }
        }
        secrets.sort_by_key(|(_, secret)| Reverse(secret.len()));
        secrets
    }
}

/// Whether a header's name may contain this byte: RFC 9110, section 5.6.2.
pub(crate) fn is_of_a_header_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Says what is wrong with a name.
fn check_name(name: &str) -> Result<(), String> {
    if !(1..=StaticHeaders::MAX_NAME).contains(&name.len()) || !name.bytes().all(is_of_a_header_name) {
        let limit = StaticHeaders::MAX_NAME;
        return Err(format!("is not a header name; expected 1 to {limit} of A-Z a-z 0-9 and !#$%&'*+-.^_`|~"));
    }
    let lower = name.to_ascii_lowercase();
    if REFUSED.contains(&&*lower) || REFUSED_BEGINNINGS.iter().any(|beginning| lower.starts_with(beginning)) {
        return Err("cannot be set: the service or the connection decides it; choose another name".into());
    }
    Ok(())
}

/// Whether this can be a header's value. RFC 9110, section 5.5, also allows tabs, which the sender never writes.
fn is_value(text: &str) -> bool {
    (1..=StaticHeaders::MAX_VALUE).contains(&text.len())
        && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !text.starts_with(' ')
        && !text.ends_with(' ')
}

impl fmt::Debug for StaticHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StaticHeaders").field(&self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(value: &Value) -> String {
        let refused = StaticHeaders::parse(value).expect_err("is refused");
        assert_eq!(refused.field_name(), Some("headers"));
        refused.to_string()
    }

    #[test]
    fn an_api_gateways_key_and_basic_auth_are_taken_and_shown_by_name_only() {
        let headers = json!({ "X-Api-Key": "k-1234567", "authorization": "Basic dXNlcjpwYXNz" });
        let headers = StaticHeaders::parse(&headers).unwrap();
        assert_eq!(headers.names(), ["X-Api-Key", "authorization"]);
        assert_eq!(format!("{headers:?}"), r#"StaticHeaders(["X-Api-Key", "authorization"])"#);
        assert!(StaticHeaders::parse(&json!({})).unwrap().is_empty());
    }

    #[test]
    fn no_name_can_change_what_the_service_sends_or_where_a_request_ends() {
        for name in [
            "Host",
            "content-length",
            "Content-Type",
            "Transfer-Encoding",
            "connection",
            "TE",
            "Trailer",
            "Upgrade",
            "Keep-Alive",
            "Proxy-Authorization",
            "Expect",
            "X-Nano-Signature",
            "x-nano-anything",
            "webhook-id",
            "User-Agent",
            "accept",
            "traceparent",
        ] {
            let refused = refusal(&json!({ name: "x" }));
            assert!(refused.starts_with(&format!("headers[\"{name}\"] cannot be set")), "{refused}");
        }
        for name in ["", "a b", "a:", "a\r\nHost", "ä", "a\0", &"x".repeat(65)] {
            assert!(refusal(&json!({ name: "x" })).contains("is not a header name"), "{name:?}");
        }
    }

    #[test]
    fn no_value_can_begin_another_header_and_no_refusal_shows_it() {
        let too_long = "s3cret".repeat(200);
        for value in
            ["", " s3cret", "s3cret ", "s3cret\r\nHost: a", "s3cret\n", "s3cret\0", "s3cret\t1", "s3créet", &too_long]
        {
            let refused = refusal(&json!({ "x-key": value }));
            assert!(refused.contains("must be a string of 1 to 1024 visible ASCII"), "{refused}");
            assert!(!refused.contains("s3cr"), "{refused}");
        }
        assert!(!refusal(&json!({ "x-key": ["s3cret"] })).contains("s3cret"));
    }

    #[test]
    fn names_are_the_same_in_any_case() {
        assert!(refusal(&json!({ "X-Key": "a", "x-key": "b" })).contains("is there twice"));
    }

    #[test]
    fn the_most_and_largest_headers_are_taken_and_no_more() {
        let many = |count: usize| (0..count).map(|at| (format!("x-{at}"), json!("v"))).collect();
        assert!(StaticHeaders::parse(&Value::Object(many(16))).is_ok());
        assert_eq!(refusal(&Value::Object(many(17))), "headers has 17 entries; the limit is 16");
        let large = |count: usize| (0..count).map(|at| (at.to_string(), json!("v".repeat(1_023)))).collect();
        assert!(StaticHeaders::parse(&Value::Object(large(4))).is_ok());
        assert_eq!(refusal(&Value::Object(large(5))), "headers has 5120 characters; the limit is 4096");
    }

    #[test]
    fn a_value_that_the_endpoint_repeats_is_hidden() {
        let headers = json!({ "X-Key": "key-12345", "Authorization": "Bearer abc123", "X-Short": "a" });
        let headers = StaticHeaders::parse(&headers).unwrap();
        let shown = headers.hide_in("bad key key-12345, bad token abc123 in 'Bearer abc123'; a");
        let expected = "bad key [the value of X-Key], bad token [the value of Authorization] in \
            '[the value of Authorization]'; a";
        assert_eq!(shown, expected);
        assert!(matches!(headers.hide_in("nothing"), Cow::Borrowed("nothing")));
        assert!(matches!(headers.hide_in("send Bearer"), Cow::Borrowed("send Bearer")));
    }

    #[test]
    fn a_value_that_is_cut_off_contains_another_or_is_written_in_json_is_hidden() {
        let headers = json!({ "A-Key": "tenant-42", "Z-Key": "tenant-42-secret", "Quoted": "pa\"ss\\word",
            "Authorization": format!("Bearer {}", "t".repeat(980)) });
        let headers = StaticHeaders::parse(&headers).unwrap();
        assert_eq!(headers.hide_in("bad: tenant-42-secret"), "bad: [the value of Z-Key]");
        assert_eq!(headers.hide_in("bad: tenant-42-sec"), "bad: [the value of Z-Key]");
        assert_eq!(headers.hide_in(r#"{"got":"pa\"ss\\word"}"#), r#"{"got":"[the value of Quoted]"}"#);
        for length in [6, 400, 979, 980] {
            let text = format!("invalid token {}", "t".repeat(length));
            assert_eq!(headers.hide_in(&text), "invalid token [the value of Authorization]", "{length}");
        }
    }
}
