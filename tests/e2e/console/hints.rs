//! What the console tells a customer about a failed attempt, and about a form that was filled in nearly right.

use harness::{ApiKey, http_client};
use reqwest::Method;
use serde_json::json;

use super::{Browser, answer, charts::drawn, finished, sign_in, webhook};
use crate::{RECEIVER, STACK, key_for};

#[tokio::test]
async fn a_refusal_shows_the_servers_own_words_and_leads_to_the_checker_with_this_attempt() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_401");
    let customer = webhook(&key).await;
    let refusals =
        ["{\"error\":{\"message\":\"bad signature\"}}", "{\"message\":\"bad\\n token\"}", "{\"detail\":\"bad key\"}"];
    RECEIVER.answer("/acct_console_401", refusals.map(|body| answer(410, body)));
    for _ in refusals {
        customer
            .send(Method::PATCH, "/api/v1/webhooks/1", Some(json!({ "status": "active" }).to_string()))
            .await
            .unwrap();
        customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    }
    finished(&customer, 3).await;
    customer.send(Method::PATCH, "/api/v1/webhooks/1", Some(json!({ "status": "active" }).to_string())).await.unwrap();
    RECEIVER.answer("/acct_console_401", vec![answer(401, refusals[0]); 20]);
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    for words in ["bad signature", "bad token", "bad key"] {
        browser.read(words).await;
    }
    browser.click("Send test event").await;
    browser.read("the endpoint answered 401, “bad signature”").await;
    browser.click("Open the delivery").await;
    browser.read("The endpoint answered 401: “bad signature”").await;
    browser.read("If your server checks the signature").await;
    browser.read("If it wants a login, let this path through").await;
    let sent = RECEIVER.received("/acct_console_401").pop().unwrap();
    browser.click("Check this signature").await;
    browser.read("Still missing: the secret, the signature.").await;
    let body = browser.script("return document.getElementById('check-body').value").await;
    assert_eq!(body.as_str().unwrap().as_bytes(), &sent.body[..]);
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

#[tokio::test]
async fn what_was_nearly_right_is_taken_as_it_was_meant() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_nearly");
    let pasted = format!(" Authorization: Bearer {} ", key.key);
    sign_in(&browser, &ApiKey { key: pasted, ..key.clone() }).await;
    browser.read("Hear of finished tasks").await;
    browser.click("Add webhook").await;
    browser.write("Endpoint URL", "hooks.example.com/nano?x=1").await;
    browser.keys("\u{e004}").await;
    let url = "return document.getElementById('url').value";
    browser.comes_to(url, json!("https://hooks.example.com/nano?x=1")).await;
    for other in ["ftp://example.com/", "localhost:8080", "http://example.com/"] {
        browser.write("Endpoint URL", other).await;
        browser.keys("\u{e004}").await;
        assert_eq!(browser.script(url).await, other);
    }
}

#[tokio::test]
async fn an_address_that_is_typed_nearly_right_leads_to_the_console_and_head_is_get_without_the_body() {
    let client = http_client();
    // `/console/` leads there too. The emulator treats it as `/console`, so this test cannot show it.
    for method in [Method::GET, Method::HEAD] {
        let reply = client.request(method.clone(), format!("{}/", STACK.api_url)).send().await.unwrap();
        assert_eq!(reply.url().as_str(), format!("{}/console", STACK.api_url), "{method}");
        assert_eq!(reply.status(), 200, "{method}");
    }
    for path in ["/console", "/console/app-0123456789abcdef.js", "/docs", "/openapi.yaml"] {
        let url = format!("{}{path}", STACK.api_url);
        let [head, get] = [client.head(&url), client.get(&url)].map(reqwest::RequestBuilder::send);
        let (head, get) = (head.await.unwrap(), get.await.unwrap());
        assert_eq!((head.status(), get.status()), (reqwest::StatusCode::OK, reqwest::StatusCode::OK), "{path}");
        assert_eq!(head.headers()["content-type"], get.headers()["content-type"], "{path}");
        assert_eq!(head.bytes().await.unwrap().len(), 0, "{path}");
    }
    let other = client.post(format!("{}/", STACK.api_url)).send().await.unwrap();
    assert_eq!(other.status(), 401);
}

/// The attempt took 25 s: an operator can change the limit, and the advice must name it.
#[tokio::test]
async fn advice_has_the_time_that_an_endpoint_is_given_here() {
    let Some(browser) = Browser::start().await else { return };
    let advice = "
        const { advice } = (await import(document.querySelector('script').src)).modules.explain;
        return advice({ outcome: 'timeout', http_status: null, duration_ms: 25_013 });";
    let text = browser.script_with(advice, json!(null)).await;
    assert_eq!(text, "Your endpoint has 25 seconds. Answer 2xx first, and do the work afterwards.");
}

/// Draws both charts for the given hours, and returns the text beside them.
const CHARTS: &str = "
    const { drawCharts } = (await import(document.querySelector('script').src)).modules.charts;
    const element = document.createElement('div');
    document.querySelector('main').replaceChildren(element);
    const { stop } = drawCharts(element, given);
    const text = element.innerText;
    stop();
    return text;";

#[tokio::test]
async fn the_charts_say_how_attempts_failed_and_write_numbers_so_that_they_can_be_read() {
    let Some(browser) = Browser::start().await else { return };
    browser.read("API key").await;
    let hour = |at: &str, deliveries: u64, outcomes: serde_json::Value| json!({ "hour": at, "deliveries": deliveries, "failures": 4, "failures_by_outcome": outcomes, "p50_ms": 100, "p95_ms": 200 });
    let hours = json!([
        hour("2026-01-02T02:00:00.000Z", 1_200_000, json!({ "timeout": 1, "http": 3 })),
        hour("2026-01-02T03:00:00.000Z", 34_567, json!({ "connect": 4 })),
    ]);
    let text = browser.script_with(CHARTS, hours).await;
    let text = text.as_str().unwrap();
    for words in [
        "Total",
        "Delivered 1,234,567",
        "Failed attempts 8",
        "Failed: 4 × no connection, 3 × another answer than 2xx, 1 × no answer in time",
        "Median 100 ms",
        "95 % within 200 ms",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
}

#[tokio::test]
async fn no_label_of_a_chart_is_cut_off_on_a_phone() {
    let Some(browser) = Browser::start().await else { return };
    browser.read("API key").await;
    let hour = |at: usize| {
        json!({ "hour": format!("2026-01-02T{at:02}:00:00.000Z"), "deliveries": 1_234_567, "failures": 0,
            "failures_by_outcome": {}, "p50_ms": 8_500, "p95_ms": 9_900 })
    };
    for width in [390, 320] {
        browser.look(width, false).await;
        let hours: Vec<_> = (0..24).map(hour).collect();
        let edges = drawn(&browser, json!(hours)).await.map(|chart| chart["touches_edge"].clone());
        assert_eq!(edges, [false, false], "{width}");
    }
}

#[tokio::test]
async fn times_name_their_zone_and_boxes_are_of_one_size() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_zone");
    let customer = webhook(&key).await;
    customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap();
    finished(&customer, 1).await;
    browser.be_in("Asia/Kathmandu").await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.read("Task ended (GMT+5:45)").await;
    let title = "return document.querySelector('.list time').title.endsWith('Z (shown in GMT+5:45)')";
    assert_eq!(browser.script(title).await, true);
    browser.look(320, false).await;
    browser.click("Edit").await;
    let sizes = "return [...new Set([...document.querySelectorAll('dialog [type=checkbox]')]
        .map((box) => `${box.offsetWidth} x ${box.offsetHeight}`))].length";
    assert_eq!(browser.script(sizes).await, 1);
}
