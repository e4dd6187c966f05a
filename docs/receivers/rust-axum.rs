//! Receives webhooks with axum. To start it: `WEBHOOK_SECRET=whsec_... PORT=8080 cargo run`

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex};
use std::{env, time::SystemTime};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::post};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The whole text, `whsec_` included.
static SECRET: LazyLock<String> = LazyLock::new(|| env::var("WEBHOOK_SECRET").expect("WEBHOOK_SECRET is set"));

/// The ids of events that were handled. In production, use a table's unique key, written together with the event.
static KNOWN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Returns why a request must be refused, or `None`. `body` is the bytes as they arrived.
fn refusal(headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
    let timestamp = text(headers, "x-nano-timestamp");
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes a key of any length");
    let mac = mac.chain_update(format!("{timestamp}.")).chain_update(body);
    // While a secret is being rotated, the old and the new one sign different headers. One that matches is enough.
    let signers = ["x-nano-signature", "x-nano-signature-next", "x-nano-signature-previous"];
    let given = signers.map(|name| text(headers, name)).join(" ");
    let is_ours = |one: &str| {
        let bytes = one.strip_prefix("v1=").and_then(|digits| hex::decode(digits).ok());
        bytes.is_some_and(|bytes| mac.clone().verify_slice(&bytes).is_ok()) // in constant time
    };
    if !given.split(' ').any(is_ours) {
        return Some("the signature does not match");
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let is_recent = timestamp.parse().is_ok_and(|seconds: u64| now.abs_diff(seconds) <= 300);
    (!is_recent).then_some("the timestamp is more than five minutes off")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn receive(headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    if let Some(reason) = refusal(&headers, &body) {
        return (StatusCode::UNAUTHORIZED, reason);
    }
    let id = text(&headers, "webhook-id").to_owned();
    if KNOWN.lock().expect("nobody panicked").insert(id) {
        let event: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        // Put it on a queue here, then answer.
        eprintln!("{} {}", event["event"].as_str().unwrap_or("?"), event["task_id"].as_str().unwrap_or("?"));
    }
    (StatusCode::NO_CONTENT, "")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert!(!SECRET.is_empty(), "WEBHOOK_SECRET is empty");
    let address = format!("127.0.0.1:{}", env::var("PORT").expect("PORT is set"));
    let listener = tokio::net::TcpListener::bind(address).await.expect("the port is free");
    axum::serve(listener, Router::new().route("/webhook", post(receive))).await.expect("it serves until it is stopped");
}
