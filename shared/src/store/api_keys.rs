//! The API keys table. It stores `key_hash`, never the key.

mod view;

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::{Client, operation::update_item::UpdateItemError, types::AttributeValue};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::view::{CreatedKey, KeyView, ListedKey};
use super::statements::{self, STATEMENTS, Written, attributes, insert};
use crate::{
    api_key::{self, ApiKey, ImportedKey, KeyGrant, KeyScope},
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// SHA-256 of the key, in hex.
    pub key_hash: String,
    /// Names the key to the operator without revealing it. A platform chooses the ids of the keys that it imports;
    /// several keys may have the same one, and then share a rate limit and are revoked together.
    pub id: String,
    /// The account whose requests it authenticates.
    pub account_id: AccountId,
    pub created_at: Timestamp,
    /// The operator's note about the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What the key may do. Not stored if it is everything.
    #[serde(default, skip_serializing_if = "is_full")]
    pub scope: KeyScope,
    /// When it expires: from then on it is refused.
    #[serde(default, rename = "valid_until", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked: from then on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When DynamoDB's time to live removes the record of a key that is revoked or expired, in Unix seconds. The
    /// attribute has the same name in every table.
    #[serde(default, rename = "expires_at", skip_serializing_if = "Option::is_none")]
    removed_at: Option<i64>,
}

/// How many keys an import has stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ImportSummary {
    pub imported: usize,
    /// Keys that were there before. They were not changed: a revoked key stays revoked.
    pub existing: usize,
}

/// The wait before an import tries again what a busy table did not take.
const BUSY_WAIT: Duration = Duration::from_secs(1);

const IMPORTING: &str = "import API keys";

/// How long a generated key stays listed after it was revoked, in seconds: 90 days. An expired key stays listed for as
/// long as it was valid, but not for longer than this.
const KEPT: i64 = 90 * 86_400;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field")]
fn is_full(scope: &KeyScope) -> bool {
    *scope == KeyScope::Full
}

impl KeyRecord {
    /// The record of a new key, with the hash of that key and its id.
    pub fn new(key_hash: String, id: String, grant: KeyGrant, now: Timestamp) -> Self {
        let KeyGrant { account_id, label, scope, expires_at } = grant;
        let removed_at = expires_at.map(|end| {
            let valid = (end.as_second() - now.as_second()).clamp(0, KEPT);
            end.as_second() + valid
        });
        Self { key_hash, id, account_id, created_at: now, label, scope, expires_at, revoked_at: None, removed_at }
    }

    /// Whether a platform has chosen its id. Then the platform may import the key again.
    fn is_imported(&self) -> bool {
        self.id != api_key::id_of(&self.key_hash)
    }

    /// Whether the key is accepted now: it is neither revoked nor expired.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl ApiKeys {
    /// The table of this name.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// The table that `API_KEYS_TABLE` names. Fails if the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("API_KEYS_TABLE")?))
    }

    /// Returns the record of a key that is valid now, or `None` if the key is unknown, revoked or expired.
    ///
    /// The look-up is by hash, so its duration does not reveal how much of a guessed key was right.
    pub async fn find_valid(&self, key: &ApiKey, now: Timestamp) -> Result<Option<KeyRecord>, AwsError> {
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
        Ok(record.is_valid(now).then_some(record))
    }

    /// Stores a new key, and returns its record.
    pub async fn add(&self, key: &ApiKey, grant: KeyGrant, now: Timestamp) -> Result<KeyRecord, AwsError> {
        let record = KeyRecord::new(key.hash(), key.id(), grant, now);
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

    /// Stores keys that exist elsewhere. A key that is stored already is not changed, so an import that broke off can
    /// begin again. Fails at `until` if the table has been too busy for all of them.
    pub async fn import(
        &self,
        keys: &[ImportedKey],
        now: Timestamp,
        until: SystemTime,
    ) -> Result<ImportSummary, AwsError> {
        let record = |key: &ImportedKey| KeyRecord::new(key.key_hash.clone(), key.id.clone(), key.grant.clone(), now);
        let mut left: Vec<_> = keys.iter().map(record).collect();
        let mut summary = ImportSummary::default();
        loop {
            let parts = left.chunks(STATEMENTS).map(|part| self.insert(part));
            let parts: Vec<_> = join_all(parts).await.into_iter().collect::<Result<_, _>>()?;
            let mut busy = Vec::new();
            for (record, written) in left.into_iter().zip(parts.into_iter().flatten()) {
                match written {
                    Written::Done => summary.imported += 1,
                    Written::Refused => summary.existing += 1,
                    Written::Busy(_) => busy.push(record),
                    Written::Failed(why) => return Err(AwsError::new(IMPORTING, why)),
                }
            }
            if busy.is_empty() {
                return Ok(summary);
            }
            if SystemTime::now() + BUSY_WAIT >= until {
                return Err(AwsError::new(
                    IMPORTING,
                    "the table takes no more writes; import the same keys again later",
                ));
            }
            tokio::time::sleep(BUSY_WAIT).await;
            left = busy;
        }
    }

    async fn insert(&self, records: &[KeyRecord]) -> Result<Vec<Written>, AwsError> {
        let insert = |record| insert(&self.table, attributes(serde_dynamo::to_item(record)));
        let written = statements::execute(&self.client, records.iter().map(insert).collect(), IMPORTING).await?;
        Ok(written.take(records.len()).collect())
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

    /// Returns the keys with this id: one, or none, or several that were imported. A key that was created a moment ago
    /// may be missing: the index is eventually consistent.
    pub async fn find_all(&self, id: &str) -> Result<Vec<KeyRecord>, AwsError> {
        self.query("by-id", "id", id.to_owned(), "look up an API key by its id").await
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
    /// listed: a generated one for 90 days, an imported one for good.
    pub async fn forget(&self, record: &KeyRecord) -> Result<(), AwsError> {
        let forget = self.client.delete_item().table_name(&self.table);
        let forget = forget.key("key_hash", AttributeValue::S(record.key_hash.clone()));
        forget.send().await.while_trying_to("forget an API key")?;
        Ok(())
    }

    /// Revokes those of these keys that are not revoked yet, and returns how many they were.
    pub async fn revoke_all(&self, records: &mut [KeyRecord], now: Timestamp) -> Result<usize, AwsError> {
        let mut revoked = 0;
        for record in records.iter_mut().filter(|record| record.revoked_at.is_none()) {
            revoked += usize::from(self.revoke(record, now).await?);
            record.revoked_at = Some(now);
        }
        Ok(revoked)
    }

    /// Revokes a listed key. An imported one stays listed for good: without its record, the next import of the same
    /// file would make it valid again. Returns `false`, changing nothing, if it no longer exists or was revoked before.
    async fn revoke(&self, record: &KeyRecord, now: Timestamp) -> Result<bool, AwsError> {
        let revoke = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("key_hash", AttributeValue::S(record.key_hash.clone()))
            .condition_expression("attribute_exists(key_hash) AND attribute_not_exists(revoked_at)")
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()));
        let revoke = if record.is_imported() {
            revoke.update_expression("SET revoked_at = :now REMOVE expires_at")
        } else {
            revoke
                .update_expression("SET revoked_at = :now, expires_at = :forget")
                .expression_attribute_values(":forget", AttributeValue::N((now.as_second() + KEPT).to_string()))
        };
        match revoke.send().await {
            Ok(_) => Ok(true),
            Err(err) => match err.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(AwsError::new("revoke an API key", err)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(expires_at: Option<&str>) -> KeyRecord {
        let grant = KeyGrant {
            account_id: AccountId::parse("acct_1").unwrap(),
            label: None,
            scope: KeyScope::Read,
            expires_at: expires_at.map(|time| time.parse().unwrap()),
        };
        KeyRecord::new("00".into(), "key_1".into(), grant, "2026-01-02T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_key_is_valid_until_it_expires_or_is_revoked() {
        let valid = |record: &KeyRecord, now: &str| record.is_valid(now.parse().unwrap());
        assert!(valid(&record(None), "2100-01-01T00:00:00Z"));
        let short = record(Some("2026-01-02T01:00:00Z"));
        assert!(valid(&short, "2026-01-02T00:59:59Z") && !valid(&short, "2026-01-02T01:00:00Z"));
        let revoked = KeyRecord { revoked_at: Some("2026-01-02T00:00:00Z".parse().unwrap()), ..record(None) };
        assert!(!valid(&revoked, "2026-01-02T00:00:00Z"));
    }

    #[test]
    fn an_expired_key_stays_listed_as_long_as_it_was_valid_but_at_most_90_days() {
        let kept = |end: &str| record(Some(end)).removed_at.unwrap() - end.parse::<Timestamp>().unwrap().as_second();
        assert_eq!(record(None).removed_at, None);
        assert_eq!(kept("2026-01-02T01:00:00Z"), 3_600);
        assert_eq!(kept("2027-01-02T00:00:00Z"), KEPT);
    }

    /// Of a key with every permission and no end, the item has neither a scope nor an end.
    #[test]
    fn a_record_without_scope_and_end_is_a_key_for_everything() {
        let old = r#"{"key_hash":"00","id":"key_1","account_id":"acct_1","created_at":"2026-01-02T00:00:00Z"}"#;
        let old: KeyRecord = serde_json::from_str(old).unwrap();
        assert_eq!((old.scope, old.expires_at, old.is_valid(Timestamp::MAX)), (KeyScope::Full, None, true));
    }
}
