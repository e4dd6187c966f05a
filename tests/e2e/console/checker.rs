//! Tests the signature checker's logic in a browser.

mod cases;

use harness::workspace;
use serde_json::{Value, json};

use self::cases::{BODY, ID, SECRET, TIME, signed};
use super::Browser;

/// Compares only the codes: findings.js has the text for each code.
const CHECK: &str = "
    const { check } = (await import(document.querySelector('script').src)).modules.signature;
    const results = [];
    for (const fields of given) {
        const { verdict, expected, findings } = await check(fields);
        const codes = findings.map(({ code, title, fix }) => title && fix ? code : `${code} has no text`);
        results.push([verdict, expected, ...codes]);
    }
    return results;";

/// Findings that inform and are no mistake.
const REMARKS: [&str; 3] = ["timestamp_too_old", "timestamp_in_the_future", "signed_beside"];

#[tokio::test]
async fn the_checker_finds_each_usual_mistake_and_names_no_other() {
    let Some(browser) = Browser::start().await else { return };
    let cases = cases::all();
    let fields: Vec<Value> = cases
        .iter()
        .map(|(pasted, signature, _)| {
            let mut fields = json!({ "scheme": "X-Nano-Signature", "id": ID, "body": BODY, "timestamp": TIME,
                "secret": SECRET, "signature": signature, "now": 1_734_949_260_000_i64 });
            fields.as_object_mut().unwrap().extend(pasted.as_object().unwrap().clone());
            fields
        })
        .collect();
    let results = browser.script_with(CHECK, json!(fields)).await;
    assert!(results.is_array(), "{results}");
    for (at, (_, _, codes)) in cases.iter().enumerate() {
        let result = results[at].as_array().unwrap();
        let verdict = match codes.iter().find(|code| !REMARKS.contains(code)) {
            None => "equal",
            Some(&"no_match") => "unknown",
            Some(_) => "explained",
        };
        assert_eq!(result[0], verdict, "{}: {result:?}", fields[at]);
        assert_eq!(result[2..], codes.iter().map(|code| json!(code)).collect::<Vec<_>>(), "{}", fields[at]);
    }
    let expected = results[0][1].as_str().unwrap();
    assert_eq!(expected, signed());
}

/// The published vectors, against which receivers are written. Independent code computed them.
#[tokio::test]
async fn the_checker_agrees_with_every_published_vector() {
    let Some(browser) = Browser::start().await else { return };
    let vectors = std::fs::read_to_string(workspace().join("docs/signature-vectors.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_str(&vectors).unwrap();
    assert!(vectors.len() > 10);
    let checks: Vec<(Value, &Value)> = vectors
        .iter()
        .flat_map(|vector| ["X-Nano-Signature", "webhook-signature"].map(|scheme| (vector, scheme)))
        .map(|(vector, scheme)| {
            let at = vector["timestamp"].as_i64().unwrap();
            let fields = json!({ "scheme": scheme, "id": vector["id"], "body": vector["body"], "secret": vector["secret"],
                "timestamp": at.to_string(), "signature": vector["headers"][scheme], "now": at * 1000 });
            (fields, vector)
        })
        .collect();
    let fields: Vec<&Value> = checks.iter().map(|(fields, _)| fields).collect();
    let results = browser.script_with(CHECK, json!(fields)).await;
    for (at, (fields, vector)) in checks.iter().enumerate() {
        // While a secret is being rotated, webhook-signature has more signatures after a space.
        let first = fields["signature"].as_str().unwrap().split(' ').next();
        assert_eq!(results[at], json!(["equal", first]), "{}", vector["name"]);
    }
}

#[tokio::test]
async fn the_checkers_page_says_what_is_wrong_as_it_is_typed() {
    let Some(browser) = Browser::start().await else { return };
    super::sign_in(&browser, &crate::key_for("acct_console_checker")).await;
    browser.click("Signature checker").await;
    browser.read("Still missing: the body, the timestamp, the secret, the signature.").await;
    browser.write("Body", r#"{"a": 1}"#).await;
    browser.write("Timestamp", TIME).await;
    browser.write("Signing secret", "your-secret-key").await;
    // `printf '1734949200.{"a":1}' | openssl dgst -sha256 -hmac your-secret-key`
    let signature = "v1=d024eff36af8c92b4c000c5085cb6e66b7fc4a989cd039d305a8416aa290bed8";
    browser.write("The signature that you computed", signature).await;
    browser.read("The body was re-serialised").await;
    browser.write("Body", r#"{"a":1}"#).await;
    browser.read("The signature is right").await;
    browser.read("more than five minutes old").await;
    // Everything except the secret, from a request as a log shows it. The form of the signature tells which header it
    // is from.
    browser.click("Paste the whole request").await;
    let request = "POST /hook HTTP/1.1\nHost: a.example.com\nwebhook-id: 01KDYAK3482WAV4DVEFM6KBDXQ\n\
        webhook-timestamp: 1734949200\nwebhook-signature: v1,zUQ==\n\n{\"b\":2}\n";
    browser.write("Request", request).await;
    let taken =
        "return ['body', 'timestamp', 'id', 'signature'].map((name) => document.getElementById(`check-${name}`).value)
        .concat(document.querySelector('[name=scheme]:checked').value)";
    let expected = json!([r#"{"b":2}"#, TIME, ID, "v1,zUQ==", "webhook-signature"]);
    assert_eq!(browser.script(taken).await, expected);
    browser.click("X-Nano-Signature").await;
    // While a secret is being rotated, its signature may stand in the header beside.
    let rotated = format!(
        "x-nano-timestamp: 1734949200\nx-nano-signature: v1={}\nx-nano-signature-next: {signature}\n\n{{\"a\":1}}",
        "0".repeat(64)
    );
    browser.write("Request", &rotated).await;
    browser.read("This secret signs a header beside X-Nano-Signature").await;
    // A check that is still running when a field is emptied must not show its result any more.
    let in_a_hurry = "
        const [body, signature] = ['body', 'signature'].map((name) => document.getElementById(`check-${name}`));
        const type = (field, text) => { field.value = text; field.dispatchEvent(new Event('input')); };
        type(body, '{}');
        type(signature, '');
        await new Promise((resolve) => setTimeout(resolve, 1000));
        return document.querySelector('.result').innerText;";
    let result = browser.script_with(in_a_hurry, json!(null)).await;
    assert_eq!(result, "Result\n\nStill missing: the signature.");
    assert_eq!(browser.complaints(&[]).await, [""; 0]);
}
