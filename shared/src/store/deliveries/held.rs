//! Counts a webhook's held deliveries.

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures_util::future::try_join_all;

use super::{
    Deliveries,
    item::{index_key, shard_name},
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    delivery::State,
    names::{AccountId, WebhookId},
    store::shards::SHARDS,
    webhook::{Circuit, Webhook},
};

/// The count of held deliveries stops here.
const MOST_COUNTED: usize = 1_000;
/// How many webhooks' held deliveries are counted at the same time: as many connections are opened.
const AT_ONCE: usize = 10;

impl Deliveries {
    /// Counts a webhook's held deliveries, up to 1,000. The count is eventually consistent. Returns 0 without a read
    /// if the webhook is active and its circuit is closed.
    pub async fn held_of(&self, webhook: &Webhook) -> Result<usize, AwsError> {
        if webhook.is_active() && webhook.circuit() == Circuit::Closed {
            return Ok(0);
        }
        self.count_held(&webhook.account_id, webhook.id, MOST_COUNTED).await
    }

    /// Counts as [`Self::held_of`] does, for several webhooks. Returns the counts in the order of the webhooks.
    pub async fn held_of_each(&self, webhooks: &[Webhook]) -> Result<Vec<usize>, AwsError> {
        let mut held = Vec::with_capacity(webhooks.len());
        for part in webhooks.chunks(AT_ONCE) {
            held.extend(try_join_all(part.iter().map(|webhook| self.held_of(webhook))).await?);
        }
        Ok(held)
    }

    /// Counts a webhook's held deliveries, up to `most`. The count is eventually consistent.
    pub async fn count_held(&self, account: &AccountId, webhook: WebhookId, most: usize) -> Result<usize, AwsError> {
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let mut held = 0;
        for shard in 0..SHARDS {
            let listed_as = index_key(&shard_name(account, webhook, shard), State::Held).unwrap_or_default();
            let counted = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("by-state")
                .select(Select::Count)
                .key_condition_expression("listed_as = :name")
                .expression_attribute_values(":name", AttributeValue::S(listed_as))
                .limit(most - held)
                .send()
                .await
                .while_trying_to("count a webhook's held deliveries")?;
            held += counted.count;
            if held >= most {
                break;
            }
        }
        Ok(usize::try_from(held).unwrap_or_default())
    }
}
