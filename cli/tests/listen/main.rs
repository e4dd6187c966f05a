//! `nano-webhooks listen`, the real program, against a fake API and a local server, over real HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod api;
mod command;
mod server;

use std::{
    collections::HashSet,
    process::{Command, Output},
    thread::sleep,
    time::{Duration, Instant},
};

use api::{Api, KEY};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use command::{Listening, Local, command};
use hmac::{Hmac, KeyInit as _, Mac as _};
use server::Request;
use sha2::Sha256;

const NOW: Duration = Duration::ZERO;
/// Two looks, and time for what they find to arrive.
const TWO_LOOKS: Duration = Duration::from_secs(5);

/// The receiver's own computation, from the published page and from Standard Webhooks.
fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[track_caller]
fn assert_is_a_real_delivery(request: &Request, secret: &str, id: &str) {
    let (timestamp, body) = (request.header("X-Nano-Timestamp"), &request.body);
    let nano = hex::encode(hmac(secret.as_bytes(), &format!("{timestamp}.{body}")));
    assert_eq!(request.header("X-Nano-Signature"), format!("v1={nano}"));
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let standard = STANDARD.encode(hmac(&key, &format!("{id}.{timestamp}.{body}")));
    assert_eq!(request.header("webhook-signature"), format!("v1,{standard}"));
    assert_eq!(request.header("webhook-timestamp"), timestamp);
    assert_eq!(request.header("webhook-id"), id);
    assert_eq!(request.header("Content-Type"), "application/json");
    assert_eq!(request.header("User-Agent"), concat!("nano-webhooks/", env!("CARGO_PKG_VERSION")));
    assert_eq!(request.path, "/webhook?a=b");
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

fn ids(local: &Local) -> Vec<String> {
    local.received().iter().map(|request| request.header("webhook-id").to_owned()).collect()
}

#[test]
fn an_event_arrives_within_three_seconds_as_a_real_delivery_would_and_is_one_line() {
    let (api, local) = (Api::start(), Local::start());
    let listening = Listening::start(&api, &local.url(), &[]);
    let notes = listening.notes();
    let secret = notes.iter().find_map(|line| line.split_once("secret: ")).unwrap().1.to_owned();
    // At different times after a look.
    for (number, wait) in [0, 300, 900, 1_500, 1_900].into_iter().enumerate() {
        sleep(Duration::from_millis(wait));
        let payload = format!(r#"{{"event":"job.failed","n":1.50,"u":"\u00e9 é 😀","b":{{"2":1, "1":{number}}}}}"#);
        let (id, stored_at) = (api.store_with(NOW, &payload), Instant::now());
        let received = local.wait_for(number + 1).pop().unwrap();
        let took = received.at - stored_at;
        assert!(took < Duration::from_secs(3), "{took:?}");
        assert_eq!(received.body, payload, "byte for byte");
        assert_eq!(received.header("X-Nano-Event"), "job.failed");
        assert_is_a_real_delivery(&received, &secret, id.as_str());
        let line = listening.wait_for_lines(number + 1).pop().unwrap();
        let parts: Vec<_> = line.split_whitespace().collect();
        let task = format!("task_{id}");
        assert_eq!(parts[1..5], ["job.failed", &task, id.as_str(), "200"], "{line}");
        assert!(parts[0].parse::<jiff::Timestamp>().is_ok() && line.ends_with(" ms"), "{line}");
    }
    assert!(!format!("{listening:?}").contains(KEY));
}

#[test]
fn nothing_is_posted_twice_and_what_appears_between_older_events_is_posted() {
    let (api, local) = (Api::with_pages_of(3), Local::start());
    for ago in 1..6 {
        api.store(minutes(ago));
    }
    let _listening = Listening::start(&api, &local.url(), &[]);
    let mut stored: Vec<_> = (0..7).map(|_| api.store(NOW).to_string()).collect();
    local.wait_for(7);
    sleep(TWO_LOOKS);
    stored.push(api.store(Duration::from_millis(1)).to_string());
    api.store(NOW);
    local.wait_for(9);
    sleep(TWO_LOOKS);
    let posted = ids(&local);
    assert_eq!(posted.len(), 9);
    assert!(stored.iter().all(|id| posted.contains(id)), "{stored:?} {posted:?}");
    assert_eq!(posted.iter().collect::<HashSet<_>>().len(), 9);
}

#[test]
fn an_event_whose_task_ended_minutes_ago_arrives_within_three_seconds() {
    let (api, local) = (Api::start(), Local::start());
    api.store(minutes(1));
    let _listening = Listening::start(&api, &local.url(), &[]);
    let (id, stored_at) = (api.store(minutes(14)), Instant::now());
    let received = local.wait_for(1).pop().unwrap();
    assert!(received.at - stored_at < Duration::from_secs(3));
    assert_eq!(received.header("webhook-id"), id.as_str());
}

#[test]
fn while_the_api_is_away_it_says_so_once_and_afterwards_nothing_is_missing() {
    let (api, local) = (Api::start(), Local::start());
    let listening = Listening::start(&api, &local.url(), &[]);
    let before = api.store(NOW);
    local.wait_for(1);
    api.go_away();
    listening.wait_for_note("The API is away");
    let during: Vec<_> = (0..5).map(|_| api.store(NOW)).collect();
    sleep(TWO_LOOKS);
    api.come_back();
    local.wait_for(6);
    // To the customer, a failure of its own is the same.
    api.answer_next("since=", 503, &[]);
    api.answer_next("since=", 500, &[]);
    sleep(TWO_LOOKS);
    let after = api.store(NOW);
    local.wait_for(7);
    sleep(TWO_LOOKS);
    let expected: Vec<_> = [before].into_iter().chain(during).chain([after]).map(|id| id.to_string()).collect();
    assert_eq!(ids(&local), expected);
    let said = |words: &str| listening.notes().iter().filter(|line| line.contains(words)).count();
    assert_eq!((said("The API is away"), said("The API is back.")), (2, 2), "{listening:?}");
}

#[test]
fn a_payload_that_the_api_does_not_return_is_asked_for_again_and_in_the_end_given_up() {
    let (api, local) = (Api::start(), Local::start());
    let listening = Listening::start(&api, &local.url(), &[]);
    api.answer_next("/events/", 500, &[]);
    api.answer_next("/events/", 404, &[]);
    let late = api.store(NOW).to_string();
    local.wait_for(1);
    for _ in 0..5 {
        api.answer_next("/events/", 500, &[]);
    }
    let [lost, next] = [2, 1].map(|ago| api.store(Duration::from_millis(ago)).to_string());
    local.wait_for(2);
    assert_eq!(ids(&local), [late, next]);
    let line = &listening.wait_for_lines(3)[1];
    assert!(line.contains(&lost) && line.ends_with("not posted: the API does not return its payload: it answers 500"));
    assert_eq!(listening.notes().last().unwrap(), "Listening. Ctrl-C ends it.", "the API was not away");
}

#[test]
fn a_429_is_obeyed_and_costs_no_event() {
    let (api, local) = (Api::start(), Local::start());
    let listening = Listening::start(&api, &local.url(), &[]);
    api.answer_next("since=", 429, &[("retry-after", "5")]);
    let id = api.store(NOW);
    let waited = wait_after(&api, &listening);
    assert!((4.9..8.0).contains(&waited.as_secs_f64()), "{waited:?}");
    local.wait_for(1);
    assert_eq!(ids(&local), [id.to_string()]);
}

#[test]
fn a_key_without_requests_left_is_not_used_until_its_window_ends() {
    let (api, local) = (Api::start(), Local::start());
    let listening = Listening::start(&api, &local.url(), &[]);
    let limits = [("ratelimit-limit", "60"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "6")];
    api.answer_next("since=", 503, &limits);
    let id = api.store(NOW);
    let waited = wait_after(&api, &listening);
    assert!((5.9..9.0).contains(&waited.as_secs_f64()), "{waited:?}");
    local.wait_for(1);
    assert_eq!(ids(&local), [id.to_string()]);
}

/// Waits until the command says that its key has no requests left. Returns the time between its last request before
/// that and its first one afterwards.
fn wait_after(api: &Api, listening: &Listening) -> Duration {
    listening.wait_for_note("The key has no requests left for now: going on in ");
    let before = api.asked();
    while api.asked().len() == before.len() {
        sleep(Duration::from_millis(10));
    }
    api.asked()[before.len()] - *before.last().unwrap()
}

#[test]
fn the_last_ten_minutes_are_replayed_oldest_first_and_older_ones_are_not() {
    let (api, local) = (Api::start(), Local::start());
    let [_, third, first, second] = [11, 1, 9, 5].map(|ago| api.store(minutes(ago)).to_string());
    api.store_with(minutes(2), r#"{"event":"job.failed"}"#);
    let listening = Listening::start(&api, &local.url(), &["--replay-last", "10m", "--event", "job.completed"]);
    listening.wait_for_note("Replaying 3 of the last 10m.");
    local.wait_for(3);
    let fourth = api.store(NOW).to_string();
    local.wait_for(4);
    assert_eq!(ids(&local), [first, second, third, fourth]);
}

#[test]
fn an_erased_event_is_shown_and_not_posted() {
    let (api, local) = (Api::start(), Local::start());
    let erased = api.store_with(Duration::from_secs(2), "null");
    let other = api.store(Duration::from_secs(1));
    let listening = Listening::start(&api, &local.url(), &["--replay-last", "1m", "--json"]);
    let lines = listening.wait_for_lines(2);
    assert!(lines[0].contains(erased.as_str()) && lines[0].contains(r#""posted":false"#), "{lines:?}");
    assert!(lines[0].contains("not posted: its payload was erased"), "{lines:?}");
    assert!(lines[1].contains(other.as_str()) && lines[1].contains(r#""http_status":200"#), "{lines:?}");
    assert_eq!(ids(&local), [other.to_string()]);
}

#[test]
fn what_the_local_server_does_is_said_in_the_line_and_stops_nothing() {
    let api = Api::start();
    let local = Local::answering((422, Vec::new(), "no\u{1b}[2J such task".into()));
    let secret = "a-secret-of-the-server";
    let refusing = Listening::start(&api, &local.url(), &["--secret", secret]);
    let unreachable = Listening::start(&api, "http://localhost:1/", &[]);
    for _ in 0..2 {
        api.store(NOW);
    }
    for line in refusing.wait_for_lines(2) {
        assert!(line.contains("  422 in ") && line.contains(" such task") && !line.contains('\u{1b}'), "{line}");
    }
    for line in unreachable.wait_for_lines(2) {
        assert!(line.ends_with("connection refused; is your server running?"), "{line}");
    }
    assert!(!format!("{refusing:?}").contains(secret));
    let received = &local.received()[0];
    let text = format!("{}.{}", received.header("X-Nano-Timestamp"), received.body);
    assert_eq!(received.header("X-Nano-Signature"), format!("v1={}", hex::encode(hmac(secret.as_bytes(), &text))));
}

#[test]
fn bad_input_ends_it_with_words_that_say_what_is_right() {
    let api = Api::start();
    let good = ["--forward-to", "http://localhost:1/", "--api-url", &api.url(), "--key", KEY];
    let with = |name: &str, value: &str| {
        let mut arguments = good;
        let at = arguments.iter().position(|argument| *argument == name).unwrap();
        arguments[at + 1] = value;
        command(&arguments).output().unwrap()
    };
    let other = format!("sk-{}", "f".repeat(40));
    let cases = [
        (with("--forward-to", "localhost:3000"), 2, "--forward-to"),
        (with("--api-url", "api.example.com"), 2, "such as https://api.example.com"),
        (with("--key", "sk-secret-but-short"), 2, "it must begin with sk- and have 20 to 256"),
        (with("--key", &other), 1, "Set NANO_API_KEY to a key"),
        (with("--api-url", &api.url().replace("base", "elsewhere")), 1, "is this the API's address"),
        (with("--api-url", "http://127.0.0.1:1"), 1, "http://127.0.0.1:1: no connection: "),
        (command(&good[..4]).output().unwrap(), 2, "set NANO_API_KEY"),
        (command(&good[..2]).output().unwrap(), 2, "NANO_API_URL or --api-url"),
        (command(&[&good[..], &["--secret", "whsec_?"]].concat()).output().unwrap(), 2, "--secret: "),
        (command(&[&good[..], &["--replay-last", "soon"]].concat()).output().unwrap(), 2, "such as 10m"),
        (command(&[&good[..], &["--event", "job.done"]].concat()).output().unwrap(), 2, "job.completed, job.failed"),
    ];
    for (Output { status, stdout, stderr }, code, words) in cases {
        let err = String::from_utf8(stderr).unwrap();
        assert_eq!((status.code(), stdout.as_slice()), (Some(code), &b""[..]), "{err}");
        assert!(err.contains(words), "{words}: {err}");
        assert!(!err.contains("sk-secret") && !err.contains(&other) && !err.contains(KEY), "{err}");
    }
}

#[test]
fn a_key_that_is_revoked_meanwhile_ends_it() {
    let (api, local) = (Api::start(), Local::start());
    let mut listening = Listening::start(&api, &local.url(), &[]);
    api.answer_next("since=", 401, &[]);
    assert_eq!(listening.child.wait().unwrap().code(), Some(1));
    listening.wait_for_note("the API does not accept the key");
}

#[test]
fn ctrl_c_ends_it() {
    let (api, local) = (Api::start(), Local::start());
    let mut listening = Listening::start(&api, &local.url(), &[]);
    let interrupt = Command::new("kill").args(["-INT", &listening.child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(listening.child.wait().unwrap().code(), Some(130));
    assert_eq!(listening.notes().last().unwrap(), "Listening. Ctrl-C ends it.");
}
