//! `nano-webhooks webhooks`: shows webhooks and their health, without secrets, and changes their status.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use nano_webhooks::{
    names::{AccountId, WebhookId},
    webhook::{CallbackHost, Circuit, Metadata, Status, Webhook, WebhookChange},
};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    stack::Stack,
    table::{Table, time},
    terminal,
};

/// Held deliveries are counted up to this number.
pub(crate) const MOST_COUNTED: usize = 1000;

#[derive(Debug, Subcommand)]
pub(crate) enum WebhooksCommand {
    /// Lists the webhooks of an account, or of all accounts, and their health
    #[command(after_help = LIST_HELP)]
    List {
        /// Only webhooks of this account; without it the whole table is read
        #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
        account: Option<AccountId>,
        /// Only webhooks whose last attempt failed
        #[arg(long)]
        failing: bool,
        /// Only webhooks whose circuit is open: the endpoint counts as down, and its deliveries are held
        #[arg(long)]
        open: bool,
        /// Only disabled webhooks
        #[arg(long)]
        disabled: bool,
    },
    /// Shows one webhook: its URL, its health, and why it was disabled
    Show(Named),
    /// Disables a webhook: it gets no new events, and waiting deliveries are held until it is enabled
    Disable {
        #[command(flatten)]
        named: Named,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Enables a webhook that the customer or the service disabled; its held deliveries are sent, at a growing pace
    Enable(Named),
    /// Probes now an endpoint that counts as down, instead of at its next probe
    #[command(after_help = PROBE_HELP)]
    Probe(Named),
}

const LIST_HELP: &str = "\
Examples:
  nano-webhooks webhooks list --account acct_1
  nano-webhooks webhooks list --failing          webhooks whose last attempt failed
  nano-webhooks webhooks list --open             webhooks whose deliveries are held";

const PROBE_HELP: &str = "\
release runs every minute, and then sends up to three of the held deliveries. If one of them is delivered, release sends the
others: 30 in the first minute, and twice as many in each minute without failures.";

/// One webhook of an account.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The webhook's number within the account, as `webhooks list` shows it
    #[arg(value_parser = webhook_id)]
    id: WebhookId,
    /// The account of the webhook
    #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
    account: AccountId,
}

/// Parses a webhook's number, for clap.
pub(crate) fn webhook_id(text: &str) -> Result<WebhookId, &'static str> {
    WebhookId::parse(text).ok_or("expected a webhook's number, from 1 on")
}

/// The failure for a webhook that does not exist.
pub(crate) fn no_webhook(account: &AccountId, id: WebhookId) -> Failure {
    Failure::NotFound(format!("{account} has no webhook {id}; `webhooks list --account {account}` shows those it has"))
}

impl WebhooksCommand {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        match self {
            Self::List { account, failing, open, disabled } => {
                let webhooks = stack.webhooks()?;
                let mut found = match &account {
                    Some(account) => webhooks.list(account).await?,
                    None => webhooks.list_all().await?,
                };
                found.retain(|webhook| !failing || webhook.health().failing_since.is_some());
                found.retain(|webhook| !open || is_open(webhook));
                found.retain(|webhook| !disabled || !webhook.is_active());
                let held = stack.deliveries()?.held_of_each(&found).await?;
                let counted: Vec<_> = found.into_iter().zip(held).collect();
                if json {
                    return terminal::json(
                        &counted.iter().map(|(webhook, held)| shown(webhook, *held)).collect::<Vec<_>>(),
                    );
                }
                print_table(&counted)
            }
            Self::Show(Named { id, account }) => {
                let webhook = find(stack, &account, id).await?;
                let held = stack.deliveries()?.held_of(&webhook).await?;
                if json { terminal::json(&shown(&webhook, held)) } else { print(&webhook, held) }
            }
            Self::Disable { named: Named { id, account }, yes } => {
                let question = format!(
                    "Disable webhook {id} of {account}? It gets nothing until it is enabled, and waiting \
                     deliveries are held."
                );
                find(stack, &account, id).await?;
                terminal::confirm(yes, &question).await?;
                change(stack, &account, id, Status::Disabled, json).await
            }
            Self::Enable(Named { id, account }) => change(stack, &account, id, Status::Active, json).await,
            Self::Probe(Named { id, account }) => probe(stack, &account, id, json).await,
        }
    }
}

pub(crate) async fn find(stack: &Stack, account: &AccountId, id: WebhookId) -> Result<Webhook, Failure> {
    stack.webhooks()?.find(account, id).await?.ok_or_else(|| no_webhook(account, id))
}

/// Whether its endpoint is probed: the webhook is active and its circuit is open.
fn is_open(webhook: &Webhook) -> bool {
    webhook.is_active() && webhook.circuit() == Circuit::Open
}

/// When its endpoint is probed next; `None` unless the webhook is active and its circuit is open.
fn next_probe(webhook: &Webhook) -> Option<Timestamp> {
    webhook.action_at.filter(|_| is_open(webhook))
}

/// The failure for a command that needs an enabled webhook.
pub(crate) fn disabled(account: &AccountId, id: WebhookId) -> Failure {
    Failure::Failed(format!(
        "webhook {id} of {account} is disabled; `webhooks enable` it, and what is held is sent by itself"
    ))
}

/// Asks for a probe, as `POST …/probe` does.
async fn probe(stack: &Stack, account: &AccountId, id: WebhookId, json: bool) -> Result<(), Failure> {
    let webhook = find(stack, account, id).await?;
    if !webhook.is_active() {
        return Err(disabled(account, id));
    }
    if !is_open(&webhook) {
        let why = match webhook.circuit() {
            Circuit::Recovering => "it answers again, and gets what was held",
            _ => "it is not taken for down",
        };
        return Err(Failure::Failed(format!("there is nothing to probe at webhook {id} of {account}: {why}")));
    }
    if !stack.webhooks()?.ask_for_probe(account, id, Timestamp::now()).await? {
        return Err(no_webhook(account, id));
    }
    if json {
        return terminal::json(&json!({ "account_id": account, "id": id }));
    }
    terminal::note(&format!(
        "Webhook {id} of {account} is probed within a minute: `webhooks show {id} --account {account}` says what came of it."
    ));
    Ok(())
}

/// Changes the status, as `PATCH` does.
async fn change(stack: &Stack, account: &AccountId, id: WebhookId, status: Status, json: bool) -> Result<(), Failure> {
    let change = WebhookChange { status: Some(status), ..WebhookChange::default() };
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

/// The webhook as its customer sees it, with the account.
fn shown(webhook: &Webhook, held: usize) -> Value {
    let mut shown = json!(webhook.details(held, Timestamp::now()));
    shown["account_id"] = json!(webhook.account_id);
    shown
}

fn print_table(webhooks: &[(Webhook, usize)]) -> Result<(), Failure> {
    if webhooks.is_empty() {
        terminal::note("No webhooks.");
        return Ok(());
    }
    let headings =
        ["ACCOUNT", "ID", "STATUS", "EVENTS", "CIRCUIT", "HELD", "NEXT PROBE", "FAILING SINCE", "FAILURES", "URL"];
    let mut table = Table::new(&headings);
    for (webhook, held) in webhooks {
        let health = webhook.health();
        table.row([
            webhook.account_id.to_string(),
            webhook.id.to_string(),
            webhook.status().to_string(),
            events(webhook),
            webhook.circuit().to_string(),
            counted(*held),
            time(next_probe(webhook)),
            time(health.failing_since),
            health.consecutive_failures.to_string(),
            webhook.url.clone(),
        ]);
    }
    table.print()
}

fn print(webhook: &Webhook, held: usize) -> Result<(), Failure> {
    let Webhook { account_id, id, url, .. } = webhook;
    let health = webhook.health();
    let now = Timestamp::now();
    let switch = webhook.secret_switches_at(now);
    let previous = webhook.previous_secrets_at(now).map(|previous| previous.expires_at).max();
    let reason = health.disabled.map(|disabled| format!(": {}", disabled.reason)).unwrap_or_default();
    let failing = match health.failing_since {
        Some(since) if health.consecutive_failures == 1 => format!("1 failure, since {since:.0}"),
        Some(since) => format!("{} failures in a row, since {since:.0}", health.consecutive_failures),
        None => "the last attempt succeeded, or there was none".to_owned(),
    };
    for (name, value) in [
        ("webhook", format!("{id} of {account_id}")),
        ("url", url.clone()),
        ("events", events(webhook)),
        ("status", format!("{}{reason}", webhook.status())),
        ("health", failing),
        ("circuit", circuit(webhook)),
        ("held", format!("{}{}", counted(held), if held > 0 { what_of_held(webhook) } else { "" })),
    ] {
        terminal::line(&format!("{name:<8} {value}"))?;
    }
    print_optional(webhook)?;
    if !webhook.callback_hosts.is_empty() {
        let hosts: Vec<_> = webhook.callback_hosts.iter().map(CallbackHost::as_str).collect();
        terminal::line(&format!("{:<8} also allowed at {}", "callback", hosts.join(", ")))?;
    }
    if let Some(end) = previous {
        let stage = switch.map_or_else(
            || "the new secret signs X-Nano-Signature, an old one X-Nano-Signature-Previous".to_owned(),
            |at| format!("an old secret signs X-Nano-Signature, and from {at:.0} on the new one"),
        );
        terminal::line(&format!("{:<8} being rotated: {stage}; the old one ends {end:.0}", "secret"))?;
    }
    Ok(())
}

/// The fields that a webhook need not have, and its times.
fn print_optional(webhook: &Webhook) -> Result<(), Failure> {
    let types = webhook.task_types.as_ref().map(|types| format!("{types} only"));
    let metadata = webhook.metadata.iter().flat_map(Metadata::pairs);
    let metadata: Vec<_> = metadata.map(|(name, value)| format!("{name}={value}")).collect();
    for (name, value) in [
        ("about", webhook.description.clone()),
        ("tasks", types),
        ("headers", Some(webhook.headers.names().join(", ")).filter(|names| !names.is_empty())),
        ("limit", webhook.max_per_minute.map(|most| format!("at most {most} requests a minute"))),
        ("metadata", Some(metadata.join(", ")).filter(|values| !values.is_empty())),
        ("created", webhook.created_at.map(|at| format!("{at:.0}"))),
        ("changed", webhook.updated_at.map(|at| format!("{at:.0}"))),
    ] {
        if let Some(value) = value {
            terminal::line(&format!("{name:<8} {value}"))?;
        }
    }
    Ok(())
}

/// The state of its circuit, and what it means.
fn circuit(webhook: &Webhook) -> String {
    match (webhook.circuit(), next_probe(webhook)) {
        (Circuit::Open, Some(next)) => format!("open: the endpoint is taken for down; next probe {next:.0}"),
        (Circuit::Recovering, _) if webhook.is_active() => "recovering: what is held is being sent".to_owned(),
        (circuit, _) => circuit.to_string(),
    }
}

fn what_of_held(webhook: &Webhook) -> &'static str {
    match webhook.circuit() {
        _ if !webhook.is_active() => ", sent when the webhook is enabled",
        Circuit::Open => ", sent when a probe succeeds",
        _ if webhook.max_per_minute.is_some() => ", on their way at the limit; `deliveries flush` sends them now",
        _ => ", on their way at a growing pace; `deliveries flush` sends them now",
    }
}

/// The number of held deliveries, as a text: exact below [`MOST_COUNTED`].
pub(crate) fn counted(held: usize) -> String {
    if held < MOST_COUNTED { held.to_string() } else { format!("{MOST_COUNTED} or more") }
}

fn events(webhook: &Webhook) -> String {
    webhook.events.names().join(",")
}
