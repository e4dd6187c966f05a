//! Writes several items in one call, each on a condition of its own.
//!
//! DynamoDB's batch write takes no conditions, and its transaction costs twice as much and fails as a whole. A batch
//! of `PartiQL` statements avoids both: each statement is a write of its own, with its own condition, for the price
//! of that write. See `docs/decisions/0009-a-batch-is-recorded-by-statements.md`.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, BatchStatementErrorCodeEnum as Code, BatchStatementRequest, BatchStatementResponse},
};

use crate::aws::{AwsError, WhileTryingTo as _};

/// How many statements DynamoDB takes in one call.
pub(super) const STATEMENTS: usize = 25;
/// How many bytes of bodies are written in one call. A batch of the largest bodies takes several calls.
const BYTES: usize = 1024 * 1024;

/// The attributes of an item, by name. The order makes the statements for items with the same attributes equal.
pub(super) type Attributes = BTreeMap<String, AttributeValue>;

/// The result of one statement.
pub(super) enum Written {
    Done,
    /// Its condition did not hold.
    Refused,
    Busy(String),
    Failed(String),
}

impl Written {
    pub(super) fn unanswered() -> Self {
        Self::Busy("there was no answer to it".into())
    }
}

/// Executes statements in one call, and returns their results in the same order.
pub(super) async fn execute(
    client: &Client,
    statements: Vec<BatchStatementRequest>,
    doing: &'static str,
) -> Result<impl Iterator<Item = Written>, AwsError> {
    let sent = client.batch_execute_statement().set_statements(Some(statements)).send().await;
    let answers = sent.while_trying_to(doing)?.responses.unwrap_or_default();
    Ok(answers.into_iter().map(written).chain(std::iter::repeat_with(Written::unanswered)))
}

/// The attributes of a value that is stored as an item.
pub(super) fn attributes(item: Result<HashMap<String, AttributeValue>, serde_dynamo::Error>) -> Attributes {
    item.expect("its fields are valid attributes").into_iter().collect()
}

/// The statement that stores an item. It is refused if an item with the same key exists already.
pub(super) fn insert(table: &str, item: Attributes) -> BatchStatementRequest {
    let names: Vec<_> = item.keys().map(|name| format!("'{name}': ?")).collect();
    let text = format!(r#"INSERT INTO "{table}" VALUE {{{}}}"#, names.join(", "));
    statement(text, item.into_values().collect())
}

/// A statement with its parameters.
pub(super) fn statement(text: String, parameters: Vec<AttributeValue>) -> BatchStatementRequest {
    let statement = BatchStatementRequest::builder().statement(text).set_parameters(Some(parameters));
    statement.build().expect("has its statement")
}

fn written(answer: BatchStatementResponse) -> Written {
    let Some(error) = answer.error else { return Written::Done };
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

/// Cuts a batch into parts that DynamoDB takes in one call. `most` is how many items a part may have.
pub(super) fn pack(batch: &[usize], most: usize, size: impl Fn(usize) -> usize) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0;
    for at in batch.iter().copied() {
        bytes += size(at);
        match parts.last_mut() {
            Some(part) if part.len() < most && bytes <= BYTES => part.push(at),
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
            pack(&all, 12, |at| sizes[at]).iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[1; 30]), [12, 12, 6]);
        assert_eq!(sizes(&[256 * 1024; 10]), [4, 4, 2]);
        assert_eq!(sizes(&[BYTES + 1, 1, 1]), [1, 2]);
        assert_eq!(sizes(&[]), [0; 0]);
    }
}
