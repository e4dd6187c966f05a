//! A webhook as it is stored, with the text of its secrets. So nothing here has `Debug`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    names::{AccountId, WebhookId},
    webhook::{
        CallbackHost, Health, Metadata, Pace, PreviousSecret, Resend, Secret, StaticHeaders, Status, Subscription,
        TaskTypes, Webhook,
    },
};

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct WebhookItem {
    account_id: AccountId,
    id: WebhookId,
    url: String,
    events: Subscription,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    callback_hosts: Vec<CallbackHost>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Names and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_per_minute: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task_types: Option<TaskTypes>,
    /// Missing if an earlier version created the webhook. The same for `updated_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    status: Status,
    /// When the owner last disabled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disabled_at: Option<Timestamp>,
    secret: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    previous_secrets: Vec<PreviousSecretItem>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_switches_at: Option<Timestamp>,
    /// Raised with each change of the URL or the status.
    #[serde(default)]
    epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probe_asked_at: Option<Timestamp>,
    /// The API begins and removes it, and `release` advances it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resend: Option<Resend>,
    /// The sort key of the index `by-action`. Its partition key, `action_shard`, is written with it and never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action_at: Option<Timestamp>,
    /// Only watch-webhooks writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    health: Option<Health>,
    /// Only `release` writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pace: Option<Pace>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PreviousSecretItem {
    secret: String,
    expires_at: Timestamp,
}

impl From<&Webhook> for WebhookItem {
    /// The item of a webhook that was just created: it has no health, and `release` need not look at it.
    fn from(webhook: &Webhook) -> Self {
        let Webhook {
            account_id,
            id,
            url,
            events,
            callback_hosts,
            description,
            headers,
            max_per_minute,
            metadata,
            task_types,
            created_at,
            updated_at,
            status,
            disabled_by_owner_at: disabled_at,
            secret,
            previous_secrets,
            secret_switches_at,
            epoch,
            ..
        } = webhook.clone();
        let previous_secrets = previous_secrets.iter().map(PreviousSecretItem::from).collect();
        let (secret, probe_asked_at, action_at) = (secret.reveal().to_owned(), None, None);
        let (health, pace, resend) = (None, None, None);
        Self {
            account_id,
            id,
            url,
            events,
            callback_hosts,
            description,
            headers: header_values(&headers),
            max_per_minute,
            metadata,
            task_types,
            created_at,
            updated_at,
            status,
            disabled_at,
            secret,
            previous_secrets,
            secret_switches_at,
            epoch,
            probe_asked_at,
            resend,
            action_at,
            health,
            pace,
        }
    }
}

impl From<WebhookItem> for Webhook {
    fn from(item: WebhookItem) -> Self {
        Self {
            account_id: item.account_id,
            id: item.id,
            url: item.url,
            events: item.events,
            callback_hosts: item.callback_hosts,
            description: item.description,
            headers: StaticHeaders::stored(item.headers),
            max_per_minute: item.max_per_minute,
            metadata: item.metadata,
            task_types: item.task_types,
            created_at: item.created_at,
            updated_at: item.updated_at,
            status: item.status,
            disabled_by_owner_at: item.disabled_at,
            secret: Secret::stored(item.secret),
            previous_secrets: item.previous_secrets.into_iter().map(PreviousSecret::from).collect(),
            secret_switches_at: item.secret_switches_at,
            epoch: item.epoch,
            probe_asked_at: item.probe_asked_at,
            resend: item.resend,
            action_at: item.action_at,
            stored_health: item.health.unwrap_or_default(),
            stored_pace: item.pace.unwrap_or_default(),
        }
    }
}

/// The attribute `headers`.
pub(super) fn header_values(headers: &StaticHeaders) -> BTreeMap<String, String> {
    headers.reveal().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl From<&PreviousSecret> for PreviousSecretItem {
    fn from(previous: &PreviousSecret) -> Self {
        Self { secret: previous.secret.reveal().to_owned(), expires_at: previous.expires_at }
    }
}

impl From<PreviousSecretItem> for PreviousSecret {
    fn from(item: PreviousSecretItem) -> Self {
        Self { secret: Secret::stored(item.secret), expires_at: item.expires_at }
    }
}
