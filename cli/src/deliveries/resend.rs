//! Resends the events of a time range to a webhook, as the API does: stores what release has to do.

use clap::Args;
use jiff::Timestamp;
use nano_webhooks::{
    names::{AccountId, WebhookId},
    store::BeginResult,
    webhook::{ResendRequest, ResendStatus, Webhook},
};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    stack::Stack,
    table::time,
    tail, terminal,
    webhooks::{self, no_webhook, webhook_id},
};

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Resend {
    /// The account of the webhook
    #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
    account: AccountId,
    /// The webhook's number
    #[arg(long, value_parser = webhook_id)]
    webhook: WebhookId,
    /// Only events whose task ended since then, such as 36h or 2026-01-02T03:04:05Z
    #[arg(long, value_parser = tail::since, required_unless_present_any = ["progress", "stop"])]
    since: Option<Timestamp>,
    /// Only events whose task ended before then; without it, before now
    #[arg(long, value_parser = tail::since, requires = "since")]
    until: Option<Timestamp>,
    /// Which events, separated by commas: failed, cancelled, missed (no delivery was made), delivered
    #[arg(long, value_parser = resent, value_delimiter = ',', required_unless_present_any = ["progress", "stop"])]
    status: Vec<ResendStatus>,
    /// Show how far the webhook's last resend is
    #[arg(long, conflicts_with_all = ["since", "status", "stop"])]
    progress: bool,
    /// Stop the webhook's resend; what was sent stays sent
    #[arg(long, conflicts_with_all = ["since", "status"])]
    stop: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

const HELP: &str = "\
Examples:
  nano-webhooks deliveries resend --account acct_1 --webhook 2 --since 36h --status failed,missed
  nano-webhooks deliveries resend --account acct_1 --webhook 2 --progress
  nano-webhooks deliveries resend --account acct_1 --webhook 2 --stop

release does the work: it begins within a minute, with the oldest event, and sends up to DrainPerMinute deliveries a minute. It
waits while the webhook's circuit is not closed. A delivery that waits for an attempt or is held is left as it is. A webhook has
one resend at a time.";

fn resent(text: &str) -> Result<ResendStatus, String> {
    text.parse().map_err(|_| format!("expected one of {}", ResendStatus::names()))
}

impl Resend {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        if self.stop {
            return self.stop(stack, json).await;
        }
        let webhook = if self.progress {
            webhooks::find(stack, &self.account, self.webhook).await?
        } else {
            self.begin(stack).await?
        };
        let resend = webhook.resend_view().ok_or_else(|| self.no_resend())?;
        show(&webhook, json!(resend), json)
    }

    /// Begins a resend under the same conditions as the API, and returns the webhook with it.
    async fn begin(&self, stack: &Stack) -> Result<Webhook, Failure> {
        let (Self { account, webhook, until, .. }, now) = (self, Timestamp::now());
        let statuses: Vec<_> = ResendStatus::ALL.into_iter().filter(|status| self.status.contains(status)).collect();
        let words = statuses.iter().map(ResendStatus::to_string).collect::<Vec<_>>().join(", ");
        let since = self.since.unwrap_or(now);
        let asked = ResendRequest::new(since, *until, statuses, now).map_err(|err| Failure::Wrong(err.to_string()))?;
        webhooks::find(stack, account, *webhook).await?;
        let until = until.map_or_else(|| "now".to_owned(), |until| time(Some(until)));
        let since = time(Some(since));
        let question = format!("Send webhook {webhook} of {account} what is {words}, from {since} until {until}?");
        terminal::confirm(self.yes, &question).await?;
        match stack.webhooks()?.begin_resend(account, *webhook, &asked, now).await? {
            BeginResult::Now(webhook) => Ok(*webhook),
            BeginResult::Busy => Err(Failure::Failed(format!(
                "another resend of webhook {webhook} of {account} is under way; --progress shows it, and --stop ends it"
            ))),
            BeginResult::Disabled(_) => {
                Err(Failure::Failed(format!("webhook {webhook} of {account} is disabled; `webhooks enable` it first")))
            }
            BeginResult::NoWebhook => Err(no_webhook(account, *webhook)),
        }
    }

    async fn stop(&self, stack: &Stack, json: bool) -> Result<(), Failure> {
        let Self { account, webhook, .. } = self;
        webhooks::find(stack, account, *webhook).await?;
        if !stack.webhooks()?.stop_resend(account, *webhook).await? {
            return Err(self.no_resend());
        }
        if json {
            return terminal::json(&json!({ "account_id": account, "webhook_id": webhook }));
        }
        terminal::note(&format!("Stopped the resend of webhook {webhook} of {account}. What was sent stays sent."));
        Ok(())
    }

    fn no_resend(&self) -> Failure {
        Failure::NotFound(format!("webhook {} of {} has no resend", self.webhook, self.account))
    }
}

fn show(webhook: &Webhook, mut resend: Value, json: bool) -> Result<(), Failure> {
    let Webhook { account_id, id, .. } = webhook;
    if json {
        resend["account_id"] = json!(account_id);
        resend["webhook_id"] = json!(id);
        return terminal::json(&resend);
    }
    let at = |field: &str| time(resend[field].as_str().and_then(|at| at.parse().ok()));
    let text = |field: &str| resend[field].as_str().unwrap_or("-").to_owned();
    let names: Vec<_> = resend["statuses"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, value) in [
        ("resend", text("id")),
        ("webhook", format!("{id} of {account_id}")),
        ("events", format!("{}; from {} until {}", names.join(", "), at("since"), at("until"))),
        ("status", text("status")),
        ("sent", resend["sent"].to_string()),
        ("reached", at("reached")),
        ("started", at("started_at")),
        ("finished", at("finished_at")),
    ] {
        terminal::line(&format!("{name:<9} {value}"))?;
    }
    Ok(())
}
