//! The deliveries table: `webhook` (`account#id`) and `id`, one item per delivery that had an attempt or was cancelled.

mod history;
mod hours;
mod item;
mod record;
mod stream;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes},
};
pub use history::{Filter, Page};
use item::{DeliveryItem, webhook_name};
use serde::de::DeserializeOwned;
pub use stream::Changes;

use super::{
    StoreError,
    webhooks::{WebhookItem, Webhooks, key as webhook_key},
};
use crate::{
    delivery::{Delivery, DeliveryId, Message},
    webhook::{AccountId, Webhook, WebhookId},
};

/// The table of deliveries.
#[derive(Debug, Clone)]
pub struct Deliveries {
    client: Client,
    table: String,
}

/// What is stored of a message's delivery and its webhook.
#[derive(Debug)]
pub struct Stored {
    /// Nothing, before the first attempt.
    pub delivery: Option<Delivery>,
    /// Nothing, once it was deleted.
    pub webhook: Option<Webhook>,
}

impl Stored {
    fn has_active_webhook(&self) -> bool {
        self.webhook.as_ref().is_some_and(Webhook::is_active)
    }
}

/// Why a delivery was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Another dispatcher recorded the same delivery since this one read it.
    #[error("the delivery was recorded by someone else meanwhile")]
    Superseded,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// DynamoDB answers a batch in part when it is busy; it is asked again for the rest this often.
const READ_ROUNDS: u32 = 5;

const READING: &str = "read deliveries and their webhooks";

type Item = HashMap<String, AttributeValue>;
type Requests = HashMap<String, KeysAndAttributes>;

impl Deliveries {
    /// The table of this name.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// Reads, in one call, what is stored of each message's delivery and webhook. The result is in the order of the
    /// messages; an item that cannot be read fails its own message alone.
    ///
    /// Both are as they are at this moment, except where all messages are `new`, which fan-out has sent and nobody has had
    /// yet: then they may be as they were a moment ago, usually less than a second, which costs half. None of these is
    /// told that its webhook is gone or disabled without a second look.
    /// See `docs/decisions/0022-a-first-look-costs-half.md`.
    pub async fn read(
        &self,
        webhooks: &Webhooks,
        messages: &[Message],
        new: bool,
    ) -> Result<Vec<Result<Stored, StoreError>>, StoreError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        if new {
            let stored = self.read_once(webhooks, messages, false).await?;
            if stored.iter().flatten().all(Stored::has_active_webhook) {
                return Ok(stored);
            }
        }
        self.read_once(webhooks, messages, true).await
    }

    async fn read_once(
        &self,
        webhooks: &Webhooks,
        messages: &[Message],
        consistent: bool,
    ) -> Result<Vec<Result<Stored, StoreError>>, StoreError> {
        let items = self.read_all(self.requests(webhooks, messages, consistent)).await?;
        let item = |table: &str, key: &Item| {
            let items = items.get(table)?;
            items.iter().find(|item| key.iter().all(|(name, value)| item.get(name) == Some(value))).cloned()
        };
        let stored = messages.iter().map(|Message { account_id, webhook_id, delivery_id, .. }| {
            let delivery = item(&self.table, &key(account_id, *webhook_id, delivery_id));
            let delivery: Option<DeliveryItem> = delivery.map(parsed).transpose()?;
            let webhook = item(webhooks.table(), &webhook_key(account_id, *webhook_id));
            let webhook: Option<WebhookItem> = webhook.map(parsed).transpose()?;
            Ok(Stored {
                delivery: delivery.map(|item| item.delivery(account_id, *webhook_id)),
                webhook: webhook.map(Webhook::from),
            })
        });
        Ok(stored.collect())
    }

    /// One delivery, as it is at this moment.
    pub async fn find(
        &self,
        account: &AccountId,
        webhook: WebhookId,
        id: &DeliveryId,
    ) -> Result<Option<Delivery>, StoreError> {
        let doing = "read a delivery";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(account, webhook, id)));
        let found = get.consistent_read(true).send().await.map_err(StoreError::while_trying_to(doing))?;
        let Some(item) = found.item else { return Ok(None) };
        let item: DeliveryItem = serde_dynamo::from_item(item).map_err(StoreError::while_trying_to(doing))?;
        Ok(Some(item.delivery(account, webhook)))
    }

    /// One request for each thing, since DynamoDB refuses a batch that names one twice.
    fn requests(&self, webhooks: &Webhooks, messages: &[Message], consistent: bool) -> Requests {
        let webhook_keys: HashSet<_> =
            messages.iter().map(|message| (&message.account_id, message.webhook_id)).collect();
        let delivery_keys: HashSet<_> =
            messages.iter().map(|message| (&message.account_id, message.webhook_id, &message.delivery_id)).collect();
        let webhook_keys = webhook_keys.into_iter().map(|(account, id)| webhook_key(account, id));
        let delivery_keys = delivery_keys.into_iter().map(|(account, webhook, id)| key(account, webhook, id));
        HashMap::from([
            (webhooks.table().to_owned(), keys(webhook_keys.collect(), consistent)),
            (self.table.clone(), keys(delivery_keys.collect(), consistent)),
        ])
    }

    /// The items of each table by the table's name.
    async fn read_all(&self, mut requests: Requests) -> Result<HashMap<String, Vec<Item>>, StoreError> {
        let mut items: HashMap<String, Vec<Item>> = HashMap::new();
        for round in 0..READ_ROUNDS {
            let answer = self
                .client
                .batch_get_item()
                .set_request_items(Some(requests))
                .send()
                .await
                .map_err(StoreError::while_trying_to(READING))?;
            for (table, part) in answer.responses.unwrap_or_default() {
                items.entry(table).or_default().extend(part);
            }
            requests = answer.unprocessed_keys.unwrap_or_default();
            if requests.is_empty() {
                return Ok(items);
            }
            tokio::time::sleep(Duration::from_millis(50 << round)).await;
        }
        Err(StoreError::while_trying_to(READING)("the table left part of the batch unread, time and again"))
    }
}

fn key(account: &AccountId, webhook: WebhookId, id: &DeliveryId) -> Item {
    HashMap::from([
        ("webhook".to_owned(), AttributeValue::S(webhook_name(account, webhook))),
        ("id".to_owned(), AttributeValue::S(id.to_string())),
    ])
}

fn keys(keys: Vec<Item>, consistent: bool) -> KeysAndAttributes {
    KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(consistent).build().expect("has its keys")
}

fn parsed<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(StoreError::while_trying_to(READING))
}
