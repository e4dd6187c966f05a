//! Checks what triggers the functions: the event source mappings and the schedule are on, and scheduled runs do not
//! fail.
//!
//! A trigger that is off causes no errors: the work just waits, so no other check would show it.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::{
    Client as CloudWatch,
    types::{Datapoint, Dimension, Statistic},
};
use aws_sdk_eventbridge::{Client as EventBridge, types::RuleState};
use aws_sdk_lambda::Client as Lambda;

use super::report::{DEPLOY_AGAIN, Report};
use crate::{
    failure::{Failure, Unanswered},
    stack::Stack,
};

/// The logical ids of the event source mappings, which SAM makes from function and event, and their functions.
const SOURCES: [(&str, &str); 4] = [
    ("FanOutFunctionCompletions", "fan-out"),
    ("DispatcherFunctionDeliveries", "dispatcher"),
    ("WatchWebhooksFunctionRecords", "watch-webhooks"),
    ("CountAttemptsFunctionAttempts", "count-attempts"),
];
const SCHEDULE: &str = "ReleaseFunctionEveryMinute";
/// The logical id of the function that the schedule calls.
const SCHEDULED: &str = "ReleaseFunction";
/// How far back release's runs are counted. It runs every minute, and CloudWatch reports a run some minutes later.
const LOOK_BACK: Duration = Duration::from_mins(10);

pub(super) async fn check(report: &mut Report, stack: &Stack) -> Result<(), Failure> {
    let resources = match stack.resources().await {
        Ok(resources) => resources,
        Err(err) => {
            return report.unanswered(
                "event source",
                &stack.name,
                &Unanswered::new("cloudformation:ListStackResources", &err),
            );
        }
    };
    let physical = |logical: &str| resources.get(logical).map(String::as_str);
    for (source, function) in SOURCES {
        match physical(source) {
            Some(uuid) => check_source(report, stack, uuid, function).await?,
            None => is_not_there(report, "event source", &format!("{}-{function}'s", stack.name))?,
        }
    }
    match physical(SCHEDULE) {
        Some(rule) => check_schedule(report, stack, rule).await?,
        None => is_not_there(report, "schedule", &format!("{}-release's", stack.name))?,
    }
    match physical(SCHEDULED) {
        Some(function) => check_runs(report, stack, function).await,
        None => is_not_there(report, "release", &format!("{}-release", stack.name)),
    }
}

fn is_not_there(report: &mut Report, check: &str, what: &str) -> Result<(), Failure> {
    report.failed(check, &format!("{what} is not in the stack"), DEPLOY_AGAIN)
}

async fn check_source(report: &mut Report, stack: &Stack, uuid: &str, function: &str) -> Result<(), Failure> {
    let name = format!("{}-{function}", stack.name);
    let asked = Lambda::new(&stack.aws).get_event_source_mapping().uuid(uuid).send().await;
    let state = match &asked {
        Ok(mapping) => mapping.state().unwrap_or("in no known state"),
        Err(err) => {
            return report.unanswered("event source", &name, &Unanswered::new("lambda:GetEventSourceMapping", err));
        }
    };
    if state == "Enabled" {
        return report.passed("event source", &format!("{name}'s is Enabled"));
    }
    let advice =
        format!("until it is on, its input waits: aws lambda update-event-source-mapping --uuid {uuid} --enabled");
    report.failed("event source", &format!("{name}'s is {state}"), &advice)
}

async fn check_schedule(report: &mut Report, stack: &Stack, rule: &str) -> Result<(), Failure> {
    match EventBridge::new(&stack.aws).describe_rule().name(rule).send().await {
        Ok(found) if found.state == Some(RuleState::Enabled) => {
            let schedule = found.schedule_expression().unwrap_or_default();
            report.passed("schedule", &format!("{}-release's is on: {schedule}", stack.name))
        }
        Ok(_) => {
            let advice =
                format!("until it is on, retries and held deliveries wait: aws events enable-rule --name {rule}");
            report.failed("schedule", &format!("{}-release's is off", stack.name), &advice)
        }
        Err(err) => report.unanswered(
            "schedule",
            &format!("{}-release", stack.name),
            &Unanswered::new("events:DescribeRule", &err),
        ),
    }
}

async fn check_runs(report: &mut Report, stack: &Stack, function: &str) -> Result<(), Failure> {
    let name = format!("{}-release", stack.name);
    let (runs, failed) = match tokio::try_join!(sum(stack, function, "Invocations"), sum(stack, function, "Errors")) {
        Ok(sums) => sums,
        Err(err) => return report.unanswered("release", &name, &err),
    };
    let minutes = LOOK_BACK.as_secs() / 60;
    let advice = format!("look in {}", stack.log_group("release"));
    match runs {
        // The emulator has no metrics.
        None if stack.aws.endpoint_url().is_some() => {
            report.unknown("release", &format!("{name}: CloudWatch has no figure"), None)
        }
        None => report.failed("release", &format!("{name} has not run in {minutes} minutes"), &advice),
        Some(runs) if failed.is_some_and(|failed| failed >= runs) => {
            report.failed("release", &format!("{name} has failed each time in {minutes} minutes"), &advice)
        }
        Some(runs) => report.passed("release", &format!("{name} has run {runs} times in {minutes} minutes")),
    }
}

/// The sum of a function's metric over [`LOOK_BACK`]. `None` if CloudWatch has no data.
async fn sum(stack: &Stack, function: &str, metric: &str) -> Result<Option<f64>, Unanswered> {
    let now = SystemTime::now();
    let asked = CloudWatch::new(&stack.aws)
        .get_metric_statistics()
        .namespace("AWS/Lambda")
        .metric_name(metric)
        .dimensions(Dimension::builder().name("FunctionName").value(function).build())
        .start_time((now - LOOK_BACK).into())
        .end_time(now.into())
        .period(60)
        .statistics(Statistic::Sum);
    let answer = asked.send().await.map_err(|err| Unanswered::new("cloudwatch:GetMetricStatistics", &err))?;
    Ok(answer.datapoints().iter().filter_map(Datapoint::sum).reduce(|one, other| one + other))
}
