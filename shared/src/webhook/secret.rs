//! The secret of a webhook.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
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

    /// Takes a customer's own secret: 8 to 256 visible ASCII characters.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if (8..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(Invalid("secret_key must be 8 to 256 visible ASCII characters, without spaces".into()))
        }
    }

    /// Takes a secret back from the store, where only valid ones are.
    pub(crate) fn stored(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself: to sign with it, to store it, or to show it once to the customer who has just made it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
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
}
