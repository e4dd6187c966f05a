//! The page with the account's events, and the page of one event: how an event is found, what it says, and what can be
//! done with it.

use std::time::{Duration, Instant};

use harness::{ApiKey, Customer, Producer, SOON};
use serde_json::{Value, json};

use super::{Browser, ENTER, check_looks, sign_in, webhook};
use crate::{RECEIVER, STACK, key_for};

/// Sends a completion for each task, and returns the ids of their events in the same order.
pub(crate) async fn complete<const COUNT: usize>(key: &ApiKey, tasks: [&str; COUNT]) -> [String; COUNT] {
    let completion = |task| {
        json!({ "account_id": key.account_id, "task_id": task, "task_type": "image",
        "status": "completed", "data": { "n": 6 } })
    };
    let completions = tasks.map(|task| completion(task).to_string());
    Producer::new(&STACK).send_all(&completions).await.unwrap();
    let customer = Customer::new(&STACK, key);
    let start = Instant::now();
    loop {
        let reply = customer.get("/api/v1/events?limit=100").await.unwrap().json();
        let events = reply["data"]["events"].as_array().unwrap();
        let id = |task: &str| events.iter().find(|event| event["task_id"] == task).map(|event| event["id"].clone());
        let ids = tasks.map(id);
        if ids.iter().all(Option::is_some) {
            return ids.map(|id| id.unwrap().as_str().unwrap().to_owned());
        }
        assert!(start.elapsed() < SOON, "{tasks:?} are not all there: {reply}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The event, its task and the states of its webhooks, for each row of the list.
const ROWS: &str = "return [...document.querySelectorAll('.list tbody tr')]
    .map((row) => [...row.cells].slice(0, 3).map((cell) => cell.innerText.trim()))";

#[tokio::test]
async fn an_event_is_found_by_its_task_and_shows_its_way_to_each_webhook() {
    let Some(browser) = Browser::start().await else { return };
    browser.allow_clipboard().await;
    let key = key_for("acct_console_found");
    let customer = webhook(&key).await;
    let failures = json!({ "url": RECEIVER.url("/acct_console_found/2"), "events": ["job.failed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &failures).await.unwrap().status, 201);
    let [id, _] = complete(&key, ["task_1", "task_2"]).await;
    RECEIVER.wait_for("/acct_console_found", 2, SOON).await.unwrap();

    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.click("Events").await;
    browser.read("task_2").await;
    browser.write("Task id", "task_1").await;
    browser.keys(ENTER).await;
    browser.comes_to(ROWS, json!([["job.completed", "task_1", "Delivered"]])).await;
    assert_eq!(browser.script("return location.hash").await, "#/events?task_id=task_1");
    browser.script("document.querySelector('.list tbody a').click()").await;
    browser.read("Webhook 2 subscribes to job.failed only.").await;
    check_looks(&browser, "an event").await;
    browser.look(1440, false).await;

    browser.click("Copy as curl").await;
    let url = format!("{}/api/v1/events/{id}", STACK.api_url);
    let command = json!(format!("curl '{url}' -H \"Authorization: Bearer $NANO_WEBHOOKS_KEY\""));
    browser.comes_to("return navigator.clipboard.readText()", command).await;

    // The only “Send” is that of the second webhook. Its button keeps the focus when its text changes.
    browser.script("document.querySelector('[data-name=\"send 2\"]').focus()").await;
    browser.keys(ENTER).await;
    let received = RECEIVER.wait_for("/acct_console_found/2", 1, SOON).await.unwrap();
    assert_eq!(received[0].header("webhook-id"), Some(id.as_str()));
    let pills = "return [...document.querySelectorAll('.ways .pill')].map((pill) => pill.innerText)";
    browser.comes_to(pills, json!(["Delivered", "Delivered"])).await;
    browser.comes_to("return document.activeElement.innerText", json!("Send again")).await;
    browser.script("document.querySelector('[data-name=\"open 2\"]').click()").await;
    browser.read("Attempt 1").await;
    browser.click("Its event, and all webhooks").await;
    browser.read("1 attempt. Open the delivery").await;
    assert_eq!(browser.complaints(&[]).await, [""; 0]);
}

#[tokio::test]
async fn an_event_that_nobody_got_is_among_those_delivered_nowhere_and_says_why() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_nobody");
    complete(&key, ["task_1"]).await;
    webhook(&key).await;
    complete(&key, ["task_2"]).await;
    RECEIVER.wait_for("/acct_console_nobody", 1, SOON).await.unwrap();
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/events").await;
    let [nowhere, delivered] =
        [json!(["job.completed", "task_1", "Not sent"]), json!(["job.completed", "task_2", "Delivered"])];
    browser.comes_to(ROWS, json!([delivered, nowhere])).await;
    browser.click("Not delivered anywhere").await;
    browser.click("Search").await;
    browser.comes_to(ROWS, json!([nowhere])).await;
    browser.script("document.querySelector('.list tbody a').click()").await;
    browser.read("The account had no webhook.").await;
    browser.read("Webhook 1 was created later.").await;
    browser.click("Events").await;
    browser.comes_to(ROWS, json!([delivered, nowhere])).await;
    assert_eq!(browser.complaints(&[]).await, [""; 0]);
}

/// Has the page get these pages of events, by their cursor, in place of the account's own, and shows a search.
const PAGES: &str = "
    const real = window.fetch;
    window.fetch = async (url, init) => {
        if (!String(url).includes('/events?')) return real(url, init);
        const cursor = new URL(url).searchParams.get('cursor');
        return new Response(JSON.stringify({ success: true, data: given[cursor ?? 'first'] }));
    };
    location.hash = '#/events?task_id=task_1';";

/// Each request of a search looks at a bounded number of events, and may find none.
#[tokio::test]
async fn a_search_that_finds_nothing_so_far_says_how_far_it_looked_and_goes_on_past_empty_pages() {
    let Some(browser) = Browser::start().await else { return };
    sign_in(&browser, &key_for("acct_console_looking")).await;
    browser.read("Hear of finished tasks").await;
    let [second, third, fourth] =
        ["01KDYAK3480000000000000000", "01KDWYXZ380000000000000000", "01KDTCHR2G0000000000000000"];
    let event = json!({ "id": "01KDS00000000000000000000R", "event": "job.failed", "task_id": "task_1", "task_type": "image",
        "timestamp": "2025-12-31T00:00:00.000Z", "erased_at": "2026-01-01T00:00:00.000Z", "webhooks": [] });
    let pages = json!({
        "first": { "events": [], "next_cursor": second },
        second: { "events": [], "next_cursor": third },
        third: { "events": [event], "next_cursor": fourth },
        fourth: { "events": [], "next_cursor": null },
    });
    browser.script_with(PAGES, pages).await;
    browser.read("Nothing found so far.").await;
    let looked = "return document.querySelector('.pages time').dateTime";
    assert_eq!(browser.script(looked).await, "2026-01-02T03:04:05.000Z");
    check_looks(&browser, "a search that found nothing so far").await;
    browser.click("Go on looking").await;
    browser.comes_to(ROWS, json!([["job.failed", "task_1", "Erased Not sent"]])).await;
    let address = browser.script("return location.hash").await;
    assert_eq!(address, format!("#/events?task_id=task_1&cursor={third}"));
    browser.click("Go on looking").await;
    browser.read("Nothing more here.").await;
    browser.focus_comes_to("← Newer").await;
    browser.click("← Newer").await;
    browser.comes_to(ROWS, json!([["job.failed", "task_1", "Erased Not sent"]])).await;
    assert_eq!(browser.complaints(&[]).await, [""; 0]);
}

/// The times of the fields are those of the user's zone; the address has them in UTC.
#[tokio::test]
async fn a_range_of_time_is_kept_in_the_address_and_the_error_for_a_wrong_one_says_what_is_wrong() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_range");
    complete(&key, ["task_1"]).await;
    browser.be_in("Asia/Kathmandu").await;
    sign_in(&browser, &key).await;
    browser.read("Hear of finished tasks").await;
    browser.go("#/events?since=2024-12-23T10:00:00.000Z&until=2024-12-23T11:00:00.000Z").await;
    browser.read("No event matches.").await;
    let fields = "return ['since', 'until'].map((id) => document.getElementById(id).value)";
    assert_eq!(browser.script(fields).await, json!(["2024-12-23T15:45", "2024-12-23T16:45"]));
    let set = "document.getElementById('until').value = ''; document.querySelector('.search button').click()";
    browser.script(set).await;
    browser.comes_to(ROWS, json!([["job.completed", "task_1", "Not sent"]])).await;
    assert_eq!(browser.script("return location.hash").await, "#/events?since=2024-12-23T10%3A00%3A00.000Z");

    browser.go("#/events?since=2024-12-23T11:00:00Z&until=2024-12-23T10:00:00Z").await;
    browser.read("since must be before until").await;
    browser.click("Clear").await;
    browser.comes_to(ROWS, json!([["job.completed", "task_1", "Not sent"]])).await;
    assert_eq!(browser.complaints(&[400]).await, [""; 0]);
}

#[tokio::test]
async fn an_erased_event_says_what_remains_and_cannot_be_sent() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_erased");
    webhook(&key).await;
    let [id] = complete(&key, ["task_1"]).await;
    RECEIVER.wait_for("/acct_console_erased", 1, SOON).await.unwrap();
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go(&format!("#/events/{id}")).await;
    browser.read("\"n\": 6").await;
    browser.click("Erase").await;
    browser.read("What remains: the event itself").await;
    check_looks(&browser, "the dialog that erases").await;
    browser.click("Cancel").await;
    browser.focus_comes_to("Erase").await;
    browser.click("Erase").await;
    browser.click("Erase").await;
    browser.read("Backups of the tables contain it until").await;
    browser.focus_comes_to("job.completed").await;
    check_looks(&browser, "an erased event").await;
    assert!(!browser.text().await.contains("\"n\""), "{}", browser.text().await);
    assert_eq!(browser.script("return document.querySelector('.ways button')").await, Value::Null);
    browser.click("Open the delivery").await;
    browser.read("Without its payload it cannot be sent again.").await;
    browser.read("It was erased, or its time in the history is over.").await;
    assert_eq!(browser.script("return document.querySelector('[data-name=retry]')").await, Value::Null);
    browser.click("Check the signature").await;
    browser.read("Still missing: the body, the secret, the signature.").await;
    assert_eq!(browser.complaints(&[]).await, [""; 0]);
}

/// The webhook's own page is gone, and its deliveries are not listed any more.
#[tokio::test]
async fn what_a_deleted_webhook_got_is_found_through_its_events() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_kept");
    webhook(&key).await;
    let [id] = complete(&key, ["task_1"]).await;
    RECEIVER.wait_for("/acct_console_kept", 1, SOON).await.unwrap();
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.click("Delete").await;
    browser.read("Its history is kept until its time is over").await;
    check_looks(&browser, "the dialog that deletes a webhook").await;
    browser.click("Delete webhook").await;
    browser.read("Hear of finished tasks").await;
    browser.go(&format!("#/events/{id}")).await;
    browser.read("Webhook 1").await;
    assert_eq!(
        browser.script("return document.querySelector('.ways a[href=\"#/webhooks/1\"], .ways button')").await,
        Value::Null
    );
    browser.click("Open the delivery").await;
    browser.read("The webhook was deleted.").await;
    browser.read("Attempt 1").await;
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}
