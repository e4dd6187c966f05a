//! Creates webhooks: each gets the account's next number, and a repeated request gets the webhook that it created
//! before.

use std::time::Duration;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, Put, TransactWriteItem, Update},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Item, Webhooks, counter_key, item::WebhookItem};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    names::{AccountId, WebhookId},
    webhook::{NewWebhook, Secret, Webhook},
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
    /// The idempotency key was used before with another body.
    #[error("this Idempotency-Key was used with another body; use a new key for a new webhook")]
    AnotherBody,
    /// The webhook that the idempotency key created was deleted since.
    #[error("this Idempotency-Key made webhook {0}, which was deleted; use a new key for a new webhook")]
    Deleted(WebhookId),
    /// The table could not be read or written.
    #[error(transparent)]
    Store(#[from] AwsError),
}

/// Identifies a repeated request. It has no `Debug` because the body may contain a secret.
#[derive(Clone, Copy)]
pub struct Idempotency<'a> {
    /// The `Idempotency-Key` that the client sent.
    pub key: &'a str,
    pub body: &'a [u8],
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

/// The stored item of a request with an idempotency key. The reply is not stored, since it may show a secret: it is
/// made again from the webhook.
#[derive(Serialize, Deserialize)]
struct StoredRequest {
    /// The account and the key's hash. No account id can contain `#`, so this is no account's id.
    account_id: String,
    id: u64,
    body_hash: String,
    webhook_id: WebhookId,
    /// The hash of the secret, if the service generated it.
    secret_hash: Option<String>,
    /// Unix seconds after which the key may be used again, and DynamoDB removes the item.
    expires_at: i64,
}

/// How long an idempotency key is remembered, in seconds.
const KNOWN_FOR: i64 = 86_400;

/// How many times [`Webhooks::create`] tries to get a number. In every round that it loses, another create has won.
/// Random waits spread the losers out; all of them together take about five of the function's 28 seconds.
const ROUNDS: u32 = 30;

const CREATING: &str = "create a webhook";

impl Webhooks {
    /// Creates a webhook under the account's next number, or returns the one that the same request created before.
    ///
    /// One transaction writes the counter and the webhook, and fails if the counter has moved since it was read. So
    /// no number is used twice or skipped, and `limit` holds: the request that takes the last place moves the
    /// counter, and all others read again and find the account full. The transaction also writes the idempotency
    /// item, so of two requests with the same idempotency key one finds the webhook that the other created.
    pub async fn create(
        &self,
        account: &AccountId,
        new: NewWebhook,
        limit: usize,
        idempotency: Option<Idempotency<'_>>,
        now: Timestamp,
    ) -> Result<Created, CreateError> {
        let generated = new.secret.is_none();
        let secret = new.secret.unwrap_or_else(Secret::generate);
        for round in 0..ROUNDS {
            if let Some(idempotency) = idempotency
                && let Some(earlier) = self.earlier(account, idempotency, now).await?
            {
                return Ok(earlier);
            }
            let existing = self.read_account(account).await?;
            if existing.webhooks.len() >= limit {
                return Err(CreateError::LimitReached(limit));
            }
            let (id, url) = (WebhookId(existing.last_id + 1), new.url.as_str().to_owned());
            let webhook = Webhook::new(account.clone(), id, url, new.events.clone(), secret.clone());
            let mut writes = vec![self.count(&webhook, existing.last_id), self.put(&webhook)];
            writes.extend(idempotency.map(|idempotency| self.remember(&webhook, generated, idempotency, now)));
            match self.client.transact_write_items().set_transact_items(Some(writes)).send().await {
                Ok(_) => return Ok(Created { webhook, generated, replayed: false }),
                Err(err) if lost_a_race(&err) => tokio::time::sleep(random_wait(round)).await,
                Err(err) => return Err(AwsError::new(CREATING, err).into()),
            }
        }
        Err(CreateError::Contended)
    }

    /// Returns the webhook that the same request created before.
    async fn earlier(
        &self,
        account: &AccountId,
        idempotency: Idempotency<'_>,
        now: Timestamp,
    ) -> Result<Option<Created>, CreateError> {
        let fault = "look for a repeated request";
        let name = AttributeValue::S(request_name(account, idempotency.key));
        let get = self.client.get_item().table_name(&self.table).key("account_id", name);
        let get = get.key("id", AttributeValue::N("0".into())).consistent_read(true);
        let Some(item) = get.send().await.while_trying_to(fault)?.item else { return Ok(None) };
        let request: StoredRequest = serde_dynamo::from_item(item).while_trying_to(fault)?;
        if request.expires_at <= now.as_second() {
            return Ok(None);
        }
        if request.body_hash != hash(idempotency.body) {
            return Err(CreateError::AnotherBody);
        }
        let webhook = self.find(account, request.webhook_id).await?;
        let webhook = webhook.ok_or(CreateError::Deleted(request.webhook_id))?;
        let generated = request.secret_hash.is_some_and(|made| made == hash(webhook.secret.reveal().as_bytes()));
        Ok(Some(Created { webhook, generated, replayed: true }))
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

    fn remember(
        &self,
        webhook: &Webhook,
        generated: bool,
        idempotency: Idempotency<'_>,
        now: Timestamp,
    ) -> TransactWriteItem {
        let request = StoredRequest {
            account_id: request_name(&webhook.account_id, idempotency.key),
            id: 0,
            body_hash: hash(idempotency.body),
            webhook_id: webhook.id,
            secret_hash: generated.then(|| hash(webhook.secret.reveal().as_bytes())),
            expires_at: now.as_second() + KNOWN_FOR,
        };
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item(request)))
            .condition_expression("attribute_not_exists(id) OR expires_at <= :now")
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()));
        TransactWriteItem::builder().put(put.build().expect("has its fields")).build()
    }
}

fn request_name(account: &AccountId, key: &str) -> String {
    format!("{account}#create#{}", hash(key.as_bytes()))
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
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
