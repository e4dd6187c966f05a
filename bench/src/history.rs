//! Fills the history with past deliveries. The real functions make one; the others are copies of it with other ids
//! and webhooks, so they are stored as the functions store them today.

use hyper::body::Bytes;

use crate::{
    failure::{Failure, Result},
    receiver::Manner,
    traffic::{
        BATCH, DELIVERIES_TABLE, account, attempts, check_counted, check_delivered, completion, delivery_ids, events,
        fan_out, load, register, work_off,
    },
    world::{Functions, World},
};

/// The items that one delivery leaves in the deliveries table.
pub(crate) struct Original {
    webhook: String,
    id: String,
    /// The delivery's item.
    delivery: String,
    /// The other items that were written for it: the hour's statistics.
    others: Vec<String>,
}

impl Original {
    /// Makes one delivery with the real functions, takes its items and empties the table again.
    pub(crate) fn new(world: &World, functions: &Functions, body_bytes: usize) -> Result<Self> {
        let account = account(999_999);
        register(world, &account, 1, &Manner::Keep.url(&world.receiver(false)))?;
        let (messages, _) = fan_out(world, functions, &[completion(0, &account, body_bytes)])?;
        work_off(world, functions, "dispatcher", events(&messages, BATCH))?;
        check_delivered(world, &messages)?;
        world.heard().deliveries.clear();
        work_off(world, functions, "count-attempts", attempts(world, BATCH))?;
        check_counted(world, messages.len())?;

        let ids = delivery_ids(&messages)?;
        let id = ids.into_iter().next().ok_or_else(|| Failure::new("no delivery was made"))?;
        let mut dynamodb = world.dynamodb();
        let table = dynamodb.tables.get_mut(DELIVERIES_TABLE).ok_or_else(|| Failure::new("there is no history"))?;
        let (deliveries, others): (Vec<String>, _) =
            table.texts().map(str::to_owned).partition(|text| text.contains(&id));
        table.clear();
        dynamodb.forget_usage();
        let delivery = deliveries.into_iter().next().ok_or_else(|| Failure::new("no delivery was recorded"))?;
        Ok(Self { webhook: format!("{account}#1"), id, delivery, others })
    }

    /// Copies the delivery into a webhook's history, once for each number, and its statistics with it.
    pub(crate) fn copy(&self, world: &World, webhook: &str, numbers: impl Iterator<Item = u64>) -> Result<()> {
        for other in &self.others {
            load(world, DELIVERIES_TABLE, other.replace(&self.webhook, webhook))?;
        }
        let partition = |id: &str, webhook: &str| format!("{webhook}#{}", shard(id));
        for id in numbers.map(id) {
            let delivery = self.delivery.replace(&partition(&self.id, &self.webhook), &partition(&id, webhook));
            load(world, DELIVERIES_TABLE, delivery.replace(&self.id, &id))?;
        }
        Ok(())
    }
}

/// The id of a copy; a greater number sorts as a newer delivery.
pub(crate) fn id(number: u64) -> String {
    // Decimal digits are valid in Crockford's base32.
    format!("01KDYAK348{number:016}")
}

/// The partition, of eight, in which a webhook's delivery is stored: the last three bits of its id.
fn shard(id: &str) -> usize {
    let digit =
        id.bytes().last().and_then(|last| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".iter().position(|digit| *digit == last));
    digit.unwrap_or_default() % 8
}

/// The event with the id of a copy in place of the sample's id.
pub(crate) fn with_id(event: &str, number: u64) -> Bytes {
    event.replace("01KDYAK3482WAV4DVEFM6KBDXQ", &id(number)).into()
}
