//! The effects of hostile receivers on the whole stack: on the history, on the dispatcher's memory, and on the next
//! attempt. The test binary `hostile` has the other cases and looks at single attempts in detail.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use harness::{
    Behaviour::{Repeats, Resets, Says},
    Certificate, Customer, Hostile, Producer, SOON,
};
use serde_json::{Value, json};

use crate::{STACK, folder_of_this_run, key_for};

static HOSTILE: LazyLock<Hostile> =
    LazyLock::new(|| Hostile::start(&folder_of_this_run()).unwrap_or_else(|failure| panic!("{failure}")));

/// How much memory a dispatcher of a debug build may use at most, in KiB. The test offers it ten gibibytes.
const FLAT: u64 = 48 * 1024;

/// An account with webhooks.
struct Account {
    id: &'static str,
    customer: Customer,
}

impl Account {
    async fn with_webhooks(id: &'static str, urls: &[String]) -> Self {
        let customer = Customer::new(&STACK, &key_for(id));
        for url in urls {
            let webhook = json!({ "url": url, "events": ["job.completed"] });
            let reply = customer.post("/api/v1/webhooks", &webhook).await.unwrap();
            assert_eq!(reply.status, 201, "{}", reply.text);
        }
        Self { id, customer }
    }

    async fn complete(&self, task: &str) {
        let completion = json!({ "account_id": self.id, "task_id": task, "task_type": "image", "status": "completed",
            "timestamp": "2024-12-23T10:00:00Z" });
        Producer::new(&STACK).send(completion).await.unwrap();
    }

    /// Waits until a webhook has this many deliveries in this state, and returns the newest as the customer sees it.
    async fn delivery(&self, webhook: usize, status: &str, count: usize) -> Value {
        let path = format!("/api/v1/webhooks/{webhook}/deliveries");
        let start = Instant::now();
        loop {
            let reply = self.customer.get(&format!("{path}?status={status}")).await.unwrap();
            let listed = reply.json()["data"]["deliveries"].take();
            if let Some(newest) = listed.get(count - 1).and(listed.get(0)) {
                let id = newest["id"].as_str().unwrap();
                return self.customer.get(&format!("{path}/{id}")).await.unwrap().json()["data"].take();
            }
            assert!(start.elapsed() < SOON, "webhook {webhook} of {} has no delivery that is {status}", self.id);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Each attempt's outcome and HTTP status.
fn attempts(delivery: &Value) -> Vec<(&str, Option<u64>)> {
    let attempts = delivery["attempts"].as_array().unwrap().iter();
    attempts.map(|attempt| (attempt["outcome"].as_str().unwrap(), attempt["http_status"].as_u64())).collect()
}

fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn ok() -> Vec<u8> {
    answer("200 OK", "", "ok")
}

#[tokio::test]
async fn ten_bodies_of_a_gibibyte_are_delivered_and_the_dispatcher_does_not_grow() {
    let first = b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
    let urls: Vec<String> = (0..10)
        .map(|at| {
            HOSTILE.on(&format!("/gibibyte/{at}"), [Repeats(first.to_vec(), vec![b'x'; 1 << 20], Duration::ZERO)])
        })
        .collect();
    let account = Account::with_webhooks("acct_gibibytes", &urls).await;
    account.complete("task_1").await;
    for webhook in 1..=urls.len() {
        let delivery = account.delivery(webhook, "delivered", 1).await;
        assert_eq!(attempts(&delivery), [("http", Some(200))]);
        assert_eq!(delivery["attempts"][0]["response"], "x".repeat(850));
    }
    let peak = STACK.peak_memory("Dispatcher");
    assert!(peak.is_none_or(|peak| peak < FLAT), "{peak:?}");
}

#[tokio::test]
async fn an_endpoint_that_falls_silent_is_tried_again_and_the_history_says_how_long_it_took() {
    let url = HOSTILE.on("/silent", [Says(Vec::new()), Says(ok())]);
    let account = Account::with_webhooks("acct_silent", &[url]).await;
    account.complete("task_1").await;
    let delivery = account.delivery(1, "delivered", 1).await;
    assert_eq!(attempts(&delivery), [("timeout", None), ("http", Some(200))]);
    let first = &delivery["attempts"][0];
    assert!((10_000..12_000).contains(&first["duration_ms"].as_u64().unwrap()), "{first}");
    assert_eq!(first["message"], "no status arrived within 10 s");
    assert_eq!(first["response"], Value::Null);
}

#[tokio::test]
async fn heads_without_end_are_too_large_and_tried_again() {
    let endless = |first: &[u8], then: &[u8]| Repeats(first.to_vec(), then.repeat(10_000), Duration::ZERO);
    let behaviours = [
        endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        Says(answer("200 OK", &"x: y\r\n".repeat(10_000), "")),
        Says(ok()),
    ];
    let account = Account::with_webhooks("acct_heads", &[HOSTILE.on("/heads", behaviours)]).await;
    account.complete("task_1").await;
    let delivery = account.delivery(1, "delivered", 1).await;
    let too_large = ("too_large", None);
    assert_eq!(attempts(&delivery), [too_large, too_large, too_large, ("http", Some(200))]);
}

#[tokio::test]
async fn neither_a_redirect_nor_304_is_success_and_204_is() {
    let elsewhere = HOSTILE.on("/elsewhere", [Says(ok())]);
    let moved = answer("301 Moved Permanently", &format!("location: {elsewhere}\r\n"), "");
    let behaviours =
        [Says(moved), Says(answer("304 Not Modified", "", "")), Says(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())];
    let account = Account::with_webhooks("acct_moved", &[HOSTILE.on("/moved", behaviours)]).await;
    account.complete("task_1").await;
    let delivery = account.delivery(1, "delivered", 1).await;
    assert_eq!(attempts(&delivery), [("http", Some(301)), ("http", Some(304)), ("http", Some(204))]);
    assert!(HOSTILE.heard("/elsewhere").is_empty(), "the redirect's target gets no request");
}

#[tokio::test]
async fn a_strange_body_is_in_the_history_as_safe_text() {
    let behaviours = [Resets(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n\0\x1b[2J\xff \xe2\x82\xac\r\n".to_vec())];
    let account = Account::with_webhooks("acct_strange", &[HOSTILE.on("/strange", behaviours)]).await;
    account.complete("task_1").await;
    let delivery = account.delivery(1, "delivered", 1).await;
    assert_eq!(attempts(&delivery), [("http", Some(200))], "a reset after the status changes nothing");
    assert_eq!(delivery["attempts"][0]["response"], "\u{FFFD}\u{FFFD}[2J\u{FFFD} €\n");
}

#[tokio::test]
async fn an_untrusted_certificate_is_explained_and_tried_again() {
    HOSTILE.on("/untrusted", [Says(ok())]);
    let url = HOSTILE.tls_url(Certificate::SelfSigned, "/untrusted");
    let account = Account::with_webhooks("acct_untrusted", &[url]).await;
    account.complete("task_1").await;
    let delivery = account.delivery(1, "retrying", 1).await;
    assert_eq!(attempts(&delivery)[0], ("tls", None));
    let why = "no TLS session could be made: the certificate is self-signed, from an unknown authority, or an intermediate certificate is missing: use one from a public authority, and send its intermediate certificates too";
    assert_eq!(delivery["attempts"][0]["message"], why);
    assert!(HOSTILE.heard("/untrusted").is_empty());
}

#[tokio::test]
async fn a_used_connection_that_dies_costs_no_attempt_and_is_in_the_history() {
    // A test cannot choose which dispatcher takes a delivery and whether it still has a connection. Of many
    // deliveries some use an old connection; on a busy machine that takes several tries.
    for account in ["acct_dies_1", "acct_dies_2", "acct_dies_3", "acct_dies_4", "acct_dies_5"] {
        if second_deliveries_over_used_connections(account).await > 0 {
            return;
        }
    }
    panic!("no delivery came over a used connection");
}

/// Delivers twice to each of ten webhooks, and resets the connection of the second delivery. Asserts that exactly the
/// resets of used connections cost no attempt, and returns how many there were.
async fn second_deliveries_over_used_connections(account: &'static str) -> usize {
    let paths: Vec<String> = (0..10).map(|at| format!("/{account}/{at}")).collect();
    let urls: Vec<String> =
        paths.iter().map(|path| HOSTILE.on(path, [Says(ok()), Resets(Vec::new()), Says(ok())])).collect();
    let account = Account::with_webhooks(account, &urls).await;
    account.complete("task_1").await;
    for webhook in 1..=urls.len() {
        account.delivery(webhook, "delivered", 1).await;
    }
    account.complete("task_2").await;
    let mut reused = 0;
    for (webhook, path) in (1..).zip(&paths) {
        account.delivery(webhook, "delivered", 2).await;
        let deliveries = account.customer.get(&format!("/api/v1/webhooks/{webhook}/deliveries")).await.unwrap().json();
        let resent = deliveries["data"]["deliveries"].as_array().unwrap().iter();
        let resent = resent.filter(|delivery| delivery["last_attempt"]["resent"] == true);
        let costs: Vec<u64> = resent.map(|delivery| delivery["attempt_count"].as_u64().unwrap()).collect();
        if HOSTILE.heard(path)[1].on_used_connection {
            reused += 1;
            assert_eq!(costs, [1], "one attempt, and it says that the request was sent twice");
        } else {
            assert!(costs.is_empty(), "over a new connection the failure is the receiver's");
        }
    }
    reused
}
