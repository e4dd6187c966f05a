//! The table's stream, as Lambda hands it to a function: items as a change has left them.
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use serde::{Deserialize, de::DeserializeOwned};
use serde_dynamo::AttributeValue;

use super::{
    StoreError,
    attempt_item::{AttemptItem, attempts},
    item::{MarkItem, webhook_of},
};
use crate::{
    delivery::Attempt,
    stats::{Hour, Tallies, hour_of},
    telemetry,
};

const READING: &str = "read what an attempt came to";

/// A batch of changes.
#[derive(Debug, Deserialize)]
pub struct Changes {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
struct Record {
    dynamodb: Change,
}

#[derive(Debug, Deserialize)]
struct Change {
    /// Nothing, where an item was removed.
    #[serde(rename = "NewImage")]
    item: Option<Written>,
}

/// What says of an item which attempt it was written for. A webhook's hours have the first of it alone.
#[derive(Debug, Deserialize)]
struct Written {
    webhook: AttributeValue,
    attempts: Option<AttributeValue>,
    attempted: Option<AttributeValue>,
}

impl Changes {
    /// What the attempts came to for which these changes were made. One that cannot be read is left out, and logged.
    pub fn tallies(self) -> Tallies {
        let mut tallies = Tallies::new();
        for item in self.records.into_iter().filter_map(|record| record.dynamodb.item) {
            match item.attempt() {
                Ok(Some((hour, attempt))) => tallies.entry(hour).or_default().add(&attempt),
                Ok(None) => {}
                Err(err) => {
                    let cause = telemetry::chain(&err);
                    tracing::error!(cause, "an attempt cannot be read, and is missing from the statistics");
                }
            }
        }
        tallies
    }
}

impl Written {
    /// The attempt that the item was written for, if it was.
    fn attempt(self) -> Result<Option<(Hour, Attempt)>, StoreError> {
        let (Some(mark), Some(list)) = (self.attempted, self.attempts) else { return Ok(None) };
        let _: MarkItem = read(mark)?;
        let Some(attempt) = attempts(read::<Vec<AttemptItem>>(list)?).pop() else { return Ok(None) };
        let name: String = read(self.webhook)?;
        let (account_id, webhook_id) = webhook_of(&name)
            .ok_or_else(|| StoreError::while_trying_to(READING)(format!("\"{name}\" is no partition of deliveries")))?;
        Ok(Some((Hour { account_id, webhook_id, begins: hour_of(attempt.started_at) }, attempt)))
    }
}

fn read<T: DeserializeOwned>(value: AttributeValue) -> Result<T, StoreError> {
    serde_dynamo::from_attribute_value(value).map_err(StoreError::while_trying_to(READING))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn tallies(items: impl IntoIterator<Item = Value>) -> Tallies {
        let records: Vec<_> = items.into_iter().map(|item| json!({ "dynamodb": { "NewImage": item } })).collect();
        serde_json::from_value::<Changes>(json!({ "Records": records })).unwrap().tallies()
    }

    /// A delivery as it is written for the last of its attempts, each of which has an outcome and a minute of one day.
    fn item(webhook: &str, attempts: &[(&str, &str)]) -> Value {
        let attempt = |(outcome, minute): &(&str, &str)| {
            let at: jiff::Timestamp = format!("2026-01-02T{minute}:05Z").parse().unwrap();
            json!({ "M": { "how": { "S": outcome }, "status": { "N": "200" }, "text": { "S": "" },
                "at": { "N": at.as_millisecond().to_string() }, "ms": { "N": "7" } } })
        };
        let attempts: Vec<_> = attempts.iter().map(attempt).collect();
        let mark = json!({ "round": { "N": "0" }, "number": { "N": "1" }, "epoch": { "N": "0" } });
        json!({ "webhook": { "S": webhook }, "id": { "S": "01" }, "attempts": { "L": attempts }, "attempted": { "M": mark } })
    }

    fn unmarked(mut item: Value) -> Value {
        item.as_object_mut().unwrap().remove("attempted");
        item
    }

    #[test]
    fn each_change_counts_its_last_attempt() {
        let tallies = tallies([
            item("acct#1#0", &[("http", "03:04")]),
            item("acct#1#7", &[("http", "02:00"), ("timeout", "03:59")]),
            item("acct#2#0", &[("timeout", "03:00")]),
            item("acct:x#1#0", &[("http", "04:00")]),
        ]);
        let mut counts: Vec<_> = tallies
            .iter()
            .map(|(hour, tally)| {
                let (account, begins) = (hour.account_id.to_string(), hour.begins.to_string());
                (account, hour.webhook_id.0, begins, tally.deliveries, tally.failures)
            })
            .collect();
        counts.sort();
        let expected = [("acct", 1, 3, 1, 1), ("acct", 2, 3, 0, 1), ("acct:x", 1, 4, 1, 0)];
        let expected = expected.map(|(account, webhook, hour, deliveries, failures)| {
            (account.to_owned(), webhook, format!("2026-01-02T0{hour}:00:00Z"), deliveries, failures)
        });
        assert_eq!(counts, expected);
    }

    #[test]
    fn what_is_no_attempt_is_not_counted() {
        let hour = json!({ "webhook": { "S": "acct#1#hours" }, "id": { "S": "2026-01-02T03:00:00Z" },
            "deliveries": { "N": "1" } });
        let held = unmarked(item("acct#1#0", &[("timeout", "03:00")]));
        assert_eq!(tallies([held, unmarked(item("acct#1#0", &[])), hour]), Tallies::new());
        let removed = json!({ "Records": [{ "eventName": "REMOVE", "dynamodb": { "Keys": {} } }] });
        assert_eq!(serde_json::from_value::<Changes>(removed).unwrap().tallies(), Tallies::new());
    }

    #[test]
    fn an_attempt_that_cannot_be_read_leaves_the_others() {
        let tallies = tallies([item("acct", &[("http", "03:00")]), item("acct#1#0", &[("http", "03:00")])]);
        assert_eq!(tallies.values().map(|tally| tally.deliveries).collect::<Vec<_>>(), [1]);
    }
}
