//! What the signature checker is asked, and what it must find. The signatures are computed from values that a receiver
//! would have.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(super) const ID: &str = "01KDYAK3482WAV4DVEFM6KBDXQ";
pub(super) const TIME: &str = "1734949200";
pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD: &str = "the-old-secret";
pub(super) const BODY: &str =
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

/// A case: what replaces the usual input, the signature, and the codes of the expected findings.
pub(super) type Case = (Value, String, Vec<&'static str>);

pub(super) fn all() -> Vec<Case> {
    [
        cases_of_the_body(),
        cases_of_the_timestamp(),
        cases_of_the_secret(),
        cases_of_spelling(),
        cases_of_several_mistakes(),
        cases_of_the_other_scheme(),
        cases_of_a_rotation(),
        cases_of_base64(),
    ]
    .concat()
}

/// What is signed.
fn right() -> String {
    format!("{TIME}.{BODY}")
}

/// What is signed in the other scheme.
fn right_standard() -> String {
    format!("{ID}.{TIME}.{BODY}")
}

/// The right signature.
pub(super) fn signed() -> String {
    page(SECRET.as_bytes(), &right())
}

/// The signature over another body.
fn over(body: &str) -> String {
    page(SECRET.as_bytes(), &format!("{TIME}.{body}"))
}

fn decoded_secret() -> Vec<u8> {
    STANDARD.decode(&SECRET[6..]).unwrap()
}

/// Replaces nothing.
fn none() -> Value {
    json!({})
}

/// Replaces the scheme, and more.
fn other_scheme(mut more: Value) -> Value {
    more["scheme"] = json!("webhook-signature");
    more
}

/// The right signature, and mistakes in the body.
fn cases_of_the_body() -> Vec<Case> {
    let right = right();
    vec![
        (none(), signed(), vec![]),
        (none(), format!("  X-Nano-Signature: {}\n", signed()), vec![]),
        (json!({ "secret": "your-secret-key" }), page(b"your-secret-key", &right), vec![]),
        (none(), over(SPACED), vec!["body_spaced"]),
        (none(), over(ESCAPED), vec!["body_escaped"]),
        (none(), over(SORTED), vec!["body_sorted"]),
        (none(), over(INDENTED), vec!["body_indented"]),
        (json!({ "body": INDENTED }), signed(), vec!["body_compact"]),
        (none(), over(&format!("{BODY}\n")), vec!["trailing_newline"]),
        (json!({ "body": format!("{BODY}\n") }), signed(), vec!["trailing_newline"]),
        (none(), over(&serde_json::to_string(BODY).unwrap()), vec!["body_quoted"]),
        (none(), over("[object Object]"), vec!["body_object"]),
        (none(), over(""), vec!["body_empty"]),
        (none(), over(PYTHON), vec!["body_python_bytes"]),
        (none(), over(&buffer(BODY)), vec!["body_buffer"]),
        (none(), over("undefined"), vec!["body_undefined"]),
        (none(), over("None"), vec!["body_undefined"]),
        (none(), over(r#"{"url":"https://a.example.com/ü","n":6}"#), vec!["body_data"]),
        (none(), over(r#"{"url": "https://a.example.com/\u00fc", "n": 6}"#), vec!["body_data"]),
    ]
}

/// Mistakes in the timestamp, and in what is signed of it.
fn cases_of_the_timestamp() -> Vec<Case> {
    let (secret, in_milliseconds) = (SECRET.as_bytes(), || json!({ "timestamp": "1734949200123" }));
    vec![
        (none(), page(secret, &format!("undefined.{BODY}")), vec!["timestamp_undefined"]),
        (none(), page(secret, &format!("{TIME}000.{BODY}")), vec!["milliseconds_signed"]),
        (
            in_milliseconds(),
            page(secret, &format!("1734949200123.{BODY}")),
            vec!["timestamp_in_milliseconds", "milliseconds_signed"],
        ),
        (in_milliseconds(), signed(), vec!["timestamp_in_milliseconds"]),
        (none(), page(secret, &format!("1734948000.{BODY}")), vec!["payload_timestamp_signed"]),
        (none(), page(secret, BODY), vec!["timestamp_not_signed"]),
        (none(), page(secret, &format!("{TIME}{BODY}")), vec!["dot_missing"]),
        (none(), page(secret, &format!("{BODY}.{TIME}")), vec!["wrong_order"]),
        (json!({ "now": 1_734_949_501_000_i64 }), signed(), vec!["timestamp_too_old"]),
        (json!({ "now": 1_734_949_500_000_i64 }), signed(), vec![]),
        (json!({ "now": 1_734_948_800_000_i64 }), signed(), vec!["timestamp_in_the_future"]),
        (
            json!({ "timestamp": "Mon, 23 Dec 2024" }),
            page(secret, &format!("Mon, 23 Dec 2024.{BODY}")),
            vec!["timestamp_not_seconds"],
        ),
    ]
}

/// Mistakes in the secret.
fn cases_of_the_secret() -> Vec<Case> {
    let (secret, decoded, right, right_standard) = (SECRET.as_bytes(), decoded_secret(), right(), right_standard());
    vec![
        (none(), page(&secret[6..], &right), vec!["secret_prefix_removed"]),
        (none(), page(&decoded, &right), vec!["secret_decoded"]),
        (json!({ "secret": &SECRET[6..] }), signed(), vec!["secret_prefix_missing"]),
        (none(), page(format!("{SECRET}\n").as_bytes(), &right), vec!["secret_spaces"]),
        (json!({ "secret": format!(" {SECRET} ") }), signed(), vec![]),
        (json!({ "oldSecret": OLD }), page(OLD.as_bytes(), &right), vec!["old_secret"]),
        (none(), page(b"", &right), vec!["secret_empty"]),
        (json!({ "secret": "c0ffee00" }), page(&[0xC0, 0xFF, 0xEE, 0x00], &right), vec!["secret_hex_decoded"]),
        (none(), page(b"undefined", &right), vec!["secret_undefined"]),
        (other_scheme(none()), standard(b"None", &right_standard), vec!["secret_undefined"]),
        (none(), page(format!("b'{SECRET}'").as_bytes(), &right), vec!["secret_python_bytes"]),
        (none(), sha256(&right), vec!["no_hmac"]),
        (none(), sha256(&format!("{SECRET}{right}")), vec!["no_hmac"]),
        (none(), sha256(&format!("{right}{SECRET}")), vec!["no_hmac"]),
    ]
}

/// Mistakes in how the signature is written.
fn cases_of_spelling() -> Vec<Case> {
    let (secret, right, signed) = (SECRET.as_bytes(), right(), signed());
    vec![
        (none(), format!("v1={}", signed[3..].to_uppercase()), vec!["hex_upper_case"]),
        (none(), signed[3..].to_owned(), vec!["v1_missing"]),
        (none(), format!("v1={}", STANDARD.encode(hmac(secret, &right))), vec!["base64_for_hex"]),
        (none(), format!("v1={}", STANDARD.encode(&signed[3..])), vec!["base64_of_hex"]),
        (none(), format!("v1={}", &signed[3..43]), vec!["sha1"]),
        (none(), format!("v1={}", signed[3..].repeat(2)), vec!["sha512"]),
        (none(), signed[..60].to_owned(), vec!["not_a_signature"]),
        (none(), String::new(), vec!["not_a_signature"]),
    ]
}

/// Several mistakes together, and unknown mistakes.
fn cases_of_several_mistakes() -> Vec<Case> {
    let right = right();
    vec![
        (
            json!({ "oldSecret": OLD }),
            hex::encode_upper(hmac(OLD.as_bytes(), &format!("{TIME}.{SPACED}"))),
            vec!["v1_missing", "hex_upper_case", "body_spaced", "old_secret"],
        ),
        (none(), page(b"somebody else's", &right), vec!["no_match"]),
        (none(), over(&BODY.replace('6', "7")), vec!["no_match"]),
    ]
}

/// The signature as Standard Webhooks has it.
fn cases_of_the_other_scheme() -> Vec<Case> {
    let (secret, decoded, right, right_standard) = (SECRET.as_bytes(), decoded_secret(), right(), right_standard());
    vec![
        (other_scheme(none()), standard(&decoded, &right_standard), vec![]),
        (
            other_scheme(none()),
            format!("{} {}", standard(b"new", &right_standard), standard(&decoded, &right_standard)),
            vec![],
        ),
        (other_scheme(json!({ "secret": "your-secret-key" })), standard(b"your-secret-key", &right_standard), vec![]),
        (other_scheme(none()), standard(secret, &right_standard), vec!["secret_not_decoded"]),
        (other_scheme(none()), standard(&secret[6..], &right_standard), vec!["secret_not_decoded"]),
        (other_scheme(none()), standard(&decoded, &right), vec!["id_not_signed"]),
        (other_scheme(none()), hex::encode(hmac(&decoded, &right_standard)), vec!["v1_missing", "hex_for_base64"]),
        (
            other_scheme(none()),
            format!("v1={}", hex::encode(hmac(&decoded, &right_standard))),
            vec!["header_of_the_other_scheme"],
        ),
        (none(), page(secret, &right_standard), vec!["id_signed"]),
        (none(), standard(secret, &right), vec!["header_of_the_other_scheme"]),
    ]
}

/// While a secret is being rotated: `X-Nano-Signature` and a header beside it.
fn cases_of_a_rotation() -> Vec<Case> {
    let right = right();
    let [valid, other] = [SECRET, OLD].map(|secret| page(secret.as_bytes(), &right));
    vec![
        (json!({}), format!("{valid} {other}"), vec![]),
        (json!({}), format!("{other} {valid}"), vec!["signed_beside"]),
        (json!({}), format!("X-Nano-Signature-Next: {valid}"), vec!["signed_beside"]),
    ]
}

/// Base64 in the signature and in the secret.
fn cases_of_base64() -> Vec<Case> {
    let right = right_standard();
    let digest = hmac(&decoded_secret(), &right);
    assert!(STANDARD.encode(&digest).contains('+'), "otherwise base64url would be the same");
    let webhook = |secret: &str| other_scheme(json!({ "secret": secret }));
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
