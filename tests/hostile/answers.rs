//! Receivers whose answers are complete but unusual.

use harness::Behaviour::{Echoes, Says};
use serde_json::Value;

use crate::{HOSTILE, PROXY, Probe, answer, attempt};

/// In seconds: the longest wait that a receiver can ask for.
const SIX_HOURS: u64 = 21_600;

/// What happens to a delivery after each answer, and what the history records.
#[test]
fn the_status_alone_decides() {
    let rows = [
        ("200 OK", "delivered"),
        ("204 No Content", "delivered"),
        ("299 ", "delivered"),
        ("300 Multiple Choices", "retried"),
        ("304 Not Modified", "retried"),
        ("400 Bad Request", "retried"),
        ("401 Unauthorized", "retried"),
        ("410 Gone", "failed"),
        ("429 Too Many Requests", "retried"),
        ("500 Internal Server Error", "retried"),
        ("503 Service Unavailable", "retried"),
        ("999 ", "retried"),
    ];
    for (status, next) in rows {
        let number = &status[..3];
        let attempted = attempt(&HOSTILE.on(&format!("/status/{number}"), [Says(answer(status, "", ""))]));
        assert_eq!((attempted.outcome(), attempted.next()), ("http", next), "{status}");
        assert_eq!(attempted.status(), Some(number.parse().unwrap()));
        assert_eq!(attempted.explanation(), format!("the endpoint answered {number}"));
    }
}

#[test]
fn what_is_not_http_is_no_answer() {
    let rows = [
        ("/not-http/text", "hello\r\n\r\n".into()),
        ("/not-http/0.9", "<html>".into()),
        ("/not-http/1000", answer("1000 ", "", "")),
        ("/not-http/099", answer("099 ", "", "")),
        ("/not-http/2", b"HTTP/2 200 OK\r\n\r\n".to_vec()),
    ];
    for (path, bytes) in rows {
        let attempted = attempt(&HOSTILE.on(path, [Says(bytes)]));
        assert_eq!((attempted.outcome(), attempted.next()), ("interrupted", "retried"), "{path}");
        let why = "the connection failed before a status arrived: what came is not HTTP/1.1";
        assert_eq!(attempted.explanation(), why, "{path}");
    }
}

/// curl and the libraries of Python, Node and Java accept all of these, with the status that they have.
#[test]
fn what_stands_behind_the_status_does_not_hide_it() {
    let oddities: [(&str, &[u8]); 11] = [
        ("folded", b"x-a: a\r\n b\r\ncontent-length: 2\r\n"),
        ("space", b"Content-Length : 2\r\n"),
        ("no-colon", b"a line without a colon\r\ncontent-length: 2\r\n"),
        ("spaces", b"X Powered By: x\r\ncontent-length: 2\r\n"),
        ("no-name", b": x\r\ncontent-length: 2\r\n"),
        ("not-ascii", b"x-\xc3\xa9: x\r\ncontent-length: 2\r\n"),
        ("no-length", b"content-length:\r\n"),
        ("two-lengths", b"content-length: 2\r\ncontent-length: 3\r\n"),
        ("endless-length", b"content-length: 18446744073709551615\r\n"),
        ("more-than-endless", b"content-length: 99999999999999999999\r\n"),
        ("nul", b"x: \0\r\ncontent-length: 2\r\n"),
    ];
    for (name, headers) in oddities {
        for (status, next) in [(200, "delivered"), (500, "retried"), (410, "failed")] {
            let path = format!("/odd/{name}/{status}");
            let says = [format!("HTTP/1.1 {status} X\r\n").as_bytes(), headers, b"\r\nok"].concat();
            let attempted = attempt(&HOSTILE.on(&path, [Says(says)]));
            assert_eq!((attempted.status(), attempted.next()), (Some(status), next), "{path}");
            assert_eq!(attempted.response(), "ok", "{path}");
        }
    }
}

#[test]
fn a_connection_is_not_used_again_after_an_answer_that_is_not_by_the_rules() {
    let odd = answer("200 OK", "x-a: a\r\n b\r\n", "ok");
    let url = HOSTILE.on("/odd-and-kept", [Says(odd), Says(answer("200 OK", "", "ok"))]);
    Probe::start(100, &[&url, &url]).finish();
    assert!(!HOSTILE.heard("/odd-and-kept")[1].on_used_connection);
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = HOSTILE.on("/elsewhere", [Says(answer("200 OK", "", ""))]);
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent"] {
        let path = format!("/redirects/{}", &status[..3]);
        let redirect = answer(status, &format!("location: {elsewhere}\r\n"), "");
        let attempted = attempt(&HOSTILE.on(&path, [Says(redirect)]));
        assert_eq!((attempted.outcome(), attempted.next()), ("http", "retried"), "{status}");
        assert_eq!(attempted.status(), status[..3].parse().ok());
        let number = &status[..3];
        let advice = match number {
            "301" | "308" => "register that URL",
            _ => "answer 2xx at the URL that is registered",
        };
        let said =
            format!("the endpoint answered {number}, a redirect to {elsewhere}, which is not followed: {advice}");
        assert_eq!(attempted.explanation(), said);
        assert_eq!(HOSTILE.heard(&path).len(), 1);
    }
    assert!(HOSTILE.heard("/elsewhere").is_empty(), "the redirect's target gets no request");
}

#[test]
fn a_redirect_to_a_path_is_shown_as_a_url_and_made_safe() {
    let url = HOSTILE.on("/redirects/path", [Says(answer("301 X", "location: /to\x1b[2J?a=b\r\n", ""))]);
    let attempted = attempt(&url);
    let to = url.replace("/redirects/path", "/to%EF%BF%BD[2J?a=b");
    assert!(attempted.explanation().contains(&format!("a redirect to {to}, which")), "{}", attempted.explanation());
    let nowhere = attempt(&HOSTILE.on("/redirects/nowhere", [Says(answer("301 X", "", ""))]));
    assert_eq!(nowhere.explanation(), "the endpoint answered 301");
}

#[test]
fn header_names_are_spelled_as_the_published_page_and_standard_webhooks_spell_them() {
    attempt(&HOSTILE.on("/spelling", [Says(answer("200 OK", "", "ok"))]));
    let heard = HOSTILE.heard("/spelling");
    let lines = heard[0].head.lines().skip(1).take_while(|line| !line.is_empty());
    let names: Vec<_> = lines.map(|line| line.split_once(": ").unwrap().0).collect();
    let expected = [
        "Host",
        "Accept",
        "Accept-Encoding",
        "User-Agent",
        "Content-Type",
        "X-Nano-Event",
        "X-Nano-Attempt",
        "X-Nano-Timestamp",
        "X-Nano-Signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "Content-Length",
    ];
    assert_eq!(names, expected);
    assert!(heard[0].head.contains("\r\nAccept-Encoding: identity\r\n"), "{}", heard[0].head);
}

#[test]
fn an_answer_in_another_charset_can_be_read_in_the_history() {
    let latin = answer("400 X", "content-type: text/plain; charset=ISO-8859-1\r\n", b"payload refus\xe9");
    assert_eq!(attempt(&HOSTILE.on("/latin", [Says(latin)])).response(), "payload refusé");
}

#[test]
fn a_proxy_in_the_environment_is_not_used() {
    let url = HOSTILE.on("/no-proxy", [Says(answer("200 OK", "", ""))]);
    assert_eq!(attempt(&url).next(), "delivered");
    // A proxy would receive the whole URL, or only the host.
    let host = PROXY.strip_prefix("http://").unwrap();
    let heard = HOSTILE.heard("/no-proxy");
    assert!(heard[0].head.starts_with("POST /no-proxy HTTP/1.1\r\n"), "{}", heard[0].head);
    assert!(HOSTILE.heard(&url).is_empty() && HOSTILE.heard(host).is_empty());
}

#[test]
fn what_could_move_a_cursor_is_not_in_the_history() {
    let body = b"NUL \0, ESC \x1b[2J, C1 \xc2\x9b2J, DEL \x7f, invalid \xff\xfe, right to left \xe2\x80\xae, \xe2\x82\xac\r\n\tyes";
    let attempted = attempt(&HOSTILE.on("/terminal", [Says(answer("200 OK", "", body))]));
    let safe = "NUL \u{FFFD}, ESC \u{FFFD}[2J, C1 \u{FFFD}2J, DEL \u{FFFD}, invalid \u{FFFD}\u{FFFD}, right to left \u{FFFD}, €\n\tyes";
    assert_eq!(attempted.response(), safe);
    assert_eq!(attempted.next(), "delivered");
}

#[test]
fn what_is_kept_of_a_body_is_850_bytes_even_where_each_byte_is_replaced() {
    let attempted = attempt(&HOSTILE.on("/replaced", [Says(answer("200 OK", "", [0; 4096]))]));
    assert_eq!(attempted.response(), "\u{FFFD}".repeat(850 / 3));
}

#[test]
fn an_endpoint_that_echoes_our_signatures_puts_no_secret_into_the_history() {
    let attempted = attempt(&HOSTILE.on("/echo", [Echoes]));
    assert_eq!((attempted.status(), attempted.next()), (Some(200), "delivered"));
    let echoed = attempted.response();
    for header in ["X-Nano-Signature: v1=", "webhook-signature: v1,", "webhook-id: 01KDYAK3482WAV4DVEFM6KBDXQ"] {
        assert!(echoed.contains(header), "it is shown as any other body: {echoed}");
    }
    assert!(!attempted.0.to_string().contains("the-probes-own-secret"));
    assert_eq!((&attempted.0["redirect"], attempted.was_resent()), (&Value::Null, false), "no other field is set");
}

#[test]
fn a_retry_after_is_seconds_or_a_date_up_to_six_hours_and_anything_else_is_ignored() {
    let rows = [
        ("429 Too Many Requests", "120", 120),
        ("503 Service Unavailable", "1.5", 2),
        ("503 Service Unavailable", "Fri, 31 Dec 2100 07:28:00 GMT", SIX_HOURS),
        ("503 Service Unavailable", "Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("503 Service Unavailable", "-1", 0),
        ("503 Service Unavailable", &"9".repeat(65), SIX_HOURS),
        ("503 Service Unavailable", "\u{e9}", 0),
    ];
    for (row, (status, value, seconds)) in rows.into_iter().enumerate() {
        let reply = answer(status, &format!("retry-after: {value}\r\n"), "");
        let attempted = attempt(&HOSTILE.on(&format!("/retry-after/{row}"), [Says(reply)]));
        assert_eq!((attempted.retry_after(), attempted.next()), (seconds, "retried"), "{value}");
    }
}

#[test]
fn a_name_that_does_not_resolve_and_a_port_that_is_closed_say_so() {
    let attempted = attempt("http://no-such-name.nano-webhooks.com/");
    assert_eq!((attempted.outcome(), attempted.next()), ("dns", "retried"));
    assert!(attempted.explanation().starts_with("the host name could not be resolved: "));
    let attempted = attempt("http://127.0.0.1:1/");
    assert_eq!((attempted.outcome(), attempted.next()), ("connect", "retried"));
    assert_eq!(attempted.explanation(), "no connection could be made: connection refused");
}

#[test]
fn a_target_that_may_not_be_called_is_not_called_again() {
    let attempted = attempt("https://169.254.169.254/latest/meta-data/");
    assert_eq!((attempted.outcome(), attempted.next()), ("blocked", "failed"));
    assert!(attempted.explanation().starts_with("the URL cannot be called: "));
}
