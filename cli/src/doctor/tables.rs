//! Checks the tables: they exist, have their indexes, can be restored, and let items expire.

use aws_sdk_dynamodb::{
    Client,
    types::{
        ContinuousBackupsDescription, IndexStatus, PointInTimeRecoveryStatus, TableDescription, TimeToLiveDescription,
    },
};

use super::report::Report;
use crate::{
    failure::{Failure, Unanswered},
    stack::{Stack, StackTable, TABLES},
};

/// A table as DynamoDB describes it.
struct Found {
    table: Option<TableDescription>,
    ttl: Option<TimeToLiveDescription>,
    backups: Option<ContinuousBackupsDescription>,
}

pub(super) async fn check(report: &mut Report, stack: &Stack) -> Result<(), Failure> {
    let client = Client::new(&stack.aws);
    for StackTable { output, indexes, expires, has_backups, .. } in TABLES {
        // `doctor::check_stack` has reported a missing output.
        let Ok(name) = stack.output(output) else { continue };
        let found = match find(&client, name).await {
            Ok(found) => found,
            Err(unanswered) => {
                report.unanswered("table", name, &unanswered)?;
                continue;
            }
        };
        let problems = [found.unready(indexes), found.unkept(expires, has_backups)].concat();
        if problems.is_empty() {
            report.passed("table", &format!("{name} is as in the template"))?;
        } else {
            let advice = "deploy the template again; what was changed by hand has to be changed back by hand";
            report.failed("table", &format!("{name}: {}", problems.join("; ")), advice)?;
        }
    }
    Ok(())
}

async fn find(client: &Client, table: &str) -> Result<Found, Unanswered> {
    let described = client.describe_table().table_name(table).send().await;
    let described = described.map_err(|err| Unanswered::new("dynamodb:DescribeTable", &err))?;
    let ttl = client.describe_time_to_live().table_name(table).send().await;
    let ttl = ttl.map_err(|err| Unanswered::new("dynamodb:DescribeTimeToLive", &err))?;
    let backups = client.describe_continuous_backups().table_name(table).send().await;
    let backups = backups.map_err(|err| Unanswered::new("dynamodb:DescribeContinuousBackups", &err))?;
    Ok(Found {
        table: described.table,
        ttl: ttl.time_to_live_description,
        backups: backups.continuous_backups_description,
    })
}

impl Found {
    /// The problems that make requests fail: the table or an index is missing or not active.
    fn unready(&self, indexes: &[&str]) -> Vec<String> {
        let Some(table) = &self.table else { return vec!["is not there".into()] };
        let mut problems = Vec::new();
        let status = table.table_status().map_or("of no status", |status| status.as_str());
        if status != "ACTIVE" {
            problems.push(format!("is {status}"));
        }
        for &name in indexes {
            match table.global_secondary_indexes().iter().find(|index| index.index_name() == Some(name)) {
                // The emulator reports no status of an index.
                Some(index) => match index.index_status().map_or("ACTIVE", IndexStatus::as_str) {
                    "ACTIVE" => {}
                    status => problems.push(format!("its index {name} is {status}")),
                },
                None => problems.push(format!("its index {name} is not there")),
            }
        }
        problems
    }

    /// The problems of expiry and recovery.
    fn unkept(&self, expires: bool, restores: bool) -> Vec<String> {
        let mut problems = Vec::new();
        if expires && !self.ttl.as_ref().is_some_and(is_on) {
            problems.push("time to live is off: what has expired is kept, and paid for".into());
        }
        let recovery = self.backups.as_ref().and_then(|backups| backups.point_in_time_recovery_description());
        let recovery = recovery.and_then(|recovery| recovery.point_in_time_recovery_status());
        if restores && recovery != Some(&PointInTimeRecoveryStatus::Enabled) {
            problems.push("point-in-time recovery is off: what is deleted by mistake is gone".into());
        }
        problems
    }
}

fn is_on(ttl: &TimeToLiveDescription) -> bool {
    let status = ttl.time_to_live_status().map_or("", |status| status.as_str());
    matches!(status, "ENABLED" | "ENABLING") && ttl.attribute_name() == Some("expires_at")
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::{
        ContinuousBackupsStatus, PointInTimeRecoveryDescription, TableStatus, TimeToLiveStatus,
    };

    use super::*;

    fn found(table: TableStatus, ttl: TimeToLiveStatus, recovery: PointInTimeRecoveryStatus) -> Found {
        let recovery = PointInTimeRecoveryDescription::builder().point_in_time_recovery_status(recovery).build();
        let backups = ContinuousBackupsDescription::builder()
            .continuous_backups_status(ContinuousBackupsStatus::Enabled)
            .point_in_time_recovery_description(recovery);
        let ttl = TimeToLiveDescription::builder().time_to_live_status(ttl).attribute_name("expires_at");
        Found {
            table: Some(TableDescription::builder().table_status(table).build()),
            ttl: Some(ttl.build()),
            backups: Some(backups.build().unwrap()),
        }
    }

    #[test]
    fn a_table_as_in_the_template_has_no_problem_and_any_other_says_which() {
        let (on, off) = (TimeToLiveStatus::Enabled, TimeToLiveStatus::Disabled);
        let well = found(TableStatus::Active, on.clone(), PointInTimeRecoveryStatus::Enabled);
        assert_eq!((well.unready(&[]), well.unkept(true, true)), (vec![], vec![]));
        let forgetful = found(TableStatus::Active, off, PointInTimeRecoveryStatus::Disabled);
        assert_eq!((forgetful.unkept(true, true).len(), forgetful.unkept(false, true).len()), (2, 1));
        assert_eq!(forgetful.unkept(false, false), [""; 0]);
        let changing = found(TableStatus::Updating, on, PointInTimeRecoveryStatus::Enabled);
        assert_eq!(changing.unready(&["by-state"]), ["is UPDATING", "its index by-state is not there"]);
    }
}
