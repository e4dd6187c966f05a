//! Answers without a request. Accounts that call the same origin share open connections, so bytes that arrived before
//! a request must never be read as its answer. That also holds if the process was stopped when they arrived: Lambda
//! stops a small function for most of its time, and the function does not notice.

use std::time::Duration;

use harness::{
    Behaviour::{Blurts, ChangesKeys, Closes, Says},
    Certificate,
};

use crate::{Attempted, HOSTILE, Probe, answer};

/// The pause after the first answer, in which the process stops.
const A_WHILE: Duration = Duration::from_millis(300);

fn ok() -> Vec<u8> {
    answer("200 OK", "", "ok")
}

/// The URLs of a path: without TLS, and with both TLS versions.
fn urls(path: &str) -> [(&'static str, String); 3] {
    let plain = HOSTILE.on(path, []);
    let [tls12, tls13] = [Certificate::GoodOver12, Certificate::Good].map(|with| HOSTILE.tls_url(with, path));
    [("plain", plain), ("TLS 1.2", tls12), ("TLS 1.3", tls13)]
}

/// Makes two attempts. Between them the process is stopped until the receiver has sent its bytes.
fn attempts_around_a_stop(url: &str) -> Vec<Attempted> {
    Probe::start(100, &[url, "stop", url]).pass_stop(3 * A_WHILE).finish()
}

fn used(path: &str) -> Vec<bool> {
    HOSTILE.heard(path).iter().map(|heard| heard.on_used_connection).collect()
}

#[test]
fn what_came_while_the_process_was_stopped_is_not_the_next_answer() {
    for (number, (name, _)) in urls("").iter().enumerate() {
        let path = format!("/unasked/stopped/{number}");
        let url = &urls(&path)[number].1;
        HOSTILE.on(&path, [Blurts(ok(), A_WHILE, answer("202 Accepted", "", "")), Says(answer("418 X", "", ""))]);
        let attempts = attempts_around_a_stop(url);
        assert_eq!((attempts[1].status(), attempts[1].was_resent()), (Some(418), false), "{name}");
        assert_eq!(used(&path), [false, false], "{name}: the request went over a new connection");
    }
}

#[test]
fn a_connection_that_ended_while_the_process_was_stopped_costs_no_attempt() {
    for (number, (name, _)) in urls("").iter().enumerate() {
        let path = format!("/unasked/ended/{number}");
        let url = &urls(&path)[number].1;
        HOSTILE.on(&path, [Closes(ok()), Says(ok())]);
        let attempts = attempts_around_a_stop(url);
        assert_eq!((attempts[1].next(), attempts[1].was_resent()), ("delivered", false), "{name}");
        assert_eq!(used(&path), [false, false], "{name}");
    }
}

/// Bytes that directly follow an answer are read and decrypted with it.
#[test]
fn what_comes_together_with_an_answer_is_not_the_next_one() {
    for (number, (name, _)) in urls("").iter().enumerate() {
        for (how, first) in [
            ("in one piece", Says([ok(), answer("202 Accepted", "", "")].concat())),
            ("in two", Blurts(ok(), Duration::ZERO, answer("202 Accepted", "", ""))),
        ] {
            let path = format!("/unasked/together/{number}/{}", how.len());
            let url = &urls(&path)[number].1;
            HOSTILE.on(&path, [first, Says(answer("418 X", "", ""))]);
            let attempts = Probe::start(100, &[url, "50", url]).finish();
            assert_eq!(attempts[1].status(), Some(418), "{name}, {how}");
            assert_eq!(used(&path), [false, false], "{name}, {how}");
        }
    }
}

/// A server may refresh its keys and send session tickets at any time. That is part of TLS and no answer.
#[test]
fn what_tls_sends_for_itself_does_not_cost_the_connection() {
    let url = HOSTILE.tls_url(Certificate::Good, "/unasked/keys");
    HOSTILE.on("/unasked/keys", [ChangesKeys(ok(), A_WHILE), Says(ok())]);
    let attempts = attempts_around_a_stop(&url);
    assert_eq!((attempts[1].next(), attempts[1].was_resent()), ("delivered", false));
    assert_eq!(used("/unasked/keys"), [false, true]);
}

#[test]
fn connections_with_both_versions_of_tls_are_used_again() {
    for (number, (name, _)) in urls("").iter().enumerate() {
        let path = format!("/unasked/again/{number}");
        let url = &urls(&path)[number].1;
        HOSTILE.on(&path, [Says(ok())]);
        attempts_around_a_stop(url);
        assert_eq!(used(&path), [false, true], "{name}");
    }
}
