//! What a key may do, for whom, and until when; and the fields of a request that say so.

use jiff::Timestamp;
use serde_json::Value;

use super::{ApiKey, KeyScope};
use crate::{
    names::AccountId,
    request::{Fields, Invalid, shortened, time, wrong_type},
};

/// The longest label of a key, in characters.
pub const MAX_LABEL: usize = 100;

/// What the operator or the platform decides about a new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGrant {
    /// The account whose requests the key authenticates.
    pub account_id: AccountId,
    /// A note about the key.
    pub label: Option<String>,
    pub scope: KeyScope,
    /// When the key expires; never if it is `None`.
    pub expires_at: Option<Timestamp>,
}

impl KeyGrant {
    /// The fields that [`KeyGrant::take`] takes.
    pub(super) const FIELDS: [&str; 4] = ["account_id", "label", "scope", "expires_at"];

    /// Takes the fields of a grant from a request. Fails if one is wrong.
    pub(super) fn take(fields: &mut Fields) -> Result<Self, Invalid> {
        Ok(Self {
            account_id: account_id(&fields.take_required("account_id")?)?,
            label: fields.take("label").map(|value| label_field(&value)).transpose()?,
            scope: scope(fields)?,
            expires_at: fields.take("expires_at").map(|value| time("expires_at", &value)).transpose()?,
        })
    }
}

/// Parses a key's label: 1 to [`MAX_LABEL`] characters. It is stored, listed and logged as it is, so it must not be a key.
pub fn label(text: &str) -> Option<String> {
    let is_label = (1..=MAX_LABEL).contains(&text.chars().count()) && ApiKey::parse(text).is_none();
    is_label.then(|| text.to_owned())
}

fn label_field(value: &Value) -> Result<String, Invalid> {
    let text = value.as_str().ok_or_else(|| wrong_type("label", "a string", value))?;
    label(text).ok_or_else(|| {
        Invalid::field("label", format!("label must have 1 to {MAX_LABEL} characters, and must not be a key"))
    })
}

pub(super) fn account_id(value: &Value) -> Result<AccountId, Invalid> {
    let text = value.as_str().ok_or_else(|| wrong_type("account_id", "a string", value))?;
    if ApiKey::parse(text).is_some() {
        return Err(Invalid::field("account_id", "account_id is a key itself; send the account of the key"));
    }
    AccountId::parse(text).map_err(|err| Invalid::field("account_id", err.to_string()))
}

/// Takes the scope of a key. Without one the key may do everything.
pub(super) fn scope(fields: &mut Fields) -> Result<KeyScope, Invalid> {
    let Some(value) = fields.take("scope") else { return Ok(KeyScope::Full) };
    let wrong = || Invalid::field("scope", format!("scope is {}; expected full or read", shortened(&value)));
    serde_json::from_value(value.clone()).map_err(|_| wrong())
}
