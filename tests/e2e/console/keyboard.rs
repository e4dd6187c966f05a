//! The console without a mouse: where the focus is, what Escape closes, and what the address contains.

use harness::Answer;
use serde_json::json;

use super::{Browser, ENTER, disabled_by_the_service, finished, sign_in, webhook};
use crate::{RECEIVER, key_for};

const TAB: &str = "\u{e004}";
const SPACE: &str = "\u{e00d}";
const ESCAPE: &str = "\u{e00c}";

#[tokio::test]
async fn the_keyboard_alone_goes_from_sign_in_to_a_test_event() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_keys");
    browser.read("API key").await;
    browser.keys(&format!("{}{ENTER}", key.key)).await;
    browser.read("Hear of finished tasks").await;
    tab_to(&browser, "Add webhook").await;
    browser.keys(ENTER).await;
    browser.read("Endpoint URL").await;
    // The dialog's first field has the focus; the keys deselect the second event, and Enter sends the form.
    browser.keys(&RECEIVER.url("/acct_console_keys")).await;
    browser.keys(TAB).await;
    browser.keys(TAB).await;
    browser.keys(SPACE).await;
    browser.keys(ENTER).await;
    browser.read("Save the signing secret").await;
    tab_to(&browser, "I have saved it").await;
    browser.keys(ENTER).await;
    browser.read("Try it").await;
    assert!(
        !browser.script("return document.querySelector('.facts').innerText").await.to_string().contains("job.failed")
    );
    tab_to(&browser, "Send test event").await;
    browser.keys(ENTER).await;
    browser.read("your endpoint answered 200").await;
    tab_to(&browser, "Open the delivery").await;
    browser.keys(ENTER).await;
    browser.read("The history does not keep headers").await;
    tab_to(&browser, "Sign out").await;
    browser.keys(ENTER).await;
    browser.read("Sign in to your webhooks").await;
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

/// Presses Tab until an element with this text has the focus.
async fn tab_to(browser: &Browser, text: &str) {
    for _ in 0..40 {
        browser.keys(TAB).await;
        if browser.focused_text().await == text {
            return;
        }
    }
    panic!("Tab does not reach {text:?}");
}

/// Each step replaces the focused element; if the focus were lost, it would fall back to the start of the page.
#[tokio::test]
async fn the_focus_stays_where_the_work_was() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_focus");
    let customer = webhook(&key).await;
    RECEIVER.answer("/acct_console_focus", [Answer::status(410)]);
    customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap();
    let id = finished(&customer, 1).await[0]["id"].as_str().unwrap().to_owned();
    disabled_by_the_service(&customer).await;
    sign_in(&browser, &key).await;
    browser.read("Given up").await;
    browser.go("#/webhooks/1").await;
    browser.click("Enable").await;
    browser.focus_comes_to("Disable").await;
    browser.click("Disable").await;
    browser.click("Disable").await;
    browser.focus_comes_to("Enable").await;
    browser.click("Enable").await;
    browser.focus_comes_to("Disable").await;
    browser.click("Edit").await;
    browser.click("Save").await;
    browser.focus_comes_to("Edit").await;
    browser.click("Rotate secret").await;
    browser.click("Rotate secret").await;
    browser.click("I have saved it").await;
    browser.focus_comes_to("Rotate secret").await;

    browser.go(&format!("#/webhooks/1/deliveries/{id}")).await;
    browser.click("compute it").await;
    browser.write("Signing secret", "your-secret-key").await;
    browser.keys(ENTER).await;
    browser.focus_comes_to("v1,").await;
    browser.click("Retry now").await;
    browser.focus_comes_to("Send again").await;
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

#[tokio::test]
async fn a_secret_that_is_shown_once_outlives_escape_until_there_is_a_copy() {
    let Some(browser) = Browser::start().await else { return };
    browser.allow_clipboard().await;
    sign_in(&browser, &key_for("acct_console_secret")).await;
    browser.click("Add webhook").await;
    browser.write("Endpoint URL", &RECEIVER.url("/acct_console_secret")).await;
    browser.keys(ENTER).await;
    browser.read("Save the signing secret").await;
    for _ in 0..3 {
        browser.keys(ESCAPE).await;
    }
    let secret = browser.script("return document.querySelector('dialog code').textContent").await;
    browser.click("Copy as a line of .env").await;
    browser.read("Copied").await;
    let line = format!("WEBHOOK_SECRET={}\n", secret.as_str().unwrap());
    assert_eq!(browser.script("return navigator.clipboard.readText()").await, line);
    browser.keys(ESCAPE).await;
    browser.read("Nothing yet.").await;
    assert_eq!(browser.script("return document.querySelector('dialog')").await, json!(null));
}

#[tokio::test]
async fn filters_pages_and_periods_are_in_the_address_and_one_step_back() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_address");
    let customer = webhook(&key).await;
    for _ in 0..21 {
        assert_eq!(customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap().status, 202);
    }
    finished(&customer, 20).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1?hours=168&status=delivered").await;
    let shown = "return [document.querySelector('[aria-label=Period]')?.value,
        document.querySelector('.segments :checked')?.value, document.querySelectorAll('.list tbody tr').length]";
    browser.comes_to(shown, json!(["168", "delivered", 20])).await;
    browser.click("Older →").await;
    browser.comes_to(shown, json!(["168", "delivered", 1])).await;
    let address = browser.script("return location.hash").await;
    assert!(address.as_str().unwrap().contains("cursor="), "{address}");
    browser.go(address.as_str().unwrap()).await;
    browser.comes_to(shown, json!(["168", "delivered", 1])).await;
    browser.click("Failed").await;
    browser.comes_to(shown, json!(["168", "failed", 0])).await;
    browser.script("history.back()").await;
    browser.comes_to(shown, json!(["168", "delivered", 1])).await;
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

#[tokio::test]
async fn a_link_opens_in_a_tab_that_is_signed_in_and_signing_out_ends_both() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_tabs");
    webhook(&key).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    let first = browser.open_in_a_tab("Signature checker").await;
    browser.read("Still missing").await;
    // A tab that was not opened from the console needs a key of its own.
    let second = browser.new_tab().await;
    browser.read("Sign in to your webhooks").await;
    browser.turn_to(&second).await;
    browser.click("Sign out").await;
    browser.turn_to(&first).await;
    browser.read("You have signed out in another tab.").await;
    assert_eq!(browser.script("return Object.values({ ...sessionStorage }).join()").await, "");
}

/// With forced colours the page has no colours of its own, so another style must mark the chosen element.
#[tokio::test]
async fn with_forced_colours_what_is_chosen_has_an_outline() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_forced");
    webhook(&key).await;
    browser.force_colours().await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.read("Nothing yet.").await;
    let outlines = "return ['.segments :checked + span', '.segments :not(:checked) + span', '.bar [aria-current]']
        .map((each) => getComputedStyle(document.querySelector(each)).outlineStyle)";
    assert_eq!(browser.script(outlines).await, json!(["solid", "none", "solid"]));
}
