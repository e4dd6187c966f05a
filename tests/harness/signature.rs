//! A receiver's signature check, written from the published page and Standard Webhooks 1.0. It shares no code with
//! the service, because tests would not see a mistake that both had.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Received;

/// Whether `X-Nano-Signature` proves that the body was signed with this secret at the time in `X-Nano-Timestamp`.
pub fn is_valid(webhook: &Received, secret: &str) -> bool {
    webhook.header("x-nano-signature") == Some(nano_signature(webhook, secret).as_str())
}

/// Whether `webhook-signature` proves the same.
pub fn is_valid_standard(webhook: &Received, secret: &str) -> bool {
    webhook.header("webhook-signature") == Some(standard_webhooks_signature(webhook, secret).as_str())
}

/// The signature of a received webhook with this secret, as the published page defines it.
pub fn nano_signature(webhook: &Received, secret: &str) -> String {
    let timestamp = webhook.header("x-nano-timestamp").unwrap_or_default();
    nano_signature_of(timestamp, &webhook.body, secret)
}

/// The signature of any body and timestamp with this secret, as the published page defines it.
pub fn nano_signature_of(timestamp: &str, body: &[u8], secret: &str) -> String {
    format!("v1={}", hex::encode(sign(secret.as_bytes(), &[timestamp.as_bytes(), b".", body])))
}

/// The signature of a received webhook with this secret, as Standard Webhooks defines it.
pub fn standard_webhooks_signature(webhook: &Received, secret: &str) -> String {
    let header = |name| webhook.header(name).unwrap_or_default();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).expect("the secret's end is base64"),
        None => secret.as_bytes().to_vec(),
    };
    let mac = sign(&key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", &webhook.body]);
    format!("v1,{}", STANDARD.encode(mac))
}

fn sign(key: &[u8], message: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in message {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}
