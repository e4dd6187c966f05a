//! `nano-webhooks keys`: API keys, made, listed and revoked in the stack's own table.

use aws_config::SdkConfig;
use clap::Subcommand;
use jiff::Timestamp;
use nano_webhooks::{
    api::ApiKey,
    store::{ApiKeys, KeyRecord, Usage},
    webhook::AccountId,
};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Makes a key for an account and shows it: the only time that anybody can see it
    Create {
        /// The account that the key speaks for: the `account_id` of its completions
        #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
        account: AccountId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Lists keys, oldest first, by their ids; the keys themselves are not stored
    List {
        /// Only this account's
        #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
        account: Option<AccountId>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revokes a key: it opens nothing from the next request on
    Revoke {
        /// The key's id, as `keys list` shows it: key_…
        id: String,
    },
}

impl Keys {
    pub(crate) async fn run(self, aws: &SdkConfig, stack: &str) -> Result<(), Box<dyn std::error::Error>> {
        let keys = ApiKeys::new(aws, format!("{stack}-api-keys"));
        match self {
            Self::Create { account, json } => {
                let key = ApiKey::generate();
                let record = keys.add(&key, account, Timestamp::now()).await?;
                if json {
                    let mut shown = shown(&record);
                    shown["key"] = key.reveal().into();
                    println!("{shown}");
                } else {
                    println!("{}", key.reveal());
                    eprintln!("Made {} for {}. Keep the key: it is not shown again.", record.id, record.account_id);
                }
            }
            Self::List { account, json } => {
                let records = keys.list(account.as_ref()).await?;
                let last_used = Usage::new(aws, format!("{stack}-usage")).last_used().await?;
                let records: Vec<_> =
                    records.iter().map(|record| (record, last_used.get(&record.id).copied())).collect();
                if json {
                    let shown = records.iter().map(|(record, last_used)| {
                        let mut shown = shown(record);
                        shown["last_used_at"] = json!(last_used);
                        shown
                    });
                    println!("{}", Value::Array(shown.collect()));
                } else {
                    print_table(&records);
                }
            }
            Self::Revoke { id } => {
                let records = keys.list(None).await?;
                let record = records.iter().find(|record| record.id == id);
                let record = record.ok_or_else(|| format!("there is no key {id}; `keys list` shows the ids"))?;
                if !keys.revoke(record, Timestamp::now()).await? {
                    return Err(format!("{id} is revoked already").into());
                }
                eprintln!("Revoked {id} of {}.", record.account_id);
            }
        }
        Ok(())
    }
}

/// What may be shown of a key. Its hash is left out: nobody needs it, and it is what the table is looked up by.
fn shown(record: &KeyRecord) -> Value {
    let KeyRecord { id, account_id, created_at, revoked_at, .. } = record;
    json!({ "id": id, "account_id": account_id, "created_at": created_at, "revoked_at": revoked_at })
}

fn print_table(records: &[(&KeyRecord, Option<Timestamp>)]) {
    if records.is_empty() {
        eprintln!("No keys. `keys create --account ACCOUNT` makes one.");
        return;
    }
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"));
    println!("{:<22}{:<30}{:<22}{:<22}REVOKED", "ID", "ACCOUNT", "CREATED", "LAST USED");
    for (KeyRecord { id, account_id, created_at, revoked_at, .. }, last_used) in records {
        let [created, used, revoked] = [Some(*created_at), *last_used, *revoked_at].map(time);
        println!("{id:<22}{:<30}{created:<22}{used:<22}{revoked}", account_id.as_str());
    }
}
