//! The events table, keyed by `account` (`account#shard`) and `id`: one item for each event.

mod item;
mod packed;

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, BatchStatementRequest},
};
use futures_util::future::join_all;
use jiff::Timestamp;

use self::item::{EventItem, partition, shard_name};
use super::{
    batch_get::{Reading, batch_get, name_of},
    merge::End,
    shards::{Range, Shards, filtered, shards_of},
    statements::{self, STATEMENTS, Written, attributes, insert, pack},
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    config::{self, ConfigError},
    event::Event,
    names::{AccountId, EventId, EventType, WebhookId},
    telemetry,
};

/// The events table.
#[derive(Debug, Clone)]
pub struct Events {
    client: Client,
    table: String,
}

/// Whether an event was stored.
#[derive(Debug)]
pub enum InsertResult {
    /// It is stored now.
    Inserted,
    /// An event with this id was stored before.
    Exists(Box<Event>),
    /// It is not known to be stored: try again.
    Busy(AwsError),
}

/// Which events to list.
#[derive(Debug, Clone, Default)]
pub struct EventFilter<'a> {
    pub task_id: Option<&'a str>,
    pub event: Option<EventType>,
    pub task_type: Option<&'a str>,
    /// Only events with a greater id.
    pub above: Option<&'a EventId>,
    /// Only events with a smaller id.
    pub below: Option<&'a EventId>,
}

/// A page of events.
#[derive(Debug)]
pub struct EventPage {
    /// At most as many as were asked for, without their bodies.
    pub events: Vec<Event>,
    /// The id after which the next page begins, if there may be more.
    pub next: Option<EventId>,
}

/// The attributes of an event that a list shows.
const LISTED: &str = "account, id, event, task_id, task_type, sent_to, disabled, unsubscribed, other_type, \
                      is_test, erased_at, expires_at";
/// How many items one query looks at when it filters. A query for a task reads a single partition, so it may look
/// further: up to the 1 MB that DynamoDB reads in a query.
const LOOKED_AT: i32 = 200;
/// How many times a page queries each partition. Then the page ends early, and the next one continues there.
const ROUNDS: usize = 10;

const STORING: &str = "store events";
const READING: &str = "read events";

type Item = HashMap<String, AttributeValue>;

impl Events {
    /// The table of this name.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// The table that `EVENTS_TABLE` names. Fails if the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("EVENTS_TABLE")?))
    }

    /// Stores events that are not stored yet, and returns the results in the same order. An id may occur only once.
    /// DynamoDB removes the items some time after `expires_at`, in Unix seconds.
    pub async fn store(&self, events: &[Event], expires_at: i64) -> Vec<InsertResult> {
        let all: Vec<usize> = (0..events.len()).collect();
        let parts = pack(&all, STATEMENTS, |at| events[at].body.as_ref().map_or(0, String::len));
        let statement = |at: &usize| self.insert(&events[*at], expires_at);
        let written = join_all(parts.iter().map(async |part| {
            match statements::execute(&self.client, part.iter().map(statement).collect(), STORING).await {
                Ok(written) => written.take(part.len()).collect(),
                Err(err) => {
                    let why = telemetry::chain(&err);
                    part.iter().map(|_| Written::Busy(why.clone())).collect::<Vec<_>>()
                }
            }
        }));
        let written: Vec<_> = written.await.into_iter().flatten().collect();
        let refused = events.iter().zip(&written).filter(|(_, written)| matches!(written, Written::Refused));
        let names: Vec<_> = refused.map(|(event, _)| (&event.account_id, &event.id)).collect();
        let mut before = if names.is_empty() { Vec::new() } else { self.before(&names).await }.into_iter();
        let results = written.into_iter().map(|written| match written {
            Written::Done => InsertResult::Inserted,
            Written::Refused => {
                before.next().unwrap_or_else(|| InsertResult::Busy(AwsError::new(READING, "it is not there")))
            }
            Written::Busy(why) | Written::Failed(why) => InsertResult::Busy(AwsError::new(STORING, why)),
        });
        results.collect()
    }

    fn insert(&self, event: &Event, expires_at: i64) -> BatchStatementRequest {
        insert(&self.table, attributes(serde_dynamo::to_item(EventItem::new(event, expires_at))))
    }

    /// Reads events whose ids are taken.
    async fn before(&self, names: &[(&AccountId, &EventId)]) -> Vec<InsertResult> {
        match self.find_all(names).await {
            Ok(found) => {
                let gone = || InsertResult::Busy(AwsError::new(READING, "it was removed"));
                found
                    .into_iter()
                    .map(|event| event.map_or_else(gone, |event| InsertResult::Exists(Box::new(event))))
                    .collect()
            }
            Err(err) => {
                let why = telemetry::chain(&err);
                names.iter().map(|_| InsertResult::Busy(AwsError::new(READING, why.clone()))).collect()
            }
        }
    }

    /// Returns one event, read consistently, or `None` if it does not exist.
    pub async fn find(&self, account: &AccountId, id: &EventId) -> Result<Option<Event>, AwsError> {
        Ok(self.find_all(&[(account, id)]).await?.pop().flatten())
    }

    /// Reads events consistently, and returns them in the order of their names: `None` if one does not exist.
    pub async fn find_all(&self, names: &[(&AccountId, &EventId)]) -> Result<Vec<Option<Event>>, AwsError> {
        let keys = names.iter().map(|(account, id)| key(account, id)).collect();
        let reading = Reading::Whole { consistent: true };
        let items = batch_get(&self.client, &self.table, "account", keys, reading).await?;
        let mut found: HashMap<_, _> =
            items.into_iter().filter_map(|item| Some((name_of(&item, "account")?, item))).collect();
        let events = names.iter().map(|(account, id)| {
            let item = found.remove(&(partition(account, id), id.to_string()));
            item.map(|item| event(item, account)).transpose()
        });
        events.collect()
    }

    /// Lists an account's events, at most `limit`, from either end. A list without a filter costs as much as its
    /// page. With a filter, it looks at a bounded number of events: the page may then have fewer than `limit`, and
    /// [`EventPage::next`] continues the search. A search for a task reads one of the account's eight partitions.
    pub async fn list(
        &self,
        account: &AccountId,
        from: End,
        filter: &EventFilter<'_>,
        limit: usize,
    ) -> Result<EventPage, AwsError> {
        let shards = shards_of(account, filter.task_id).into_iter();
        let keys = shards.map(|shard| shard_name(account, shard)).collect();
        let range = Range { from, above: filter.above, below: filter.below, rounds: ROUNDS };
        let shards = Shards::new("account", keys, range, || self.query(filter, limit));
        let (found, next) = shards.page(limit).await?;
        let events = found.into_iter().map(|(_, item)| event(item, account)).collect::<Result<_, _>>()?;
        Ok(EventPage { events, next })
    }

    fn query(&self, filter: &EventFilter<'_>, limit: usize) -> QueryFluentBuilder {
        let wanted = [
            ("event", filter.event.map(|event| event.to_string())),
            ("task_id", filter.task_id.map(str::to_owned)),
            ("task_type", filter.task_type.map(str::to_owned)),
        ];
        let looked_at = filter.task_id.is_none().then_some(LOOKED_AT);
        let query = self.client.query().table_name(&self.table).projection_expression(LISTED);
        filtered(query, wanted, limit, looked_at)
    }

    /// Removes an event's body and callback, and keeps the rest until `expires_at`, so that a repeated completion does not
    /// bring it back. Returns the event as it is stored now, or `None` if it does not exist.
    pub async fn erase(
        &self,
        account: &AccountId,
        id: &EventId,
        now: Timestamp,
        expires_at: i64,
    ) -> Result<Option<Event>, AwsError> {
        let doing = "erase an event";
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account, id)))
            .update_expression(
                "SET erased_at = if_not_exists(erased_at, :now), expires_at = :kept REMOVE body, callback",
            )
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .expression_attribute_values(":kept", AttributeValue::N(expires_at.to_string()))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew)
            .send()
            .await;
        match updated {
            Ok(updated) => updated.attributes.map(|item| event(item, account)).transpose(),
            Err(SdkError::ServiceError(err)) if err.err().is_conditional_check_failed_exception() => Ok(None),
            Err(err) => Err(err).while_trying_to(doing),
        }
    }

    /// Notes that an event goes to one more webhook than when it arrived.
    pub async fn add_recipient(&self, account: &AccountId, id: &EventId, webhook: WebhookId) -> Result<(), AwsError> {
        let added = AttributeValue::N(webhook.to_string());
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account, id)))
            .update_expression("SET sent_to = list_append(sent_to, :list)")
            .condition_expression("attribute_exists(id) AND NOT contains(sent_to, :one)")
            .expression_attribute_values(":list", AttributeValue::L(vec![added.clone()]))
            .expression_attribute_values(":one", added)
            .send()
            .await;
        match updated {
            Err(SdkError::ServiceError(err)) if err.err().is_conditional_check_failed_exception() => Ok(()),
            updated => updated.map(|_| ()).while_trying_to("note a further webhook of an event"),
        }
    }

    /// The table's name, for a read that spans tables.
    pub(super) fn table(&self) -> &str {
        &self.table
    }
}

pub(super) fn key(account: &AccountId, id: &EventId) -> Item {
    HashMap::from([
        ("account".to_owned(), AttributeValue::S(partition(account, id))),
        ("id".to_owned(), AttributeValue::S(id.to_string())),
    ])
}

pub(super) fn event(item: Item, account: &AccountId) -> Result<Event, AwsError> {
    let item: EventItem = serde_dynamo::from_item(item).while_trying_to(READING)?;
    Ok(item.event(account))
}
