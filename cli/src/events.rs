//! `nano-webhooks events`: lists and shows events: what became of each finished task of an account.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use nano_webhooks::{
    delivery::{EventDetails, EventSummary},
    event::Event,
    names::{AccountId, EventId},
    store::{End, EventFilter},
};
use serde_json::{Value, json};

use crate::{
    deliveries::event_id,
    failure::Failure,
    stack::Stack,
    table::{Table, time},
    tail,
    terminal::{self, Progress},
};

/// How many events are read in one page.
const PAGE: usize = 100;

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Lists events, newest first by the time at which their task ended
    List(List),
    /// Shows one event: its payload, and where it stands with each webhook or why nothing was sent there
    #[command(after_help = "Example:\n  nano-webhooks events show 01KDYAK3482WAV4DVEFM6KBDXQ --account acct_1")]
    Show {
        /// The event's id: the header `webhook-id`
        #[arg(value_parser = event_id)]
        id: EventId,
        /// The account of the event
        #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
        account: AccountId,
    },
}

#[derive(Debug, Args)]
#[command(after_help = LIST_HELP)]
pub(crate) struct List {
    /// The account of the events
    #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
    account: AccountId,
    /// Only events of this task
    #[arg(long, allow_hyphen_values = true)]
    task_id: Option<String>,
    /// Only events whose task ended since then, such as 2h or 2026-01-02T03:04:05Z
    #[arg(long, value_parser = tail::since)]
    since: Option<Timestamp>,
    /// List at most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Only events older than this one: continues where the last list ended
    #[arg(long, value_parser = event_id)]
    before: Option<EventId>,
}

const LIST_HELP: &str = "\
Examples:
  nano-webhooks events list --account acct_1 --task-id task_7
  nano-webhooks events list --account acct_1 --since 36h --limit 100

A search for a task reads an eighth of the account's events, back to --since. It shows how far it is.";

impl EventsCommand {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(stack, json).await,
            Self::Show { id, account } => show(stack, &account, &id, json).await,
        }
    }
}

impl List {
    async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        let (found, next) = self.find(stack).await?;
        let summaries = stack.deliveries()?.summaries(found).await?;
        if json {
            return terminal::json(&json!({ "events": summaries, "next_before": next }));
        }
        print_table(&summaries)?;
        if let Some(next) = next {
            terminal::note(&format!("There are more: --before {next}"));
        }
        Ok(())
    }

    /// Reads pages until there are enough events, or no more.
    async fn find(&self, stack: &Stack) -> Result<(Vec<Event>, Option<EventId>), Failure> {
        let (events, limit) = (stack.events()?, usize::from(self.limit));
        let above = self.since.and_then(EventId::last_before);
        let (mut found, mut next) = (Vec::new(), self.before.clone());
        let mut progress = Progress::new("pages read:", 0);
        loop {
            let filter = EventFilter {
                task_id: self.task_id.as_deref(),
                above: above.as_ref(),
                below: next.as_ref(),
                ..EventFilter::default()
            };
            let most = PAGE.min(limit - found.len());
            let page = events.list(&self.account, End::Newest, &filter, most).await?;
            progress.add(1);
            found.extend(page.events);
            next = page.next;
            if next.is_none() || found.len() == limit {
                return Ok((found, next));
            }
        }
    }
}

async fn show(stack: &Stack, account: &AccountId, id: &EventId, json: bool) -> Result<(), Failure> {
    let missing = || Failure::NotFound(format!("there is no event {id} of {account}"));
    let event = stack.events()?.find(account, id).await?.ok_or_else(missing)?;
    let webhooks = stack.webhooks()?.list(account).await?;
    let deliveries = stack.deliveries()?.of_event(&event, &webhooks).await?;
    let body = event.body.clone();
    let mut shown = json!(EventDetails::new(event, &webhooks, &deliveries));
    if json {
        shown["account_id"] = json!(account);
        return terminal::json(&shown);
    }
    for (name, value) in [
        ("event", text(&shown["id"])),
        ("account", account.to_string()),
        ("kind", text(&shown["event"])),
        ("task", format!("{}, {}", text(&shown["task_id"]), text(&shown["task_type"]))),
        ("task ended", time(Some(id.ended_at()))),
        ("erased", text(&shown["erased_at"])),
        ("payload", body.unwrap_or_else(|| "-".to_owned())),
    ] {
        terminal::line(&format!("{name:<10} {value}"))?;
    }
    for note in ["callback", "reason"].into_iter().filter_map(|name| shown[name].as_str()) {
        terminal::line(&format!("{:<10} {note}", ""))?;
    }
    print_standings(&shown["webhooks"])
}

fn print_standings(webhooks: &Value) -> Result<(), Failure> {
    let rows = webhooks.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return Ok(());
    }
    terminal::line("")?;
    let mut table = Table::new(&["WEBHOOK", "STATUS", "ATTEMPTS", "NEXT ATTEMPT", "WHY", "URL"]);
    for row in rows {
        table.row(["id", "status", "attempt_count", "next_attempt_at", "reason", "url"].map(|name| text(&row[name])));
    }
    table.print()
}

fn print_table(events: &[EventSummary]) -> Result<(), Failure> {
    if events.is_empty() {
        terminal::note("No events.");
        return Ok(());
    }
    let mut table = Table::new(&["ID", "EVENT", "TASK ENDED", "WEBHOOKS", "TASK"]);
    for event in events {
        let ended = time(Some(event.id().ended_at()));
        let event = json!(event);
        let webhooks = event["webhooks"].as_array().into_iter().flatten();
        let webhooks: Vec<_> = webhooks.map(|it| format!("{} {}", text(&it["id"]), text(&it["status"]))).collect();
        let erased = if event["erased_at"].is_null() { None } else { Some("erased".to_owned()) };
        let stands: Vec<_> = webhooks.into_iter().chain(erased).collect();
        let stands = if stands.is_empty() { "sent to none".to_owned() } else { stands.join(", ") };
        table.row([text(&event["id"]), text(&event["event"]), ended, stands, text(&event["task_id"])]);
    }
    table.print()
}

/// A field of a reply, for a person.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
