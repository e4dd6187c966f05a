//! The API's description as a page.

use std::fs;

use harness::{http_client, workspace};
use serde_json::json;

use super::{Browser, check_looks, sign_in};
use crate::{STACK, key_for};

#[tokio::test]
async fn the_docs_show_every_operation_and_schema_and_ask_no_other_host_for_anything() {
    let Some(browser) = Browser::start().await else { return };
    sign_in(&browser, &key_for("acct_console_docs")).await;
    browser.click("API").await;
    browser.read("Register an endpoint").await;
    let openapi = fs::read_to_string(workspace().join("openapi.yaml")).unwrap();
    let operations = openapi.lines().filter_map(|line| line.trim().strip_prefix("operationId: "));
    let schemas = openapi.split("\n  schemas:\n").nth(1).unwrap().lines();
    let schemas = schemas.filter_map(|line| line.strip_prefix("    ")?.strip_suffix(':'));
    let schemas = schemas.filter(|name| !name.starts_with(' ')).map(|name| format!("schema-{name}"));
    let ids: Vec<_> = operations.map(str::to_owned).chain(schemas).collect();
    assert!(ids.len() > 30, "{ids:?}");
    let missing = "return given.filter((id) => !document.getElementById(id))";
    assert_eq!(browser.script_with(missing, json!(ids)).await, json!([]));
    let broken = "return [...document.querySelectorAll('a[href^=\"#\"]')].map((link) => link.hash.slice(1))
        .filter((id) => !document.getElementById(id))";
    assert_eq!(browser.script_with(broken, json!(null)).await, json!([]));

    let hosts = "return [...new Set(performance.getEntriesByType('resource').map(({ name }) => new URL(name).host))]
        .filter((host) => host !== location.host)";
    assert_eq!(browser.script_with(hosts, json!(null)).await, json!([]));
    let text = browser.text().await;
    for words in ["POST /api/v1/webhooks/{id}/rotate-secret", "POST to your endpoint: job.completed", "overlap_seconds"]
    {
        assert!(text.contains(words), "{words:?}");
    }
    check_looks(&browser, "docs").await;
    assert_eq!(browser.complaints(&[]).await, [""; 0]);
}

#[tokio::test]
async fn the_docs_need_no_script_and_are_small() {
    let client = http_client();
    let url = format!("{}/docs", STACK.api_url);
    let page = client.get(&url).header("accept-encoding", "gzip").send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let size = page.bytes().await.unwrap().len();
    assert!(size < 30_000, "{size} bytes");
    let page = client.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(!page.contains("<script"));
}
