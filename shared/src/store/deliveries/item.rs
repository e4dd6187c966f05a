//! A delivery as it is stored.
//!
//! A delivery's item should stay under 1 KB, because each record costs a write unit for each KB. So an attempt's
//! attributes have short names, and long answers are stored apart.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attempt_item::{AttemptItem, attempt_items, attempts};
use crate::{
    attempt::AnswerApart,
    delivery::{Delivery, Listed, Mark, Reason, State, Write},
    names::{AccountId, EventId, EventType, WebhookId},
    store::shards::SHARDS,
};

/// A webhook's name in the deliveries table. No account id can contain `#`.
pub(super) fn webhook_name(account: &AccountId, webhook: WebhookId) -> String {
    format!("{account}#{webhook}")
}

/// The partition key of a delivery: its webhook's name and one of [`SHARDS`] shards, by its id.
pub(super) fn partition(account: &AccountId, webhook: WebhookId, id: &EventId) -> String {
    shard_name(account, webhook, id.shard(SHARDS))
}

/// The partition key of one shard of a webhook.
pub(super) fn shard_name(account: &AccountId, webhook: WebhookId, shard: u8) -> String {
    format!("{account}#{webhook}#{shard}")
}

/// Returns the webhook that a partition key belongs to, or `None` if the partition does not contain deliveries.
pub(super) fn webhook_of(partition: &str) -> Option<(AccountId, WebhookId)> {
    let mut parts = partition.split('#');
    let (account, webhook, shard) = (parts.next()?, parts.next()?, parts.next()?);
    let is_shard = shard.parse::<u8>().is_ok_and(|shard| shard < SHARDS) && parts.next().is_none();
    if is_shard { Some((AccountId::parse(account).ok()?, WebhookId::parse(webhook)?)) } else { None }
}

/// The key of the index by state. Returns `None` for `delivered`, which the index leaves out.
pub(super) fn index_key(partition: &str, state: State) -> Option<String> {
    (state != State::Delivered).then(|| format!("{partition}#{state}"))
}

/// The partition key of the long answers to a partition's deliveries.
pub(super) fn answers_of(partition: &str) -> String {
    format!("{partition}#answers")
}

/// The fields are borrowed for a write, and owned after a read.
#[derive(Serialize, Deserialize)]
pub(super) struct DeliveryItem<'a> {
    pub(super) webhook: String,
    pub(super) id: Cow<'a, EventId>,
    event: EventType,
    state: State,
    attempts: Vec<AttemptItem<'a>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    dropped: u32,
    tries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    task_id: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback_url: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resend: Option<Cow<'a, str>>,
    round: u32,
    version: u64,
    /// Unix seconds after which DynamoDB's time to live removes the item.
    expires_at: i64,
    /// The key of the index by state, missing if the state is `delivered`. So a list finds the few deliveries that
    /// were not delivered without reading the many that were.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_as: Option<String>,
    /// The attempt for which the item was written. Statistics ignore an item without it, and health reads no attempt
    /// from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempted: Option<MarkItem>,
    /// Whether watch-webhooks has to see the item. Its event source filters out all others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    watch: bool,
}

/// The attributes of a delivery that a list reads.
#[derive(Deserialize)]
pub(super) struct ListedItem {
    id: EventId,
    event: EventType,
    state: State,
    task_id: String,
    reason: Option<Reason>,
    attempts: Vec<AttemptItem<'static>>,
    #[serde(default)]
    dropped: u32,
    next_attempt_at: Option<Timestamp>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field")]
fn is_zero(dropped: &u32) -> bool {
    *dropped == 0
}

impl From<ListedItem> for Listed {
    fn from(item: ListedItem) -> Self {
        let ListedItem { id, event, state, task_id, reason, attempts: items, dropped, next_attempt_at } = item;
        let attempt_count = dropped as usize + items.len();
        Self { id, event, state, task_id, reason, attempts: attempts(items), attempt_count, next_attempt_at }
    }
}

/// A [`Mark`] as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct MarkItem {
    round: u32,
    number: u64,
    epoch: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    probe: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_success: Option<Timestamp>,
}

impl From<Mark> for MarkItem {
    fn from(Mark { round, number, epoch, probe, wait, last_success }: Mark) -> Self {
        Self { round, number, epoch, probe, wait, last_success }
    }
}

impl From<MarkItem> for Mark {
    fn from(MarkItem { round, number, epoch, probe, wait, last_success }: MarkItem) -> Self {
        Self { round, number, epoch, probe, wait, last_success }
    }
}

impl<'a> DeliveryItem<'a> {
    /// The attributes that are missing in some states.
    pub(super) const OPTIONAL: [&'static str; 6] =
        ["next_attempt_at", "listed_as", "attempted", "watch", "reason", "callback_url"];
    /// The attributes that no later write changes.
    pub(super) const UNCHANGING: [&'static str; 2] = ["event", "task_id"];

    /// `place` is where the last attempt's answer is stored, if that is apart.
    pub(super) fn new(write: &'a Write, place: Option<&'a AnswerApart>, expires_at: i64) -> Self {
        let Delivery {
            account_id,
            webhook_id,
            id,
            event,
            task_id,
            callback_url,
            round,
            state,
            reason,
            resend,
            attempts,
            dropped,
            tries,
            next_attempt_at,
            version,
        } = &write.delivery;
        let webhook = partition(account_id, *webhook_id, id);
        Self {
            listed_as: index_key(&webhook, *state),
            webhook,
            id: Cow::Borrowed(id),
            event: *event,
            state: *state,
            attempts: attempt_items(attempts, place),
            dropped: *dropped,
            tries: *tries,
            next_attempt_at: *next_attempt_at,
            task_id: task_id.into(),
            callback_url: callback_url.as_deref().map(Cow::Borrowed),
            reason: *reason,
            resend: resend.as_deref().map(Cow::Borrowed),
            round: *round,
            version: version + 1,
            expires_at,
            attempted: write.mark.map(MarkItem::from),
            watch: write.watch,
        }
    }

    /// Converts the item to a delivery. The caller knows the account and the webhook, so they are not parsed from the
    /// key.
    pub(super) fn delivery(self, account_id: &AccountId, webhook_id: WebhookId) -> Delivery {
        Delivery {
            account_id: account_id.clone(),
            webhook_id,
            id: self.id.into_owned(),
            event: self.event,
            task_id: self.task_id.into_owned(),
            callback_url: self.callback_url.map(Cow::into_owned),
            round: self.round,
            state: self.state,
            reason: self.reason,
            resend: self.resend.map(Cow::into_owned),
            attempts: attempts(self.attempts),
            dropped: self.dropped,
            tries: self.tries,
            next_attempt_at: self.next_attempt_at,
            version: self.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::{
        attempt::{Attempt, Outcome},
        delivery::Message,
    };

    fn delivery() -> Delivery {
        let message: Message = serde_json::from_str(
            r#"{"account_id":"acct:a","webhook_id":3,"event_id":"01KDYAK3482WAV4DVEFM6KBDXQ","event":"job.failed",
                "payload":{"task_id":"t","body":"{}"},"round":2,"attempt":1}"#,
        )
        .unwrap();
        Delivery::pending(&message).unwrap()
    }

    fn stored(write: &Write) -> HashMap<String, AttributeValue> {
        serde_dynamo::to_item(DeliveryItem::new(write, None, 1)).unwrap()
    }

    #[test]
    fn an_item_gives_back_the_delivery_that_it_was_made_of() {
        let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let answer = |response: &str| Outcome::Http { http_status: 503, response: response.into(), redirect: None };
        let outcomes = [
            Outcome::Blocked { detail: "no".into(), resolved: true },
            Outcome::Timeout,
            Outcome::Timeout,
            Outcome::Connect { detail: "refused".into() },
            Outcome::Connect { detail: "refused".into() },
            answer("busy \u{FFFE}"),
            answer("busy \u{FFFE}"),
            answer(""),
            Outcome::Http {
                http_status: 308,
                response: "moved \u{FFFE}".into(),
                redirect: Some("https://example.com/".into()),
            },
        ];
        let attempt = |outcome| Attempt { started_at: at, duration_ms: 7, resent: true, outcome, answer: None };
        let mut attempts = outcomes.map(attempt).to_vec();
        attempts[7].answer = Some(Box::new(AnswerApart { name: "AAAAAAAAAAA".into(), difference: Some(vec![0, 255]) }));
        let delivery = Delivery {
            state: State::Retrying,
            attempts,
            dropped: 2,
            next_attempt_at: Some(at),
            tries: 3,
            version: 3,
            ..delivery()
        };
        let mark = Mark { round: 2, number: 4, epoch: 1, probe: true, wait: Some(60), last_success: Some(at) };
        let item = stored(&Write { delivery: delivery.clone(), mark: Some(mark), watch: true, adds_attempt: true });
        assert_eq!(item["webhook"], AttributeValue::S("acct:a#3#7".into()), "Q is 23, so the shard is 7");
        assert_eq!(item["listed_as"], AttributeValue::S("acct:a#3#7#retrying".into()));
        assert_eq!(item["watch"], AttributeValue::Bool(true));
        let read: DeliveryItem = serde_dynamo::from_item(item).unwrap();
        assert_eq!(read.attempted.as_ref().map(|mark| (mark.number, mark.probe, mark.wait)), Some((4, true, Some(60))));
        let (account_id, webhook_id) = webhook_of(&read.webhook).unwrap();
        assert_eq!(read.delivery(&account_id, webhook_id), Delivery { version: 4, ..delivery });
    }

    #[test]
    fn only_a_partition_of_deliveries_names_a_webhook() {
        for other in ["acct", "acct#1", "acct#1#hours", "acct#1#8", "acct#1#3#answers", "acct#01#3"] {
            assert_eq!(webhook_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_delivery_that_failed_eight_times_stays_under_a_kilobyte() {
        let attempt = |minute: i64| Attempt {
            started_at: Timestamp::from_second(1_767_322_800 + 60 * minute).unwrap(),
            duration_ms: 10_001,
            resent: false,
            outcome: Outcome::Http { http_status: 500, response: String::new(), redirect: None },
            answer: Some(Box::new(AnswerApart { name: "AAAAAAAAAAA".into(), difference: None })),
        };
        let delivery = Delivery { attempts: (0_i64..8).map(attempt).collect(), state: State::Failed, ..delivery() };
        let mark = Mark { round: 0, number: 8, epoch: 0, probe: false, wait: None, last_success: None };
        let item = stored(&Write { delivery, mark: Some(mark), watch: true, adds_attempt: true });
        let bytes: usize = item.iter().map(|(name, value)| name.len() + size(value)).sum();
        assert!(bytes + 300 < 1024, "{bytes}");
    }

    /// An attribute's size as DynamoDB counts it:
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
    fn size(value: &AttributeValue) -> usize {
        match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(digits) => digits.len() / 2 + 2,
            AttributeValue::L(items) => 3 + items.iter().map(|item| 1 + size(item)).sum::<usize>(),
            AttributeValue::M(items) => 3 + items.iter().map(|(name, item)| 1 + name.len() + size(item)).sum::<usize>(),
            _ => 1,
        }
    }
}
