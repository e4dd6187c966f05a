//! Finds the completion in a message: bare, or as the detail of an EventBridge event. Any other wrapping is refused
//! by name.

use jiff::Timestamp;

use super::{Rejection, rfc_3339, shortened};
use crate::canonical_json::{self, Object, Value};

/// Where in a message the completion is.
pub(super) struct Found<'a> {
    /// The completion's members.
    pub(super) fields: &'a Object,
    /// The EventBridge event's `time`, as text and as an instant.
    pub(super) time: Option<(String, Timestamp)>,
    /// Whether the completion is in an EventBridge event.
    pub(super) is_event: bool,
}

/// Finds the completion in a message. An EventBridge event always has `detail-type` and `detail`, and no completion
/// has a field `detail-type`.
pub(super) fn find_completion(message: &Value) -> Result<Found<'_>, Rejection> {
    if message.is_encoded_twice() {
        return Err(Rejection::EncodedTwice("the message"));
    }
    let Value::Object(outer) = message else { return Err(Rejection::NotAnObject(message.kind())) };
    match (outer.get("detail-type"), outer.get("detail")) {
        (Some(_), Some(Value::Object(fields))) => {
            let time = if let Some(Value::String(time)) = outer.get("time") { rfc_3339(time) } else { None };
            Ok(Found { fields, time, is_event: true })
        }
        (Some(_), Some(detail)) if detail.is_encoded_twice() => Err(Rejection::EncodedTwice("detail")),
        (Some(_), Some(other)) => {
            Err(Rejection::Field { field: "detail", found: shortened(other), expected: "an object: the completion" })
        }
        _ if is_sns_envelope(outer) => Err(Rejection::SnsEnvelope),
        _ => Ok(Found { fields: outer, time: None, is_event: false }),
    }
}

fn is_sns_envelope(outer: &Object) -> bool {
    let has = |name| matches!(outer.get(name), Some(Value::String(_)));
    has("TopicArn") && has("Message") && outer.get("account_id").is_none()
}

/// How many integers of the completion's `data` JavaScript would round.
pub(super) fn rounded_integers(message: &str) -> usize {
    // Most messages have none; then the members need not be looked up.
    if canonical_json::rounded_integers(message) == 0 {
        return 0;
    }
    let event = canonical_json::member(message, "detail-type").and(canonical_json::member(message, "detail"));
    canonical_json::member(event.unwrap_or(message), "data").map_or(0, canonical_json::rounded_integers)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Completion, with_timestamp},
        *,
    };

    const BARE: &str = r#"{"account_id":"acct_123","task_id":"task_xxx","task_type":"image","status":"completed",
        "data":{"url":"https://cdn.example.com/image.png","credits_charged":6.0},"timestamp":"2024-12-23T10:00:00Z"}"#;

    fn sent_at() -> Timestamp {
        "2026-01-02T03:04:05.678Z".parse().unwrap()
    }

    fn parse(message: &str) -> Result<Completion, Rejection> {
        Completion::parse(message, sent_at())
    }

    fn reason(message: &str) -> String {
        parse(message).expect_err("is rejected").to_string()
    }

    fn wrapped(time: &str, detail: &str) -> String {
        format!(r#"{{"version":"0","detail-type":"TaskCompleted","time":{time},"detail":{detail}}}"#)
    }

    #[test]
    fn the_time_of_an_eventbridge_event_stands_in_for_a_missing_timestamp() {
        let time = r#""2024-12-23T10:00:01Z""#;
        for missing in ["", r#","timestamp":null"#] {
            let untimed =
                format!(r#"{{"account_id":"a","task_id":"t","task_type":"image","status":"failed"{missing}}}"#);
            let completion = parse(&wrapped(time, &untimed)).unwrap();
            assert!(completion.body.ends_with(r#""timestamp":"2024-12-23T10:00:01Z"}"#), "{}", completion.body);
            assert_eq!(completion.ended_at, "2024-12-23T10:00:01Z".parse().unwrap());
            for unusable in ["null", "7", r#""yesterday""#] {
                assert_eq!(parse(&wrapped(unusable, &untimed)).unwrap().ended_at, sent_at(), "{unusable}");
            }
        }
        assert_eq!(parse(&wrapped(time, BARE)).unwrap().ended_at, "2024-12-23T10:00:00Z".parse().unwrap());
    }

    #[test]
    fn a_completion_without_a_time_gets_the_one_at_which_it_was_sent() {
        let later = "2026-02-02T02:02:02Z".parse().unwrap();
        let untimed =
            r#"{"account_id":"a","task_id":"t","task_type":"image","status":"failed","data":9007199254740993"#;
        for message in [
            format!("{untimed}}}"),
            format!("{untimed},\"timestamp\":null\n}} \r\n"),
            wrapped("null", &format!("{untimed}}}")),
        ] {
            let timed = with_timestamp(&message, sent_at()).unwrap();
            assert!(timed.contains("9007199254740993"), "nothing else is changed: {timed}");
            let (first, again) = (parse(&message).unwrap(), Completion::parse(&timed, later).unwrap());
            assert_eq!((first.body, first.ended_at), (again.body, again.ended_at), "{timed}");
            assert_eq!(with_timestamp(&timed, later), None, "it has a time now");
        }
        let event = wrapped(r#""2024-12-23T10:00:01Z""#, &format!("{untimed}}}"));
        for other in [BARE, &event, "{}", "no json"] {
            assert_eq!(with_timestamp(other, later), None, "{other}");
        }
    }

    #[test]
    fn what_arrives_in_a_wrapping_is_recognised_and_named() {
        let twice = serde_json::to_string(BARE).unwrap();
        let sns = serde_json::json!({ "Type": "Notification", "MessageId": "1", "Message": BARE,
            "TopicArn": "arn:aws:sns:us-east-1:111122223333:jobs", "Timestamp": "2024-12-23T10:00:00.000Z" });
        for (message, expected) in [
            (twice.clone(), "the message is a string that holds JSON: it was encoded twice; send the object itself"),
            (
                wrapped("null", &twice),
                "detail is a string that holds JSON: it was encoded twice; send the object itself",
            ),
            (
                sns.to_string(),
                "the message is an SNS envelope; switch on raw message delivery in the subscription of the completions queue to the topic",
            ),
            (
                format!("\u{feff}{BARE}"),
                "the message cannot be passed on as JSON: it begins with a byte order mark (U+FEFF): send it as UTF-8 without one",
            ),
            (format!("[{BARE}]"), "the message is an array; expected a JSON object, one completion in each message"),
            ("\"text\"".into(), "the message is a string; expected a JSON object, one completion in each message"),
        ] {
            assert_eq!(reason(&message), expected, "{message}");
        }
        let of_an_odd_producer =
            BARE.replace("{\"account_id\"", "{\"TopicArn\":\"a\",\"Message\":\"b\",\"account_id\"");
        assert!(parse(&of_an_odd_producer).is_ok(), "fields beside a completion's are ignored");
    }

    #[test]
    fn integers_of_the_data_that_are_rounded_are_counted() {
        let big = "6687881544318117707";
        let with = |data: &str| {
            BARE.replace("6.0", data).replace("{\"account_id\"", &format!("{{\"seed\":{big},\"account_id\""))
        };
        let count = |message: &str| parse(message).unwrap().rounded_integers;
        assert_eq!(count(BARE), 0);
        assert_eq!(count(&with("6")), 0, "a field that is not passed on is not rounded");
        assert_eq!(count(&with(&format!("[{big},-{big},\"{big}\",1e300]"))), 2);
        assert_eq!(count(&wrapped(big, &with(big))), 1);
        assert!(parse(&with(big)).unwrap().body.contains(":6687881544318118000}"));
    }
}
