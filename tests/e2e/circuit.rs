//! An endpoint that is down, as its owner sees it. `release.rs` tests what release then does.

use std::time::Duration;

use harness::{Answer, Customer, Producer, SOON};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, key_for};

const WEBHOOK: &str = "/api/v1/webhooks/1";

struct Account {
    name: &'static str,
    customer: Customer,
}

impl Account {
    /// An account with a webhook at the path of its name.
    async fn new(name: &'static str) -> Self {
        let customer = Customer::new(&STACK, &key_for(name));
        let webhook = json!({ "url": RECEIVER.url(&format!("/{name}")), "events": ["job.completed"] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
        Self { name, customer }
    }

    /// An account whose endpoint has failed until its circuit opened.
    async fn down(name: &'static str) -> Self {
        let account = Self::new(name).await;
        RECEIVER.answer(&format!("/{name}"), vec![Answer::status(500); 1_000]);
        account.send(0..10).await;
        account.wait_until(|webhook| webhook["circuit"] == "open").await;
        account
    }

    async fn send(&self, tasks: std::ops::Range<usize>) {
        let completion = |task| {
            json!({ "account_id": self.name, "task_id": format!("task_{task}"), "task_type": "image",
            "status": "completed" })
        };
        let messages: Vec<String> = tasks.map(|task| completion(task).to_string()).collect();
        Producer::new(&STACK).send_all(&messages).await.unwrap();
    }

    async fn webhook(&self) -> Value {
        self.customer.data(WEBHOOK).await.unwrap()
    }

    async fn wait_until(&self, is_met: impl Fn(&Value) -> bool) -> Value {
        self.customer.wait_until(WEBHOOK, is_met).await.unwrap()
    }

    /// The status and the error message of the reply to a request for a probe.
    async fn probe(&self) -> (u16, Value) {
        let reply = self.customer.send(Method::POST, &format!("{WEBHOOK}/probe"), None).await.unwrap();
        (reply.status, reply.json()["error"]["message"].take())
    }

    async fn change(&self, change: Value) -> Value {
        let reply = self.customer.send(Method::PATCH, WEBHOOK, Some(change.to_string())).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["data"].take()
    }
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value} is no time")).parse().unwrap()
}

#[tokio::test]
async fn a_webhook_whose_endpoint_is_down_shows_since_when_and_how_many_are_held_and_is_probed_when_its_owner_asks() {
    let account = Account::down("acct_down").await;
    let webhook = account.webhook().await;
    assert_eq!(webhook["status"], "active");
    assert!(webhook["consecutive_failures"].as_u64().unwrap() >= 10, "{webhook}");
    assert!(time(&webhook["failing_since"]) <= time(&webhook["last_failed_at"]), "{webhook}");
    let next = time(&webhook["next_probe_at"]);
    assert!(next > Timestamp::now() && next < Timestamp::now() + Duration::from_secs(70), "{webhook}");

    // A retry that becomes due is held too.
    account.send(10..11).await;
    account.wait_until(|webhook| webhook["held"] == 11).await;
    let received = RECEIVER.received("/acct_down").len();
    account.send(11..16).await;
    account.wait_until(|webhook| webhook["held"] == 16).await;
    assert_eq!(RECEIVER.received("/acct_down").len(), received, "what is held is not attempted");

    assert_eq!(account.probe().await, (202, Value::Null));
    assert!(time(&account.webhook().await["next_probe_at"]) <= Timestamp::now());
}

#[tokio::test]
async fn only_an_open_circuit_is_probed() {
    let account = Account::new("acct_up").await;
    let closed = "there is nothing to probe at webhook 1: its endpoint is not taken for down, and gets its deliveries";
    assert_eq!(account.probe().await, (409, json!(closed)));
    account.change(json!({ "url": RECEIVER.url("/acct_up/new") })).await;
    let recovering = "there is nothing to probe at webhook 1: its endpoint is back, and gets what was held";
    assert_eq!(account.probe().await, (409, json!(recovering)));
    account.change(json!({ "status": "disabled" })).await;
    assert_eq!(account.probe().await, (409, json!("webhook 1 is disabled; make it active first")));
}

#[tokio::test]
async fn another_url_gets_what_was_held_of_an_endpoint_that_was_down() {
    let account = Account::down("acct_down_and_moved").await;
    let moved = account.change(json!({ "url": RECEIVER.url("/acct_down_and_moved/new") })).await;
    assert_eq!((&moved["circuit"], &moved["failing_since"]), (&json!("recovering"), &Value::Null));
    account.send(10..11).await;
    RECEIVER.wait_for("/acct_down_and_moved/new", 1, SOON).await.unwrap();
}
