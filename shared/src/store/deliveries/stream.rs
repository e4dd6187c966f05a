//! The table's stream records, as Lambda passes them to a function: each contains the changed item.
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>
//!
//! An item with the mark `attempted` was written for the last attempt in its list; every other write removes the
//! mark. Statistics look only at marked items. Health also looks at whether the delivery is held.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_dynamo::AttributeValue;

use super::{
    attempt_item::{AttemptItem, attempts},
    item::{MarkItem, webhook_of},
};
use crate::{
    attempt::Attempt,
    aws::{AwsError, WhileTryingTo as _},
    delivery::{Mark, State},
    names::{AccountId, EventId, WebhookId},
    stats::{Hour, Month, Months, Tallies, hour_of},
    telemetry,
    webhook::{Recorded, RecordedAttempt},
};

const READING: &str = "read what was recorded of a delivery";

/// A batch of stream records.
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
    /// `None` if the item was removed.
    #[serde(rename = "NewImage")]
    item: Option<Written>,
    /// The record's size, which is the item's and that of its key.
    #[serde(rename = "SizeBytes", default)]
    bytes: u64,
}

/// The attributes that are read of an item. Items that are not deliveries, such as a webhook's hours, have no state.
#[derive(Debug, Deserialize)]
struct Written {
    webhook: AttributeValue,
    id: AttributeValue,
    state: Option<AttributeValue>,
    attempts: Option<AttributeValue>,
    attempted: Option<AttributeValue>,
}

/// The webhook that an item belongs to.
type Owner = (AccountId, WebhookId);

/// What a record says of a delivery.
struct DeliveryRecord {
    owner: Owner,
    /// The attempt that the record was written for.
    attempt: Option<RecordedAttempt>,
    state: State,
    bytes: u64,
}

impl Changes {
    /// Adds up the attempts of these records, by webhook and hour, and by account and month. A record that cannot be read
    /// is left out, and logged.
    pub fn counts(self) -> (Tallies, Months) {
        let (mut tallies, mut months) = (Tallies::new(), Months::new());
        for DeliveryRecord { owner: (account_id, webhook_id), attempt, state, bytes } in self.read() {
            let Some(recorded) = attempt else { continue };
            let at = recorded.attempt.started_at;
            let units = months.entry((account_id.clone(), Month::of(at))).or_default();
            units.add(&recorded, state, bytes);
            let hour = Hour { account_id, webhook_id, begins: hour_of(at) };
            tallies.entry(hour).or_default().add(&recorded.attempt);
        }
        (tallies, months)
    }

    /// Returns what these records say about each webhook. A record that cannot be read is left out, and logged.
    pub fn recorded(self) -> HashMap<Owner, Recorded> {
        let mut webhooks: HashMap<Owner, Recorded> = HashMap::new();
        for DeliveryRecord { owner, attempt, state, .. } in self.read() {
            let recorded = webhooks.entry(owner).or_default();
            recorded.attempts.extend(attempt);
            recorded.held |= state == State::Held;
        }
        webhooks
    }

    /// The records of deliveries. One that cannot be read is left out, and logged.
    fn read(self) -> impl Iterator<Item = DeliveryRecord> {
        self.records.into_iter().filter_map(|Record { dynamodb: Change { item, bytes } }| {
            let read = item?.read(bytes);
            read.unwrap_or_else(|err| {
                let cause = telemetry::chain(&err);
                tracing::error!(cause, "a record cannot be read, and is missing from statistics and health");
                None
            })
        })
    }
}

impl Written {
    /// Returns what the item says of its delivery, or `None` if it is not a delivery.
    fn read(self, bytes: u64) -> Result<Option<DeliveryRecord>, AwsError> {
        let Some(state) = self.state else { return Ok(None) };
        let (state, name): (State, String) = (read(state)?, read(self.webhook)?);
        let owner = webhook_of(&name)
            .ok_or_else(|| AwsError::new(READING, format!("\"{name}\" is not a partition of deliveries")))?;
        let attempt = match (self.attempted, self.attempts) {
            (Some(mark), Some(attempts)) => last_attempt(attempts)?.map(|attempt| (mark, attempt)),
            _ => None,
        };
        let Some((mark, attempt)) = attempt else {
            return Ok(Some(DeliveryRecord { owner, attempt: None, state, bytes }));
        };
        let Mark { round, number, epoch, probe, wait, last_success } = read::<MarkItem>(mark)?.into();
        let event_id: EventId = read(self.id)?;
        let recorded = RecordedAttempt {
            event_id,
            round,
            number,
            epoch,
            probe,
            wait: wait.map(Duration::from_secs),
            last_success,
            exhausted: state == State::Failed && attempt.outcome.is_retryable(),
            attempt,
        };
        Ok(Some(DeliveryRecord { owner, attempt: Some(recorded), state, bytes }))
    }
}

fn last_attempt(list: AttributeValue) -> Result<Option<Attempt>, AwsError> {
    Ok(attempts(read::<Vec<AttemptItem>>(list)?).pop())
}

fn read<T: DeserializeOwned>(value: AttributeValue) -> Result<T, AwsError> {
    serde_dynamo::from_attribute_value(value).while_trying_to(READING)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::stats::Units;

    const ID: &str = "01KDYAK3482WAV4DVEFM6KBDXQ";

    fn changes(items: impl IntoIterator<Item = Value>) -> Changes {
        let records: Vec<_> = items.into_iter().map(|item| json!({ "dynamodb": { "NewImage": item } })).collect();
        serde_json::from_value(json!({ "Records": records })).unwrap()
    }

    fn tallies(items: impl IntoIterator<Item = Value>) -> Tallies {
        changes(items).counts().0
    }

    /// An item that was written for the last of its attempts.
    fn item(webhook: &str, state: &str, attempts: &[(&str, &str)]) -> Value {
        let attempt = |(outcome, minute): &(&str, &str)| {
            let at: jiff::Timestamp = format!("2026-01-02T{minute}:05Z").parse().unwrap();
            json!({ "M": { "how": { "S": outcome }, "status": { "N": "200" }, "text": { "S": "" },
                "at": { "N": at.as_millisecond().to_string() }, "ms": { "N": "7" } } })
        };
        let attempts: Vec<_> = attempts.iter().map(attempt).collect();
        let mark = json!({ "round": { "N": "1" }, "number": { "N": "3" }, "epoch": { "N": "2" } });
        json!({ "webhook": { "S": webhook }, "id": { "S": ID }, "state": { "S": state },
            "attempts": { "L": attempts }, "attempted": { "M": mark } })
    }

    fn without_mark(mut item: Value) -> Value {
        item.as_object_mut().unwrap().remove("attempted");
        item
    }

    #[test]
    fn each_change_counts_its_last_attempt() {
        let tallies = tallies([
            item("acct#1#0", "delivered", &[("http", "03:04")]),
            item("acct#1#0", "retrying", &[("http", "02:00"), ("timeout", "03:59")]),
            item("acct#2#0", "failed", &[("timeout", "03:00")]),
            item("acct:x#1#0", "delivered", &[("http", "04:00")]),
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
    fn what_was_not_written_for_an_attempt_is_not_counted() {
        let hour = json!({ "webhook": { "S": "acct#1#hours" }, "id": { "S": "2026-01-02T03:00:00Z" },
            "deliveries": { "N": "1" } });
        let states = ["pending", "retrying", "held", "delivered", "failed", "cancelled"];
        let written = states.map(|state| without_mark(item("acct#1#0", state, &[("timeout", "03:00")])));
        assert_eq!(tallies(written.into_iter().chain([hour])), Tallies::new());
        let removed = json!({ "Records": [{ "eventName": "REMOVE", "dynamodb": { "Keys": {} } }] });
        let nothing = (Tallies::new(), Months::new());
        assert_eq!(serde_json::from_value::<Changes>(removed).unwrap().counts(), nothing);
        let month = json!({ "webhook": { "S": "month#2026-01#3" }, "id": { "S": "acct" }, "attempts": { "N": "7" } });
        assert_eq!(changes([month]).counts(), nothing);
    }

    #[test]
    fn an_accounts_month_has_the_units_of_all_its_webhooks() {
        let mut gone = item("acct#2#0", "failed", &[("http", "03:00")]);
        gone["attempts"]["L"][0]["M"]["status"]["N"] = json!("410");
        let items = [
            item("acct#1#0", "delivered", &[("http", "03:04")]),
            item("acct#1#0", "retrying", &[("http", "02:00"), ("timeout", "03:59")]),
            item("acct#2#0", "failed", &[("timeout", "03:00")]),
            gone,
            item("other#1#0", "delivered", &[("http", "04:00")]),
            without_mark(item("acct#1#0", "held", &[("timeout", "03:00")])),
        ];
        let sized = |item| json!({ "dynamodb": { "NewImage": item, "SizeBytes": 400 } });
        let records = json!({ "Records": items.map(sized) });
        let (_, months) = serde_json::from_value::<Changes>(records).unwrap().counts();
        let month = Month::parse("2026-01").unwrap();
        let of = |account: &str| months[&(AccountId::parse(account).unwrap(), month)];
        let expected = Units { attempts: 4, delivered: 1, failed: 2, exhausted: 1, milliseconds: 28, bytes: 1600 };
        assert_eq!(of("acct"), expected);
        assert_eq!((of("acct").deliveries(), of("acct").failures()), (3, 3));
        assert_eq!((of("other").attempts, months.len()), (1, 2));
    }

    #[test]
    fn attempts_of_two_months_in_one_batch_are_counted_apart() {
        let mut later = item("acct#1#0", "delivered", &[("http", "03:00")]);
        let next: jiff::Timestamp = "2026-02-01T00:00:00Z".parse().unwrap();
        later["attempts"]["L"][0]["M"]["at"]["N"] = json!(next.as_millisecond().to_string());
        let (_, months) = changes([item("acct#1#0", "delivered", &[("http", "03:00")]), later]).counts();
        let mut months: Vec<_> =
            months.into_iter().map(|((_, month), units)| (month.to_string(), units.attempts)).collect();
        months.sort();
        assert_eq!(months, [("2026-01".to_owned(), 1), ("2026-02".to_owned(), 1)]);
    }

    #[test]
    fn an_attempt_that_cannot_be_read_leaves_the_others() {
        let tallies = tallies([
            item("acct", "delivered", &[("http", "03:00")]),
            item("acct#1#0", "delivered", &[("http", "03:00")]),
        ]);
        assert_eq!(tallies.values().map(|tally| tally.deliveries).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn the_mark_names_the_attempt() {
        let mut probe = item("acct#1#0", "held", &[("timeout", "03:00")]);
        let mark = probe["attempted"]["M"].as_object_mut().unwrap();
        mark.extend([("probe".to_owned(), json!({ "BOOL": true })), ("wait".to_owned(), json!({ "N": "90" }))]);
        mark.insert("last_success".to_owned(), json!({ "S": "2026-01-02T02:59:00Z" }));
        let recorded = changes([probe]).recorded().into_values().next().unwrap();
        let [attempt] = &recorded.attempts[..] else { panic!("it is one") };
        assert_eq!(attempt.event_id.as_str(), ID);
        assert_eq!((attempt.round, attempt.number, attempt.epoch, attempt.probe), (1, 3, 2, true));
        assert_eq!(attempt.wait, Some(Duration::from_secs(90)));
        assert_eq!(attempt.last_success, Some("2026-01-02T02:59:00Z".parse().unwrap()));
        assert!(recorded.held);
    }

    #[test]
    fn a_delivery_whose_schedule_is_used_up_is_exhausted_and_one_that_is_gone_is_not() {
        let mut ended = item("acct#1#0", "failed", &[("http", "03:00")]);
        ended["attempts"]["L"][0]["M"]["status"]["N"] = json!("410");
        let exhausted = |item| changes([item]).recorded().into_values().next().unwrap().attempts[0].exhausted;
        assert!(exhausted(item("acct#1#0", "failed", &[("timeout", "03:00")])));
        assert!(!exhausted(item("acct#1#0", "retrying", &[("timeout", "03:00")])));
        assert!(!exhausted(ended));
    }

    #[test]
    fn what_is_held_without_an_attempt_is_reported() {
        let held = without_mark(item("acct#1#0", "held", &[]));
        let recorded = changes([held]).recorded().into_values().next().unwrap();
        assert_eq!(recorded, Recorded { attempts: Vec::new(), held: true });
    }
}
