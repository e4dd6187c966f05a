//! Tests the signature checker's logic in a browser. The test computes the signatures from values that a receiver
//! would have.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE},
};
use harness::workspace;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Browser;

const ID: &str = "01KDYAK3482WAV4DVEFM6KBDXQ";
const TIME: &str = "1734949200";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD: &str = "the-old-secret";
const BODY: &str =
    r#"{"event":"job.completed","data":{"url":"https://a.example.com/ü","n":6},"timestamp":"2024-12-23T10:00:00Z"}"#;

/// The same JSON, as other serialisers write it.
const SPACED: &str = concat!(
    r#"{"event": "job.completed", "data": {"url": "https://a.example.com/\u00fc", "n": 6}, "#,
    r#""timestamp": "2024-12-23T10:00:00Z"}"#
);
const ESCAPED: &str = concat!(
    r#"{"event":"job.completed","data":{"url":"https:\/\/a.example.com\/\u00fc","n":6},"#,
    r#""timestamp":"2024-12-23T10:00:00Z"}"#
);
const SORTED: &str =
    r#"{"data":{"n":6,"url":"https://a.example.com/ü"},"event":"job.completed","timestamp":"2024-12-23T10:00:00Z"}"#;
const INDENTED: &str = r#"{
  "event": "job.completed",
  "data": {
    "url": "https://a.example.com/ü",
    "n": 6
  },
  "timestamp": "2024-12-23T10:00:00Z"
}"#;

/// A body of bytes as Python's `f"{body}"` writes it.
const PYTHON: &str = concat!(
    r#"b'{"event":"job.completed","data":{"url":"https://a.example.com/\xc3\xbc","n":6},"#,
    r#""timestamp":"2024-12-23T10:00:00Z"}'"#
);

/// A Buffer as `JSON.stringify` writes it in Node.
fn buffer(body: &str) -> String {
    let bytes: Vec<String> = body.bytes().map(|byte| byte.to_string()).collect();
    format!(r#"{{"type":"Buffer","data":[{}]}}"#, bytes.join(","))
}

fn sha256(text: &str) -> String {
    format!("v1={}", hex::encode(Sha256::digest(text)))
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn page(key: &[u8], message: &str) -> String {
    format!("v1={}", hex::encode(hmac(key, message)))
}

fn standard(key: &[u8], message: &str) -> String {
    format!("v1,{}", STANDARD.encode(hmac(key, message)))
}

/// The cases: what replaces the usual input, the signature, and the codes of the expected findings.
fn cases() -> Vec<(Value, String, Vec<&'static str>)> {
    let (secret, decoded) = (SECRET.as_bytes(), STANDARD.decode(&SECRET[6..]).unwrap());
    let right = format!("{TIME}.{BODY}");
    let signed = page(secret, &right);
    let over = |body: &str| page(secret, &format!("{TIME}.{body}"));
    let none = || json!({});
    let webhook = |more: Value| {
        let mut all = json!({ "scheme": "webhook-signature" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let right_standard = format!("{ID}.{TIME}.{BODY}");
    let in_milliseconds = || json!({ "timestamp": "1734949200123" });

    vec![
        (none(), signed.clone(), vec![]),
        (none(), format!("  X-Nano-Signature: {signed}\n"), vec![]),
        (json!({ "secret": "your-secret-key" }), page(b"your-secret-key", &right), vec![]),
        // The body
        (none(), over(SPACED), vec!["body_spaced"]),
        (none(), over(ESCAPED), vec!["body_escaped"]),
        (none(), over(SORTED), vec!["body_sorted"]),
        (none(), over(INDENTED), vec!["body_indented"]),
        (json!({ "body": INDENTED }), signed.clone(), vec!["body_compact"]),
        (none(), over(&format!("{BODY}\n")), vec!["trailing_newline"]),
        (json!({ "body": format!("{BODY}\n") }), signed.clone(), vec!["trailing_newline"]),
        (none(), over(&serde_json::to_string(BODY).unwrap()), vec!["body_quoted"]),
        (none(), over("[object Object]"), vec!["body_object"]),
        (none(), over(""), vec!["body_empty"]),
        (none(), over(PYTHON), vec!["body_python_bytes"]),
        (none(), over(&buffer(BODY)), vec!["body_buffer"]),
        (none(), over("undefined"), vec!["body_undefined"]),
        (none(), over("None"), vec!["body_undefined"]),
        (none(), over(r#"{"url":"https://a.example.com/ü","n":6}"#), vec!["body_data"]),
        (none(), over(r#"{"url": "https://a.example.com/\u00fc", "n": 6}"#), vec!["body_data"]),
        // The timestamp
        (none(), page(secret, &format!("undefined.{BODY}")), vec!["timestamp_undefined"]),
        (none(), page(secret, &format!("{TIME}000.{BODY}")), vec!["milliseconds_signed"]),
        (
            in_milliseconds(),
            page(secret, &format!("1734949200123.{BODY}")),
            vec!["timestamp_in_milliseconds", "milliseconds_signed"],
        ),
        (in_milliseconds(), signed.clone(), vec!["timestamp_in_milliseconds"]),
        (none(), page(secret, &format!("1734948000.{BODY}")), vec!["payload_timestamp_signed"]),
        (none(), page(secret, BODY), vec!["timestamp_not_signed"]),
        (none(), page(secret, &format!("{TIME}{BODY}")), vec!["dot_missing"]),
        (none(), page(secret, &format!("{BODY}.{TIME}")), vec!["wrong_order"]),
        (json!({ "now": 1_734_949_501_000_i64 }), signed.clone(), vec!["timestamp_too_old"]),
        (json!({ "now": 1_734_949_500_000_i64 }), signed.clone(), vec![]),
        (json!({ "now": 1_734_948_800_000_i64 }), signed.clone(), vec!["timestamp_in_the_future"]),
        (
            json!({ "timestamp": "Mon, 23 Dec 2024" }),
            page(secret, &format!("Mon, 23 Dec 2024.{BODY}")),
            vec!["timestamp_not_seconds"],
        ),
        // The secret
        (none(), page(&secret[6..], &right), vec!["secret_prefix_removed"]),
        (none(), page(&decoded, &right), vec!["secret_decoded"]),
        (json!({ "secret": &SECRET[6..] }), signed.clone(), vec!["secret_prefix_missing"]),
        (none(), page(format!("{SECRET}\n").as_bytes(), &right), vec!["secret_spaces"]),
        (json!({ "secret": format!(" {SECRET} ") }), signed.clone(), vec![]),
        (json!({ "oldSecret": OLD }), page(OLD.as_bytes(), &right), vec!["old_secret"]),
        (none(), page(b"", &right), vec!["secret_empty"]),
        (json!({ "secret": "c0ffee00" }), page(&[0xC0, 0xFF, 0xEE, 0x00], &right), vec!["secret_hex_decoded"]),
        (none(), page(b"undefined", &right), vec!["secret_undefined"]),
        (webhook(none()), standard(b"None", &right_standard), vec!["secret_undefined"]),
        (none(), page(format!("b'{SECRET}'").as_bytes(), &right), vec!["secret_python_bytes"]),
        (none(), sha256(&right), vec!["no_hmac"]),
        (none(), sha256(&format!("{SECRET}{right}")), vec!["no_hmac"]),
        (none(), sha256(&format!("{right}{SECRET}")), vec!["no_hmac"]),
        // How it is written
        (none(), format!("v1={}", signed[3..].to_uppercase()), vec!["hex_upper_case"]),
        (none(), signed[3..].to_owned(), vec!["v1_missing"]),
        (none(), format!("v1={}", STANDARD.encode(hmac(secret, &right))), vec!["base64_for_hex"]),
        (none(), format!("v1={}", STANDARD.encode(&signed[3..])), vec!["base64_of_hex"]),
        (none(), format!("v1={}", &signed[3..43]), vec!["sha1"]),
        (none(), format!("v1={}", signed[3..].repeat(2)), vec!["sha512"]),
        (none(), signed[..60].to_owned(), vec!["not_a_signature"]),
        (none(), String::new(), vec!["not_a_signature"]),
        // Several mistakes together, and unknown mistakes
        (
            json!({ "oldSecret": OLD }),
            hex::encode_upper(hmac(OLD.as_bytes(), &format!("{TIME}.{SPACED}"))),
            vec!["v1_missing", "hex_upper_case", "body_spaced", "old_secret"],
        ),
        (none(), page(b"somebody else's", &right), vec!["no_match"]),
        (none(), over(&BODY.replace('6', "7")), vec!["no_match"]),
        // The other scheme
        (webhook(none()), standard(&decoded, &right_standard), vec![]),
        (
            webhook(none()),
            format!("{} {}", standard(b"new", &right_standard), standard(&decoded, &right_standard)),
            vec![],
        ),
        (webhook(json!({ "secret": "your-secret-key" })), standard(b"your-secret-key", &right_standard), vec![]),
        (webhook(none()), standard(secret, &right_standard), vec!["secret_not_decoded"]),
        (webhook(none()), standard(&secret[6..], &right_standard), vec!["secret_not_decoded"]),
        (webhook(none()), standard(&decoded, &right), vec!["id_not_signed"]),
        (webhook(none()), hex::encode(hmac(&decoded, &right_standard)), vec!["v1_missing", "hex_for_base64"]),
        (
            webhook(none()),
            format!("v1={}", hex::encode(hmac(&decoded, &right_standard))),
            vec!["header_of_the_other_scheme"],
        ),
        (none(), page(secret, &right_standard), vec!["id_signed"]),
        (none(), standard(secret, &right), vec!["header_of_the_other_scheme"]),
    ]
}

/// More cases, while a secret is being rotated: `X-Nano-Signature` and a header beside it.
fn cases_of_a_rotation() -> Vec<(Value, String, Vec<&'static str>)> {
    let right = format!("{TIME}.{BODY}");
    let [ours, other] = [SECRET, OLD].map(|secret| page(secret.as_bytes(), &right));
    vec![
        (json!({}), format!("{ours} {other}"), vec![]),
        (json!({}), format!("{other} {ours}"), vec!["signed_beside"]),
        (json!({}), format!("X-Nano-Signature-Next: {ours}"), vec!["signed_beside"]),
    ]
}

/// More cases: base64 in the signature and in the secret.
fn cases_of_base64() -> Vec<(Value, String, Vec<&'static str>)> {
    let right = format!("{ID}.{TIME}.{BODY}");
    let digest = hmac(&STANDARD.decode(&SECRET[6..]).unwrap(), &right);
    assert!(STANDARD.encode(&digest).contains('+'), "otherwise base64url would be the same");
    let webhook = |secret: &str| json!({ "scheme": "webhook-signature", "secret": secret });
    let known = standard(b"secret-123", &right);
    vec![
        (webhook(SECRET), format!("v1,{}", URL_SAFE.encode(&digest)), vec!["base64_spelling"]),
        (webhook(SECRET), format!("v1,{}", STANDARD_NO_PAD.encode(&digest)), vec!["base64_spelling"]),
        (webhook("c2VjcmV0LTEyMw"), known.clone(), vec!["secret_taken_for_base64"]),
        // Python's decoder skips characters that are not base64.
        (
            webhook("your_secret_key_123"),
            standard(&STANDARD.decode("yoursecretkey123").unwrap(), &right),
            vec!["secret_taken_for_base64"],
        ),
        // The service accepts any padding after whsec_: the right amount, less, more or none. It ignores leftover
        // bits.
        (webhook("whsec_c2VjcmV0LTEyMw=="), known.clone(), vec![]),
        (webhook("whsec_c2VjcmV0LTEyMw="), known.clone(), vec![]),
        (webhook("whsec_c2VjcmV0LTEyMw"), known.clone(), vec![]),
        (webhook("whsec_c2VjcmV0LTEyMw==="), known.clone(), vec![]),
        (webhook("whsec_c2VjcmV0LTEyMx=="), known, vec![]),
    ]
}

/// The test compares only the codes: signature.js has the text for a person beside each code.
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
    let cases = [cases(), cases_of_a_rotation(), cases_of_base64()].concat();
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
    assert_eq!(expected, page(SECRET.as_bytes(), &format!("{TIME}.{BODY}")));
}

/// The published vectors, against which receivers are written. Code other than ours computed them.
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
