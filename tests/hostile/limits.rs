//! Receivers that send too much. Every test also asserts that the process does not grow, in `Probe::finish`.

use std::time::Duration;

use harness::Behaviour::{Repeats, Says};

use crate::{HOSTILE, answer, attempt};

/// Sends `then` without end and without pauses, as fast as the sender reads.
fn endless(path: &str, first: &str, then: &[u8]) -> String {
    HOSTILE.on(path, [Repeats(first.into(), then.repeat(1 + 65_536 / then.len()), Duration::ZERO)])
}

#[test]
fn headers_without_end_are_too_large() {
    let attempted = attempt(&endless("/endless-headers", "HTTP/1.1 200 OK\r\n", b"x-header: value\r\n"));
    assert_eq!((attempted.outcome(), attempted.next()), ("too_large", "retried"));
    assert_eq!(attempted.explanation(), "the status and headers of the response are too large");
    assert!(attempted.took() < Duration::from_secs(3));
}

#[test]
fn one_header_without_end_is_too_large() {
    let attempted = attempt(&endless("/endless-header", "HTTP/1.1 200 OK\r\nx: ", b"x"));
    assert_eq!((attempted.outcome(), attempted.next()), ("too_large", "retried"));
    assert!(attempted.took() < Duration::from_secs(3));
}

#[test]
fn ten_thousand_headers_are_too_large() {
    let url = HOSTILE.on("/10000-headers", [Says(answer("200 OK", &"x: y\r\n".repeat(10_000), ""))]);
    let attempted = attempt(&url);
    assert_eq!((attempted.outcome(), attempted.next()), ("too_large", "retried"));
}

#[test]
fn a_thousand_small_headers_are_not_too_many() {
    let url = HOSTILE.on("/1000-headers", [Says(answer("200 OK", &"x: y\r\n".repeat(1_000), ""))]);
    assert_eq!(attempt(&url).next(), "delivered");
}

#[test]
fn a_head_of_15_kib_is_taken_and_one_of_17_kib_is_not() {
    let outcome = |path, kib: usize| {
        let header = format!("x: {}\r\n", "y".repeat(kib * 1024));
        attempt(&HOSTILE.on(path, [Says(answer("200 OK", &header, ""))])).outcome().to_owned()
    };
    assert_eq!(outcome("/15-kib", 15), "http");
    assert_eq!(outcome("/17-kib", 17), "too_large");
}

#[test]
fn informational_responses_without_end_are_too_large() {
    let attempted = attempt(&endless("/endless-1xx", "", b"HTTP/1.1 102 Processing\r\n\r\n"));
    assert_eq!((attempted.outcome(), attempted.next()), ("too_large", "retried"));
    assert!(attempted.took() < Duration::from_secs(3), "the size limit ends it, not the time limit");
}

#[test]
fn an_informational_response_before_the_real_one_is_passed_over() {
    let hints = [b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".to_vec(), answer("200 OK", "", "ok")].concat();
    let attempted = attempt(&HOSTILE.on("/early-hints", [Says(hints)]));
    assert_eq!((attempted.status(), attempted.response(), attempted.next()), (Some(200), "ok", "delivered"));
}

#[test]
fn of_a_body_of_a_gibibyte_16_kib_are_read_and_1_kib_is_kept() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
    let attempted = attempt(&endless("/gibibyte", head, b"x"));
    assert_eq!((attempted.status(), attempted.next()), (Some(200), "delivered"));
    assert_eq!(attempted.response(), "x".repeat(850));
    assert!(attempted.took() < Duration::from_secs(3), "it is not read to its end");
}

#[test]
fn a_failure_with_a_body_without_end_is_still_that_failure() {
    let head = "HTTP/1.1 500 Internal Server Error\r\ntransfer-encoding: chunked\r\n\r\n";
    let attempted = attempt(&endless("/endless-chunks", head, b"1\r\nx\r\n"));
    assert_eq!((attempted.status(), attempted.next()), (Some(500), "retried"));
    assert!(attempted.took() < Duration::from_secs(3));
}

#[test]
fn a_gzip_bomb_does_not_go_off() {
    let first = [b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n".as_slice(), &BOMB].concat();
    let attempted = attempt(&HOSTILE.on("/bomb", [Repeats(first, FUSE.repeat(5_000), Duration::ZERO)]));
    assert_eq!((attempted.status(), attempted.next()), (Some(200), "delivered"));
    assert_eq!(attempted.response(), "(not shown: it came with Content-Encoding gzip)");
    assert!(attempted.took() < Duration::from_secs(3));
    let request = &HOSTILE.heard("/bomb")[0].head;
    assert!(request.contains("\r\nAccept-Encoding: identity\r\n"), "the request accepts no compression: {request}");
}

/// The header of a gzip file (RFC 1952) and the start of a block with fixed Huffman codes (RFC 1951). The block's
/// first symbol is a zero byte.
const BOMB: [u8; 12] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x62, 0x18];
/// The rest of the block: each 13 bits decompress to 258 more zeros, 13 bytes to 2,064.
const FUSE: [u8; 13] = [0x05, 0xa3, 0x60, 0x14, 0x8c, 0x82, 0x51, 0x30, 0x0a, 0x46, 0xc1, 0x28, 0x18];
