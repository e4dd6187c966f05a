//! Removes what a run has made: its accounts with their webhooks and keys, and its dead letters.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{
    names::{AccountId, WebhookId},
    queue::{DeadLetter, Look},
    store::KeyRecord,
};
use serde_json::{Value, json};

use super::{dead_letter, world::World};
use crate::{failure::Failure, stack::Stack, terminal};

/// For how many days hourly counts are kept.
const COUNTS_KEPT: u32 = 8;
/// And monthly ones, at most.
const MONTHS_KEPT: u32 = 400;

/// What was removed, and what cannot be.
#[derive(Debug, Default)]
pub(super) struct Removed {
    accounts: usize,
    webhooks: usize,
    keys: usize,
    dead_letters: usize,
    /// What remains, and until when, in sentences.
    pub(super) remains: Vec<String>,
}

impl Removed {
    pub(super) fn shown(&self) -> Value {
        let Self { accounts, webhooks, keys, dead_letters, .. } = self;
        json!({ "accounts": accounts, "webhooks": webhooks, "keys": keys, "dead_letters": dead_letters })
    }

    pub(super) fn words(&self) -> String {
        let Self { accounts, webhooks, keys, dead_letters, .. } = self;
        format!(
            "Removed: accounts {accounts}, webhooks {webhooks}, keys {keys}, dead letters {dead_letters}. What remains:"
        )
    }
}

/// Removes what this run has made.
pub(super) async fn clean_up(world: &World) -> Result<Removed, Failure> {
    world.end_requests().await;
    let keys = world.made.borrow().clone();
    let mut removed = remove(&world.stack, &keys, &world.accounts()).await?;
    let (purged, missing) = dead_letter::purge(world).await?;
    removed.dead_letters = purged;
    removed.remains = remains(&world.stack, &world.run);
    if missing > 0 {
        let why = "may become dead letters later, or another reader hides them";
        removed.remains.push(format!("{missing} of the run's messages {why}: see `dead-letters list`"));
    }
    Ok(removed)
}

async fn remove(stack: &Stack, keys: &[KeyRecord], accounts: &[AccountId]) -> Result<Removed, Failure> {
    let (webhooks, api_keys, usage) = (stack.webhooks()?, stack.api_keys()?, stack.usage()?);
    let mut removed = Removed { accounts: accounts.len(), keys: keys.len(), ..Removed::default() };
    // First the webhooks: from then on nothing is sent.
    for account in accounts {
        for webhook in webhooks.list(account).await? {
            webhooks.delete(account, webhook.id).await?;
            removed.webhooks += 1;
        }
    }
    for key in keys {
        api_keys.forget(key).await?;
        usage.forget(&key.id).await?;
    }
    for account in accounts {
        // The item that counts an account's webhooks. No other account will have this name.
        webhooks.delete(account, WebhookId(0)).await?;
    }
    Ok(removed)
}

fn remains(stack: &Stack, run: &str) -> Vec<String> {
    let days = |name: &str| stack.parameter(name).and_then(|days| days.parse().ok()).unwrap_or(30);
    let until = |days: u32| format!("{:.0}", Timestamp::now() + SignedDuration::from_hours(24 * i64::from(days)));
    vec![
        format!("the events and deliveries of the accounts {run}-…, until {}", until(days("HistoryRetentionDays"))),
        format!("hourly counts of their attempts, until {}", until(COUNTS_KEPT)),
        format!("monthly counts of their attempts, until {}", until(MONTHS_KEPT)),
        format!("their log lines, until {}", until(days("LogRetentionDays"))),
        format!("the hash of an idempotency key and its reply, until {}", until(1)),
    ]
}

/// Removes what killed runs have left. Asks first.
pub(super) async fn clean_up_after_others(stack: &Stack, yes: bool, json: bool) -> Result<(), Failure> {
    let (keys, webhooks) = (stack.api_keys()?.list().await?, stack.webhooks()?.list_all().await?);
    let keys: Vec<_> = keys.into_iter().filter(|key| is_of_a_run(&key.account_id)).collect();
    let of_webhooks = webhooks.into_iter().map(|webhook| webhook.account_id).filter(is_of_a_run);
    let (letters, mut of_letters) = (stack.dead_letters()?, Vec::new());
    let is_ours = |letter: &DeadLetter| dead_letter::account(letter).filter(is_of_a_run);
    let look = letters.look_through(async |batch: Vec<DeadLetter>| {
        of_letters.extend(batch.iter().filter_map(is_ours));
        Ok::<_, Failure>(Look { enough: false, kept: batch })
    });
    look.await?;
    let accounts: BTreeMap<_, _> = keys
        .iter()
        .map(|key| key.account_id.clone())
        .chain(of_webhooks)
        .chain(of_letters)
        .map(|id| (id.to_string(), id))
        .collect();
    let accounts: Vec<_> = accounts.into_values().collect();
    if !accounts.is_empty() {
        let names = accounts.iter().map(AccountId::as_str).collect::<Vec<_>>().join(", ");
        let question = format!("Remove the keys, webhooks and dead letters of {names}? A run may be using them now.");
        terminal::confirm(yes, &question).await?;
    }
    let mut removed = remove(stack, &keys, &accounts).await?;
    removed.dead_letters = dead_letter::delete_those(stack, |letter| is_ours(letter).is_some()).await?.len();
    if json {
        return terminal::json(&removed.shown());
    }
    terminal::note(removed.words().trim_end_matches(" What remains:"));
    Ok(())
}

/// Whether a run has made this account: `acceptance-`, eight hexadecimal digits, and the check's name.
fn is_of_a_run(account: &AccountId) -> bool {
    let rest = account.as_str().strip_prefix("acceptance-").and_then(|rest| rest.split_once('-'));
    rest.is_some_and(|(run, _)| run.len() == 8 && run.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_accounts_of_runs_are_removed() {
        let is = |name: &str| is_of_a_run(&AccountId::parse(name).unwrap());
        assert!(is(&format!("{}-resend", World::name())));
        for other in ["acceptance-3f9c2a71", "acceptance-test-1", "acct_1", "acceptance"] {
            assert!(!is(other), "{other}");
        }
    }
}
