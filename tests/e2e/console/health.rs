//! What the console shows about an endpoint that is down, about its held events, and about a disabled webhook.

use std::time::Duration;

use harness::{Answer, Producer};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Browser, answer, sign_in, webhook};
use crate::{RECEIVER, STACK, key_for};

/// release runs once a minute.
const A_MINUTE_AND_A_HALF: Duration = Duration::from_secs(90);

/// The status and the notice of each given webhook, with times in the form of their elements' `datetime`.
const NOTICES: &str = "
    const { healthNotice, statusPill } = (await import(document.querySelector('script').src)).modules.health;
    return given.map((webhook) => {
        const notice = healthNotice(webhook);
        for (const time of notice?.querySelectorAll('time') ?? []) time.textContent = `[${time.dateTime}]`;
        return [statusPill(webhook).textContent, notice?.querySelector('p').textContent ?? null];
    });";

#[expect(clippy::needless_pass_by_value, reason = "each caller passes a json! literal")]
fn fares(fields: Value) -> Value {
    let mut webhook = json!({ "id": 1, "status": "active", "circuit": "closed", "held": 0, "failing_since": null,
        "last_failed_at": null, "consecutive_failures": 0, "disabled_reason": null, "next_probe_at": null });
    webhook.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    webhook
}

#[tokio::test]
async fn how_an_endpoint_fares_is_a_word_and_a_sentence() {
    let Some(browser) = Browser::start().await else { return };
    let (since, next) = ("2026-01-02T10:04:00.000Z", "2999-01-02T10:34:00.000Z");
    let down = |held: u64, next: Value| {
        fares(json!({ "circuit": "open", "failing_since": since, "held": held, "next_probe_at": next }))
    };
    let cases = [
        (fares(json!({})), "Active", None),
        (
            down(204, json!(next)),
            "Down",
            Some(format!(
                "Your endpoint has not answered since [{since}]. 204 events wait and will be sent when it does. Next try at [{next}]."
            )),
        ),
        (
            down(1, json!("2026-01-02T10:34:00.000Z")),
            "Down",
            Some(format!(
                "Your endpoint has not answered since [{since}]. 1 event waits and will be sent when it does. \
                 The next try comes within a minute or two."
            )),
        ),
        (
            fares(json!({ "circuit": "recovering", "held": 1000 })),
            "Recovering",
            Some(
                "At least 1,000 events wait and are on their way: slowly at first, and faster each minute while your \
                 endpoint takes them. New events are sent as they come."
                    .into(),
            ),
        ),
        (fares(json!({ "circuit": "recovering" })), "Active", None),
        (
            fares(json!({ "status": "disabled", "held": 2 })),
            "Disabled",
            Some(
                "Disabled. It gets no deliveries. Enable it once your endpoint is ready: 2 events wait and will be sent then."
                    .into(),
            ),
        ),
        (
            fares(json!({ "status": "disabled", "disabled_reason": "the endpoint answered 410 Gone" })),
            "Given up",
            Some(
                "The service has disabled this webhook: the endpoint answered 410 Gone. It gets no deliveries. Enable it \
                 once your endpoint is ready."
                    .into(),
            ),
        ),
    ];
    let given: Vec<&Value> = cases.iter().map(|(webhook, ..)| webhook).collect();
    let shown = browser.script_with(NOTICES, json!(given)).await;
    for (at, (webhook, word, sentence)) in cases.iter().enumerate() {
        assert_eq!(shown[at], json!([word, sentence]), "{webhook}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_probed_at_a_click_and_what_was_held_arrives() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_down");
    webhook(&key).await;
    // A single refusal for a minute or more opens the circuit.
    let busy = Answer { headers: vec![("retry-after", "3600".into())], ..Answer::status(503) };
    RECEIVER.answer("/acct_console_down", [busy]);
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.click("Send test event").await;
    browser.read_within("Your endpoint has not answered since", A_MINUTE_AND_A_HALF).await;
    browser.read("Down").await;
    let completion =
        json!({ "account_id": "acct_console_down", "task_id": "held", "task_type": "image", "status": "failed" });
    Producer::new(&STACK).send(completion).await.unwrap();
    browser.click("Held").await;
    browser.read("A held delivery waits because").await;
    browser.read("Held\tjob.failed").await;
    browser.read_within("1 event waits and will be sent when it does.", A_MINUTE_AND_A_HALF).await;

    browser.click("Probe now").await;
    browser.read("Asked for.").await;
    let received = RECEIVER.wait_for("/acct_console_down", 2, A_MINUTE_AND_A_HALF).await.unwrap();
    assert_eq!(received[1].json()["task_id"], "held");
    browser.read_within("No delivery is held at the moment.", A_MINUTE_AND_A_HALF).await;
    assert!(!browser.text().await.contains("has not answered"), "{}", browser.text().await);
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

#[tokio::test]
async fn a_delivery_that_waits_is_sent_now_and_one_of_a_disabled_webhook_says_why_not() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_waits");
    let customer = webhook(&key).await;
    let later = Answer { headers: vec![("retry-after", "50".into())], ..answer(500, "") };
    RECEIVER.answer("/acct_console_waits", [later]);
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.click("Send test event").await;
    browser.click("Open the delivery").await;
    browser.read("Next attempt at").await;
    browser.click("Retry now").await;
    browser.read_within("Attempt 2", Duration::from_secs(20)).await;
    browser.read("Send again").await;
    let disabled = customer
        .send(Method::PATCH, "/api/v1/webhooks/1", Some(json!({ "status": "disabled" }).to_string()))
        .await
        .unwrap();
    assert_eq!(disabled.status, 200);
    let here = browser.script("return location.hash").await;
    browser.go(here.as_str().unwrap()).await;
    browser.read("To send it again, first enable its webhook.").await;
    assert_eq!(browser.script("return document.querySelector('[data-name=retry]').disabled").await, true);
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}
