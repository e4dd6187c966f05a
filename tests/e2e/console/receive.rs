//! The page with a program that receives a webhook's deliveries.

use std::fs;

use harness::{Customer, workspace};
use serde_json::json;

use super::{Browser, check_looks, sign_in, webhook};
use crate::{STACK, key_for};

#[tokio::test]
async fn every_tested_receiver_is_there_with_the_path_of_the_webhook_and_a_line_of_env() {
    let Some(browser) = Browser::start().await else { return };
    browser.allow_clipboard().await;
    let key = key_for("acct_console_receive");
    webhook(&key).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.click("Receive it").await;
    browser.read("The program").await;
    let files = fs::read_dir(workspace().join("docs/receivers")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>();
    let offered = "return [...document.getElementById('language').options].map(({ value }) => value).toSorted()";
    let mut sorted = files.clone();
    sorted.sort();
    assert_eq!(browser.script(offered).await, json!(sorted));

    let choose = "const language = document.getElementById('language');
        language.value = given;
        language.dispatchEvent(new Event('change'));
        return document.querySelectorAll('pre')[1].textContent;";
    for file in files {
        let program = fs::read_to_string(workspace().join("docs/receivers").join(&file)).unwrap();
        let expected = program
            .replace("\"/webhook\"", "\"/acct_console_receive\"")
            .replace("'/webhook'", "'/acct_console_receive'");
        assert_eq!(browser.script_with(choose, json!(file)).await, expected, "{file}");
        browser.click(&format!("Copy {file}")).await;
        browser.comes_to("return navigator.clipboard.readText()", json!(expected)).await;
    }

    browser.write("Signing secret", "whsec_c2VjcmV0").await;
    browser.click("Copy .env").await;
    let lines = json!("WEBHOOK_SECRET=whsec_c2VjcmV0\nPORT=8080\n");
    browser.comes_to("return navigator.clipboard.readText()", lines).await;
    check_looks(&browser, "receive").await;

    // The language is in the address; the secret is not stored anywhere.
    browser.script_with(choose, json!("go.go")).await;
    let address = browser.script("return location.hash").await;
    assert_eq!(address, "#/webhooks/1/receive?language=go.go");
    browser.go(address.as_str().unwrap()).await;
    browser.read("The standard library alone.").await;
    assert_eq!(browser.script("return document.getElementById('secret').value").await, "");
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

/// In the path of an Express route, an asterisk would be a pattern.
#[tokio::test]
async fn a_path_that_a_framework_would_read_otherwise_is_left_to_its_owner() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_odd_path");
    let odd = json!({ "url": "https://your-server.com/a'b/*", "events": ["job.completed"] });
    assert_eq!(Customer::new(&STACK, &key).post("/api/v1/webhooks", &odd).await.unwrap().status, 201);
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1/receive?language=node-express.js").await;
    browser.read("Write the path of your URL, /a'b/*, in the place of /webhook.").await;
    assert!(browser.text().await.contains("app.post('/webhook'"));
}

#[tokio::test]
async fn the_steps_of_an_empty_account_lead_where_they_say() {
    let Some(browser) = Browser::start().await else { return };
    sign_in(&browser, &key_for("acct_console_steps")).await;
    browser.read("Hear of finished tasks").await;
    check_looks(&browser, "empty").await;
    browser.look(1440, false).await;
    let steps = [
        ("Add a webhook", "Endpoint URL"),
        ("Receive it", "The program"),
        ("Check the signature", "Still missing"),
        ("Send a test event", "POST /api/v1/webhooks/{id}/test"),
    ];
    for (step, text) in steps {
        browser.go("").await;
        browser.click(step).await;
        browser.read(text).await;
    }
    assert_eq!(browser.complaints(&[]).await, [""; 0]);
}
