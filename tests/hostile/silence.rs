//! Receivers that keep the sender waiting. Their rows take seconds, so all of them start with the first that is asked for.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use harness::Behaviour::{Repeats, Says};

use crate::{Attempted, HOSTILE, Probe};

const FIVE_SECONDS: Duration = Duration::from_secs(5);
/// What starting a process and a busy machine may add.
const SLACK: Duration = Duration::from_secs(2);

static ROWS: LazyLock<Mutex<HashMap<&str, Probe>>> = LazyLock::new(|| {
    let drip = |path, first: &[u8]| HOSTILE.on(path, [Repeats(first.to_vec(), b"x".to_vec(), FIVE_SECONDS)]);
    let urls = [
        ("silent", HOSTILE.on("/silent", [Says(Vec::new())])),
        ("dripping head", drip("/dripping-head", b"HTTP/1.1 200 OK\r\nx: ")),
        ("dripping body", drip("/dripping-body", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")),
        ("dripping TLS", HOSTILE.dripping_url()),
    ];
    Mutex::new(urls.map(|(name, url)| (name, Probe::start(100, &[&url]))).into())
});

fn attempt(row: &str) -> Attempted {
    let probe = ROWS.lock().unwrap().remove(row).unwrap();
    probe.finish().remove(0)
}

fn assert_took(attempted: &Attempted, time: Duration) {
    assert!((time..time + SLACK).contains(&attempted.took()), "it took {:?}", attempted.took());
}

#[test]
fn an_endpoint_that_sends_nothing_is_a_timeout_after_10_seconds() {
    let attempted = attempt("silent");
    assert_eq!((attempted.outcome(), attempted.next()), ("timeout", "retried"));
    assert_eq!(attempted.explanation(), "no status arrived within 10 s");
    assert_took(&attempted, Duration::from_secs(10));
    assert_eq!(HOSTILE.heard("/silent").len(), 1);
}

#[test]
fn headers_at_a_byte_every_5_seconds_are_a_timeout_after_10_seconds() {
    let attempted = attempt("dripping head");
    assert_eq!((attempted.outcome(), attempted.next()), ("timeout", "retried"));
    assert_took(&attempted, Duration::from_secs(10));
}

#[test]
fn a_body_at_a_byte_every_5_seconds_does_not_change_what_the_status_said() {
    let attempted = attempt("dripping body");
    assert_eq!((attempted.status(), attempted.next()), (Some(200), "delivered"));
    assert_eq!(attempted.response(), "x");
    assert_took(&attempted, Duration::from_secs(10));
}

#[test]
fn a_tls_handshake_that_drips_is_given_up_after_3_seconds() {
    let attempted = attempt("dripping TLS");
    assert_eq!((attempted.outcome(), attempted.next()), ("tls", "retried"));
    assert_eq!(attempted.explanation(), "no TLS session could be made: not within 3 s");
    assert_took(&attempted, Duration::from_secs(3));
}
