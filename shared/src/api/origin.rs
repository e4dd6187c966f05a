//! The header that proves that a request came through the operator's CDN, with its firewall, and not around it:
//! docs/cdn.md. It is checked before the key, so that a request around the CDN costs no read of a table.

use lambda_http::http::HeaderMap;
use sha2::{Digest as _, Sha256};

use crate::config::{self, ConfigError};

const HEADER: &str = "x-origin-verify";

/// The SHA-256 of each value that the header may have. If the list is empty, the header is not required.
pub(super) struct Origin(Vec<[u8; 32]>);

impl Origin {
    /// Reads `ORIGIN_VERIFY_SECRETS`, a list separated by commas: two values while the operator replaces one.
    pub(super) fn from_env() -> Result<Self, ConfigError> {
        Ok(Self::new(&config::text("ORIGIN_VERIFY_SECRETS")?))
    }

    fn new(secrets: &str) -> Self {
        Self(secrets.split(',').filter(|secret| !secret.is_empty()).map(|secret| digest(secret.as_bytes())).collect())
    }

    /// Whether a request came through the CDN. The time that this takes does not show how much of a guess was right.
    pub(super) fn lets_in(&self, headers: &HeaderMap) -> bool {
        let given = digest(headers.get(HEADER).map_or(&[], |value| value.as_bytes()));
        let known = self.0.iter().fold(false, |known, secret| known | is_equal(secret, &given));
        known || self.0.is_empty()
    }
}

fn digest(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}

/// Compares all bytes, even after the first difference.
fn is_equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use lambda_http::http::HeaderValue;

    use super::*;

    fn lets_in(secrets: &str, value: Option<&'static str>) -> bool {
        let headers =
            value.map(|value| (lambda_http::http::HeaderName::from_static(HEADER), HeaderValue::from_static(value)));
        Origin::new(secrets).lets_in(&headers.into_iter().collect())
    }

    #[test]
    fn each_of_the_secrets_lets_in_and_nothing_else_does() {
        for secrets in ["new-secret", "old-secret,new-secret"] {
            assert!(lets_in(secrets, Some("new-secret")), "{secrets}");
            for other in [None, Some(""), Some("new-secre"), Some("new-secret "), Some("old-secret,new-secret")] {
                assert!(!lets_in(secrets, other), "{secrets}: {other:?}");
            }
        }
        assert!(!lets_in("new-secret", Some("old-secret")));
    }

    #[test]
    fn without_a_secret_everybody_is_let_in() {
        assert!(lets_in("", None) && lets_in("", Some("anything")));
    }
}
