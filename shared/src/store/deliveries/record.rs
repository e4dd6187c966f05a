//! Keeps what became of a batch's deliveries, in one call.
//!
//! DynamoDB's batch of writes takes no conditions, and its transaction costs twice as much and fails as a whole. A batch of
//! `PartiQL` statements is neither: each statement is a write of its own, under its own condition, for the price of that write.
//! See `docs/decisions/0009-a-batch-is-recorded-by-statements.md`.

use std::{
    collections::{BTreeMap, HashSet},
    iter,
    time::Duration,
};

use aws_sdk_dynamodb::types::{
    AttributeValue, BatchStatementErrorCodeEnum as Code, BatchStatementRequest, BatchStatementResponse,
};

use super::{Deliveries, DeliveryItem, Item, RecordError, StoreError};
use crate::{
    delivery::{Delivery, Message},
    telemetry,
};

/// How many statements DynamoDB takes at once.
const STATEMENTS: usize = 25;
/// How many bytes of bodies are written at once: a batch of the largest ones goes in several calls.
const BYTES: usize = 1024 * 1024;
/// What DynamoDB was too busy for is asked again this often.
const ROUNDS: u32 = 4;

const RECORDING: &str = "record a delivery";

/// What became of one statement.
enum Written {
    Done,
    /// Its condition does not hold.
    Refused,
    /// The table is busy, or has failed for a moment.
    Later(String),
    Failed(String),
}

impl Written {
    fn unanswered() -> Self {
        Self::Failed("there was no answer to it".into())
    }
}

impl Deliveries {
    /// Stores deliveries as they now are, each unless another dispatcher has stored it since it was read; the results are in
    /// their order. DynamoDB forgets them some time after `expires_at`, in Unix seconds.
    ///
    /// Of two rounds of one delivery the first is stored, and the second is one that another has superseded.
    pub async fn record(&self, deliveries: &[&Delivery], expires_at: i64) -> Vec<Result<(), RecordError>> {
        let mut results: Vec<_> = first_of_each(deliveries).collect();
        let mut rest: Vec<usize> = (0..deliveries.len()).filter(|at| results[*at].is_ok()).collect();
        for round in 0..ROUNDS {
            let mut later = Vec::new();
            for part in pack(&rest, |at| deliveries[at].message.body.len()) {
                let statements = part.iter().map(|at| self.statement(deliveries[*at], expires_at)).collect();
                let answers = match self.execute(statements).await {
                    Ok(answers) => answers,
                    Err(err) => {
                        // One failure, told for each delivery that it was about.
                        let why = telemetry::chain(&err);
                        for at in part {
                            results[at] = Err(failed(why.clone()).into());
                        }
                        continue;
                    }
                };
                let answers = answers.iter().map(written).chain(iter::repeat_with(Written::unanswered));
                for (at, answer) in part.into_iter().zip(answers) {
                    results[at] = match answer {
                        Written::Done => Ok(()),
                        Written::Refused => self.is_recorded(deliveries[at]).await,
                        Written::Later(why) => {
                            later.push(at);
                            Err(failed(why).into())
                        }
                        Written::Failed(why) => Err(failed(why).into()),
                    };
                }
            }
            if later.is_empty() {
                break;
            }
            rest = later;
            tokio::time::sleep(Duration::from_millis(50 << round)).await;
        }
        results
    }

    async fn execute(&self, statements: Vec<BatchStatementRequest>) -> Result<Vec<BatchStatementResponse>, StoreError> {
        let sent = self.client.batch_execute_statement().set_statements(Some(statements)).send().await;
        let answers = sent.map_err(StoreError::while_trying_to(RECORDING))?.responses.unwrap_or_default();
        Ok(answers)
    }

    /// The first record of a delivery makes its item. A later one changes what attempts change; the body stays as it is.
    fn statement(&self, delivery: &Delivery, expires_at: i64) -> BatchStatementRequest {
        let item: Item =
            serde_dynamo::to_item(DeliveryItem::new(delivery, expires_at)).expect("a delivery is a valid item");
        // In order, so that deliveries in the same state make the same statement.
        let item: BTreeMap<_, _> = item.into_iter().collect();
        let (statement, parameters) =
            if delivery.version == 0 { self.insert(item) } else { self.update(item, delivery.version) };
        BatchStatementRequest::builder()
            .statement(statement)
            .set_parameters(Some(parameters))
            .build()
            .expect("has its statement")
    }

    /// `INSERT` refuses where there is an item.
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

    /// Whether a record that was refused is there after all. The client repeats a call whose answer was lost, and then it is
    /// our own first write that stands in the way.
    async fn is_recorded(&self, delivery: &Delivery) -> Result<(), RecordError> {
        let message = &delivery.message;
        let stored = self.find(&message.account_id, message.webhook_id, &message.delivery_id).await?;
        let ours = stored.is_some_and(|stored| {
            stored.version == delivery.version + 1
                && stored.state == delivery.state
                && stored.tries == delivery.tries
                && stored.attempts == delivery.attempts
        });
        if ours { Ok(()) } else { Err(RecordError::Superseded) }
    }
}

fn failed(why: String) -> StoreError {
    StoreError::while_trying_to(RECORDING)(why)
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
        ) => Written::Later(why),
        _ => Written::Failed(why),
    }
}

/// DynamoDB takes no batch that writes an item twice: of deliveries that are the same, the first alone is written.
fn first_of_each(deliveries: &[&Delivery]) -> impl Iterator<Item = Result<(), RecordError>> {
    let mut seen = HashSet::new();
    deliveries.iter().map(move |delivery| {
        let Message { account_id, webhook_id, delivery_id, .. } = &delivery.message;
        if seen.insert((account_id, *webhook_id, delivery_id)) { Ok(()) } else { Err(RecordError::Superseded) }
    })
}

/// Cuts a batch into parts that DynamoDB takes at once.
fn pack(batch: &[usize], size: impl Fn(usize) -> usize) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for at in batch.iter().copied() {
        bytes += size(at);
        match parts.last_mut() {
            Some(part) if part.len() < STATEMENTS && bytes <= BYTES => part.push(at),
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

    #[test]
    fn a_part_is_no_larger_than_the_table_takes() {
        let sizes = |sizes: &[usize]| {
            let all: Vec<_> = (0..sizes.len()).collect();
            pack(&all, |at| sizes[at]).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[1; 60]), [25, 25, 10]);
        assert_eq!(sizes(&[256 * 1024; 10]), [4, 4, 2]);
        assert_eq!(sizes(&[BYTES + 1, 1, 1]), [1, 2]);
        assert_eq!(sizes(&[]), [0; 0]);
    }
}
