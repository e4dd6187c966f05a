//! Tests an upgrade: the items and messages of each earlier version in `tests/samples/` are in this version's tables
//! and queues. No message is lost, nothing is sent twice, and customers see what they saw before.

mod frozen;
mod make_samples;

use std::time::Duration;

use frozen::{Frozen, frozen};
use harness::{Customer, Received, SOON, signature};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK};

/// Whether a reply still contains everything from an earlier version's reply. It may contain more.
fn has_all_of(now: &Value, then: &Value) -> bool {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            then.iter().all(|(name, then)| now.get(name).is_some_and(|now| has_all_of(now, then)))
        }
        (Value::Array(now), Value::Array(then)) => {
            now.len() == then.len() && now.iter().zip(then).all(|(now, then)| has_all_of(now, then))
        }
        _ => now == then,
    }
}

async fn received(frozen: &Frozen, webhook: &str, count: usize) -> Vec<Received> {
    RECEIVER.wait_for(&frozen.path(webhook), count, SOON).await.unwrap()
}

/// The tasks that a webhook received, sorted by name. Leaves out `task_first`, which another test retries manually,
/// and renames the test event to `test`.
fn tasks(frozen: &Frozen, webhook: &str) -> Vec<String> {
    let task = |received: &Received| received.json()["task_id"].as_str().unwrap().to_owned();
    let mut tasks: Vec<String> = RECEIVER.received(&frozen.path(webhook)).iter().map(task).collect();
    tasks.retain(|task| webhook != "healthy" || task != "task_first");
    for task in &mut tasks {
        if task.starts_with("test_") {
            "test".clone_into(task);
        }
    }
    tasks.sort();
    tasks
}

#[tokio::test]
async fn customers_see_what_they_saw_before() {
    for frozen in frozen().await {
        for (path, then) in &frozen.replies_then {
            let now = &frozen.replies_now[path];
            assert!(has_all_of(now, then), "{}: {path}\nthen {then}\nnow  {now}", frozen.version);
        }
    }
}

#[tokio::test]
async fn a_key_opens_what_it_opened_and_a_revoked_one_nothing() {
    for frozen in frozen().await {
        let status = async |key| Customer::new(&STACK, &frozen.key(key)).get("/api/v1/webhooks").await.unwrap().status;
        assert_eq!((status("key").await, status("revoked_key").await), (200, 401), "{}", frozen.version);
        let listed = STACK.operator(&["keys", "list", "--account", &frozen.account_id, "--json"]).unwrap();
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert!(listed[0]["revoked_at"].is_null() && listed[0]["last_used_at"].is_string(), "{listed}");
        assert!(listed[1]["revoked_at"].is_string(), "{listed}");
    }
}

#[tokio::test]
async fn what_waited_is_delivered_and_what_was_delivered_is_not_sent_again() {
    let waiting = "task_waiting \u{FFFE} é";
    let all = [
        ("healthy", vec!["task_bare", "task_least", waiting, "task_wrapped", "test"]),
        ("rotated", vec!["task_bare", "task_least", waiting, "task_wrapped"]),
        // Includes two deliveries that were being retried, one by a delayed message and one by an entry of the waiting
        // table, and one that was retried manually.
        (
            "failing",
            vec![
                "task_bare",
                "task_due_later",
                "task_least",
                "task_of_every_outcome",
                "task_retrying",
                waiting,
                "task_wrapped",
            ],
        ),
    ];
    for frozen in frozen().await {
        for (webhook, expected) in &all {
            received(frozen, webhook, expected.len()).await;
            // Any wrong webhook has arrived before the last of these, or arrives in this time.
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(&tasks(frozen, webhook), expected, "{}: {webhook}", frozen.version);
        }
    }
}

#[tokio::test]
async fn what_waited_is_signed_with_the_secrets_of_then() {
    for frozen in frozen().await {
        let healthy = frozen.secret_of(1);
        for webhook in received(frozen, "healthy", 5).await {
            assert!(signature::is_valid(&webhook, &healthy) && signature::is_valid_standard(&webhook, &healthy));
        }
        for webhook in received(frozen, "rotated", 4).await {
            // It was rotated twice, and neither switch was made.
            assert!(signature::is_valid(&webhook, "the-first-secret"), "{}: {webhook:?}", frozen.version);
            let [next, previous] = ["next", "previous"].map(|name| webhook.header(&format!("x-nano-signature-{name}")));
            assert_eq!(next, Some(signature::nano_signature(&webhook, "the-third-secret").as_str()));
            assert_eq!(previous, Some(signature::nano_signature(&webhook, "the-second-secret").as_str()));
        }
    }
}

#[tokio::test]
async fn deliveries_under_way_keep_their_ids_and_their_attempts_and_finish() {
    for frozen in frozen().await {
        let webhooks = received(frozen, "failing", 7).await;
        for (task, round) in [("task_retrying", 0), ("task_due_later", 0), ("task_of_every_outcome", 1)] {
            let webhook = webhooks.iter().find(|webhook| webhook.json()["task_id"] == task).unwrap();
            let id = webhook.header("webhook-id").unwrap();
            let path = format!("/api/v1/webhooks/3/deliveries/{id}");
            let then = &frozen.replies_then[&path];
            let delivered = frozen.wait_for(&path, |delivery| delivery["status"] == "delivered").await;
            let (now, before) = (delivered["attempts"].as_array().unwrap(), then["attempts"].as_array().unwrap());
            assert_eq!(now.len(), before.len() + 1, "{}: {task}, round {round}", frozen.version);
            assert!(now.iter().zip(before).all(|(now, before)| has_all_of(now, before)), "{delivered}");
            assert_eq!(delivered["payload"], then["payload"]);
        }
    }
}

#[tokio::test]
async fn a_delivery_of_then_can_be_retried_by_hand() {
    for frozen in frozen().await {
        let customer = Customer::new(&STACK, &frozen.key("key"));
        let first = frozen.delivery(1, "task_first");
        let path = format!("/api/v1/webhooks/1/deliveries/{first}");
        let retried = customer.send(Method::POST, &format!("{path}/retry"), None).await.unwrap();
        assert_eq!(retried.status, 202, "{}: {}", frozen.version, retried.text);
        let delivery = frozen.wait_for(&path, |delivery| delivery["attempt_count"] == 2).await;
        assert_eq!(delivery["status"], "delivered");
        let again = RECEIVER.received(&frozen.path("healthy"));
        assert!(again.iter().any(|webhook| webhook.header("webhook-id") == Some(&first)));

        let gone = frozen.delivery(4, "task_first");
        let path = format!("/api/v1/webhooks/4/deliveries/{gone}/retry");
        assert_eq!(customer.send(Method::POST, &path, None).await.unwrap().status, 409, "webhook 4 is gone");
    }
}

#[tokio::test]
async fn a_webhook_of_then_can_be_changed_and_rotated() {
    for frozen in frozen().await {
        let customer = Customer::new(&STACK, &frozen.key("key"));
        let rotated = customer.post("/api/v1/webhooks/5/rotate-secret", &json!({})).await.unwrap();
        let new = rotated.json()["data"]["secret_key"].as_str().unwrap().to_owned();
        // What was held comes to the new URL as well.
        let change = json!({ "status": "active", "url": RECEIVER.url(&frozen.path("changed")) });
        let changed = customer.send(Method::PATCH, "/api/v1/webhooks/5", Some(change.to_string())).await.unwrap();
        assert_eq!((changed.status, &changed.json()["data"]["status"]), (200, &json!("active")), "{}", changed.text);
        assert_eq!(customer.send(Method::POST, "/api/v1/webhooks/5/test", None).await.unwrap().status, 202);
        let webhook = &received(frozen, "changed", 1).await[0];
        assert!(signature::is_valid(webhook, "the-disabled-secret"), "{}: {webhook:?}", frozen.version);
        assert_eq!(webhook.header("x-nano-signature-next"), Some(signature::nano_signature(webhook, &new).as_str()));
    }
}

#[tokio::test]
async fn numbers_go_on_and_a_repeated_create_is_still_known() {
    for frozen in frozen().await {
        let customer = Customer::new(&STACK, &frozen.key("key"));
        // The same request as then, with the receiver's address of then.
        let url = format!("{}{}", frozen.receiver_then, frozen.path("healthy"));
        let body = json!({ "url": url, "events": ["job.failed", "job.completed"], "description": "the healthy one",
            "metadata": { "team": "frozen" }, "headers": { "x-team": "frozen" }, "max_per_minute": 600 })
        .to_string();
        let headers = [("idempotency-key", "frozen")];
        let again = customer.send_with(Method::POST, "/api/v1/webhooks", Some(body), &headers).await.unwrap();
        assert_eq!(again.status, 201, "{}: {}", frozen.version, again.text);
        let data = &again.json()["data"];
        assert_eq!((&data["id"], &data["secret_key"]), (&json!(1), &json!(frozen.secret_of(1))));

        let new = json!({ "url": RECEIVER.url(&frozen.path("new")), "events": ["job.failed"] });
        let created = customer.post("/api/v1/webhooks", &new).await.unwrap();
        assert_eq!(created.json()["data"]["id"], 7, "{}: number 6 was deleted: {}", frozen.version, created.text);
    }
}

#[tokio::test]
async fn an_hour_that_began_before_the_upgrade_counts_on() {
    for frozen in frozen().await {
        received(frozen, "failing", 7).await;
        let then = &frozen.replies_then["/api/v1/webhooks/3/stats?hours=1"]["hours"][0];
        // The samples' own attempts are counted once more, in the hour in which they were made.
        let total = |stats: &Value, name: &str| -> u64 {
            let hours = stats["hours"].as_array().unwrap().iter().filter(|hour| hour["hour"] != then["hour"]);
            hours.map(|hour| hour[name].as_u64().unwrap()).sum()
        };
        let deliveries = then["deliveries"].as_u64().unwrap() + 7;
        // Two hours, in case the test runs across the end of an hour.
        let path = "/api/v1/webhooks/3/stats?hours=2";
        let now = frozen.wait_for(path, |stats| total(stats, "deliveries") >= deliveries).await;
        assert_eq!(total(&now, "deliveries"), deliveries, "{}: {now}", frozen.version);
        assert_eq!(total(&now, "failures"), then["failures"].as_u64().unwrap(), "{}: {now}", frozen.version);
    }
}
