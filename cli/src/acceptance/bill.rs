//! The bill: what a run will cost, from the units that it is going to use; and what the stack cost meanwhile, from the
//! units that AWS metered.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_sdk_cloudwatch::{
    Client as CloudWatch,
    types::{Datapoint, Dimension, Statistic},
};
use aws_sdk_lambda::{Client as Lambda, types::Architecture};
use jiff::{SignedDuration, Timestamp};
use nano_webhooks::prices;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{outcome::Outcome, world::World};
use crate::stack::{StackTable, TABLES};

/// What one delivery uses if every batch has one message, as `bench -- cost` counts it: docs/performance.md.
const SQS_REQUESTS: f64 = 6.0;
const FAIR_REQUESTS: f64 = 3.0;
const INVOCATIONS: f64 = 2.0;
const GB_SECONDS: f64 = 0.026;
const READ_UNITS: f64 = 2.0;
const WRITE_UNITS: f64 = 2.0;
/// The bytes of its log lines, including what AWS bills on top of each line.
const LOG_BYTES: f64 = 976.0;
/// The bytes of its event and its delivery.
const STORED_BYTES: f64 = 680.0;
/// An API request: its function, and the key with its usage.
const REQUEST_GB_SECONDS: f64 = 0.005;
const REQUEST_READ_UNITS: f64 = 2.0;
const REQUEST_WRITE_UNITS: f64 = 1.0;

/// How long CloudWatch takes to show the figures of the last minute.
const LATE: Duration = Duration::from_mins(3);
/// The functions that process events: their logical ids in the template without `Function` or `Logs` at the end.
const PIPELINE: [&str; 5] = ["FanOut", "Dispatcher", "Release", "WatchWebhooks", "CountAttempts"];
const MILLION: f64 = 1e6;

/// What a run is going to do.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Work {
    pub(super) deliveries: f64,
    pub(super) api_requests: f64,
    pub(super) metrics: f64,
}

impl Work {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            deliveries: self.deliveries + other.deliveries,
            api_requests: self.api_requests + other.api_requests,
            metrics: self.metrics + other.metrics,
        }
    }

    /// What it costs, in dollars, in us-east-1, on arm64 and without free tiers. Some reads of the tables and queues by the
    /// command itself are not counted.
    pub(super) fn dollars(self) -> f64 {
        let delivery = (SQS_REQUESTS * prices::SQS_MILLION
            + FAIR_REQUESTS * prices::SQS_FAIR_MILLION
            + INVOCATIONS * prices::LAMBDA_MILLION
            + READ_UNITS * prices::DYNAMODB_READ_MILLION
            + WRITE_UNITS * prices::DYNAMODB_WRITE_MILLION)
            / MILLION
            + GB_SECONDS * prices::LAMBDA_GB_SECOND
            + LOG_BYTES / 1e9 * prices::LOGS_GB
            + STORED_BYTES / 1e9 * (prices::DYNAMODB_GB_MONTH + prices::DYNAMODB_BACKUP_GB_MONTH);
        let request = (prices::API_MILLION
            + prices::LAMBDA_MILLION
            + REQUEST_READ_UNITS * prices::DYNAMODB_READ_MILLION
            + REQUEST_WRITE_UNITS * prices::DYNAMODB_WRITE_MILLION)
            / MILLION
            + REQUEST_GB_SECONDS * prices::LAMBDA_GB_SECOND;
        self.deliveries * delivery + self.api_requests * request + self.metrics / 1000.0 * prices::METRICS_THOUSAND
    }
}

/// Lines of the bill, each with its units and dollars.
#[derive(Debug, Default)]
struct Lines(BTreeMap<&'static str, (f64, f64)>);

impl Lines {
    fn add(&mut self, line: &'static str, units: f64, price: f64) {
        let (all, usd) = self.0.entry(line).or_default();
        *all += units;
        *usd += units * price;
    }

    /// Null if nothing was metered.
    fn shown(&self) -> Value {
        if self.0.values().all(|(units, _)| *units == 0.0) {
            return Value::Null;
        }
        let lines: Vec<_> =
            self.0.iter().map(|(line, (units, usd))| json!({ "line": line, "units": units, "usd": usd })).collect();
        json!({ "usd": self.0.values().map(|(_, usd)| usd).sum::<f64>(), "lines": lines })
    }
}

/// Returns what AWS metered since `began`, by line of the bill: all tables, the two queues, and the functions that process
/// events with their logs. Returns null if CloudWatch has no figures. Other traffic of the stack is included. Storage, API
/// requests and the API's functions are not: `nano-webhooks cost` has them.
pub(super) async fn metered(world: &World, began: Timestamp) -> Outcome<Value> {
    if !world.is_local() {
        sleep(LATE).await;
    }
    let client = CloudWatch::new(&world.stack.aws);
    let mut lines = Lines::default();
    for StackTable { output, indexes, .. } in TABLES {
        let table = world.stack.output(output)?;
        let whole = vec![("TableName", table)];
        let indexes = indexes.iter().map(|index| vec![("TableName", table), ("GlobalSecondaryIndexName", *index)]);
        for dimensions in [whole].into_iter().chain(indexes) {
            let sum = async |metric| sum_of(&client, began, ("AWS/DynamoDB", metric), &dimensions).await;
            lines.add("read units", sum("ConsumedReadCapacityUnits").await?, prices::DYNAMODB_READ_MILLION / MILLION);
            lines.add(
                "write units",
                sum("ConsumedWriteCapacityUnits").await?,
                prices::DYNAMODB_WRITE_MILLION / MILLION,
            );
        }
    }
    for queue in ["completions", "deliveries"] {
        let name = format!("{}-{queue}", world.stack.name);
        for metric in
            ["NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted", "NumberOfEmptyReceives"]
        {
            let requests = sum_of(&client, began, ("AWS/SQS", metric), &[("QueueName", &name)]).await?;
            // An upper bound: as if each message were a request of its own, to a fair queue.
            lines.add("SQS requests", requests, (prices::SQS_MILLION + prices::SQS_FAIR_MILLION) / MILLION);
        }
    }
    for function in PIPELINE {
        let resource = |kind: &str| world.resource(&format!("{function}{kind}")).unwrap_or_default();
        let (name, group) = (resource("Function"), resource("Logs"));
        let sum = async |metric| sum_of(&client, began, ("AWS/Lambda", metric), &[("FunctionName", name)]).await;
        let configured = Lambda::new(&world.stack.aws).get_function_configuration().function_name(name).send().await?;
        let is_arm = configured.architectures().contains(&Architecture::Arm64);
        let price = if is_arm { prices::LAMBDA_GB_SECOND } else { prices::LAMBDA_X86_GB_SECOND };
        let gb = f64::from(configured.memory_size.unwrap_or_default()) / 1024.0;
        lines.add("invocations", sum("Invocations").await?, prices::LAMBDA_MILLION / MILLION);
        lines.add("GB-seconds", sum("Duration").await? / 1000.0 * gb, price);
        let logged = async |metric| sum_of(&client, began, ("AWS/Logs", metric), &[("LogGroupName", group)]).await;
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let bytes = logged("IncomingBytes").await? + logged("IncomingLogEvents").await? * prices::LOG_LINE_BYTES as f64;
        lines.add("GB of logs", bytes / 1e9, prices::LOGS_GB);
    }
    Ok(lines.shown())
}

/// The metered bill in words.
pub(super) fn words(metered: &Value) -> String {
    let lines = metered["lines"].as_array().into_iter().flatten();
    let lines: Vec<_> = lines
        .map(|line| {
            let units = line["units"].as_f64().unwrap_or_default();
            let line = line["line"].as_str().unwrap_or_default();
            let digits = if line.starts_with("GB") { 4 } else { 0 };
            format!("{units:.digits$} {line}")
        })
        .collect();
    match metered["usd"].as_f64() {
        Some(dollars) => {
            format!("about {:.2} cents, without storage and the API ({})", dollars * 100.0, lines.join(", "))
        }
        None => "not metered, because CloudWatch has no figures here".into(),
    }
}

async fn sum_of(client: &CloudWatch, began: Timestamp, metric: (&str, &str), of: &[(&str, &str)]) -> Outcome<f64> {
    let dimensions = of.iter().map(|(name, value)| Dimension::builder().name(*name).value(*value).build());
    let asked = client
        .get_metric_statistics()
        .namespace(metric.0)
        .metric_name(metric.1)
        .set_dimensions(Some(dimensions.collect()))
        .start_time(SystemTime::from(began).into())
        .end_time(SystemTime::now().into())
        // At most 1,440 values are returned.
        .period(if Timestamp::now().duration_since(began) > SignedDuration::from_hours(23) { 3_600 } else { 60 })
        .statistics(Statistic::Sum);
    let answer = asked.send().await?;
    Ok(answer.datapoints().iter().filter_map(Datapoint::sum).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_deliveries_cost_what_the_instruments_measured() {
        let dollars = Work { deliveries: 1e6, ..Work::default() }.dollars();
        assert!((5.5..6.2).contains(&dollars), "docs/performance.md has 5.76 for batches of one: {dollars}");
    }

    #[test]
    fn a_metered_bill_is_its_units_times_their_prices() {
        let mut lines = Lines::default();
        assert_eq!(lines.shown(), Value::Null);
        lines.add("write units", 1e6, 1e-6);
        lines.add("write units", 1e6, 1e-6);
        lines.add("invocations", 1e6, 0.2e-6);
        let bill = lines.shown();
        assert!((bill["usd"].as_f64().unwrap() - 2.2).abs() < 1e-9, "{bill}");
        assert_eq!(
            words(&bill),
            "about 220.00 cents, without storage and the API (1000000 invocations, 2000000 write units)"
        );
    }
}
