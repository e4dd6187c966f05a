//! Records the changes of a batch's deliveries in one call.
//!
//! DynamoDB's batch write takes no conditions, and its transaction costs twice as much and fails as a whole. A batch
//! of `PartiQL` statements avoids both: each statement is a write of its own, with its own condition, for the price
//! of that write. See `docs/decisions/0009-a-batch-is-recorded-by-statements.md`.

use std::{
    collections::{BTreeMap, HashSet},
    iter,
};

use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementErrorCodeEnum as Code, BatchStatementRequest, BatchStatementResponse,
};

use jiff::Timestamp;

use super::{
    Deliveries, DeliveryItem, Item,
    attempt_item::{AnswerItem, apart, digest},
    item::{answers_of, partition},
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    delivery::{Delivery, Write},
    telemetry,
};

/// How many statements DynamoDB takes in one call.
const STATEMENTS: usize = 25;
/// How many bytes of bodies are written in one call. A batch of the largest bodies takes several calls.
const BYTES: usize = 1024 * 1024;

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

/// The result of one statement.
enum Written {
    Done,
    /// Its condition did not hold.
    Refused,
    Busy(String),
    Failed(String),
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
        for part in pack(&first, |at| writes[at].delivery.body.len()) {
            let statements: Vec<Vec<_>> = part.iter().map(|at| self.statements(writes[*at], expires_at)).collect();
            let counts: Vec<_> = statements.iter().map(Vec::len).collect();
            let answers = match self.execute(statements.concat()).await {
                Ok(answers) => answers,
                Err(err) => {
                    // The whole call failed, so each of its deliveries did.
                    let why = telemetry::chain(&err);
                    for at in part {
                        results[at] = WriteResult::Busy(failed(why.clone()));
                    }
                    continue;
                }
            };
            let mut answers = answers.iter().map(written).chain(iter::repeat_with(Written::unanswered));
            for (at, count) in part.into_iter().zip(counts) {
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

    async fn execute(&self, statements: Vec<BatchStatementRequest>) -> Result<Vec<BatchStatementResponse>, AwsError> {
        let sent = self.client.batch_execute_statement().set_statements(Some(statements)).send().await;
        let answers = sent.while_trying_to(RECORDING)?.responses.unwrap_or_default();
        Ok(answers)
    }

    /// Returns the delivery's statement, and one for the last attempt's answer if that is stored apart. The first
    /// record of a delivery inserts its item. A later one updates what attempts change; the body stays as it is.
    fn statements(&self, write: &Write, expires_at: i64) -> Vec<BatchStatementRequest> {
        let item = attributes(serde_dynamo::to_item(DeliveryItem::new(write, expires_at)));
        let delivery = match write.delivery.version {
            0 => self.insert(item),
            version => self.update(item, version),
        };
        let answer = new_answer(&write.delivery, kept_longer(expires_at))
            .map(|answer| self.insert(attributes(serde_dynamo::to_item(answer))));
        let statements = iter::once(delivery).chain(answer);
        statements.map(|(text, parameters)| statement(text, parameters)).collect()
    }

    /// `INSERT` fails if the item exists already.
    fn insert(&self, item: BTreeMap<String, AttributeValue>) -> (String, Vec<AttributeValue>) {
        let names: Vec<_> = item.keys().map(|name| format!("'{name}': ?")).collect();
        let statement = format!(r#"INSERT INTO "{}" VALUE {{{}}}"#, self.table, names.join(", "));
        (statement, item.into_values().collect())
    }

    fn update(&self, mut item: BTreeMap<String, AttributeValue>, read: u64) -> (String, Vec<AttributeValue>) {
        let keys = ["webhook", "id"].map(|name| item.remove(name).expect("is part of the key"));
        item.retain(|name, _| !DeliveryItem::UNCHANGING.contains(&name.as_str()));
        let set = item.keys().map(|name| format!(r#"SET "{name}" = ?"#));
        let removed = DeliveryItem::OPTIONAL.into_iter().filter(|name| !item.contains_key(*name));
        let changes: Vec<_> = set.chain(removed.map(|name| format!(r#"REMOVE "{name}""#))).collect();
        let statement = format!(
            r#"UPDATE "{}" {} WHERE "webhook" = ? AND "id" = ? AND "version" = ?"#,
            self.table,
            changes.join(" ")
        );
        let mut parameters: Vec<_> = item.into_values().collect();
        parameters.extend(keys);
        parameters.push(AttributeValue::N(read.to_string()));
        (statement, parameters)
    }

    /// Finds out whether a refused write is stored after all. The SDK repeats a call whose answer was lost, and our
    /// caller repeats a write whose receiver's answer could not be stored. Then our own first write makes the
    /// condition fail.
    async fn what_is_recorded(&self, write: &Write) -> WriteResult {
        let ours = &write.delivery;
        match self.find(&ours.account_id, ours.webhook_id, &ours.id).await {
            Err(err) => WriteResult::Busy(err),
            Ok(Some(stored)) if write.is_stored_in(&stored) => WriteResult::Done,
            Ok(stored) => WriteResult::Superseded(stored),
        }
    }
}

fn statement(text: String, parameters: Vec<AttributeValue>) -> BatchStatementRequest {
    let statement = BatchStatementRequest::builder().statement(text).set_parameters(Some(parameters));
    statement.build().expect("has its statement")
}

/// Sorts the attributes by name, so that deliveries in the same state make the same statement.
fn attributes(item: Result<Item, serde_dynamo::Error>) -> BTreeMap<String, AttributeValue> {
    item.expect("its fields are valid attributes").into_iter().collect()
}

/// When an answer may be removed: after twice the delivery's time, because later attempts of the delivery may name
/// it.
fn kept_longer(expires_at: i64) -> i64 {
    let now = Timestamp::now().as_second();
    now + 2 * (expires_at - now)
}

/// The last attempt's answer, if it is long and no earlier attempt stored it.
fn new_answer(delivery: &Delivery, expires_at: i64) -> Option<AnswerItem<'_>> {
    let (last, earlier) = delivery.attempts.split_last()?;
    let response = apart(&last.outcome).filter(|_| last.answer.is_none())?;
    let digest = digest(response);
    if earlier.iter().any(|attempt| attempt.answer.as_ref() == Some(&digest)) {
        return None;
    }
    let partition = partition(&delivery.account_id, delivery.webhook_id, &delivery.id);
    Some(AnswerItem {
        webhook: answers_of(&partition),
        id: format!("{}#{digest}", delivery.id),
        text: response.into(),
        expires_at,
    })
}

fn failed(why: String) -> AwsError {
    AwsError::new(RECORDING, why)
}

impl Written {
    fn unanswered() -> Self {
        Self::Busy("there was no answer to it".into())
    }
}

fn written(answer: &BatchStatementResponse) -> Written {
    let Some(error) = &answer.error else { return Written::Done };
    let why = format!("{:?}: {}", error.code, error.message.as_deref().unwrap_or_default());
    match &error.code {
        Some(Code::ConditionalCheckFailed | Code::DuplicateItem) => Written::Refused,
        Some(
            Code::ProvisionedThroughputExceeded
            | Code::RequestLimitExceeded
            | Code::ThrottlingError
            | Code::TransactionConflict
            | Code::InternalServerError,
        ) => Written::Busy(why),
        _ => Written::Failed(why),
    }
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

/// Cuts a batch into parts that DynamoDB takes in one call, if each delivery takes two statements.
fn pack(batch: &[usize], size: impl Fn(usize) -> usize) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for at in batch.iter().copied() {
        bytes += size(at);
        match parts.last_mut() {
            Some(part) if part.len() < STATEMENTS / 2 && bytes <= BYTES => part.push(at),
            _ => {
                bytes = size(at);
                parts.push(vec![at]);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{AccountId, DeliveryId, WebhookId};

    #[test]
    fn a_part_is_no_larger_than_the_table_takes() {
        let sizes = |sizes: &[usize]| {
            let all: Vec<_> = (0..sizes.len()).collect();
            pack(&all, |at| sizes[at]).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[1; 30]), [12, 12, 6]);
        assert_eq!(sizes(&[256 * 1024; 10]), [4, 4, 2]);
        assert_eq!(sizes(&[BYTES + 1, 1, 1]), [1, 2]);
        assert_eq!(sizes(&[]), [0; 0]);
    }

    #[test]
    fn an_answer_that_is_kept_costs_one_unit() {
        let (account, id) = (AccountId::parse(&"a".repeat(64)).unwrap(), DeliveryId::first_at(Timestamp::now()));
        let text = "x".repeat(850);
        let webhook = answers_of(&partition(&account, WebhookId(u64::MAX), &id));
        let id = format!("{id}#{}", digest(&text));
        let names = "webhook".len() + "id".len() + "text".len() + "expires_at".len();
        // A number of ten digits takes seven bytes.
        assert!(names + webhook.len() + id.len() + text.len() + 7 <= 1024);
    }
}
