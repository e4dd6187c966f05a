//! The stages of a rotation, by the clock.

use super::*;
use crate::names::{AccountId, EventType, WebhookId};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::parse(text).unwrap()
}

fn webhook() -> Webhook {
    let account = AccountId::parse("acct_1").unwrap();
    let url = "https://a.example.com/".into();
    Webhook::new(account, WebhookId(1), url, vec![EventType::JobCompleted], secret("secret-0"))
}

/// Rotates with an overlap at whose end the switch comes.
fn rotate(webhook: &Webhook, text: &str, overlap: Duration, now: Timestamp) -> Webhook {
    webhook.rotated(secret(text), overlap, overlap, now).unwrap()
}

/// The secrets that sign `X-Nano-Signature`, `-Next` and `-Previous` at a time.
fn headers(webhook: &Webhook, now: Timestamp) -> [String; 3] {
    let Signing { current, next, previous } = webhook.signing_at(now);
    let previous: Vec<_> = previous.into_iter().map(Secret::reveal).collect();
    [current.reveal(), next.map_or("", Secret::reveal), &previous.join(" ")].map(str::to_owned)
}

#[test]
fn a_webhook_that_was_never_rotated_signs_one_header() {
    assert_eq!(headers(&webhook(), now()), ["secret-0", "", ""]);
}

#[test]
fn by_default_the_old_secret_signs_the_pages_header_until_the_overlap_ends_and_the_new_one_alone_from_then_on() {
    let rotated = rotate(&webhook(), "secret-1", HOUR, now());
    assert_eq!(rotated.secret.reveal(), "secret-1");
    assert_eq!(headers(&rotated, now()), ["secret-0", "secret-1", ""]);
    assert_eq!(headers(&rotated, now() + HOUR - SECOND), ["secret-0", "secret-1", ""]);
    assert_eq!(headers(&rotated, now() + HOUR), ["secret-1", "", ""]);
}

#[test]
fn at_a_switch_within_the_overlap_the_two_change_places() {
    let rotated = webhook().rotated(secret("secret-1"), 3 * HOUR, HOUR, now()).unwrap();
    assert_eq!(rotated.secret_switches_at(now()), Some(now() + HOUR));
    assert_eq!(headers(&rotated, now() + HOUR - SECOND), ["secret-0", "secret-1", ""]);
    assert_eq!(headers(&rotated, now() + HOUR), ["secret-1", "", "secret-0"]);
    assert_eq!(rotated.secret_switches_at(now() + HOUR), None);
    assert_eq!(headers(&rotated, now() + 3 * HOUR - SECOND), ["secret-1", "", "secret-0"]);
    assert_eq!(headers(&rotated, now() + 3 * HOUR), ["secret-1", "", ""]);
}

#[test]
fn a_switch_can_be_asked_for_with_the_rotation_and_during_it_more_than_once() {
    let at_once = webhook().rotated(secret("secret-1"), HOUR, Duration::ZERO, now()).unwrap();
    assert_eq!(headers(&at_once, now()), ["secret-1", "", "secret-0"]);
    let rotated = rotate(&webhook(), "secret-1", HOUR, now());
    let switched = rotated.switched(now()).unwrap();
    for switched in [&switched, &switched.switched(now() + SECOND).unwrap()] {
        assert_eq!(headers(switched, now()), ["secret-1", "", "secret-0"]);
        assert_eq!(headers(switched, now() + HOUR), ["secret-1", "", ""]);
    }
}

#[test]
fn without_a_rotation_under_way_there_is_nothing_to_switch() {
    let rotated = rotate(&webhook(), "secret-1", HOUR, now());
    let leaked = webhook().rotated(secret("secret-1"), Duration::ZERO, Duration::ZERO, now()).unwrap();
    for (webhook, at) in [(webhook(), now()), (rotated, now() + HOUR), (leaked, now())] {
        assert_eq!(webhook.switched(at).unwrap_err(), RotationConflict::NoRotation);
    }
}

#[test]
fn a_second_rotation_before_the_switch_leaves_the_pages_header_to_the_secret_that_receivers_have() {
    let once = rotate(&webhook(), "secret-1", HOUR, now());
    let half = now() + HOUR / 2;
    let twice = rotate(&once, "secret-2", HOUR, half);
    assert_eq!(headers(&twice, half), ["secret-0", "secret-2", "secret-1"]);
    assert_eq!(headers(&twice, now() + HOUR), ["secret-0", "secret-2", "secret-1"], "the first switch is void");
    assert_eq!(headers(&twice, half + HOUR), ["secret-2", "", ""]);
    let thrice = rotate(&twice, "secret-3", HOUR, half);
    assert_eq!(headers(&thrice, half), ["secret-0", "secret-3", "secret-2 secret-1"]);
    assert_eq!(headers(&thrice.switched(half).unwrap(), half), ["secret-3", "", "secret-0 secret-2 secret-1"]);
}

#[test]
fn a_second_rotation_shortens_nothing() {
    let once = rotate(&webhook(), "secret-1", 3 * HOUR, now());
    let twice = rotate(&once, "secret-2", HOUR, now());
    assert_eq!(headers(&twice, now() + HOUR), ["secret-2", "", "secret-0"]);
    assert_eq!(headers(&twice, now() + 3 * HOUR), ["secret-2", "", ""]);
}

#[test]
fn a_second_rotation_after_the_switch_signs_all_three_headers() {
    let once = rotate(&webhook(), "secret-1", HOUR, now()).switched(now()).unwrap();
    let twice = rotate(&once, "secret-2", 2 * HOUR, now());
    assert_eq!(headers(&twice, now()), ["secret-1", "secret-2", "secret-0"]);
    assert_eq!(headers(&twice, now() + HOUR), ["secret-1", "secret-2", ""]);
    assert_eq!(headers(&twice, now() + 2 * HOUR), ["secret-2", "", ""]);
}

#[test]
fn secrets_that_have_ended_are_forgotten() {
    let once = rotate(&webhook(), "secret-1", HOUR, now());
    let later = rotate(&once, "secret-2", HOUR, now() + HOUR);
    assert_eq!(later.previous_secrets.len(), 1);
    assert_eq!(headers(&later, now() + HOUR), ["secret-1", "secret-2", ""]);
}

#[test]
fn an_overlap_and_the_time_before_a_switch_end_with_a_whole_second() {
    let at = now() + Duration::from_nanos(499_999_999);
    let rotated = webhook().rotated(secret("secret-1"), 2 * HOUR, HOUR, at).unwrap();
    assert_eq!(rotated.previous_secrets[0].expires_at, now() + 2 * HOUR);
    assert_eq!(rotated.secret_switches_at, Some(now() + HOUR));
}

#[test]
fn without_an_overlap_all_older_secrets_end_at_once() {
    let rotated = rotate(&webhook(), "secret-1", HOUR, now());
    let leaked = rotated.rotated(secret("secret-2"), Duration::ZERO, Duration::ZERO, now()).unwrap();
    assert_eq!(headers(&leaked, now()), ["secret-2", "", ""]);
    assert!(leaked.previous_secrets.is_empty() && leaked.secret_switches_at.is_none());
}

#[test]
fn no_secret_that_still_signs_is_dropped_for_a_fourth() {
    let mut webhook = webhook();
    for number in 1..=3 {
        webhook = rotate(&webhook, &format!("secret-{number}"), HOUR * number, now());
    }
    let rotate = |overlap, now| webhook.rotated(secret("secret-4"), overlap, overlap, now);
    // The one that receivers have is valid as long as the last overlap; the first that was replaced ends after two hours.
    assert_eq!(rotate(HOUR, now()).unwrap_err(), RotationConflict::TooManyPrevious(now() + 2 * HOUR));
    assert!(rotate(Duration::ZERO, now()).is_ok());
    assert!(rotate(HOUR, now() + 2 * HOUR).is_ok());
}

fn parse(body: &str) -> Result<Rotation, String> {
    Rotation::parse(body.as_bytes()).map_err(|refusal| refusal.to_string())
}

fn times(body: &str) -> (Duration, Duration) {
    let Rotation::Start { overlap, switch_after, .. } = parse(body).unwrap() else { panic!("{body} is a switch") };
    (overlap, switch_after)
}

#[test]
fn a_request_may_be_empty_and_by_default_the_switch_comes_at_the_end() {
    for body in ["", " ", "{}", r#"{"secret_key":null,"overlap_seconds":null,"switch":null}"#] {
        assert!(matches!(parse(body), Ok(Rotation::Start { secret: None, .. })), "{body}");
        assert_eq!(times(body), (24 * HOUR, 24 * HOUR));
    }
    for week in [r#"{"overlap_seconds":604800}"#, r#"{"overlap_seconds":604800.0}"#] {
        assert_eq!(times(week), (7 * 24 * HOUR, 7 * 24 * HOUR));
    }
    assert_eq!(times(r#"{"switch_after_seconds":3600}"#), (24 * HOUR, HOUR));
    assert_eq!(times(r#"{"overlap_seconds":3600,"switch_after_seconds":0}"#), (HOUR, Duration::ZERO));
    assert!(matches!(parse(r#"{"switch":"now"}"#), Ok(Rotation::SwitchNow)));
}

#[test]
fn the_error_names_the_wrong_field_and_what_would_be_right() {
    for wrong in ["-1", "604801", "1.5", "\"60\"", "true"] {
        let refusal = parse(&format!(r#"{{"overlap_seconds":{wrong}}}"#)).unwrap_err();
        assert_eq!(refusal, format!("overlap_seconds is {wrong}; expected a whole number from 0 to 604800"));
    }
    for (body, expected) in [
        (r#"{"secret_key":"short"}"#, "secret_key must be 8 to 256"),
        (
            r#"{"overlap_seconds":60,"switch_after_seconds":61}"#,
            "switch_after_seconds is 61; expected a whole number from 0 to overlap_seconds, which is 60",
        ),
        (r#"{"switch":"later"}"#, "switch is \"later\"; expected \"now\""),
        (
            r#"{"switch":"now","overlap_seconds":60}"#,
            "switch and overlap_seconds do not go together: send switch alone",
        ),
        (r#"{"switch":"now","secret_key":"12345678"}"#, "switch and secret_key do not go together"),
    ] {
        let refusal = parse(body).unwrap_err();
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}
