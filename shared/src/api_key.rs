//! API keys: `sk-` and 160 random bits in hex. Only their SHA-256 is stored, so that a reader of the table cannot
//! call the API. A hash without salt is enough, because 160 random bits cannot be guessed.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const PREFIX: &str = "sk-";
const RANDOM_BYTES: usize = 20;

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
        getrandom::fill(bytes.as_mut()).expect("the operating system gives random bytes");
        let digits = Zeroizing::new(hex::encode(bytes.as_ref()));
        Self(Zeroizing::new(format!("{PREFIX}{}", digits.as_str())))
    }

    /// Parses the value of an `Authorization` header. Returns `None` for any other form, which then costs no look-up.
    pub fn from_authorization(header: &str) -> Option<Self> {
        let (scheme, key) = header.split_once(' ')?;
        let digits = key.strip_prefix(PREFIX)?;
        let well_formed = scheme.eq_ignore_ascii_case("bearer")
            && digits.len() == 2 * RANDOM_BYTES
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        well_formed.then(|| Self(Zeroizing::new(key.to_owned())))
    }

    /// The form in which the key is stored: its SHA-256 in hex.
    pub fn hash(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }

    /// An id for the key that may be shown and logged: `key_` and the first 16 digits of its hash.
    pub fn id(&self) -> String {
        format!("key_{}", &self.hash()[..16])
    }

    /// The key itself, shown once to the operator who has just created it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
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
            format!("Bearer sk-{}", &digits[1..]),
            format!("Bearer sk-{digits}0"),
            format!("Bearer sk-{}", digits.to_uppercase()),
            format!("Bearer sk-{digits}, Bearer sk-{digits}"),
        ] {
            assert!(ApiKey::from_authorization(&header).is_none(), "{header:?}");
        }
    }

    #[test]
    fn a_key_keeps_itself_out_of_debug_output() {
        let key = ApiKey::generate();
        assert!(!format!("{key:?}").contains(&key.reveal()[3..]));
    }
}
