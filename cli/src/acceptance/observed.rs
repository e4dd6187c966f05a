//! The checks of what the operator sees: metrics, alarms, traces; and of the key that encrypts the tables.

use std::{
    borrow::Cow,
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_cloudwatch::{
    Client as CloudWatch,
    types::{Datapoint, Dimension, StateValue, Statistic},
};
use aws_sdk_cloudwatchlogs::Client as Logs;
use aws_sdk_dynamodb::Client as DynamoDb;
use nano_webhooks::telemetry::attempt_line::AttemptLine;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    account::Account,
    outcome::{Outcome, ensure, failed, not_checked},
    signed::{Call, call},
    world::World,
};

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// CloudWatch shows a metric, and X-Ray a trace, some minutes late.
const LATE: Duration = Duration::from_mins(5);
const TABLES: [&str; 6] = [
    "WebhooksTableName",
    "EventsTableName",
    "DeliveriesTableName",
    "WaitingTableName",
    "ApiKeysTableName",
    "UsageTableName",
];

pub(super) async fn metrics(world: &World) -> Outcome {
    world.receiver()?;
    let account = Account::new(world, "metrics").await?;
    account.register("metrics", json!({})).await?;
    account.complete("task", json!({})).await?;
    world.arrivals("metrics", 1).await?;
    let client = CloudWatch::new(&world.stack.aws);
    let ours = |name| ("nano-webhooks", name, "Stack", world.stack.name.clone());
    let dispatcher = world.resource("DispatcherFunction").unwrap_or_default().to_owned();
    let queue = format!("{}-deliveries", world.stack.name);
    let wanted = [
        ours("Completions"),
        ours("Attempts"),
        ours("Delivered"),
        ours("TimeToFirstByte"),
        ("AWS/Lambda", "Invocations", "FunctionName", dispatcher),
        ("AWS/SQS", "NumberOfMessagesDeleted", "QueueName", queue),
    ];
    // The emulator publishes metrics within a second, or none at all.
    let is_emulator = world.stack.aws.endpoint_url().is_some();
    let (within, start) = (if is_emulator { LOOK_EVERY * 2 } else { LATE }, Instant::now());
    loop {
        let mut missing = Vec::new();
        for (namespace, name, dimension, value) in &wanted {
            if sum(&client, world, (*namespace, *name), (*dimension, value.as_str())).await? == 0.0 {
                missing.push(format!("{namespace} {name}"));
            }
        }
        if missing.is_empty() {
            break;
        }
        if start.elapsed() > within && is_emulator && missing.len() == wanted.len() {
            return not_checked("the emulator has no metrics", "only AWS shows this");
        }
        let late = || format!("after {} s CloudWatch has no figure for {}", within.as_secs(), missing.join(", "));
        ensure(
            start.elapsed() <= within,
            late,
            "the alarms that look at these cannot sound; docs/logs.md explains them",
        )?;
        sleep(LOOK_EVERY).await;
    }
    alarms(&client, world, wanted.len()).await
}

async fn alarms(client: &CloudWatch, world: &World, metrics: usize) -> Outcome {
    // By their names: another stack's may begin with this stack's name. Without names the call returns all alarms.
    let names: Vec<_> = world.resources("Alarm").into_iter().map(|(_, name)| name.to_owned()).collect();
    ensure(!names.is_empty(), || "the stack has no alarm".into(), "deploy the template again")?;
    let count = names.len();
    let described = client.describe_alarms().set_alarm_names(Some(names)).max_records(100).send().await?;
    let alarms = described.metric_alarms();
    let deleted = || format!("only {} of the stack's {count} alarms are there", alarms.len());
    ensure(alarms.len() == count, deleted, "somebody has deleted the others: make them again by hand")?;
    let sounding = alarms.iter().filter(|alarm| alarm.state_value() == Some(&StateValue::Alarm));
    let sounding: Vec<_> = sounding.filter_map(|alarm| alarm.alarm_name()).collect();
    let state = if sounding.is_empty() { String::new() } else { format!("; in alarm: {}", sounding.join(", ")) };
    let topic = world.stack.parameter("AlarmTopicArn").unwrap_or_default();
    let nobody = if topic.is_empty() { "; nobody is notified: AlarmTopicArn is empty" } else { "" };
    Ok(format!("CloudWatch has the {metrics} figures of a delivery, and {} alarms{state}{nobody}", alarms.len()))
}

/// The sum of a metric since the run began; 0 if CloudWatch has no data.
async fn sum(client: &CloudWatch, world: &World, metric: (&str, &str), of: (&str, &str)) -> Outcome<f64> {
    let from = SystemTime::from(world.started_at) - Duration::from_mins(1);
    let asked = client
        .get_metric_statistics()
        .namespace(metric.0)
        .metric_name(metric.1)
        .dimensions(Dimension::builder().name(of.0).value(of.1).build())
        .start_time(from.into())
        .end_time((SystemTime::now() + Duration::from_mins(1)).into())
        .period(60)
        .statistics(Statistic::Sum);
    let answer = asked.send().await?;
    Ok(answer.datapoints().iter().filter_map(Datapoint::sum).sum())
}

pub(super) async fn traces(world: &World) -> Outcome {
    if world.stack.parameter("Tracing") != Some("on") {
        return not_checked("Tracing is off", "deploy with Tracing=on");
    }
    world.receiver()?;
    let account = Account::new(world, "traces").await?;
    account.register("traces", json!({})).await?;
    account.complete("task", json!({})).await?;
    world.arrivals("traces", 1).await?;
    let trace = logged_trace(world, account.id.as_str()).await?;
    if world.stack.aws.endpoint_url().is_some() {
        return not_checked(
            format!("the dispatcher logged the trace {trace}; the emulator has no X-Ray"),
            "only AWS shows this",
        );
    }
    let region = world.stack.aws.region().map_or("", |region| region.as_ref());
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let ask = Call {
        service: "xray",
        region,
        host: &format!("xray.{region}.{suffix}"),
        path: "/Traces",
        content_type: "application/json",
        body: json!({ "TraceIds": [trace] }).to_string(),
    };
    let start = Instant::now();
    loop {
        let (status, answer) = call(&world.stack.aws, &world.client, &ask).await?;
        if status == 403 {
            return not_checked("your credentials may not read traces", "xray:BatchGetTraces");
        }
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        let segments = answer["Traces"][0]["Segments"].as_array().map_or(&[][..], Vec::as_slice);
        let mut documents = segments.iter().filter_map(|segment| segment["Document"].as_str());
        // The dispatcher makes this segment itself; Lambda makes the others.
        if documents.any(|document| document.contains("\"webhook_id\"")) {
            return Ok(format!("X-Ray has the trace {trace} with the attempt, in {} segments", segments.len()));
        }
        if start.elapsed() > LATE {
            let found = format!(
                "after {} s X-Ray has {} segments of {trace}, and none of the attempt",
                LATE.as_secs(),
                segments.len()
            );
            return failed(found, "the daemon does not take the functions' own segments: tell us in an issue");
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The trace in the dispatcher's log line for the account's attempt.
async fn logged_trace(world: &World, account: &str) -> Outcome<String> {
    let client = Logs::new(&world.stack.aws);
    let start = Instant::now();
    while start.elapsed() < world.soon() {
        let mut pages = client
            .filter_log_events()
            .log_group_name(world.stack.log_group("dispatcher"))
            .start_time(world.started_at.as_millisecond())
            .filter_pattern(r#"{ $.message = "attempt" }"#)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let lines = page?.events.unwrap_or_default().into_iter().filter_map(|event| event.message);
            let trace = |line: String| {
                let attempt = AttemptLine::parse(&line).filter(|line| line.account_id.as_str() == account)?;
                attempt.trace_id.map(Cow::into_owned)
            };
            if let Some(trace) = lines.into_iter().find_map(trace) {
                return Ok(trace);
            }
        }
        sleep(LOOK_EVERY).await;
    }
    failed("the dispatcher logged no trace_id for an attempt", "LogLevel has to be INFO; else report this as a bug")
}

pub(super) async fn kms(world: &World) -> Outcome {
    let key = world.stack.parameter("KmsKeyArn").unwrap_or_default();
    if key.is_empty() {
        return not_checked("the tables have AWS's own key", "deploy with KmsKeyArn");
    }
    let client = DynamoDb::new(&world.stack.aws);
    for output in TABLES {
        let name = world.stack.output(output)?;
        let described = client.describe_table().table_name(name).send().await?;
        let encryption = described.table.and_then(|table| table.sse_description);
        let used = encryption.and_then(|encryption| encryption.kms_master_key_arn).unwrap_or_default();
        ensure(used == key, || format!("{name} is encrypted with {used:?}"), "deploy the template again")?;
    }
    let account = Account::new(world, "kms").await?;
    let sent = account.complete("task", json!({})).await?;
    account.wait_for_event(&sent.id).await?;
    Ok("all tables have your key, and the functions can use it".into())
}
