//! A key that a platform's customers have already. The service gets its hash, and never the key.

use serde_json::Value;

use super::{ApiKey, KeyGrant};
use crate::request::{Fields, Invalid, wrong_type};

/// The longest id of an imported key, in characters.
const MAX_ID: usize = 128;

/// A key to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedKey {
    /// SHA-256 of the whole key, `sk-` included, in lower-case hex.
    pub key_hash: String,
    /// The platform's own id of the key.
    pub id: String,
    pub grant: KeyGrant,
}

impl ImportedKey {
    /// Parses a JSON object with `key_hash`, `account_id`, `id` and, if the platform likes, `label`, `scope` and
    /// `expires_at`. A key that has expired is accepted, so that the same file can be imported again.
    pub fn parse(object: &[u8]) -> Result<Self, Invalid> {
        let expected = "a JSON object with key_hash, account_id, id and, optionally, label, scope and expires_at";
        let names = [&KeyGrant::FIELDS[..], &["key_hash", "id"]].concat();
        let mut fields = Fields::parse(object, &names, expected)?;
        let key_hash = key_hash(&fields.take_required("key_hash")?)?;
        let id = id(&fields.take_required("id")?)?;
        Ok(Self { key_hash, id, grant: KeyGrant::take(&mut fields)? })
    }
}

fn key_hash(value: &Value) -> Result<String, Invalid> {
    let text = value.as_str().ok_or_else(|| wrong_type("key_hash", "a string", value))?;
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Invalid::field("key_hash", "key_hash must be the SHA-256 of the key: 64 hex digits"))
}

/// Parses the id of a key.
pub(super) fn id(value: &Value) -> Result<String, Invalid> {
    let text = value.as_str().ok_or_else(|| wrong_type("id", "a string", value))?;
    // Ids are stored, listed and logged as they are.
    if ApiKey::parse(text).is_some() {
        return Err(Invalid::field("id", "id is a key itself; send the id by which you know the key"));
    }
    if (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Invalid::field("id", format!("id must be 1 to {MAX_ID} visible ASCII characters")))
}
