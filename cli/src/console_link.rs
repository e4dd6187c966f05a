//! `nano-webhooks console-link`: a link that opens the console with a key that expires soon.

use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{
    api_key::{ApiKey, Session},
    names::AccountId,
};
use reqwest::{StatusCode, redirect::Policy};
use serde_json::json;

use crate::{failure::Failure, http, keys, stack::Stack, terminal};

/// How long the console may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct ConsoleLink {
    /// The account whose webhooks the console shows
    #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
    account: AccountId,
    /// How long the link is valid: 15m to 12h
    #[arg(long = "for", value_name = "1h", default_value = "1h", value_parser = lifetime)]
    lifetime: SignedDuration,
    /// The console may show everything, and change nothing
    #[arg(long)]
    read_only: bool,
    /// The API's address, if it is not the one in the stack's outputs
    #[arg(long, env = "NANO_API_URL", hide_env_values = true)]
    api_url: Option<String>,
}

const HELP: &str = "\
The link has a new API key in its fragment, which browsers send to no server; the console takes it from the address bar
into its tab. Anybody who has the link can use the key until it expires or is revoked: `keys list` shows it.

Examples:
  nano-webhooks console-link --account acct_1
  nano-webhooks console-link --account acct_1 --for 15m --read-only";

impl ConsoleLink {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        let api_url = self.api_url.as_deref().map_or_else(|| stack.api_url(), Ok)?.trim_end_matches('/');
        check(api_url).await?;
        let (key, now) = (ApiKey::generate(), Timestamp::now());
        let (scope, lifetime) = (keys::scope(self.read_only), self.lifetime);
        let session = Session { account_id: self.account, scope, lifetime };
        let (url, expires_at) = (Session::link(api_url, &key), now + lifetime);
        let record = stack.api_keys()?.add(&key, session.grant("console-link", now), now).await?;
        if json {
            return terminal::json(&json!({ "url": url, "key_id": record.id, "expires_at": expires_at }));
        }
        terminal::line(&url)?;
        terminal::note(&format!("Valid until {expires_at:.0}, or until you revoke {}.", record.id));
        Ok(())
    }
}

/// Checks that the console is at this address. The link would be dead otherwise.
async fn check(api_url: &str) -> Result<(), Failure> {
    let found = match http::console_status(&http::client(PATIENCE, Policy::default())?, api_url).await {
        Ok(StatusCode::OK) => return Ok(()),
        Ok(status) => format!("it answers {status}"),
        Err(err) => err.to_string(),
    };
    let advice = "behind a CDN, name the address that your customers use with --api-url";
    Err(Failure::Wrong(format!("there is no console at {api_url}: {found}; {advice}")))
}

/// Parses `--for`, for clap.
fn lifetime(text: &str) -> Result<SignedDuration, String> {
    let range = Session::SHORTEST..=Session::LONGEST;
    let wrong = || "expected 15m to 12h".to_owned();
    keys::lifetime(text).ok().filter(|lifetime| range.contains(lifetime)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_valid_for_15_minutes_to_12_hours() {
        assert_eq!(lifetime("90m"), Ok(SignedDuration::from_mins(90)));
        for right in ["15m", "12h"] {
            assert!(lifetime(right).is_ok(), "{right}");
        }
        for wrong in ["14m", "13h", "1d", "", "1"] {
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
