//! API keys. A key that is generated here is `sk-` and 160 random bits in hex; a platform can import the keys that it
//! has, if they begin with `sk-`. Only a key's SHA-256 is stored, so that a reader of the table cannot call the API. A
//! hash without salt is enough, because a random key cannot be guessed.

mod grant;
mod imported;
mod request;
mod session;

use std::{fmt, ops::RangeInclusive};

pub use grant::{KeyGrant, MAX_LABEL, label};
pub use imported::ImportedKey;
pub use request::{KeysRequest, MOST_IMPORTED};
pub use session::Session;

use lambda_http::http::Method;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const PREFIX: &str = "sk-";
const RANDOM_BYTES: usize = 20;
/// How many characters a key has, with its prefix.
const LENGTHS: RangeInclusive<usize> = 20..=256;

/// What a key may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyScope {
    /// Everything that the API can do for the key's account.
    #[default]
    Full,
    /// Read only: `GET` and `HEAD`.
    Read,
}

impl KeyScope {
    /// Whether a key with this scope may make a request with this method.
    pub fn allows(self, method: &Method) -> bool {
        self == Self::Full || matches!(*method, Method::GET | Method::HEAD)
    }
}

impl fmt::Display for KeyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A well-formed key. Only the store knows whether it is valid. Its `Debug` does not show it.
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// Generates a new key.
    ///
    /// # Panics
    /// If the operating system returns no random bytes; no key would be safe then.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; RANDOM_BYTES]);
        getrandom::fill(bytes.as_mut()).expect("the operating system returns random bytes");
        let digits = Zeroizing::new(hex::encode(bytes.as_ref()));
        Self(Zeroizing::new(format!("{PREFIX}{}", digits.as_str())))
    }

    /// Parses the value of an `Authorization` header. Returns `None` for any other form, which then costs no look-up.
    pub fn from_authorization(header: &str) -> Option<Self> {
        let (scheme, key) = header.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") { Self::parse(key) } else { None }
    }

    /// Parses a key. Returns `None` for any other form.
    pub fn parse(key: &str) -> Option<Self> {
        let well_formed =
            key.starts_with(PREFIX) && LENGTHS.contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        well_formed.then(|| Self(Zeroizing::new(key.to_owned())))
    }

    /// The form in which the key is stored: its SHA-256 in hex.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }

    /// An id for the key that may be shown and logged: `key_` and the first 16 digits of its hash.
    pub fn id(&self) -> String {
        id_of(&self.hash())
    }

    /// The key itself: for the reply that creates it, and to send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The id of a generated key with this hash.
pub fn id_of(hash: &str) -> String {
    format!("key_{}", &hash[..16])
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_read_back_from_its_header() {
        let key = ApiKey::generate();
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let read = ApiKey::from_authorization(&format!("{scheme} {}", key.reveal())).unwrap();
            assert_eq!(read.hash(), key.hash());
        }
    }

    #[test]
    fn other_forms_are_no_keys() {
        let digits = "0123456789abcdef0123456789abcdef01234567";
        for header in [
            String::new(),
            "Bearer".into(),
            "Bearer ".into(),
            format!("sk-{digits}"),
            format!("Basic sk-{digits}"),
            format!("Bearer {digits}"),
            format!("Bearer  sk-{digits}"),
            format!("Bearer sk-{digits} "),
            format!("Bearer SK-{digits}"),
            format!("Bearer sk-{}", &digits[..16]),
            format!("Bearer sk-{}", "0".repeat(254)),
            format!("Bearer sk-{digits}é"),
            format!("Bearer sk-{digits}, Bearer sk-{digits}"),
        ] {
            assert!(ApiKey::from_authorization(&header).is_none(), "{header:?}");
        }
    }

    #[test]
    fn any_key_of_20_to_256_visible_characters_may_be_imported() {
        for rest in ["proj_AbC-123.~/+=,;!".to_owned(), "0".repeat(17), "0".repeat(253)] {
            let key = ApiKey::from_authorization(&format!("Bearer sk-{rest}")).unwrap();
            assert_eq!(key.reveal(), format!("sk-{rest}"));
        }
    }

    #[test]
    fn a_key_that_may_only_read_changes_nothing() {
        let allowed = |scope: KeyScope| {
            [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::PUT, Method::DELETE]
                .map(|method| scope.allows(&method))
        };
        assert_eq!(allowed(KeyScope::Full), [true; 6]);
        assert_eq!(allowed(KeyScope::Read), [true, true, false, false, false, false]);
    }

    #[test]
    fn a_key_keeps_itself_out_of_debug_output() {
        let key = ApiKey::generate();
        assert!(!format!("{key:?}").contains(&key.reveal()[3..]));
    }
}
