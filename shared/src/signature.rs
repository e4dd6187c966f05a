//! Signs deliveries, so that a receiver can check who sent one, and that it is unchanged.
//!
//! Each attempt is signed in two ways, with the same secrets and over the same body, so that a receiver may check
//! whichever it knows: as the published page has it (`X-Nano-Timestamp`, `X-Nano-Signature`), and as Standard Webhooks 1.0
//! has it (`webhook-id`, `webhook-timestamp`, `webhook-signature`). Each attempt has its own time and so its own
//! signatures, because receivers refuse old timestamps. While a secret is being rotated, [`Webhook::signing_at`] says which
//! secret signs which header.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use crate::webhook::{Secret, Signing, Webhook};

/// The values of an attempt's signature headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatures {
    /// `X-Nano-Signature`.
    pub nano: String,
    /// `X-Nano-Signature-Next`: made with the new secret, before the switch of a rotation.
    pub next: Option<String>,
    /// `X-Nano-Signature-Previous`: one signature for each previous secret that is still valid, separated by spaces.
    pub previous: Option<String>,
    /// `webhook-signature`: one signature for each valid secret, separated by spaces. The first is made with the secret of
    /// `X-Nano-Signature`.
    pub standard_webhooks: String,
}

/// Signs a body with every secret of the webhook that is valid at this time. `id` is the delivery's.
pub fn of(webhook: &Webhook, id: &str, at: Timestamp, body: &str) -> Signatures {
    with(&webhook.signing_at(at), id, at.as_second(), body)
}

/// Signs a body with these secrets. `timestamp` is Unix seconds.
pub fn with(Signing { current, next, previous }: &Signing<'_>, id: &str, timestamp: i64, body: &str) -> Signatures {
    let nano = |secret| nano_signature(secret, timestamp, body);
    let all = std::iter::once(*current).chain(*next).chain(previous.iter().copied());
    let standards: Vec<String> = all.map(|secret| standard_webhooks_signature(secret, id, timestamp, body)).collect();
    let previous: Vec<String> = previous.iter().copied().map(nano).collect();
    Signatures {
        nano: nano(current),
        next: next.map(nano),
        previous: (!previous.is_empty()).then(|| previous.join(" ")),
        standard_webhooks: standards.join(" "),
    }
}

/// A signature of the published page: `v1=` and the lower-case hex of HMAC-SHA256 over `<timestamp>.<body>`, keyed with
/// the UTF-8 bytes of the secret as the customer has it, `whsec_` included. `timestamp` is Unix seconds.
pub fn nano_signature(secret: &Secret, timestamp: i64, body: &str) -> String {
    let mac = hmac(secret.reveal().as_bytes(), &[timestamp.to_string().as_bytes(), body.as_bytes()]);
    format!("v1={}", hex::encode(mac))
}

/// A signature of Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `<id>.<timestamp>.<body>`.
///
/// The key is [`Secret::standard_key`]. See <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
pub fn standard_webhooks_signature(secret: &Secret, id: &str, timestamp: i64, body: &str) -> String {
    let mac = hmac(&secret.standard_key(), &[id.as_bytes(), timestamp.to_string().as_bytes(), body.as_bytes()]);
    format!("v1,{}", STANDARD.encode(mac))
}

/// Returns the HMAC-SHA256 of the parts, joined by dots.
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            mac.update(b".");
        }
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `printf '1734949200.{"a":1}' | openssl dgst -sha256 -hmac your-secret-key`.
    #[test]
    fn the_pages_signature_is_what_openssl_computes() {
        let secret = Secret::parse("your-secret-key").unwrap();
        assert_eq!(
            nano_signature(&secret, 1_734_949_200, r#"{"a":1}"#),
            "v1=d024eff36af8c92b4c000c5085cb6e66b7fc4a989cd039d305a8416aa290bed8"
        );
    }

    #[test]
    fn a_secret_without_its_padding_is_the_same_key() {
        let [padded, bare] =
            ["whsec_c2VjcmV0LTEyMw==", "whsec_c2VjcmV0LTEyMw"].map(|text| Secret::parse(text).unwrap());
        assert_eq!(
            standard_webhooks_signature(&padded, "msg", 1, "{}"),
            standard_webhooks_signature(&bare, "msg", 1, "{}")
        );
        let raw = Secret::parse("secret-123").unwrap();
        assert_eq!(
            standard_webhooks_signature(&bare, "msg", 1, "{}"),
            standard_webhooks_signature(&raw, "msg", 1, "{}")
        );
    }

    /// The example of the Standard Webhooks libraries' own tests.
    #[test]
    fn the_standard_signature_is_the_one_of_the_specifications_libraries() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = standard_webhooks_signature(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
