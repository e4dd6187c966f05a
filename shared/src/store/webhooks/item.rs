//! A webhook as it is stored, the text of its secrets included. Nothing here has `Debug`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::webhook::{AccountId, EventType, Health, PreviousSecret, Secret, Status, Webhook, WebhookId};

#[derive(Serialize, Deserialize)]
pub(in crate::store) struct WebhookItem {
    account_id: AccountId,
    id: WebhookId,
    url: String,
    events: Vec<EventType>,
    status: Status,
    secret: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    previous_secrets: Vec<PreviousSecretItem>,
    #[serde(flatten)]
    health: Health,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PreviousSecretItem {
    secret: String,
    expires_at: Timestamp,
}

impl From<&Webhook> for WebhookItem {
    fn from(webhook: &Webhook) -> Self {
        let Webhook { account_id, id, url, events, status, secret, previous_secrets, health, .. } = webhook.clone();
        let previous_secrets = previous_secrets.iter().map(PreviousSecretItem::from).collect();
        Self { account_id, id, url, events, status, secret: secret.reveal().to_owned(), previous_secrets, health }
    }
}

impl From<WebhookItem> for Webhook {
    fn from(item: WebhookItem) -> Self {
        let WebhookItem { account_id, id, url, events, status, secret, previous_secrets, health } = item;
        let previous_secrets = previous_secrets.into_iter().map(PreviousSecret::from).collect();
        Self { account_id, id, url, events, status, secret: Secret::stored(secret), previous_secrets, epoch: 0, health }
    }
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
