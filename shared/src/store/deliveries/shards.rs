//! Reads a webhook's deliveries in the order of their ids, although they are spread over partitions.
//!
//! This module queries the partitions; [`super::merge`] decides which to query, and which delivery comes next.

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::AttributeValue};
use futures_util::future::try_join_all;

use super::{
    Deliveries, Item,
    item::{index_key, partitions},
    merge::{End, Merge, MergeStep},
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    delivery::State,
    names::{AccountId, DeliveryId, WebhookId},
};

/// The index of the deliveries that are not `delivered`, by state. It contains only their keys.
const BY_STATE: &str = "by-state";
/// The attributes of a delivery that a list shows.
pub(super) const ATTRIBUTES: &str = "id, event, #state, attempts, next_attempt_at";

const READING: &str = "read a webhook's history";

/// Which of a webhook's deliveries to read, and how.
#[derive(Debug, Clone)]
pub(super) struct Asked<'a> {
    /// Only deliveries in this state, and only their ids. The index does not have [`State::Delivered`].
    pub(super) indexed: Option<State>,
    /// Only deliveries in this state, found by a filter on the table.
    pub(super) picked: Option<State>,
    /// Only deliveries with a greater id.
    pub(super) above: Option<&'a DeliveryId>,
    /// Only deliveries with a smaller id.
    pub(super) below: Option<&'a DeliveryId>,
    pub(super) from: End,
    /// How many items of a partition one query looks at.
    pub(super) at_once: usize,
    /// How many times each partition may be queried.
    pub(super) rounds: usize,
}

/// A webhook's partitions while they are read.
pub(super) struct Shards<'a> {
    deliveries: &'a Deliveries,
    asked: Asked<'a>,
    /// The partitions' keys, of the table or of the index.
    keys: Vec<String>,
    merge: Merge<Item>,
}

/// The next delivery, or why there is none.
pub(super) enum Next {
    One(DeliveryId, Item),
    /// No delivery is left.
    End,
    /// The allowed number of queries found nothing more. The rest comes after this id.
    Later(DeliveryId),
}

impl<'a> Shards<'a> {
    pub(super) fn new(deliveries: &'a Deliveries, account: &AccountId, webhook: WebhookId, asked: Asked<'a>) -> Self {
        let key = |partition: String| match asked.indexed {
            Some(state) => index_key(&partition, state),
            None => Some(partition),
        };
        let keys: Vec<_> = partitions(account, webhook).filter_map(key).collect();
        let merge = Merge::new(keys.len(), asked.from, asked.rounds);
        Self { deliveries, asked, keys, merge }
    }

    /// Returns the next delivery in the order of ids.
    pub(super) async fn next(&mut self) -> Result<Next, AwsError> {
        loop {
            match self.merge.step() {
                MergeStep::Give(id, item) => return Ok(Next::One(id, item)),
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

    /// Makes one query. Returns what it found, and the id at which it stopped if there may be more.
    async fn read(&self, partition: usize) -> Result<(Vec<(DeliveryId, Item)>, Option<DeliveryId>), AwsError> {
        let Asked { from, above, below, .. } = self.asked;
        let position = self.merge.position(partition);
        let (above, below) = match from {
            End::Oldest => (position.or(above), below),
            End::Newest => (above, position.or(below)),
        };
        let answer = self.query(partition, above, below).send().await;
        let answer = answer.while_trying_to(READING)?;
        let mut found = Vec::new();
        for item in answer.items.unwrap_or_default() {
            let id = id_of(&item)?;
            // `BETWEEN` includes both of its ends, which are not asked for.
            if Some(&id) != above && Some(&id) != below {
                found.push((id, item));
            }
        }
        Ok((found, answer.last_evaluated_key.as_ref().map(id_of).transpose()?))
    }

    fn query(&self, partition: usize, above: Option<&DeliveryId>, below: Option<&DeliveryId>) -> QueryFluentBuilder {
        let Self { deliveries, asked, keys, .. } = self;
        let hash = if asked.indexed.is_some() { "listed_as" } else { "webhook" };
        let range = match (above, below) {
            (None, None) => "",
            (Some(_), None) => " AND id > :above",
            (None, Some(_)) => " AND id < :below",
            (Some(_), Some(_)) => " AND id BETWEEN :above AND :below",
        };
        let mut query = deliveries
            .client
            .query()
            .table_name(&deliveries.table)
            .set_index_name(asked.indexed.map(|_| BY_STATE.to_owned()))
            .key_condition_expression(format!("{hash} = :key{range}"))
            .expression_attribute_values(":key", AttributeValue::S(keys[partition].clone()))
            .scan_index_forward(asked.from == End::Oldest)
            .limit(i32::try_from(asked.at_once).unwrap_or(i32::MAX));
        for (name, id) in [(":above", above), (":below", below)] {
            if let Some(id) = id {
                query = query.expression_attribute_values(name, AttributeValue::S(id.to_string()));
            }
        }
        if asked.indexed.is_some() {
            return query.projection_expression("id");
        }
        query = query.projection_expression(ATTRIBUTES).expression_attribute_names("#state", "state");
        match asked.picked {
            None => query,
            Some(state) => query
                .filter_expression("#state = :state")
                .expression_attribute_values(":state", AttributeValue::S(state.as_str().into())),
        }
    }
}

fn id_of(item: &Item) -> Result<DeliveryId, AwsError> {
    let id = item.get("id").ok_or_else(|| AwsError::new(READING, "an item has no id"))?;
    serde_dynamo::from_attribute_value(id.clone()).while_trying_to(READING)
}
