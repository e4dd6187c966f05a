//! A request to register a webhook.

use super::{OptionalFields, Secret, StaticHeaders, Subscription, fields};
use crate::{
    egress::{Policy, TargetUrl},
    request::{Fields, Invalid},
};

/// A valid request to register a webhook.
#[derive(Debug)]
pub struct NewWebhook {
    /// The URL of the endpoint.
    pub url: TargetUrl,
    /// The event types that it subscribes to.
    pub events: Subscription,
    /// The customer's own secret. If it is missing, the service generates one.
    pub secret: Option<Secret>,
    /// The other fields that the request may leave out.
    pub optional: OptionalFields,
}

const NAMES: [&str; 9] = [
    "url",
    "events",
    "secret_key",
    "callback_hosts",
    "description",
    "headers",
    "max_per_minute",
    "metadata",
    "task_types",
];
const EXPECTED: &str = "a JSON object with url, events and, optionally, secret_key, callback_hosts, description, \
                        headers, max_per_minute, metadata and task_types";

impl NewWebhook {
    /// Parses the body of `POST /api/v1/webhooks`. A `null` counts as a missing field.
    pub fn parse(body: &[u8], policy: &Policy) -> Result<Self, Invalid> {
        let mut fields = Fields::parse(body, &NAMES, EXPECTED)?;
        Ok(Self {
            url: fields::url(&fields.take_required("url")?, policy)?,
            events: fields::events(&fields.take_required("events")?)?,
            secret: fields.take("secret_key").map(fields::secret).transpose()?,
            optional: OptionalFields {
                callback_hosts: fields.take("callback_hosts").map(|it| fields::callback_hosts(&it)).transpose()?,
                description: fields.take("description").map(|it| fields::description(&it)).transpose()?,
                headers: fields.take("headers").map(|it| StaticHeaders::parse(&it)).transpose()?,
                max_per_minute: fields.take("max_per_minute").map(|it| fields::max_per_minute(&it)).transpose()?,
                metadata: fields.take("metadata").map(|it| fields::metadata(&it)).transpose()?,
                task_types: fields.take("task_types").map(|it| fields::task_types(&it)).transpose()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::names::EventType;

    fn refusal(body: &str) -> String {
        NewWebhook::parse(body.as_bytes(), &Policy::strict()).expect_err("is refused").to_string()
    }

    #[test]
    fn a_request_as_on_the_page_is_taken_in_its_order() {
        let body = br#"{"url":"https://your-server.com/webhook","events":["job.failed","job.completed"],"secret_key":"your-secret-key"}"#;
        let new = NewWebhook::parse(body, &Policy::strict()).unwrap();
        assert_eq!(new.url.as_str(), "https://your-server.com/webhook");
        assert_eq!(new.events, vec![EventType::JobFailed, EventType::JobCompleted].into());
        assert_eq!(new.secret.unwrap().reveal(), "your-secret-key");
    }

    #[test]
    fn a_null_secret_counts_as_none() {
        let body = br#"{"url":"https://a.example.com/","events":["job.failed"],"secret_key":null}"#;
        assert!(NewWebhook::parse(body, &Policy::strict()).unwrap().secret.is_none());
    }

    #[test]
    fn up_to_20_callback_hosts_are_taken() {
        let with = |count: usize| {
            let hosts: Vec<_> = (0..count).map(|number| format!("\"{number}.example.com\"")).collect();
            format!(
                r#"{{"url":"https://a.example.com/","events":["job.failed"],"callback_hosts":[{}]}}"#,
                hosts.join(",")
            )
        };
        let new = NewWebhook::parse(with(20).as_bytes(), &Policy::strict()).unwrap();
        assert_eq!(new.optional.callback_hosts.unwrap().len(), 20);
        assert_eq!(refusal(&with(21)), "callback_hosts has 21 entries; the limit is 20");
    }

    #[test]
    fn each_refusal_names_the_field_and_the_fix() {
        let cases = [
            (
                "",
                "the body is empty; send a JSON object with url, events and, optionally, secret_key, callback_hosts, description, headers, max_per_minute, metadata and task_types",
            ),
            (r#"{"events":["job.failed"]}"#, "url is required"),
            (r#"{"url":5,"events":["job.failed"]}"#, "url must be a string, not a number"),
            (r#"{"url":"https://a.example.com/"}"#, "events is required"),
            (
                r#"{"url":"https://a.example.com/","events":"job.failed"}"#,
                "events must be an array of event names (job.completed, job.failed), not a string",
            ),
            (
                r#"{"url":"https://a.example.com/","events":[]}"#,
                r#"events must not be empty; choose from job.completed, job.failed, or send ["*"] for all"#,
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
    fn each_refusal_of_callback_hosts_names_the_entry_and_the_fix() {
        let cases = [
            (r#""*""#, "callback_hosts must be an array of host names, not a string"),
            (r#"["*","10.0.0.1"]"#, r#"callback_hosts[1] is "10.0.0.1"; it is an IP address; name a host instead"#),
            (
                r#"["a.example.com:443"]"#,
                r#"callback_hosts[0] is "a.example.com:443"; expected a host name without scheme, port and path ("jobs.example.com"), "*.example.com" for the names below it, or "*" for every host"#,
            ),
            (r#"["a..com"]"#, r#"callback_hosts[0] is "a..com"; it is not a valid host name: it has an empty label"#),
            (r#"["*.MÜNCHEN.de"]"#, r#"callback_hosts[0] is "*.MÜNCHEN.de"; write it as "*.xn--mnchen-3ya.de""#),
            (r#"["a.com","A.com."]"#, r#"callback_hosts[1] repeats "a.com"; name each host once"#),
        ];
        for (hosts, message) in cases {
            let body =
                format!(r#"{{"url":"https://a.example.com/","events":["job.failed"],"callback_hosts":{hosts}}}"#);
            assert_eq!(refusal(&body), message, "for {hosts}");
        }
    }

    /// The refusal of a request with one more field.
    fn refusal_of(field: &str, value: &serde_json::Value) -> String {
        let body = json!({ "url": "https://a.example.com/", "events": ["job.failed"], field: value });
        let refused = NewWebhook::parse(body.to_string().as_bytes(), &Policy::strict()).expect_err(field);
        assert_eq!(refused.field_name(), Some(field));
        refused.to_string()
    }

    #[test]
    fn a_star_stands_for_all_events_and_stands_alone() {
        let body = br#"{"url":"https://a.example.com/","events":["*"]}"#;
        assert_eq!(NewWebhook::parse(body, &Policy::strict()).unwrap().events, Subscription::All);
        let alone = "which means all events: send [\"*\"] alone, or name the events";
        for (events, at) in [(json!(["*", "job.failed"]), 0), (json!(["job.failed", "*"]), 1), (json!(["*", "*"]), 0)] {
            assert_eq!(refusal_of("events", &events), format!("events[{at}] is \"*\", {alone}"));
        }
    }

    #[test]
    fn the_largest_description_metadata_and_task_types_are_taken_and_no_larger_ones() {
        let fits = |field: &str, value: &serde_json::Value| {
            let body = json!({ "url": "https://a.example.com/", "events": ["job.failed"], field: value });
            assert!(NewWebhook::parse(body.to_string().as_bytes(), &Policy::strict()).is_ok(), "{field}");
        };
        fits("description", &json!("é".repeat(256)));
        let refused = refusal_of("description", &json!("é".repeat(257)));
        assert_eq!(refused, "description has 257 characters; the limit is 256");

        // 8 bytes are the braces, the quotes, the name and the colon.
        fits("metadata", &json!({ "k": "x".repeat(4_088) }));
        fits("metadata", &json!({}));
        let refused = refusal_of("metadata", &json!({ "k": "x".repeat(4_089) }));
        assert_eq!(refused, "metadata is 4097 bytes of JSON; the limit is 4096");

        let types = |count: usize| (0..count).map(|number| json!(format!("{number:064}"))).collect();
        fits("task_types", &types(50));
        assert_eq!(refusal_of("task_types", &types(51)), "task_types has 51 entries; the limit is 50");
    }

    #[test]
    fn each_refusal_of_an_optional_field_names_the_entry_and_the_fix() {
        for (field, value, message) in [
            ("description", json!(7), "description must be a string, not a number"),
            ("metadata", json!(["a"]), "metadata must be an object with strings as values, not an array"),
            ("metadata", json!({ "a": { "b": "c" } }), r#"metadata["a"] is an object; expected a string"#),
            ("metadata", json!({ "": "x" }), "metadata has a member without a name; give each value a name"),
            ("task_types", json!("image"), "task_types must be an array of task types, not a string"),
            ("task_types", json!([]), "task_types must not be empty; for all task types send null, or leave it out"),
            ("task_types", json!(["image", ""]), r#"task_types[1] is ""; expected a string of 1 to 64 characters"#),
            ("task_types", json!(["a", "a"]), r#"task_types[1] repeats "a"; name each task type once"#),
        ] {
            assert_eq!(refusal_of(field, &value), message);
        }
    }

    #[test]
    fn an_error_about_one_field_names_it_and_one_about_the_body_names_none() {
        let field = |body: &str| {
            let refused = NewWebhook::parse(body.as_bytes(), &Policy::strict()).expect_err(body);
            refused.field_name().map(str::to_owned)
        };
        let url = r#""url":"https://a.example.com/""#;
        for (body, name) in [
            (r#"{"events":["job.failed"]}"#.to_owned(), Some("url")),
            (r#"{"url":"https://10.0.0.1/","events":["job.failed"]}"#.into(), Some("url")),
            (format!(r"{{{url}}}"), Some("events")),
            (format!(r#"{{{url},"events":["job.done"]}}"#), Some("events")),
            (format!(r#"{{{url},"events":["job.failed"],"secret_key":"short"}}"#), Some("secret_key")),
            (format!(r#"{{{url},"events":["job.failed"],"callback_hosts":["a..b"]}}"#), Some("callback_hosts")),
            (format!(r#"{{{url},"{}":1}}"#, "x".repeat(100)), Some(&*"x".repeat(64))),
            (String::new(), None),
            ("[]".into(), None),
            ("{".into(), None),
        ] {
            assert_eq!(field(&body).as_deref(), name, "{body}");
        }
    }

    #[test]
    fn unknown_and_repeated_fields_are_refused_by_name() {
        let unknown = refusal(r#"{"url":"https://a.example.com/","events":["job.failed"],"sekret":"x"}"#);
        assert_eq!(
            unknown,
            r#"there is no field "sekret"; send a JSON object with url, events and, optionally, secret_key, callback_hosts, description, headers, max_per_minute, metadata and task_types"#
        );
        let repeated =
            refusal(r#"{"url":"https://a.example.com/","url":"https://b.example.com/","events":["job.failed"]}"#);
        assert_eq!(repeated, r#"the field "url" is there twice; send it once"#);
        let within = |field: &str| {
            refusal(&format!(
                r#"{{"url":"https://a.example.com/","events":["job.failed"],"{field}":{{"a":"1","b":"2","a":"1"}}}}"#
            ))
        };
        assert_eq!(within("metadata"), r#"metadata has the member "a" twice; send it once"#);
        assert_eq!(within("headers"), r#"headers has the member "a" twice; send it once"#);
    }

    #[test]
    fn what_is_no_object_is_refused_as_what_it_is() {
        let good = r#"{"url":"https://a.example.com/","events":["job.failed"]}"#;
        let expected = "a JSON object with url, events and, optionally, secret_key, callback_hosts, description, headers, max_per_minute, metadata and task_types";
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
        let no_utf_8 = NewWebhook::parse(b"{\"url\":\"\xff\"}", &Policy::strict()).unwrap_err();
        assert_eq!(no_utf_8.to_string(), "the body is not UTF-8");
    }
}
