//! A request to register a webhook.

use super::{
    Invalid, Secret,
    fields::{self, Fields},
};
use crate::egress::{Policy, TargetUrl};
use crate::names::EventType;

/// A valid request to register a webhook.
#[derive(Debug)]
pub struct NewWebhook {
    /// The URL of the endpoint.
    pub url: TargetUrl,
    /// The event types that it subscribes to: at least one, no repeats.
    pub events: Vec<EventType>,
    /// The customer's own secret. If it is missing, the service generates one.
    pub secret: Option<Secret>,
}

impl NewWebhook {
    /// Parses the body of `POST /api/v1/webhooks`. A `null` counts as a missing field.
    pub fn parse(body: &[u8], policy: &Policy) -> Result<Self, Invalid> {
        let expected = "a JSON object with url, events and, if you like, secret_key";
        let mut fields = Fields::parse(body, &["url", "events", "secret_key"], expected)?;
        Ok(Self {
            url: fields::url(&fields.take_required("url")?, policy)?,
            events: fields::events(&fields.take_required("events")?)?,
            secret: fields.take("secret_key").map(fields::secret).transpose()?,
        })
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
            ("", "the body is empty; send a JSON object with url, events and, if you like, secret_key"),
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
        assert_eq!(
            unknown,
            r#"there is no field "sekret"; send a JSON object with url, events and, if you like, secret_key"#
        );
        let repeated =
            refusal(r#"{"url":"https://a.example.com/","url":"https://b.example.com/","events":["job.failed"]}"#);
        assert_eq!(repeated, r#"the field "url" is there twice; send it once"#);
    }

    #[test]
    fn what_is_no_object_is_refused_as_what_it_is() {
        let good = r#"{"url":"https://a.example.com/","events":["job.failed"]}"#;
        let expected = "a JSON object with url, events and, if you like, secret_key";
        let twice = serde_json::to_string(good).unwrap();
        for (body, message) in [
            ("{\"url\":", "the body is not valid JSON: it ends too early, at character 7".to_owned()),
            (
                &good.replace('}', ",}"),
                "the body is not valid JSON: no comma may stand before a ] or a }, at character 57".into(),
            ),
            (
                &format!("\u{feff}{good}"),
                "the body cannot be read: it begins with a byte order mark (U+FEFF): send it as UTF-8 without one"
                    .into(),
            ),
            (&twice, "the body is a string that holds JSON: it was encoded twice; send the object itself".into()),
            ("[]", format!("the body must be {expected}, not an array")),
            (r#"["https://a.example.com/",["job.failed"],null]"#, format!("the body must be {expected}, not an array")),
            ("null", format!("the body must be {expected}, not null")),
            ("7", format!("the body must be {expected}, not a number")),
            ("true", format!("the body must be {expected}, not a boolean")),
            (r#""{""#, format!("the body must be {expected}, not a string")),
        ] {
            assert_eq!(refusal(body), message, "{body}");
        }
        assert_eq!(NewWebhook::parse(b"{\"url\":\"\xff\"}", &Policy::strict()).unwrap_err().0, "the body is not UTF-8");
    }
}
