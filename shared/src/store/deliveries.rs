//! The deliveries table, keyed by `webhook` (`account#id#shard`) and `id`: one item for each delivery about which something
//! was recorded. It also has long answers, hourly counters ([`hours`]) and monthly counters ([`months`]).

mod answers;
mod attempt_item;
mod by_event;
mod erase;
mod held;
mod history;
mod hours;
mod item;
mod months;
mod record;
mod stream;

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes},
};
pub use history::{DeliveryName, Filter, Page};
use item::{DeliveryItem, partition};
pub use record::{WriteResult, expires_at};
use serde::de::DeserializeOwned;
pub use stream::Changes;

use super::{
    events::{self, Events},
    webhooks::{WebhookItem, Webhooks, key as webhook_key},
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    config::{self, ConfigError},
    delivery::{Delivery, Message},
    event::Event,
    names::{AccountId, EventId, WebhookId},
    webhook::Webhook,
};

/// The deliveries table.
#[derive(Debug, Clone)]
pub struct Deliveries {
    client: Client,
    table: String,
}

/// The tables that the dispatcher reads in one call.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    pub webhooks: &'a Webhooks,
    pub events: &'a Events,
}

/// The stored delivery, webhook and event that a message names.
#[derive(Debug)]
pub struct Stored {
    /// `None` if nothing was recorded yet.
    pub delivery: Option<Delivery>,
    /// `None` if it was deleted.
    pub webhook: Option<Webhook>,
    /// `None` if it is no longer kept, or if the message has the payload.
    pub event: Option<Event>,
}

const READING: &str = "read deliveries, their webhooks and their events";

type Item = HashMap<String, AttributeValue>;
type Requests = HashMap<String, KeysAndAttributes>;

impl Deliveries {
    /// The table of this name.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// The table that `DELIVERIES_TABLE` names. Fails if the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("DELIVERIES_TABLE")?))
    }

    /// Reads the stored delivery and webhook of each message in one call, and the event of each message without a
    /// payload, and returns them in the order of the messages. An item that cannot be parsed fails only its own
    /// messages. `Ok(None)` means that the table was too busy for this message: read it again.
    ///
    /// An eventually consistent read costs half, and may return an older state, usually less than a second old. See
    /// `docs/decisions/0022-a-first-look-costs-half.md`.
    pub async fn read(
        &self,
        Tables { webhooks, events }: Tables<'_>,
        messages: &[&Message],
        consistent: bool,
    ) -> Result<Vec<Result<Option<Stored>, AwsError>>, AwsError> {
        let requests = self.requests(Tables { webhooks, events }, messages, consistent);
        let answer = self.client.batch_get_item().set_request_items(Some(requests)).send().await;
        let answer = answer.while_trying_to(READING)?;
        let (items, unread) = (answer.responses.unwrap_or_default(), answer.unprocessed_keys.unwrap_or_default());
        let is_unread = |table: &str, key: &Item| unread.get(table).is_some_and(|unread| unread.keys.contains(key));
        let item = |table: &str, key: &Item| {
            let items = items.get(table)?;
            items.iter().find(|item| key.iter().all(|(name, value)| item.get(name) == Some(value))).cloned()
        };
        let stored = messages.iter().map(|Message { account_id, webhook_id, event_id, .. }| {
            let delivery_key = key(account_id, *webhook_id, event_id);
            let webhook_key = webhook_key(account_id, *webhook_id);
            let event_key = events::key(account_id, event_id);
            let keys = [(&*self.table, &delivery_key), (webhooks.table(), &webhook_key), (events.table(), &event_key)];
            if keys.into_iter().any(|(table, key)| is_unread(table, key)) {
                return Ok(None);
            }
            let delivery: Option<DeliveryItem> = item(&self.table, &delivery_key).map(parsed).transpose()?;
            let webhook: Option<WebhookItem> = item(webhooks.table(), &webhook_key).map(parsed).transpose()?;
            Ok(Some(Stored {
                delivery: delivery.map(|item| item.delivery(account_id, *webhook_id)),
                webhook: webhook.map(Webhook::from),
                event: item(events.table(), &event_key).map(|item| events::event(item, account_id)).transpose()?,
            }))
        });
        Ok(stored.collect())
    }

    /// Returns one delivery, read consistently, or `None` if nothing is stored.
    pub async fn find(
        &self,
        account: &AccountId,
        webhook: WebhookId,
        id: &EventId,
    ) -> Result<Option<Delivery>, AwsError> {
        let doing = "read a delivery";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(account, webhook, id)));
        let found = get.consistent_read(true).send().await.while_trying_to(doing)?;
        let Some(item) = found.item else { return Ok(None) };
        let item: DeliveryItem = serde_dynamo::from_item(item).while_trying_to(doing)?;
        Ok(Some(item.delivery(account, webhook)))
    }

    /// Like [`Self::find`], and also reads the answers that are stored apart.
    pub async fn find_with_answers(
        &self,
        account: &AccountId,
        webhook: WebhookId,
        id: &EventId,
    ) -> Result<Option<Delivery>, AwsError> {
        let Some(mut delivery) = self.find(account, webhook, id).await? else { return Ok(None) };
        if delivery.attempts.iter().all(|attempt| attempt.answer.is_none()) {
            return Ok(Some(delivery));
        }
        self.read_answers((account, webhook, id), &mut delivery).await?;
        Ok(Some(delivery))
    }

    /// Requests each item once: DynamoDB refuses a batch that names an item twice.
    fn requests(&self, tables: Tables<'_>, messages: &[&Message], consistent: bool) -> Requests {
        let webhook_keys: HashSet<_> =
            messages.iter().map(|message| (&message.account_id, message.webhook_id)).collect();
        let delivery_keys: HashSet<_> =
            messages.iter().map(|message| (&message.account_id, message.webhook_id, &message.event_id)).collect();
        let without_payload = messages.iter().filter(|message| message.payload.is_none());
        let event_keys: HashSet<_> = without_payload.map(|message| (&message.account_id, &message.event_id)).collect();
        let event_keys: Vec<_> = event_keys.into_iter().map(|(account, id)| events::key(account, id)).collect();
        let webhook_keys = webhook_keys.into_iter().map(|(account, id)| webhook_key(account, id));
        let delivery_keys = delivery_keys.into_iter().map(|(account, webhook, id)| key(account, webhook, id));
        let mut requests = HashMap::from([
            (tables.webhooks.table().to_owned(), keys(webhook_keys.collect(), consistent)),
            (self.table.clone(), keys(delivery_keys.collect(), consistent)),
        ]);
        if !event_keys.is_empty() {
            requests.insert(tables.events.table().to_owned(), keys(event_keys, consistent));
        }
        requests
    }
}

fn key(account: &AccountId, webhook: WebhookId, id: &EventId) -> Item {
    item_key(partition(account, webhook, id), id.to_string())
}

fn item_key(webhook: String, id: String) -> Item {
    HashMap::from([("webhook".to_owned(), AttributeValue::S(webhook)), ("id".to_owned(), AttributeValue::S(id))])
}

fn keys(keys: Vec<Item>, consistent: bool) -> KeysAndAttributes {
    KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(consistent).build().expect("has its keys")
}

fn parsed<T: DeserializeOwned>(item: Item) -> Result<T, AwsError> {
    serde_dynamo::from_item(item).while_trying_to(READING)
}
