//! What a customer can change in a webhook: its URL, events and status; and test events in between.

use std::time::Duration;

use harness::{Answer, Customer, Producer, Received, Reply, signature};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, key_for};

const WEBHOOK: &str = "/api/v1/webhooks/1";

/// A customer with a webhook for completed tasks, at its own path.
async fn customer_with_webhook(account: &str, secret: Option<&str>) -> (Customer, Value) {
    let customer = Customer::new(&STACK, &key_for(account));
    let webhook = json!({ "url": RECEIVER.url(&format!("/{account}")), "events": ["job.completed"],
        "secret_key": secret });
    let created = customer.post("/api/v1/webhooks", &webhook).await.unwrap();
    assert_eq!(created.status, 201, "{}", created.text);
    (customer, created.json()["data"].clone())
}

async fn complete_a_task(account: &str, task: &str, status: &str) {
    let completion = json!({ "account_id": account, "task_id": task, "task_type": "image", "status": status });
    Producer::new(&STACK).send(completion).await.unwrap();
}

async fn change(customer: &Customer, change: Value) -> Reply {
    customer.send(Method::PATCH, WEBHOOK, Some(change.to_string())).await.unwrap()
}

async fn received(path: &str, count: usize) -> Vec<Received> {
    RECEIVER.wait_for(path, count, Duration::from_secs(20)).await.unwrap()
}

#[tokio::test]
async fn a_changed_url_and_changed_events_count_from_the_next_task_on() {
    let (customer, _) = customer_with_webhook("acct_changed", None).await;
    let moved = RECEIVER.url("/acct_changed/moved");
    let reply = change(&customer, json!({ "url": moved, "events": ["job.failed", "job.completed"] })).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let expected = json!({ "id": 1, "url": moved, "events": ["job.failed", "job.completed"], "status": "active",
        "callback_hosts": [], "description": null, "headers": [], "max_per_minute": null, "metadata": null,
        "task_types": null, "failing_since": null, "consecutive_failures": 0, "last_failed_at": null,
        "disabled_at": null, "disabled_reason": null,
        "circuit": "recovering", "next_probe_at": null, "held": 0, "secret_switches_at": null,
        "previous_secret_expires_at": null });
    let mut shown = reply.json()["data"].take();
    assert_eq!(customer.get(WEBHOOK).await.unwrap().json()["data"], shown);
    for time in ["created_at", "updated_at"] {
        assert!(shown.as_object_mut().unwrap().remove(time).unwrap().is_string());
    }
    assert_eq!(shown, expected);
    complete_a_task("acct_changed", "task_1", "failed").await;
    received("/acct_changed/moved", 1).await;
    assert!(RECEIVER.received("/acct_changed").is_empty());
}

#[tokio::test]
async fn a_disabled_webhook_hears_nothing_until_it_is_made_active() {
    let (customer, _) = customer_with_webhook("acct_paused", None).await;
    let other = json!({ "url": RECEIVER.url("/acct_paused/other"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &other).await.unwrap().status, 201);
    assert_eq!(change(&customer, json!({ "status": "disabled" })).await.json()["data"]["status"], "disabled");
    complete_a_task("acct_paused", "task_missed", "completed").await;
    let test = customer.send(Method::POST, "/api/v1/webhooks/1/test", None).await.unwrap();
    assert_eq!(test.status, 409);
    assert_eq!(test.json()["error"]["message"], "webhook 1 is disabled; make it active first");

    // Once the other webhook has received the first task, the service has decided that this one does not.
    received("/acct_paused/other", 1).await;
    assert_eq!(change(&customer, json!({ "status": "active" })).await.status, 200);
    complete_a_task("acct_paused", "task_heard", "completed").await;
    let heard = received("/acct_paused", 1).await;
    assert_eq!(heard[0].json()["task_id"], "task_heard");
}

#[tokio::test]
async fn a_webhook_that_was_given_up_is_mended_by_making_it_active() {
    let (customer, _) = customer_with_webhook("acct_mended", None).await;
    RECEIVER.answer("/acct_mended", [Answer::status(410)]);
    complete_a_task("acct_mended", "task_1", "completed").await;
    received("/acct_mended", 1).await;
    let webhook = wait_for_status(&customer, "disabled").await;
    assert_eq!(webhook["disabled_reason"], "the endpoint answered 410 Gone");

    assert_eq!(webhook["consecutive_failures"], 1);

    let other = change(&customer, json!({ "events": ["job.failed", "job.completed"] })).await.json();
    assert_eq!(other["data"]["status"], "disabled", "a change of the events does not enable the webhook");
    let active = change(&customer, json!({ "status": "active" })).await.json()["data"].take();
    assert_eq!((&active["disabled_reason"], &active["circuit"]), (&Value::Null, &json!("recovering")));
    complete_a_task("acct_mended", "task_2", "completed").await;
    received("/acct_mended", 2).await;
}

#[tokio::test]
async fn another_url_mends_a_webhook_that_the_service_gave_up_and_not_one_that_its_owner_disabled() {
    let (customer, _) = customer_with_webhook("acct_moved_on", None).await;
    RECEIVER.answer("/acct_moved_on", [Answer::status(410)]);
    complete_a_task("acct_moved_on", "task_1", "completed").await;
    wait_for_status(&customer, "disabled").await;
    let moved = change(&customer, json!({ "url": RECEIVER.url("/acct_moved_on/new") })).await.json()["data"].take();
    assert_eq!((&moved["status"], &moved["disabled_reason"]), (&json!("active"), &Value::Null));
    complete_a_task("acct_moved_on", "task_2", "completed").await;
    received("/acct_moved_on/new", 1).await;

    change(&customer, json!({ "status": "disabled" })).await;
    let moved = change(&customer, json!({ "url": RECEIVER.url("/acct_moved_on/newer") })).await.json()["data"].take();
    assert_eq!(moved["status"], "disabled");
}

async fn wait_for_status(customer: &Customer, status: &str) -> Value {
    for _ in 0..100 {
        let webhook = customer.get(WEBHOOK).await.unwrap().json()["data"].clone();
        if webhook["status"] == status {
            return webhook;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the webhook is not {status}");
}

#[tokio::test]
async fn a_wrong_change_changes_nothing() {
    let (customer, created) = customer_with_webhook("acct_wrong_change", None).await;
    let cases = [
        (json!({}), "there is nothing to change"),
        (json!({ "url": "https://169.254.169.254/" }), "url host"),
        (json!({ "status": "active", "events": ["job.done"] }), "events[0] is \"job.done\""),
        (json!({ "status": "paused" }), "status is \"paused\"; expected active or disabled"),
        (json!({ "id": 7 }), "there is no field \"id\""),
    ];
    for (wrong, message) in cases {
        let reply = change(&customer, wrong).await;
        assert_eq!(reply.status, 400);
        assert!(reply.text.contains(&message.replace('"', "\\\"")), "{}", reply.text);
    }
    assert_eq!(customer.get(WEBHOOK).await.unwrap().json()["data"]["url"], created["url"]);
    let nobodys = customer.send(Method::PATCH, "/api/v1/webhooks/2", Some(r#"{"status":"active"}"#.into())).await;
    assert_eq!(nobodys.unwrap().status, 404);
}

#[tokio::test]
async fn a_test_event_goes_to_its_webhook_alone_and_is_delivered_like_any_other() {
    let (customer, _) = customer_with_webhook("acct_tested", Some("the-secret")).await;
    let other = json!({ "url": RECEIVER.url("/acct_tested/other"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &other).await.unwrap().status, 201);

    let sent = customer.send(Method::POST, "/api/v1/webhooks/1/test", None).await.unwrap();
    assert_eq!(sent.status, 202, "{}", sent.text);
    let webhook = &received("/acct_tested", 1).await[0];
    assert!(signature::is_valid(webhook, "the-secret"));
    let body = webhook.json();
    assert_eq!((&body["event"], &body["status"]), (&json!("job.completed"), &json!("completed")));
    assert!(body["task_id"].as_str().unwrap().starts_with("test_"), "{body}");
    assert_eq!(sent.json()["data"], json!({ "id": webhook.header("webhook-id") }));

    let failed = customer.post("/api/v1/webhooks/1/test", &json!({ "event": "job.failed" })).await.unwrap();
    assert_eq!(failed.status, 202);
    assert_eq!(received("/acct_tested", 2).await[1].json()["event"], "job.failed", "whatever it subscribed to");
    assert!(RECEIVER.received("/acct_tested/other").is_empty());
    let wrong = customer.post("/api/v1/webhooks/1/test", &json!({ "event": "job.done" })).await.unwrap();
    assert_eq!(wrong.json()["error"]["message"], "event is \"job.done\"; expected one of job.completed, job.failed");
    assert_eq!(customer.send(Method::POST, "/api/v1/webhooks/3/test", None).await.unwrap().status, 404);
}
