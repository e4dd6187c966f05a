//! Which buttons a state offers: none that the API refuses, and none that asks to be pressed without need.

use std::time::Duration;

use harness::{Answer, Customer};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Browser, answer, check_looks, disabled_by_the_service, finished, sign_in, webhook};
use crate::{RECEIVER, STACK, key_for};

async fn set_status(customer: &Customer, webhook: u64, status: &str) {
    let path = format!("/api/v1/webhooks/{webhook}");
    let body = json!({ "status": status }).to_string();
    assert_eq!(customer.send(Method::PATCH, &path, Some(body)).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_webhook_that_the_service_disabled_looks_unlike_one_that_its_owner_paused_and_neither_offers_a_test_event() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_paused");
    let customer = webhook(&key).await;
    let paused = json!({ "url": RECEIVER.url("/acct_console_paused/2"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &paused).await.unwrap().status, 201);
    set_status(&customer, 2, "disabled").await;
    RECEIVER.answer("/acct_console_paused", [Answer::status(410)]);
    customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap();
    disabled_by_the_service(&customer).await;

    sign_in(&browser, &key).await;
    browser.read("Disabled").await;
    browser.read("Given up").await;
    for dark in [false, true] {
        browser.look(1440, dark).await;
        let pills = "return [...document.querySelectorAll('.rows .pill')]
            .map((pill) => [pill.textContent, getComputedStyle(pill).backgroundColor])";
        assert_differ(&browser.script(pills).await);
    }
    let mut notices = Vec::new();
    for (id, sentence) in
        [(1, "The service has disabled this webhook: the endpoint answered 410 Gone."), (2, "Disabled.")]
    {
        browser.go(&format!("#/webhooks/{id}")).await;
        browser.read(sentence).await;
        browser.read("Enable the webhook first: a disabled one gets no test events either.").await;
        assert_eq!(browser.script("return document.querySelector('.test button').disabled").await, true);
        let notice = "const notice = document.querySelector('.notice');
            return [notice.querySelector('strong').textContent, getComputedStyle(notice).backgroundColor]";
        notices.push(browser.script(notice).await);
        // The charts and the list.
        browser.comes_to("return document.querySelector('.loading')", Value::Null).await;
        check_looks(&browser, &format!("disabled {id}")).await;
    }
    assert_differ(&json!(notices));
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

/// Both pairs of a text and a colour have two texts and two colours.
fn assert_differ(pairs: &Value) {
    assert_eq!(pairs.as_array().unwrap().len(), 2, "{pairs}");
    assert!(pairs[0][0] != pairs[1][0] && pairs[0][1] != pairs[1][1], "{pairs}");
}

#[tokio::test]
async fn retry_now_is_the_first_button_of_what_failed_and_of_nothing_that_arrived() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_arrived");
    let customer = webhook(&key).await;
    RECEIVER.answer("/acct_console_arrived", [Answer::status(200), answer(410, "")]);
    for count in 1..=2 {
        customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap();
        finished(&customer, count).await;
    }
    disabled_by_the_service(&customer).await;
    set_status(&customer, 1, "active").await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    for (status, offered) in [("delivered", json!(["Send again", false])), ("failed", json!(["Retry now", true]))] {
        let path = format!("/api/v1/webhooks/1/deliveries?status={status}");
        let list = customer.get(&path).await.unwrap().json();
        let id = list["data"]["deliveries"][0]["id"].as_str().unwrap();
        browser.go(&format!("#/webhooks/1/deliveries/{id}")).await;
        browser.read("Task ended").await;
        let button = "const button = document.querySelector('[data-name=retry]');
            return [button.textContent, document.querySelector('button.primary') === button]";
        assert_eq!(browser.script(button).await, offered, "{status}");
    }
}

#[tokio::test]
async fn a_retry_is_no_longer_offered_once_an_attempt_has_disabled_the_webhook() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_last");
    let customer = webhook(&key).await;
    let later = Answer { headers: vec![("retry-after", "20".into())], ..Answer::status(500) };
    RECEIVER.answer("/acct_console_last", [later, Answer::status(410)]);
    let sent = customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap().json();
    RECEIVER.wait_for("/acct_console_last", 1, Duration::from_secs(20)).await.unwrap();
    sign_in(&browser, &key).await;
    browser.read("/acct_console_last").await;
    browser.go(&format!("#/webhooks/1/deliveries/{}", sent["data"]["id"].as_str().unwrap())).await;
    browser.read("Next attempt at").await;
    browser.read("Attempt 2").await;
    browser.read("To send it again, first enable its webhook.").await;
    assert_eq!(browser.script("return document.querySelector('[data-name=retry]').disabled").await, true);
    // What the button would have done.
    let path = format!("/api/v1/webhooks/1/deliveries/{}/retry", sent["data"]["id"].as_str().unwrap());
    assert_eq!(Customer::new(&STACK, &key).post(&path, &json!({})).await.unwrap().status, 409);
}
