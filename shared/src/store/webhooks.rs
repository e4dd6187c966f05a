//! The webhooks table: `account_id` and `id`, and per account one counter item with the id 0.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::{
        transact_write_items::{TransactWriteItemsError, TransactWriteItemsOutput},
        update_item::UpdateItemError,
    },
    types::{AttributeValue, Put, TransactWriteItem, Update},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::webhook::{AccountId, EventType, Health, HealthChange, NewWebhook, Secret, Status, Webhook, WebhookId};

/// The table of webhooks.
#[derive(Debug, Clone)]
pub struct Webhooks {
    client: Client,
    table: String,
}

/// Why a webhook was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The account has as many as it may.
    #[error("the account has {0} webhooks, which is the most it can have; delete one first")]
    LimitReached(usize),
    /// Others were creating webhooks for the account all the while.
    #[error("other webhooks of this account are being created at this moment; try again")]
    Contended,
    /// The table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often [`Webhooks::create`] tries to get a number. Every round in which it loses, another create has won, and the
/// waits spread the losers out; all of them together take about five of the function's 28 seconds.
const CREATE_ROUNDS: u32 = 30;

impl Webhooks {
    /// The table of this name.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// An account's webhooks, oldest first, as they are at this moment: a webhook created a second ago is among them.
    pub async fn list(&self, account: &AccountId) -> Result<Vec<Webhook>, StoreError> {
        Ok(self.read_account(account).await?.webhooks)
    }

    /// One webhook, as it is at this moment.
    pub async fn find(&self, account: &AccountId, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let doing = "read a webhook";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(account, id))).consistent_read(true);
        let found = get.send().await.map_err(StoreError::while_trying_to(doing))?;
        let Some(item) = found.item else { return Ok(None) };
        let item: WebhookItem = serde_dynamo::from_item(item).map_err(StoreError::while_trying_to(doing))?;
        Ok(Some(item.into()))
    }

    /// Keeps what an attempt meant for a webhook's health. It changes nothing of a webhook that was deleted meanwhile,
    /// and gives up none that had a success since this one was read.
    pub async fn change_health(
        &self,
        webhook: &Webhook,
        change: &HealthChange,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let disabled = |reason| vec![(":disabled", text("disabled")), (":reason", text(reason))];
        let disable = "SET #status = :disabled, disabled_reason = :reason";
        let (expression, condition, values) = match change {
            HealthChange::Recovered => ("REMOVE failing_since, consecutive_failures", "attribute_exists(id)", vec![]),
            HealthChange::Failed => (
                "SET failing_since = if_not_exists(failing_since, :now) ADD consecutive_failures :one",
                "attribute_exists(id)",
                vec![(":now", text(&now.to_string())), (":one", AttributeValue::N("1".into()))],
            ),
            HealthChange::Gone { reason } => (disable, "attribute_exists(id)", disabled(reason)),
            HealthChange::GivenUp { reason, since } => {
                let since = (":since", text(&since.to_string()));
                (disable, "failing_since = :since", [disabled(reason), vec![since]].concat())
            }
        };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(&webhook.account_id, webhook.id)))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(
                expression.contains("#status").then(|| HashMap::from([("#status".into(), "status".into())])),
            )
            .set_expression_attribute_values(
                (!values.is_empty())
                    .then(|| values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
            );
        match update.send().await {
            Ok(_) => Ok(()),
            Err(err) => match err.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(StoreError::while_trying_to("keep a webhook's health")(err)),
            },
        }
    }

    /// Registers a webhook under the account's next number.
    ///
    /// The counter and the webhook are written in one transaction that fails if the counter has moved since it was
    /// read. So no number is used twice, none is left out, and `limit` holds: whoever wins the last place moves the
    /// counter, and everybody else looks again and finds the account full.
    pub async fn create(&self, account: &AccountId, new: NewWebhook, limit: usize) -> Result<Webhook, CreateError> {
        let mut webhook = Webhook {
            account_id: account.clone(),
            id: WebhookId(0),
            url: new.url.as_str().to_owned(),
            events: new.events,
            status: Status::Active,
            secret: new.secret.unwrap_or_else(Secret::generate),
            health: Health::default(),
        };
        for round in 0..CREATE_ROUNDS {
            let existing = self.read_account(account).await?;
            if existing.webhooks.len() >= limit {
                return Err(CreateError::LimitReached(limit));
            }
            webhook.id = WebhookId(existing.last_id + 1);
            match self.put_next(&webhook, existing.last_id).await {
                Ok(_) => return Ok(webhook),
                Err(err) if lost_a_race(&err) => tokio::time::sleep(random_wait(round)).await,
                Err(err) => return Err(StoreError::while_trying_to("create a webhook")(err).into()),
            }
        }
        Err(CreateError::Contended)
    }

    /// Deletes a webhook for good. Says whether there was one.
    pub async fn delete(&self, account: &AccountId, id: WebhookId) -> Result<bool, StoreError> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(account, id)))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld)
            .send()
            .await
            .map_err(StoreError::while_trying_to("delete a webhook"))?;
        Ok(deleted.attributes.is_some())
    }

    /// The table's name, for a read that spans tables.
    pub(super) fn table(&self) -> &str {
        &self.table
    }

    async fn read_account(&self, account: &AccountId) -> Result<Account, StoreError> {
        let doing = "read an account's webhooks";
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("account_id = :account")
            .expression_attribute_values(":account", AttributeValue::S(account.to_string()))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(StoreError::while_trying_to(doing))?;
        let fault = StoreError::while_trying_to(doing);
        let mut account = Account::default();
        for item in items {
            if let Some(last_id) = item.get("last_id") {
                account.last_id = serde_dynamo::from_attribute_value(last_id.clone()).map_err(fault)?;
            } else {
                account.webhooks.push(serde_dynamo::from_item::<_, WebhookItem>(item).map_err(fault)?.into());
            }
        }
        Ok(account)
    }

    async fn put_next(
        &self,
        webhook: &Webhook,
        last_id: u64,
    ) -> Result<TransactWriteItemsOutput, SdkError<TransactWriteItemsError>> {
        let count = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(&webhook.account_id, WebhookId(0))))
            .update_expression("SET last_id = :next")
            .condition_expression("attribute_not_exists(last_id) OR last_id = :last")
            .expression_attribute_values(":next", AttributeValue::N(webhook.id.to_string()))
            .expression_attribute_values(":last", AttributeValue::N(last_id.to_string()));
        let item = serde_dynamo::to_item(WebhookItem::from(webhook)).expect("a webhook is a valid item");
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(id)");
        self.client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().update(count.build().expect("has its fields")).build())
            .transact_items(TransactWriteItem::builder().put(put.build().expect("has its fields")).build())
            .send()
            .await
    }
}

#[derive(Default)]
struct Account {
    last_id: u64,
    webhooks: Vec<Webhook>,
}

pub(super) fn key(account: &AccountId, id: WebhookId) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("account_id".to_owned(), AttributeValue::S(account.to_string())),
        ("id".to_owned(), AttributeValue::N(id.to_string())),
    ])
}

fn lost_a_race(err: &SdkError<TransactWriteItemsError>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = err.as_service_error() else {
        return false;
    };
    let lost = |code: Option<&str>| matches!(code, Some("ConditionalCheckFailed" | "TransactionConflict"));
    cancelled.cancellation_reasons().iter().any(|reason| lost(reason.code()))
}

/// Up to 25 ms after the first round, doubling to 400 ms.
fn random_wait(round: u32) -> Duration {
    let share = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    Duration::from_millis(25 << round.min(4)).mul_f64(share)
}

/// A webhook as it is stored, the text of its secret included.
#[derive(Serialize, Deserialize)]
pub(super) struct WebhookItem {
    account_id: AccountId,
    id: WebhookId,
    url: String,
    events: Vec<EventType>,
    status: Status,
    secret: String,
    #[serde(flatten)]
    health: Health,
}

impl From<&Webhook> for WebhookItem {
    fn from(webhook: &Webhook) -> Self {
        let Webhook { account_id, id, url, events, status, secret, health } = webhook.clone();
        Self { account_id, id, url, events, status, secret: secret.reveal().to_owned(), health }
    }
}

impl From<WebhookItem> for Webhook {
    fn from(item: WebhookItem) -> Self {
        let WebhookItem { account_id, id, url, events, status, secret, health } = item;
        Self { account_id, id, url, events, status, secret: Secret::stored(secret), health }
    }
}
