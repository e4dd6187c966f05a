//! The requests to the function manage-keys, from a program of the platform's.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use url::Url;

use super::{
    ImportedKey, KeyGrant, Session,
    grant::{account_id, scope},
    imported,
};
use crate::{
    names::AccountId,
    request::{Fields, Invalid, shortened, whole_number, wrong_type},
};

/// The most keys that one request imports.
pub const MOST_IMPORTED: usize = 1_000;

/// A valid request. Its JSON object names the variant as `action`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysRequest {
    /// `create`: makes a new key.
    Create(KeyGrant),
    /// `list`: the keys of an account.
    List(AccountId),
    /// `revoke`: revokes the keys with this id.
    Revoke(String),
    /// `import`: stores the hashes of keys that customers have already.
    Import(Vec<ImportedKey>),
    /// `create_session`: makes a key that expires soon, and the link that opens the console with it.
    CreateSession {
        session: Session,
        /// The API's address for the link, if customers use another than the stack's own, such as behind a CDN.
        api_url: Option<String>,
    },
}

const ACTIONS: &str = "create, list, revoke, import, create_session";

impl KeysRequest {
    /// Parses a request. A `null` counts as a missing field.
    pub fn parse(request: &[u8], now: Timestamp) -> Result<Self, Invalid> {
        let expected = "a JSON object with an action and its fields";
        // The action first, because it says which fields there may be.
        let object: Value = serde_json::from_slice(request)
            .map_err(|err| Invalid::request(format!("the request is not JSON: {err}; send {expected}")))?;
        let action = object.get("action").unwrap_or(&Value::Null);
        let fields = |names: &[&str], expected: &str| {
            let mut fields = Fields::parse(request, &[&["action"], names].concat(), expected)?;
            fields.take("action");
            Ok(fields)
        };
        match action.as_str() {
            Some("create") => {
                create(fields(&KeyGrant::FIELDS, "account_id and, optionally, label, scope, expires_at")?, now)
            }
            Some("list") => {
                let mut fields = fields(&["account_id"], "the action list with account_id")?;
                Ok(Self::List(account_id(&fields.take_required("account_id")?)?))
            }
            Some("revoke") => {
                let mut fields = fields(&["id"], "the action revoke with id")?;
                Ok(Self::Revoke(imported::id(&fields.take_required("id")?)?))
            }
            Some("import") => {
                let mut fields = fields(&["keys"], "the action import with keys")?;
                Ok(Self::Import(keys(&fields.take_required("keys")?)?))
            }
            Some("create_session") => {
                let expected = "the action create_session with account_id and, optionally, scope, expires_in, api_url";
                create_session(fields(&["account_id", "scope", "expires_in", "api_url"], expected)?)
            }
            _ if action.is_null() => Err(Invalid::field("action", format!("action is required: one of {ACTIONS}"))),
            _ => Err(Invalid::field("action", format!("action is {}; expected one of {ACTIONS}", shortened(action)))),
        }
    }
}

fn create(mut fields: Fields, now: Timestamp) -> Result<KeysRequest, Invalid> {
    let grant = KeyGrant::take(&mut fields)?;
    match grant.expires_at {
        Some(end) if end <= now => {
            Err(Invalid::field("expires_at", format!("expires_at is {end}; it must be in the future")))
        }
        _ => Ok(KeysRequest::Create(grant)),
    }
}

fn create_session(mut fields: Fields) -> Result<KeysRequest, Invalid> {
    let account_id = account_id(&fields.take_required("account_id")?)?;
    let scope = scope(&mut fields)?;
    let lifetime = fields.take("expires_in").map_or(Ok(Session::DEFAULT), |value| lifetime(&value))?;
    let api_url = fields.take("api_url").map(|value| api_url(&value)).transpose()?;
    Ok(KeysRequest::CreateSession { session: Session { account_id, scope, lifetime }, api_url })
}

fn api_url(value: &Value) -> Result<String, Invalid> {
    let text = value.as_str().ok_or_else(|| wrong_type("api_url", "a string", value))?;
    let is_usable = |url: &Url| {
        // The link has a key in it: nobody on the way may change the page that it opens.
        let is_local = url.scheme() == "http" && matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
        let is_bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let is_page = url.path().trim_end_matches('/').ends_with("/console");
        (url.scheme() == "https" || is_local) && is_bare && url.fragment().is_none() && !is_page
    };
    match Url::parse(text) {
        Ok(url) if is_usable(&url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        _ => Err(Invalid::field("api_url", "api_url must be the API's address, such as \"https://api.example.com\"")),
    }
}

fn lifetime(value: &Value) -> Result<SignedDuration, Invalid> {
    let seconds = Session::SHORTEST.as_secs()..=Session::LONGEST.as_secs();
    let asked = whole_number(value).and_then(|number| number.try_into().ok());
    let wrong = || {
        let (found, first, last) = (shortened(value), seconds.start(), seconds.end());
        Invalid::field(
            "expires_in",
            format!("expires_in is {found}; expected a whole number of seconds from {first} to {last}"),
        )
    };
    asked.filter(|asked| seconds.contains(asked)).map(SignedDuration::from_secs).ok_or_else(wrong)
}

fn keys(value: &Value) -> Result<Vec<ImportedKey>, Invalid> {
    const FIELD: &str = "keys";
    let Value::Array(items) = value else { return Err(wrong_type(FIELD, "an array of keys", value)) };
    if !(1..=MOST_IMPORTED).contains(&items.len()) {
        let count = items.len();
        return Err(Invalid::field(FIELD, format!("keys has {count} entries; send 1 to {MOST_IMPORTED}")));
    }
    let mut keys = Vec::with_capacity(items.len());
    let mut place_of = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        let wrong = |problem: String| Invalid::field(FIELD, format!("keys[{at}]: {problem}"));
        let key = ImportedKey::parse(item.to_string().as_bytes()).map_err(|err| wrong(err.to_string()))?;
        if let Some(before) = place_of.insert(key.key_hash.clone(), at) {
            return Err(wrong(format!("it has the key_hash of keys[{before}]; send each key once")));
        }
        keys.push(key);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api_key::KeyScope;

    const KEY: &str = "sk-0123456789abcdef01234567";
    const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn parse(request: &Value) -> Result<KeysRequest, Invalid> {
        KeysRequest::parse(request.to_string().as_bytes(), "2026-01-02T00:00:00Z".parse().unwrap())
    }

    fn account() -> AccountId {
        AccountId::parse("acct_1").unwrap()
    }

    #[test]
    fn each_action_has_its_own_fields() {
        let grant = |scope, end: Option<&str>| KeyGrant {
            account_id: account(),
            label: end.map(|_| "CI".into()),
            scope,
            expires_at: end.map(|end| end.parse().unwrap()),
        };
        let full = grant(KeyScope::Full, None);
        let read = grant(KeyScope::Read, Some("2027-01-02T00:00:00Z"));
        let session = |scope, lifetime, api_url: Option<&str>| KeysRequest::CreateSession {
            session: Session { account_id: account(), scope, lifetime },
            api_url: api_url.map(str::to_owned),
        };
        let imported = ImportedKey { key_hash: HASH.into(), id: "42".into(), grant: full.clone() };
        for (request, parsed) in [
            (json!({ "action": "create", "account_id": "acct_1", "label": null }), KeysRequest::Create(full)),
            (
                json!({ "action": "create", "account_id": "acct_1", "label": "CI", "scope": "read",
                    "expires_at": "2027-01-02T01:00:00+01:00" }),
                KeysRequest::Create(read),
            ),
            (json!({ "action": "list", "account_id": "acct_1" }), KeysRequest::List(account())),
            (json!({ "action": "revoke", "id": "key_1" }), KeysRequest::Revoke("key_1".into())),
            (
                json!({ "action": "import", "keys": [{ "key_hash": HASH.to_uppercase(), "account_id": "acct_1", "id": "42" }] }),
                KeysRequest::Import(vec![imported]),
            ),
            (
                json!({ "action": "create_session", "account_id": "acct_1" }),
                session(KeyScope::Full, SignedDuration::from_hours(1), None),
            ),
            (
                json!({ "action": "create_session", "account_id": "acct_1", "scope": "read", "expires_in": 900,
                    "api_url": "https://hooks.example.com/" }),
                session(KeyScope::Read, SignedDuration::from_mins(15), Some("https://hooks.example.com")),
            ),
        ] {
            assert_eq!(parse(&request), Ok(parsed), "{request}");
        }
    }

    #[test]
    fn a_wrong_field_is_named_with_what_would_be_right() {
        let key = json!({ "key_hash": HASH, "account_id": "acct_1", "id": "42" });
        for (request, field, words) in [
            (json!({}), "action", "action is required: one of create, list"),
            (json!({ "action": "delete" }), "action", "action is \"delete\"; expected one of create"),
            (json!({ "action": "create" }), "account_id", "account_id is required"),
            (json!({ "action": "create", "account_id": "a b" }), "account_id", "must be 1 to 64"),
            (json!({ "action": "create", "account_id": "a", "label": "" }), "label", "1 to 100 characters"),
            (json!({ "action": "create", "account_id": "a", "scope": "write" }), "scope", "expected full or read"),
            (json!({ "action": "create", "account_id": "a", "expires_at": 1 }), "expires_at", "RFC 3339"),
            (
                json!({ "action": "create", "account_id": "a", "expires_at": "2026-01-01T00:00:00Z" }),
                "expires_at",
                "must be in the future",
            ),
            (json!({ "action": "create", "account": "a" }), "account", "there is no field \"account\""),
            (json!({ "action": "list", "account_id": "a", "id": "1" }), "id", "there is no field \"id\""),
            (json!({ "action": "revoke", "id": "a b" }), "id", "visible ASCII"),
            (json!({ "action": "import", "keys": [] }), "keys", "send 1 to 1000"),
            (json!({ "action": "import", "keys": [key, key] }), "keys", "keys[1]: it has the key_hash of keys[0]"),
            (json!({ "action": "import", "keys": [key, { "key_hash": "sk-1" }] }), "keys", "keys[1]: key_hash must be"),
            (
                json!({ "action": "create_session", "account_id": "a", "expires_in": 60 }),
                "expires_in",
                "from 900 to 43200",
            ),
            (json!({ "action": "create_session", "account_id": "a", "api_url": "x.com" }), "api_url", "https://api"),
            (
                json!({ "action": "create_session", "account_id": "a", "api_url": "http://x.com" }),
                "api_url",
                "https://api",
            ),
            (
                json!({ "action": "create_session", "account_id": "a", "api_url": "https://a:b@x.com" }),
                "api_url",
                "https:",
            ),
            (
                json!({ "action": "create_session", "account_id": "a", "api_url": "https://x/console" }),
                "api_url",
                "https:",
            ),
            (json!({ "action": "create", "account_id": "a", "label": KEY }), "label", "must not be a key"),
            (json!({ "action": "create", "account_id": KEY }), "account_id", "is a key itself"),
            (json!({ "action": "revoke", "id": KEY }), "id", "is a key itself"),
        ] {
            let refused = parse(&request).unwrap_err();
            assert_eq!(refused.field_name(), Some(field), "{request}: {refused}");
            assert!(refused.to_string().contains(words), "{request}: {refused}");
        }
        assert!(KeysRequest::parse(b"[1", Timestamp::now()).unwrap_err().to_string().contains("is not JSON"));
        assert!(parse(&json!([])).is_err());
    }
}
