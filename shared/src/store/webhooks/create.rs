//! Creates webhooks: each gets the account's next number, and a repeated request gets the webhook that it created
//! before, also if the function died before it could answer.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, Put, TransactWriteItem, Update},
};
use jiff::Timestamp;
use serde::Serialize;

use super::{Claim, Item, Noted, Webhooks, counter_key, item::WebhookItem};
use crate::{
    aws::AwsError,
    names::{AccountId, WebhookId},
    webhook::{NewWebhook, OptionalFields, Secret, Webhook},
};

/// Why a webhook was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The account has reached its limit, which is this number of webhooks.
    #[error("the account has {0} webhooks, which is the most it can have; delete one first")]
    LimitReached(usize),
    /// Other requests created webhooks for the account during every try.
    #[error("other webhooks of this account are being created at this moment; try again")]
    Contended,
    /// The webhook that the idempotency key created was deleted since.
    #[error("this Idempotency-Key made webhook {0}, which was deleted; use a new key for a new webhook")]
    Deleted(WebhookId),
    /// The table could not be read or written.
    #[error(transparent)]
    Store(#[from] AwsError),
}

/// A webhook that was created, now or by the same request before.
#[derive(Debug)]
pub struct Created {
    /// The webhook as it is now.
    pub webhook: Webhook,
    /// Whether the service generated its present secret.
    pub generated: bool,
    /// Whether the same request created it before.
    pub replayed: bool,
}

/// How many times [`Webhooks::create`] tries to get a number. In every round that it loses, another create has won.
/// Random waits spread the losers out; all of them together take about five of the function's 28 seconds.
const ROUNDS: u32 = 30;

const CREATING: &str = "create a webhook";

impl Webhooks {
    /// Creates a webhook under the account's next number, or returns the one that the same request created before.
    ///
    /// One transaction writes the counter and the webhook, and fails if the counter has moved since it was read. So
    /// no number is used twice or skipped, and `limit` holds: the request that takes the last place moves the
    /// counter, and all others read again and find the account full. The transaction also notes the webhook with the
    /// request's claim, so a function that takes the claim over finds the webhook.
    pub async fn create(
        &self,
        account: &AccountId,
        new: NewWebhook,
        limit: usize,
        claim: Option<&Claim>,
    ) -> Result<Created, CreateError> {
        let NewWebhook { url, events, secret, optional } = new;
        let OptionalFields { callback_hosts, description, headers, max_per_minute, metadata, task_types } = optional;
        let generated = secret.is_none();
        let secret = secret.unwrap_or_else(Secret::generate);
        let now = claim.map_or_else(Timestamp::now, |claim| claim.first_at);
        // Its number is set in each round.
        let (first, url) = (WebhookId(1), url.as_str().to_owned());
        let new = Webhook {
            callback_hosts: callback_hosts.unwrap_or_default(),
            description,
            headers: headers.unwrap_or_default(),
            max_per_minute,
            metadata,
            task_types,
            created_at: Some(now),
            updated_at: Some(now),
            ..Webhook::new(account.clone(), first, url, events, secret)
        };
        let mut noted = claim.and_then(|claim| claim.noted.clone());
        for round in 0..ROUNDS {
            if let Some(noted) = noted {
                return self.created_before(account, &noted).await;
            }
            let existing = self.read_account(account).await?;
            if existing.webhooks.len() >= limit {
                return Err(CreateError::LimitReached(limit));
            }
            let webhook = Webhook { id: WebhookId(existing.last_id + 1), ..new.clone() };
            let mut writes = vec![self.count(&webhook, existing.last_id), self.put(&webhook)];
            writes.extend(claim.map(|claim| self.note_webhook(claim, &webhook, generated)));
            match self.client.transact_write_items().set_transact_items(Some(writes)).send().await {
                Ok(_) => return Ok(Created { webhook, generated, replayed: false }),
                Err(err) if lost_a_race(&err) => tokio::time::sleep(random_wait(round)).await,
                Err(err) => return Err(AwsError::new(CREATING, err).into()),
            }
            // If the answer to the transaction was lost, the SDK's repetition of it has lost the race with itself.
            noted = if let Some(claim) = claim { self.noted(claim).await? } else { None };
        }
        Err(CreateError::Contended)
    }

    /// Returns the webhook that the same request created before.
    async fn created_before(&self, account: &AccountId, noted: &Noted) -> Result<Created, CreateError> {
        let webhook = self.find(account, noted.webhook_id).await?;
        let webhook = webhook.ok_or(CreateError::Deleted(noted.webhook_id))?;
        let generated = noted.is_secret_of(&webhook);
        Ok(Created { webhook, generated, replayed: true })
    }

    fn count(&self, webhook: &Webhook, last_id: u64) -> TransactWriteItem {
        let count = Update::builder()
            .table_name(&self.table)
            .set_key(Some(counter_key(&webhook.account_id)))
            .update_expression("SET last_id = :next")
            .condition_expression("attribute_not_exists(last_id) OR last_id = :last")
            .expression_attribute_values(":next", AttributeValue::N(webhook.id.to_string()))
            .expression_attribute_values(":last", AttributeValue::N(last_id.to_string()));
        TransactWriteItem::builder().update(count.build().expect("has its fields")).build()
    }

    fn put(&self, webhook: &Webhook) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item(WebhookItem::from(webhook))))
            .condition_expression("attribute_not_exists(id)");
        TransactWriteItem::builder().put(put.build().expect("has its fields")).build()
    }
}

fn item(value: impl Serialize) -> Item {
    serde_dynamo::to_item(value).expect("its fields are valid attributes")
}

fn lost_a_race(err: &SdkError<TransactWriteItemsError>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = err.as_service_error() else {
        return false;
    };
    let lost = |code: Option<&str>| matches!(code, Some("ConditionalCheckFailed" | "TransactionConflict"));
    cancelled.cancellation_reasons().iter().any(|reason| lost(reason.code()))
}

/// A random wait: up to 25 ms after the first round, doubling to 400 ms.
fn random_wait(round: u32) -> Duration {
    let share = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    Duration::from_millis(25 << round.min(4)).mul_f64(share)
}
