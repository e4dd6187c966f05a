//! Checks the queues: they exist, have a dead-letter queue, and are being worked on.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::{
    Client as CloudWatch,
    primitives::DateTime,
    types::{Datapoint, Dimension, Statistic},
};
use aws_sdk_sqs::{Client, types::QueueAttributeName};
use serde_json::Value;

use super::report::Report;
use crate::{
    failure::{Failure, Unanswered},
    stack::Stack,
};

/// Age of the oldest completion, in seconds, at which the template's alarm goes off.
const TOO_OLD: f64 = 900.0;
/// The `maxReceiveCount` of the completions queue in the template.
const COMPLETION_RECEIVES: u64 = 240;
/// The smallest `maxReceiveCount` of the deliveries queue that the template accepts.
const LEAST_DELIVERY_RECEIVES: u64 = 20;
/// How far back the metric is read: SQS reports it some minutes late.
const LOOK_BACK: Duration = Duration::from_mins(15);

/// A queue's attributes in SQS.
struct Queue {
    name: String,
    arn: String,
    redrive: Option<Value>,
    visible: u64,
    in_flight: u64,
    delayed: u64,
}

pub(super) async fn check(report: &mut Report, stack: &Stack) -> Result<(), Failure> {
    let client = Client::new(&stack.aws);
    let mut queues = Vec::new();
    for output in ["CompletionsQueueUrl", "DeliveriesQueueUrl", "DeadLetterQueueUrl"] {
        // `doctor::check_stack` has reported a missing output.
        let Ok(url) = stack.output(output) else { return Ok(()) };
        match read(&client, url).await {
            Ok(queue) => queues.push(queue),
            Err(err) => return report.unanswered("queue", name_of(url), &err),
        }
    }
    let [completions, deliveries, dead_letters] = queues.as_slice() else { unreachable!("three were read") };
    let receives = stack.parameter("MaxReceiveCount").and_then(|text| text.parse().ok());
    check_redrive(report, completions, dead_letters, COMPLETION_RECEIVES)?;
    check_redrive(report, deliveries, dead_letters, receives.unwrap_or(LEAST_DELIVERY_RECEIVES))?;
    check_dead_letters(report, stack, &client, dead_letters).await?;
    for queue in [completions, deliveries] {
        let Queue { name, visible, in_flight, delayed, .. } = queue;
        let found = format!("{name}: {visible} due, {in_flight} being worked on, {delayed} due within 15 minutes");
        report.passed("messages", &found)?;
    }
    check_age(report, stack, completions).await
}

fn check_redrive(report: &mut Report, queue: &Queue, dead_letters: &Queue, least: u64) -> Result<(), Failure> {
    let advice = "deploy the template again, or set the queue's redrive policy back by hand";
    let Some(policy) = &queue.redrive else {
        let found =
            format!("{} has no redrive policy: what cannot be processed is tried until it is too old", queue.name);
        return report.failed("queue", &found, advice);
    };
    // SQS returns the number as it was set: as a number or as a string.
    let receives = policy["maxReceiveCount"].as_u64().or_else(|| policy["maxReceiveCount"].as_str()?.parse().ok());
    if policy["deadLetterTargetArn"] != dead_letters.arn.as_str() {
        let found = format!("{}'s dead letters do not go to {}", queue.name, dead_letters.name);
        return report.failed("queue", &found, advice);
    }
    match receives {
        Some(receives) if receives >= least => {
            report.passed("queue", &format!("{}, its dead letters after {receives} receives", queue.name))
        }
        _ => {
            let receives = receives.map_or_else(|| "an unknown number of".to_owned(), |receives| receives.to_string());
            report.failed("queue", &format!("{} gives up after {receives} receives, not {least}", queue.name), advice)
        }
    }
}

async fn check_dead_letters(report: &mut Report, stack: &Stack, client: &Client, queue: &Queue) -> Result<(), Failure> {
    let count = queue.visible + queue.in_flight;
    if count > 0 {
        let advice = "`dead-letters list` says why they are there and what to do";
        report.failed("dead letters", &format!("{count} on {}", queue.name), advice)?;
    } else {
        report.passed("dead letters", &format!("none on {}", queue.name))?;
    }
    // Only checks the permission: with a visibility timeout of 0 the message stays visible.
    let url = stack.output("DeadLetterQueueUrl")?;
    match client.receive_message().queue_url(url).visibility_timeout(0).send().await {
        Ok(_) => Ok(()),
        Err(err) => report.unanswered("dead letters", &queue.name, &Unanswered::new("sqs:ReceiveMessage", &err)),
    }
}

async fn check_age(report: &mut Report, stack: &Stack, queue: &Queue) -> Result<(), Failure> {
    let now = SystemTime::now();
    let asked = CloudWatch::new(&stack.aws)
        .get_metric_statistics()
        .namespace("AWS/SQS")
        .metric_name("ApproximateAgeOfOldestMessage")
        .dimensions(Dimension::builder().name("QueueName").value(&queue.name).build())
        .start_time((now - LOOK_BACK).into())
        .end_time(now.into())
        .period(60)
        .statistics(Statistic::Maximum);
    let points = match asked.send().await {
        Ok(answer) => answer.datapoints.unwrap_or_default(),
        Err(err) => {
            return report.unanswered("age", &queue.name, &Unanswered::new("cloudwatch:GetMetricStatistics", &err));
        }
    };
    let latest = points.iter().max_by_key(|point| point.timestamp().map(DateTime::secs));
    let Some(age) = latest.and_then(Datapoint::maximum) else {
        // SQS reports no metric for a queue that was idle for hours, and the emulator reports none at all.
        return report.unknown("age", &format!("{}: CloudWatch has no figure", queue.name), None);
    };
    let found = format!("{}: the oldest has waited {age:.0} s", queue.name);
    if age > TOO_OLD {
        let advice = format!("fan-out fails or does not keep up: look in {}", stack.log_group("fan-out"));
        return report.failed("age", &found, &advice);
    }
    report.passed("age", &found)
}

async fn read(client: &Client, url: &str) -> Result<Queue, Unanswered> {
    let asked = client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
    let answer = asked.send().await.map_err(|err| Unanswered::new("sqs:GetQueueAttributes", &err))?;
    let attributes = answer.attributes.unwrap_or_default();
    let text = |name| attributes.get(&name).map(String::as_str);
    let number = |name| text(name).and_then(|text| text.parse().ok()).unwrap_or_default();
    Ok(Queue {
        name: name_of(url).to_owned(),
        arn: text(QueueAttributeName::QueueArn).unwrap_or_default().to_owned(),
        redrive: text(QueueAttributeName::RedrivePolicy).and_then(|policy| serde_json::from_str(policy).ok()),
        visible: number(QueueAttributeName::ApproximateNumberOfMessages),
        in_flight: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
        delayed: number(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
    })
}

fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
