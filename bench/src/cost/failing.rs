//! Deliveries that use up the schedule: each has eight attempts, and each attempt fails.
//!
//! The dispatcher, count-attempts and watch-webhooks are the real ones. There is no wait between the attempts: a
//! message that `release` would send hours later is sent immediately, and billed as release's. Before each attempt
//! the webhooks get their first health again: otherwise the failing endpoint's circuit would open, and its deliveries
//! would be held.

use serde_json::{Value, json};

use super::{Used, bytes};
use crate::{
    failure::{Result, check},
    receiver::Manner,
    sqs::{Sent, billed},
    traffic::{
        BATCH, DELIVERIES_TABLE, WAITING_TABLE, account, attempts, check_counted, completion, events, items, register,
    },
    world::{Functions, World},
};

/// The first attempt, and one for each wait of the template's schedule.
const ATTEMPTS: usize = 8;
/// Ten webhooks for a batch, so each webhook has many attempts in a minute.
const ACCOUNTS: usize = 10;

/// One way in which attempts fail.
pub(super) struct Failing {
    pub(super) manner: Manner,
    pub(super) sandboxes: usize,
}

/// Measures the units that this number of deliveries use. Fails unless each uses up its schedule.
pub(super) fn measure(functions: &Functions, completions: usize, failing: &Failing) -> Result<Used> {
    let world = World::new(functions)?;
    let url = failing.manner.url(&world.receiver(false));
    let completions: Vec<_> =
        (0..completions).map(|number| completion(number, &account(number % ACCOUNTS), 300)).collect();
    let mut used = Used { deliveries: completions.len() as u64, ..Used::default() };
    well(&world, &url)?;
    let mut messages = used.fan_out(&world, functions, &completions, BATCH)?;
    let mut items_before = 0;
    for attempt in 1..=ATTEMPTS {
        check(messages.len() == completions.len(), || {
            format!("{} messages ask for attempt {attempt}", messages.len())
        })?;
        used.poll(&messages, BATCH, true);
        used.invoke(&world, functions, ("dispatcher", failing.sandboxes), events(&messages, BATCH))?;
        let records = |function| Ok(attempts(&world, functions.function(function)?.batch));
        used.invoke(&world, functions, ("count-attempts", 1), records("count-attempts")?)?;
        check_counted(&world, attempt * completions.len())?;
        used.invoke(&world, functions, ("watch-webhooks", 1), records("watch-webhooks")?)?;
        well(&world, &url)?;
        messages = std::mem::take(&mut world.sqs().sent);
        let waiting = waiting(&world);
        // Each entry is read twice: when it is due, and an hour later.
        used.half_read_units += 2 * (waiting.bytes.div_ceil(4_096) as u64);
        check(waiting.count == items_before + if attempt < ATTEMPTS { completions.len() } else { 0 }, || {
            format!("after attempt {attempt} {} wait", waiting.count)
        })?;
        items_before = waiting.count;
        let released: Vec<_> =
            waiting.released.into_iter().filter(|(number, _)| *number == attempt + 1).map(|(_, sent)| sent).collect();
        for batch in released.chunks(BATCH) {
            used.sqs += billed(bytes(batch));
            used.sqs_fair += billed(bytes(batch));
        }
        messages.extend(released);
    }
    check_used_up(&world, completions.len())?;
    used.take(&world);
    Ok(used)
}

/// Stores all webhooks in their first state.
fn well(world: &World, url: &str) -> Result<()> {
    (0..ACCOUNTS).try_for_each(|number| register(world, &account(number), 1, url))
}

/// The content of the waiting table.
#[derive(Default)]
struct WaitingNow {
    count: usize,
    bytes: usize,
    /// The entries that no delayed message carries: the number of the attempt, and the message that asks for it.
    released: Vec<(usize, Sent)>,
}

fn waiting(world: &World) -> WaitingNow {
    let mut now = WaitingNow::default();
    for (item, bytes) in items(world, WAITING_TABLE) {
        now.count += 1;
        now.bytes += bytes;
        if item["carried"]["BOOL"] == Value::Bool(true) {
            continue;
        }
        let number = |name: &str| item[name]["N"].as_str().and_then(|number| number.parse::<usize>().ok());
        let message = json!({
            "account_id": item["account_id"]["S"],
            "webhook_id": number("webhook_id"),
            "event_id": item["event_id"]["S"],
            "event": item["event"]["S"],
            "round": number("round"),
            "attempt": number("attempt"),
        });
        let group = item["account_id"]["S"].as_str().map(str::to_owned);
        let sent = Sent { body: message.to_string(), group, attributes: Value::Null, system_attributes: Value::Null };
        now.released.push((number("attempt").unwrap_or_default(), sent));
    }
    now
}

/// Fails unless this number of deliveries have used up their schedule.
fn check_used_up(world: &World, deliveries: usize) -> Result<()> {
    world.check_calls()?;
    let has_failed =
        |item: &Value| item["state"]["S"] == "failed" && item["tries"]["N"] == ATTEMPTS.to_string().as_str();
    let failed = items(world, DELIVERIES_TABLE).iter().filter(|(item, _)| has_failed(item)).count();
    check(failed == deliveries, || format!("of {deliveries} deliveries {failed} have used up their schedule"))
}
