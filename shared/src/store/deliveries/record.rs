//! Records the changes of a batch's deliveries in one call.

use std::{collections::HashSet, iter};

use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest};
use jiff::Timestamp;

use super::{Deliveries, DeliveryItem, answers::Place};
use crate::{
    aws::AwsError,
    delivery::{Delivery, Reason, Write},
    store::statements::{self, Attributes, STATEMENTS, Written, attributes, insert, statement},
    telemetry,
};

const RECORDING: &str = "record a delivery";

/// The result of a write.
#[derive(Debug)]
pub enum WriteResult {
    Done,
    /// Another dispatcher has stored the delivery since this one read it. Contains the stored delivery; `None` if it
    /// is gone.
    Superseded(Option<Delivery>),
    /// The table is busy or failed temporarily: try again.
    Busy(AwsError),
    /// The table will never take this write.
    Failed(AwsError),
}

/// When a delivery that is recorded now may be removed, in Unix seconds.
pub fn expires_at(retention_days: u32) -> i64 {
    Timestamp::now().as_second() + i64::from(retention_days) * 86_400
}

impl Deliveries {
    /// Stores each delivery, unless another dispatcher has stored it since it was read, and returns the results in
    /// the order of the writes. DynamoDB removes the items some time after `expires_at`, in Unix seconds. Each write
    /// is tried once: the caller knows how long it may retry.
    ///
    /// Two writes of one delivery never go together: the second one is [`WriteResult::Busy`].
    pub async fn record(&self, writes: &[&Write], expires_at: i64) -> Vec<WriteResult> {
        let mut results: Vec<_> = first_of_each(writes).collect();
        let first: Vec<usize> = (0..writes.len()).filter(|at| matches!(results[*at], WriteResult::Done)).collect();
        // A delivery takes two statements if its answer is stored apart.
        for part in first.chunks(STATEMENTS / 2) {
            let places = self.places(part.iter().map(|at| &writes[*at].delivery), expires_at).await;
            let statements = part.iter().zip(places).map(|(at, place)| self.statements(writes[*at], place, expires_at));
            let statements: Vec<Vec<_>> = statements.collect();
            let counts: Vec<_> = statements.iter().map(Vec::len).collect();
            let statements = statements.into_iter().flatten().collect();
            let mut answers = match statements::execute(&self.client, statements, RECORDING).await {
                Ok(answers) => answers,
                Err(err) => {
                    // The whole call failed, so each of its deliveries did.
                    let why = telemetry::chain(&err);
                    for at in part {
                        results[*at] = WriteResult::Busy(failed(why.clone()));
                    }
                    continue;
                }
            };
            for (at, count) in part.iter().copied().zip(counts) {
                results[at] = match worst(answers.by_ref().take(count)) {
                    Written::Done => WriteResult::Done,
                    Written::Refused => self.what_is_recorded(writes[at]).await,
                    Written::Busy(why) => WriteResult::Busy(failed(why)),
                    Written::Failed(why) => WriteResult::Failed(failed(why)),
                };
            }
        }
        results
    }

    /// Returns the delivery's statement, and one for the last attempt's answer if that is a new text that is stored
    /// apart. The first record of a delivery inserts its item. A later one updates what attempts change.
    fn statements(&self, write: &Write, place: Option<Place<'_>>, expires_at: i64) -> Vec<BatchStatementRequest> {
        let answer = place.as_ref().map(|place| &place.answer);
        let item = attributes(serde_dynamo::to_item(DeliveryItem::new(write, answer, expires_at)));
        let delivery = match write.delivery.version {
            0 => insert(&self.table, item),
            version => self.update(item, version),
        };
        let answer = place.and_then(|place| place.item);
        let answer = answer.map(|answer| insert(&self.table, attributes(serde_dynamo::to_item(answer))));
        iter::once(delivery).chain(answer).collect()
    }

    fn update(&self, mut item: Attributes, read: u64) -> BatchStatementRequest {
        let keys = ["webhook", "id"].map(|name| item.remove(name).expect("is part of the key"));
        item.retain(|name, _| !DeliveryItem::UNCHANGING.contains(&name.as_str()));
        let set = item.keys().map(|name| format!(r#"SET "{name}" = ?"#));
        let removed = DeliveryItem::OPTIONAL.into_iter().filter(|name| !item.contains_key(*name));
        let changes: Vec<_> = set.chain(removed.map(|name| format!(r#"REMOVE "{name}""#))).collect();
        let text = format!(
            r#"UPDATE "{}" {} WHERE "webhook" = ? AND "id" = ? AND "version" = ?"#,
            self.table,
            changes.join(" ")
        );
        let mut parameters: Vec<_> = item.into_values().collect();
        parameters.extend(keys);
        parameters.push(AttributeValue::N(read.to_string()));
        statement(text, parameters)
    }

    /// Finds out whether a refused write is stored after all. The SDK repeats a call whose answer was lost, and our
    /// caller repeats a write whose receiver's answer could not be stored. Then our own first write makes the
    /// condition fail.
    async fn what_is_recorded(&self, write: &Write) -> WriteResult {
        let written = &write.delivery;
        match self.find(&written.account_id, written.webhook_id, &written.id).await {
            Err(err) => WriteResult::Busy(err),
            Ok(Some(stored)) if write.is_stored_in(&stored) => WriteResult::Done,
            Ok(stored) => {
                let is_erased = stored.as_ref().is_some_and(|stored| stored.reason == Some(Reason::Erased));
                match if is_erased { self.empty_answer(write).await } else { Ok(()) } {
                    Ok(()) => WriteResult::Superseded(stored),
                    Err(err) => WriteResult::Busy(err),
                }
            }
        }
    }
}

fn failed(why: String) -> AwsError {
    AwsError::new(RECORDING, why)
}

/// Combines the results of a delivery's statement and, if there is one, of its answer's. An answer that exists
/// already counts as stored.
fn worst(mut answers: impl Iterator<Item = Written>) -> Written {
    let delivery = answers.next().unwrap_or_else(Written::unanswered);
    match answers.next() {
        Some(problem @ (Written::Busy(_) | Written::Failed(_))) => problem,
        _ => delivery,
    }
}

/// Marks the first write of each delivery to go, and all others as busy: DynamoDB refuses a batch that writes an item
/// twice.
fn first_of_each(writes: &[&Write]) -> impl Iterator<Item = WriteResult> {
    let mut seen = HashSet::new();
    writes.iter().map(move |Write { delivery, .. }| {
        if seen.insert((&delivery.account_id, delivery.webhook_id, &delivery.id)) {
            WriteResult::Done
        } else {
            WriteResult::Busy(failed("another write of the same delivery goes first".into()))
        }
    })
}
