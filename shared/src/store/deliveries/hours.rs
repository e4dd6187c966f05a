//! A webhook's statistics: one item of counters for each hour with attempts.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{Deliveries, Item, item::webhook_name};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    names::{AccountId, WebhookId},
    stats::{Hour, Tally},
};

/// How long an hour is kept, in seconds: the longest period that a customer may ask for, plus a day.
const KEPT: i64 = 8 * 86_400;

/// The prefix of a bucket's counter.
const DURATION: &str = "d";
/// The prefix of an outcome's counter.
const FAILED: &str = "failed_";

impl Deliveries {
    /// Adds a tally to a webhook's hour. Creates the item and the counters that do not exist yet.
    pub async fn add_to_hour(&self, hour: &Hour, tally: &Tally) -> Result<(), AwsError> {
        let added: Vec<_> = counters(tally).map(|(name, _)| format!("{name} :{name}")).collect();
        let mut values: HashMap<_, _> =
            counters(tally).map(|(name, count)| (format!(":{name}"), AttributeValue::N(count.to_string()))).collect();
        values.insert(":end".to_owned(), AttributeValue::N((hour.begins.as_second() + KEPT).to_string()));
        self.client
            .update_item()
            .table_name(&self.table)
            .key("webhook", AttributeValue::S(name(hour)))
            .key("id", AttributeValue::S(hour.begins.to_string()))
            .update_expression(format!("SET expires_at = :end ADD {}", added.join(", ")))
            .set_expression_attribute_values(Some(values))
            .send()
            .await
            .while_trying_to("add to a webhook's statistics")?;
        Ok(())
    }

    /// Returns a webhook's hours from `from` on. Hours without attempts are left out.
    pub async fn hours(
        &self,
        account: &AccountId,
        webhook: WebhookId,
        from: Timestamp,
    ) -> Result<BTreeMap<Timestamp, Tally>, AwsError> {
        let doing = "read a webhook's statistics";
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("webhook = :name AND id >= :from")
            .expression_attribute_values(":name", AttributeValue::S(name_of(account, webhook)))
            .expression_attribute_values(":from", AttributeValue::S(from.to_string()))
            .into_paginator()
            .items()
            .send();
        let items = items.collect::<Result<Vec<_>, _>>().await.while_trying_to(doing)?;
        let hours = items.iter().map(hour).collect::<Option<_>>();
        hours.ok_or_else(|| AwsError::new(doing, "an hour is not what add_to_hour writes"))
    }
}

/// A tally's counters by name. The first two are always written, those of an outcome or a bucket only if they count
/// something.
fn counters(tally: &Tally) -> impl Iterator<Item = (String, u64)> {
    let durations = tally.durations.iter().map(|(bucket, count)| (format!("{DURATION}{bucket}"), *count));
    let failed = tally.failures_by_outcome.iter().map(|(outcome, count)| (format!("{FAILED}{outcome}"), *count));
    let both = [("deliveries".to_owned(), tally.deliveries), ("failures".to_owned(), tally.failures)];
    both.into_iter().chain(failed).chain(durations)
}

fn name(hour: &Hour) -> String {
    name_of(&hour.account_id, hour.webhook_id)
}

/// The partition key of a webhook's hours. No account id can contain `#`.
fn name_of(account: &AccountId, webhook: WebhookId) -> String {
    format!("{}#hours", webhook_name(account, webhook))
}

fn hour(item: &Item) -> Option<(Timestamp, Tally)> {
    let count = |value: &AttributeValue| value.as_n().ok()?.parse().ok();
    let duration =
        |(name, value): (&String, &AttributeValue)| Some((name.strip_prefix(DURATION)?.parse().ok()?, count(value)?));
    let failed =
        |(name, value): (&String, &AttributeValue)| Some((name.strip_prefix(FAILED)?.to_owned(), count(value)?));
    let tally = Tally {
        deliveries: count(item.get("deliveries")?)?,
        failures: count(item.get("failures")?)?,
        failures_by_outcome: item.iter().filter_map(failed).collect(),
        durations: item.iter().filter_map(duration).collect(),
    };
    Some((item.get("id")?.as_s().ok()?.parse().ok()?, tally))
}
