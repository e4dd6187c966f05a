//! The items of the waiting table. DynamoDB bills a write for each KiB of an item, and an attempt takes some 60 bytes: so
//! attempts that are added together and due at about the same time share an item.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Shard, Wait};
use crate::{
    delivery::Message,
    names::{AccountId, EventId, EventType, WebhookId},
    store::digest::digest,
};

/// How long an item is kept after it was due. If `release` does not run for longer than this, retries are lost.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// An attempt that `release` is to send is never stored with a due time closer than this. `release` moves its cursor up
/// to the present, and only the sweep finds an item behind the cursor, an hour later. This is more than a write takes.
const AHEAD: Duration = Duration::from_secs(5);
/// Attempts that are due within this time of each other share an item, and are released with the last of them. `release`
/// runs once a minute, so none of them would be sent much sooner.
const TOGETHER: Duration = Duration::from_mins(1);
/// The most attempts in an item.
const MOST: usize = 10;
/// The most bytes of an item's attempts. With its other attributes it stays below 1 KiB, one write unit.
const MOST_BYTES: usize = 880;

/// Attempts that are due later, as they are stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WaitItem {
    shard: String,
    /// `<time>#<digest of the attempts>`: it sorts by time, and no two items with different attempts have the same.
    pub(super) due: String,
    /// Each is `account#webhook#event id#event#round#attempt`.
    attempts: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    carried: bool,
    /// Unix seconds after which DynamoDB's time to live removes the item.
    expires_at: i64,
}

/// An item to store, and which attempts are in it.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) item: WaitItem,
    pub(super) waits: Vec<usize>,
}

/// Distributes attempts over items.
pub(super) fn packs(waits: &[Wait], now: Timestamp) -> Vec<Pack> {
    let due = |wait: &Wait| if wait.carried { wait.due } else { wait.due.max(now + AHEAD) };
    let mut order: Vec<usize> = (0..waits.len()).collect();
    order.sort_by_key(|at| (waits[*at].carried, due(&waits[*at])));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for at in order {
        let fits = |group: &Vec<usize>| {
            let (first, wait) = (&waits[group[0]], &waits[at]);
            let bytes: usize = group.iter().chain([&at]).map(|at| name(&waits[*at].message).len() + 1).sum();
            let is_soon = due(wait) <= due(first) + TOGETHER;
            first.carried == wait.carried && is_soon && group.len() < MOST && bytes <= MOST_BYTES
        };
        match groups.last_mut() {
            Some(group) if fits(group) => group.push(at),
            _ => groups.push(vec![at]),
        }
    }
    let pack = |group: Vec<usize>| {
        let last = &waits[group[group.len() - 1]];
        let messages = group.iter().map(|at| &waits[*at].message);
        Pack { item: WaitItem::new(messages, due(last), last.carried), waits: group }
    };
    groups.into_iter().map(pack).collect()
}

impl WaitItem {
    fn new<'a>(messages: impl Iterator<Item = &'a Message> + Clone, due: Timestamp, carried: bool) -> Self {
        let shard = messages.clone().next().map_or(0, |message| Shard::of(&message.event_id).0);
        let mut attempts: Vec<_> = messages.map(name).collect();
        // An attempt that is added twice is stored once.
        attempts.sort();
        attempts.dedup();
        let digest = digest(&attempts.join(" "), 12);
        Self {
            shard: shard.to_string(),
            due: format!("{}#{digest}", time(due)),
            attempts,
            carried,
            expires_at: (due + KEPT).as_second(),
        }
    }

    /// The attempts. `None` stands for one that cannot be read.
    pub(super) fn waits(self) -> impl Iterator<Item = Option<Wait>> {
        let (due, carried) = (self.due.split('#').next().and_then(|due| due.parse().ok()), self.carried);
        self.attempts.into_iter().map(move |name| Some(Wait { due: due?, message: message(&name)?, carried }))
    }
}

/// The attempt that a message asks for, as a text. No part can contain `#`.
fn name(message: &Message) -> String {
    let Message { account_id, webhook_id, event_id, event, round, attempt, .. } = message;
    format!("{account_id}#{webhook_id}#{event_id}#{event}#{round}#{attempt}")
}

fn message(name: &str) -> Option<Message> {
    let parts: Vec<_> = name.split('#').collect();
    let [account, webhook, event_id, event, round, attempt] = parts[..] else { return None };
    Some(Message {
        account_id: AccountId::parse(account).ok()?,
        webhook_id: WebhookId::parse(webhook)?,
        event_id: EventId::parse(event_id)?,
        event: event.parse::<EventType>().ok()?,
        payload: None,
        callback_url: None,
        round: round.parse().ok()?,
        attempt: attempt.parse().ok()?,
        probe: None,
        resend: None,
        queued_at: None,
    })
}

/// Formats a time as text that sorts like the time.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::store::waiting::Item;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn wait(due: Timestamp, attempt: u32) -> Wait {
        let text = r#"{"account_id":"acct_1","webhook_id":7,"event_id":"01KDYAK3482WAV4DVEFM6KBDXQ","event":"job.failed",
            "round":2,"attempt":0}"#;
        Wait { due, message: Message { attempt, ..serde_json::from_str(text).unwrap() }, carried: false }
    }

    fn later(seconds: u64) -> Timestamp {
        now() + Duration::from_hours(1) + Duration::from_secs(seconds)
    }

    fn items(waits: &[Wait]) -> Vec<Item> {
        packs(waits, now()).iter().map(|pack| serde_dynamo::to_item(&pack.item).unwrap()).collect()
    }

    /// The attempts of each item, as they are read.
    fn read(waits: &[Wait]) -> Vec<Vec<Wait>> {
        let read = |item| serde_dynamo::from_item::<_, WaitItem>(item).unwrap().waits().map(Option::unwrap).collect();
        items(waits).into_iter().map(read).collect()
    }

    #[test]
    fn an_item_gives_back_the_attempts_that_it_was_made_of() {
        let carried = Wait { carried: true, ..wait(now() + Duration::from_millis(1_500), 3) };
        assert_eq!(read(std::slice::from_ref(&carried)), [[carried]]);
        let later = [wait(later(0), 10), wait(later(0), 11)];
        assert_eq!(read(&later), [later]);
    }

    #[test]
    fn attempts_that_are_due_within_a_minute_share_an_item_and_are_due_with_the_last() {
        let waits = [wait(later(61), 4), wait(later(59), 2), wait(later(0), 1), wait(later(60), 3)];
        let packs = packs(&waits, now());
        assert_eq!(packs.iter().map(|pack| pack.waits.clone()).collect::<Vec<_>>(), [vec![2, 1, 3], vec![0]]);
        let [together, alone] = &read(&waits)[..] else { panic!("there are two items") };
        let read = |waits: &[Wait]| waits.iter().map(|wait| (wait.due, wait.message.attempt)).collect::<Vec<_>>();
        assert_eq!(read(together), [1, 2, 3].map(|attempt| (later(60), attempt)));
        assert_eq!(read(alone), [(later(61), 4)]);
    }

    #[test]
    fn what_a_message_carries_is_in_an_item_of_its_own() {
        let carried = Wait { carried: true, ..wait(later(0), 1) };
        assert_eq!(read(&[carried.clone(), wait(later(0), 2)]), [[wait(later(0), 2)], [carried]]);
    }

    #[test]
    fn an_attempt_that_cannot_be_read_loses_no_other() {
        let mut item = packs(&[wait(later(0), 1), wait(later(0), 2)], now()).remove(0).item;
        item.attempts[0] = item.attempts[0].replace("job.failed", "job.of_a_later_version");
        assert_eq!(item.waits().collect::<Vec<_>>(), [None, Some(wait(later(0), 2))]);
    }

    #[test]
    fn items_sort_by_the_time_at_which_they_are_due() {
        let due = |ms| packs(&[wait(now() + AHEAD + Duration::from_millis(ms), 1)], now())[0].item.due.clone();
        let keys = [0, 1, 999, 1_000, 60_000].map(due);
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(keys[1].starts_with("2026-01-02T03:04:10.001Z#"), "{}", keys[1]);
        assert!(keys.iter().all(|key| !key.contains(' ')), "a cursor is a key with a space");
    }

    #[test]
    fn items_with_other_attempts_have_other_keys() {
        let due = |waits: &[Wait]| packs(waits, now())[0].item.due.clone();
        let (one, other) = (wait(later(0), 1), wait(later(0), 2));
        assert_eq!(due(&[one.clone(), one.clone()]), due(std::slice::from_ref(&one)));
        assert_ne!(due(&[one.clone(), other.clone()]), due(std::slice::from_ref(&one)));
        assert_ne!(due(std::slice::from_ref(&other)), due(std::slice::from_ref(&one)));
        assert_eq!(due(&[one.clone(), other.clone()]), due(&[other, one]));
    }

    #[test]
    fn what_is_to_be_released_is_stored_ahead_of_the_cursor() {
        for late in [now() - Duration::from_hours(1), now(), now() + AHEAD] {
            assert_eq!(read(&[wait(late, 1)])[0][0].due, now() + AHEAD, "{late}");
        }
    }

    #[test]
    fn an_item_has_at_most_ten_attempts_and_costs_one_unit() {
        let longest = |attempt| {
            let mut longest = wait(later(0), u32::MAX - attempt);
            longest.message.account_id = AccountId::parse(&"a".repeat(64)).unwrap();
            longest.message.webhook_id = WebhookId(u64::MAX);
            longest
        };
        let usual: Vec<_> = (0..25).map(|attempt| wait(later(0), attempt)).collect();
        assert_eq!(read(&usual).iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
        let size = |value: &AttributeValue| match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::L(list) => {
                3 + list.iter().map(|text| 1 + text.as_s().map_or(0, String::len)).sum::<usize>()
            }
            _ => 21,
        };
        let longest: Vec<_> = (0..25).map(longest).collect();
        for item in items(&usual).into_iter().chain(items(&longest)) {
            let bytes: usize = item.iter().map(|(name, value)| name.len() + size(value)).sum();
            assert!(bytes <= 1024, "{bytes}");
        }
        assert_eq!(read(&longest).iter().map(Vec::len).sum::<usize>(), 25);
    }
}
