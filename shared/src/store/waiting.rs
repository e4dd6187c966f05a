//! The waiting table: one item for each attempt that is due later.
//!
//! The dispatcher adds an entry for each attempt that is to follow a failed one, besides the record of the failure.
//! The function `release` reads the entries that are due, shard by shard, and sends their messages. It changes and
//! deletes no entry: DynamoDB's time to live removes entries, which costs nothing, and a [`Cursor`] for each shard
//! says how far `release` has come. See `docs/decisions/0028-what-waits-is-an-item-of-its-own.md`.
//!
//! An attempt may have two entries, and `release` may send an entry twice: the dispatcher makes each attempt once.

mod quota;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{AwsError, WhileTryingTo as _},
    config::{self, ConfigError},
    delivery::Message,
    names::{AccountId, EventId, EventType, WebhookId},
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
    pub due: Timestamp,
    /// The message that is sent to the dispatcher then. The entry does not store its body: the event has it.
    pub message: Message,
    /// Whether a delayed message on the queue already asks for the attempt. `release` then does not send the entry,
    /// unless the sweep finds that the message was lost.
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

/// How far a pass has come in a shard: the sort key of the last entry that it has handled.
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

/// Entries of one shard, in the order in which they are due.
#[derive(Debug)]
pub struct Due {
    /// At most as many as were asked for.
    pub waits: Vec<Wait>,
    /// The cursor to store once all of them are handled; `None` if there are none.
    pub end: Option<Cursor>,
    /// Whether there may be more.
    pub more: bool,
}

/// How many items DynamoDB writes in one call.
const BATCH: usize = 25;
/// How long an entry is kept after it was due. If `release` does not run for longer than this, retries are lost.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// An entry that `release` is to send is never stored with a due time closer than this. `release` moves its cursor up
/// to the present, and only the sweep finds an entry behind the cursor, an hour later. This is more than a write
/// takes.
const AHEAD: Duration = Duration::from_secs(5);
/// The partition that holds the cursors.
const CURSORS: &str = "cursors";

const ADDING: &str = "add to what waits";
const READING: &str = "read what waits";
const MOVING: &str = "move a cursor of what waits";

type Item = HashMap<String, AttributeValue>;

/// An entry as it is stored: below 400 bytes, so that writing it costs one unit.
#[derive(Debug, Serialize, Deserialize)]
struct WaitItem {
    shard: String,
    /// `<time>#account#webhook#delivery#round#attempt`: it sorts by time, and no two attempts have the same.
    due: String,
    account_id: AccountId,
    webhook_id: WebhookId,
    event_id: EventId,
    event: EventType,
    round: u32,
    attempt: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    carried: bool,
    /// Unix seconds after which DynamoDB's time to live removes the item.
    expires_at: i64,
}

impl WaitItem {
    fn new(wait: &Wait, now: Timestamp) -> Self {
        let Wait { due, message, carried } = wait;
        let due = if *carried { *due } else { (*due).max(now + AHEAD) };
        let Message { account_id, webhook_id, event_id, event, round, attempt, .. } = message.clone();
        Self {
            shard: Shard::of(&event_id).0.to_string(),
            due: format!("{}#{account_id}#{webhook_id}#{event_id}#{round}#{attempt}", time(due)),
            account_id,
            webhook_id,
            event_id,
            event,
            round,
            attempt,
            carried: *carried,
            expires_at: (due + KEPT).as_second(),
        }
    }

    fn wait(self) -> Option<Wait> {
        let due = self.due.split('#').next()?.parse().ok()?;
        let message = Message {
            account_id: self.account_id,
            webhook_id: self.webhook_id,
            event_id: self.event_id,
            event: self.event,
            payload: None,
            callback_url: None,
            round: self.round,
            attempt: self.attempt,
            probe: None,
            resend: None,
            queued_at: None,
        };
        Some(Wait { due, message, carried: self.carried })
    }
}

impl Waiting {
    /// The table of this name.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// The table that `WAITING_TABLE` names. Fails if the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("WAITING_TABLE")?))
    }

    /// Stores entries, 25 in a call, and returns the results in their order. Adding the same entry again changes
    /// nothing. It does not retry entries that the table was too busy for: the caller does, for as long as it has
    /// time.
    pub async fn add(&self, waits: &[Wait]) -> Vec<Result<(), AwsError>> {
        let now = Timestamp::now();
        let items: Vec<_> = waits.iter().map(|wait| WaitItem::new(wait, now)).collect();
        let mut results = Vec::with_capacity(items.len());
        for part in items.chunks(BATCH) {
            let (refused, why) = match self.put(part).await {
                Ok(refused) => (refused, "the table was too busy".to_owned()),
                Err(err) => (part.iter().map(|item| item.due.clone()).collect(), crate::telemetry::chain(&err)),
            };
            results.extend(part.iter().map(|item| {
                if refused.contains(&item.due) { Err(AwsError::new(ADDING, why.clone())) } else { Ok(()) }
            }));
        }
        results
    }

    /// Makes one call, and returns the sort keys of the entries that were not stored.
    async fn put(&self, items: &[WaitItem]) -> Result<HashSet<String>, AwsError> {
        let mut seen = HashSet::new();
        // DynamoDB refuses a batch that names an item twice.
        let once = items.iter().filter(|item| seen.insert(&item.due));
        let puts = once.map(|item| {
            let item = serde_dynamo::to_item(item).expect("an entry is a valid item");
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

    /// Reads the entries that a pass has to work on in a shard: those behind its cursor and due by a time, at most
    /// `limit`. An entry that cannot be read is skipped and logged. The sweep reads eventually consistently, at half
    /// the price: its entries are old.
    pub async fn due(
        &self,
        shard: Shard,
        pass: Pass,
        after: Option<&Cursor>,
        by: Timestamp,
        limit: u16,
    ) -> Result<Due, AwsError> {
        // Sort keys end in a digit. So a cursor with a space appended is greater than itself and less than every
        // later key.
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
        let wait = |item| {
            let wait = serde_dynamo::from_item(item).ok().and_then(WaitItem::wait);
            if wait.is_none() {
                tracing::error!(shard = shard.0, "an entry of what waits cannot be read");
            }
            wait
        };
        let waits = items.into_iter().filter_map(wait).collect();
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

/// Formats a time as text that sorts like the time.
fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn cursor_id(shard: Shard, pass: Pass) -> String {
    format!("{}#{}", pass.name(), shard.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn wait(due: Timestamp, attempt: u32) -> Wait {
        let text = r#"{"account_id":"acct_1","webhook_id":7,"event_id":"01KDYAK3482WAV4DVEFM6KBDXQ","event":"job.failed",
            "round":2,"attempt":0}"#;
        Wait { due, message: Message { attempt, ..serde_json::from_str(text).unwrap() }, carried: false }
    }

    fn stored(wait: &Wait) -> WaitItem {
        let item: Item = serde_dynamo::to_item(WaitItem::new(wait, now())).unwrap();
        serde_dynamo::from_item(item).unwrap()
    }

    #[test]
    fn an_entry_gives_back_the_wait_that_it_was_made_of() {
        let carried = Wait { carried: true, ..wait(now() + Duration::from_millis(1_500), 3) };
        assert_eq!(stored(&carried).wait(), Some(carried));
        let later = wait(now() + Duration::from_hours(1), 10);
        assert_eq!(stored(&later).wait(), Some(later));
    }

    #[test]
    fn entries_sort_by_the_time_at_which_they_are_due() {
        let keys = [0, 1, 999, 1_000, 60_000].map(|ms| stored(&wait(now() + AHEAD + Duration::from_millis(ms), 1)).due);
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(keys[1], "2026-01-02T03:04:10.001Z#acct_1#7#01KDYAK3482WAV4DVEFM6KBDXQ#2#1");
    }

    #[test]
    fn what_is_to_be_released_is_stored_ahead_of_the_cursor() {
        for late in [now() - Duration::from_hours(1), now(), now() + AHEAD] {
            assert_eq!(stored(&wait(late, 1)).wait().unwrap().due, now() + AHEAD, "{late}");
        }
    }

    #[test]
    fn an_entry_costs_one_unit() {
        let mut longest = wait(now(), u32::MAX);
        longest.message.account_id = AccountId::parse(&"a".repeat(64)).unwrap();
        longest.message.webhook_id = WebhookId(u64::MAX);
        let item: Item = serde_dynamo::to_item(WaitItem::new(&longest, now())).unwrap();
        let size = |(name, value): (&String, &AttributeValue)| name.len() + value.as_s().map_or(21, String::len);
        assert!(item.iter().map(size).sum::<usize>() <= 1024);
    }
}
