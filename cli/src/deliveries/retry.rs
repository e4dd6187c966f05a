//! Retries deliveries as the API does: sends a message for each, and writes nothing else.

use clap::Args;
use jiff::Timestamp;
use nano_webhooks::{
    delivery::State,
    names::{EventId, WebhookId},
    store::Filter,
};
use serde_json::json;

use super::{Of, event_id};
use crate::{
    failure::Failure,
    stack::Stack,
    tail,
    terminal::{self, Progress},
    webhooks,
};

/// How many failed deliveries are read in one page.
const PAGE: usize = 100;

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Retry {
    /// The deliveries' ids
    #[arg(value_parser = event_id, required_unless_present = "failed", conflicts_with = "failed")]
    ids: Vec<EventId>,
    #[command(flatten)]
    of: Of,
    /// Retry all failed deliveries
    #[arg(long)]
    failed: bool,
    /// With --failed: only deliveries whose task ended since then, such as 2h or 2026-01-02T03:04:05Z
    #[arg(long, value_parser = tail::since, requires = "failed")]
    since: Option<Timestamp>,
    /// With --failed: do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

const HELP: &str = "\
Examples:
  nano-webhooks deliveries retry 01KDYAK3482WAV4DVEFM6KBDXQ --account acct_1
  nano-webhooks deliveries retry --failed --since 36h --account acct_1 --webhook 2

A delivery that is retrying or held gets an attempt now. A disabled webhook has to be enabled first.";

impl Retry {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        let Self { ids, of, failed, since, yes } = self;
        let mut chosen: Vec<_> = ids.into_iter().map(|id| (of.webhook, id)).collect();
        if failed {
            chosen = of.failed(stack, since.unwrap_or(Timestamp::UNIX_EPOCH)).await?;
            if !chosen.is_empty() {
                terminal::confirm(yes, &format!("Retry what failed of {}, {} in all?", of.account, chosen.len()))
                    .await?;
            }
        }
        let (mut retried, mut refused) = (Vec::new(), Vec::new());
        let mut progress = Progress::new("retried", chosen.len());
        for (webhook, id) in &chosen {
            let of = Of { account: of.account.clone(), webhook: *webhook };
            match of.retry(stack, id).await {
                Ok(()) => retried.push(id),
                // The failure of a single delivery decides the exit code.
                Err(failure) if chosen.len() == 1 => return Err(failure),
                Err(failure) => refused.push((id, failure.text().unwrap_or_default().to_owned())),
            }
            progress.add(1);
        }
        drop(progress);
        if json {
            let refused: Vec<_> = refused.iter().map(|(id, reason)| json!({ "id": id, "reason": reason })).collect();
            terminal::json(&json!({ "retried": retried, "refused": refused }))?;
        } else {
            terminal::note(&format!("Retrying {} of {}.", retried.len(), chosen.len()));
            for (_, reason) in &refused {
                terminal::note(reason);
            }
        }
        if refused.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("{} were not retried", refused.len()))) }
    }
}

impl Of {
    /// Sends the message of a retry by hand, under the same conditions as the API.
    async fn retry(&self, stack: &Stack, id: &EventId) -> Result<(), Failure> {
        let delivery = self.find(stack, id).await?;
        let (account, webhook) = (&self.account, delivery.webhook_id);
        let found = webhooks::find(stack, account, webhook).await?;
        if !found.is_active() {
            return Err(Failure::Failed(format!(
                "webhook {webhook} of {account} is disabled; `webhooks enable` it first, then retry {id}"
            )));
        }
        Ok(stack.deliveries_queue()?.send_one(&delivery.retried(&found)).await?)
    }

    /// The failed deliveries whose task ended since then, newest first.
    async fn failed(&self, stack: &Stack, since: Timestamp) -> Result<Vec<(Option<WebhookId>, EventId)>, Failure> {
        let mut before: Option<EventId> = None;
        let mut failed = Vec::new();
        loop {
            let below = before.as_ref();
            let filter = Filter { state: Some(State::Failed), below, limit: PAGE, ..Filter::default() };
            let list = self.list(stack, &filter).await?;
            let found = list.rows.into_iter().map(|(webhook, listed)| (Some(webhook), listed.id));
            failed.extend(found.filter(|(_, id)| id.ended_at() >= since));
            match list.next {
                Some(next) if next.ended_at() >= since => before = Some(next),
                _ => return Ok(failed),
            }
        }
    }
}
