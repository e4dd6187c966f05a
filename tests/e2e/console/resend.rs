//! Many events are sent again: a time range, and what a webhook missed while it was disabled.

use std::time::Duration;

use harness::{Answer, Customer, SOON};
use reqwest::Method;
use serde_json::json;

use super::{Browser, check_looks, events::complete, finished, sign_in, webhook};
use crate::{RECEIVER, key_for};

/// release works on a resend once a minute, and on that of a webhook that was disabled after a few minutes: when it knows
/// that nothing is held any more.
const A_FEW_RUNS: Duration = Duration::from_secs(400);

async fn set_status(customer: &Customer, status: &str) {
    let body = json!({ "status": status }).to_string();
    assert_eq!(customer.send(Method::PATCH, "/api/v1/webhooks/1", Some(body)).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_time_range_is_sent_again_and_the_page_says_how_far_it_is() {
    let Some(browser) = Browser::start().await else { return };
    let (key, path) = (key_for("acct_console_resend"), "/acct_console_resend");
    let customer = webhook(&key).await;
    complete(&key, ["task_1", "task_2", "task_3"]).await;
    finished(&customer, 3).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    // The dialog begins with what the list shows.
    browser.go("#/webhooks/1?status=delivered").await;
    browser.read("task_1").await;
    browser.click("Resend a time range").await;
    browser.read("Which events").await;
    check_looks(&browser, "the dialog of a resend").await;
    browser.look(1440, false).await;
    let chosen = "return [...document.querySelectorAll('dialog :checked')].map((box) => box.value)";
    assert_eq!(browser.script(chosen).await, json!(["delivered"]));
    browser.script("document.getElementById('resend-delivered').click()").await;
    browser.click("Resend").await;
    browser.read("Choose which events.").await;
    for status in ["delivered", "failed"] {
        browser.script(&format!("document.getElementById('resend-{status}').click()")).await;
    }
    browser.click("Resend").await;
    // "Resending", or already "Resent".
    browser.read(" failed, delivered events from").await;
    check_looks(&browser, "a resend").await;

    // Somebody who opens the page later sees it too.
    browser.go("#/webhooks/1").await;
    browser.read(" failed, delivered events from").await;
    RECEIVER.wait_for(path, 6, A_FEW_RUNS).await.unwrap();
    browser.read_within("Resent failed, delivered events from", A_FEW_RUNS).await;
    browser.read(": 3 in all.").await;
    assert_eq!(RECEIVER.received(path).len(), 6);
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

/// The endpoint is down, so the resend is not done before it is stopped.
#[tokio::test]
async fn a_resend_waits_for_the_endpoint_can_be_stopped_and_refuses_another_one_until_then() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_stopped");
    // A single refusal for a minute or more opens the circuit.
    let busy = Answer { headers: vec![("retry-after", "3600".into())], ..Answer::status(503) };
    RECEIVER.answer("/acct_console_stopped", [busy]);
    let customer = webhook(&key).await;
    complete(&key, ["task_1"]).await;
    while customer.get("/api/v1/webhooks/1").await.unwrap().json()["data"]["circuit"] != "open" {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    sign_in(&browser, &key).await;
    browser.read("Down").await;
    browser.go("#/webhooks/1").await;
    browser.click("Resend a time range").await;
    browser.click("Resend").await;
    browser.read("Resending failed events from").await;
    browser.read_within("It waits until your endpoint takes deliveries", A_FEW_RUNS).await;
    browser.click("Resend a time range").await;
    browser.script("document.getElementById('resend-missed').click()").await;
    browser.click("Resend").await;
    browser.comes_to("return document.querySelector('dialog .error').innerText !== ''", json!(true)).await;
    browser.click("Cancel").await;
    browser.click("Stop").await;
    browser.focus_comes_to("Stopped.").await;
    assert_eq!(customer.get("/api/v1/webhooks/1/resend").await.unwrap().status, 404);
    assert_eq!(browser.complaints(&[404, 409]).await, [""; 0]);
}

#[tokio::test]
async fn what_a_webhook_missed_while_it_was_disabled_is_offered_when_it_is_enabled() {
    let Some(browser) = Browser::start().await else { return };
    let (key, path) = (key_for("acct_console_missed"), "/acct_console_missed");
    let customer = webhook(&key).await;
    complete(&key, ["task_1"]).await;
    finished(&customer, 1).await;
    set_status(&customer, "disabled").await;
    complete(&key, ["task_2", "task_3"]).await;
    sign_in(&browser, &key).await;
    browser.read("Disabled").await;
    browser.go("#/webhooks/1").await;
    browser.click("Enable").await;
    browser.read("It missed 2 events while it was disabled, since").await;
    check_looks(&browser, "what a webhook missed").await;
    browser.look(1440, false).await;
    browser.click("Not now").await;
    browser.focus_comes_to("http").await;
    let text = browser.text().await;
    assert!(!text.contains("while it was disabled, since"), "{text}");

    // What it missed is counted from the time at which it was last disabled.
    browser.click("Disable").await;
    browser.click("Disable").await;
    browser.read("Disabled.").await;
    complete(&key, ["task_4"]).await;
    browser.click("Enable").await;
    browser.read("It missed 1 event while it was disabled, since").await;
    browser.click("Send them").await;
    browser.read(" missed events from").await;
    let received = RECEIVER.wait_for(path, 2, A_FEW_RUNS).await.unwrap();
    let mut tasks: Vec<_> = received.iter().map(|delivery| delivery.json()["task_id"].clone()).collect();
    tasks.sort_by_key(ToString::to_string);
    assert_eq!(tasks, ["task_1", "task_4"]);
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

#[tokio::test]
async fn a_webhook_that_missed_nothing_is_offered_nothing() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_complete");
    let customer = webhook(&key).await;
    complete(&key, ["task_1"]).await;
    RECEIVER.wait_for("/acct_console_complete", 1, SOON).await.unwrap();
    finished(&customer, 1).await;
    set_status(&customer, "disabled").await;
    sign_in(&browser, &key).await;
    browser.read("Disabled").await;
    browser.go("#/webhooks/1").await;
    browser.click("Enable").await;
    browser.read("Active").await;
    let asked = "return performance.getEntriesByType('resource').some(({ name }) => name.includes('/events?'))";
    browser.comes_to(asked, json!(true)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let text = browser.text().await;
    assert!(!text.contains("while it was disabled, since"), "{text}");
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}
