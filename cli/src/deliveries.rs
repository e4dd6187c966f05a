//! `nano-webhooks deliveries`: lists and shows deliveries, retries those that failed, and resends events.

mod flush;
mod resend;
mod retry;
mod show;

use clap::{Args, Subcommand};
use futures_util::future::try_join_all;
use nano_webhooks::{
    attempt::Attempt,
    delivery::{Delivery, DeliverySummary, Listed, State},
    names::{AccountId, EventId, WebhookId},
    store::{Filter, Page},
};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    stack::Stack,
    table::{Table, time},
    tail::Tail,
    terminal,
    webhooks::webhook_id,
};

#[derive(Debug, Subcommand)]
pub(crate) enum DeliveriesCommand {
    /// Lists deliveries, newest first by the time at which their task ended
    #[command(after_help = LIST_HELP)]
    List {
        #[command(flatten)]
        of: Of,
        /// Only deliveries in this state: pending, retrying, held, delivered, failed or cancelled
        #[arg(long, value_parser = state)]
        status: Option<State>,
        /// List at most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Only deliveries older than this one: continues where the last list ended
        #[arg(long, value_parser = event_id)]
        before: Option<EventId>,
    },
    /// Shows one delivery: its payload and every attempt
    #[command(after_help = "Example:\n  nano-webhooks deliveries show 01KDYAK3482WAV4DVEFM6KBDXQ --account acct_1")]
    Show {
        /// The delivery's id: the header `webhook-id`
        #[arg(value_parser = event_id)]
        id: EventId,
        #[command(flatten)]
        of: Of,
    },
    /// Retries deliveries: a finished one starts its schedule again, under the same id
    Retry(retry::Retry),
    /// Sends the events of a time range to a webhook again, or shows or stops that
    Resend(resend::Resend),
    /// Sends a webhook's held deliveries now, instead of at the growing pace at which release sends them
    Flush(flush::Flush),
    /// Shows every attempt as it happens, until Ctrl-C
    Tail(Tail),
}

const LIST_HELP: &str = "\
Examples:
  nano-webhooks deliveries list --account acct_1 --status failed
  nano-webhooks deliveries list --account acct_1 --status held
  nano-webhooks deliveries list --account acct_1 --webhook 2 --limit 100

A delivery appears with its first attempt, or when it is held.";

/// The account and the webhook of deliveries.
#[derive(Debug, Args)]
pub(crate) struct Of {
    /// The account of the deliveries
    #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
    account: AccountId,
    /// Only deliveries to this webhook, which may be deleted; without it, to all webhooks of the account. An event that was
    /// sent to several webhooks has a delivery to each
    #[arg(long, value_parser = webhook_id)]
    webhook: Option<WebhookId>,
}

fn state(text: &str) -> Result<State, String> {
    text.parse().map_err(|_| format!("expected one of {}", State::names()))
}

/// Parses an event's id, for clap.
pub(crate) fn event_id(text: &str) -> Result<EventId, &'static str> {
    EventId::parse(text).ok_or("expected an event's id: 26 letters and digits")
}

impl DeliveriesCommand {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        match self {
            Self::List { of, status, limit, before } => {
                let list = of
                    .list(
                        stack,
                        &Filter { state: status, below: before.as_ref(), limit: limit.into(), ..Filter::default() },
                    )
                    .await?;
                if json { terminal::json(&list.json()) } else { list.print() }
            }
            Self::Show { id, of } => {
                let delivery = of.find(stack, &id).await?;
                let event = stack.events()?.find(&delivery.account_id, &id).await?;
                let body = event.and_then(|event| event.body);
                let body = body.as_deref();
                if json { terminal::json(&show::json(&delivery, body)) } else { show::print(&delivery, body) }
            }
            Self::Retry(retry) => retry.run(stack, json).await,
            Self::Resend(resend) => resend.run(stack, json).await,
            Self::Flush(flush) => flush.run(stack, json).await,
            Self::Tail(tail) => tail.run(stack, json).await,
        }
    }
}

impl Of {
    async fn webhooks(&self, stack: &Stack) -> Result<Vec<WebhookId>, Failure> {
        match self.webhook {
            Some(id) => Ok(vec![id]),
            None => Ok(stack.webhooks()?.list(&self.account).await?.iter().map(|webhook| webhook.id).collect()),
        }
    }

    /// The delivery of an event. Fails if there are several, to different webhooks.
    async fn find(&self, stack: &Stack, id: &EventId) -> Result<Delivery, Failure> {
        let deliveries = stack.deliveries()?;
        let mut found = Vec::new();
        for webhook in self.webhooks(stack).await? {
            found.extend(deliveries.find(&self.account, webhook, id).await?);
        }
        let several = found.len() > 1;
        match found.pop() {
            Some(last) if several => {
                let others: Vec<_> = found.iter().map(|delivery| delivery.webhook_id.to_string()).collect();
                Err(Failure::Wrong(format!(
                    "{id} was sent to the webhooks {} and {}: say which with --webhook",
                    others.join(", "),
                    last.webhook_id
                )))
            }
            Some(delivery) => Ok(delivery),
            None => Err(Failure::NotFound(format!(
                "there is no delivery {id} of {}; one appears with its first attempt",
                self.account
            ))),
        }
    }

    /// One page of the deliveries of all these webhooks together.
    async fn list(&self, stack: &Stack, filter: &Filter<'_>) -> Result<List, Failure> {
        let deliveries = stack.deliveries()?;
        let pages =
            self.webhooks(stack).await?.into_iter().map(async |webhook| {
                Ok::<_, Failure>((webhook, deliveries.list(&self.account, webhook, filter).await?))
            });
        let pages = try_join_all(pages).await?;
        Ok(List::of(pages, filter.limit))
    }
}

/// One page of deliveries, and where the next page begins.
struct List {
    rows: Vec<(WebhookId, Listed)>,
    next: Option<EventId>,
}

impl List {
    /// Merges several webhooks' pages into one. If a page ends early, the merged page ends there, and older
    /// deliveries come with the next one, so that no delivery is skipped.
    fn of(pages: Vec<(WebhookId, Page)>, limit: usize) -> Self {
        let mut next = pages.iter().filter_map(|(_, page)| page.next.clone()).max();
        let rows = pages
            .into_iter()
            .flat_map(|(webhook, page)| page.deliveries.into_iter().map(move |listed| (webhook, listed)));
        let mut rows: Vec<_> = rows.filter(|(_, listed)| next.as_ref().is_none_or(|end| listed.id >= *end)).collect();
        rows.sort_by(|(_, one), (_, other)| other.id.cmp(&one.id));
        if rows.len() > limit {
            // An event's deliveries stay together, because the next page begins behind the event.
            let last = rows[limit - 1].1.id.clone();
            let all = rows.len();
            rows.retain(|(_, listed)| listed.id >= last);
            if rows.len() < all {
                next = Some(last);
            }
        }
        Self { rows, next }
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|(webhook, listed)| {
            let mut row = json!(DeliverySummary::from(listed));
            row["webhook_id"] = json!(webhook);
            row
        });
        json!({ "deliveries": rows.collect::<Value>(), "next_before": self.next })
    }

    fn print(&self) -> Result<(), Failure> {
        if self.rows.is_empty() && self.next.is_none() {
            terminal::note("No deliveries. One appears with its first attempt.");
            return Ok(());
        }
        let mut table = Table::new(&[
            "ID",
            "WEBHOOK",
            "TASK",
            "EVENT",
            "STATUS",
            "TASK ENDED",
            "NEXT ATTEMPT",
            "ATTEMPTS",
            "LAST ATTEMPT",
        ]);
        for (webhook, listed) in &self.rows {
            table.row([
                listed.id.to_string(),
                webhook.to_string(),
                listed.task_id.clone(),
                listed.event.to_string(),
                listed.state.to_string(),
                time(Some(listed.id.ended_at())),
                time(listed.next_attempt_at),
                listed.attempt_count.to_string(),
                listed.attempts.last().map_or_else(|| "-".to_owned(), Attempt::explanation),
            ]);
        }
        table.print()?;
        if let Some(next) = &self.next {
            terminal::note(&format!("There are more: --before {next}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nano_webhooks::names::EventType;

    use super::*;

    fn page(ids: &[&str], next: Option<&str>) -> Page {
        let listed = |id: &&str| Listed {
            id: serde_json::from_value(json!(id)).unwrap(),
            event: EventType::JobFailed,
            state: State::Failed,
            task_id: String::new(),
            reason: None,
            attempts: Vec::new(),
            attempt_count: 0,
            next_attempt_at: None,
        };
        let next = next.map(|id| serde_json::from_value(json!(id)).unwrap());
        Page { deliveries: ids.iter().map(listed).collect(), next }
    }

    fn list(pages: Vec<Page>, limit: usize) -> (Vec<String>, Option<String>) {
        let pages = (1..).map(WebhookId).zip(pages).collect();
        let List { rows, next } = List::of(pages, limit);
        (rows.into_iter().map(|(_, listed)| listed.id.to_string()).collect(), next.map(|id| id.to_string()))
    }

    #[test]
    fn the_pages_of_several_webhooks_are_one_newest_first() {
        let pages = || vec![page(&["5", "3"], None), page(&["4"], None)];
        assert_eq!(list(pages(), 3), (["5", "4", "3"].map(String::from).into(), None));
        assert_eq!(list(pages(), 2), (["5", "4"].map(String::from).into(), Some("4".into())));
    }

    #[test]
    fn an_events_deliveries_to_several_webhooks_are_on_one_page() {
        let pages = || vec![page(&["5", "4", "3"], None), page(&["5", "4"], None)];
        assert_eq!(list(pages(), 3), (["5", "5", "4", "4"].map(String::from).into(), Some("4".into())));
        assert_eq!(list(pages(), 5), (["5", "5", "4", "4", "3"].map(String::from).into(), None));
    }

    #[test]
    fn behind_the_end_of_a_page_that_ended_early_nothing_is_shown() {
        let pages = vec![page(&["9"], Some("7")), page(&["8", "6"], None)];
        assert_eq!(list(pages, 10), (["9", "8"].map(String::from).into(), Some("7".into())));
    }
}
