use super::*;

const BARE: &str = r#"{"account_id": "acct_123", "task_id": "task_xxx", "task_type": "image", "status": "completed",
    "data": {"url": "https://cdn.example.com/image.png", "credits_charged": 6.0},
    "timestamp": "2024-12-23T10:00:00Z"}"#;

fn sent_at() -> Timestamp {
    "2026-01-02T03:04:05.678Z".parse().unwrap()
}

fn parse(message: &str) -> Result<Completion, Rejection> {
    Completion::parse(message, sent_at())
}

fn reason(message: &str) -> String {
    parse(message).expect_err("is rejected").to_string()
}

#[test]
fn the_body_is_the_pages_example_in_its_order_and_canonical() {
    assert_eq!(
        parse(BARE).unwrap().body,
        r#"{"event":"job.completed","task_id":"task_xxx","task_type":"image","status":"completed","data":{"url":"https://cdn.example.com/image.png","credits_charged":6},"timestamp":"2024-12-23T10:00:00Z"}"#
    );
}

#[test]
fn an_eventbridge_event_carries_the_completion_as_its_detail() {
    let wrapped = format!(
        r#"{{"version":"0","id":"1","detail-type":"TaskCompleted","source":"jobs","time":"2020-01-01T00:00:00Z","detail":{BARE}}}"#
    );
    assert_eq!(parse(&wrapped).unwrap().body, parse(BARE).unwrap().body);
}

#[test]
fn a_sample_is_a_task_of_its_own_for_each_number() {
    let account = AccountId::parse("org:team-1.eu").unwrap();
    for event in EventType::ALL {
        let sample = Completion::sample(&account, event, 1, sent_at());
        assert_eq!((&sample.account_id, sample.event), (&account, event));
        assert!(sample.body.contains(r#""timestamp":"2026-01-02T03:04:05Z""#), "{}", sample.body);
        assert_eq!(sample.task_id, "test_0000000000000001");
        let event_id = |number| Completion::sample(&account, event, number, sent_at()).event_id();
        assert_eq!((event_id(1), event_id(2) == sample.event_id()), (sample.event_id(), false));
    }
}

#[test]
fn a_failed_task_is_the_other_event() {
    let completion = parse(&BARE.replace("\"completed\"", "\"failed\"")).unwrap();
    assert_eq!(completion.event, EventType::JobFailed);
    assert!(completion.body.starts_with(r#"{"event":"job.failed","#));
    assert!(completion.body.contains(r#""status":"failed""#));
}

#[test]
fn missing_data_is_null_and_a_missing_timestamp_is_when_the_message_was_sent() {
    let completion =
        parse(r#"{"account_id":"a","task_id":"t","task_type":"image","status":"failed","extra":1}"#).unwrap();
    assert!(completion.body.ends_with(r#""data":null,"timestamp":"2026-01-02T03:04:05.678Z"}"#));
    assert_eq!(completion.ended_at, sent_at());
}

#[test]
fn each_rejection_names_the_field_and_what_would_be_right() {
    let cases = [
        ("status", r#""done""#, r#"status is "done"; expected "completed" or "failed""#),
        (
            "account_id",
            r#""a b""#,
            r#"account_id is "a b"; expected a string of 1 to 64 of the characters A-Z a-z 0-9 _ - . :"#,
        ),
        ("task_id", "7", "task_id is the number 7; expected a string of 1 to 256 characters"),
        ("task_type", r#""""#, r#"task_type is ""; expected a string of 1 to 64 characters"#),
        ("task_id", "null", "task_id is missing"),
        (
            "callback_url",
            "7",
            "callback_url is the number 7; expected a URL of 1 to 2,048 bytes; without one, leave the field out",
        ),
        (
            "callback_url",
            r#""""#,
            r#"callback_url is ""; expected a URL of 1 to 2,048 bytes; without one, leave the field out"#,
        ),
    ];
    for (field, value, message) in cases {
        let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(BARE).unwrap();
        fields.insert(field.into(), serde_json::from_str(value).unwrap());
        assert_eq!(reason(&serde_json::Value::Object(fields).to_string()), message);
    }
    assert_eq!(reason("[]"), "the message is an array; expected a JSON object, one completion in each message");
    assert_eq!(reason(r#"{"detail-type":"x","detail":"y"}"#), r#"detail is "y"; expected an object: the completion"#);
    assert!(reason("not json").starts_with("the message cannot be passed on as JSON: "));
}

fn with_callback(value: &serde_json::Value) -> String {
    BARE.replacen('{', &format!(r#"{{"callback_url":{value},"#), 1)
}

#[test]
fn a_callback_url_is_taken_as_it_is_and_is_in_neither_the_body_nor_the_id() {
    let plain = parse(BARE).unwrap();
    assert_eq!(plain.callback_url, None);
    for url in ["https://a.example.com/hook?job=7", "no URL", "https://10.0.0.1/", " ", "é"] {
        let completion = parse(&with_callback(&url.into())).unwrap();
        assert_eq!(completion.callback_url.as_deref(), Some(url));
        assert_eq!((&completion.body, completion.event_id()), (&plain.body, plain.event_id()));
    }
    assert_eq!(parse(&with_callback(&serde_json::Value::Null)).unwrap().callback_url, None);
}

#[test]
fn a_callback_url_has_at_most_2048_bytes() {
    let with = |count| parse(&with_callback(&"é".repeat(count).into()));
    assert!(with(1_024).is_ok());
    assert!(matches!(with(1_025), Err(Rejection::Field { field: "callback_url", .. })));
}

#[test]
fn only_rfc_3339_from_1970_on_is_a_timestamp() {
    let with = |timestamp: &str| parse(&BARE.replace("2024-12-23T10:00:00Z", timestamp));
    for good in ["2024-12-23T10:00:00.123456789Z", "2024-12-23T11:00:00+01:00", "1970-01-01T00:00:00Z"] {
        assert!(with(good).unwrap().body.contains(good), "{good} is passed on as it is");
    }
    for bad in [
        "",
        "2024-12-23",
        "2024-12-23T10:00:00",
        "2024-12-23 10:00:00Z",
        "20241223T100000Z",
        "2024-12-23T10:00:00+01:00[Europe/Berlin]",
        "2024-12-23T10:00:00,5Z",
        "2024-12-23T10:00:00.Z",
        "2024-12-23T10:00:00+01:00:30",
        "2024-12-23T10:00:00+01",
        "2024-13-23T10:00:00Z",
        "1969-12-31T23:59:59Z",
        "1734949200",
    ] {
        assert!(with(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_time_with_small_letters_is_rfc_3339_and_goes_out_with_capital_ones() {
    let completion = parse(&BARE.replace("2024-12-23T10:00:00Z", "2026-11-28t06:00:00.5z")).unwrap();
    assert!(completion.body.contains(r#""timestamp":"2026-11-28T06:00:00.5Z""#), "{}", completion.body);
    assert_eq!(completion.ended_at, "2026-11-28T06:00:00.5Z".parse().unwrap());
}

#[test]
fn a_body_is_at_most_256_kib() {
    let of = |size: usize| parse(&BARE.replace("6.0", &format!("\"{}\"", "x".repeat(size))));
    let overhead = of(0).unwrap().body.len();
    assert_eq!(of(MAX_BODY_BYTES - overhead).unwrap().body.len(), MAX_BODY_BYTES);
    assert_eq!(of(MAX_BODY_BYTES - overhead + 1).unwrap_err(), Rejection::TooLarge(MAX_BODY_BYTES + 1));
}

fn completion(task: &str, status: &str, timestamp: &str) -> Completion {
    parse(&format!(
        r#"{{"account_id":"acct_1","task_id":"{task}","task_type":"image","status":"{status}","timestamp":"{timestamp}"}}"#
    ))
    .unwrap()
}

#[test]
fn a_repeated_completion_has_the_same_id_however_its_time_is_written() {
    let id = |timestamp| completion("t", "completed", timestamp).event_id();
    assert_eq!(id("2026-01-02T03:04:05Z"), id("2026-01-02T04:04:05.000+01:00"));
}

/// The expected id was recorded when the format was fixed. [`Completion::event_id`] says what a change would break.
#[test]
fn an_id_stays_what_it_is_across_versions() {
    assert_eq!(completion("t", "completed", "2026-01-02T03:04:05Z").event_id().as_str(), "01KDYAK348C7XE7CHGDSP5FA89");
}

#[test]
fn account_task_event_and_time_each_make_another_id() {
    let id = |task, status, time| completion(task, status, time).event_id();
    let base = id("t", "completed", "2026-01-02T03:04:05Z");
    assert_ne!(base, id("u", "completed", "2026-01-02T03:04:05Z"));
    assert_ne!(base, id("t", "failed", "2026-01-02T03:04:05Z"));
    assert_ne!(base, id("t", "completed", "2026-01-02T03:04:05.000001Z"));
    let mut other = completion("t", "completed", "2026-01-02T03:04:05Z");
    other.account_id = AccountId::parse("acct_2").unwrap();
    assert_ne!(base, other.event_id());
}

#[test]
fn ids_sort_by_the_time_the_task_ended() {
    let id = |timestamp| completion("t", "completed", timestamp).event_id();
    assert!(id("2026-01-02T03:04:05.001Z") < id("2026-01-02T03:04:05.002Z"));
}

#[test]
fn all_events_of_a_task_are_in_its_shard() {
    for task in ["t", "u", "task#1"] {
        for (status, time) in [("completed", "2026-01-02T03:04:05Z"), ("failed", "2026-03-02T03:04:05Z")] {
            let completion = completion(task, status, time);
            let shard = crate::names::shard_of_task(&completion.account_id, task, 8);
            assert_eq!(completion.event_id().shard(8), shard, "{task}");
        }
    }
}
