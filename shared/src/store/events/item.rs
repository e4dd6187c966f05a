//! An event as it is stored.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::packed;
use crate::{
    event::{Event, Recipients},
    names::{AccountId, EventId, EventType, WebhookId},
    store::shards::SHARDS,
    webhook::Callback,
};

/// The partition key of an event: its account and one of [`SHARDS`] shards, by its id. No account id can contain `#`.
pub(super) fn partition(account: &AccountId, id: &EventId) -> String {
    shard_name(account, id.shard(SHARDS))
}

/// The partition key of one shard of an account.
pub(super) fn shard_name(account: &AccountId, shard: u8) -> String {
    format!("{account}#{shard}")
}

/// The fields are borrowed for a write, and owned after a read.
#[derive(Serialize, Deserialize)]
pub(super) struct EventItem<'a> {
    account: String,
    id: Cow<'a, EventId>,
    event: EventType,
    task_id: Cow<'a, str>,
    task_type: Cow<'a, str>,
    /// Missing if it was erased, and in a list.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "packed")]
    body: Option<Cow<'a, str>>,
    sent_to: Cow<'a, [WebhookId]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    disabled: Cow<'a, [WebhookId]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    unsubscribed: Cow<'a, [WebhookId]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    other_type: Cow<'a, [WebhookId]>,
    /// Missing if there is none, and in a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback: Option<Cow<'a, Callback>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_test: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    erased_at: Option<Timestamp>,
    /// Unix seconds after which DynamoDB's time to live removes the item.
    expires_at: i64,
}

impl<'a> EventItem<'a> {
    pub(super) fn new(event: &'a Event, expires_at: i64) -> Self {
        let Event { account_id, id, event, task_id, task_type, body, recipients, callback, is_test, erased_at } = event;
        Self {
            account: partition(account_id, id),
            id: Cow::Borrowed(id),
            event: *event,
            task_id: task_id.into(),
            task_type: task_type.into(),
            body: body.as_deref().map(Cow::Borrowed),
            sent_to: Cow::Borrowed(&recipients.sent_to),
            disabled: Cow::Borrowed(&recipients.disabled),
            unsubscribed: Cow::Borrowed(&recipients.unsubscribed),
            other_type: Cow::Borrowed(&recipients.other_type),
            callback: callback.as_ref().map(Cow::Borrowed),
            is_test: *is_test,
            erased_at: *erased_at,
            expires_at,
        }
    }

    /// Converts the item to an event. The caller knows the account, so it is not parsed from the key.
    pub(super) fn event(self, account: &AccountId) -> Event {
        Event {
            account_id: account.clone(),
            id: self.id.into_owned(),
            event: self.event,
            task_id: self.task_id.into_owned(),
            task_type: self.task_type.into_owned(),
            body: self.body.map(Cow::into_owned),
            recipients: Recipients {
                sent_to: self.sent_to.into_owned(),
                disabled: self.disabled.into_owned(),
                unsubscribed: self.unsubscribed.into_owned(),
                other_type: self.other_type.into_owned(),
            },
            callback: self.callback.map(Cow::into_owned),
            is_test: self.is_test,
            erased_at: self.erased_at,
        }
    }
}
