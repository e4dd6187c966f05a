//! `docs/completion.schema.json` accepts what the service's own parser accepts, except for the differences that are
//! listed here and in `docs/producers.md`.

use std::{fs, iter};

use harness::{Schema, workspace};
use jiff::Timestamp;
use nano_webhooks::event::Completion;
use serde_json::{Value, json};

fn schema() -> Schema {
    Schema::read(&workspace().join("docs/completion.schema.json")).unwrap()
}

/// Why the service refuses a message; `None` if it accepts it.
fn rejection(message: &str) -> Option<String> {
    Completion::parse(message, Timestamp::UNIX_EPOCH).err().map(|rejection| rejection.to_string())
}

/// Asserts that the schema and the service agree on each text, and, if `accepted` is given, that both accept it or
/// both refuse it.
fn agree(texts: &[String], accepted: Option<bool>) {
    for (text, complaint) in texts.iter().zip(schema().complaints(texts).unwrap()) {
        let rejection = rejection(text);
        assert_eq!(complaint.is_none(), rejection.is_none(), "{text}\nschema: {complaint:?}\nservice: {rejection:?}");
        if let Some(accepted) = accepted {
            assert_eq!(rejection.is_none(), accepted, "{text}: {rejection:?}");
        }
    }
}

fn good() -> Value {
    json!({ "account_id": "acct_123", "task_id": "task_xxx", "task_type": "image", "status": "completed",
        "data": { "url": "https://cdn.example.com/image.png" }, "timestamp": "2024-12-23T10:00:00Z" })
}

fn with(field: &str, value: impl Into<Value>) -> Value {
    let mut document = good();
    document[field] = value.into();
    document
}

fn without(field: &str) -> Value {
    let mut document = good();
    document.as_object_mut().unwrap().remove(field);
    document
}

fn event(detail: &Value) -> Value {
    json!({ "version": "0", "id": "1", "detail-type": "TaskCompleted", "source": "jobs", "account": "111122223333",
        "time": "2024-12-23T10:00:01Z", "region": "us-east-1", "resources": [], "detail": detail })
}

#[test]
fn the_schemas_own_examples_are_completions() {
    let text = fs::read_to_string(workspace().join("docs/completion.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let examples = schema["examples"].as_array().unwrap();
    assert_eq!(examples.len(), 2);
    agree(&texts(examples), Some(true));
    for (field, definition) in schema["$defs"]["completion"]["properties"].as_object().unwrap() {
        let examples = definition.get("examples").or(definition.get("enum")).unwrap().as_array().unwrap();
        agree(&texts(&examples.iter().map(|example| with(field, example.clone())).collect::<Vec<_>>()), Some(true));
    }
}

#[test]
fn the_schema_accepts_what_the_service_accepts() {
    let mut accepted = vec![good(), without("data"), without("timestamp"), with("extra", 1), event(&good())];
    accepted.extend(
        ["1970-01-01T00:00:00Z", "9999-12-30T00:00:00Z", "2024-02-29T23:59:59.123456789-23:59", "2026-11-28t06:00:00z"]
            .map(timestamp),
    );
    accepted.extend([Value::Null, json!(1.5), json!([]), json!("é 😀")].map(|data| with("data", data)));
    accepted.extend([64, 1].map(|length| with("account_id", "a".repeat(length))));
    accepted.extend([256, 1].map(|length| with("task_id", "😀".repeat(length))));
    accepted.extend([64, 1].map(|length| with("task_type", "é".repeat(length))));
    // A callback that cannot be called does not stop the event.
    accepted.extend(
        [json!(null), json!("https://a.example.com/hook?job=7"), json!("no URL"), json!("x".repeat(2_048))]
            .map(|url| with("callback_url", url)),
    );
    accepted.extend([with("account_id", "A-z_0.9:"), with("status", "failed"), with("timestamp", Value::Null)]);
    // Each is a completion, although it has a field of an event.
    accepted.extend([with("detail-type", "x"), with("detail", 1)]);
    let mut texts = texts(&accepted);
    texts.push(good().to_string().replace(r#""task_id""#, r#""task_id":"","task_id""#));
    agree(&texts, Some(true));
}

#[test]
fn the_schema_refuses_what_the_service_refuses() {
    let mut refused = vec![json!([]), json!("text"), json!(null), json!({}), event(&json!({})), event(&Value::Null)];
    refused.extend([event(&json!("text")), event(&event(&good()))]);
    for field in ["account_id", "task_id", "task_type", "status"] {
        refused.push(without(field));
        refused.push(event(&without(field)));
        refused.extend(
            [json!(null), json!(7), json!(""), json!([]), json!({}), json!(true)].map(|value| with(field, value)),
        );
    }
    refused.extend(
        [json!(""), json!(7), json!(false), json!([]), json!({}), json!("x".repeat(2_049))]
            .map(|url| with("callback_url", url)),
    );
    refused.extend([
        with("account_id", "a".repeat(65)),
        with("task_id", "😀".repeat(257)),
        with("task_type", "é".repeat(65)),
    ]);
    refused.extend(["a b", "acct/1", "acct#1", "é", "acct_1\n", "acct_1\u{0}", "٣"].map(|id| with("account_id", id)));
    refused.extend(["done", "Completed", "completed\n", "completed "].map(|status| with("status", status)));
    refused.extend(
        [json!(0), json!(true), json!({}), json!(["2024-12-23T10:00:00Z"])].map(|time| with("timestamp", time)),
    );
    refused.extend(
        [
            "",
            "2024-12-23",
            "2024-12-23T10:00:00",
            "2024-12-23 10:00:00Z",
            "20241223T100000Z",
            "2024-12-23T10:00:00+01:00[Europe/Berlin]",
            "2024-12-23T10:00:00,5Z",
            "2024-12-23T10:00:00.Z",
            "2024-12-23T10:00:00.0123456789Z",
            "2024-12-23T10:00:00+01:00:30",
            "2024-12-23T10:00:00+01",
            "2024-13-23T10:00:00Z",
            "2024-00-23T10:00:00Z",
            "2024-12-32T10:00:00Z",
            "2024-12-00T10:00:00Z",
            "2024-12-23T24:00:00Z",
            "2024-12-23T10:60:00Z",
            "2024-12-23T10:00:61Z",
            "2024-12-23T10:00:00+01:60",
            "1969-12-31T23:59:59Z",
            "0000-01-01T00:00:00Z",
            "1734949200",
            "2024-12-23T10:00:00Z\n",
            "٢٠٢٤-12-23T10:00:00Z",
        ]
        .map(timestamp),
    );
    let mut texts = texts(&refused);
    texts.extend(["", "no JSON", "{", "NaN", "{} {}"].map(str::to_owned));
    texts.push(good().to_string().replace("{\"url\":\"https://cdn.example.com/image.png\"}", "NaN"));
    agree(&texts, Some(false));
}

/// If you change one of these, also change `docs/producers.md`, which lists them.
#[test]
fn the_differences_between_schema_and_service_are_these_and_no_others() {
    let data = |json: &str| good().to_string().replace("{\"url\":\"https://cdn.example.com/image.png\"}", json);
    let deep = format!("{}{}", "[".repeat(130), "]".repeat(130));
    let differences = [
        ("a body of more than 256 KiB", with("data", "x".repeat(256 * 1024)).to_string(), true),
        ("a number that fits no double", data("1e400"), true),
        ("half a surrogate pair", data(r#""\ud800""#), true),
        ("more than 127 levels", data(&deep), true),
        (
            "a callback_url of 2,048 characters and more bytes",
            with("callback_url", "é".repeat(2_048)).to_string(),
            true,
        ),
        ("a day that the month does not have", timestamp("2024-02-30T10:00:00Z").to_string(), true),
        ("before 1970 in UTC", timestamp("1970-01-01T00:00:00+01:00").to_string(), true),
        ("after the last time that can be written", timestamp("9999-12-31T23:59:59Z").to_string(), true),
        ("since 1970 in UTC, and written as 1969", timestamp("1969-12-31T23:30:00-01:00").to_string(), false),
        ("a leap second", timestamp("2016-12-31T23:59:60Z").to_string(), false),
        ("an offset of a day", timestamp("2024-12-23T10:00:00+24:00").to_string(), false),
    ];
    let texts: Vec<String> = differences.iter().map(|(_, text, _)| text.clone()).collect();
    for ((name, text, schema_accepts), complaint) in differences.iter().zip(schema().complaints(&texts).unwrap()) {
        assert_eq!(complaint.is_none(), *schema_accepts, "{name}: the schema says {complaint:?}");
        assert_eq!(rejection(text).is_none(), !schema_accepts, "{name}: the service says {:?}", rejection(text));
    }
}

#[test]
fn schema_and_service_agree_on_documents_put_together_at_random() {
    let mut random = fastrand::Rng::with_seed(6);
    let texts: Vec<String> = iter::repeat_with(|| random_document(&mut random).to_string()).take(6_000).collect();
    let accepted = texts.iter().filter(|text| rejection(text).is_none()).count();
    assert!((1_000..5_000).contains(&accepted), "{accepted} of 6000 are completions: too one-sided to say much");
    agree(&texts, None);
}

/// A mostly valid document; sometimes a field has a fault.
fn random_document(random: &mut fastrand::Rng) -> Value {
    let mut document = good();
    let fields =
        ["account_id", "task_id", "task_type", "status", "data", "timestamp", "callback_url", "detail", "detail-type"];
    for field in fields {
        match random.u8(..12) {
            0 => drop(document.as_object_mut().unwrap().remove(field)),
            1 => document[field] = random_value(random),
            2..5 if field == "timestamp" => document[field] = random_time(random).into(),
            2 if !field.starts_with("detail") => {
                let length = [0, 1, 63, 64, 65, 255, 256, 257][random.usize(..8)];
                document[field] = ["a", "é", "😀", "_"][random.usize(..4)].repeat(length).into();
            }
            _ => {}
        }
    }
    if random.u8(..4) == 0 { event(&document) } else { document }
}

fn random_value(random: &mut fastrand::Rng) -> Value {
    let values =
        [json!(null), json!(0), json!("completed"), json!("failed"), json!([]), json!({}), json!(false), json!("\n")];
    values[random.usize(..values.len())].clone()
}

/// A time with valid or nearly valid parts. It leaves out days that only some months have, and the first and last
/// years: there the schema and the service differ.
fn random_time(random: &mut fastrand::Rng) -> String {
    let mut part = |right: &[&'static str], wrong: &[&'static str]| {
        let from = if random.u8(..12) == 0 { wrong } else { right };
        from[random.usize(..from.len())]
    };
    [
        part(&["1971", "2000", "2024", "9998"], &["1968", "0000", "-001", "20244", "é"]),
        part(&["-"], &["/", ""]),
        part(&["01", "02", "10", "12"], &["00", "13", "1", "٠١"]),
        part(&["-"], &["", "--"]),
        part(&["01", "09", "28"], &["00", "32", "1", "99"]),
        part(&["T", "t"], &["_", " ", ""]),
        part(&["00", "09", "19", "23"], &["24", "29", "1"]),
        part(&[":"], &["", "."]),
        part(&["00", "59"], &["60", "99", "5"]),
        part(&[":"], &["", "-"]),
        part(&["00", "59"], &["61", "99", "5"]),
        part(&["", ".1", ".123456789"], &[".", ",5", ".1234567890", "1"]),
        part(
            &["Z", "z", "+00:00", "-00:00", "+23:59", "-09:30"],
            &["", "+0100", "+01", "+01:60", "+99:00", "Z\n", "[UTC]"],
        ),
    ]
    .concat()
}

fn timestamp(text: &str) -> Value {
    with("timestamp", text)
}

fn texts(documents: &[Value]) -> Vec<String> {
    documents.iter().map(Value::to_string).collect()
}
