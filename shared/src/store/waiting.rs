//! The waiting table: the attempts that are due later.
//!
//! The dispatcher adds an attempt that is to follow a failed one, besides the record of the failure. Attempts that are
//! added together and due within a minute of each other share an item, which costs one write. The function `release`
//! reads the items that are due, shard by shard, and sends their messages. It changes and deletes no item: DynamoDB's
//! time to live removes them, which costs nothing, and a [`Cursor`] for each shard says how far `release` has come. See
//! `docs/decisions/0028-what-waits-is-in-a-table.md`.
//!
//! An attempt may be in two items, and `release` may send an item twice: the dispatcher makes each attempt once.

mod item;
mod quota;

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use item::{Pack, WaitItem, packs, time};
use jiff::Timestamp;

use crate::{
    aws::{AwsError, WhileTryingTo as _},
    config::{self, ConfigError},
    delivery::Message,
    names::EventId,
};

/// The waiting table.
#[derive(Debug, Clone)]
pub struct Waiting {
    client: Client,
    table: String,
}

/// An attempt that is due later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// When `release` sends the message. Of an attempt that was read, up to a minute later than the stored delivery says.
    pub due: Timestamp,
    /// The message that is sent to the dispatcher then. Its body is not stored: the event has it.
    pub message: Message,
    /// Whether a delayed message on the queue already asks for the attempt. `release` then does not send it, unless the
    /// sweep finds that the message was lost.
    pub carried: bool,
}

/// One of the partitions over which entries are spread. Together they take more writes than a single key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shard(u8);

impl Shard {
    /// How many shards there are. Each takes about 1,000 writes a second.
    pub const COUNT: u8 = 16;

    /// Every shard.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    fn of(id: &EventId) -> Self {
        Self(id.shard(Self::COUNT))
    }

    fn key(self) -> AttributeValue {
        AttributeValue::S(self.0.to_string())
    }
}

/// A way in which `release` goes through a shard's entries. Each has its own [`Cursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Sends the messages that are due.
    Release,
    /// Looks for attempts that were due an hour ago, and sends those again that were not made.
    Sweep,
}

impl Pass {
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Sweep => "sweep",
        }
    }
}

/// How far a pass has come in a shard: the sort key of the last item that it has handled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(String);

/// The cursor of each pass in each shard.
#[derive(Debug, Clone, Default)]
pub struct Cursors(HashMap<String, Cursor>);

impl Cursors {
    /// A pass's cursor in a shard; `None` if the pass has not found anything yet.
    pub fn of(&self, shard: Shard, pass: Pass) -> Option<&Cursor> {
        self.0.get(&cursor_id(shard, pass))
    }
}

/// Attempts of one shard, in the order in which they are due.
#[derive(Debug)]
pub struct Due {
    /// The attempts of at most as many items as were asked for.
    pub waits: Vec<Wait>,
    /// The cursor to store once all of them are handled; `None` if there are none.
    pub end: Option<Cursor>,
    /// Whether there may be more.
    pub more: bool,
}

/// How many items DynamoDB writes in one call.
const BATCH: usize = 25;
/// The partition that holds the cursors.
const CURSORS: &str = "cursors";

const ADDING: &str = "add to what waits";
const READING: &str = "read what waits";
const MOVING: &str = "move a cursor of what waits";

type Item = HashMap<String, AttributeValue>;

impl Waiting {
    /// The table of this name.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// The table that `WAITING_TABLE` names. Fails if the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("WAITING_TABLE")?))
    }

    /// Stores attempts, 25 items in a call, and returns the results in their order. It does not retry what the table was
    /// too busy for: the caller does, for as long as it has time.
    pub async fn add(&self, waits: &[Wait]) -> Vec<Result<(), AwsError>> {
        let packs = packs(waits, Timestamp::now());
        let mut results: Vec<_> = waits.iter().map(|_| Ok(())).collect();
        for part in packs.chunks(BATCH) {
            let (refused, why) = match self.put(part).await {
                Ok(refused) => (refused, "the table was too busy".to_owned()),
                Err(err) => (part.iter().map(|pack| pack.item.due.clone()).collect(), crate::telemetry::chain(&err)),
            };
            for at in part.iter().filter(|pack| refused.contains(&pack.item.due)).flat_map(|pack| &pack.waits) {
                results[*at] = Err(AwsError::new(ADDING, why.clone()));
            }
        }
        results
    }

    /// Makes one call, and returns the sort keys of the items that were not stored.
    async fn put(&self, packs: &[Pack]) -> Result<HashSet<String>, AwsError> {
        let puts = packs.iter().map(|pack| {
            let item = serde_dynamo::to_item(&pack.item).expect("its fields are valid attributes");
            let put = PutRequest::builder().set_item(Some(item)).build().expect("has its item");
            WriteRequest::builder().put_request(put).build()
        });
        let call = self.client.batch_write_item().request_items(&self.table, puts.collect());
        let answer = call.send().await.while_trying_to(ADDING)?;
        let refused = answer.unprocessed_items.unwrap_or_default().into_values().flatten();
        let refused = refused.filter_map(|write| match write.put_request?.item.remove("due")? {
            AttributeValue::S(due) => Some(due),
            _ => None,
        });
        Ok(refused.collect())
    }

    /// Reads the cursor of each pass in each shard.
    pub async fn cursors(&self) -> Result<Cursors, AwsError> {
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#shard = :cursors")
            .expression_attribute_names("#shard", "shard")
            .expression_attribute_values(":cursors", AttributeValue::S(CURSORS.into()))
            .consistent_read(true)
            .send()
            .await
            .while_trying_to(READING)?;
        let cursor = |mut item: Item| match (item.remove("due")?, item.remove("position")?) {
            (AttributeValue::S(id), AttributeValue::S(position)) => Some((id, Cursor(position))),
            _ => None,
        };
        Ok(Cursors(items.items.unwrap_or_default().into_iter().filter_map(cursor).collect()))
    }

    /// Reads the attempts that a pass has to work on in a shard: those of the items behind its cursor and due by a time, at
    /// most `limit` items. What cannot be read is skipped and logged. The sweep reads eventually consistently, at half the
    /// price: its items are old.
    pub async fn due(
        &self,
        shard: Shard,
        pass: Pass,
        after: Option<&Cursor>,
        by: Timestamp,
        limit: u16,
    ) -> Result<Due, AwsError> {
        // No sort key has a space. So a cursor with a space appended is greater than itself and less than every later key.
        let from = after.map_or_else(|| "0".to_owned(), |cursor| format!("{} ", cursor.0));
        let until = format!("{}~", time(by));
        if from > until {
            return Ok(Due { waits: Vec::new(), end: None, more: false });
        }
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#shard = :shard AND due BETWEEN :from AND :until")
            .expression_attribute_names("#shard", "shard")
            .expression_attribute_values(":shard", shard.key())
            .expression_attribute_values(":from", AttributeValue::S(from))
            .expression_attribute_values(":until", AttributeValue::S(until))
            .consistent_read(pass == Pass::Release)
            .limit(limit.into())
            .send()
            .await
            .while_trying_to(READING)?;
        let items = answer.items.unwrap_or_default();
        let end = items.last().and_then(|item| Some(Cursor(item.get("due")?.as_s().ok()?.clone())));
        let waits = |item: Item| match serde_dynamo::from_item::<_, WaitItem>(item) {
            Ok(item) => item.waits().collect(),
            Err(_) => vec![None],
        };
        let read = |wait: Option<Wait>| {
            if wait.is_none() {
                tracing::error!(shard = shard.0, "an attempt that waits cannot be read");
            }
            wait
        };
        let waits = items.into_iter().flat_map(waits).filter_map(read).collect();
        Ok(Due { waits, end, more: answer.last_evaluated_key.is_some() })
    }

    /// Moves a pass's cursor on. Returns `false`, changing nothing, if the cursor is no longer at `from`: another run
    /// of `release` works on this shard.
    pub async fn advance(
        &self,
        shard: Shard,
        pass: Pass,
        from: Option<&Cursor>,
        to: &Cursor,
    ) -> Result<bool, AwsError> {
        let condition = if from.is_some() { "#at = :from" } else { "attribute_not_exists(#at)" };
        let mut values = HashMap::from([(":to".to_owned(), AttributeValue::S(to.0.clone()))]);
        values.extend(from.map(|from| (":from".to_owned(), AttributeValue::S(from.0.clone()))));
        let moved = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("shard", AttributeValue::S(CURSORS.into()))
            .key("due", AttributeValue::S(cursor_id(shard, pass)))
            .update_expression("SET #at = :to")
            .expression_attribute_names("#at", "position")
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        match moved {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(err))
                if matches!(err.err(), UpdateItemError::ConditionalCheckFailedException(_)) =>
            {
                Ok(false)
            }
            Err(err) => Err(AwsError::new(MOVING, err)),
        }
    }
}

fn cursor_id(shard: Shard, pass: Pass) -> String {
    format!("{}#{}", pass.name(), shard.0)
}
