//! `nano-webhooks webhooks`: what is registered and how it fares, without the secrets.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use nano_webhooks::webhook::{AccountId, Circuit, Status, Webhook, WebhookChange, WebhookId};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    stack::Stack,
    table::{Table, time},
    terminal,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Webhooks {
    /// Lists an account's webhooks, or everybody's, and how they fare
    #[command(after_help = LIST_HELP)]
    List {
        /// Only this account's; without it the whole table is read
        #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
        account: Option<AccountId>,
        /// Only those whose last attempt failed
        #[arg(long)]
        failing: bool,
        /// Only those that are disabled
        #[arg(long)]
        disabled: bool,
    },
    /// Shows one webhook: where it points, how it fares, why it was disabled
    Show(Named),
    /// Disables a webhook: it hears of nothing more, and what waits for it is held until it is enabled
    Disable {
        #[command(flatten)]
        named: Named,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Enables a webhook that its owner or the service disabled; what was held is sent, at a pace that grows
    Enable(Named),
}

const LIST_HELP: &str = "\
Examples:
  nano-webhooks webhooks list --account acct_1
  nano-webhooks webhooks list --failing          whose owners may want a word";

/// One webhook of an account.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Its number within the account, as `webhooks list` shows it
    #[arg(value_parser = webhook_id)]
    id: WebhookId,
    /// Whose it is
    #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
    account: AccountId,
}

/// For clap.
pub(crate) fn webhook_id(text: &str) -> Result<WebhookId, &'static str> {
    WebhookId::parse(text).ok_or("expected a webhook's number, from 1 on")
}

/// The failure to find one.
pub(crate) fn no_webhook(account: &AccountId, id: WebhookId) -> Failure {
    Failure::NotFound(format!("{account} has no webhook {id}; `webhooks list --account {account}` shows those it has"))
}

impl Webhooks {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        match self {
            Self::List { account, failing, disabled } => {
                let webhooks = stack.webhooks()?;
                let mut found = match &account {
                    Some(account) => webhooks.list(account).await?,
                    None => webhooks.list_all().await?,
                };
                found.retain(|webhook| !failing || webhook.health().failing_since.is_some());
                found.retain(|webhook| !disabled || !webhook.is_active());
                if !json {
                    return print_table(&found);
                }
                let mut all = Vec::new();
                for webhook in &found {
                    all.push(shown(webhook, stack.deliveries()?.held_of(webhook).await?));
                }
                terminal::json(&all.into())
            }
            Self::Show(Named { id, account }) => {
                let webhook = stack.webhooks()?.find(&account, id).await?;
                let webhook = webhook.ok_or_else(|| no_webhook(&account, id))?;
                let held = stack.deliveries()?.held_of(&webhook).await?;
                if json { terminal::json(&shown(&webhook, held)) } else { print(&webhook, held) }
            }
            Self::Disable { named: Named { id, account }, yes } => {
                let question = format!(
                    "Disable webhook {id} of {account}? It hears of nothing meanwhile, and what waits for it is held."
                );
                if stack.webhooks()?.find(&account, id).await?.is_none() {
                    return Err(no_webhook(&account, id));
                }
                terminal::confirm(yes, &question)?;
                change(stack, &account, id, Status::Disabled, json).await
            }
            Self::Enable(Named { id, account }) => change(stack, &account, id, Status::Active, json).await,
        }
    }
}

/// The same change that `PATCH` makes.
async fn change(stack: &Stack, account: &AccountId, id: WebhookId, status: Status, json: bool) -> Result<(), Failure> {
    let change = WebhookChange { url: None, events: None, status: Some(status) };
    let changed = stack.webhooks()?.change(account, id, &change, Timestamp::now()).await?;
    let changed = changed.ok_or_else(|| no_webhook(account, id))?;
    if json {
        let held = stack.deliveries()?.held_of(&changed).await?;
        return terminal::json(&shown(&changed, held));
    }
    let done = if changed.is_active() { "Enabled" } else { "Disabled" };
    terminal::note(&format!("{done} webhook {id} of {account}: {}", changed.url));
    Ok(())
}

/// What its owner sees of it, and who that is.
fn shown(webhook: &Webhook, held: usize) -> Value {
    let mut shown = json!(webhook.details(held, Timestamp::now()));
    shown["account_id"] = json!(webhook.account_id);
    shown
}

fn print_table(webhooks: &[Webhook]) -> Result<(), Failure> {
    if webhooks.is_empty() {
        terminal::note("No webhooks.");
        return Ok(());
    }
    let mut table = Table::new(&["ACCOUNT", "ID", "STATUS", "EVENTS", "FAILING SINCE", "FAILURES", "URL"]);
    for webhook in webhooks {
        let health = webhook.health();
        table.row([
            webhook.account_id.to_string(),
            webhook.id.to_string(),
            status(webhook).to_owned(),
            events(webhook),
            time(health.failing_since),
            health.consecutive_failures.to_string(),
            webhook.url.clone(),
        ]);
    }
    table.print()
}

fn print(webhook: &Webhook, held: usize) -> Result<(), Failure> {
    let Webhook { account_id, id, url, action_at, .. } = webhook;
    let health = webhook.health();
    let previous = webhook.previous_secrets_at(Timestamp::now()).map(|previous| previous.expires_at).max();
    let disabled = health.disabled.map(|disabled| format!(": {}", disabled.reason)).unwrap_or_default();
    let failing = match health.failing_since {
        Some(since) => format!("{} failures in a row, since {since:.0}", health.consecutive_failures),
        None => "the last attempt succeeded, or there was none".to_owned(),
    };
    let circuit = match (health.circuit, action_at) {
        (Circuit::Open, Some(next)) if webhook.is_active() => {
            format!("open: deliveries are held; next probe {next:.0}")
        }
        (circuit, _) => circuit.as_str().to_owned(),
    };
    for (name, value) in [
        ("webhook", format!("{id} of {account_id}")),
        ("url", url.clone()),
        ("events", events(webhook)),
        ("status", format!("{}{disabled}", status(webhook))),
        ("health", failing),
        ("circuit", circuit),
        ("held", if held < 1_000 { held.to_string() } else { "1,000 or more".to_owned() }),
    ] {
        terminal::line(&format!("{name:<8} {value}"))?;
    }
    if let Some(until) = previous {
        terminal::line(&format!("{:<8} an earlier secret signs, too, until {until:.0}", "secrets"))?;
    }
    Ok(())
}

fn status(webhook: &Webhook) -> &'static str {
    if webhook.is_active() { "active" } else { "disabled" }
}

fn events(webhook: &Webhook) -> String {
    webhook.events.iter().map(|event| event.as_str()).collect::<Vec<_>>().join(",")
}
