//! `nano-webhooks accounts`: erases what is stored of an account.

use clap::Subcommand;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{
    delivery::{self, Reason},
    event::Event,
    names::{AccountId, WebhookId},
    store::{Deliveries, End, EventFilter, Events, Filter, expires_at},
};
use serde_json::json;

use crate::{
    failure::Failure,
    stack::Stack,
    terminal::{self, Progress},
};

/// How many events or deliveries are read in one page.
const PAGE: usize = 100;
/// How many of them are erased at the same time.
const AT_ONCE: usize = 20;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// Erases an account's payloads, the answers of its endpoints, its webhooks with their secrets, and its keys
    #[command(after_help = HELP)]
    Erase {
        /// The account
        #[arg(allow_hyphen_values = true, value_parser = AccountId::parse)]
        account: AccountId,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

const HELP: &str = "\
Example:
  nano-webhooks accounts erase acct_1

Let the job pipeline stop reporting the account's tasks first: what it reports later is stored again. The command goes through
all events of the account. If it is interrupted, run it again: it passes over what is erased.

The events stay listed until they expire, with their task's id and without the payload. So a completion that comes again does
not bring one back. At the end the command says what else remains, where and until when.";

/// How many things were erased.
#[derive(Default)]
struct Counts {
    keys: usize,
    webhooks: usize,
    events: usize,
    deliveries: usize,
}

/// What is needed to erase an account.
struct Erasure<'a> {
    account: &'a AccountId,
    events: Events,
    deliveries: Deliveries,
    /// When the erased deliveries expire.
    expires_at: i64,
}

impl AccountsCommand {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        let Self::Erase { account, yes } = self;
        erase(stack, &account, yes, json).await
    }
}

async fn erase(stack: &Stack, account: &AccountId, yes: bool, json: bool) -> Result<(), Failure> {
    let (keys, webhooks) = (stack.api_keys()?.list_of(account).await?, stack.webhooks()?.list(account).await?);
    let last_number = stack.webhooks()?.last_number(account).await?;
    let any = stack.events()?.list(account, End::Newest, &EventFilter::default(), 1).await?;
    if keys.is_empty() && last_number == 0 && any.events.is_empty() {
        return Err(Failure::NotFound(format!("nothing is stored of {account}")));
    }
    let (key_count, webhook_count) = (keys.len(), webhooks.len());
    terminal::note("What remains of its payloads afterwards:");
    for sentence in delivery::remains(Timestamp::now()) {
        terminal::note(&format!("- {sentence}"));
    }
    terminal::confirm(
        yes,
        &format!(
            "Erase {account} (keys: {key_count}, webhooks: {webhook_count}) and the payload of every event? It cannot be \
             brought back."
        ),
    )
    .await?;
    let mut counts = Counts { keys: key_count, webhooks: webhook_count, ..Counts::default() };
    // First the keys and the webhooks: from then on nothing new is made or sent.
    for key in &keys {
        stack.api_keys()?.forget(key).await?;
        stack.usage()?.forget(&key.id).await?;
    }
    for webhook in &webhooks {
        stack.webhooks()?.delete(account, webhook.id).await?;
    }
    terminal::note(&format!("Deleted the keys ({key_count}) and the webhooks ({webhook_count})."));
    let retention_days = retention_days(stack)?;
    let (events, deliveries) = (stack.events()?, stack.deliveries()?);
    let erasure =
        Erasure { account, events, deliveries, expires_at: expires_at(retention_days.max(delivery::ERASED_KEPT_DAYS)) };
    counts.events = erasure.erase_events().await?;
    counts.deliveries = erasure.erase_deliveries(last_number).await?;
    report(account, &counts, retention_days, json)
}

fn retention_days(stack: &Stack) -> Result<u32, Failure> {
    let days = stack.parameter("HistoryRetentionDays").and_then(|days| days.parse().ok());
    days.ok_or_else(|| Failure::Failed(format!("the stack {} has no parameter HistoryRetentionDays", stack.name)))
}

impl Erasure<'_> {
    /// Erases the events that are not erased yet, and their deliveries. Returns how many events those were.
    async fn erase_events(&self) -> Result<usize, Failure> {
        let mut progress = Progress::new("events erased:", 0);
        let (mut count, mut next) = (0, None);
        loop {
            let filter = EventFilter { below: next.as_ref(), ..EventFilter::default() };
            let page = self.events.list(self.account, End::Newest, &filter, PAGE).await?;
            let left: Vec<_> = page.events.into_iter().filter(|event| event.erased_at.is_none()).collect();
            let erased = left.len();
            let erasing = left.into_iter().map(|event| self.erase_event(event));
            stream::iter(erasing).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            count += erased;
            progress.add(erased);
            next = page.next;
            if next.is_none() {
                return Ok(count);
            }
        }
    }

    async fn erase_event(&self, event: Event) -> Result<(), Failure> {
        // The event as it is now: a retry by hand may have sent it to another webhook.
        let Some(event) = self.events.erase(self.account, &event.id, Timestamp::now(), self.expires_at).await? else {
            return Ok(());
        };
        Ok(self.deliveries.erase(&event, &[], self.expires_at).await?)
    }

    /// Erases the deliveries that are left: those whose event has expired, and those of an event that an interrupted run
    /// has erased. Returns how many they were.
    async fn erase_deliveries(&self, last_number: u64) -> Result<usize, Failure> {
        let mut progress = Progress::new("further deliveries erased:", 0);
        let mut count = 0;
        for webhook in (1..=last_number).map(WebhookId) {
            let mut next = None;
            loop {
                let filter = Filter { below: next.as_ref(), limit: PAGE, ..Filter::default() };
                let page = self.deliveries.list(self.account, webhook, &filter).await?;
                let left = page.deliveries.iter().filter(|listed| listed.reason != Some(Reason::Erased));
                let left: Vec<_> = left.map(|listed| (self.account, webhook, &listed.id)).collect();
                let erased = left.len();
                let erasing = left.into_iter().map(|name| self.deliveries.erase_stored(name, self.expires_at));
                stream::iter(erasing).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
                count += erased;
                progress.add(erased);
                next = page.next;
                if next.is_none() {
                    break;
                }
            }
            // Those of an expired delivery, or of one whose erasure was interrupted.
            self.deliveries.delete_all_answers(self.account, webhook).await?;
        }
        Ok(count)
    }
}

fn report(account: &AccountId, counts: &Counts, retention_days: u32, json: bool) -> Result<(), Failure> {
    let now = Timestamp::now();
    let mut remains: Vec<_> = delivery::remains(now).into();
    let until = |days: u32| format!("{:.0}", now + SignedDuration::from_hours(24 * i64::from(days)));
    remains.push(format!(
        "The tables contain the ids of its tasks, and which webhook got which event, until {}, or for as long as a \
         delivery may wait if that is longer.",
        until(retention_days)
    ));
    remains.push(format!("The tables contain hourly counts of its attempts until {}.", until(8)));
    remains.push(format!("The tables contain monthly counts of its attempts, for the bill, until {}.", until(400)));
    remains.push(format!(
        "The tables contain the idempotency keys of its requests, as hashes, and the replies to them, until {}.",
        until(1)
    ));
    remains.push("The webhooks table contains how many webhooks it had, so that no number is used again.".to_owned());
    let Counts { keys, webhooks, events, deliveries } = counts;
    if json {
        return terminal::json(&json!({ "account_id": account, "keys": keys, "webhooks": webhooks, "events": events,
            "deliveries": deliveries, "remains": remains }));
    }
    terminal::note(&format!(
        "Erased {events} events of {account} with their deliveries, and {deliveries} deliveries more."
    ));
    terminal::note("What remains of their payloads, and of the account:");
    remains.iter().try_for_each(|sentence| terminal::line(&format!("- {sentence}")))
}
