//! How many requests a webhook with `max_per_minute` has had in a minute: one counter for each webhook and minute.
//!
//! Each webhook has a partition of its own for its counters, so no key is hot because of many webhooks.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use jiff::Timestamp;

use super::Waiting;
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    names::{AccountId, WebhookId},
    webhook::{granted, minute_of},
};

/// How long a counter is kept, in seconds. It is needed for a minute.
const KEPT: i64 = 3_600;

impl Waiting {
    /// Takes `wanted` requests out of a webhook's quota for the minute of UTC that contains `at`. Returns how many of
    /// them are within `limit`. It is one write, however many are wanted.
    ///
    /// A request that was taken and is not made stays taken.
    pub async fn take_quota(
        &self,
        (account, webhook): (&AccountId, WebhookId),
        at: Timestamp,
        wanted: u32,
        limit: u32,
    ) -> Result<u32, AwsError> {
        let doing = "count the requests to an endpoint";
        let minute = minute_of(at);
        let number = |number: i64| AttributeValue::N(number.to_string());
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("shard", AttributeValue::S(format!("quota#{account}#{webhook}")))
            .key("due", AttributeValue::S(minute.to_string()))
            .update_expression("SET expires_at = :expires ADD requests :wanted")
            .expression_attribute_values(":expires", number(at.as_second() + KEPT))
            .expression_attribute_values(":wanted", number(wanted.into()))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .while_trying_to(doing)?;
        let taken = updated.attributes().and_then(|item| item.get("requests")?.as_n().ok()?.parse::<u32>().ok());
        let taken = taken.ok_or_else(|| AwsError::new(doing, "the table did not return the counter"))?;
        Ok(granted(taken, wanted, limit))
    }
}
