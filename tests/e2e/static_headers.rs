//! The static headers of a webhook: each request to its own endpoint has them, nobody reads them back, and no change
//! sends them to another endpoint.

use std::time::{Duration, Instant};

use harness::{Answer, Customer, Producer, Received, Reply, SOON};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, key_for};

const WEBHOOKS: &str = "/api/v1/webhooks";
const GATEWAY: &str = "a-gateways-key-that-nobody-guesses";
const BASIC: &str = "Basic dXNlcjpodW50ZXIyaHVudGVyMg==";

struct Account {
    id: &'static str,
    customer: Customer,
    path: String,
}

impl Account {
    /// An account with one webhook that has these headers.
    async fn with(id: &'static str, headers: Value) -> (Self, Reply) {
        let account = Self { id, customer: Customer::new(&STACK, &key_for(id)), path: format!("/{id}") };
        let url = RECEIVER.url(&account.path);
        let body = json!({ "url": url, "events": ["*"], "headers": headers, "callback_hosts": ["*"] });
        let created = account.customer.post(WEBHOOKS, &body).await.unwrap();
        assert_eq!(created.status, 201, "{}", created.text);
        (account, created)
    }

    async fn change(&self, change: Value) -> Reply {
        let path = format!("{WEBHOOKS}/1");
        self.customer.send(Method::PATCH, &path, Some(change.to_string())).await.unwrap()
    }

    async fn complete(&self, task: &str, more: Value) {
        let mut completion = json!({ "account_id": self.id, "task_id": task, "task_type": "image",
            "status": "completed", "timestamp": "2026-11-28T10:00:00Z" });
        completion.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Producer::new(&STACK).send(completion).await.unwrap();
    }

    /// Waits for this many requests at the webhook's own URL, and returns the last.
    async fn last_of(&self, count: usize) -> Received {
        RECEIVER.wait_for(&self.path, count, SOON).await.unwrap().pop().unwrap()
    }
}

#[tokio::test]
async fn every_request_has_the_headers_and_no_reply_has_their_values() {
    let headers = json!({ "X-Api-Key": GATEWAY, "authorization": BASIC });
    let (account, created) = Account::with("acct_headers", headers).await;
    let first_shown = STACK.operator(&["webhooks", "show", "1", "--account", account.id]).unwrap();
    assert!(first_shown.contains("headers  X-Api-Key, authorization"), "{first_shown}");
    assert_eq!(created.json()["data"]["headers"], json!(["X-Api-Key", "authorization"]));
    account.complete("task_1", json!({})).await;
    let request = account.last_of(1).await;
    assert_eq!((request.header("x-api-key"), request.header("authorization")), (Some(GATEWAY), Some(BASIC)));
    for name in ["x-nano-signature", "webhook-signature", "content-length", "host"] {
        assert_eq!(request.headers.get_all(name).iter().count(), 1, "{name}");
    }

    // A changed value is in the next request.
    let changed = account.change(json!({ "headers": { "X-Api-Key": "another-key-of-the-gateway" } })).await;
    assert_eq!(changed.json()["data"]["headers"], json!(["X-Api-Key"]));
    account.complete("task_2", json!({})).await;
    let request = account.last_of(2).await;
    let sent = (request.header("x-api-key"), request.header("authorization"));
    assert_eq!(sent, (Some("another-key-of-the-gateway"), None));
    let removed = account.change(json!({ "headers": null })).await;
    assert_eq!(removed.json()["data"]["headers"], json!([]));
    account.complete("task_3", json!({})).await;
    assert_eq!(account.last_of(3).await.header("x-api-key"), None);

    let list = account.customer.get(&format!("{WEBHOOKS}?include=details")).await.unwrap();
    let shown = STACK.operator(&["webhooks", "show", "1", "--account", account.id]).unwrap();
    for text in [created.text, changed.text, list.text, first_shown, shown] {
        assert!(![GATEWAY, BASIC, "another-key"].iter().any(|secret| text.contains(secret)), "{text}");
    }
}

#[tokio::test]
async fn what_the_endpoint_repeats_of_a_value_is_not_in_the_history() {
    let (account, _) = Account::with("acct_headers_echo", json!({ "X-Api-Key": GATEWAY })).await;
    let echo = Answer { body: format!("no such key: {GATEWAY}").into(), ..Answer::status(410) };
    RECEIVER.answer(&account.path, [echo]);
    account.complete("task_1", json!({})).await;
    account.last_of(1).await;
    let start = Instant::now();
    loop {
        let list = account.customer.data(&format!("{WEBHOOKS}/1/deliveries")).await.unwrap();
        let delivery = &list["deliveries"][0];
        if delivery["status"] == "failed" {
            let path = format!("{WEBHOOKS}/1/deliveries/{}", delivery["id"].as_str().unwrap());
            let history = account.customer.get(&path).await.unwrap();
            let response = &history.json()["data"]["attempts"][0]["response"];
            assert_eq!(*response, json!("no such key: [the value of X-Api-Key]"));
            assert!(!history.text.contains(GATEWAY), "{}", history.text);
            break;
        }
        assert!(start.elapsed() < SOON, "{list}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn no_other_origin_gets_them() {
    let (account, _) = Account::with("acct_headers_origin", json!({ "X-Api-Key": GATEWAY })).await;
    // Another host name of the same machine is another origin.
    let elsewhere = |path: &str| RECEIVER.url(path).replace("127.0.0.1", "localhost");
    account.complete("task_1", json!({ "callback_url": elsewhere("/acct_headers_callback") })).await;
    let callback = RECEIVER.wait_for("/acct_headers_callback", 1, SOON).await.unwrap();
    assert_eq!(callback[0].header("x-api-key"), None);
    account.complete("task_2", json!({ "callback_url": RECEIVER.url("/acct_headers_own") })).await;
    let callback = RECEIVER.wait_for("/acct_headers_own", 1, SOON).await.unwrap();
    assert_eq!(callback[0].header("x-api-key"), Some(GATEWAY), "the webhook's own origin");

    let refused = account.change(json!({ "url": elsewhere("/acct_headers_moved") })).await;
    assert_eq!((refused.status, &refused.json()["error"]["field"]), (400, &json!("headers")), "{}", refused.text);
    assert!(refused.text.contains("send headers with the new url, or null to remove them"), "{}", refused.text);
    assert_eq!(account.change(json!({ "url": RECEIVER.url("/acct_headers_path") })).await.status, 200);
    let moved = account.change(json!({ "url": elsewhere("/acct_headers_moved"), "headers": null })).await;
    assert_eq!((moved.status, &moved.json()["data"]["headers"]), (200, &json!([])));
    account.complete("task_3", json!({})).await;
    let moved = RECEIVER.wait_for("/acct_headers_moved", 1, SOON).await.unwrap();
    assert_eq!(moved[0].header("x-api-key"), None);
}

#[tokio::test]
async fn a_header_that_cannot_be_set_is_refused_by_name_and_without_its_value() {
    let (account, _) = Account::with("acct_headers_refused", json!({})).await;
    for (headers, problem) in [
        (json!({ "Host": GATEWAY }), r#"headers["Host"] cannot be set"#),
        (json!({ "X-Nano-Signature": GATEWAY }), r#"headers["X-Nano-Signature"] cannot be set"#),
        (json!({ "a\r\nHost": GATEWAY }), r#"headers["a\r\nHost"] is not a header name"#),
        (json!({ "x-key": format!("{GATEWAY}\r\nHost: a") }), r#"headers["x-key"] must be a string of 1 to 1024"#),
        (json!([GATEWAY]), "headers must be an object with strings as values, not an array"),
    ] {
        let refused = account.change(json!({ "headers": headers })).await;
        let error = refused.json()["error"].take();
        assert_eq!((refused.status, &error["field"]), (400, &json!("headers")), "{}", refused.text);
        assert!(error["message"].as_str().unwrap().starts_with(problem), "{}", refused.text);
        assert!(!refused.text.contains(GATEWAY), "{}", refused.text);
    }
}
