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
    let mut before = WaitingNow::default();
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
        let added = waiting.attempts - before.attempts;
        check(added == if attempt < ATTEMPTS { completions.len() } else { 0 }, || {
            format!("after attempt {attempt} {added} more wait")
        })?;
        // Release reads each item when it is due, consistently, and an hour later, eventually consistently. Then it also
        // reads each delivery, eventually consistently.
        used.half_read_units += 3 * (waiting.bytes - before.bytes).div_ceil(4_096) as u64 + added as u64;
        let released: Vec<_> = waiting
            .released
            .iter()
            .filter(|(number, _)| *number == attempt + 1)
            .map(|(_, sent)| sent.clone())
            .collect();
        before = waiting;
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
    attempts: usize,
    /// The size of the items.
    bytes: usize,
    /// What no delayed message carries: the number of the attempt, and the message that asks for it.
    released: Vec<(usize, Sent)>,
}

fn waiting(world: &World) -> WaitingNow {
    let mut now = WaitingNow::default();
    for (item, bytes) in items(world, WAITING_TABLE) {
        let attempts: Vec<_> =
            item["attempts"]["L"].as_array().into_iter().flatten().filter_map(|name| name["S"].as_str()).collect();
        now.attempts += attempts.len();
        now.bytes += bytes;
        if item["carried"]["BOOL"] != Value::Bool(true) {
            now.released.extend(attempts.into_iter().filter_map(released));
        }
    }
    now
}

/// The number of an attempt that is stored with this name, and the message that release sends for it.
fn released(name: &str) -> Option<(usize, Sent)> {
    let parts: Vec<_> = name.split('#').collect();
    let [account, webhook, event_id, event, round, attempt] = parts[..] else { return None };
    let number = |text: &str| text.parse::<usize>().ok();
    let message = json!({
        "account_id": account,
        "webhook_id": number(webhook),
        "event_id": event_id,
        "event": event,
        "round": number(round),
        "attempt": number(attempt),
    });
    let group = Some(account.to_owned());
    let sent = Sent { body: message.to_string(), group, attributes: Value::Null, system_attributes: Value::Null };
    Some((number(attempt)?, sent))
}

/// Fails unless this number of deliveries have used up their schedule.
fn check_used_up(world: &World, deliveries: usize) -> Result<()> {
    world.check_calls()?;
    let has_failed =
        |item: &Value| item["state"]["S"] == "failed" && item["tries"]["N"] == ATTEMPTS.to_string().as_str();
    let failed = items(world, DELIVERIES_TABLE).iter().filter(|(item, _)| has_failed(item)).count();
    check(failed == deliveries, || format!("of {deliveries} deliveries {failed} have used up their schedule"))
}
