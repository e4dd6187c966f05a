//! The last rehearsal of each webhook: an item in the waiting table, in a partition of its own.
//!
//! It is in that table, and not in the webhook's item, because the dispatcher stores the outcomes and has no permission
//! to change a webhook. See `docs/decisions/0041-a-rehearsal-is-not-a-delivery.md`.
//!
//! A step is claimed with a write before its request is made. So no crash, no repeated message and no redrive leads to
//! more than [`MOST_REQUESTS`] requests.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::{Client, operation::update_item::builders::UpdateItemFluentBuilder, types::AttributeValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::conditional::Updated;
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    config::{self, ConfigError},
    names::{AccountId, EventType, WebhookId},
    rehearsal::{INTERVAL, LASTS, MOST_REQUESTS, Rehearsal, RehearsalMessage, StepOutcome},
};

/// How long a rehearsal is kept, in seconds: 30 days.
const KEPT: i64 = 30 * 24 * 3_600;

/// The sort key of the item.
const LAST: &str = "last";

const BEGINNING: &str = "begin a rehearsal";
const CLAIMING: &str = "claim a step of a rehearsal";
const STORING: &str = "store a step of a rehearsal";

type Item = HashMap<String, AttributeValue>;

/// The rehearsals, in the waiting table.
#[derive(Debug, Clone)]
pub struct Rehearsals {
    client: Client,
    table: String,
}

/// The result of [`Rehearsals::begin`].
#[derive(Debug)]
pub enum RehearsalBegun {
    /// The rehearsal, which has begun now, or which the same request has begun before.
    Now(Rehearsal),
    /// Another one began less than a minute ago. The next one may begin after this time.
    TooSoon(Duration),
}

/// The result of [`Rehearsals::claim`].
#[derive(Debug)]
pub enum StepClaim {
    /// The caller has to make the step.
    Claimed(Rehearsal),
    /// The step's outcome is stored.
    Made,
    /// The step must not be made: another rehearsal has begun, this one has stopped or is too old, or another message
    /// has claimed the step.
    Over,
    /// The rehearsal has had as many requests as it may have.
    UsedUp,
}

/// The item.
#[derive(Debug, Serialize, Deserialize)]
struct RehearsalItem {
    rehearsal_id: String,
    account_id: AccountId,
    webhook_id: WebhookId,
    /// Unix milliseconds, which a condition can compare.
    started_at: i64,
    webhook_url: String,
    epoch: u64,
    sample_event: EventType,
    outcomes: BTreeMap<String, StepOutcome>,
    /// How many requests were made or begun.
    requests: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
}

impl Rehearsals {
    /// The rehearsals in the table of this name.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// The rehearsals in the table that `WAITING_TABLE` names. Fails if the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("WAITING_TABLE")?))
    }

    /// Stores a rehearsal that begins now, in the place of the last one, if that began a minute ago or earlier.
    pub async fn begin(&self, rehearsal: &Rehearsal) -> Result<RehearsalBegun, AwsError> {
        let started_at = rehearsal.started_at.as_millisecond();
        let update = self
            .update(&rehearsal.account_id, rehearsal.webhook_id)
            .update_expression(
                "SET rehearsal_id = :id, account_id = :account, webhook_id = :webhook, started_at = :now, \
                 webhook_url = :url, epoch = :epoch, sample_event = :event, outcomes = :none, requests = :zero, expires_at = :expires \
                 REMOVE stopped, claimed",
            )
            .condition_expression("attribute_not_exists(rehearsal_id) OR started_at <= :before")
            .expression_attribute_values(":id", text(&rehearsal.id))
            .expression_attribute_values(":account", text(rehearsal.account_id.as_str()))
            .expression_attribute_values(":webhook", AttributeValue::N(rehearsal.webhook_id.to_string()))
            .expression_attribute_values(":now", number(started_at))
            .expression_attribute_values(":url", text(&rehearsal.url))
            .expression_attribute_values(":epoch", AttributeValue::N(rehearsal.epoch.to_string()))
            .expression_attribute_values(":event", text(&rehearsal.event.to_string()))
            .expression_attribute_values(":none", AttributeValue::M(HashMap::new()))
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":expires", number(rehearsal.started_at.as_second() + KEPT))
            .expression_attribute_values(":before", number(started_at - milliseconds(INTERVAL)));
        match Updated::by(update).await.while_trying_to(BEGINNING)? {
            Updated::Done(item) => Ok(RehearsalBegun::Now(parsed(item, BEGINNING)?.into())),
            Updated::Refused(None) => Err(AwsError::new(BEGINNING, "the last one was removed meanwhile")),
            Updated::Refused(Some(item)) => {
                let last = parsed(item, BEGINNING)?;
                if last.rehearsal_id == rehearsal.id {
                    return Ok(RehearsalBegun::Now(last.into()));
                }
                let left = last.started_at + milliseconds(INTERVAL) - started_at;
                Ok(RehearsalBegun::TooSoon(Duration::from_millis(u64::try_from(left).unwrap_or_default())))
            }
        }
    }

    /// Returns the last rehearsal of a webhook, read consistently. `None` if it never had one, or if that is no longer
    /// kept.
    pub async fn find(&self, account: &AccountId, webhook: WebhookId) -> Result<Option<Rehearsal>, AwsError> {
        let doing = "read a rehearsal";
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(account, webhook)));
        let item = get.consistent_read(true).send().await.while_trying_to(doing)?.item;
        item.map(|item| parsed(item, doing).map(Rehearsal::from)).transpose()
    }

    /// Claims the message's step for the caller, who then makes its request.
    ///
    /// A message that is received for the first time (`is_new`) claims only a step that nobody has claimed: the dispatcher
    /// that has claimed it holds another message for it, which comes again if that dispatcher has died. So a message that was sent twice
    /// makes no second request.
    pub async fn claim(&self, message: &RehearsalMessage, is_new: bool, now: Timestamp) -> Result<StepClaim, AwsError> {
        let oldest = now.as_millisecond() - milliseconds(LASTS);
        let mut condition = format!(
            "{} AND started_at > :oldest AND requests < :most AND attribute_not_exists(stopped)",
            not_made(message)
        );
        if is_new {
            condition += " AND (attribute_not_exists(claimed) OR claimed <> :step)";
        }
        let update = self
            .update(&message.account_id, message.webhook_id)
            .update_expression("SET claimed = :step ADD requests :one")
            .condition_expression(condition)
            .expression_attribute_values(":step", text(message.step.name()))
            .expression_attribute_values(":id", text(&message.rehearsal))
            .expression_attribute_values(":oldest", number(oldest))
            .expression_attribute_values(":most", number(MOST_REQUESTS.into()))
            .expression_attribute_values(":one", number(1));
        match Updated::by(update).await.while_trying_to(CLAIMING)? {
            Updated::Done(item) => Ok(StepClaim::Claimed(parsed(item, CLAIMING)?.into())),
            Updated::Refused(None) => Ok(StepClaim::Over),
            Updated::Refused(Some(item)) => {
                let stored = parsed(item, CLAIMING)?;
                Ok(if stored.rehearsal_id != message.rehearsal {
                    StepClaim::Over
                } else if stored.outcomes.contains_key(message.step.name()) {
                    StepClaim::Made
                } else if stored.requests >= MOST_REQUESTS {
                    StepClaim::UsedUp
                } else {
                    StepClaim::Over
                })
            }
        }
    }

    /// Stores the outcome of the message's step. Returns `false`, changing nothing, if another rehearsal has begun, or if
    /// another caller has stored the step's outcome: then that caller arranges the next step.
    pub async fn store(&self, message: &RehearsalMessage, outcome: &StepOutcome) -> Result<bool, AwsError> {
        let value = serde_dynamo::to_item::<_, Item>(outcome).while_trying_to(STORING)?;
        let update = self
            .update(&message.account_id, message.webhook_id)
            .update_expression(format!("SET outcomes.{} = :outcome", message.step.name()))
            .condition_expression(not_made(message))
            .expression_attribute_values(":id", text(&message.rehearsal))
            .expression_attribute_values(":outcome", AttributeValue::M(value));
        match Updated::by(update).await.while_trying_to(STORING)? {
            Updated::Done(_) => Ok(true),
            Updated::Refused(None) => Ok(false),
            // The SDK repeats a write whose answer was lost. Then our own first write makes the condition fail.
            Updated::Refused(Some(item)) => {
                let stored = Rehearsal::from(parsed(item, STORING)?);
                Ok(stored.id == message.rehearsal && stored.outcome(message.step) == Some(outcome))
            }
        }
    }

    /// Ends the message's rehearsal before its last step, for this reason.
    pub async fn stop(&self, message: &RehearsalMessage, reason: &str) -> Result<(), AwsError> {
        let update = self
            .update(&message.account_id, message.webhook_id)
            .update_expression("SET stopped = :reason")
            .condition_expression("rehearsal_id = :id")
            .expression_attribute_values(":id", text(&message.rehearsal))
            .expression_attribute_values(":reason", text(reason));
        Updated::by(update).await.while_trying_to("stop a rehearsal").map(|_| ())
    }

    fn update(&self, account: &AccountId, webhook: WebhookId) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).set_key(Some(key(account, webhook)))
    }
}

impl From<RehearsalItem> for Rehearsal {
    fn from(item: RehearsalItem) -> Self {
        Self {
            id: item.rehearsal_id,
            account_id: item.account_id,
            webhook_id: item.webhook_id,
            started_at: Timestamp::from_millisecond(item.started_at).unwrap_or_default(),
            url: item.webhook_url,
            epoch: item.epoch,
            event: item.sample_event,
            outcomes: item.outcomes,
            stopped: item.stopped,
        }
    }
}

/// The condition that the stored rehearsal is the message's (`:id`), and that the step has no outcome.
fn not_made(message: &RehearsalMessage) -> String {
    format!("rehearsal_id = :id AND attribute_not_exists(outcomes.{})", message.step.name())
}

/// No account id can contain `#`, and the other partitions of the table have other first words. So this is no other
/// webhook's key, and no entry that waits.
fn key(account: &AccountId, webhook: WebhookId) -> Item {
    HashMap::from([
        ("shard".to_owned(), text(&format!("rehearsal#{account}#{webhook}"))),
        ("due".to_owned(), text(LAST)),
    ])
}

fn parsed(item: Item, doing: &'static str) -> Result<RehearsalItem, AwsError> {
    serde_dynamo::from_item(item).while_trying_to(doing)
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).expect("is some minutes")
}
