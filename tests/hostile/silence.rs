//! Receivers that make the sender wait. Their tests take seconds, so the first test to run starts the attempts of
//! all.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
    time::{Duration, Instant},
};

use harness::Behaviour::{IsBusy, Repeats, Says, Sips};

use crate::{Attempted, HOSTILE, Probe, answer};

const FIVE_SECONDS: Duration = Duration::from_secs(5);
/// Extra time for starting a process on a busy machine.
const SLACK: Duration = Duration::from_secs(2);

static ROWS: LazyLock<Mutex<HashMap<&str, Probe>>> = LazyLock::new(|| {
    let drip = |path, first: &[u8]| HOSTILE.on(path, [Repeats(first.to_vec(), b"x".to_vec(), FIVE_SECONDS)]);
    let urls = [
        ("silent", HOSTILE.on("/silent", [Says(Vec::new())])),
        ("dripping head", drip("/dripping-head", b"HTTP/1.1 200 OK\r\nx: ")),
        ("dripping TLS", HOSTILE.dripping_url()),
    ];
    let ok = answer("200 OK", "", "ok");
    let (at_once, sips) = (HOSTILE.on("/reads-at-once", [Says(ok.clone())]), HOSTILE.on("/sips", [Sips]));
    let busy = HOSTILE.on("/busy", [IsBusy(Duration::from_secs(7), ok)]);
    let mut rows: HashMap<_, _> = urls.map(|(name, url)| (name, Probe::start(100, &[&url]))).into();
    rows.extend([
        ("busy", Probe::start(LARGE, &[&busy])),
        ("busy, over a used connection", Probe::start(LARGE, &[&at_once, &busy])),
        ("sips", Probe::start(LARGE, &[&sips])),
        ("sips, over a used connection", Probe::start(LARGE, &[&at_once, &sips])),
    ]);
    Mutex::new(rows)
});

/// More than the receiver's kernel buffers before the receiver reads.
const LARGE: usize = 256 * 1024;

fn attempt(row: &str) -> Attempted {
    let probe = ROWS.lock().unwrap().remove(row).unwrap();
    probe.finish().pop().unwrap()
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
fn a_body_that_drips_is_read_for_a_second_and_is_not_in_the_time_that_the_attempt_took() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n".to_vec();
    let url = HOSTILE.on("/dripping-body", [Repeats(head, b"x".to_vec(), Duration::from_millis(300))]);
    let start = Instant::now();
    let attempted = crate::attempt(&url);
    let all = start.elapsed();
    assert_eq!((attempted.status(), attempted.next()), (Some(200), "delivered"));
    assert!((1..=3).contains(&attempted.response().len()), "{}", attempted.response());
    assert!(attempted.took() < Duration::from_millis(900), "it took {:?}", attempted.took());
    assert!((Duration::from_secs(1)..Duration::from_secs(1) + SLACK).contains(&all), "all of it took {all:?}");
}

#[test]
fn a_receiver_that_is_busy_before_it_reads_gets_its_ten_seconds() {
    for row in ["busy", "busy, over a used connection"] {
        let attempted = attempt(row);
        assert_eq!((attempted.status(), attempted.next()), (Some(200), "delivered"), "{row}");
        assert!(!attempted.was_resent(), "{row}");
        assert_took(&attempted, Duration::from_secs(7));
    }
}

#[test]
fn a_receiver_that_reads_a_kibibyte_a_second_is_a_timeout_after_10_seconds() {
    for row in ["sips", "sips, over a used connection"] {
        let attempted = attempt(row);
        assert_eq!((attempted.outcome(), attempted.was_resent()), ("timeout", false), "{row}");
        assert_took(&attempted, Duration::from_secs(10));
    }
}

#[test]
fn a_tls_handshake_that_drips_is_given_up_after_3_seconds() {
    let attempted = attempt("dripping TLS");
    assert_eq!((attempted.outcome(), attempted.next()), ("tls", "retried"));
    assert_eq!(attempted.explanation(), "no TLS session could be made: not within 3 s");
    assert_took(&attempted, Duration::from_secs(3));
}
