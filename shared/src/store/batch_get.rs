//! Reads items by their keys.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes},
};

use crate::aws::{AwsError, WhileTryingTo as _};

/// How many items DynamoDB reads in one call.
pub(super) const BATCH: usize = 100;
/// How many times a read is repeated for items that DynamoDB left out because it was busy, or because they were more
/// than 16 MB.
const ROUNDS: u32 = 5;

const READING: &str = "read items by their keys";

type Item = HashMap<String, AttributeValue>;

/// How to read the items.
#[derive(Clone, Copy)]
pub(super) enum Reading {
    Whole {
        consistent: bool,
    },
    /// Only these attributes, with the name for the placeholder `#state` in them. The read is eventually consistent.
    Some(&'static str),
}

/// Reads the items with these keys, in any order. Items that do not exist are left out. A key consists of two
/// attributes: `hash` and `id`.
pub(super) async fn batch_get(
    client: &Client,
    table: &str,
    hash: &str,
    mut keys: Vec<Item>,
    reading: Reading,
) -> Result<Vec<Item>, AwsError> {
    // DynamoDB refuses a batch that names an item twice.
    let mut seen = HashSet::new();
    keys.retain(|key| seen.insert(name_of(key, hash)));
    let mut items = Vec::with_capacity(keys.len());
    for part in keys.chunks(BATCH) {
        let request = KeysAndAttributes::builder().set_keys(Some(part.to_vec()));
        let request = match reading {
            Reading::Whole { consistent } => request.consistent_read(consistent),
            Reading::Some(attributes) => {
                request.projection_expression(attributes).expression_attribute_names("#state", "state")
            }
        };
        let mut unread = HashMap::from([(table.to_owned(), request.build().expect("has its keys"))]);
        for round in 0.. {
            let answer = client.batch_get_item().set_request_items(Some(unread)).send().await;
            let answer = answer.while_trying_to(READING)?;
            items.extend(answer.responses.unwrap_or_default().into_values().flatten());
            unread = answer.unprocessed_keys.unwrap_or_default();
            if unread.is_empty() {
                break;
            }
            if round == ROUNDS {
                return Err(AwsError::new(READING, "the table left part of the batch unread"));
            }
            tokio::time::sleep(Duration::from_millis(50 << round)).await;
        }
    }
    Ok(items)
}

/// The key of an item: partition and id.
pub(super) fn name_of(item: &Item, hash: &str) -> Option<(String, String)> {
    Some((item.get(hash)?.as_s().ok()?.clone(), item.get("id")?.as_s().ok()?.clone()))
}
