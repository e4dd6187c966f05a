//! The console's language: who decides it, and what the console looks like in German.

mod german;

use serde_json::json;

use super::{Browser, sign_in, webhook};
use crate::key_for;

/// The page's language, and the languages that it offers.
const LANGUAGE: &str = "return [document.documentElement.lang,
    ...[...document.querySelectorAll('button[lang]')].map((button) => `${button.lang} ${button.innerText}`)]";

#[tokio::test]
async fn the_browsers_first_known_language_counts_and_others_get_english() {
    let Some(browser) = Browser::start().await else { return };
    browser.read("API key").await;
    assert_eq!(browser.script(LANGUAGE).await, json!(["en", "de Deutsch"]));
    for (languages, label, seen) in [
        ("de", "API-Schlüssel", ["de", "en English"]),
        ("fr-FR,fr,de-AT,en", "API-Schlüssel", ["de", "en English"]),
        ("fr-FR,fr", "API key", ["en", "de Deutsch"]),
        ("en-GB,de", "API key", ["en", "de Deutsch"]),
    ] {
        browser.speak(languages).await;
        browser.go("").await;
        browser.read(label).await;
        assert_eq!(browser.script(LANGUAGE).await, json!(seen), "{languages}");
    }
    assert_eq!(browser.complaints(&[]).await, [""; 0]);
}

/// Numbers and times as the user's region writes them, in the page's language.
#[tokio::test]
async fn numbers_and_times_are_in_the_pages_language() {
    let Some(browser) = Browser::start().await else { return };
    let written = "const { duration, time } = (await import(document.querySelector('script').src)).modules.dom;
        const { number } = (await import(document.querySelector('script').src)).modules.text;
        return [number(1234.5), duration(1250), time('2026-03-02T10:00:00Z').textContent.includes(given)];";
    for (languages, month, numbers) in [
        ("de-DE", "März", ["1.234,5", "1,3 s"]),
        ("de-CH", "März", ["1'234.5", "1.3 s"]),
        ("en-US", "Mar", ["1,234.5", "1.3 s"]),
        ("fr-FR", "Mar", ["1,234.5", "1.3 s"]),
    ] {
        browser.speak(languages).await;
        browser.go("").await;
        browser.read("sk-").await;
        let [number, duration] = numbers;
        assert_eq!(browser.script_with(written, json!(month)).await, json!([number, duration, true]), "{languages}");
    }
}

#[tokio::test]
async fn the_users_choice_wins_and_keeps_the_session_and_the_page() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_language");
    webhook(&key).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/events?task_id=task_1").await;
    browser.read("No event matches.").await;
    browser.click("Deutsch").await;
    browser.read("Kein Ereignis passt zur Suche.").await;
    assert_eq!(browser.script("return location.hash").await, "#/events?task_id=task_1");
    browser.go("#/webhooks/1").await;
    browser.read("Testereignis senden").await;
    // The browser's own language is still English.
    assert_eq!(browser.script("return navigator.language").await, "en-US");
    browser.click("English").await;
    browser.read("Send test event").await;
    assert_eq!(browser.complaints(&[404]).await, [""; 0]);
}

/// As for the theme, the page around the frame decides, so the console offers no other language.
#[tokio::test]
async fn the_address_decides_before_the_user_and_the_browser() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_lang");
    browser.script("localStorage.setItem('language', 'en')").await;
    browser.go(&format!("?theme=dark&lang=de#key={}", key.key)).await;
    browser.read("Erfahren Sie, wenn Aufgaben enden").await;
    assert_eq!(browser.script(LANGUAGE).await, json!(["de"]));
    let docs = "return document.querySelector('nav a[href^=docs]').getAttribute('href')";
    assert_eq!(browser.script(docs).await, "docs?theme=dark&lang=de");
    browser.click("API").await;
    browser.read("Register an endpoint").await;
    browser.click("Console").await;
    browser.read("Erfahren Sie, wenn Aufgaben enden").await;
    assert_eq!(browser.script("return location.search").await, "?theme=dark&lang=de");
    browser.go("?lang=fr").await;
    browser.read("Hear of finished tasks").await;
    assert_eq!(browser.script(LANGUAGE).await, json!(["en", "de Deutsch"]));
    assert_eq!(browser.complaints(&[]).await, [""; 0]);
}

/// For example right after an upgrade, or behind a proxy.
#[tokio::test]
async fn without_its_file_a_language_is_shown_as_english() {
    let Some(browser) = Browser::start().await else { return };
    browser.block("*/console/de-*").await;
    browser.speak("de-DE").await;
    browser.go("").await;
    browser.read("API key").await;
    assert_eq!(browser.script(LANGUAGE).await[0], "en");
}
