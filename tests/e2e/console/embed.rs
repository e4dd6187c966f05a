//! The console in a frame of a platform's dashboard, with the platform's name, colour and theme.

use std::{sync::LazyLock, time::Duration};

use harness::{Answer, ApiKey, Aws, Customer, Failure, Options, Reply, SOON, Stack};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Browser, LEGIBLE, accessibility, sign_in, webhook};
use crate::{RECEIVER, STACK, folder_of_this_run, key_for};

const NAME: &str = "Acme <i>Webhooks</i> & more";
/// Nearly as light as a white page.
const YELLOW: &str = "#ffff00";
/// Nearly as dark as a dark page.
const NAVY: &str = "#000080";

/// The origin of the dashboard. Its host is another than the console's, so that the browser treats the frame as one of
/// another site.
static DASHBOARD: LazyLock<String> = LazyLock::new(|| origin().replace("127.0.0.1", "localhost"));

/// The origin of a page that may not show the console: the same server under its other name.
fn origin() -> String {
    RECEIVER.url("/").trim_end_matches('/').to_owned()
}

#[expect(clippy::unnecessary_wraps, reason = "the form of `Options::before`")]
fn before(_: &Aws) -> Result<Vec<(&'static str, String)>, Failure> {
    Ok(vec![("ConsoleFrameAncestors", format!("https://dashboard.example.com, {}", *DASHBOARD))])
}

/// One stack for all of this, because a stack takes long to start.
#[tokio::test]
async fn a_dashboard_shows_the_console_with_its_own_name_colour_and_theme() {
    let options = Options {
        folder: folder_of_this_run().join("embed"),
        before: Some(before),
        parameters: vec![("ConsoleName", NAME), ("ConsoleAccentColor", YELLOW)],
        ..Options::default()
    };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let Some(browser) = Browser::start_at(&stack.api_url).await else { return };
    let key = stack.create_api_key("acct_embed").unwrap();
    let customer = Customer::new(&stack, &key);
    let new = json!({ "url": RECEIVER.url("/acct_embed"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &new).await.unwrap().status, 201);
    customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap();
    RECEIVER.wait_for("/acct_embed", 1, SOON).await.unwrap();

    the_headers_name_the_dashboard(&stack).await;
    each_theme_is_cached_as_a_page_of_its_own(&stack).await;
    the_address_chooses_the_theme(&browser).await;
    the_console_works_in_the_dashboards_frame(&browser, &stack).await;
    no_other_page_shows_it(&browser, &stack).await;

    sign_in_again(&browser, &key).await;
    every_page_is_legible(&browser, YELLOW, "rgb(255, 255, 0)", "rgb(0, 0, 0)").await;
    change_the_colour(&stack, &customer).await;
    every_page_is_legible(&browser, NAVY, "rgb(0, 0, 128)", "rgb(255, 255, 255)").await;
}

async fn ask(stack: &Stack, path: &str, headers: &[(&str, &str)]) -> Reply {
    Customer::without_key(stack).send_with(Method::GET, path, None, headers).await.unwrap()
}

async fn the_headers_name_the_dashboard(stack: &Stack) {
    for path in ["/console", "/docs"] {
        let page = ask(&STACK, path, &[]).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.ends_with("; frame-ancestors 'none'"), "{policy}");
        assert_eq!(page.headers["x-frame-options"], "DENY");

        let page = ask(stack, path, &[]).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        let ancestors = format!("; frame-ancestors https://dashboard.example.com {}", *DASHBOARD);
        assert!(policy.ends_with(&ancestors) && policy.contains("style-src 'self';"), "{policy}");
        assert!(!page.headers.contains_key("x-frame-options"));
        let title = "<title>Acme &lt;i&gt;Webhooks&lt;/i&gt; &amp; more";
        assert!(page.text.contains(title), "{}", page.text);
    }
}

async fn each_theme_is_cached_as_a_page_of_its_own(stack: &Stack) {
    let tag = |page: Reply| page.headers["etag"].to_str().unwrap().to_owned();
    let preferred = tag(ask(stack, "/console", &[]).await);
    let dark = tag(ask(stack, "/console?theme=dark", &[]).await);
    assert_eq!(ask(stack, "/console?theme=dark", &[("if-none-match", &dark)]).await.status, 304);
    assert_eq!(ask(stack, "/console?theme=dark", &[("if-none-match", &preferred)]).await.status, 200);
    assert_eq!(tag(ask(stack, "/console?theme=pink", &[]).await), preferred);
}

/// The colour of the page itself.
const BEHIND: &str = "return getComputedStyle(document.body).backgroundColor";
const LIGHT: &str = "rgb(246, 247, 249)";
const DARK: &str = "rgb(14, 17, 22)";

async fn the_address_chooses_the_theme(browser: &Browser) {
    for (prefers_dark, query, expected) in [
        (false, "?theme=dark", DARK),
        (true, "?theme=light", LIGHT),
        (true, "?theme=", DARK),
        (true, "?theme=Light", DARK),
        (false, "?theme=dark%20", LIGHT),
    ] {
        browser.look(1440, prefers_dark).await;
        browser.go(query).await;
        browser.read("API key").await;
        assert_eq!(browser.script(BEHIND).await, expected, "{query}");
    }
    assert_eq!(browser.script("return document.title").await, format!("Sign in · {NAME}"));
    browser.read(NAME).await;
    browser.look(1440, false).await;
}

/// Shows a page of the dashboard with the console in a frame.
async fn show(browser: &Browser, dashboard: &str, src: &str) {
    let page = format!(
        "<!doctype html><html lang=en><title>Dashboard</title>\
         <iframe title=Webhooks src=\"{src}\" allow=\"clipboard-write\" width=1200 height=700></iframe>"
    );
    let headers = vec![("content-type", "text/html; charset=utf-8".to_owned())];
    RECEIVER.answer("/dashboard", [Answer { headers, body: page.into(), ..Answer::status(200) }]);
    browser.turn_to_frame(false).await;
    browser.visit(&format!("{dashboard}/dashboard")).await;
}

async fn the_console_works_in_the_dashboards_frame(browser: &Browser, stack: &Stack) {
    let link = stack.ask_operator(&["console-link", "--account", "acct_embed", "--json"], "").unwrap().json();
    let link = link["url"].as_str().unwrap().replace("/console#key=", "/console?theme=dark#key=");
    show(browser, &DASHBOARD, &link).await;
    browser.turn_to_frame(true).await;
    browser.read(NAME).await;
    browser.read("Active").await;
    assert_eq!(browser.script(BEHIND).await, DARK);
    assert_eq!(browser.script("return [location.search, location.hash]").await, json!(["?theme=dark", ""]));

    // The console's own navigation stays in the frame and in the theme; what leads out of it opens a new tab.
    browser.click("Events").await;
    browser.read("Every task that finished").await;
    assert_eq!(browser.script("return [location.search, location.hash]").await, json!(["?theme=dark", "#/events"]));
    assert_eq!(browser.script(BEHIND).await, DARK);
    let leaving = "return [...document.querySelectorAll('a')].filter((a) => !a.getAttribute('href').startsWith('#'))
        .map((a) => [a.getAttribute('href'), a.target, a.rel])";
    assert_eq!(browser.script(leaving).await, json!([["docs?theme=dark", "_blank", "noopener"]]));

    // A dialog and the clipboard work, too.
    browser.allow_clipboard().await;
    browser.click("Webhooks").await;
    browser.click("Add webhook").await;
    browser.write("Endpoint URL", &RECEIVER.url("/acct_embed/2")).await;
    browser.click("Add webhook").await;
    browser.read("Save the signing secret").await;
    browser.click("Copy").await;
    browser.read("Copied").await;
    browser.click("I have saved it").await;

    // The dashboard changes its theme. The key is still in the frame's storage.
    browser.turn_to_frame(false).await;
    let light = link.replace("theme=dark", "theme=light");
    let (light, _) = light.split_once('#').unwrap();
    let change = format!("document.querySelector('iframe').src = {}", json!(light));
    browser.script(&change).await;
    browser.turn_to_frame(true).await;
    browser.comes_to("return location.search", json!("?theme=light")).await;
    browser.read("Active").await;
    assert_eq!(browser.script(BEHIND).await, LIGHT);
    // And its language.
    browser.turn_to_frame(false).await;
    let german = format!("document.querySelector('iframe').src = {}", json!(format!("{light}&lang=de")));
    browser.script(&german).await;
    browser.turn_to_frame(true).await;
    browser.read("Aktiv").await;
    assert_eq!(
        browser.script("return [document.documentElement.lang, location.search]").await,
        json!(["de", "?theme=light&lang=de"])
    );
    browser.turn_to_frame(false).await;
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

/// Neither a page of another origin, nor any page if the parameter has its default.
async fn no_other_page_shows_it(browser: &Browser, stack: &Stack) {
    for (dashboard, api_url) in [(origin(), &stack.api_url), (DASHBOARD.clone(), &STACK.api_url)] {
        for page in ["console", "docs"] {
            show(browser, &dashboard, &format!("{api_url}/{page}")).await;
            let mut complaints = Vec::new();
            for _ in 0..100 {
                complaints.extend(browser.complaints(&[]).await);
                if complaints.iter().any(|it| it.contains("frame-ancestors")) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert!(complaints.iter().any(|it| it.contains("frame-ancestors")), "{dashboard} {page}: {complaints:?}");
            browser.turn_to_frame(true).await;
            let text = browser.text().await;
            assert!(!text.contains("API key") && !text.contains("nano-webhooks"), "{text}");
        }
    }
    browser.turn_to_frame(false).await;
}

async fn sign_in_again(browser: &Browser, key: &ApiKey) {
    browser.go("").await;
    sign_in(browser, key).await;
    browser.read("Active").await;
}

/// The primary button has the operator's colour; everything on each page is legible in both themes.
async fn every_page_is_legible(browser: &Browser, accent: &str, fill: &str, label: &str) {
    let button = "const { backgroundColor, color } = getComputedStyle(document.querySelector('button.primary'));
        return [backgroundColor, color];";
    for (page, text) in [("console", "Add webhook"), ("console#/webhooks/1", "Send test event"), ("docs", "Contents")] {
        for theme in ["light", "dark"] {
            for width in [1440, 320] {
                let (path, rest) = page.split_once('#').unwrap_or((page, ""));
                browser.look(width, theme == "light").await;
                browser.go(&format!("/../{path}?theme={theme}#{rest}")).await;
                browser.read(text).await;
                browser.comes_to("return document.body.innerText.includes('Loading')", json!(false)).await;
                let page = format!("{page} in {accent} at {width}, {theme}");
                assert_eq!(browser.script(BEHIND).await, if theme == "dark" { DARK } else { LIGHT }, "{page}");
                if text == "Add webhook" {
                    assert_eq!(browser.script(button).await, json!([fill, label]), "{page}");
                }
                browser.picture(&page).await;
                let seen = browser.script(LEGIBLE).await;
                assert_eq!(seen, json!({ "found": [], "over": [], "cut": [], "scroll": 0 }), "{page}");
                accessibility::check(browser, &page).await;
            }
        }
    }
}

/// Does what a deployment with another colour does to the function.
async fn change_the_colour(stack: &Stack, customer: &Customer) {
    let aws = stack.aws().unwrap();
    let resource = json!({ "StackName": Stack::NAME, "LogicalResourceId": "ConsoleFunction" });
    let resource = aws.call("cloudformation", "DescribeStackResource", &resource).unwrap();
    let function = &resource["StackResourceDetail"]["PhysicalResourceId"];
    let found = aws.call("lambda", "GetFunctionConfiguration", &json!({ "FunctionName": function })).unwrap();
    let mut environment: Value = found["Environment"].clone();
    environment["Variables"]["CONSOLE_ACCENT_COLOR"] = json!(NAVY);
    let new = json!({ "FunctionName": function, "Environment": environment });
    let page = customer.get("/console").await.unwrap().text;
    let loaded = page.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    aws.call("lambda", "UpdateFunctionConfiguration", &new).unwrap();
    // A page that was loaded before asks for the style sheet by its old name, and gets the new one.
    let mut styles = String::new();
    for _ in 0..100 {
        styles = customer.get(&format!("/{loaded}")).await.unwrap().text;
        if styles.contains(&format!("--brand: {NAVY};")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{loaded} stays {styles}");
}

#[tokio::test]
async fn a_link_opens_the_console_in_a_browser_that_refuses_storage() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_no_storage");
    webhook(&key).await;
    browser.refuse_storage().await;
    browser.go(&format!("#key={}", key.key)).await;
    browser.read("Active").await;
    assert_eq!(browser.script("try { return sessionStorage.length } catch { return 'refused' }").await, "refused");
    browser.click("Events").await;
    browser.read("Every task that finished").await;
    // A new link replaces the key while the page stays.
    browser.script(&format!("location.hash = '#key={}'", key_for("acct_console_no_storage_2").key)).await;
    browser.read("Hear of finished tasks").await;
    browser.click("Sign out").await;
    browser.read("Sign in to your webhooks").await;
    // Nothing was kept.
    browser.go("").await;
    browser.read("API key").await;
    assert_eq!(browser.complaints(&[]).await, [""; 0]);
}
