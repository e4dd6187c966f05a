//! `nano-webhooks keys`: creates, imports, lists and revokes API keys in the stack's table.

mod import;

use std::collections::BTreeSet;

use clap::Subcommand;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use nano_webhooks::{
    api_key::{self, ApiKey, KeyGrant, KeyScope, MAX_LABEL},
    names::AccountId,
    store::KeyRecord,
};
use serde::Serialize;

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
        /// A note for you: whose it is, and what for
        #[arg(long, value_parser = label)]
        label: Option<String>,
        /// The key may only read: every request that changes or sends something gets 403
        #[arg(long)]
        read_only: bool,
        /// How long the key is valid; without it, until you revoke it
        #[arg(long, value_name = "90d", value_parser = lifetime)]
        expires_in: Option<SignedDuration>,
    },
    /// Imports keys that your customers have already, by their hashes
    #[command(after_help = IMPORT_HELP)]
    Import {
        /// A file with one JSON object per line; `-` reads standard input
        #[arg(long)]
        file: String,
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

const IMPORT_HELP: &str = r#"Each line has the SHA-256 of a key, its account and your own id of it; optional are a label, a scope and an end:

  {"key_hash": "9f86d0…", "account_id": "acct_1", "id": "42"}
  {"key_hash": "60303a…", "account_id": "acct_2", "id": "43", "scope": "read", "expires_at": "2027-01-01T00:00:00Z"}

A key is `sk-` and more, 20 to 256 visible ASCII characters in all, and must be random: a hash of a key that can be
guessed is as good as the key. A line that is wrong is named, and then nothing is imported. Keys that are there already
are not changed, so an import that broke off can be made again.

Examples:
  nano-webhooks keys import --file hashes.ndjson
  printf %s "$KEY" | sha256sum                         the hash of a key
  nano-webhooks keys revoke 42                         revokes by your own id"#;

impl Keys {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        match self {
            Self::Create { account: account_id, label, read_only, expires_in } => {
                let expires_at = expires_in.map(|lifetime| Timestamp::now() + lifetime);
                create(stack, KeyGrant { account_id, label, scope: scope(read_only), expires_at }, json).await
            }
            Self::Import { file } => import::import(&stack.api_keys()?, &file, json).await,
            Self::List { account } => list(stack, account.as_ref(), json).await,
            Self::Revoke { id, yes } => revoke(stack, &id, yes, json).await,
        }
    }
}

/// The scope of a key that may only read, or may do everything.
pub(crate) fn scope(read_only: bool) -> KeyScope {
    if read_only { KeyScope::Read } else { KeyScope::Full }
}

/// Parses a length of time such as `12h` or `90d`, for clap. A day has 24 hours.
pub(crate) fn lifetime(text: &str) -> Result<SignedDuration, String> {
    let parse = |text: &str| text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok();
    let range = SignedDuration::from_secs(1)..=SignedDuration::from_hours(24 * 366 * 100);
    let wrong = || "expected a length of time, such as 12h or 90d".to_owned();
    parse(text).filter(|lifetime| range.contains(lifetime)).ok_or_else(wrong)
}

/// Parses a label, for clap.
fn label(text: &str) -> Result<String, String> {
    api_key::label(text).ok_or_else(|| format!("expected 1 to {MAX_LABEL} characters, and not a key"))
}

async fn create(stack: &Stack, grant: KeyGrant, json: bool) -> Result<(), Failure> {
    let made = Made::of(stack, grant).await?;
    if json { terminal::json(&made.created()) } else { made.print() }
}

/// A key that is stored now.
pub(crate) struct Made {
    key: ApiKey,
    record: KeyRecord,
}

impl Made {
    /// Makes a key and stores its hash.
    pub(crate) async fn of(stack: &Stack, grant: KeyGrant) -> Result<Self, Failure> {
        let key = ApiKey::generate();
        let record = stack.api_keys()?.add(&key, grant, Timestamp::now()).await?;
        Ok(Self { key, record })
    }

    /// The key with what is stored of it, for JSON.
    pub(crate) fn created(&self) -> impl Serialize {
        self.record.created(&self.key)
    }

    /// Prints the key, which cannot be shown again.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        terminal::line(self.key.reveal())?;
        let KeyRecord { id, account_id, .. } = &self.record;
        terminal::note(&format!("Made {id} for {account_id}. Keep the key: it is not shown again."));
        Ok(())
    }
}

async fn list(stack: &Stack, account: Option<&AccountId>, json: bool) -> Result<(), Failure> {
    let (records, last_used) = match account {
        Some(account) => {
            let records = stack.api_keys()?.list_of(account).await?;
            let last_used = stack.usage()?.last_used_of(&records).await?;
            (records, last_used)
        }
        None => (stack.api_keys()?.list().await?, stack.usage()?.last_used().await?),
    };
    let used = |record: &KeyRecord| last_used.get(&record.id).copied();
    if json {
        return terminal::json(&records.iter().map(|record| record.listed(used(record))).collect::<Vec<_>>());
    }
    if records.is_empty() {
        terminal::note("No keys. `keys create --account ACCOUNT` makes one.");
        return Ok(());
    }
    let mut table = Table::new(&["ID", "ACCOUNT", "SCOPE", "CREATED", "LAST USED", "EXPIRES", "REVOKED", "LABEL"]);
    for record in &records {
        let KeyRecord { id, account_id, created_at, expires_at, revoked_at, label, .. } = record;
        let [created, used, expires, revoked] = [Some(*created_at), used(record), *expires_at, *revoked_at].map(time);
        let label = label.clone().unwrap_or_else(|| "-".into());
        table.row([
            id.clone(),
            account_id.to_string(),
            record.scope.to_string(),
            created,
            used,
            expires,
            revoked,
            label,
        ]);
    }
    table.print()
}

async fn revoke(stack: &Stack, id: &str, yes: bool, json: bool) -> Result<(), Failure> {
    let keys = stack.api_keys()?;
    let mut found = keys.find_all(id).await?;
    if found.is_empty() {
        return Err(Failure::NotFound(format!("there is no key {id}; `keys list` shows the ids")));
    }
    let already = || Failure::Failed(format!("{id} is revoked already"));
    found.retain(|record| record.revoked_at.is_none());
    if found.is_empty() {
        return Err(already());
    }
    let number = if found.len() == 1 { String::new() } else { format!(" ({} keys)", found.len()) };
    let accounts: BTreeSet<_> = found.iter().map(|record| record.account_id.as_str()).collect();
    let accounts = Vec::from_iter(accounts).join(", ");
    terminal::confirm(yes, &format!("Revoke {id}{number} of {accounts}? It cannot be brought back.")).await?;
    if keys.revoke_all(&mut found, Timestamp::now()).await? == 0 {
        return Err(already());
    }
    if json {
        return terminal::json(&found[0].view());
    }
    terminal::note(&format!("Revoked {id}{number} of {accounts}."));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_length_of_time() {
        assert_eq!(lifetime("90d"), Ok(SignedDuration::from_hours(90 * 24)));
        assert_eq!(lifetime("1d 12h"), Ok(SignedDuration::from_hours(36)));
        for wrong in ["", "90", "-1d", "0s", "2027-01-02T03:04:05Z"] {
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
