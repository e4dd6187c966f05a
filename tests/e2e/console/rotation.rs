//! A secret's rotation: the dialog that starts it, what the page says of its stage, and the switch.

use std::time::Duration;

use harness::{Received, signature};
use serde_json::json;

use super::{Browser, check_looks, sign_in, webhook};
use crate::{RECEIVER, key_for};

/// Sends a test event and returns the request that the receiver got.
async fn test_event(browser: &Browser, path: &str) -> Received {
    let count = RECEIVER.received(path).len() + 1;
    browser.click("Send test event").await;
    RECEIVER.wait_for(path, count, Duration::from_secs(20)).await.unwrap().swap_remove(count - 1)
}

#[tokio::test]
async fn an_owner_starts_a_rotation_and_makes_its_switch_when_the_server_is_ready() {
    let Some(browser) = Browser::start().await else { return };
    let (key, path) = (key_for("acct_console_rotation"), "/acct_console_rotation");
    webhook(&key).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.click("Rotate secret").await;
    browser.read("Give your server the new one, then press “Switch now” on this page").await;
    check_looks(&browser, "the dialog of a rotation").await;
    browser.click("Rotate secret").await;
    browser.read("whsec_").await;
    let new = browser.script("return document.querySelector('dialog code').textContent").await;
    let new = new.as_str().unwrap();
    browser.click("I have saved it").await;

    browser.read("The secret is being rotated. The old one still signs X-Nano-Signature").await;
    check_looks(&browser, "a rotation before its switch").await;
    browser.click("Rotate secret").await;
    browser.read("If your server has that secret already, cancel and switch first.").await;
    browser.click("Cancel").await;
    let before = test_event(&browser, path).await;
    assert!(!signature::is_valid(&before, new));
    assert_eq!(before.header("x-nano-signature-next"), Some(signature::nano_signature(&before, new).as_str()));
    browser.click("Switch now").await;
    browser.read("The secret was switched. The new one signs X-Nano-Signature").await;
    browser.comes_to("return document.activeElement?.tagName", json!("H1")).await;
    check_looks(&browser, "a rotation after its switch").await;
    let after = test_event(&browser, path).await;
    assert!(signature::is_valid(&after, new) && after.header("x-nano-signature-previous").is_some());
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

#[tokio::test]
async fn a_secret_that_has_leaked_has_no_stages() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_leak");
    webhook(&key).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.click("Rotate secret").await;
    let choose = "const field = document.querySelector('#overlap'); field.value = '0';
        field.dispatchEvent(new Event('change'))";
    browser.script(choose).await;
    browser.read("Your server refuses everything until it has the new one.").await;
    browser.click("Rotate secret").await;
    browser.click("I have saved it").await;
    browser.read("Send test event").await;
    assert!(!browser.text().await.contains("Switch now"));
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}
