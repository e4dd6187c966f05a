//! A webhook: an endpoint that a customer registered, and what it wants to hear of.
//!
//! Everything here is parsed once, at the edge: a [`NewWebhook`] that exists is valid, and nothing below asks again.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::egress::{Policy, TargetUrl};

/// The account that owns a webhook: 1 to 64 of `A-Z a-z 0-9 _ - . :`, chosen by the platform.
///
/// The alphabet is what SQS accepts in a message group id and leaves `#` free to separate it from a webhook's id in a
/// key, so that no account can spell another's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct AccountId(String);

/// Why a text is no [`AccountId`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("account_id must be 1 to 64 of the characters A-Z a-z 0-9 _ - . :")]
pub struct InvalidAccountId;

impl AccountId {
    /// Parses what a producer or an operator wrote.
    pub fn parse(text: &str) -> Result<Self, InvalidAccountId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAccountId)
        }
    }

    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountId {
    type Error = InvalidAccountId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A webhook's number within its account, counted up from 1 and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WebhookId(pub u64);

impl WebhookId {
    /// Parses a path segment. Only the one canonical spelling names a webhook: `01` and `+1` do not.
    pub fn parse(text: &str) -> Option<Self> {
        let id: u64 = text.parse().ok()?;
        (id > 0 && id.to_string() == text).then_some(Self(id))
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a customer can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// A task completed successfully.
    #[serde(rename = "job.completed")]
    JobCompleted,
    /// A task failed.
    #[serde(rename = "job.failed")]
    JobFailed,
}

impl EventType {
    /// Every event type, in the order in which messages list them.
    pub const ALL: [Self; 2] = [Self::JobCompleted, Self::JobFailed];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobCompleted => "job.completed",
            Self::JobFailed => "job.failed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

/// Whether a webhook gets deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Gets a delivery for every event that it subscribed to.
    Active,
    /// Gets none until it is made active again.
    Disabled,
}

/// The key of a webhook's signatures. Its `Debug` says nothing, and its memory is zeroed when it is dropped.
///
/// It cannot be serialised: a reply, a message or a log line that took it by mistake would not compile. Whoever needs
/// the text asks for it with [`Secret::reveal`], which is easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// What a generated secret starts with, as Standard Webhooks 1.0 has it.
    pub const PREFIX: &str = "whsec_";

    /// A new secret: `whsec_` and the base64 of 32 random bytes.
    ///
    /// # Panics
    /// When the operating system gives no random bytes; there is no safe way on.
    pub fn generate() -> Self {
        use base64::Engine as _;
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).expect("the operating system gives random bytes");
        let encoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(bytes.as_ref()));
        Self(Zeroizing::new(format!("{}{}", Self::PREFIX, encoded.as_str())))
    }

    /// Takes a customer's own secret: 8 to 256 visible ASCII characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if (8..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(Invalid("secret_key must be 8 to 256 visible ASCII characters, without spaces".into()))
        }
    }

    /// Takes a secret back from the store, where only valid ones are.
    pub(crate) fn stored(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself: to sign with it, to store it, or to show it once to the customer who has just made it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A registered webhook.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The owner.
    pub account_id: AccountId,
    /// Its number within the account.
    pub id: WebhookId,
    /// Where deliveries go, as the customer wrote it. It was vetted then, and is vetted again before every attempt.
    pub url: String,
    /// What it subscribed to, in the customer's order.
    pub events: Vec<EventType>,
    /// Whether it gets deliveries.
    pub status: Status,
    /// Signs its deliveries.
    pub secret: Secret,
}

impl Webhook {
    /// Whether it gets deliveries at present.
    pub fn is_active(&self) -> bool {
        self.status == Status::Active
    }

    /// Whether it is to hear of an event.
    pub fn wants(&self, event: EventType) -> bool {
        self.is_active() && self.events.contains(&event)
    }

    /// What a customer sees of it: everything but the secret.
    pub fn view(&self) -> View<'_> {
        View { id: self.id, url: &self.url, events: &self.events, status: self.status, secret_key: None }
    }

    /// What the customer sees in the reply that made the webhook: with the secret if the service chose it, because that
    /// is the only time it is shown.
    pub fn view_once(&self, generated: bool) -> View<'_> {
        View { secret_key: generated.then(|| self.secret.reveal()), ..self.view() }
    }
}

/// A webhook in a reply, its fields in the order of the published page.
#[derive(Debug, Serialize)]
pub struct View<'a> {
    id: WebhookId,
    url: &'a str,
    events: &'a [EventType],
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<&'a str>,
}

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

fn not_an_object(body: &[u8], err: &serde_json::Error) -> Invalid {
    if body.trim_ascii().is_empty() {
        Invalid("the body is empty; send a JSON object with url and events".into())
    } else if err.is_data() {
        Invalid(format!("the body must be a JSON object with url, events and, if you like, secret_key: {err}"))
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
    }

    #[test]
    fn a_secret_keeps_itself_out_of_debug_output() {
        let secret = Secret::parse("your-secret-key").unwrap();
        assert!(!format!("{secret:?}").contains("your"));
    }

    #[test]
    fn a_generated_secret_is_32_random_bytes_in_base64() {
        use base64::Engine as _;
        let (one, other) = (Secret::generate(), Secret::generate());
        assert_ne!(one, other);
        let encoded = one.reveal().strip_prefix("whsec_").unwrap();
        assert_eq!(base64::engine::general_purpose::STANDARD.decode(encoded).unwrap().len(), 32);
    }

    #[test]
    fn an_account_id_has_1_to_64_of_its_alphabet() {
        for good in ["a", "acct_123", "org:team-1.eu", &"x".repeat(64)] {
            assert!(AccountId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a#b", "ä", &"x".repeat(65)] {
            assert!(AccountId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_canonical_spelling_names_a_webhook() {
        assert_eq!(WebhookId::parse("12"), Some(WebhookId(12)));
        for bad in ["", "0", "01", "+1", "-1", "1.0", "1e3", "99999999999999999999"] {
            assert_eq!(WebhookId::parse(bad), None, "{bad}");
        }
    }
}
