//! The sample events: each function has one, of the kind that its trigger sends.

use std::{fs, path::Path};

use lambda_http::RequestExt as _;
use nano_webhooks::{api_key::KeysRequest, queue::SqsEvent, store::Changes};

#[test]
fn every_function_has_a_sample_event_of_its_trigger() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let entries = |folder: &str| fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
    let names = entries("functions").chain(entries("functions/api/src/bin"));
    let names = names.map(|name| name.into_string().unwrap().trim_end_matches(".rs").to_owned());
    let names: Vec<_> = names.filter(|name| name != "api").collect();
    assert!(names.contains(&"create-webhook".to_owned()), "{names:?}");
    for name in names {
        let text = fs::read_to_string(root.join(format!("events/{name}.json")));
        let text = text.unwrap_or_else(|err| panic!("events/{name}.json: {err}"));
        if text.contains("aws:sqs") {
            assert!(!serde_json::from_str::<SqsEvent>(&text).unwrap().records.is_empty(), "{name}");
        } else if text.contains("aws:dynamodb") {
            assert!(!serde_json::from_str::<Changes>(&text).unwrap().counts().0.is_empty(), "{name}");
        } else if text.contains("aws.events") {
            let event: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(event["detail-type"], "Scheduled Event", "{name}");
        } else if text.contains(r#""action""#) {
            KeysRequest::parse(text.as_bytes(), jiff::Timestamp::now()).unwrap();
        } else {
            let request = lambda_http::request::from_str(&text).unwrap();
            let needs_key = request.raw_http_path().starts_with("/api/v1/");
            assert_eq!(request.headers().contains_key("authorization"), needs_key, "{name}");
        }
    }
}
