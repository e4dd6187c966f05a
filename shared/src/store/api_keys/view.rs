//! What is shown of a key. The hash is left out: nobody needs it, and it is the table's key.

use jiff::Timestamp;
use serde::Serialize;

use super::KeyRecord;
use crate::{
    api_key::{ApiKey, KeyScope},
    names::AccountId,
    reply_time::ReplyTime,
};

/// A key as the operator and the platform see it. Times are RFC 3339 in UTC with milliseconds.
#[derive(Serialize)]
pub struct KeyView<'a> {
    id: &'a str,
    account_id: &'a AccountId,
    label: Option<&'a str>,
    scope: KeyScope,
    created_at: ReplyTime,
    expires_at: Option<ReplyTime>,
    revoked_at: Option<ReplyTime>,
}

/// A key that was just created, with the key itself. It has no `Debug`, because it shows the key.
#[derive(Serialize)]
pub struct CreatedKey<'a> {
    #[serde(flatten)]
    view: KeyView<'a>,
    key: &'a str,
}

/// A key in a list.
#[derive(Serialize)]
pub struct ListedKey<'a> {
    #[serde(flatten)]
    view: KeyView<'a>,
    last_used_at: Option<ReplyTime>,
}

impl KeyRecord {
    /// What is shown of the key.
    pub fn view(&self) -> KeyView<'_> {
        KeyView {
            id: &self.id,
            account_id: &self.account_id,
            label: self.label.as_deref(),
            scope: self.scope,
            created_at: self.created_at.into(),
            expires_at: self.expires_at.map(ReplyTime::from),
            revoked_at: self.revoked_at.map(ReplyTime::from),
        }
    }

    /// What the reply shows that created the key: it is the only one with the key itself.
    pub fn created<'a>(&'a self, key: &'a ApiKey) -> CreatedKey<'a> {
        CreatedKey { view: self.view(), key: key.reveal() }
    }

    /// What a list shows of the key.
    pub fn listed(&self, last_used_at: Option<Timestamp>) -> ListedKey<'_> {
        ListedKey { view: self.view(), last_used_at: last_used_at.map(ReplyTime::from) }
    }
}
