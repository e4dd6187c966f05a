//! Receivers that end connections too early, and idle connections that died.
//!
//! A failure of a new connection is the receiver's failure. A used connection may have died while idle: then the
//! request is sent once more.

use std::time::Duration;

use harness::Behaviour::{Closes, Echoes, Leaves, Repeats, Resets, Says};

use crate::{Attempted, HOSTILE, Probe, answer, attempt};

/// So large that the sender is still writing when the receiver stops reading.
const LARGE: usize = 256 * 1024;
/// A pause between attempts, in milliseconds: the connection returns to the pool meanwhile.
const A_MOMENT: &str = "50";

fn ok() -> Vec<u8> {
    answer("200 OK", "", "ok")
}

/// Makes two attempts and returns the second, which can use the connection of the first.
fn two_attempts(url: &str) -> Attempted {
    let mut attempts = Probe::start(LARGE, &[url, A_MOMENT, url]).finish();
    assert_eq!((attempts[0].next(), attempts[0].was_resent()), ("delivered", false));
    attempts.remove(1)
}

#[test]
fn a_connection_is_used_again() {
    let second = two_attempts(&HOSTILE.on("/again", [Says(ok())]));
    assert_eq!((second.next(), second.was_resent()), ("delivered", false));
    let used: Vec<bool> = HOSTILE.heard("/again").iter().map(|heard| heard.on_used_connection).collect();
    assert_eq!(used, [false, true]);
}

#[test]
fn a_connection_is_used_again_if_its_answer_was_short_enough_to_read() {
    for (path, kib, again) in [("/body/15", 15, true), ("/body/17", 17, false)] {
        let second = two_attempts(&HOSTILE.on(path, [Says(answer("200 OK", "", "x".repeat(kib * 1024)))]));
        assert_eq!((second.next(), second.was_resent()), ("delivered", false));
        assert_eq!(HOSTILE.heard(path)[1].on_used_connection, again, "{kib} KiB");
    }
}

#[test]
fn a_used_connection_that_dies_as_the_request_is_written_costs_no_attempt() {
    for (path, dies) in [("/dies/reset", Resets(Vec::new())), ("/dies/closed", Closes(Vec::new()))] {
        let second = two_attempts(&HOSTILE.on(path, [Says(ok()), dies, Says(ok())]));
        assert_eq!((second.next(), second.was_resent()), ("delivered", true), "{path}");
        let heard = HOSTILE.heard(path);
        let used: Vec<bool> = heard.iter().map(|heard| heard.on_used_connection).collect();
        assert_eq!(used, [false, true, false], "over the used connection, and once more");
        let signature = |at: usize| heard[at].head.lines().find(|line| line.starts_with("webhook-signature")).unwrap();
        assert_eq!(signature(1), signature(2), "it is one attempt");
    }
}

#[test]
fn a_used_connection_that_was_closed_while_idle_is_not_used() {
    let url = HOSTILE.on("/closed-idle", [Closes(ok()), Says(ok())]);
    let attempts = Probe::start(100, &[&url, "300", &url]).finish();
    assert!(attempts.iter().all(|attempt| attempt.next() == "delivered" && !attempt.was_resent()));
    assert_eq!(HOSTILE.heard("/closed-idle").len(), 2);
}

#[test]
fn a_connection_is_not_used_again_after_a_server_error() {
    for (status, again) in [("404 X", true), ("429 X", true), ("500 X", false), ("503 X", false), ("599 X", false)] {
        let path = format!("/after/{}", &status[..3]);
        let url = HOSTILE.on(&path, [Says(answer(status, "", "busy"))]);
        Probe::start(100, &[&url, A_MOMENT, &url]).finish();
        assert_eq!(HOSTILE.heard(&path)[1].on_used_connection, again, "{status}");
    }
}

/// The rest of one account's request must not be sent in front of another account's request.
#[test]
fn a_connection_whose_request_was_not_written_to_its_end_is_not_used_again() {
    // The bytes that do not fit the receiver's buffer wait in our process, or in our kernel.
    for kib in [50, 70, 90, 256] {
        let path = format!("/left/{kib}");
        let url = HOSTILE.on(&path, [Leaves(ok()), Says(ok())]);
        let attempts = Probe::start(kib * 1024, &[&url, A_MOMENT, &url]).finish();
        for attempted in &attempts {
            assert_eq!((attempted.next(), attempted.was_resent()), ("delivered", false), "{kib} KiB");
            assert!(attempted.took() < Duration::from_secs(3), "{kib} KiB: {:?}", attempted.took());
        }
        let used: Vec<bool> = HOSTILE.heard(&path).iter().map(|heard| heard.on_used_connection).collect();
        assert_eq!(used, [false, false], "{kib} KiB");
    }
}

#[test]
fn a_request_is_sent_no_more_than_twice() {
    let second = two_attempts(&HOSTILE.on("/dies-twice", [Says(ok()), Resets(Vec::new())]));
    assert_eq!((second.outcome(), second.was_resent(), second.next()), ("interrupted", true, "retried"));
    assert_eq!(HOSTILE.heard("/dies-twice").len(), 3);
}

#[test]
fn once_anything_has_come_back_a_request_is_not_sent_again() {
    let rows = [
        ("/half/status", b"HTTP/1.1 20".to_vec()),
        ("/half/head", b"HTTP/1.1 200 OK\r\nx: y\r\n".to_vec()),
        ("/half/1xx", b"HTTP/1.1 102 Processing\r\n\r\n".to_vec()),
        ("/half/nonsense", b"\x01".to_vec()),
    ];
    for (path, bytes) in rows {
        let second = two_attempts(&HOSTILE.on(path, [Says(ok()), Resets(bytes), Says(ok())]));
        assert_eq!((second.outcome(), second.was_resent(), second.next()), ("interrupted", false, "retried"), "{path}");
        assert_eq!(HOSTILE.heard(path).len(), 2, "{path}");
    }
}

#[test]
fn a_new_connection_that_dies_is_the_receivers_failure() {
    for (path, dies) in [("/new/reset", Resets(Vec::new())), ("/new/closed", Closes(Vec::new()))] {
        let url = HOSTILE.on(path, [dies, Says(ok())]);
        let attempted = Probe::start(LARGE, &[&url]).finish().remove(0);
        assert_eq!((attempted.outcome(), attempted.next()), ("interrupted", "retried"), "{path}");
        assert!(!attempted.was_resent());
        assert_eq!(HOSTILE.heard(path).len(), 1, "{path}");
    }
}

#[test]
fn a_reset_after_the_status_does_not_change_what_it_said() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nten bytes.".to_vec();
    let attempted = attempt(&HOSTILE.on("/reset-after-200", [Resets(head)]));
    assert_eq!((attempted.status(), attempted.response(), attempted.next()), (Some(200), "ten bytes.", "delivered"));
    assert_eq!(HOSTILE.heard("/reset-after-200").len(), 1);
}

#[test]
fn an_answer_before_the_request_is_read_is_an_answer() {
    let url = HOSTILE.on("/early", [Closes(answer("413 Content Too Large", "connection: close\r\n", "too much"))]);
    let attempted = Probe::start(LARGE, &[&url]).finish().remove(0);
    assert_eq!((attempted.status(), attempted.next()), (Some(413), "retried"));
}

#[test]
fn a_connection_whose_answer_was_not_read_to_its_end_is_not_used_again() {
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_vec();
    let url = HOSTILE.on("/unread", [Repeats(begun, vec![b'x'; 65_536], Duration::ZERO), Echoes]);
    let attempts = Probe::start(100, &[&url, A_MOMENT, &url]).finish();
    assert!(attempts.iter().all(|attempt| attempt.next() == "delivered" && !attempt.was_resent()));
    assert!(!HOSTILE.heard("/unread")[1].on_used_connection);
}
