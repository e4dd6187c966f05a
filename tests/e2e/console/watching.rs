//! The console's own requests to the API: when it polls, what it must not miss, and when it stops.

use std::time::Duration;

use harness::{Answer, Customer};
use serde_json::json;

use super::{Browser, finished, sign_in, webhook};
use crate::{RECEIVER, STACK, key_for};

/// Runs a poll with an interval of 20 ms and returns whether it polled in each period: while something happens, after
/// ten minutes without a change, and after a click; then while `given` requests are left of a limit of 60 that resets
/// in a second, and after that second.
const POLL: &str = "
    const { poll, request } = (await import(document.querySelector('script').src)).modules.api;
    const end = new AbortController();
    let looks = 0;
    poll(end.signal, async () => { looks += 1; return 20; });
    const has_looked = async (milliseconds) => {
        await new Promise((resolve) => setTimeout(resolve, 200));
        looks = 0;
        await new Promise((resolve) => setTimeout(resolve, milliseconds));
        return looks > 0;
    };
    const seen = [await has_looked(300)];
    const now = Date.now;
    Date.now = () => now() + 600_001;
    seen.push(await has_looked(300));
    window.dispatchEvent(new Event('pointerdown'));
    seen.push(await has_looked(300));
    const real = window.fetch;
    window.fetch = async (...request) => {
        const reply = await real(...request);
        const headers = new Headers(reply.headers);
        for (const [name, value] of [['limit', 60], ['remaining', given], ['reset', 1]])
            headers.set(`ratelimit-${name}`, value);
        return new Response(reply.body, { status: reply.status, headers });
    };
    await request('GET', 'webhooks');
    seen.push(await has_looked(300), await has_looked(1000));
    end.abort();
    window.fetch = real;
    Date.now = now;
    return seen;";

#[tokio::test]
async fn polling_slows_down_where_nothing_happens_and_leaves_a_tenth_of_the_limit() {
    let Some(browser) = Browser::start().await else { return };
    sign_in(&browser, &key_for("acct_console_polls")).await;
    browser.read("Hear of finished tasks").await;
    assert_eq!(browser.script_with(POLL, json!(6)).await, json!([true, false, true, true, true]));
    browser.go("").await;
    browser.read("Hear of finished tasks").await;
    assert_eq!(browser.script_with(POLL, json!(5)).await, json!([true, false, true, false, true]));
}

#[tokio::test]
async fn a_test_event_is_found_however_many_deliveries_came_after_it() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_busy");
    let customer = webhook(&key).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    RECEIVER.answer("/acct_console_busy", [Answer { delay: Duration::from_secs(5), ..Answer::status(204) }]);
    browser.click("Send test event").await;
    RECEIVER.wait_for("/acct_console_busy", 1, Duration::from_secs(20)).await.unwrap();
    for _ in 0..20 {
        assert_eq!(customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap().status, 202);
    }
    browser.read("your endpoint answered 204").await;
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

/// The rotation has no overlap: what the old secret signed or sealed is worth nothing afterwards.
#[tokio::test]
async fn a_rotation_leaves_the_list_at_its_page() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_pages");
    let customer = webhook(&key).await;
    for _ in 0..21 {
        assert_eq!(customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap().status, 202);
    }
    has_second_page(&customer).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.click("Older →").await;
    let is_first = "return document.querySelector('.pages button')?.disabled";
    browser.comes_to(is_first, json!(false)).await;
    browser.click("Rotate secret").await;
    browser.script("document.querySelector('#overlap').value = '0'").await;
    browser.click("Rotate secret").await;
    browser.click("I have saved it").await;
    browser.click("← Newer").await;
    browser.comes_to(is_first, json!(true)).await;
    browser.script("history.back()").await;
    browser.comes_to(is_first, json!(false)).await;
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

async fn has_second_page(customer: &Customer) {
    for _ in 0..300 {
        let reply = customer.get("/api/v1/webhooks/1/deliveries?limit=20").await.unwrap().json();
        if reply["data"]["next_cursor"].is_string() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("there is no second page");
}

#[tokio::test]
async fn a_retry_that_does_not_come_can_be_asked_for_again() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_late");
    let customer = webhook(&key).await;
    customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap();
    let id = finished(&customer, 1).await[0]["id"].as_str().unwrap().to_owned();
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go(&format!("#/webhooks/1/deliveries/{id}")).await;
    RECEIVER.answer("/acct_console_late", [Answer { delay: Duration::from_secs(9), ..Answer::status(200) }]);
    browser.click("Send again").await;
    browser.comes_to("return document.getElementById('said').textContent === 'Queued'", json!(true)).await;
    // The three minutes for which the page polls are over before the endpoint has answered.
    browser.script("const now = Date.now; Date.now = () => now() + 180_001").await;
    browser.read("No attempt came so far.").await;
    browser.click("Send again").await;
}

#[tokio::test]
async fn the_list_shows_every_webhooks_health_after_one_request() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_many");
    let customer = Customer::new(&STACK, &key);
    for _ in 0..10 {
        let webhook = json!({ "url": RECEIVER.url("/acct_console_many"), "events": ["job.completed"] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    }
    RECEIVER.answer("/acct_console_many", vec![Answer::status(500); 8]);
    customer.post("/api/v1/webhooks/10/test", &json!({})).await.unwrap();
    while customer.get("/api/v1/webhooks/10").await.unwrap().json()["data"]["failing_since"].is_null() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    sign_in(&browser, &key).await;
    browser.read("Failing").await;
    let requests = "return performance.getEntriesByType('resource').map((it) => it.name)
        .filter((name) => /webhooks\\/\\d/.test(name))";
    assert_eq!(browser.script(requests).await, json!([]));
}
