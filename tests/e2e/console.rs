//! The customer's console in a real browser, used as a person uses it.
//!
//! Without Chromium these tests print that they are skipped, and pass; `.ci/run` makes sure that Chromium is
//! installed.

mod accessibility;
mod assets;
mod browser;
mod cancelled;
mod charts;
mod checker;
mod docs;
mod edit;
mod embed;
mod events;
mod health;
mod hints;
mod keyboard;
mod languages;
mod offers;
mod receive;
mod rehearsal;
mod resend;
mod rotation;
mod selection;
mod watching;

use std::time::Duration;

use harness::{Answer, ApiKey, Customer, Producer, signature};
use serde_json::{Value, json};

pub(crate) use self::browser::Browser;
use crate::{RECEIVER, STACK, key_for};

const ENTER: &str = "\u{e007}";

/// Text that would have an effect if the console did not treat it as text.
const HOSTILE: &str = "<script>window.hacked = 1</script><img src=x onerror='hacked = 2'>\u{202e}txt.exe\u{2066}";

async fn sign_in(browser: &Browser, key: &ApiKey) {
    browser.write("API key", &key.key).await;
    browser.click("Sign in").await;
}

/// Creates a webhook whose receiver listens at `/{account}`.
async fn webhook(key: &ApiKey) -> Customer {
    let customer = Customer::new(&STACK, key);
    let url = RECEIVER.url(&format!("/{}", key.account_id));
    let webhook = json!({ "url": url, "events": ["job.completed", "job.failed"], "secret_key": "your-secret-key" });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    customer
}

/// Waits until the service has disabled webhook 1, which is a moment after the answer that it does it for.
async fn disabled_by_the_service(customer: &Customer) {
    while customer.get("/api/v1/webhooks/1").await.unwrap().json()["data"]["status"] == "active" {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The first page of the deliveries, once there are this many and none is retrying.
async fn finished(customer: &Customer, count: usize) -> Vec<Value> {
    for _ in 0..300 {
        let reply = customer.get("/api/v1/webhooks/1/deliveries").await.unwrap().json();
        let deliveries = reply["data"]["deliveries"].as_array().unwrap().clone();
        if deliveries.len() == count && deliveries.iter().all(|delivery| delivery["status"] != "retrying") {
            return deliveries;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{count} deliveries do not finish");
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { body: body.to_owned().into(), ..Answer::status(status) }
}

#[tokio::test]
async fn a_new_user_sees_a_delivery_arrive_and_understands_one_that_fails() {
    let Some(browser) = Browser::start().await else { return };
    browser.allow_clipboard().await;
    only_a_valid_key_signs_in(&browser, &key_for("acct_console")).await;
    let secret = add_a_webhook(&browser).await;

    browser.click("Send test event").await;
    browser.read("your endpoint answered 200").await;
    let received = RECEIVER.received("/acct_console");
    assert!(signature::is_valid(&received[0], &secret));

    see_a_delivery_fail_and_repair_it(&browser).await;
    the_page_shows_the_headers_that_arrived(&browser, &secret).await;

    // A narrow window has no room for the column of attempts.
    browser.look(1440, false).await;
    browser.click("Webhook 1").await;
    // The columns of attempts. The charts would show the same, but statistics may miss some.
    browser.read("\t9\t").await;
    browser.read("\t1\t").await;
    browser.click("Failed").await;
    browser.read("No delivery is failed at the moment.").await;
    assert_eq!(browser.complaints(&[400, 401, 404]).await, [""; 0]);
}

async fn only_a_valid_key_signs_in(browser: &Browser, key: &ApiKey) {
    for no_key in ["sk-0123", "sk-\u{2026}"] {
        sign_in(browser, &ApiKey { key: no_key.into(), ..key.clone() }).await;
        browser.read("An API key begins with sk-, and has 20 to 256 characters").await;
    }
    sign_in(browser, &ApiKey { key: format!("sk-{}", "0".repeat(40)), ..key.clone() }).await;
    browser.read("This key is not valid.").await;
    sign_in(browser, key).await;
    browser.read("Hear of finished tasks").await;
}

/// Returns the new webhook's secret.
async fn add_a_webhook(browser: &Browser) -> String {
    browser.click("Add webhook").await;
    browser.write("Endpoint URL", "ftp://example.com").await;
    browser.keys(ENTER).await;
    browser.read("The URL must").await;
    browser.write("Endpoint URL", &RECEIVER.url("/acct_console")).await;
    browser.keys(ENTER).await;
    browser.read("Save the signing secret").await;
    let secret = browser.script("return document.querySelector('dialog code').textContent").await;
    let secret = secret.as_str().unwrap().to_owned();
    browser.click("Copy").await;
    browser.read("Copied").await;
    browser.click("I have saved it").await;
    assert_eq!(browser.script("return navigator.clipboard.readText()").await, secret);
    browser.read("Nothing yet.").await;
    assert!(!browser.text().await.contains(&secret), "the secret is shown only once");
    secret
}

async fn see_a_delivery_fail_and_repair_it(browser: &Browser) {
    // One failure for each attempt of the schedule; the manual retry after the repair succeeds.
    RECEIVER.answer("/acct_console", vec![answer(500, "the database is locked"); 8]);
    browser.click("Send test event").await;
    browser.read("Attempt 1 failed: the endpoint answered 500").await;
    browser.read("Retrying\tjob.completed").await;
    browser.read_within("Attempt 8 failed", Duration::from_secs(90)).await;
    browser.read("The last 8 attempts failed").await;
    browser.click("Open the delivery").await;
    browser.read("Your server failed. Its log should have an error").await;
    browser.read("the database is locked").await;
    browser.click("Retry now").await;
    browser.read("Attempt 9").await;
    browser.read("Delivered").await;
}

/// The request headers that the page shows for the last attempt are those that the receiver got.
async fn the_page_shows_the_headers_that_arrived(browser: &Browser, secret: &str) {
    let last = RECEIVER.received("/acct_console").pop().unwrap();
    browser.click("compute it").await;
    browser.write("Signing secret", secret).await;
    browser.keys(ENTER).await;
    for name in [
        "user-agent",
        "x-nano-event",
        "x-nano-attempt",
        "x-nano-timestamp",
        "x-nano-signature",
        "webhook-id",
        "webhook-signature",
    ] {
        let value = last.header(name).unwrap();
        browser.read(value).await;
    }
}

#[tokio::test]
async fn gone_disables_a_webhook_and_the_console_says_how_to_go_on() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_gone");
    webhook(&key).await;
    RECEIVER.answer("/acct_console_gone", [Answer::status(410)]);
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.click("Send test event").await;
    browser.read("There will be no further attempt.").await;
    browser.read("It gets no deliveries.").await;
    browser.read("The service has disabled this webhook: the endpoint answered 410 Gone.").await;
    browser.read("Enable the webhook first").await;
    browser.click("Enable").await;
    browser.read("Active").await;

    browser.click("Edit").await;
    browser.write("Endpoint URL", &RECEIVER.url("/acct_console_moved")).await;
    browser.click("Save").await;
    browser.read("/acct_console_moved").await;
    browser.click("Send test event").await;
    browser.read("your endpoint answered 200").await;

    browser.click("Delete").await;
    browser.click("Delete webhook").await;
    browser.read("Hear of finished tasks").await;
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

#[tokio::test]
async fn hostile_payloads_and_answers_are_text_and_change_nothing() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_hostile");
    let customer = webhook(&key).await;
    RECEIVER.answer("/acct_console_hostile", [answer(410, &format!("{HOSTILE}{}", "A".repeat(100_000)))]);
    let completion = json!({ "account_id": "acct_console_hostile", "task_id": HOSTILE, "task_type": "image",
        "status": "completed", "data": { HOSTILE: [HOSTILE, "B".repeat(100_000)] } });
    Producer::new(&STACK).send(completion).await.unwrap();
    let id = finished(&customer, 1).await[0]["id"].as_str().unwrap().to_owned();
    disabled_by_the_service(&customer).await;

    sign_in(&browser, &key).await;
    browser.read("Given up").await;
    for page in ["#/webhooks/1", "#/events", &format!("#/events/{id}"), &format!("#/webhooks/1/deliveries/{id}")] {
        browser.look(375, false).await;
        browser.go(page).await;
        browser.read("job.completed").await;
        let changed = "return [window.hacked ?? null, document.querySelectorAll('main script, main img').length,
            /[\u{202a}-\u{202e}\u{2066}-\u{2069}]/.test(document.body.textContent), scrollX,
            document.documentElement.scrollWidth > innerWidth]";
        assert_eq!(browser.script(changed).await, json!([null, 0, false, 0, false]), "{page}");
    }
    let shown = browser.script("return [...document.querySelectorAll('pre')].map((pre) => pre.textContent)").await;
    let [answered, payload] = [&shown[0], &shown[1]].map(|text| text.as_str().unwrap());
    // The answer was sanitised before it was stored; the payload is unchanged.
    assert!(answered.starts_with("<script>window.hacked = 1</script>"), "{answered}");
    assert!(payload.contains(r"hacked = 2'>\u202etxt.exe\u2066"), "{payload}");
    assert!(payload.contains(&"B".repeat(100_000)));
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

#[tokio::test]
async fn the_policy_is_in_force() {
    let Some(browser) = Browser::start().await else { return };
    browser.read("API key").await;
    let attack = "
        const attempts = {};
        const script = document.createElement('script');
        script.append('window.hacked = 1');
        document.body.append(script);
        try { document.body.setAttribute('onclick', 'window.hacked = 2'); document.body.click(); } catch { }
        try { document.body.innerHTML += '<b>x</b>'; attempts.markup = true; } catch { attempts.markup = false; }
        try { setTimeout('window.hacked = 3', 100); } catch { }
        try { await fetch(given, { mode: 'no-cors' }); attempts.fetch = true; } catch { attempts.fetch = false; }
        const style = document.createElement('style');
        style.append('body { color: rgb(1, 2, 3) }');
        document.body.append(style);
        await new Promise((resolve) => setTimeout(resolve, 200));
        const styled = getComputedStyle(document.body).color === 'rgb(1, 2, 3)';
        return [window.hacked ?? null, attempts.markup, attempts.fetch, styled];";
    let elsewhere = RECEIVER.url("/acct_console_policy");
    assert_eq!(browser.script_with(attack, json!(elsewhere)).await, json!([null, false, false, false]));
    assert!(RECEIVER.received("/acct_console_policy").is_empty());
    let complaints = browser.complaints(&[]).await.join("\n");
    assert!(complaints.contains("Content Security Policy"), "{complaints}");
}

#[tokio::test]
async fn a_key_stays_in_its_tab_and_ends_with_it() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_revoked");
    let customer = webhook(&key).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    let kept = "return [localStorage.length, document.cookie, Object.values({ ...sessionStorage }).join()]";
    assert_eq!(browser.script(kept).await, json!([0, "", key.key]));
    browser.click("Sign out").await;
    browser.read("Sign in to your webhooks").await;
    assert_eq!(browser.script(kept).await, json!([0, "", ""]));

    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.read("Try it").await;
    let keys = STACK.operator(&["keys", "list", "--account", "acct_console_revoked", "--json"]).unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    STACK.operator(&["keys", "revoke", "--yes", keys[0]["id"].as_str().unwrap()]).unwrap();
    assert_eq!(customer.get("/api/v1/webhooks").await.unwrap().status, 401);
    // The page refreshes itself, and then says so. Another page that is opened meanwhile would not say it again.
    browser.read("This key is not valid any more.").await;
    assert_eq!(browser.script(kept).await, json!([0, "", ""]));
}

/// Finds text without the contrast that WCAG 2.2 requires at AA, content that extends beyond the window, and buttons,
/// labels and heads of columns that are cut off.
const LEGIBLE: &str = "
    const paint = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgba = (colour) => {
        paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
        return [...paint.getImageData(0, 0, 1, 1).data];
    };
    const light = (colour) => rgba(colour).slice(0, 3).map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (rgba(colour)[3] === 255) return colour;
        }
        return 'white';
    };
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
        if (element.closest(':disabled, .sr-only, .skip')) continue;
        const [one, other] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
        if ((one + 0.05) / (other + 0.05) < 4.5) found.push(texts.currentNode.data);
    }
    const over = [...document.querySelectorAll('body *')].filter((element) => element.checkVisibility()
        && element.getBoundingClientRect().right > innerWidth + 1 && !element.closest('pre'));
    const whole = ['button', '.button', '.pill', '.segments span', 'th', 'label', 'nav a'];
    const cut = [...document.querySelectorAll(whole)].filter((element) => element.checkVisibility()
        && element.scrollWidth > element.clientWidth && element.clientWidth > 0 && !element.matches('.sr-only'));
    const { scrollWidth, clientWidth } = document.documentElement;
    const shown = (elements) => elements.map((element) => element.outerHTML.slice(0, 120));
    return { found, over: shown(over), cut: shown(cut), scroll: scrollWidth - clientWidth };";

#[tokio::test]
async fn every_page_is_legible_in_light_and_dark_and_fits_a_phone() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_looks");
    let customer = webhook(&key).await;
    RECEIVER.answer("/acct_console_looks", [Answer::status(200), answer(410, &"x".repeat(1000))]);
    for _ in 0..2 {
        customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap();
        RECEIVER.wait_for("/acct_console_looks", 1, Duration::from_secs(20)).await.unwrap();
    }
    let id = finished(&customer, 2).await[0]["id"].as_str().unwrap().to_owned();
    disabled_by_the_service(&customer).await;

    let (delivery, event) = (format!("#/webhooks/1/deliveries/{id}"), format!("#/events/{id}"));
    let pages = [
        ("", "Given up"),
        ("#/webhooks/1", "Median"),
        (&delivery, "The history does not keep headers"),
        ("#/events", "Every task that finished"),
        (&event, "Open the delivery"),
        ("#/signature", "Still missing"),
    ];
    check_looks(&browser, "sign-in").await;
    sign_in(&browser, &key).await;
    browser.read("Given up").await;
    for (page, text) in pages {
        browser.go(page).await;
        browser.read(text).await;
        check_looks(&browser, page).await;
    }
    browser.go("").await;
    browser.click("Add webhook").await;
    browser.keys(ENTER).await;
    browser.read("Enter the URL of your endpoint.").await;
    check_looks(&browser, "the dialog").await;
}

async fn check_looks(browser: &Browser, page: &str) {
    for width in [1440, 390, 320] {
        for dark in [false, true] {
            let page = format!("{page} at {width}, dark: {dark}");
            browser.look(width, dark).await;
            browser.picture(&page).await;
            let seen = browser.script(LEGIBLE).await;
            assert_eq!(seen, json!({ "found": [], "over": [], "cut": [], "scroll": 0 }), "{page}");
            accessibility::check(browser, &page).await;
        }
    }
}
