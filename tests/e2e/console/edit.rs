//! The dialog that changes how requests are sent: static headers, and the most requests per minute.

use serde_json::json;

use super::{Browser, check_looks, sign_in, webhook};
use crate::{RECEIVER, key_for};

#[tokio::test]
async fn headers_and_a_limit_are_set_and_removed_and_no_value_is_shown_again() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_sending");
    let customer = webhook(&key).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.click("Edit").await;
    browser.click("Headers and pace").await;
    browser.write("Request headers", "Host: a.example.com").await;
    browser.click("Save").await;
    browser.read("cannot be set").await;
    browser.write("Request headers", "X-Api-Key: not-for-any-eyes\n\nX-Team:gallery").await;
    browser.write("Requests per minute, at most", "90").await;
    check_looks(&browser, "headers and pace").await;
    browser.click("Save").await;
    browser.read("at most 90 a minute").await;
    let details = customer.data("/api/v1/webhooks/1").await.unwrap();
    assert_eq!(json!([details["headers"], details["max_per_minute"]]), json!([["X-Api-Key", "X-Team"], 90]));
    customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap();
    let received = RECEIVER.wait_for("/acct_console_sending", 1, std::time::Duration::from_secs(20)).await.unwrap();
    assert_eq!(received[0].header("x-api-key"), Some("not-for-any-eyes"));

    // Another change keeps them.
    browser.click("Edit").await;
    browser.read("Set now: X-Api-Key, X-Team. What you enter here replaces all of them.").await;
    browser.write("Description", "Images").await;
    browser.click("Save").await;
    browser.read("Images").await;
    assert_eq!(customer.data("/api/v1/webhooks/1").await.unwrap()["headers"], details["headers"]);
    let page = browser.script("return document.documentElement.outerHTML").await;
    assert!(!page.as_str().unwrap().contains("not-for-any-eyes"));

    browser.click("Edit").await;
    browser.click("Remove all headers").await;
    browser.write("Requests per minute, at most", "").await;
    browser.click("Save").await;
    browser.read("Saved").await;
    let details = customer.data("/api/v1/webhooks/1").await.unwrap();
    assert_eq!(
        json!([details["headers"], details["max_per_minute"], details["description"]]),
        json!([[], null, "Images"])
    );
    assert_eq!(browser.complaints(&[400, 404]).await, [""; 0]);
}
