//! The API keys table. It stores `key_hash`, never the key.

use aws_sdk_dynamodb::{Client, operation::update_item::UpdateItemError, types::AttributeValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    api_key::ApiKey,
    aws::{AwsError, WhileTryingTo as _},
    config::{self, ConfigError},
    names::AccountId,
};

/// The API keys table.
#[derive(Debug, Clone)]
pub struct ApiKeys {
    client: Client,
    table: String,
}

/// The stored record of a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyRecord {
    /// SHA-256 of the key, in hex.
    pub key_hash: String,
    /// Names the key to the operator without revealing it.
    pub id: String,
    /// The account whose requests it authenticates.
    pub account_id: AccountId,
    pub created_at: Timestamp,
    /// When it was revoked: from then on it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When DynamoDB's time to live removes a revoked key, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

/// How long a revoked key stays listed, in seconds: 90 days.
const REVOKED_KEPT: i64 = 90 * 86_400;

impl ApiKeys {
    /// The table of this name.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// The table that `API_KEYS_TABLE` names. Fails if the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("API_KEYS_TABLE")?))
    }

    /// Returns the account that a key belongs to, or `None` if the key is unknown or revoked.
    ///
    /// The look-up is by hash, so its duration does not reveal how much of a guessed key was right.
    pub async fn account_of(&self, key: &ApiKey) -> Result<Option<AccountId>, AwsError> {
        let doing = "look up an API key";
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("key_hash", AttributeValue::S(key.hash()))
            // A key that was just revoked must be refused, and a key that was just created must work.
            .consistent_read(true)
            .send()
            .await
            .while_trying_to(doing)?;
        let Some(item) = found.item else { return Ok(None) };
        let record: KeyRecord = serde_dynamo::from_item(item).while_trying_to(doing)?;
        Ok(record.revoked_at.is_none().then_some(record.account_id))
    }

    /// Stores a new key of an account, and returns its record.
    pub async fn add(&self, key: &ApiKey, account_id: AccountId, now: Timestamp) -> Result<KeyRecord, AwsError> {
        let record = KeyRecord {
            key_hash: key.hash(),
            id: key.id(),
            account_id,
            created_at: now,
            revoked_at: None,
            expires_at: None,
        };
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(serde_dynamo::to_item(&record).expect("a key's record is a valid item")))
            .condition_expression("attribute_not_exists(key_hash)")
            .send()
            .await
            .while_trying_to("add an API key")?;
        Ok(record)
    }

    /// Returns every key, oldest first. Reads the whole table, so it is for the operator's command, not for a
    /// request.
    pub async fn list(&self) -> Result<Vec<KeyRecord>, AwsError> {
        let doing = "list API keys";
        let items = self.client.scan().table_name(&self.table).consistent_read(true).into_paginator().items().send();
        let items = items.collect::<Result<Vec<_>, _>>().await.while_trying_to(doing)?;
        let mut records: Vec<KeyRecord> = serde_dynamo::from_items(items).while_trying_to(doing)?;
        records.sort_by_key(|record| record.created_at);
        Ok(records)
    }

    /// Returns every key of one account, oldest first. A key that was created a moment ago may be missing: the index
    /// is eventually consistent.
    pub async fn list_of(&self, account: &AccountId) -> Result<Vec<KeyRecord>, AwsError> {
        self.query("by-account", "account_id", account.to_string(), "list an account's API keys").await
    }

    /// Returns the key with this id, or `None`. A key that was created a moment ago may be missing: the index is
    /// eventually consistent.
    pub async fn find(&self, id: &str) -> Result<Option<KeyRecord>, AwsError> {
        Ok(self.query("by-id", "id", id.to_owned(), "look up an API key by its id").await?.pop())
    }

    async fn query(
        &self,
        index: &str,
        attribute: &str,
        value: String,
        doing: &'static str,
    ) -> Result<Vec<KeyRecord>, AwsError> {
        let query = self.client.query().table_name(&self.table).index_name(index);
        let query =
            query.key_condition_expression("#attribute = :value").expression_attribute_names("#attribute", attribute);
        let query =
            query.expression_attribute_values(":value", AttributeValue::S(value)).into_paginator().items().send();
        let items = query.collect::<Result<Vec<_>, _>>().await.while_trying_to(doing)?;
        serde_dynamo::from_items(items).while_trying_to(doing)
    }

    /// Deletes a key immediately, for a caller that created it for a short use. Any other key is revoked, and stays
    /// listed for 90 days.
    pub async fn forget(&self, record: &KeyRecord) -> Result<(), AwsError> {
        let forget = self.client.delete_item().table_name(&self.table);
        let forget = forget.key("key_hash", AttributeValue::S(record.key_hash.clone()));
        forget.send().await.while_trying_to("forget an API key")?;
        Ok(())
    }

    /// Revokes a listed key. Returns `false`, changing nothing, if it no longer exists or was revoked before.
    pub async fn revoke(&self, record: &KeyRecord, now: Timestamp) -> Result<bool, AwsError> {
        let revoked = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("key_hash", AttributeValue::S(record.key_hash.clone()))
            .update_expression("SET revoked_at = :now, expires_at = :forget")
            .condition_expression("attribute_exists(key_hash) AND attribute_not_exists(revoked_at)")
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .expression_attribute_values(":forget", AttributeValue::N((now.as_second() + REVOKED_KEPT).to_string()))
            .send()
            .await;
        match revoked {
            Ok(_) => Ok(true),
            Err(err) => match err.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(AwsError::new("revoke an API key", err)),
            },
        }
    }
}
