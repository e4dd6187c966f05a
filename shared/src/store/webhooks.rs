//! The webhooks table, keyed by `account_id` and `id`. Each account also has one counter item with the id 0 and, for
//! a day, one item for each request that came with an idempotency key.

mod action;
mod change;
mod create;
mod item;
mod requests;
mod resend;
mod update;

use std::collections::HashMap;

pub use action::ACTION_SHARDS;
use aws_sdk_dynamodb::{Client, types::AttributeValue};
pub use create::{CreateError, Created};
pub(super) use item::WebhookItem;
pub use requests::{Claim, ClaimResult, KeyedRequest, Noted, StoredReply};
pub use resend::BeginResult;

use crate::{
    aws::{AwsError, WhileTryingTo as _},
    config::{self, ConfigError},
    names::{AccountId, WebhookId},
    webhook::Webhook,
};

type Item = HashMap<String, AttributeValue>;

/// The webhooks table.
#[derive(Debug, Clone)]
pub struct Webhooks {
    client: Client,
    table: String,
}

impl Webhooks {
    /// The table of this name.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// The table that `WEBHOOKS_TABLE` names. Fails if the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("WEBHOOKS_TABLE")?))
    }

    /// Returns an account's webhooks, oldest first. The read is consistent: a webhook that was created a second ago
    /// is included.
    pub async fn list(&self, account: &AccountId) -> Result<Vec<Webhook>, AwsError> {
        Ok(self.read_account(account).await?.webhooks)
    }

    /// Returns the number of the account's newest webhook, which may be deleted; 0 if it never had one.
    pub async fn last_number(&self, account: &AccountId) -> Result<u64, AwsError> {
        Ok(self.read_account(account).await?.last_id)
    }

    /// Returns every account's webhooks, by account and then oldest first. Reads the whole table, so it is for the
    /// operator's command, not for a request.
    pub async fn list_all(&self) -> Result<Vec<Webhook>, AwsError> {
        let doing = "read every account's webhooks";
        let items = self
            .client
            .scan()
            .table_name(&self.table)
            // Counter items and idempotency items have no URL.
            .filter_expression("attribute_exists(#url)")
            .expression_attribute_names("#url", "url")
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .while_trying_to(doing)?;
        let mut webhooks = items.into_iter().map(|item| webhook(item, doing)).collect::<Result<Vec<_>, _>>()?;
        webhooks.sort_by(|one, other| (one.account_id.as_str(), one.id).cmp(&(other.account_id.as_str(), other.id)));
        Ok(webhooks)
    }

    /// Returns one webhook, read consistently, or `None` if it does not exist.
    pub async fn find(&self, account: &AccountId, id: WebhookId) -> Result<Option<Webhook>, AwsError> {
        let doing = "read a webhook";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(account, id))).consistent_read(true);
        let found = get.send().await.while_trying_to(doing)?;
        let Some(item) = found.item else { return Ok(None) };
        webhook(item, doing).map(Some)
    }

    /// Deletes a webhook permanently. Returns whether it existed.
    pub async fn delete(&self, account: &AccountId, id: WebhookId) -> Result<bool, AwsError> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(key(account, id)))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld)
            .send()
            .await
            .while_trying_to("delete a webhook")?;
        Ok(deleted.attributes.is_some())
    }

    /// The table's name, for a read that spans tables.
    pub(super) fn table(&self) -> &str {
        &self.table
    }

    async fn read_account(&self, account: &AccountId) -> Result<Account, AwsError> {
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
            .while_trying_to(doing)?;
        let mut account = Account::default();
        for item in items {
            if let Some(last_id) = item.get("last_id") {
                let last_id = serde_dynamo::from_attribute_value(last_id.clone());
                account.last_id = last_id.while_trying_to(doing)?;
            } else {
                account.webhooks.push(webhook(item, doing)?);
            }
        }
        Ok(account)
    }
}

#[derive(Default)]
struct Account {
    last_id: u64,
    webhooks: Vec<Webhook>,
}

fn webhook(item: Item, doing: &'static str) -> Result<Webhook, AwsError> {
    let item: WebhookItem = serde_dynamo::from_item(item).while_trying_to(doing)?;
    Ok(item.into())
}

pub(super) fn key(account: &AccountId, id: WebhookId) -> Item {
    item_key(account.to_string(), id.0)
}

/// The key of the item that counts an account's webhooks. No webhook has the number 0.
fn counter_key(account: &AccountId) -> Item {
    item_key(account.to_string(), 0)
}

fn item_key(partition: String, id: u64) -> Item {
    HashMap::from([
        ("account_id".to_owned(), AttributeValue::S(partition)),
        ("id".to_owned(), AttributeValue::N(id.to_string())),
    ])
}
