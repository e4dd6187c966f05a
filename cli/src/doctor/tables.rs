//! The tables: there, whole, recoverable, and forgetting what they are to forget.

use aws_sdk_dynamodb::{
    Client,
    types::{
        ContinuousBackupsDescription, IndexStatus, PointInTimeRecoveryStatus, TableDescription, TimeToLiveDescription,
    },
};
use nano_webhooks::telemetry;

use super::report::Report;
use crate::{failure::Failure, stack::Stack};

/// As in the template: the output, the index that it must have, and whether its items expire.
const TABLES: [(&str, Option<&str>, bool); 4] = [
    ("WebhooksTableName", None, true),
    ("DeliveriesTableName", Some("by-state"), true),
    ("ApiKeysTableName", None, true),
    ("UsageTableName", None, false),
];

pub(super) async fn check(report: &mut Report, stack: &Stack) -> Result<(), Failure> {
    let client = Client::new(&stack.aws);
    for (output, index, expires) in TABLES {
        // A missing output was reported already.
        let Ok(name) = stack.output(output) else { continue };
        match problems(&client, name, index, expires).await {
            Ok(problems) if problems.is_empty() => {
                let expiry = if expires { ", with expiry" } else { "" };
                report.well("table", &format!("{name} is active{expiry} and recoverable"))?;
            }
            Ok(problems) => {
                let advice =
                    "deploy the template again; what was changed by hand in the console has to be changed back";
                report.ill("table", &format!("{name}: {}", problems.join("; ")), advice)?;
            }
            Err((call, cause)) => report.ill("table", &format!("{name}: {cause}"), &permission(call))?,
        }
    }
    Ok(())
}

/// What to do where a call failed.
pub(super) fn permission(call: &str) -> String {
    format!("your credentials need {call}; if they have it, AWS did not answer: try again")
}

async fn problems(
    client: &Client,
    table: &str,
    index: Option<&str>,
    expires: bool,
) -> Result<Vec<String>, (&'static str, String)> {
    let failed = |call| move |cause: String| (call, cause);
    let described = client.describe_table().table_name(table).send().await;
    let described = described.map_err(|err| telemetry::chain(&err)).map_err(failed("dynamodb:DescribeTable"))?;
    let ttl = client.describe_time_to_live().table_name(table).send().await;
    let ttl = ttl.map_err(|err| telemetry::chain(&err)).map_err(failed("dynamodb:DescribeTimeToLive"))?;
    let backups = client.describe_continuous_backups().table_name(table).send().await;
    let backups =
        backups.map_err(|err| telemetry::chain(&err)).map_err(failed("dynamodb:DescribeContinuousBackups"))?;

    let mut problems = described.table().map_or_else(|| vec!["is not there".into()], |table| unready(table, index));
    if expires && !ttl.time_to_live_description().is_some_and(is_on) {
        problems.push("time to live is off: what has expired is kept, and paid for".into());
    }
    if !backups.continuous_backups_description().is_some_and(is_recoverable) {
        problems.push("point-in-time recovery is off: what is deleted by mistake is gone".into());
    }
    Ok(problems)
}

fn unready(table: &TableDescription, index: Option<&str>) -> Vec<String> {
    let mut problems = Vec::new();
    let status = table.table_status().map_or("of no status", |status| status.as_str());
    if status != "ACTIVE" {
        problems.push(format!("is {status}"));
    }
    if let Some(name) = index {
        let found = table.global_secondary_indexes().iter().find(|index| index.index_name() == Some(name));
        match found.and_then(|index| index.index_status()).map(IndexStatus::as_str) {
            Some("ACTIVE") => {}
            Some(status) => problems.push(format!("its index {name} is {status}")),
            None => problems.push(format!("its index {name} is not there")),
        }
    }
    problems
}

fn is_on(ttl: &TimeToLiveDescription) -> bool {
    let status = ttl.time_to_live_status().map_or("", |status| status.as_str());
    matches!(status, "ENABLED" | "ENABLING") && ttl.attribute_name() == Some("expires_at")
}

fn is_recoverable(backups: &ContinuousBackupsDescription) -> bool {
    let recovery = backups.point_in_time_recovery_description();
    recovery.and_then(|recovery| recovery.point_in_time_recovery_status()) == Some(&PointInTimeRecoveryStatus::Enabled)
}
