//! What a stack is made of, and its settings, as far as the bill needs them.

use std::collections::HashMap;

use aws_sdk_cloudwatch::{Client as CloudWatch, operation::describe_alarms::DescribeAlarmsOutput, types::MetricAlarm};
use aws_sdk_dynamodb::{Client as DynamoDb, types::TableDescription};
use aws_sdk_lambda::{Client as Lambda, types::Architecture};
use futures_util::{StreamExt as _, stream};

use crate::{
    failure::{Failure, Unanswered},
    stack::{Stack, StackTable, TABLES},
};

/// How many functions are asked about at the same time.
const AT_ONCE: usize = 8;

/// What is missing if the alarms cannot be read.
pub(super) const ALARMS: &str = "alarms";
/// What is missing if the tables' sizes cannot be read.
pub(super) const STORAGE: &str = "DynamoDB storage and backups";

/// A line of the bill that could not be read, and why.
#[derive(Debug, Clone)]
pub(crate) struct Missing {
    pub(crate) line: String,
    pub(crate) why: String,
}

/// A stack's resources that are billed.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) stack: String,
    pub(super) functions: Vec<Function>,
    pub(super) tables: Vec<Table>,
    /// Of each log group its function's name in the bill, and its own.
    pub(super) logs: Vec<(String, String)>,
    pub(super) api: Option<String>,
    /// How many metrics the alarms look at.
    pub(super) alarm_metrics: usize,
    pub(super) settings: Settings,
}

/// A Lambda function.
#[derive(Debug)]
pub(super) struct Function {
    /// Its name in the bill, such as `fan-out`.
    pub(super) name: String,
    pub(super) physical: String,
    /// Its memory. `None` if it could not be read.
    pub(super) gigabytes: Option<f64>,
    pub(super) is_arm: bool,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name in the bill, such as `events`.
    pub(super) name: &'static str,
    pub(super) physical: String,
    pub(super) indexes: &'static [&'static str],
    /// Its size, and that with its indexes, as they are billed. `None` if they could not be read.
    pub(super) bytes: Option<(f64, f64)>,
    pub(super) has_backups: bool,
}

/// The parameters that change the bill.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) retry_waits: Vec<u64>,
    pub(super) history_days: u32,
    pub(super) log_days: u32,
    pub(super) is_arm: bool,
    /// What the settings cost besides, and AWS does not meter for a stack.
    pub(super) unmetered: Vec<&'static str>,
}

impl Missing {
    /// A line whose call AWS did not answer.
    pub(super) fn unanswered(line: &str, unanswered: &Unanswered) -> Self {
        Self { line: line.to_owned(), why: format!("{}: {}", unanswered.advice, unanswered.found) }
    }
}

impl Parts {
    /// Reads them. What cannot be read is added to `missing`. Fails only if it is no stack of this service.
    pub(super) async fn read(stack: &Stack, missing: &mut Vec<Missing>) -> Result<Self, Failure> {
        let resources = stack.resources().await.unwrap_or_else(|err| {
            let lines = "Lambda, logs, API requests, alarms";
            missing.push(Missing::unanswered(lines, &Unanswered::new("cloudformation:ListStackResources", &err)));
            HashMap::new()
        });
        let functions = functions(stack, &resources, missing).await;
        let logs = named(&resources, "Logs").map(|(name, physical)| (name, physical.to_owned())).collect();
        let is_arm = functions.iter().all(|function| function.is_arm);
        Ok(Self {
            stack: stack.name.clone(),
            functions,
            tables: tables(stack, missing).await?,
            logs,
            api: resources.get("HttpApi").cloned(),
            alarm_metrics: alarm_metrics(stack, &resources, missing).await,
            settings: Settings { is_arm, ..Settings::read(|name| stack.parameter(name)) },
        })
    }
}

impl Settings {
    fn read<'a>(parameter: impl Fn(&str) -> Option<&'a str>) -> Self {
        let days = |name| parameter(name).and_then(|days| days.parse().ok()).unwrap_or(30);
        let is_set = |name| parameter(name).is_some_and(|text| !text.is_empty());
        let waits = parameter("RetryScheduleSeconds").unwrap_or_default();
        let unmetered = [
            (true, "traffic to the internet: $0.09 a GB after the first 100 of your AWS account"),
            (
                is_set("KmsKeyArn"),
                "your KMS key: $1 a month, and $0.03 for 10,000 requests, which are not counted by key",
            ),
            (parameter("Tracing") == Some("on"), "X-Ray's traces: $5.00 a million"),
            (is_set("SubnetIds"), "the NAT gateway: by the hour and the GB"),
        ];
        Self {
            retry_waits: waits.split(',').filter_map(|wait| wait.trim().parse().ok()).collect(),
            history_days: days("HistoryRetentionDays"),
            log_days: days("LogRetentionDays"),
            is_arm: true,
            unmetered: unmetered.into_iter().filter(|(applies, _)| *applies).map(|(_, what)| what).collect(),
        }
    }
}

/// The resources whose id in the template ends so, by their name in the bill: `FanOutFunction` is `fan-out`.
fn named<'a>(resources: &'a HashMap<String, String>, ending: &'static str) -> impl Iterator<Item = (String, &'a str)> {
    let mut found: Vec<_> = resources
        .iter()
        .filter_map(|(logical, physical)| Some((kebab(logical.strip_suffix(ending)?), physical.as_str())))
        .collect();
    found.sort_unstable();
    found.into_iter()
}

fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for char in name.chars() {
        if char.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(char.to_ascii_lowercase());
    }
    kebab
}

async fn functions(stack: &Stack, resources: &HashMap<String, String>, missing: &mut Vec<Missing>) -> Vec<Function> {
    let client = &Lambda::new(&stack.aws);
    let reading = named(resources, "Function").map(async |(name, physical)| {
        let configured = client.get_function_configuration().function_name(physical).send().await;
        (name, physical.to_owned(), configured)
    });
    let read: Vec<_> = stream::iter(reading).buffered(AT_ONCE).collect().await;
    let mut unanswered = None;
    let functions = read.into_iter().map(|(name, physical, configured)| match configured {
        Ok(configured) => Function {
            name,
            physical,
            gigabytes: configured.memory_size().map(|megabytes| f64::from(megabytes) / 1024.0),
            is_arm: configured.architectures().contains(&Architecture::Arm64),
        },
        Err(err) => {
            unanswered = Some(Missing::unanswered(
                "Lambda GB-seconds",
                &Unanswered::new("lambda:GetFunctionConfiguration", &err),
            ));
            Function { name, physical, gigabytes: None, is_arm: true }
        }
    });
    let functions = functions.collect();
    missing.extend(unanswered);
    functions
}

async fn tables(stack: &Stack, missing: &mut Vec<Missing>) -> Result<Vec<Table>, Failure> {
    let client = DynamoDb::new(&stack.aws);
    let (mut tables, mut unanswered) = (Vec::new(), None);
    for StackTable { name, output, indexes, has_backups, .. } in TABLES {
        let physical = stack.output(output)?.to_owned();
        let bytes = match client.describe_table().table_name(&physical).send().await {
            Ok(described) => described.table.as_ref().map(billed_bytes),
            Err(err) => {
                unanswered = Some(Missing::unanswered(STORAGE, &Unanswered::new("dynamodb:DescribeTable", &err)));
                None
            }
        };
        tables.push(Table { name, physical, indexes, bytes, has_backups });
    }
    missing.extend(unanswered);
    Ok(tables)
}

/// How many bytes of the table, and of it with its indexes, are billed as stored: 100 more for each item and entry.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
#[expect(clippy::cast_precision_loss, reason = "a table has less than 2^53 bytes, or it does not matter")]
fn billed_bytes(table: &TableDescription) -> (f64, f64) {
    let billed =
        |bytes: Option<i64>, items: Option<i64>| (bytes.unwrap_or_default() + 100 * items.unwrap_or_default()) as f64;
    let own = billed(table.table_size_bytes, table.item_count);
    let indexes = table.global_secondary_indexes().iter();
    (own, own + indexes.map(|index| billed(index.index_size_bytes, index.item_count)).sum::<f64>())
}

/// How many metrics the stack's alarms look at. By their names: another stack's may begin with this stack's name.
async fn alarm_metrics(stack: &Stack, resources: &HashMap<String, String>, missing: &mut Vec<Missing>) -> usize {
    let names: Vec<_> = named(resources, "Alarm").map(|(_, physical)| physical.to_owned()).collect();
    // Without names the call returns all alarms of the AWS account.
    if names.is_empty() {
        return 0;
    }
    let alarms = CloudWatch::new(&stack.aws).describe_alarms().set_alarm_names(Some(names));
    match alarms.into_paginator().send().try_collect().await {
        Ok(pages) => pages.iter().flat_map(DescribeAlarmsOutput::metric_alarms).map(metrics_of).sum(),
        Err(err) => {
            missing.push(Missing::unanswered(ALARMS, &Unanswered::new("cloudwatch:DescribeAlarms", &err)));
            0
        }
    }
}

/// How many metrics an alarm looks at. An expression is not one.
fn metrics_of(alarm: &MetricAlarm) -> usize {
    let looked_at = alarm.metrics().iter().filter(|query| query.metric_stat().is_some()).count();
    looked_at + usize::from(alarm.metric_name().is_some())
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::{Metric, MetricDataQuery, MetricStat};
    use aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription;

    use super::*;

    #[test]
    fn settings_are_read_from_the_parameters() {
        let settings = Settings::read(|name| match name {
            "RetryScheduleSeconds" => Some("5,300"),
            "HistoryRetentionDays" => Some("7"),
            "Tracing" => Some("on"),
            "KmsKeyArn" => Some(""),
            _ => None,
        });
        assert_eq!((settings.retry_waits.as_slice(), settings.history_days), (&[5, 300][..], 7));
        assert_eq!(settings.unmetered.len(), 2, "{settings:?}");
        assert!(settings.unmetered[1].starts_with("X-Ray"));
    }

    #[test]
    fn each_item_and_entry_is_billed_with_100_bytes_more() {
        let index = GlobalSecondaryIndexDescription::builder().index_size_bytes(50).item_count(1).build();
        let table = TableDescription::builder().table_size_bytes(1000).item_count(5).global_secondary_indexes(index);
        assert_eq!(billed_bytes(&table.build()), (1500.0, 1650.0));
    }

    #[test]
    fn an_alarm_is_billed_by_the_metrics_that_it_looks_at() {
        let stat = MetricStat::builder().metric(Metric::builder().metric_name("a").build()).build();
        let queries = [None, Some(stat.clone()), Some(stat)];
        let queries = queries.map(|stat| MetricDataQuery::builder().set_metric_stat(stat).build());
        let of_three = MetricAlarm::builder().set_metrics(Some(queries.into())).build();
        assert_eq!(metrics_of(&of_three), 2);
        assert_eq!(metrics_of(&MetricAlarm::builder().metric_name("a").build()), 1);
    }

    #[test]
    fn a_resource_has_the_name_of_its_function() {
        let resources = ["FanOutFunction", "FanOutLogs", "GetWebhookFunction"];
        let resources = resources.map(|name| (name.to_owned(), format!("physical {name}"))).into();
        let found: Vec<_> = named(&resources, "Function").collect();
        assert_eq!(found[0], ("fan-out".to_owned(), "physical FanOutFunction"));
        assert_eq!((found[1].0.as_str(), found.len()), ("get-webhook", 2));
    }
}
