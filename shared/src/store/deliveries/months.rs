//! What accounts used in a month: one item of counters for each account.
//!
//! A month's items are spread over [`SHARDS`] partitions by the account. So a few queries read a month, without a scan of the
//! table, and no partition gets every write.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use sha2::{Digest as _, Sha256};

use super::{Deliveries, Item};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    names::AccountId,
    stats::{AccountMonth, Month, Units},
    store::shards::SHARDS,
};

/// How long a month is kept, in seconds from its beginning: a year to compare with, and a month more.
const KEPT: i64 = 400 * 86_400;

impl Deliveries {
    /// Adds to what an account used in a month. Creates the item if it does not exist yet.
    pub async fn add_to_month(&self, (account, month): &AccountMonth, units: &Units) -> Result<(), AwsError> {
        let counters = counters(units);
        let added = counters.map(|(name, _)| format!("{name} :{name}")).join(", ");
        let number = |number: i128| AttributeValue::N(number.to_string());
        let mut values: HashMap<_, _> =
            counters.into_iter().map(|(name, count)| (format!(":{name}"), number(count.into()))).collect();
        values.insert(":end".to_owned(), number((month.begins().as_second() + KEPT).into()));
        self.client
            .update_item()
            .table_name(&self.table)
            .key("webhook", AttributeValue::S(partition(*month, shard(account))))
            .key("id", AttributeValue::S(account.to_string()))
            .update_expression(format!("SET expires_at = :end ADD {added}"))
            .set_expression_attribute_values(Some(values))
            .send()
            .await
            .while_trying_to("add to what an account used in a month")?;
        Ok(())
    }

    /// Returns what each account used in a month. It takes one query for each shard, and one more for each further
    /// megabyte of it: some 5,000 accounts.
    pub async fn month(&self, month: Month) -> Result<Vec<(AccountId, Units)>, AwsError> {
        let doing = "read what accounts used in a month";
        let partitions = (0..SHARDS).map(|shard| {
            let items = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("webhook = :name")
                .expression_attribute_values(":name", AttributeValue::S(partition(month, shard)))
                .into_paginator()
                .items()
                .send();
            items.collect::<Result<Vec<_>, _>>()
        });
        let items = try_join_all(partitions).await.while_trying_to(doing)?;
        let accounts = items.iter().flatten().map(account).collect::<Option<_>>();
        accounts.ok_or_else(|| AwsError::new(doing, "an item is not what add_to_month writes"))
    }
}

/// The counters by name, in a fixed order.
fn counters(units: &Units) -> [(&'static str, u64); 6] {
    [
        ("attempts", units.attempts),
        ("delivered", units.delivered),
        ("failed", units.failed),
        ("exhausted", units.exhausted),
        ("milliseconds", units.milliseconds),
        ("bytes", units.bytes),
    ]
}

/// A partition key. It is no webhook's: there, a webhook's number follows the first `#`.
fn partition(month: Month, shard: u8) -> String {
    format!("month#{month}#{shard}")
}

fn shard(account: &AccountId) -> u8 {
    Sha256::digest(account.as_str())[0] % SHARDS
}

fn account(item: &Item) -> Option<(AccountId, Units)> {
    let count = |name: &str| item.get(name)?.as_n().ok()?.parse().ok();
    let units = Units {
        attempts: count("attempts")?,
        delivered: count("delivered")?,
        failed: count("failed")?,
        exhausted: count("exhausted")?,
        milliseconds: count("milliseconds")?,
        bytes: count("bytes")?,
    };
    Some((AccountId::parse(item.get("id")?.as_s().ok()?).ok()?, units))
}
