//! The message that a client gets for a wrong request or completion: for every wrong JSON type in every field, it is
//! a sentence that names the field, without words of a parser or of Rust.

use jiff::Timestamp;
use nano_webhooks::{
    egress::Policy,
    event::Completion,
    webhook::{NewWebhook, Rotation, SampleRequest, WebhookChange},
};
use serde_json::{Value, json};

/// Words of `serde` and of Rust, which mean nothing to the writer of the JSON.
const FOREIGN: &[&str] = &[
    "struct",
    "line ",
    "column",
    "expected value",
    "expected ident",
    "invalid type",
    "invalid value",
    "EOF",
    "missing field",
    "unknown field",
    "duplicate field",
    "enum",
    "variant",
    "sequence",
    "map,",
    "tuple",
    "Option",
    "trailing",
    "u64",
    "i64",
    "f64",
    "usize",
    "Some(",
    "Value",
    "deserializ",
    "utf-8 sequence",
    "`",
];

/// A kind of request body, or a completion: how it is parsed, and a valid one with every field.
struct Kind {
    name: &'static str,
    parse: fn(&[u8]) -> Result<(), String>,
    right: Value,
    required: &'static [&'static str],
}

fn kinds() -> Vec<Kind> {
    fn refusal<T>(result: Result<T, impl ToString>) -> Result<(), String> {
        result.map(drop).map_err(|err| err.to_string())
    }
    let (url, events, secret) = ("https://a.example.com/", json!(["job.completed"]), "your-secret-key");
    vec![
        Kind {
            name: "POST /api/v1/webhooks",
            parse: |body| refusal(NewWebhook::parse(body, &Policy::strict())),
            right: json!({ "url": url, "events": events, "secret_key": secret, "callback_hosts": ["*.example.com"],
                "description": "d", "headers": { "X-Api-Key": "k" }, "max_per_minute": 60, "metadata": { "k": "v" },
                "task_types": ["image"] }),
            required: &["url", "events"],
        },
        Kind {
            name: "PATCH /api/v1/webhooks/{id}",
            parse: |body| refusal(WebhookChange::parse(body, &Policy::strict())),
            right: json!({ "url": url, "events": events, "status": "active", "callback_hosts": ["*.example.com"],
                "description": "d", "headers": { "X-Api-Key": "k" }, "max_per_minute": 60, "metadata": { "k": "v" },
                "task_types": ["image"] }),
            required: &[],
        },
        Kind {
            name: "POST /api/v1/webhooks/{id}/rotate-secret",
            parse: |body| refusal(Rotation::parse(body)),
            right: json!({ "secret_key": secret, "overlap_seconds": 60, "switch_after_seconds": 30 }),
            required: &[],
        },
        // The same route's other request.
        Kind {
            name: "POST /api/v1/webhooks/{id}/rotate-secret",
            parse: |body| refusal(Rotation::parse(body)),
            right: json!({ "switch": "now" }),
            required: &[],
        },
        Kind {
            name: "POST /api/v1/webhooks/{id}/test",
            parse: |body| refusal(SampleRequest::parse(body)),
            right: json!({ "event": "job.failed" }),
            required: &[],
        },
        Kind {
            name: "a completion",
            parse: |body| refusal(Completion::parse(str::from_utf8(body).expect("is text"), Timestamp::UNIX_EPOCH)),
            right: json!({ "account_id": "acct_1", "task_id": "t", "task_type": "image", "status": "completed",
                "timestamp": "2024-12-23T10:00:00Z", "callback_url": "https://a.example.com/" }),
            required: &["account_id", "task_id", "task_type", "status"],
        },
        Kind {
            name: "an EventBridge event",
            parse: |body| refusal(Completion::parse(str::from_utf8(body).expect("is text"), Timestamp::UNIX_EPOCH)),
            right: json!({ "detail-type": "TaskCompleted", "detail": { "account_id": "acct_1", "task_id": "t",
                "task_type": "image", "status": "completed" } }),
            required: &[],
        },
    ]
}

fn values() -> Vec<Value> {
    let nested = |depth| (0..depth).fold(json!({}), |inner, _| json!({ "a": [inner] }));
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(7),
        json!(1.5),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("\u{0}"),
        json!("é"),
        json!("x".repeat(5_000)),
        json!([]),
        json!([null]),
        json!([7]),
        json!([[]]),
        json!([{}]),
        json!(["job.completed", 7]),
        json!({}),
        json!({ "a": 1 }),
        json!(nested(20)),
        json!("{\"a\":1}"),
    ]
}

fn assert_plain(what: &str, sentence: &str) {
    for word in FOREIGN {
        assert!(!sentence.contains(word), "{what} is refused with {word:?}: {sentence}");
    }
    assert!(sentence.len() < 500, "{what} is refused at length: {sentence}");
}

#[test]
fn every_wrong_type_in_every_field_is_refused_in_plain_words_that_name_the_field() {
    for kind in kinds() {
        assert_eq!((kind.parse)(kind.right.to_string().as_bytes()), Ok(()), "{}", kind.name);
        for field in kind.right.as_object().unwrap().keys() {
            let mut refused = 0;
            for value in values() {
                let mut body = kind.right.clone();
                body[field] = value.clone();
                let Err(sentence) = (kind.parse)(body.to_string().as_bytes()) else { continue };
                let what = format!("{}: {field} = {value}", kind.name);
                assert_plain(&what, &sentence);
                // An event without its detail is read as a completion, and its first field is then missing.
                assert!(sentence.contains(field.as_str()) || kind.name.contains("EventBridge"), "{what}: {sentence}");
                refused += 1;
            }
            assert!(refused >= 10 || field == "detail-type", "{}: of {field} only {refused} are refused", kind.name);
        }
        for field in kind.required {
            let mut body = kind.right.clone();
            body.as_object_mut().unwrap().remove(*field);
            let sentence = (kind.parse)(body.to_string().as_bytes()).unwrap_err();
            assert_plain(kind.name, &sentence);
            assert!(sentence.contains(field), "{}: without {field}: {sentence}", kind.name);
        }
    }
}

#[test]
fn what_is_no_right_body_at_all_is_refused_in_plain_words() {
    for kind in kinds() {
        let right = kind.right.to_string();
        let mut bodies: Vec<String> =
            values().iter().filter(|value| !value.is_object()).map(Value::to_string).collect();
        bodies.extend((1..right.len()).map(|end| right[..end].to_owned()));
        bodies.extend((0..right.len()).map(|at| format!("{}\\{}", &right[..at], &right[at..])));
        bodies.extend((0..right.len()).map(|at| format!("{}\n\u{1},{}", &right[..at], &right[at..])));
        bodies.extend([
            format!("\u{feff}{right}"),
            json!(right).to_string(),
            format!("{right}{right}"),
            right.replace('"', "'"),
        ]);
        bodies.extend(["[".repeat(500), "{\"a\":".repeat(500), "\"\\ud800\"".into(), "1e999".into(), "nul".into()]);
        for body in bodies {
            let Err(sentence) = (kind.parse)(body.as_bytes()) else { continue };
            assert_plain(&format!("{}: {body}", kind.name), &sentence);
        }
    }
}

/// A field that is added to a request must be added above.
#[test]
fn the_fields_above_are_those_that_each_request_names() {
    let kinds = kinds();
    for kind in kinds.iter().filter(|kind| kind.name.contains(" /api/")) {
        let sentence = (kind.parse)(br#"{"no such field":1}"#).unwrap_err();
        assert_plain(kind.name, &sentence);
        let (_, listed) = sentence.split_once("JSON object with").expect(&sentence);
        let is_field = |word: &&str| !["one", "or", "more", "of", "and", "optionally", ""].contains(word);
        let mut listed: Vec<&str> = listed.split([' ', ',']).filter(is_field).collect();
        listed.sort_unstable();
        let of_this_route = kinds.iter().filter(|other| other.name == kind.name);
        let mut fields: Vec<&String> = of_this_route.flat_map(|kind| kind.right.as_object().unwrap().keys()).collect();
        fields.sort_unstable();
        assert_eq!(listed, fields, "{}", kind.name);
    }
}
