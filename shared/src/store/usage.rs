//! The usage table: how many requests each API key made in its last minute and day, and when it was last used.
//!
//! It is a table of its own so that the functions that count requests cannot write the keys: none of them can create
//! a key or restore a revoked one.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::KeyRecord;
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    config::{self, ConfigError},
};

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// The usage table.
#[derive(Debug, Clone)]
pub struct Usage {
    client: Client,
    table: String,
}

/// How many requests a key may make. The windows are the minutes and the days of UTC.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub per_minute: u32,
    pub per_day: u32,
}

/// A key's remaining quota, in whichever window (minute or day) has less left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Whether the request was within the limits. A request beyond them is not counted.
    pub allowed: bool,
    /// The window's length, in seconds.
    pub window: i64,
    /// How many requests the window allows.
    pub limit: u32,
    /// How many requests are left in the window.
    pub remaining: u32,
    /// Seconds until the next window begins.
    pub reset: i64,
}

impl Allowance {
    /// The window in words.
    pub(crate) fn per(&self) -> &'static str {
        if self.window == MINUTE { "a minute" } else { "a day" }
    }
}

/// The stored counters of a key: the minute and the day of its last request, counted from 1970, and the number of
/// requests in each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counters {
    in_minute: i64,
    minute_count: u32,
    in_day: i64,
    day_count: u32,
}

/// How many times [`Usage::count`] tries. A try fails if another request begins the same window, or if a sandbox
/// whose clock is ahead has already begun the next one.
const ROUNDS: u32 = 20;

const COUNTING: &str = "count a request";
const LAST_USED: &str = "read when keys were last used";
/// The most keys that one call reads.
const BATCH: usize = 100;

type Item = HashMap<String, AttributeValue>;

/// The result of adding one.
enum Added {
    /// The counters afterwards.
    Counted(Counters),
    /// The stored counters, if there are any: they are of another window, or full.
    Refused(Option<Counters>),
}

impl Usage {
    /// The table of this name.
    pub fn new(aws: &aws_config::SdkConfig, table: String) -> Self {
        Self { client: Client::new(aws), table }
    }

    /// The table that `USAGE_TABLE` names. Fails if the variable is not set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("USAGE_TABLE")?))
    }

    /// Counts a request of a key, unless the key has reached a limit, and returns its quota. The counters are in the
    /// table, so the limits hold across functions and sandboxes. It takes one write, and two for the first request of
    /// a window.
    pub async fn count(&self, key_id: &str, limits: Limits, now: Timestamp) -> Result<Allowance, AwsError> {
        let mut window = Counters::default().moved_on(now);
        for _ in 0..ROUNDS {
            let before = match self.add_one(key_id, limits, window, now).await? {
                Added::Counted(after) => return Ok(after.allowance(limits, true, now)),
                Added::Refused(before) => before,
            };
            let (asked, found) = (window, before.unwrap_or_default());
            window = found.moved_on(now);
            if window.is_full(limits) {
                return Ok(window.allowance(limits, false, now));
            }
            // Another sandbox's clock is ahead, and its window has room: count there.
            if found.is_same_time(window) && !found.is_same_time(asked) {
                continue;
            }
            let after = window.one_more();
            if self.replace(key_id, before, after, now).await? {
                return Ok(after.allowance(limits, true, now));
            }
        }
        Err(AwsError::new(COUNTING, "other requests began the window each time"))
    }

    /// Deletes the record of when a key was used.
    pub async fn forget(&self, key_id: &str) -> Result<(), AwsError> {
        let forget = self.client.delete_item().table_name(&self.table);
        let forget = forget.key("key_id", AttributeValue::S(key_id.to_owned()));
        forget.send().await.map(|_| ()).while_trying_to("forget when a key was used")
    }

    /// When each key was last used, by the key's id. Reads the whole table, so it is for the operator's command only.
    pub async fn last_used(&self) -> Result<HashMap<String, Timestamp>, AwsError> {
        let items = self.client.scan().table_name(&self.table).into_paginator().items().send();
        last_used(items.collect::<Result<Vec<_>, _>>().await.while_trying_to(LAST_USED)?)
    }

    /// When each of these keys was last used, by the key's id. A key that was never used is missing.
    pub async fn last_used_of(&self, keys: &[KeyRecord]) -> Result<HashMap<String, Timestamp>, AwsError> {
        // Several keys may have the same id, and DynamoDB refuses a batch that asks for an item twice.
        let key_ids: BTreeSet<_> = keys.iter().map(|key| key.id.as_str()).collect();
        let mut found = Vec::new();
        for key_ids in Vec::from_iter(key_ids).chunks(BATCH) {
            let keys = key_ids.iter().map(|id| Item::from([("key_id".into(), AttributeValue::S((*id).to_owned()))]));
            let keys = KeysAndAttributes::builder().set_keys(Some(keys.collect())).build().expect("has its keys");
            let mut asked = Some(HashMap::from([(self.table.clone(), keys)]));
            while asked.as_ref().is_some_and(|asked| !asked.is_empty()) {
                let answer = self.client.batch_get_item().set_request_items(asked).send().await;
                let answer = answer.while_trying_to(LAST_USED)?;
                found.extend(answer.responses.unwrap_or_default().into_values().flatten());
                asked = answer.unprocessed_keys;
            }
        }
        last_used(found)
    }

    /// Adds one if the stored window is this one and has room.
    async fn add_one(
        &self,
        key_id: &str,
        limits: Limits,
        Counters { in_minute, in_day, .. }: Counters,
        now: Timestamp,
    ) -> Result<Added, AwsError> {
        let added = self
            .update(key_id, now)
            .update_expression("SET last_used_at = :now ADD minute_count :one, day_count :one")
            .condition_expression(
                "in_minute = :minute AND in_day = :day AND minute_count < :per_minute AND day_count < :per_day",
            )
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":minute", number(in_minute))
            .expression_attribute_values(":day", number(in_day))
            .expression_attribute_values(":per_minute", number(limits.per_minute.into()))
            .expression_attribute_values(":per_day", number(limits.per_day.into()))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match added {
            Ok(added) => Ok(Added::Counted(parsed(added.attributes.unwrap_or_default())?)),
            Err(err) => match err.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Added::Refused(failed.item().cloned().map(parsed).transpose()?))
                }
                _ => Err(AwsError::new(COUNTING, err)),
            },
        }
    }

    /// Replaces the counters that were read, unless they have changed. Returns whether it did.
    async fn replace(
        &self,
        key_id: &str,
        before: Option<Counters>,
        after: Counters,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let mut update = self
            .update(key_id, now)
            .update_expression(
                "SET last_used_at = :now, in_minute = :minute, minute_count = :in_minute, in_day = :day, day_count = :in_day",
            )
            .expression_attribute_values(":minute", number(after.in_minute))
            .expression_attribute_values(":in_minute", number(after.minute_count.into()))
            .expression_attribute_values(":day", number(after.in_day))
            .expression_attribute_values(":in_day", number(after.day_count.into()))
            .condition_expression("attribute_not_exists(key_id)");
        if let Some(before) = before {
            update = update
                .condition_expression(
                    "in_minute = :minute_before AND in_day = :day_before AND day_count = :count_before",
                )
                .expression_attribute_values(":minute_before", number(before.in_minute))
                .expression_attribute_values(":day_before", number(before.in_day))
                .expression_attribute_values(":count_before", number(before.day_count.into()));
        }
        match update.send().await {
            Ok(_) => Ok(true),
            Err(err) => match err.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(AwsError::new(COUNTING, err)),
            },
        }
    }

    fn update(&self, key_id: &str, now: Timestamp) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("key_id", AttributeValue::S(key_id.to_owned()))
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
    }
}

impl Counters {
    /// The counters at a later time. A window that another sandbox's faster clock has already begun stays.
    fn moved_on(self, now: Timestamp) -> Self {
        let (minute, day) = (now.as_second() / MINUTE, now.as_second() / DAY);
        Self {
            in_minute: self.in_minute.max(minute),
            minute_count: if self.in_minute < minute { 0 } else { self.minute_count },
            in_day: self.in_day.max(day),
            day_count: if self.in_day < day { 0 } else { self.day_count },
        }
    }

    fn is_same_time(self, other: Self) -> bool {
        (self.in_minute, self.in_day) == (other.in_minute, other.in_day)
    }

    fn one_more(self) -> Self {
        Self { minute_count: self.minute_count + 1, day_count: self.day_count + 1, ..self }
    }

    fn is_full(self, limits: Limits) -> bool {
        self.minute_count >= limits.per_minute || self.day_count >= limits.per_day
    }

    fn allowance(self, limits: Limits, allowed: bool, now: Timestamp) -> Allowance {
        let of = |window: i64, number: i64, limit: u32, count: u32| Allowance {
            allowed,
            window,
            limit,
            remaining: limit.saturating_sub(count),
            reset: ((number + 1) * window - now.as_second()).max(1),
        };
        let minute = of(MINUTE, self.in_minute, limits.per_minute, self.minute_count);
        let day = of(DAY, self.in_day, limits.per_day, self.day_count);
        if day.remaining < minute.remaining || (day.remaining == 0 && minute.remaining == 0) { day } else { minute }
    }
}

fn last_used(items: Vec<Item>) -> Result<HashMap<String, Timestamp>, AwsError> {
    #[derive(Deserialize)]
    struct Used {
        key_id: String,
        last_used_at: Timestamp,
    }
    let used: Vec<Used> = serde_dynamo::from_items(items).while_trying_to(LAST_USED)?;
    Ok(used.into_iter().map(|Used { key_id, last_used_at }| (key_id, last_used_at)).collect())
}

fn parsed(item: Item) -> Result<Counters, AwsError> {
    serde_dynamo::from_item(item).while_trying_to(COUNTING)
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { per_minute: 60, per_day: 100 };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn used(minute_count: u32, day_count: u32) -> Counters {
        Counters { minute_count, day_count, ..Counters::default().moved_on(at("2026-01-02T03:04:05Z")) }
    }

    #[test]
    fn a_new_minute_forgets_the_minute_and_a_new_day_both() {
        let count = |now| {
            let Counters { minute_count, day_count, .. } = used(60, 90).moved_on(at(now));
            (minute_count, day_count)
        };
        assert_eq!(count("2026-01-02T03:04:59Z"), (60, 90));
        assert_eq!(count("2026-01-02T03:05:00Z"), (0, 90));
        assert_eq!(count("2026-01-03T00:00:00Z"), (0, 0));
        assert_eq!(count("2026-01-02T03:03:59Z"), (60, 90), "a slower clock restores no quota");
    }

    #[test]
    fn a_window_is_full_at_its_limit() {
        assert!(!used(59, 99).is_full(LIMITS));
        assert!(used(60, 60).is_full(LIMITS));
        assert!(used(1, 100).is_full(LIMITS));
    }

    #[test]
    fn the_window_with_less_left_is_the_one_that_is_shown() {
        let now = at("2026-01-02T03:04:05Z");
        let quota = |counters: Counters| {
            let Allowance { window, limit, remaining, reset, .. } = counters.allowance(LIMITS, true, now);
            (window, limit, remaining, reset)
        };
        assert_eq!(quota(used(10, 10)), (60, 60, 50, 55));
        assert_eq!(quota(used(10, 95)), (86_400, 100, 5, 75_355));
        assert_eq!(quota(used(60, 100)), (86_400, 100, 0, 75_355), "waiting for the minute would be in vain");
    }
}
