//! When the service disables a webhook, and when it does not.

use std::time::{Duration, Instant};

use harness::{Answer, Customer, Options, Producer, Stack};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, folder_of_this_run, key_for};

/// The setting of the first test's own stack, instead of five days.
const PATIENCE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn an_endpoint_that_is_down_for_too_long_is_given_up_and_one_that_takes_a_delivery_now_and_then_is_not() {
    let options = Options {
        folder: folder_of_this_run().join("disabling"),
        parameters: vec![
            ("DisableAfterSeconds", "4"),
            ("ProbeScheduleSeconds", "1"),
            // Also sets a key for the tables, so that one test deploys this part of the template. The emulator does
            // not use the key.
            ("KmsKeyArn", "arn:aws:kms:us-east-1:000000000000:key/0"),
        ],
        schedules_every_seconds: Some(1),
        ..Options::default()
    };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let customer = Customer::new(&stack, &stack.create_api_key("acct_patience").unwrap());
    // One endpoint repeats three failures and a success; the other always fails.
    let flapping = [500, 500, 500, 200].into_iter().cycle().take(1_000).map(Answer::status);
    RECEIVER.answer("/flapping", flapping);
    RECEIVER.answer("/dead", vec![Answer::status(500); 1_000]);
    for path in ["/flapping", "/dead"] {
        let webhook = json!({ "url": RECEIVER.url(path), "events": ["job.completed"] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    }
    let webhook = async |id: u64| customer.get(&format!("/api/v1/webhooks/{id}")).await.unwrap().json()["data"].take();

    let (start, producer) = (Instant::now(), Producer::new(&stack));
    let mut task = 0;
    let dead: Value = loop {
        task += 1;
        let completion = json!({ "account_id": "acct_patience", "task_id": format!("task_{task}"), "task_type": "image",
            "status": "completed" });
        producer.send(completion).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let dead = webhook(2).await;
        if dead["status"] == "disabled" && start.elapsed() > PATIENCE * 3 {
            break dead;
        }
        assert!(start.elapsed() < Duration::from_mins(2), "{dead}");
    };
    assert_eq!(dead["disabled_reason"], "every attempt failed for 4 seconds");
    assert!(dead["held"].as_u64() >= Some(1), "held deliveries are not lost: {dead}");
    assert_eq!(dead["next_probe_at"], Value::Null);
    let flapping = webhook(1).await;
    assert_eq!(flapping["status"], "active", "{flapping}");

    // After this pause the probes have stopped.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let requests = RECEIVER.received("/dead").len();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(RECEIVER.received("/dead").len(), requests);
}

#[tokio::test]
async fn an_answer_of_the_old_endpoint_says_nothing_of_the_new_one() {
    let customer = customer_at("acct_moving").await;
    RECEIVER.answer("/acct_moving", [Answer { delay: Duration::from_secs(4), ..Answer::status(410) }]);
    send_a_test(&customer).await;
    RECEIVER.wait_for("/acct_moving", 1, Duration::from_secs(20)).await.unwrap();
    let moved = change(&customer, json!({ "url": RECEIVER.url("/acct_moving/new") })).await;
    assert_eq!(moved["status"], "active");
    tokio::time::sleep(Duration::from_secs(6)).await;
    let webhook = customer.get("/api/v1/webhooks/1").await.unwrap().json()["data"].clone();
    assert_eq!((&webhook["status"], &webhook["failing_since"]), (&json!("active"), &Value::Null), "{webhook}");
}

#[tokio::test]
async fn a_url_that_stays_the_same_does_not_restart_the_webhooks_clock() {
    let customer = customer_at("acct_same").await;
    RECEIVER.answer("/acct_same", vec![Answer::status(500); 20]);
    send_a_test(&customer).await;
    let start = Instant::now();
    let failing = loop {
        let webhook = customer.get("/api/v1/webhooks/1").await.unwrap().json()["data"].clone();
        if !webhook["failing_since"].is_null() {
            break webhook;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{webhook}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let same = json!({ "url": failing["url"], "events": ["job.failed"] });
    let changed = change(&customer, same).await;
    assert_eq!((&changed["failing_since"], &changed["events"]), (&failing["failing_since"], &json!(["job.failed"])));
    let moved = change(&customer, json!({ "url": RECEIVER.url("/acct_same/new") })).await;
    assert_eq!(moved["failing_since"], Value::Null);
}

/// A customer with a webhook at the path of its account's name.
async fn customer_at(account: &str) -> Customer {
    let customer = Customer::new(&STACK, &key_for(account));
    let webhook = json!({ "url": RECEIVER.url(&format!("/{account}")), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    customer
}

async fn send_a_test(customer: &Customer) {
    assert_eq!(customer.send(Method::POST, "/api/v1/webhooks/1/test", None).await.unwrap().status, 202);
}

async fn change(customer: &Customer, change: Value) -> Value {
    let reply = customer.send(Method::PATCH, "/api/v1/webhooks/1", Some(change.to_string())).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()["data"].clone()
}
