//! Every page and every dialog in German: nothing of it is in English, cut off or beyond the window, and axe-core finds
//! nothing on it.

use std::time::Duration;

use harness::{Answer, ApiKey, Customer};
use serde_json::json;

use crate::{
    RECEIVER,
    console::{Browser, ENTER, LEGIBLE, accessibility, disabled_by_the_service, events::complete, finished, webhook},
    key_for,
};

const ACCOUNT: &str = "acct_console_german";

/// The visible texts, titles and labels that the console's file for German has in English, and that are another text in
/// German. What is marked as English, code, and what customers write are left out.
const ENGLISH: &str = "
    const file = performance.getEntriesByType('resource').find(({ name }) => name.includes('/console/de-')).name;
    const { TEXTS } = await import(file);
    const escape = (text) => text.replace(/[\\\\^$.*+?()[\\]{}|]/g, '\\\\$&');
    const patterns = Object.entries(TEXTS)
        .filter(([text, german]) => text !== german && /\\p{L}{2}/u.test(text.replace(/\\{\\d\\}/g, '')))
        .map(([text]) => new RegExp(`^${text.split(/\\{\\d\\}/).map(escape).join('[^]*')}$`));
    const shown = [document.title];
    const all = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT);
    while (all.nextNode()) {
        const element = all.currentNode;
        if (element.closest('[lang=en], pre, code, .url, noscript') || !element.checkVisibility()) continue;
        for (const name of ['title', 'aria-label', 'placeholder']) shown.push(element.getAttribute(name) ?? '');
        shown.push(element.textContent.trim());
        for (const child of element.childNodes) if (child.nodeType === Node.TEXT_NODE) shown.push(child.data.trim());
    }
    return [...new Set(shown.filter((text) => patterns.some((pattern) => pattern.test(text))))];";

#[tokio::test]
async fn every_page_and_dialog_is_in_german_fits_and_can_be_read() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for(ACCOUNT);
    sign_in(&browser, &key).await;
    let customer = two_webhooks(&key).await;
    let [id] = complete(&key, ["task_1"]).await;
    finished(&customer, 1).await;
    rehearse(&customer).await;

    browser.go("").await;
    browser.read("Aktiv").await;
    check(&browser, "webhooks").await;
    one_webhook(&browser).await;
    its_dialogs(&browser).await;
    the_rotation_of_its_secret(&browser, &customer).await;
    an_event_and_its_deliveries(&browser, &customer, &key, &id).await;
    the_receiver_and_the_checker(&browser, &id).await;
    a_webhook_that_is_given_up_and_enabled(&browser, &customer, &key).await;
    assert_eq!(browser.complaints(&[400, 404]).await, [""; 0]);
}

/// What the present page has in English, and whether it can be read in both themes and fits the widest and the narrowest
/// window. What fits depends on the width alone, and contrast on the theme alone, so two looks show all four.
async fn check(browser: &Browser, page: &str) {
    let english = browser.script_with(ENGLISH, json!(null)).await;
    assert_eq!(english, json!([]), "{page}");
    for (width, dark) in [(1440, false), (320, true)] {
        let page = format!("german {page} at {width}, dark: {dark}");
        browser.look(width, dark).await;
        browser.picture(&page).await;
        let seen = browser.script(LEGIBLE).await;
        assert_eq!(seen, json!({ "found": [], "over": [], "cut": [], "scroll": 0 }), "{page}");
        accessibility::check(browser, &page).await;
    }
    browser.look(1440, false).await;
}

/// The sign-in, and the first page of an account without a webhook.
async fn sign_in(browser: &Browser, key: &ApiKey) {
    browser.click("Deutsch").await;
    browser.read("Bei Ihren Webhooks anmelden").await;
    browser.click("Anmelden").await;
    browser.read("Fügen Sie zuerst Ihren API-Schlüssel ein.").await;
    check(browser, "sign-in").await;
    browser.write("API-Schlüssel", &key.key).await;
    browser.click("Anmelden").await;
    browser.read("Erfahren Sie, wenn Aufgaben enden").await;
    check(browser, "no webhook").await;
    browser.click("Webhook hinzufügen").await;
    browser.click("Header und Tempo").await;
    browser.click("Ein eigenes Geheimnis verwenden").await;
    browser.write("URL des Endpunkts", "ftp://example.com/").await;
    browser.keys(ENTER).await;
    // The API's own words about a field.
    browser.comes_to("return document.querySelector('dialog .error span')?.lang", json!("en")).await;
    check(browser, "a new webhook").await;
}

/// The second webhook gets no event of the first tasks.
async fn two_webhooks(key: &ApiKey) -> Customer {
    let customer = webhook(key).await;
    let second = json!({ "url": RECEIVER.url(&format!("/{ACCOUNT}/2")), "events": ["job.failed"],
        "description": "Bilder", "task_types": ["image"], "headers": { "X-Team": "gallery" }, "max_per_minute": 1200 });
    assert_eq!(customer.post("/api/v1/webhooks", &second).await.unwrap().status, 201);
    customer
}

/// The receiver accepts everything, so it passes some steps and not others.
async fn rehearse(customer: &Customer) {
    assert_eq!(customer.post("/api/v1/webhooks/1/rehearse", &json!({})).await.unwrap().status, 202);
    while customer.data("/api/v1/webhooks/1/rehearse").await.unwrap()["status"] == "running" {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn one_webhook(browser: &Browser) {
    browser.go("#/webhooks/2").await;
    browser.read("höchstens 1.200 pro Minute").await;
    browser.read("Noch nichts. Senden Sie oben ein Testereignis").await;
    check(browser, "a webhook without deliveries").await;
    browser.go("#/webhooks/1").await;
    browser.read("Median").await;
    browser.read("3 von 5 bestanden.").await;
    browser.script("for (const each of document.querySelectorAll('details')) each.open = true").await;
    browser.read("Sie haben eine Anfrage mit falscher Signatur angenommen").await;
    browser.read("task_1").await;
    browser.script("document.querySelector('.list tbody [type=checkbox]').click()").await;
    browser.read("1 ausgewählt").await;
    browser.click("Testereignis senden").await;
    browser.read("Ihr Endpunkt hat mit 200 geantwortet.").await;
    check(browser, "a webhook").await;
}

async fn its_dialogs(browser: &Browser) {
    for (button, text) in [
        ("Bearbeiten", "URL des Endpunkts"),
        ("Geheimnis wechseln", "Wie lange das alte gültig bleibt"),
        ("Zeitraum erneut senden", "Welche Ereignisse"),
        ("Deaktivieren", "Diesen Webhook deaktivieren?"),
        ("Löschen", "Diesen Webhook löschen?"),
    ] {
        browser.click(button).await;
        browser.read(text).await;
        check(browser, button).await;
        browser.click("Abbrechen").await;
    }
}

async fn the_rotation_of_its_secret(browser: &Browser, customer: &Customer) {
    browser.click("Geheimnis wechseln").await;
    browser.click("Geheimnis wechseln").await;
    browser.read("Speichern Sie das Signaturgeheimnis").await;
    check(browser, "the new secret").await;
    browser.click("Ich habe es gespeichert").await;
    browser.read("Das Geheimnis wird gewechselt.").await;
    check(browser, "a rotation before its switch").await;
    browser.click("Jetzt umschalten").await;
    browser.read("Es wurde auf das neue Geheimnis umgeschaltet.").await;
    check(browser, "a rotation after its switch").await;
    assert_eq!(customer.get("/api/v1/webhooks/1").await.unwrap().status, 200);
}

async fn an_event_and_its_deliveries(browser: &Browser, customer: &Customer, key: &ApiKey, id: &str) {
    browser.go("#/events").await;
    browser.read("Alle beendeten Aufgaben").await;
    browser.read("task_1").await;
    check(browser, "events").await;
    browser.go("#/events?task_id=none&since=2999-01-01T00:00:00Z&until=2998-01-01T00:00:00Z").await;
    browser.comes_to("return document.querySelector('main .error span')?.lang", json!("en")).await;
    check(browser, "a search that is wrong").await;
    browser.go(&format!("#/events/{id}")).await;
    browser.read("Webhook 2 hat nur job.failed abonniert.").await;
    check(browser, "an event").await;
    browser.click("Unwiderruflich löschen").await;
    browser.read("Dieses Ereignis unwiderruflich löschen?").await;
    check(browser, "the dialog that erases").await;
    browser.click("Abbrechen").await;
    browser.go(&format!("#/webhooks/1/deliveries/{id}")).await;
    browser.read("Der Verlauf speichert keine Header").await;
    check(browser, "a delivery").await;
    browser.click("berechnen").await;
    browser.read("Signaturen berechnen").await;
    check(browser, "the dialog that computes signatures").await;

    let [erased] = complete(key, ["task_2"]).await;
    finished(customer, 3).await;
    assert_eq!(customer.delete(&format!("/api/v1/events/{erased}")).await.unwrap().status, 200);
    browser.go(&format!("#/events/{erased}")).await;
    browser.read("Es wird nicht mehr gesendet.").await;
    check(browser, "an erased event").await;
    browser.go("#/nothing").await;
    browser.read("Diese Seite gibt es nicht.").await;
    check(browser, "no page").await;
}

async fn the_receiver_and_the_checker(browser: &Browser, id: &str) {
    browser.go("#/webhooks/1/receive").await;
    browser.read("Das Programm").await;
    check(browser, "receive").await;
    browser.go("#/signature").await;
    browser.read("Es fehlt noch: der Body, der Zeitstempel, das Geheimnis, die Signatur.").await;
    browser.go(&format!("#/webhooks/1/deliveries/{id}")).await;
    browser.click("Signatur prüfen").await;
    browser.script("for (const each of document.querySelectorAll('details')) each.open = true").await;
    browser.write("Signaturgeheimnis", "another-secret").await;
    browser.write("Die Signatur, die Sie berechnet haben", &"0".repeat(64)).await;
    browser.read("Keiner der üblichen Fehler erklärt sie.").await;
    check(browser, "the checker").await;
}

/// What it missed meanwhile is offered, and sent.
async fn a_webhook_that_is_given_up_and_enabled(browser: &Browser, customer: &Customer, key: &ApiKey) {
    RECEIVER.answer(&format!("/{ACCOUNT}"), [Answer::status(410)]);
    let [id] = complete(key, ["task_3"]).await;
    disabled_by_the_service(customer).await;
    complete(key, ["task_4"]).await;
    browser.go("").await;
    browser.read("Aufgegeben").await;
    check(browser, "webhooks, one given up").await;
    browser.go(&format!("#/webhooks/1/deliveries/{id}")).await;
    browser.read("Gone bedeutet „nie wieder“").await;
    check(browser, "a failed delivery").await;
    browser.go("#/webhooks/1?status=failed").await;
    browser.read("Der Dienst hat diesen Webhook deaktiviert: der Endpunkt hat mit 410 Gone geantwortet.").await;
    browser.read("task_3").await;
    check(browser, "a webhook that is given up").await;
    browser.click("Aktivieren").await;
    browser.read("Er hat 1 Ereignis verpasst, während er deaktiviert war").await;
    check(browser, "what a webhook missed").await;
    browser.click("Jetzt senden").await;
    browser.read("Ereignisse (verpasst) von").await;
    check(browser, "a resend").await;
    assert_eq!(customer.delete("/api/v1/webhooks/1").await.unwrap().status, 200);
    browser.go(&format!("#/webhooks/1/deliveries/{id}")).await;
    browser.read("Der Webhook wurde gelöscht.").await;
    check(browser, "a delivery of a deleted webhook").await;
}
