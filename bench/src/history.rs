//! Fills the tables with past events and their deliveries. The real functions make one; the others are copies of it with
//! other ids, tasks and webhooks, so they are stored as the functions store them today.

use hyper::body::Bytes;

use crate::{
    failure::{Failure, Result},
    receiver::Manner,
    traffic::{
        BATCH, DELIVERIES_TABLE, EVENTS_TABLE, account, attempts, check_counted, check_delivered, completion,
        deliveries, events, fan_out, load, register, work_off,
    },
    world::{Functions, World},
};

/// The items that one event and its delivery leave in the tables.
pub(crate) struct Original {
    account: String,
    id: String,
    event: String,
    delivery: String,
    /// The other items that were written for it: the hour's and the month's counters.
    others: Vec<String>,
}

impl Original {
    /// Makes one delivery with the real functions, takes its items and empties the tables again.
    pub(crate) fn new(world: &World, functions: &Functions, body_bytes: usize) -> Result<Self> {
        let account = account(999_999);
        register(world, &account, 1, &Manner::Keep.url(&world.receiver(false)))?;
        let (messages, _) = fan_out(world, functions, &[completion(0, &account, body_bytes)])?;
        work_off(world, functions, "dispatcher", events(&messages, BATCH))?;
        check_delivered(world, &messages)?;
        world.heard().deliveries.clear();
        work_off(world, functions, "count-attempts", attempts(world, BATCH))?;
        check_counted(world, messages.len())?;

        let names = deliveries(&messages)?;
        let (_, id) = names.into_iter().next().ok_or_else(|| Failure::new("no delivery was made"))?;
        let mut dynamodb = world.dynamodb();
        // The items that name the event, and the others.
        let mut items = |table| {
            let table = dynamodb.tables.get_mut(table).ok_or_else(|| Failure::new("there is no history"))?;
            let items: (Vec<_>, Vec<_>) = table.texts().map(str::to_owned).partition(|text| text.contains(&id));
            table.clear();
            Ok(items)
        };
        let (mut event, _) = items(EVENTS_TABLE)?;
        let (mut delivery, others) = items(DELIVERIES_TABLE)?;
        dynamodb.forget_usage();
        let event = event.pop().ok_or_else(|| Failure::new("no event was stored"))?;
        let delivery = delivery.pop().ok_or_else(|| Failure::new("no delivery was recorded"))?;
        Ok(Self { account, id, event, delivery, others })
    }

    /// Copies the event and its delivery to an account's first webhook, once for each number, and the statistics with
    /// them. Each copy is of another task.
    pub(crate) fn copy(&self, world: &World, account: &str, numbers: impl Iterator<Item = u64>) -> Result<()> {
        for other in &self.others {
            load(world, DELIVERIES_TABLE, other.replace(&self.account, account))?;
        }
        for number in numbers {
            let id = id(number);
            for (table, item, webhook) in [(EVENTS_TABLE, &self.event, ""), (DELIVERIES_TABLE, &self.delivery, "#1")] {
                let partition = |account: &str, id: &str| format!(r#""{account}{webhook}#{}""#, shard(id));
                let item = item.replace(&partition(&self.account, &self.id), &partition(account, &id));
                let item = item.replace(&self.id, &id);
                load(world, table, item.replace("task_00000000", &format!("task_{number:08}")))?;
            }
        }
        Ok(())
    }
}

/// The id of a copy; a greater number sorts as a newer delivery.
pub(crate) fn id(number: u64) -> String {
    // Decimal digits are valid in Crockford's base32.
    format!("01KDYAK348{number:016}")
}

/// The number of a copy, from its id.
pub(crate) fn number(id: &str) -> Option<u64> {
    id.strip_prefix("01KDYAK348")?.parse().ok()
}

/// The partition, of eight, in which an account's event or a webhook's delivery is stored: the last three bits of its id.
fn shard(id: &str) -> usize {
    let digit =
        id.bytes().last().and_then(|last| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".iter().position(|digit| *digit == last));
    digit.unwrap_or_default() % 8
}

/// The event with the id of a copy in place of the sample's id.
pub(crate) fn with_id(event: &str, number: u64) -> Bytes {
    event.replace("01KDYAK3482WAV4DVEFM6KBDXQ", &id(number)).into()
}
