//! `nano-webhooks deliveries tail`: shows the dispatcher's log line for each attempt, as CloudWatch gets it.

use std::{collections::HashMap, time::Duration};

use aws_sdk_cloudwatchlogs::{Client, error::SdkError, operation::filter_log_events::FilterLogEventsError};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{
    names::{AccountId, WebhookId},
    telemetry::attempt_line::AttemptLine,
};
use serde_json::json;

use crate::{
    failure::{self, Failure},
    stack::Stack,
    terminal,
    webhooks::webhook_id,
};

/// CloudWatch allows each account only a few of these calls a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How much later a line can reach CloudWatch than a newer line of another function instance.
const LATENESS: SignedDuration = SignedDuration::from_secs(30);

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Tail {
    /// Only attempts of this account
    #[arg(long, allow_hyphen_values = true, value_parser = AccountId::parse)]
    account: Option<AccountId>,
    /// Only attempts of this webhook
    #[arg(long, value_parser = webhook_id, requires = "account")]
    webhook: Option<WebhookId>,
    /// Start with the attempts since then, such as 10m or 2026-01-02T03:04:05Z
    #[arg(long, value_parser = since)]
    since: Option<Timestamp>,
}

const HELP: &str = "\
Examples:
  nano-webhooks deliveries tail
  nano-webhooks deliveries tail --account acct_1 --since 10m
  nano-webhooks deliveries tail --json | jq 'select(.state == \"failed\")'

If the stack's LogLevel is WARN or ERROR, the dispatcher logs no attempts.";

/// Parses a time, or how long ago it was, for clap.
pub(crate) fn since(text: &str) -> Result<Timestamp, String> {
    let ago = || text.parse::<SignedDuration>().ok().and_then(|ago| Timestamp::now().checked_sub(ago.abs()).ok());
    let wrong = || "expected how long ago, such as 10m or 2h, or a time such as 2026-01-02T03:04:05Z".to_owned();
    text.parse().ok().or_else(ago).ok_or_else(wrong)
}

/// Formats an attempt for a person.
fn text(line: &AttemptLine<'_>) -> String {
    let AttemptLine { timestamp, account_id, webhook_id, event_id, attempt, duration_ms, state, .. } = line;
    let outcome = line.http_status.map_or_else(|| line.outcome.to_string(), |status| format!("http {status}"));
    let next = line.next_attempt_at.map(|at| format!(", next {at:.0}")).unwrap_or_default();
    let (account_id, event_id) = (account_id.as_str(), event_id.as_str());
    let attempt = format!("#{attempt}");
    format!(
        "{timestamp:.3}  {account_id:<20}  {webhook_id:>3}  {event_id}  {attempt:<3}  {outcome:<11}  {duration_ms:>6} ms  {state}{next}"
    )
}

impl Tail {
    pub(crate) async fn run(&self, stack: &Stack, json: bool) -> Result<(), Failure> {
        if let Some(level @ ("WARN" | "ERROR")) = stack.parameter("LogLevel") {
            terminal::note(&format!("LogLevel is {level}: the dispatcher writes no line for an attempt."));
        }
        let mut log = Log {
            client: Client::new(&stack.aws),
            group: stack.log_group("dispatcher"),
            from: self.since.unwrap_or_else(Timestamp::now),
            seen: HashMap::new(),
        };
        for round in 0_usize.. {
            match log.look().await {
                Ok(lines) => {
                    let attempts = lines.iter().filter_map(|line| AttemptLine::parse(line));
                    attempts.into_iter().try_for_each(|attempt| self.show(&attempt, json))?;
                }
                // The command may have run for hours, so one failure does not end it.
                Err(err) if round > 0 => terminal::note(&format!("looking again: {}", failure::words(&err))),
                Err(err) => return Err(log.failure(&err)),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn show(&self, attempt: &AttemptLine<'_>, json: bool) -> Result<(), Failure> {
        let others = self.account.as_ref().is_some_and(|account| *account != *attempt.account_id)
            || self.webhook.is_some_and(|webhook| webhook != attempt.webhook_id);
        if others {
            return Ok(());
        }
        if json { terminal::json(&json!(attempt)) } else { terminal::line(&text(attempt)) }
    }
}

/// A log group that is read forwards.
struct Log {
    client: Client,
    group: String,
    from: Timestamp,
    /// The lines that were shown, for the time that is read again: by event id, with their time in milliseconds.
    seen: HashMap<String, i64>,
}

impl Log {
    /// Returns the new lines, oldest first.
    async fn look(&mut self) -> Result<Vec<String>, SdkError<FilterLogEventsError>> {
        let mut pages = self
            .client
            .filter_log_events()
            .log_group_name(&self.group)
            .start_time(self.from.as_millisecond())
            .filter_pattern(r#"{ $.message = "attempt" }"#)
            .into_paginator()
            .send();
        let mut events = Vec::new();
        while let Some(page) = pages.next().await {
            events.extend(page?.events.unwrap_or_default());
        }
        let mut fresh: Vec<(i64, String)> = Vec::new();
        for event in events {
            let (at, line) = (event.timestamp.unwrap_or_default(), event.message.unwrap_or_default());
            if self.seen.insert(event.event_id.unwrap_or_else(|| line.clone()), at).is_none() {
                fresh.push((at, line));
            }
        }
        fresh.sort_by_key(|(at, _)| *at);
        if let Some((latest, _)) = fresh.last() {
            let again = Timestamp::from_millisecond(*latest).unwrap_or(self.from) - LATENESS;
            self.from = self.from.max(again);
            let from = self.from.as_millisecond();
            self.seen.retain(|_, at| *at >= from);
        }
        Ok(fresh.into_iter().map(|(_, line)| line).collect())
    }

    fn failure(&self, err: &SdkError<FilterLogEventsError>) -> Failure {
        let missing = err.as_service_error().is_some_and(FilterLogEventsError::is_resource_not_found_exception);
        let text = format!("could not read the log group {}: {}", self.group, failure::words(err));
        if missing { Failure::NotFound(text) } else { Failure::Failed(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-01-02T03:04:05.678901Z","level":"INFO","message":"attempt",
        "event_id":"01KDYAK3482WAV4DVEFM6KBDXQ","account_id":"acct_1","webhook_id":1,"attempt":2,"outcome":"http",
        "http_status":503,"duration_ms":12,"resent":false,"state":"retrying","next_attempt_at":"2026-01-02T03:09:05.5Z"}"#;

    #[test]
    fn an_attempt_is_one_line_for_a_person() {
        let text = super::text(&AttemptLine::parse(LINE).unwrap());
        let expected = "2026-01-02T03:04:05.678Z  acct_1                  1  01KDYAK3482WAV4DVEFM6KBDXQ  #2   http 503         12 ms  \
            retrying, next 2026-01-02T03:09:05Z";
        assert_eq!(text, expected);
    }

    #[test]
    fn no_other_line_is_shown() {
        for other in
            [&LINE.replace("\"attempt\",", "\"a delivery goes back to the queue\","), "REPORT RequestId: 1", ""]
        {
            assert!(AttemptLine::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn since_takes_a_time_or_how_long_it_is_ago() {
        assert_eq!(since("2026-01-02T03:04:05Z"), Ok("2026-01-02T03:04:05Z".parse().unwrap()));
        let ago = Timestamp::now().duration_since(since("2h").unwrap());
        assert!((7_199..7_202).contains(&ago.as_secs()), "{ago}");
        assert!(since("yesterday").is_err());
    }
}
