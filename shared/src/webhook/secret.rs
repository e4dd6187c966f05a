//! The secret of a webhook.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use zeroize::Zeroizing;

use super::Invalid;

/// The key of a webhook's signatures. Its `Debug` says nothing.
///
/// Its own memory is zeroed when it is dropped, and so is what is decoded from it to sign. Copies that others make are
/// not: the request's body, the reply's, the items that go to and come from DynamoDB, and what the SDK and TLS buffer of
/// all these. They are freed when the request is done, and may stay legible in the function's memory after that.
///
/// It cannot be serialised: a reply, a message or a log line that took it by mistake would not compile. Whoever needs
/// the text asks for it with [`Secret::reveal`], which is easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// Decodes base64 without padding, and ignores bits that are left over at its end, as the libraries of Standard Webhooks do.
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
    /// When the operating system gives no random bytes; there is no safe way on.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).expect("the operating system gives random bytes");
        let encoded = Zeroizing::new(STANDARD.encode(bytes.as_ref()));
        Self(Zeroizing::new(format!("{}{}", Self::PREFIX, encoded.as_str())))
    }

    /// Takes a customer's own secret: 8 to 256 visible ASCII characters, and base64 after `whsec_`, since a receiver's
    /// library would decode nothing else.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if !(8..=256).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Invalid("secret_key must be 8 to 256 visible ASCII characters, without spaces".into()));
        }
        if text.strip_prefix(Self::PREFIX).is_some_and(|encoded| decode(encoded).is_none()) {
            let problem = "secret_key begins with whsec_, and what follows whsec_ must be base64 (A-Z a-z 0-9 + /); for a \
                text of your own leave whsec_ out";
            return Err(Invalid(problem.into()));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// Takes a secret back from the store, where only valid ones are.
    pub(crate) fn stored(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself: to sign with it, to store it, or to show it once to the customer who has just made it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The key of a Standard Webhooks signature: the decoded bytes of what follows `whsec_`; of any other secret its UTF-8
    /// bytes.
    pub fn standard_key(&self) -> Zeroizing<Vec<u8>> {
        let decoded = self.0.strip_prefix(Self::PREFIX).and_then(decode);
        decoded.unwrap_or_else(|| Zeroizing::new(self.0.as_bytes().to_vec()))
    }
}

/// Returns the bytes of a base64 text, with its padding or without; `None` if it is no base64, or if there are no bytes.
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

    /// The keys are what Python's `base64.b64decode(text + "==")` gives, which is what its standardwebhooks does.
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
            let refusal = Secret::parse(text).expect_err(text).0;
            assert!(refusal.contains("what follows whsec_ must be base64"), "{text}: {refusal}");
        }
    }
}
