//! `nano-webhooks keys`: creates, lists and revokes API keys in the stack's table.

use clap::Subcommand;
use jiff::Timestamp;
use nano_webhooks::{api_key::ApiKey, names::AccountId, store::KeyRecord};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    stack::Stack,
    table::{Table, time},
    terminal,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Creates a key for an account and shows it; it cannot be shown again
    #[command(after_help = "Example:\n  nano-webhooks keys create --account acct_1 > key.txt")]
    Create {
        /// The key's account: the `account_id` of its completions
        #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
        account: AccountId,
    },
    /// Lists the ids of keys, oldest first; the keys themselves are not stored
    List {
        /// Only keys of this account
        #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
        account: Option<AccountId>,
    },
    /// Revokes a key permanently: the API refuses it from the next request on
    #[command(after_help = "Example:\n  nano-webhooks keys revoke key_3f9c2a71b0d4e586")]
    Revoke {
        /// The key's id, as `keys list` shows it: key_…
        id: String,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

impl Keys {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        match self {
            Self::Create { account } => create(stack, account, json).await,
            Self::List { account } => list(stack, account.as_ref(), json).await,
            Self::Revoke { id, yes } => revoke(stack, &id, yes, json).await,
        }
    }
}

async fn create(stack: &Stack, account: AccountId, json: bool) -> Result<(), Failure> {
    let key = ApiKey::generate();
    let record = stack.api_keys()?.add(&key, account, Timestamp::now()).await?;
    if json {
        let mut shown = shown(&record);
        shown["key"] = key.reveal().into();
        return terminal::json(&shown);
    }
    terminal::line(key.reveal())?;
    terminal::note(&format!("Made {} for {}. Keep the key: it is not shown again.", record.id, record.account_id));
    Ok(())
}

async fn list(stack: &Stack, account: Option<&AccountId>, json: bool) -> Result<(), Failure> {
    let (records, last_used) = match account {
        Some(account) => {
            let records = stack.api_keys()?.list_of(account).await?;
            let ids: Vec<_> = records.iter().map(|record| record.id.as_str()).collect();
            let last_used = stack.usage()?.last_used_of(&ids).await?;
            (records, last_used)
        }
        None => (stack.api_keys()?.list().await?, stack.usage()?.last_used().await?),
    };
    let used = |record: &KeyRecord| last_used.get(&record.id).copied();
    if json {
        let shown = records.iter().map(|record| {
            let mut shown = shown(record);
            shown["last_used_at"] = json!(used(record));
            shown
        });
        return terminal::json(&Value::Array(shown.collect()));
    }
    if records.is_empty() {
        terminal::note("No keys. `keys create --account ACCOUNT` makes one.");
        return Ok(());
    }
    let mut table = Table::new(&["ID", "ACCOUNT", "CREATED", "LAST USED", "REVOKED"]);
    for record in &records {
        let KeyRecord { id, account_id, created_at, revoked_at, .. } = record;
        let [created, used, revoked] = [Some(*created_at), used(record), *revoked_at].map(time);
        table.row([id.clone(), account_id.to_string(), created, used, revoked]);
    }
    table.print()
}

async fn revoke(stack: &Stack, id: &str, yes: bool, json: bool) -> Result<(), Failure> {
    let keys = stack.api_keys()?;
    let missing = || Failure::NotFound(format!("there is no key {id}; `keys list` shows the ids"));
    let record = &keys.find(id).await?.ok_or_else(missing)?;
    let already = || Failure::Failed(format!("{id} is revoked already"));
    if record.revoked_at.is_some() {
        return Err(already());
    }
    terminal::confirm(yes, &format!("Revoke {id} of {}? It cannot be brought back.", record.account_id))?;
    let now = Timestamp::now();
    if !keys.revoke(record, now).await? {
        return Err(already());
    }
    if json {
        let mut shown = shown(record);
        shown["revoked_at"] = json!(now);
        return terminal::json(&shown);
    }
    terminal::note(&format!("Revoked {id} of {}.", record.account_id));
    Ok(())
}

/// The fields of a key that may be shown. The hash is left out: no reader needs it, and it is the table's key.
fn shown(record: &KeyRecord) -> Value {
    let KeyRecord { id, account_id, created_at, revoked_at, .. } = record;
    json!({ "id": id, "account_id": account_id, "created_at": created_at, "revoked_at": revoked_at })
}
