//! The deliveries table: `webhook` (`account#id`) and `id`, one item per delivery that had an attempt or was cancelled.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    types::{AttributeValue, KeysAndAttributes},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    StoreError,
    webhooks::{WebhookItem, Webhooks, key as webhook_key},
};
use crate::{
    delivery::{Attempt, Delivery, DeliveryId, Message, State},
    webhook::{EventType, Webhook},
};

/// The table of deliveries, beside the webhooks that they go to.
#[derive(Debug, Clone)]
pub struct Deliveries {
    client: Client,
    table: String,
    webhooks: Webhooks,
    retention_days: u32,
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
    /// The table of this name. An item is kept for `retention_days` after its last change.
    pub fn new(aws: &aws_config::SdkConfig, table: String, webhooks: Webhooks, retention_days: u32) -> Self {
        Self { client: Client::new(aws), table, webhooks, retention_days }
    }

    /// Reads, in one call, what is known of each message's delivery and webhook: as both are at this moment. The
    /// result is in the order of the messages.
    pub async fn read(&self, messages: Vec<Message>) -> Result<Vec<(Delivery, Option<Webhook>)>, StoreError> {
        let mut items = self.read_all(self.requests(&messages)).await?;
        let deliveries: Vec<DeliveryItem> = parsed(items.remove(&self.table))?;
        let deliveries: HashMap<_, _> = deliveries.iter().map(|item| ((&item.webhook, &item.id), item)).collect();
        let webhooks: Vec<WebhookItem> = parsed(items.remove(self.webhooks.table()))?;
        let webhooks = webhooks.into_iter().map(Webhook::from);
        let webhooks: HashMap<_, _> =
            webhooks.map(|webhook| ((webhook.account_id.clone(), webhook.id), webhook)).collect();
        let known = messages.into_iter().map(|message| {
            let webhook = webhooks.get(&(message.account_id.clone(), message.webhook_id)).cloned();
            let delivery = match deliveries.get(&(&webhook_name(&message), &message.delivery_id)) {
                Some(item) => item.delivery(message),
                None => Delivery::pending(message),
            };
            (delivery, webhook)
        });
        Ok(known.collect())
    }

    /// Stores a delivery as it now is, unless another dispatcher has stored it since it was read.
    pub async fn record(&self, delivery: &Delivery, now: Timestamp) -> Result<(), RecordError> {
        let expires_at = now.as_second() + i64::from(self.retention_days) * 86_400;
        let item = serde_dynamo::to_item(DeliveryItem::new(delivery, expires_at)).expect("a delivery is a valid item");
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(version) OR version = :read")
            .expression_attribute_values(":read", AttributeValue::N(delivery.version.to_string()))
            .send()
            .await
            .map_err(|err| match err.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => RecordError::Superseded,
                _ => StoreError::while_trying_to("record a delivery")(err).into(),
            })?;
        Ok(())
    }

    /// One request for each thing, since DynamoDB refuses a batch that names one twice.
    fn requests(&self, messages: &[Message]) -> Requests {
        let deliveries: HashSet<_> =
            messages.iter().map(|message| (webhook_name(message), &message.delivery_id)).collect();
        let webhooks: HashSet<_> = messages.iter().map(|message| (&message.account_id, message.webhook_id)).collect();
        let deliveries = deliveries.into_iter().map(|(webhook, id)| {
            HashMap::from([
                ("webhook".to_owned(), AttributeValue::S(webhook)),
                ("id".to_owned(), AttributeValue::S(id.to_string())),
            ])
        });
        let webhooks = webhooks.into_iter().map(|(account, id)| webhook_key(account, id));
        HashMap::from([
            (self.table.clone(), consistent(deliveries.collect())),
            (self.webhooks.table().to_owned(), consistent(webhooks.collect())),
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

fn consistent(keys: Vec<Item>) -> KeysAndAttributes {
    KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().expect("has its keys")
}

fn parsed<T: DeserializeOwned>(items: Option<Vec<Item>>) -> Result<Vec<T>, StoreError> {
    serde_dynamo::from_items(items.unwrap_or_default()).map_err(StoreError::while_trying_to(READING))
}

/// A webhook's name in this table. No account id can hold the `#`.
fn webhook_name(message: &Message) -> String {
    format!("{}#{}", message.account_id, message.webhook_id)
}

#[derive(Serialize, Deserialize)]
struct DeliveryItem {
    webhook: String,
    id: DeliveryId,
    event: EventType,
    state: State,
    attempts: Vec<Attempt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    body: String,
    version: u64,
    /// Unix seconds after which DynamoDB's time to live removes the item.
    expires_at: i64,
}

impl DeliveryItem {
    fn new(delivery: &Delivery, expires_at: i64) -> Self {
        let Delivery { message, state, attempts, next_attempt_at, version } = delivery.clone();
        Self {
            webhook: webhook_name(&message),
            id: message.delivery_id,
            event: message.event,
            state,
            attempts,
            next_attempt_at,
            body: message.body,
            version: version + 1,
            expires_at,
        }
    }

    fn delivery(&self, message: Message) -> Delivery {
        Delivery {
            message,
            state: self.state,
            attempts: self.attempts.clone(),
            next_attempt_at: self.next_attempt_at,
            version: self.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Outcome;

    #[test]
    fn an_item_gives_back_the_delivery_that_it_was_made_of() {
        let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let outcomes = [
            Outcome::Blocked { detail: "no".into() },
            Outcome::Timeout,
            Outcome::Http { http_status: 503, response: "busy \u{FFFE}".into() },
        ];
        let message: Message = serde_json::from_str(
            r#"{"account_id":"a","webhook_id":3,"delivery_id":"01","event":"job.failed","body":"{}"}"#,
        )
        .unwrap();
        let delivery = Delivery {
            state: State::Retrying,
            attempts: outcomes.map(|outcome| Attempt { started_at: at, duration_ms: 7, outcome }).into(),
            next_attempt_at: Some(at),
            version: 3,
            ..Delivery::pending(message.clone())
        };
        let item: Item = serde_dynamo::to_item(DeliveryItem::new(&delivery, 1)).unwrap();
        assert_eq!(item["webhook"], AttributeValue::S("a#3".into()));
        let read: DeliveryItem = serde_dynamo::from_item(item).unwrap();
        assert_eq!(read.delivery(message), Delivery { version: 4, ..delivery });
    }
}
