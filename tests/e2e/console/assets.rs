//! How much a visit of the console downloads, and what an upgrade changes for an open tab.

use harness::{Customer, Reply, http_client};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{Browser, sign_in, webhook};
use crate::{STACK, key_for};

/// The page itself and the files that it loaded, each with the number of bytes from the network, headers included. A
/// file from the browser's cache has none.
const LOADED: &str = "
    await new Promise((resolve) => setTimeout(resolve, 500));
    const loaded = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
    return loaded.filter(({ name }) => !name.includes('/api/v1/'))
        .map(({ name, transferSize }) => [new URL(name).pathname, transferSize]);";

#[tokio::test]
async fn the_first_visit_is_small_and_the_second_downloads_no_file_again() {
    let Some(browser) = Browser::start().await else { return };
    browser.read("API key").await;
    let first = loaded(&browser).await;
    let total: u64 = first.iter().map(|(_, bytes)| bytes).sum();
    eprintln!("first visit: {total} bytes in {} requests: {first:?}", first.len());
    assert!(first.len() < 6 && first.iter().all(|(_, bytes)| *bytes > 0), "{first:?}");
    assert!(total < 55_000, "{total} bytes: {first:?}");
    let other_language = first.iter().find(|(name, _)| name.starts_with("/console/de-"));
    assert_eq!(other_language, None, "the texts of other languages are not loaded");

    let key = key_for("acct_console_assets");
    webhook(&key).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    for (page, text) in [("", "Active"), ("#/webhooks/1", "Median"), ("#/signature", "Still missing")] {
        browser.go(page).await;
        browser.read(text).await;
        let second = loaded(&browser).await;
        let names = |visit: &[(String, u64)]| visit.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&second), names(&first), "{page}");
        // The browser requests the page again and gets a 304, headers only.
        let (document, files) = second.split_first().unwrap();
        eprintln!("second visit of {page:?}: {second:?}");
        assert!(document.1 < first[0].1, "{page}: {second:?}");
        assert!(files.iter().all(|(_, bytes)| *bytes == 0), "{page}: {second:?}");
    }
}

/// The page first, then each file once: an image that is used in two places is loaded for one of them.
async fn loaded(browser: &Browser) -> Vec<(String, u64)> {
    let loaded = browser.script_with(LOADED, json!(null)).await;
    let mut files: Vec<(String, u64)> = Vec::new();
    for entry in loaded.as_array().unwrap() {
        let (name, bytes) = (entry[0].as_str().unwrap(), entry[1].as_u64().unwrap());
        match files.iter_mut().find(|(known, _)| known == name) {
            Some(file) => file.1 += bytes,
            None => files.push((name.to_owned(), bytes)),
        }
    }
    files[1..].sort();
    files
}

#[tokio::test]
async fn a_page_is_answered_304_to_who_has_it_and_a_file_may_be_kept_for_good() {
    let page = ask("/console", &[]).await;
    let tag = page.headers["etag"].to_str().unwrap();
    assert_eq!((page.status, &page.headers["cache-control"]), (200, &"no-cache".parse().unwrap()));
    for known in [tag, &format!("\"another\", {tag}"), tag.trim_start_matches("W/")] {
        let again = ask("/console", &[("if-none-match", known)]).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{known}");
        assert_eq!(again.headers["etag"], tag);
    }
    assert_eq!(ask("/console", &[("if-none-match", "\"another\"")]).await.status, 200);

    let script = script_of(&page);
    let file = ask(&format!("/console/{script}"), &[]).await;
    let kept = &file.headers["cache-control"];
    assert_eq!((file.status, kept), (200, &"public, max-age=31536000, immutable".parse().unwrap()));
    assert!(!file.headers.contains_key("content-encoding"), "without accept-encoding it is not compressed");
    let compressed = ask(&format!("/console/{script}"), &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(compressed.headers["content-encoding"], "gzip");
    assert_eq!(compressed.headers["vary"], "accept-encoding");
}

/// The page is from the previous version, and the files that it requests no longer exist.
#[tokio::test]
async fn a_page_that_was_loaded_right_before_an_upgrade_gets_the_newer_files() {
    let script = script_of(&ask("/console", &[]).await);
    let old = http_client().get(format!("{}/console/app-0123456789abcdef.js", STACK.api_url)).send().await.unwrap();
    assert_eq!(old.url().as_str(), format!("{}/console/{script}", STACK.api_url));
    assert_eq!((old.status(), &old.headers()["content-type"]), (StatusCode::OK, &"text/javascript".parse().unwrap()));
    // The example receivers are loaded later, by a page that may be older.
    let old = format!("{}/console/receivers-0123456789abcdef.json", STACK.api_url);
    let receivers = http_client().get(old).send().await.unwrap();
    assert_eq!(
        (receivers.status(), &receivers.headers()["content-type"]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );
    for nothing in ["/console/app.js", "/console/app-0123456789abcdef.css", "/console/other-0123456789abcdef.js"] {
        assert_eq!(ask(nothing, &[]).await.status, 404, "{nothing}");
    }
}

/// An open tab keeps working when all its files are gone, except the page with the example receivers.
#[tokio::test]
async fn a_tab_that_is_open_needs_no_further_file() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_upgrade");
    webhook(&key).await;
    browser.read("API key").await;
    browser.block("*/console/*").await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    for (page, text) in [
        ("#/webhooks/1", "Median"),
        ("#/events", "Nothing yet"),
        ("#/signature", "Still missing"),
        ("#/", "Add webhook"),
    ] {
        browser.script(&format!("location.hash = '{page}'")).await;
        browser.read(text).await;
    }
    browser.click("Add webhook").await;
    browser.read("Endpoint URL").await;
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

async fn ask(path: &str, headers: &[(&str, &str)]) -> Reply {
    Customer::without_key(&STACK).send_with(Method::GET, path, None, headers).await.unwrap()
}

fn script_of(page: &Reply) -> String {
    let rest = page.text.split("src=\"console/").nth(1).unwrap();
    rest.split('"').next().unwrap().to_owned()
}
