//! The secret of a webhook.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::request::Invalid;

/// A secret that signs a webhook's deliveries. Its `Debug` does not show it.
///
/// Its memory is zeroed when it is dropped, and so is the key that is decoded from it. Other copies are not: the bodies of
/// the request and the reply, the items sent to and read from DynamoDB, and the buffers of the SDK and TLS. They are freed
/// when the request is done, and may stay readable in the function's memory after that.
///
/// It has no `Serialize`, so a reply, a message or a log line that took it by mistake does not compile. Code that needs
/// the text calls [`Secret::reveal`], which is easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// Decodes base64 without padding and ignores the bits left over at its end, as the libraries of Standard Webhooks do.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

impl Secret {
    /// What a generated secret starts with, as Standard Webhooks 1.0 has it.
    pub const PREFIX: &str = "whsec_";

    /// A new secret: `whsec_` and the base64 of 32 random bytes.
    ///
    /// # Panics
    /// If the operating system has no random bytes. Going on would make a secret that can be guessed.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).expect("the operating system returns random bytes");
        let encoded = Zeroizing::new(STANDARD.encode(bytes.as_ref()));
        Self(Zeroizing::new(format!("{}{}", Self::PREFIX, encoded.as_str())))
    }

    /// Parses a customer's own secret: 8 to 256 visible ASCII characters. What follows `whsec_` must be base64, because the
    /// receiver's library decodes it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const FIELD: &str = "secret_key";
        if !(8..=256).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Invalid::field(FIELD, "secret_key must be 8 to 256 visible ASCII characters, without spaces"));
        }
        if text.strip_prefix(Self::PREFIX).is_some_and(|encoded| decode(encoded).is_none()) {
            let problem = "secret_key begins with whsec_, and what follows whsec_ must be base64 (A-Z a-z 0-9 + /); for a \
                text of your own leave whsec_ out";
            return Err(Invalid::field(FIELD, problem));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Makes a secret of a text from the store, where all are valid.
    pub(crate) fn stored(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text of the secret: to sign with it, to store it, or to show it once to the customer whose request generated it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its SHA-256 in hex, which says whether another secret is the same one. Do not show it: a customer's own secret may be
    /// short enough to guess.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }

    /// The key of a Standard Webhooks signature: the decoded bytes of what follows `whsec_`, or the UTF-8 bytes of a secret
    /// without that prefix.
    pub fn standard_key(&self) -> Zeroizing<Vec<u8>> {
        let decoded = self.0.strip_prefix(Self::PREFIX).and_then(decode);
        decoded.unwrap_or_else(|| Zeroizing::new(self.0.as_bytes().to_vec()))
    }
}

/// Decodes base64 with or without its padding. Returns `None` if it is not base64 or decodes to nothing.
fn decode(encoded: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = LENIENT.decode(encoded.trim_end_matches('=')).ok().map(Zeroizing::new)?;
    (!bytes.is_empty()).then_some(bytes)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_keeps_itself_out_of_debug_output() {
        let secret = Secret::parse("your-secret-key").unwrap();
        assert!(!format!("{secret:?}").contains("your"));
    }

    #[test]
    fn a_generated_secret_is_32_random_bytes_in_base64() {
        let (one, other) = (Secret::generate(), Secret::generate());
        assert_ne!(one, other);
        let encoded = one.reveal().strip_prefix("whsec_").unwrap();
        assert_eq!(STANDARD.decode(encoded).unwrap().len(), 32);
    }

    /// The keys are what Python's `base64.b64decode(text + "==")` returns. Its standardwebhooks package decodes them so.
    #[test]
    fn what_follows_whsec_is_decoded_as_the_official_libraries_decode_it() {
        let key = |text: &str| hex::encode(Secret::parse(text).expect(text).standard_key());
        assert_eq!(key("whsec_QUJDREVGR0hJSktMTU5PUA=="), "4142434445464748494a4b4c4d4e4f50");
        assert_eq!(key("whsec_QUJDREVGR0hJSktMTU5PUA"), "4142434445464748494a4b4c4d4e4f50");
        assert_eq!(key("whsec_QUJDREVGR0hJSktMTU5PUA="), "4142434445464748494a4b4c4d4e4f50");
        assert_eq!(key("whsec_QUJDREVGR0hJSktMTU5PUB=="), "4142434445464748494a4b4c4d4e4f50");
        assert_eq!(key("whsec_aB3dE5fG7hJ9kL1mN3pQ5r"), "681ddd1397c6ee127d90bd66377a50e6");
        assert_eq!(key("whsec_QUJD=="), "414243");
    }

    #[test]
    fn a_secret_without_whsec_is_its_bytes() {
        assert_eq!(*Secret::parse("your-secret-key").unwrap().standard_key(), *b"your-secret-key");
        assert_eq!(*Secret::parse("QUJDREVGR0hJ").unwrap().standard_key(), *b"QUJDREVGR0hJ");
    }

    #[test]
    fn what_follows_whsec_and_is_no_base64_is_refused() {
        for text in
            ["whsec_my-own-secret-text", "whsec_not-base64!", "whsec_QUJDR", "whsec_==", "whsec_QU=JD", "whsec_-_-_"]
        {
            let refusal = Secret::parse(text).expect_err(text).to_string();
            assert!(refusal.contains("what follows whsec_ must be base64"), "{text}: {refusal}");
        }
    }
}
