//! A receiver's signature check, written from docs/verifying.md and Standard Webhooks 1.0. It shares no code with the
//! service: what both had wrong would look right.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::receiver::Received;

/// Whether `X-Nano-Signature` proves that somebody with this secret signed the body and the timestamp.
pub(super) fn is_valid(request: &Received, secret: &str) -> bool {
    let timestamp = request.header("x-nano-timestamp");
    let mac = sign(secret.as_bytes(), &[timestamp.as_bytes(), b".", &request.body]);
    request.header("x-nano-signature") == format!("v1={}", hex::encode(mac))
}

/// Whether `webhook-signature` has a signature with this secret, over the id, the timestamp and the body.
pub(super) fn is_valid_standard(request: &Received, secret: &str) -> bool {
    let (id, timestamp) = (request.header("webhook-id"), request.header("webhook-timestamp"));
    let decoded = secret.strip_prefix("whsec_").and_then(|encoded| STANDARD.decode(encoded).ok());
    let key = decoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    let mac = sign(&key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", &request.body]);
    let expected = format!("v1,{}", STANDARD.encode(mac));
    request.header("webhook-signature").split(' ').any(|signature| signature == expected)
}

fn sign(key: &[u8], message: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in message {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use hyper::{
        HeaderMap,
        body::Bytes,
        header::{HeaderName, HeaderValue},
    };
    use jiff::Timestamp;

    use super::*;

    /// The example of Standard Webhooks, which its libraries test with, and its X-Nano-Signature as `openssl dgst
    /// -sha256 -hmac` computes it.
    fn published() -> Received {
        let headers = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,bm9ldHU5ZWN0dWFs v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ("x-nano-timestamp", "1614265330"),
            ("x-nano-signature", "v1=2e37df5d4a028c51a7f3133d64ae1e300d2c2c900f1b1d49d4369ad2530f8964"),
        ];
        let headers = headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Received {
            at: Timestamp::UNIX_EPOCH,
            path: String::new(),
            headers: HeaderMap::from_iter(headers),
            body: Bytes::from_static(br#"{"test": 2432232314}"#),
        }
    }

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_published_example_is_valid_with_its_secret_alone() {
        let request = published();
        assert!(is_valid(&request, SECRET) && is_valid_standard(&request, SECRET));
        let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx";
        assert!(!is_valid(&request, other) && !is_valid_standard(&request, other));
        let changed = Received { body: Bytes::from_static(br#"{"test": 2432232315}"#), ..request };
        assert!(!is_valid(&changed, SECRET) && !is_valid_standard(&changed, SECRET));
    }
}
