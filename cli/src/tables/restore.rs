//! `tables restore`: what is in the way of a restored table, in steps that can be interrupted and repeated.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::{Client, error::ProvideErrorMetadata as _, primitives::DateTime};
use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::{
    exchange::{Exchange, Found, Step},
    named, settings,
};
use crate::{
    deploy::{self, How},
    failure::Failure,
    stack::{self, Stack},
    terminal,
};

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Restore {
    /// The table: webhooks, events, deliveries or api-keys
    table: String,
    /// The time, to the second
    #[arg(long, value_name = "TIME", value_parser = second)]
    to: Timestamp,
    /// The bucket for the templates of the change, in the stack's region [default: the stack's, or
    /// nano-webhooks-ACCOUNT-REGION]
    #[arg(long)]
    bucket: Option<String>,
    #[command(flatten)]
    how: How,
}

const HELP: &str = "\
It asks twice: before DynamoDB restores the table, beside the one in use, and before the stack uses it. If you say no to the
second, or interrupt it, the service goes on with the table that it has, and the same command goes on where it was. No
table is deleted. docs/recovering.md says what a restore means for deliveries, and what to do after it.

Example:
  nano-webhooks tables restore webhooks --to 2026-01-02T03:04:05Z";

/// Parses a time to the second, for clap. No time that is relative to now: the table's name is made from it.
fn second(text: &str) -> Result<Timestamp, String> {
    let wrong = "expected a time, such as 2026-01-02T03:04:05Z";
    let time: Timestamp = text.parse().map_err(|_| wrong.to_owned())?;
    Timestamp::from_second(time.as_second()).map_err(|_| wrong.to_owned())
}

/// What the name of the table that is restored to this time has after the first table's name.
fn suffix(to: Timestamp) -> String {
    to.strftime("-%Y%m%dT%H%M%SZ").to_string()
}

impl Restore {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        deploy::refuse_unless_it_can_be_changed(stack)?;
        let suffix = suffix(self.to);
        let mut exchange = Exchange::find(stack, &self.table, suffix, self.bucket.as_deref(), &self.how).await?;
        let client = Client::new(&stack.aws);
        let restored = exchange.restored();
        let used = stack.resources().await?.remove(&exchange.table.id);
        let found = Found {
            used: used.as_deref(),
            is_restored: exists(&client, &restored).await?,
            has_returned: exchange.has_returned(),
        };
        let steps = found.steps(&restored);
        if steps.contains(&Step::Restore) {
            self.refuse_unless_restorable(&client, used.as_deref().unwrap_or_default()).await?;
        }
        for (number, step) in steps.iter().enumerate() {
            terminal::note(&format!("  {}. {}", number + 1, self.words(*step, used.as_deref(), &restored)));
        }
        match steps.first() {
            Some(Step::Restore) => {
                let question = format!("Restore {restored}? DynamoDB charges for each GB of it.");
                terminal::confirm(self.how.yes, &question).await?;
            }
            Some(Step::Import | Step::Return) => terminal::confirm(self.how.yes, "Go on?").await?,
            // It only sets what the restored table lacks before it asks.
            Some(Step::Complete | Step::Exchange) | None => {}
        }
        for step in &steps {
            self.carry_out(*step, &client, &mut exchange, used.as_deref().unwrap_or_default()).await?;
        }
        self.report(stack, &client, &exchange, !steps.is_empty(), json).await
    }

    fn words(&self, step: Step, used: Option<&str>, restored: &str) -> String {
        let used = used.unwrap_or_default();
        match step {
            Step::Restore => {
                format!("DynamoDB restores {used} as it was at {}, as {restored}: minutes, or several hours", self.to)
            }
            Step::Complete => format!(
                "{restored} gets its settings, and the tags of {used}: time to live, stream, point-in-time recovery, deletion protection. They are checked: a minute or so"
            ),
            Step::Exchange => format!(
                "{used} leaves the stack and is kept; the functions get {restored}: some minutes, and this asks first"
            ),
            Step::Import => format!("the stack imports {restored}: a minute or so"),
            Step::Return => "the stack gets its template back, in which nothing else has changed: some minutes".into(),
        }
    }

    async fn carry_out(
        &self,
        step: Step,
        client: &Client,
        exchange: &mut Exchange<'_>,
        used: &str,
    ) -> Result<(), Failure> {
        let restored = exchange.restored();
        match step {
            Step::Restore => {
                let request = client.restore_table_to_point_in_time().source_table_name(used);
                let request = request.target_table_name(&restored);
                request.restore_date_time(DateTime::from_secs(self.to.as_second())).send().await?;
            }
            Step::Complete => {
                terminal::note(&format!(
                    "Waiting for {restored}. This can take hours; if you interrupt it, run it again."
                ));
                settings::wait_until_active(client, &restored).await?;
                // The table can be gone: somebody has deleted it, and its backup is restored.
                let is_there = exists(client, used).await?;
                let tags = if is_there { settings::read(client, used).await?.settings.tags } else { BTreeMap::new() };
                settings::complete(client, &exchange.settings(tags), &restored, terminal::note).await?;
                terminal::note(&format!("{restored} has all settings."));
            }
            Step::Exchange => {
                let table = settings::read(client, &restored).await?;
                exchange.exchange(&table.attributes).await?;
                terminal::note(&format!("The functions use {restored}."));
            }
            Step::Import => {
                exchange.import().await?;
                terminal::note(&format!("{restored} is a resource of the stack."));
            }
            Step::Return => exchange.give_back().await?,
        }
        Ok(())
    }

    /// Fails if DynamoDB cannot restore the table to that time, and says to which it can.
    async fn refuse_unless_restorable(&self, client: &Client, table: &str) -> Result<(), Failure> {
        let described = match client.describe_continuous_backups().table_name(table).send().await {
            // DynamoDB says `TableNotFoundException`, the emulator what it says of other calls.
            Err(err) if err.code().is_some_and(|code| code.ends_with("NotFoundException")) => {
                return Err(Failure::NotFound(format!(
                    "{table} was deleted: docs/recovering.md says how to restore its backup first"
                )));
            }
            described => described?,
        };
        let backups = described.continuous_backups_description();
        let recovery = backups.and_then(|backups| backups.point_in_time_recovery_description());
        let times =
            recovery.and_then(|it| Some((it.earliest_restorable_date_time()?, it.latest_restorable_date_time()?)));
        let off = || Failure::Failed(format!("{table} cannot be restored: its point-in-time recovery is off"));
        let (earliest, latest) = times.ok_or_else(off)?;
        let to = self.to.as_second();
        if (earliest.secs()..=latest.secs()).contains(&to) {
            return Ok(());
        }
        let time = |time: &DateTime| stack::second(time).map(|time| time.to_string()).unwrap_or_default();
        Err(Failure::Wrong(format!(
            "{table} can be restored to a time from {} to {}; now it is {:.0}",
            time(earliest),
            time(latest),
            Timestamp::now()
        )))
    }

    async fn report(
        &self,
        stack: &Stack,
        client: &Client,
        exchange: &Exchange<'_>,
        has_changed: bool,
        json: bool,
    ) -> Result<(), Failure> {
        let restored = exchange.restored();
        let tables = named::tables(client).await?;
        let mut kept = exchange.table.candidates(&stack.name, &tables);
        kept.retain(|table| *table != restored);
        if json {
            let report =
                json!({ "stack": stack.name, "table": restored, "to": self.to, "changed": has_changed, "kept": kept });
            return terminal::json(&report);
        }
        let what =
            if has_changed { "is the stack's table now" } else { "is the stack's table already; nothing has changed" };
        terminal::note(&format!("{restored} {what}."));
        for line in [
            "What to do next:".to_owned(),
            format!("  check it:                    nano-webhooks --stack {} doctor", stack.name),
            "  deliveries since that time:  docs/recovering.md#after-a-restore".to_owned(),
        ] {
            terminal::note(&line);
        }
        for table in kept {
            terminal::note(&format!("{table} is kept. When nothing in it is needed any more:"));
            terminal::note(&format!(
                "  aws dynamodb update-table --table-name {table} --no-deletion-protection-enabled"
            ));
            terminal::note(&format!("  aws dynamodb delete-table --table-name {table}"));
        }
        Ok(())
    }
}

async fn exists(client: &Client, table: &str) -> Result<bool, Failure> {
    match client.describe_table().table_name(table).send().await {
        Ok(_) => Ok(true),
        Err(err) if err.code() == Some("ResourceNotFoundException") => Ok(false),
        Err(err) => Err(err.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_seconds_and_always_makes_the_same_name() {
        let to = second("2026-01-02T04:04:05.678+01:00").unwrap();
        assert_eq!((to.to_string().as_str(), suffix(to).as_str()), ("2026-01-02T03:04:05Z", "-20260102T030405Z"));
        for wrong in ["2h", "2026-01-02", "yesterday"] {
            assert!(second(wrong).is_err(), "{wrong}");
        }
    }
}
