//! Keys with a scope, an end or an id of the platform's, and the links that open the console with one.

use std::{fs, time::Duration};

use harness::{ApiKey, Customer};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{ask, assert_refused, json_of};
use crate::{RECEIVER, STACK, folder_of_this_run, key_for};

const WEBHOOKS: &str = "/api/v1/webhooks";

/// The customer with the key that a command has created.
fn customer(account: &str, created: &Value) -> Customer {
    customer_with(account, created["key"].as_str().unwrap())
}

fn customer_with(account: &str, key: &str) -> Customer {
    Customer::new(&STACK, &ApiKey { account_id: account.into(), key: key.into() })
}

fn webhook(path: &str) -> Value {
    json!({ "url": RECEIVER.url(path), "events": ["job.completed"] })
}

#[tokio::test]
async fn a_key_that_may_only_read_gets_403_for_every_other_request() {
    let account = "acct_op_reader";
    let full = customer(account, &json_of(&STACK, &["keys", "create", "--account", account]));
    let created = full.post(WEBHOOKS, &webhook("/acct_op_reader")).await.unwrap();
    assert_eq!(created.status, 201);
    assert_eq!(created.headers["x-nano-key-scope"], "full");
    let created = json_of(&STACK, &["keys", "create", "--account", account, "--read-only", "--label", "the dashboard"]);
    assert_eq!(
        json!([created["scope"], created["label"], created["expires_at"]]),
        json!(["read", "the dashboard", null])
    );
    let reader = customer(account, &created);
    for path in ["", "/1", "/1/deliveries", "/1/stats"] {
        assert_eq!(reader.get(&format!("{WEBHOOKS}{path}")).await.unwrap().status, 200, "{path}");
    }
    assert_eq!(reader.get("/api/v1/events").await.unwrap().status, 200);
    for (method, path) in [
        (Method::POST, "/api/v1/webhooks"),
        (Method::PATCH, "/api/v1/webhooks/1"),
        (Method::DELETE, "/api/v1/webhooks/1"),
        (Method::POST, "/api/v1/webhooks/1/test"),
        (Method::POST, "/api/v1/webhooks/1/probe"),
        (Method::POST, "/api/v1/webhooks/1/rotate-secret"),
        (Method::POST, "/api/v1/webhooks/1/resend"),
        (Method::DELETE, "/api/v1/webhooks/1/resend"),
        (Method::POST, "/api/v1/webhooks/1/deliveries/00/retry"),
        (Method::DELETE, "/api/v1/events/00"),
    ] {
        let reply = reader.send(method.clone(), path, Some("{}".into())).await.unwrap();
        let error = json!({ "success": false, "error": { "code": "forbidden",
            "message": format!("this key may only read; {method} needs a key with the scope full") } });
        assert_eq!((reply.status, reply.json()), (403, error), "{method} {path}");
        assert_eq!(reply.headers["x-nano-key-scope"], "read");
    }
    let list = ask(&STACK, &["keys", "list", "--account", account]).out;
    assert!(list.contains("read") && list.contains("the dashboard"), "{list}");
}

#[tokio::test]
async fn a_key_is_refused_from_the_moment_it_expires() {
    let account = "acct_op_expires";
    let created = json_of(&STACK, &["keys", "create", "--account", account, "--expires-in", "5s"]);
    let customer = customer(account, &created);
    let end: jiff::Timestamp = created["expires_at"].as_str().unwrap().parse().unwrap();
    loop {
        let before = jiff::Timestamp::now();
        let reply = customer.get(WEBHOOKS).await.unwrap();
        let after = jiff::Timestamp::now();
        assert!(reply.status == 200 && before < end || reply.status == 401 && after >= end, "{}", reply.text);
        if reply.status == 401 {
            assert!(reply.text.contains("Invalid or missing API key"), "{}", reply.text);
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for wrong in ["90", "-1d", "0s"] {
        let argument = format!("--expires-in={wrong}");
        let refused = ask(&STACK, &["keys", "create", "--account", account, &argument]);
        assert_refused(&refused, 2, "expected a length of time");
    }
}

/// Ten keys of a platform, none of which has the form of the keys that the service makes.
#[tokio::test]
async fn keys_of_a_platform_are_imported_by_their_hashes_used_and_revoked_by_its_own_ids() {
    let account = "acct_op_import";
    let keys: Vec<_> = (0..10).map(|number| format!("sk-proj_{number}-Aa.~{}", "x".repeat(20 * number + 8))).collect();
    let line = |number: usize, key: &String| {
        json!({ "key_hash": hex::encode(Sha256::digest(key)), "account_id": account, "id": format!("platform/{number}"),
            "scope": if number == 9 { "read" } else { "full" } })
        .to_string()
    };
    let lines: Vec<_> = keys.iter().enumerate().map(|(number, key)| line(number, key)).collect();
    let file = folder_of_this_run().join("hashes.ndjson");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let import = |lines: &[String]| {
        fs::write(&file, lines.join("\n")).unwrap();
        ["keys", "import", "--file", file.to_str().unwrap()].map(str::to_owned)
    };
    let wrong = import(&[&lines[..5], &[r#"{"key_hash":"12"}"#.into()], &lines[5..]].concat());
    let wrong = ask(&STACK, &wrong.each_ref().map(String::as_str));
    assert_refused(&wrong, 2, "line 6: ");
    assert_eq!(customer_with(account, &keys[0]).get(WEBHOOKS).await.unwrap().status, 401, "nothing was imported");

    let half = import(&lines[..5]);
    let half = json_of(&STACK, &half.each_ref().map(String::as_str));
    assert_eq!(half, json!({ "imported": 5, "existing": 0 }));
    let first = customer_with(account, &keys[0]);
    assert_eq!(first.post(WEBHOOKS, &webhook("/acct_op_import")).await.unwrap().status, 201);
    json_of(&STACK, &["keys", "revoke", "platform/1", "--yes"]);
    let all = import(&lines);
    let all = json_of(&STACK, &all.each_ref().map(String::as_str));
    assert_eq!(all, json!({ "imported": 5, "existing": 5 }));
    for (number, key) in keys.iter().enumerate() {
        let status = if number == 1 { 401 } else { 200 };
        let reply = customer_with(account, key).get(WEBHOOKS).await.unwrap();
        assert_eq!(reply.status, status, "{number}: an import brings no revoked key back");
    }
    assert_eq!(customer_with(account, &keys[9]).post(WEBHOOKS, &webhook("/x")).await.unwrap().status, 403);
    let used = json_of(&STACK, &["keys", "list", "--account", account]);
    let used = used.as_array().unwrap().iter().find(|key| key["id"] == "platform/0").unwrap();
    assert!(used["last_used_at"].is_string(), "{used}");
}

#[tokio::test]
async fn a_link_opens_the_console_with_a_key_that_may_only_read_and_leaves_the_address_bar() {
    let account = "acct_op_link";
    let full = customer(account, &json_of(&STACK, &["keys", "create", "--account", account]));
    assert_eq!(full.post(WEBHOOKS, &webhook("/acct_op_link")).await.unwrap().status, 201);
    let link = ["console-link", "--account", account, "--for", "15m", "--read-only"];
    let elsewhere = format!("{}/nowhere", STACK.api_url);
    assert_refused(&ask(&STACK, &[&link[..], &["--api-url", &elsewhere]].concat()), 2, "there is no console at");
    let link = json_of(&STACK, &link);
    let (url, id) = (link["url"].as_str().unwrap(), link["key_id"].as_str().unwrap());
    let (_, key) = url.split_once("/console#key=").unwrap();
    let reader = customer_with(account, key);
    assert_eq!(reader.get(WEBHOOKS).await.unwrap().status, 200);
    assert_eq!(reader.send(Method::DELETE, "/api/v1/webhooks/1", None).await.unwrap().status, 403);
    assert_refused(&ask(&STACK, &["console-link", "--account", account, "--for", "13h"]), 2, "expected 15m to 12h");

    if let Some(browser) = crate::console::Browser::start().await {
        browser.go(&format!("#key={key}")).await;
        browser.read("/acct_op_link").await;
        assert_eq!(browser.script("return location.hash").await, "");
        browser.go("").await;
        browser.read("/acct_op_link").await;
        // A second link, in the tab that shows the console.
        let other = key_for("acct_op_other_link");
        browser.script(&format!("location.hash = '#key={}'", other.key)).await;
        browser.comes_to("return document.body.textContent.includes('/acct_op_link')", Value::Bool(false)).await;
        assert_eq!(browser.script("return location.hash").await, "");
        browser.script(&format!("location.hash = '#key={key}'")).await;
        browser.read("/acct_op_link").await;
        json_of(&STACK, &["keys", "revoke", id, "--yes"]);
        browser.go("").await;
        browser.read("This key is not valid any more").await;
    }
}
