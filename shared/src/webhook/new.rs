//! A request to register a webhook, parsed field by field so that each refusal names its field.

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{EventType, Secret};
use crate::egress::{Policy, TargetUrl};

/// A valid request to register a webhook.
#[derive(Debug)]
pub struct NewWebhook {
    /// Where deliveries are to go.
    pub url: TargetUrl,
    /// What it subscribes to: at least one, no repeats.
    pub events: Vec<EventType>,
    /// The customer's own secret; where it is missing the service makes one.
    pub secret: Option<Secret>,
}

/// What is wrong with a request: a sentence for the customer that names the field and the fix.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Invalid(pub String);

impl NewWebhook {
    /// Parses the body of `POST /api/v1/webhooks`. A `null` counts as a missing field.
    pub fn parse(body: &[u8], policy: &Policy) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Fields {
            url: Option<Value>,
            events: Option<Value>,
            secret_key: Option<Value>,
        }
        // serde reports unknown and repeated fields by name; the types are looked at below, where the message can
        // name the field too.
        let fields: Fields = serde_json::from_slice(body).map_err(|err| not_an_object(body, &err))?;
        // serde takes an array for a struct, field by field.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Invalid(format!("the body must be {OBJECT}")));
        }

        let url = required("url", fields.url)?;
        let url = url.as_str().ok_or_else(|| Invalid(format!("url must be a string, not {}", kind(&url))))?;
        let secret = match fields.secret_key {
            None => None,
            Some(Value::String(text)) => Some(Secret::parse(&Zeroizing::new(text))?),
            Some(other) => return Err(Invalid(format!("secret_key must be a string, not {}", kind(&other)))),
        };
        Ok(Self {
            url: TargetUrl::parse(url, policy).map_err(|err| Invalid(err.to_string()))?,
            events: events(&required("events", fields.events)?)?,
            secret,
        })
    }
}

const OBJECT: &str = "a JSON object with url, events and, if you like, secret_key";

fn not_an_object(body: &[u8], err: &serde_json::Error) -> Invalid {
    if body.trim_ascii().is_empty() {
        Invalid("the body is empty; send a JSON object with url and events".into())
    } else if err.is_data() {
        let problem = err.to_string();
        let problem = &problem[..problem.floor_char_boundary(200)];
        Invalid(format!("the body must be {OBJECT}: {problem}"))
    } else {
        Invalid(format!("the body is not valid JSON: {err}"))
    }
}

fn required(field: &str, value: Option<Value>) -> Result<Value, Invalid> {
    value.ok_or_else(|| Invalid(format!("{field} is required")))
}

fn events(value: &Value) -> Result<Vec<EventType>, Invalid> {
    let names = EventType::ALL.map(EventType::as_str).join(", ");
    let Value::Array(items) = value else {
        return Err(Invalid(format!("events must be an array of event names ({names}), not {}", kind(value))));
    };
    if items.is_empty() {
        return Err(Invalid(format!("events must not be empty; choose from {names}")));
    }
    let mut events = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let event = item
            .as_str()
            .and_then(EventType::parse)
            .ok_or_else(|| Invalid(format!("events[{at}] is {}; expected one of {names}", shortened(item))))?;
        if events.contains(&event) {
            return Err(Invalid(format!("events[{at}] repeats \"{}\"; name each event once", event.as_str())));
        }
        events.push(event);
    }
    Ok(events)
}

/// A value as it is quoted in a message, which must not grow with what a stranger sends.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { format!("{}…", text.chars().take(40).collect::<String>()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> String {
        NewWebhook::parse(body.as_bytes(), &Policy::strict()).expect_err("is refused").0
    }

    #[test]
    fn a_request_as_on_the_page_is_taken_in_its_order() {
        let body = br#"{"url":"https://your-server.com/webhook","events":["job.failed","job.completed"],"secret_key":"your-secret-key"}"#;
        let new = NewWebhook::parse(body, &Policy::strict()).unwrap();
        assert_eq!(new.url.as_str(), "https://your-server.com/webhook");
        assert_eq!(new.events, [EventType::JobFailed, EventType::JobCompleted]);
        assert_eq!(new.secret.unwrap().reveal(), "your-secret-key");
    }

    #[test]
    fn a_null_secret_counts_as_none() {
        let body = br#"{"url":"https://a.example.com/","events":["job.failed"],"secret_key":null}"#;
        assert!(NewWebhook::parse(body, &Policy::strict()).unwrap().secret.is_none());
    }

    #[test]
    fn each_refusal_names_the_field_and_the_fix() {
        let cases = [
            ("", "the body is empty; send a JSON object with url and events"),
            (r#"{"events":["job.failed"]}"#, "url is required"),
            (r#"{"url":5,"events":["job.failed"]}"#, "url must be a string, not a number"),
            (r#"{"url":"https://a.example.com/"}"#, "events is required"),
            (
                r#"{"url":"https://a.example.com/","events":"job.failed"}"#,
                "events must be an array of event names (job.completed, job.failed), not a string",
            ),
            (
                r#"{"url":"https://a.example.com/","events":[]}"#,
                "events must not be empty; choose from job.completed, job.failed",
            ),
            (
                r#"{"url":"https://a.example.com/","events":["job.failed","job.done"]}"#,
                "events[1] is \"job.done\"; expected one of job.completed, job.failed",
            ),
            (
                r#"{"url":"https://a.example.com/","events":["job.failed","job.failed"]}"#,
                "events[1] repeats \"job.failed\"; name each event once",
            ),
            (
                r#"{"url":"https://a.example.com/","events":["job.failed"],"secret_key":"short"}"#,
                "secret_key must be 8 to 256 visible ASCII characters, without spaces",
            ),
            (
                r#"{"url":"https://a.example.com/","events":["job.failed"],"secret_key":12345678}"#,
                "secret_key must be a string, not a number",
            ),
        ];
        for (body, message) in cases {
            assert_eq!(refusal(body), message, "for {body}");
        }
    }

    #[test]
    fn unknown_and_repeated_fields_are_refused_by_name() {
        let unknown = refusal(r#"{"url":"https://a.example.com/","events":["job.failed"],"sekret":"x"}"#);
        assert!(unknown.contains("unknown field `sekret`"), "{unknown}");
        let repeated =
            refusal(r#"{"url":"https://a.example.com/","url":"https://b.example.com/","events":["job.failed"]}"#);
        assert!(repeated.contains("duplicate field `url`"), "{repeated}");
    }

    #[test]
    fn broken_json_is_told_apart_from_the_wrong_json() {
        assert!(refusal("{\"url\":").starts_with("the body is not valid JSON"));
        assert!(refusal("[]").starts_with("the body must be a JSON object"));
        assert!(
            refusal(r#"["https://a.example.com/",["job.failed"],null]"#).starts_with("the body must be a JSON object")
        );
    }
}
