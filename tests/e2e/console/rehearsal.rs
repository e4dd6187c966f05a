//! A customer rehearses the receiver, and reads what it does wrong.

use serde_json::json;

use super::{Browser, check_looks, sign_in, webhook};
use crate::{RECEIVER, key_for};

/// The receiver accepts whatever comes.
#[tokio::test]
async fn a_rehearsal_says_in_words_what_the_endpoint_does_wrong() {
    let Some(browser) = Browser::start().await else { return };
    let (key, path) = (key_for("acct_console_rehearsal"), "/acct_console_rehearsal");
    webhook(&key).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.read("A rehearsal sends five requests").await;
    browser.click("Rehearse").await;
    browser.read(": 3 of 5 passed.").await;
    browser.read("You accepted a request with a wrong signature: anybody can forge events to this endpoint.").await;
    browser.read("You accepted a request that was signed an hour ago").await;
    browser.read("Passed A valid event").await;
    browser.read("Failed An old timestamp").await;
    browser.read("Got: 200 after").await;
    assert_eq!(RECEIVER.received(path).len(), 5);
    browser.read("Nothing yet.").await;
    check_looks(&browser, "a rehearsal").await;
    browser.look(1440, false).await;

    // It stays beside the problem.
    browser.click("Rehearse").await;
    browser.read("Webhook 1 was rehearsed less than a minute ago; try again in").await;
    browser.read(": 3 of 5 passed.").await;
    assert_eq!(RECEIVER.received(path).len(), 5);

    // Who opens the page again sees the last one, closed.
    browser.go("#/").await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.read(": 3 of 5 passed.").await;
    browser.comes_to("return document.querySelector('details.rehearsal').open", json!(false)).await;
    browser.click("Disable").await;
    browser.click("Disable").await;
    browser.read("Disabled").await;
    let rehearse = "return [...document.querySelectorAll('button')].find((it) => it.innerText === 'Rehearse').disabled";
    browser.comes_to(rehearse, json!(true)).await;
    assert_eq!(browser.complaints(&[404, 429]).await, [""; 0]);
}
