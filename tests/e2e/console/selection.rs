//! The list of a webhook's deliveries: how some are found, chosen, and sent again.

use harness::SOON;
use serde_json::json;

use super::{Browser, ENTER, check_looks, events::complete, finished, sign_in, webhook};
use crate::{RECEIVER, key_for};

/// The tasks in the list.
const TASKS: &str = "return [...document.querySelectorAll('.list .task')].map((task) => task.innerText)";

#[tokio::test]
async fn deliveries_are_found_by_their_task_and_time() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_narrow");
    let customer = webhook(&key).await;
    complete(&key, ["task_1"]).await;
    finished(&customer, 1).await;
    complete(&key, ["task_2"]).await;
    let second = &finished(&customer, 2).await[0];
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.comes_to(TASKS, json!(["task_2", "task_1"])).await;
    browser.click("Search").await;
    browser.write("Task id", "task_1").await;
    browser.keys(ENTER).await;
    browser.comes_to(TASKS, json!(["task_1"])).await;
    assert_eq!(browser.script("return location.hash").await, "#/webhooks/1?task_id=task_1");
    check_looks(&browser, "deliveries of a task").await;
    browser.look(1440, false).await;
    // With another filter, the search stays.
    browser.click("Failed").await;
    browser.read("No delivery matches.").await;
    browser.click("Clear").await;
    browser.comes_to(TASKS, json!(["task_2", "task_1"])).await;

    browser.go(&format!("#/webhooks/1?since={}", second["timestamp"].as_str().unwrap())).await;
    browser.comes_to(TASKS, json!(["task_2"])).await;
    assert_eq!(browser.script("return document.querySelector('details').open").await, true);
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

/// Answers the next retry with 429, and passes everything else on.
const LIMITED: &str = "
    const real = window.fetch;
    window.fetch = async (url, init) => {
        if (!String(url).endsWith('/retry')) return real(url, init);
        window.fetch = real;
        const error = { code: 'rate_limited', message: 'too many requests' };
        return new Response(JSON.stringify({ success: false, error }), { status: 429, headers: { 'retry-after': 2 } });
    };";

#[tokio::test]
async fn the_selected_deliveries_are_sent_again_and_the_keys_limit_is_waited_for() {
    let Some(browser) = Browser::start().await else { return };
    let (key, path) = (key_for("acct_console_selected"), "/acct_console_selected");
    let customer = webhook(&key).await;
    complete(&key, ["task_1", "task_2", "task_3"]).await;
    finished(&customer, 3).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.read("task_3").await;
    let boxes = |indices: &str| {
        format!("for (const at of {indices}) document.querySelectorAll('.list tbody [type=checkbox]')[at].click()")
    };
    browser.script(&boxes("[0, 2]")).await;
    browser.read("2 selected").await;
    check_looks(&browser, "selected deliveries").await;
    browser.look(1440, false).await;
    let chosen =
        browser.script("return [...document.querySelectorAll('.list tbody :checked')].map((box) => box.dataset.name)");
    let chosen = chosen.await;
    browser.script(LIMITED).await;
    browser.script("document.querySelector('.selected button').focus()").await;
    browser.keys(ENTER).await;
    browser.read("Too many requests with this key. It goes on at").await;
    browser.read("2 of 2 queued.").await;
    browser.focus_comes_to("2 of 2 queued.").await;
    let received = RECEIVER.wait_for(path, 5, SOON).await.unwrap();
    let mut again: Vec<_> =
        received[3..].iter().map(|delivery| format!("select {}", delivery.header("webhook-id").unwrap())).collect();
    again.sort();
    again.reverse();
    assert_eq!(json!(again), chosen);

    browser.script("document.querySelector('.list thead [type=checkbox]').click()").await;
    browser.read("3 selected").await;
    browser.script(&boxes("[1]")).await;
    browser.read("2 selected").await;
    // What is not on the page any more is not selected.
    browser.click("Failed").await;
    browser.read("No delivery is failed at the moment.").await;
    assert!(!browser.text().await.contains("2 selected"), "{}", browser.text().await);
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

#[tokio::test]
async fn what_a_selected_delivery_is_refused_for_is_said_once() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_unsent");
    let customer = webhook(&key).await;
    complete(&key, ["task_1", "task_2"]).await;
    finished(&customer, 2).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.read("task_2").await;
    browser.click("Disable").await;
    browser.click("Disable").await;
    browser.read("It gets no deliveries.").await;
    browser.script("document.querySelector('.list thead [type=checkbox]').click()").await;
    browser.click("Send the selected again").await;
    browser.read("0 of 2 queued. Webhook 1 is disabled").await;
    browser.read("2 selected").await;
    assert_eq!(browser.complaints(&[404, 409]).await, [""; 0]);
}
