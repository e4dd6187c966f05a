//! The receivers that `docs/receivers/` shows to customers, each against real deliveries and against forged ones.

mod programs;
mod rehearsal;

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::join_all;
use harness::{Customer, Producer, SOON, http_client, signature, skipped, workspace};
use serde_json::{Value, json};

use self::programs::Program;
use crate::{STACK, key_for};

const WEBHOOKS: &str = "/api/v1/webhooks";

/// The secret of every receiver here. Most of the published vectors have it too.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Each program whose language is installed, shared by all tests. Reports the missing ones once.
static PROGRAMS: LazyLock<Vec<Program>> = LazyLock::new(|| {
    let (mut running, mut missing) = (Vec::new(), Vec::new());
    for name in names() {
        match Program::start(&name, SECRET) {
            Ok(program) => running.push(program),
            Err(reason) => missing.push(format!("{name} ({reason})")),
        }
    }
    if !missing.is_empty() {
        skipped(&format!("of docs/receivers {}", missing.join(", ")));
    }
    for program in &mut running {
        assert!(program.is_up(), "{} ended: {}", program.name, program.log());
    }
    running
});

fn names() -> BTreeSet<String> {
    let files = fs::read_dir(workspace().join("docs/receivers")).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// An account with one webhook for each program, in the programs' order, so that one completion goes to all of them.
struct Account {
    id: &'static str,
    customer: Customer,
}

impl Account {
    async fn with_all(id: &'static str, secret: &str) -> Self {
        let customer = Customer::new(&STACK, &key_for(id));
        for program in PROGRAMS.iter() {
            let webhook = json!({ "url": program.url, "events": ["job.completed"], "secret_key": secret });
            let reply = customer.post(WEBHOOKS, &webhook).await.unwrap();
            assert_eq!(reply.status, 201, "{}", reply.text);
        }
        Self { id, customer }
    }

    async fn rotate(&self, request: &Value) {
        for at in 1..=PROGRAMS.len() {
            let reply = self.customer.post(&format!("{WEBHOOKS}/{at}/rotate-secret"), request).await.unwrap();
            assert_eq!(reply.status, 200, "{}", reply.text);
        }
    }

    async fn send(&self, task: &str, data: &str) {
        let account = self.id;
        let completion = format!(
            r#"{{"account_id":"{account}","task_id":"{task}","task_type":"image","status":"completed","data":{data},"timestamp":"2024-12-23T10:00:00Z"}}"#
        );
        Producer::new(&STACK).send(completion).await.unwrap();
    }

    /// Waits until each webhook has this many deliveries, and returns them by program.
    async fn deliveries(&self, count: usize) -> Vec<(&'static Program, Vec<Value>)> {
        let start = Instant::now();
        let mut found = Vec::new();
        for (at, program) in PROGRAMS.iter().enumerate() {
            let path = format!("{WEBHOOKS}/{}/deliveries", at + 1);
            loop {
                let reply = self.customer.get(&path).await.unwrap();
                let deliveries = reply.json()["data"]["deliveries"].as_array().unwrap().clone();
                if deliveries.len() == count {
                    found.push((program, deliveries));
                    break;
                }
                assert!(start.elapsed() < SOON, "{} has {} deliveries", program.name, deliveries.len());
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        found
    }
}

#[track_caller]
fn assert_delivered_at_first_attempt(program: &Program, delivery: &Value) {
    let status_and_attempts = (&delivery["status"], &delivery["attempt_count"]);
    assert_eq!(status_and_attempts, (&json!("delivered"), &json!(1)), "{}: {delivery}", program.name);
}

/// Sends a request as anybody on the internet can; returns the status and the text of the answer.
async fn post(client: &reqwest::Client, program: &Program, headers: &[(&str, &[u8])], body: &[u8]) -> (u16, String) {
    let mut request = client.post(&program.url).header("content-type", "application/json").body(body.to_vec());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap_or_else(|error| panic!("{}: {error}: {}", program.name, program.log()));
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn event(task: &str) -> String {
    format!(
        r#"{{"event":"job.completed","task_id":"{task}","task_type":"image","status":"completed","data":{{"n":1.5}},"timestamp":"2024-12-23T10:00:00Z"}}"#
    )
}

/// Starts the programs, which can take minutes, and then returns the time.
fn now() -> u64 {
    LazyLock::force(&PROGRAMS);
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[tokio::test]
async fn every_receiver_takes_every_delivery_at_once() {
    let account = Account::with_all("acct_receivers", SECRET).await;
    let large = format!("\"{}\"", "x".repeat(250 * 1024));
    let tasks = [
        ("task_ünïcode_🍌", r#"{"prompt":"Zürich – 日本語 🍌 e\u0301 שלום \u2028 \ufeff \ud83c\udf4c","\u00e9":1}"#),
        ("task_escapes", r#"{"text":"\"\\\/\b\f\n\r\t\u0000\u001f\u007f<&>"}"#),
        ("task_numbers", "[6.0,-0,1e21,1E-7,0.1,9007199254740993,1.7976931348623157e308,5e-324,100000000000000000000]"),
        ("task_keys", r#"{"b":1,"10":2,"a":3,"2":4,"":5,"b":6}"#),
        ("task_empty", "{}"),
        ("task_nothing", "null"),
        ("task_large", &large),
    ];
    for (task, data) in tasks {
        account.send(task, data).await;
    }
    for (program, deliveries) in account.deliveries(tasks.len()).await {
        for delivery in deliveries {
            assert_delivered_at_first_attempt(program, &delivery);
        }
        for (task, _) in tasks {
            assert_eq!(program.count(task), 1, "{} took {task}: {}", program.name, program.log());
        }
    }
}

#[tokio::test]
async fn every_receiver_refuses_what_another_secret_signed() {
    let account = Account::with_all("acct_other_secret", OTHER_SECRET).await;
    account.send("task_of_another_secret", "{}").await;
    for (program, deliveries) in account.deliveries(1).await {
        let attempt = &deliveries[0]["last_attempt"];
        assert_eq!(attempt["http_status"], 401, "{}: {attempt}", program.name);
        assert!(attempt["response"].as_str().unwrap().contains("signature"), "{}: {attempt}", program.name);
        assert_eq!(program.count("task_of_another_secret"), 0, "{}", program.name);
    }
}

#[tokio::test]
async fn every_receiver_takes_deliveries_with_either_secret_until_the_overlap_ends() {
    let (keeps_the_old, has_the_new) =
        (Account::with_all("acct_keeps_old", SECRET).await, Account::with_all("acct_has_new", OTHER_SECRET).await);
    keeps_the_old.rotate(&json!({ "secret_key": OTHER_SECRET })).await;
    has_the_new.rotate(&json!({ "secret_key": SECRET })).await;
    for (count, task) in [(1, "task_before_the_switch"), (2, "task_after_the_switch")] {
        for account in [&keeps_the_old, &has_the_new] {
            account.send(task, "{}").await;
            for (program, deliveries) in account.deliveries(count).await {
                for delivery in deliveries {
                    assert_delivered_at_first_attempt(program, &delivery);
                }
            }
            account.rotate(&json!({ "switch": "now" })).await;
        }
    }

    keeps_the_old.rotate(&json!({ "secret_key": "a-third-secret", "overlap_seconds": 0 })).await;
    keeps_the_old.send("task_after_the_overlap", "{}").await;
    for (program, deliveries) in keeps_the_old.deliveries(3).await {
        let refused = deliveries.iter().filter(|delivery| delivery["last_attempt"]["http_status"] == 401).count();
        assert_eq!((refused, program.count("task_after_the_overlap")), (1, 0), "{}: {deliveries:?}", program.name);
    }
}

/// A request, and why it must be refused; empty if it must be accepted.
struct Case {
    name: &'static str,
    timestamp: String,
    signature: Vec<u8>,
    body: String,
    reason: &'static str,
}

fn forgeries(now: u64) -> Vec<Case> {
    const TIME: &str = "the timestamp is more than five minutes off";
    const SIGNATURE: &str = "the signature does not match";
    let body = event("task_forged");
    let sign = |timestamp: u64| signature::nano_signature_of(&timestamp.to_string(), body.as_bytes(), SECRET);
    let (good, tampered) = (sign(now), body.replace("1.5", "9.5"));
    let (head, tail) = body.split_once('.').unwrap();
    // Not close to the limit, for a busy machine.
    let (nearly_late, late, early, milliseconds) = (now - 200, now - 360, now + 360, now * 1000 + 1);
    let beyond_ascii = [b"v1=", [0xE9; 64].as_slice()].concat();
    let another = signature::nano_signature_of(&now.to_string(), body.as_bytes(), OTHER_SECRET);

    let bytes = |text: &str| text.as_bytes().to_vec();
    let cases = [
        ("as it is", now.to_string(), bytes(&good), body.as_str(), ""),
        ("nearly too old", nearly_late.to_string(), bytes(&sign(nearly_late)), &body, ""),
        ("too old", late.to_string(), bytes(&sign(late)), &body, TIME),
        ("too new", early.to_string(), bytes(&sign(early)), &body, TIME),
        ("milliseconds", milliseconds.to_string(), bytes(&sign(milliseconds)), &body, TIME),
        ("an old one with a new time", now.to_string(), bytes(&sign(late)), &body, SIGNATURE),
        ("another body", now.to_string(), bytes(&good), &tampered, SIGNATURE),
        ("another secret", now.to_string(), bytes(&another), &body, SIGNATURE),
        ("half a signature", now.to_string(), bytes(&good[..35]), &body, SIGNATURE),
        ("no signature", now.to_string(), bytes(""), &body, SIGNATURE),
        ("a signature beyond ASCII", now.to_string(), beyond_ascii, &body, SIGNATURE),
        // The signed bytes are the same. Only the rule that the time is a number shows that a dot was moved.
        ("a time with a part of the body", format!("{now}.{head}"), bytes(&good), tail, TIME),
    ];
    let case = |(name, timestamp, signature, body, reason): (_, _, _, &str, _)| Case {
        name,
        timestamp,
        signature,
        body: body.to_owned(),
        reason,
    };
    cases.map(case).into()
}

#[tokio::test]
async fn every_receiver_refuses_forgeries_and_old_requests_and_says_which() {
    let client = http_client();
    for program in PROGRAMS.iter() {
        for (at, case) in forgeries(now()).iter().enumerate() {
            let id = format!("forged_{at}");
            let headers = [
                ("x-nano-timestamp", case.timestamp.as_bytes()),
                ("x-nano-signature", case.signature.as_slice()),
                ("webhook-id", id.as_bytes()),
            ];
            let (status, text) = post(&client, program, &headers, case.body.as_bytes()).await;
            let expected = if case.reason.is_empty() { 204 } else { 401 };
            assert_eq!(
                (status, text.trim()),
                (expected, case.reason),
                "{} answers to {}: {}",
                program.name,
                case.name,
                program.log()
            );
        }
        let (status, text) = post(&client, program, &[], b"").await;
        assert!((400..500).contains(&status), "{} answers to nothing: {status} {text}", program.name);
        assert_eq!(program.count("task_forged"), 2, "{} took the first two", program.name);
    }
}

#[tokio::test]
async fn every_receiver_finds_its_signature_among_those_of_a_rotation() {
    let (client, time, body) = (http_client(), now().to_string(), event("task_previous"));
    let sign = |secret: &str| signature::nano_signature_of(&time, body.as_bytes(), secret);
    let (good, other, third) = (sign(SECRET), sign(OTHER_SECRET), sign("a-third-secret"));
    let cases = [
        ("one", good.clone(), 204),
        ("the last of two", format!("{third} {good}"), 204),
        ("the first of two", format!("{good} {third}"), 204),
        ("none", third.clone(), 401),
    ];
    for program in PROGRAMS.iter() {
        for (case, signatures, expected) in &cases {
            for name in ["x-nano-signature-next", "x-nano-signature-previous"] {
                let headers = [
                    ("x-nano-timestamp", time.as_bytes()),
                    ("x-nano-signature", other.as_bytes()),
                    (name, signatures.as_bytes()),
                    ("webhook-id", b"previous"),
                ];
                let (status, text) = post(&client, program, &headers, body.as_bytes()).await;
                assert_eq!(status, *expected, "{} answers to {case} in {name}: {text}", program.name);
            }
        }
    }
}

#[tokio::test]
async fn every_receiver_takes_an_event_once_however_often_it_comes() {
    let (client, time, body) = (http_client(), now().to_string(), event("task_repeated"));
    let signature = signature::nano_signature_of(&time, body.as_bytes(), SECRET);
    let headers = [
        ("x-nano-timestamp", time.as_bytes()),
        ("x-nano-signature", signature.as_bytes()),
        ("webhook-id", b"repeated".as_slice()),
    ];
    for program in PROGRAMS.iter() {
        let at_the_same_time = (0..8).map(|_| post(&client, program, &headers, body.as_bytes()));
        let mut answers = join_all(at_the_same_time).await;
        answers.push(post(&client, program, &headers, body.as_bytes()).await);
        assert!(answers.iter().all(|(status, _)| *status == 204), "{}: {answers:?}", program.name);
        assert_eq!(program.count("task_repeated"), 1, "{}", program.name);
        let other_id = [headers[0], headers[1], ("webhook-id", b"another".as_slice())];
        assert_eq!(post(&client, program, &other_id, body.as_bytes()).await.0, 204);
        assert_eq!(program.count("task_repeated"), 2, "{}: another id is another event", program.name);
    }
}

#[tokio::test]
async fn every_receiver_outlives_a_request_that_breaks_off() {
    let client = http_client();
    for program in PROGRAMS.iter() {
        let mut connection = program.connect().unwrap();
        let half =
            b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
        connection.write_all(half).unwrap();
        drop(connection);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(post(&client, program, &[], b"{}").await.0, 401, "{}", program.name);
    }
}

#[tokio::test]
async fn no_receiver_trusts_an_empty_secret() {
    let (client, time, body) = (http_client(), now().to_string(), event("task_of_an_empty_secret"));
    let signature = signature::nano_signature_of(&time, body.as_bytes(), "");
    let headers = [
        ("x-nano-timestamp", time.as_bytes()),
        ("x-nano-signature", signature.as_bytes()),
        ("webhook-id", b"empty".as_slice()),
    ];
    for running in PROGRAMS.iter() {
        let mut program = Program::start(&running.name, "").unwrap();
        if program.is_up() {
            assert_eq!(post(&client, &program, &headers, body.as_bytes()).await.0, 500, "{}", program.name);
        }
        drop(program.child.stdin.take());
        program.child.wait().unwrap();
    }
}

/// The vectors are too old. A receiver reports that only if the signature is right.
#[tokio::test]
async fn every_receiver_agrees_with_the_published_vectors() {
    let vectors = fs::read_to_string(workspace().join("docs/signature-vectors.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_str(&vectors).unwrap();
    let has_our_secret = |vector: &&Value| {
        let previous = vector["previous_secrets"].as_array().unwrap();
        vector["secret"] == SECRET || vector["next_secret"] == SECRET || previous.iter().any(|it| it == SECRET)
    };
    let vectors: Vec<&Value> = vectors.iter().filter(has_our_secret).collect();
    assert!(vectors.len() > 12, "{} vectors have the secret", vectors.len());
    let client = http_client();
    for program in PROGRAMS.iter() {
        for vector in &vectors {
            let headers: Vec<(&str, &[u8])> = vector["headers"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap().as_bytes()))
                .collect();
            let body = vector["body"].as_str().unwrap();
            let (status, text) = post(&client, program, &headers, body.as_bytes()).await;
            assert_eq!(
                (status, text.contains("timestamp")),
                (401, true),
                "{}: {}: {text}",
                program.name,
                vector["name"]
            );
            let (status, text) = post(&client, program, &headers, format!("{body} ").as_bytes()).await;
            assert_eq!(
                (status, text.contains("signature")),
                (401, true),
                "{}: {}: {text}",
                program.name,
                vector["name"]
            );
        }
    }
}

#[test]
fn the_guide_shows_every_receiver_as_it_is() {
    let guide = fs::read_to_string(workspace().join("docs/verifying.md")).unwrap();
    for name in names() {
        let program = fs::read_to_string(workspace().join("docs/receivers").join(&name)).unwrap();
        assert!(guide.contains(&format!("\n{program}```\n")), "docs/verifying.md does not show {name} as it is");
        assert!(guide.contains(&format!("(receivers/{name})")), "docs/verifying.md has no link to {name}");
    }
}
