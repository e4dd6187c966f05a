//! What the console says of a delivery whose webhook was deleted. Erasing an event, or its expiry, also cancels
//! a delivery.

use std::time::Duration;

use harness::{Answer, Customer, Producer};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Browser, check_looks, sign_in, webhook};
use crate::{RECEIVER, STACK, key_for};

/// The button and the link that would lead to a 404.
const RETRY_OR_WEBHOOK: &str = "return document.querySelector('[data-name=retry], main a[href=\"#/webhooks/1\"]')";

/// Sends a test event that the endpoint answers with 500 and a `Retry-After` of `seconds`, and returns the delivery's
/// page.
async fn send_refused(customer: &Customer, account: &str, seconds: u64) -> String {
    let later = Answer { headers: vec![("retry-after", seconds.to_string())], ..Answer::status(500) };
    RECEIVER.answer(&format!("/{account}"), vec![later; 9]);
    let reply = customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap().json();
    let id = reply["data"]["id"].as_str().unwrap().to_owned();
    wait_for(customer, &id, "retrying").await;
    format!("#/webhooks/1/deliveries/{id}")
}

async fn wait_for(customer: &Customer, id: &str, status: &str) {
    for _ in 0..300 {
        let delivery = customer.get(&format!("/api/v1/webhooks/1/deliveries/{id}")).await.unwrap().json();
        if delivery["data"]["status"] == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{id} does not become {status}");
}

#[tokio::test]
async fn a_cancelled_delivery_says_that_its_webhook_was_deleted_and_offers_no_retry() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_cancelled");
    let customer = webhook(&key).await;
    let page = send_refused(&customer, "acct_console_cancelled", 10).await;
    sign_in(&browser, &key).await;
    browser.read("/acct_console_cancelled").await;
    browser.go(&page).await;
    browser.read("Next attempt at").await;
    // The open page shows the deletion.
    assert_eq!(customer.delete("/api/v1/webhooks/1").await.unwrap().status, 200);
    browser.read("It was cancelled because the webhook was deleted before its next attempt.").await;
    browser.read("The webhook was deleted.").await;
    assert_eq!(browser.script(RETRY_OR_WEBHOOK).await, Value::Null);
    check_looks(&browser, "cancelled").await;

    // As if fan-out had read the webhook before it was deleted.
    let id = "01JFSKR5R00000000000000001";
    let message = json!({ "account_id": "acct_console_cancelled", "webhook_id": 1, "event_id": id,
        "event": "job.completed", "payload": { "task_id": "late", "body": "{}" }, "round": 0, "attempt": 1 });
    Producer::new(&STACK).forge_delivery(message).await.unwrap();
    wait_for(&customer, id, "cancelled").await;
    browser.go(&format!("#/webhooks/1/deliveries/{id}")).await;
    browser.read("It was cancelled because the webhook was deleted before it could be sent.").await;
    browser.read("None was made.").await;
    assert_eq!(browser.script(RETRY_OR_WEBHOOK).await, Value::Null);
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

#[tokio::test]
async fn a_delivery_that_was_held_when_its_webhook_was_deleted_is_not_promised_to_be_sent() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_orphan");
    let customer = webhook(&key).await;
    let page = send_refused(&customer, "acct_console_orphan", 5).await;
    let disabled = json!({ "status": "disabled" }).to_string();
    assert_eq!(customer.send(Method::PATCH, "/api/v1/webhooks/1", Some(disabled)).await.unwrap().status, 200);
    wait_for(&customer, page.rsplit('/').next().unwrap(), "held").await;
    sign_in(&browser, &key).await;
    browser.read("Disabled").await;
    browser.go(&page).await;
    browser.read("is sent by itself when you enable it").await;

    assert_eq!(customer.delete("/api/v1/webhooks/1").await.unwrap().status, 200);
    browser.go(&page).await;
    browser.read("The webhook was deleted while it waited, so it is not sent any more.").await;
    assert!(!browser.text().await.contains("sent by itself"), "{}", browser.text().await);
    assert_eq!(browser.script(RETRY_OR_WEBHOOK).await, Value::Null);
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}
