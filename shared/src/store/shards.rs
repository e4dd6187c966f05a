//! Reads items in the order of their event ids, although they are spread over partitions.
//!
//! This module queries the partitions; [`super::merge`] decides which to query, and which item comes next.

use std::collections::HashMap;

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::AttributeValue};
use futures_util::future::try_join_all;

use super::merge::{End, Merge, MergeStep};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    names::{AccountId, EventId, shard_of_task},
};

/// How many partitions the events of an account, and the deliveries of a webhook, are spread over. DynamoDB takes 1,000
/// write units a second for each.
pub(super) const SHARDS: u8 = 8;

const READING: &str = "read items in the order of their events";

type Item = HashMap<String, AttributeValue>;

/// Which items to read, and how.
#[derive(Debug, Clone)]
pub(super) struct Range<'a> {
    pub(super) from: End,
    /// Only items with a greater id.
    pub(super) above: Option<&'a EventId>,
    /// Only items with a smaller id.
    pub(super) below: Option<&'a EventId>,
    /// How many times each partition may be queried.
    pub(super) rounds: usize,
}

/// Partitions while they are read.
pub(super) struct Shards<'a, Q> {
    /// The name of the partition key.
    hash: &'static str,
    keys: Vec<String>,
    range: Range<'a>,
    merge: Merge<Item>,
    query: Q,
}

/// The next item, or why there is none.
pub(super) enum Next {
    One(EventId, Item),
    /// No item is left.
    End,
    /// The allowed number of queries found nothing more. The rest comes after this id.
    Later(EventId),
}

impl<'a, Q: Fn() -> QueryFluentBuilder> Shards<'a, Q> {
    /// Reads the partitions with these keys. `query` returns a query with table, index, filter, projection
    /// and limit.
    pub(super) fn new(hash: &'static str, keys: Vec<String>, range: Range<'a>, query: Q) -> Self {
        let merge = Merge::new(keys.len(), range.from, range.rounds);
        Self { hash, keys, range, merge, query }
    }

    /// Returns the next item in the order of ids.
    pub(super) async fn next(&mut self) -> Result<Next, AwsError> {
        loop {
            match self.merge.step() {
                MergeStep::Item(id, item) => return Ok(Next::One(id, item)),
                MergeStep::End => return Ok(Next::End),
                MergeStep::Later(id) => return Ok(Next::Later(id)),
                MergeStep::Ask(partitions) => {
                    let answers = try_join_all(partitions.iter().map(|at| self.read(*at))).await?;
                    for (at, (found, last)) in partitions.into_iter().zip(answers) {
                        self.merge.answer(at, found, last);
                    }
                }
            }
        }
    }

    /// Returns the next items, at most `limit`, and the id after which a further read continues, if there may be more.
    pub(super) async fn page(mut self, limit: usize) -> Result<(Vec<(EventId, Item)>, Option<EventId>), AwsError> {
        let mut found: Vec<(EventId, Item)> = Vec::new();
        loop {
            match self.next().await? {
                // One item more than the page takes: there is a next page.
                Next::One(..) if found.len() == limit => {
                    let last = found.last().map(|(id, _)| id.clone());
                    return Ok((found, last));
                }
                Next::One(id, item) => found.push((id, item)),
                Next::End => return Ok((found, None)),
                Next::Later(id) => return Ok((found, Some(id))),
            }
        }
    }

    /// Makes one query. Returns what it found, and the id at which it stopped if there may be more.
    async fn read(&self, partition: usize) -> Result<(Vec<(EventId, Item)>, Option<EventId>), AwsError> {
        let Range { from, above, below, .. } = self.range;
        let position = self.merge.position(partition);
        let (above, below) = match from {
            End::Oldest => (position.or(above), below),
            End::Newest => (above, position.or(below)),
        };
        if above.is_some() && below.is_some() && above >= below {
            return Ok((Vec::new(), None));
        }
        let answer = self.ranged(partition, above, below).send().await;
        let answer = answer.while_trying_to(READING)?;
        let mut found = Vec::new();
        for item in answer.items.unwrap_or_default() {
            let id = id_of(&item)?;
            // `BETWEEN` includes both ends; the range excludes them.
            if Some(&id) != above && Some(&id) != below {
                found.push((id, item));
            }
        }
        Ok((found, answer.last_evaluated_key.as_ref().map(id_of).transpose()?))
    }

    fn ranged(&self, partition: usize, above: Option<&EventId>, below: Option<&EventId>) -> QueryFluentBuilder {
        let range = match (above, below) {
            (None, None) => "",
            (Some(_), None) => " AND id > :above",
            (None, Some(_)) => " AND id < :below",
            (Some(_), Some(_)) => " AND id BETWEEN :above AND :below",
        };
        let mut query = (self.query)()
            .key_condition_expression(format!("{} = :key{range}", self.hash))
            .expression_attribute_values(":key", AttributeValue::S(self.keys[partition].clone()))
            .scan_index_forward(self.range.from == End::Oldest);
        for (name, id) in [(":above", above), (":below", below)] {
            if let Some(id) = id {
                query = query.expression_attribute_values(name, AttributeValue::S(id.to_string()));
            }
        }
        query
    }
}

/// Completes a list's query. An attribute with a text in `wanted` must have that text; its name may be a placeholder,
/// which begins with `#`. Without a filter, the query reads the partition's share of a page of `limit` items; with one,
/// it looks at `looked_at` items, or at DynamoDB's 1 MB if that is `None`.
pub(super) fn filtered(
    mut query: QueryFluentBuilder,
    wanted: [(&str, Option<String>); 3],
    limit: usize,
    looked_at: Option<i32>,
) -> QueryFluentBuilder {
    let mut conditions = Vec::new();
    for (name, text) in wanted {
        let Some(text) = text else { continue };
        let value = format!(":{}", name.trim_start_matches('#'));
        conditions.push(format!("{name} = {value}"));
        query = query.expression_attribute_values(value, AttributeValue::S(text));
    }
    if conditions.is_empty() {
        return query.limit(at_once(limit + 1));
    }
    query.filter_expression(conditions.join(" AND ")).set_limit(looked_at)
}

/// The shards that a list reads: all, or the one that has a task's events and deliveries.
pub(super) fn shards_of(account: &AccountId, task_id: Option<&str>) -> Vec<u8> {
    match task_id {
        Some(task_id) => vec![shard_of_task(account, task_id, SHARDS)],
        None => (0..SHARDS).collect(),
    }
}

/// How many items of each partition to read first, so that it is seldom necessary to query one again.
pub(super) fn at_once(limit: usize) -> i32 {
    let shards = usize::from(SHARDS);
    i32::try_from(limit / shards + limit / (2 * shards) + 3).unwrap_or(i32::MAX)
}

fn id_of(item: &Item) -> Result<EventId, AwsError> {
    let id = item.get("id").ok_or_else(|| AwsError::new(READING, "an item has no id"))?;
    serde_dynamo::from_attribute_value(id.clone()).while_trying_to(READING)
}
