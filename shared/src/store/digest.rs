//! Short names for texts.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// Names a text by the first `bytes` bytes of its SHA-256, at most 32.
pub(super) fn digest(text: &str, bytes: usize) -> String {
    let hash: [u8; 32] = Sha256::digest(text).into();
    URL_SAFE_NO_PAD.encode(&hash[..bytes])
}
