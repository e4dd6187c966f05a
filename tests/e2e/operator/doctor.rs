//! The command `doctor`, on its own stacks: a healthy one, which the test then breaks in several ways.

use std::time::SystemTime;

use aws_sdk_cloudwatch::{
    Client as CloudWatch, Config,
    config::{BehaviorVersion, Credentials, Region},
    types::{Dimension, MetricDatum},
};
use harness::{Answer, Options, Producer, Stack};
use serde_json::{Value, json};

use super::{ask, assert_refused, json_of};
use crate::{RECEIVER, folder_of_this_run};

fn start(name: &str, parameters: Vec<(&'static str, &'static str)>) -> Stack {
    let options = Options { folder: folder_of_this_run().join(name), parameters, ..Options::default() };
    Stack::start(&options, &|_| {}).unwrap()
}

/// The checks that failed.
fn failed_checks(stack: &Stack, arguments: &[&str]) -> Vec<(String, String)> {
    let said = ask(stack, &[&["doctor", "--json"], arguments].concat());
    let report = said.json();
    let checks = report["checks"].as_array().unwrap_or_else(|| panic!("{said:?}"));
    let failed: Vec<_> = checks.iter().filter(|check| check["state"] == "failed").collect();
    assert!(failed.iter().all(|check| check["advice"].is_string()), "{report}");
    assert_eq!(
        (report["healthy"] == true, said.code),
        (failed.is_empty(), Some(if failed.is_empty() { 0 } else { 4 }))
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    failed.into_iter().map(|check| (text(&check["check"]), text(&check["found"]))).collect()
}

#[track_caller]
fn assert_failed(failed: &[(String, String)], expected: &[(&str, &str)]) {
    let names = |of: &[(&str, &str)]| of.iter().map(|(check, _)| (*check).to_owned()).collect::<Vec<_>>();
    assert_eq!(failed.iter().map(|(check, _)| check.clone()).collect::<Vec<_>>(), names(expected), "{failed:?}");
    for ((_, found), (_, words)) in failed.iter().zip(expected) {
        assert!(found.contains(words), "{found}");
    }
}

#[tokio::test]
async fn the_doctor_passes_a_healthy_stack_and_names_what_is_broken() {
    let stack = start("doctor", Vec::new());
    a_healthy_stack_passes(&stack);
    an_endpoint_is_judged_by_its_answer(&stack);
    dead_letters_and_old_completions_are_found(&stack).await;
    what_is_switched_off_or_fails_is_found(&stack).await;
    a_missing_redrive_policy_is_found(&stack).await;
    what_was_deleted_is_found(&stack);
}

fn a_healthy_stack_passes(stack: &Stack) {
    let said = ask(stack, &["doctor"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines = [
        "stack",
        "concurrency",
        "table",
        "queue",
        "dead letters",
        "event source",
        "schedule",
        "api",
        "clock",
        "key",
        "test delivery",
    ];
    for line in lines.map(|check| format!("✓ {check} ")) {
        assert!(said.out.contains(&line), "{line}: {}", said.out);
    }
    assert!(said.out.contains("its signature is right") && !said.out.contains('✗'), "{}", said.out);
    for noun in ["webhooks", "keys"] {
        assert_eq!(json_of(stack, &[noun, "list", "--account", "nano-webhooks-doctor"]), json!([]), "it is deleted");
    }
}

fn an_endpoint_is_judged_by_its_answer(stack: &Stack) {
    assert_failed(&failed_checks(stack, &["--endpoint", &RECEIVER.url("/doctor")]), &[]);
    RECEIVER.answer("/doctor", vec![Answer::status(500); 20]);
    let refused = failed_checks(stack, &["--endpoint", &RECEIVER.url("/doctor")]);
    assert_failed(&refused, &[("test delivery", "the endpoint answered 500")]);
    assert_refused(&ask(stack, &["doctor", "--endpoint", "https://10.0.0.1/"]), 2, "--endpoint may not be called");

    // A server that is not the API.
    let elsewhere = RECEIVER.url("");
    assert_failed(
        &failed_checks(stack, &["--read-only", "--api-url", &elsewhere]),
        &[("api", "answers 200 without a key")],
    );
}

async fn dead_letters_and_old_completions_are_found(stack: &Stack) {
    let producer = Producer::new(stack);
    producer.forge_dead_letter("dead", Some("it is not JSON")).await.unwrap();
    assert_failed(&failed_checks(stack, &["--read-only"]), &[("dead letters", "1 on nano-webhooks-dead-letters")]);
    ask(stack, &["dead-letters", "purge", "--all", "--yes"]);

    report_age(stack, 2_000.0).await;
    assert_failed(
        &failed_checks(stack, &["--read-only"]),
        &[("age", "nano-webhooks-completions: the oldest has waited 2000 s")],
    );
}

async fn what_is_switched_off_or_fails_is_found(stack: &Stack) {
    let aws = stack.aws().unwrap();
    let resources = json!({ "StackName": Stack::NAME });
    let resources = aws.call("cloudformation", "DescribeStackResources", &resources).unwrap();
    let physical = |name: &str| {
        let resources = resources["StackResources"].as_array().unwrap();
        resources.iter().find(|it| it["LogicalResourceId"] == name).unwrap()["PhysicalResourceId"].clone()
    };
    let (source, rule) = (physical("DispatcherFunctionDeliveries"), physical("ReleaseFunctionEveryMinute"));
    aws.call("lambda", "UpdateEventSourceMapping", &json!({ "UUID": source, "Enabled": false })).unwrap();
    aws.call("events", "DisableRule", &json!({ "Name": rule })).unwrap();
    let function = physical("ReleaseFunction");
    let function = ("FunctionName", function.as_str().unwrap());
    report_metric(stack, ("AWS/Lambda", "Invocations"), function, 3.0).await;
    report_metric(stack, ("AWS/Lambda", "Errors"), function, 3.0).await;
    let off = [
        ("age", "nano-webhooks-completions: the oldest has waited 2000 s"),
        ("event source", "nano-webhooks-dispatcher's is Disabled"),
        ("schedule", "nano-webhooks-release's is off"),
        ("release", "nano-webhooks-release has failed each time in 10 minutes"),
    ];
    assert_failed(&failed_checks(stack, &["--read-only"]), &off);
    aws.call("lambda", "UpdateEventSourceMapping", &json!({ "UUID": source, "Enabled": true })).unwrap();
    aws.call("events", "EnableRule", &json!({ "Name": rule })).unwrap();
    report_metric(stack, ("AWS/Lambda", "Invocations"), function, 1.0).await;
    assert_failed(&failed_checks(stack, &["--read-only"]), &off[..1]);
}

async fn a_missing_redrive_policy_is_found(stack: &Stack) {
    Producer::new(stack).forget_redrive_policy().await.unwrap();
    let broken = ask(stack, &["doctor", "--read-only"]);
    assert_eq!(broken.code, Some(4));
    assert!(
        broken.out.contains("✗ queue               nano-webhooks-deliveries has no redrive policy"),
        "{}",
        broken.out
    );
    assert!(broken.out.contains("→ deploy the template again"), "{}", broken.out);
}

fn what_was_deleted_is_found(stack: &Stack) {
    let aws = stack.aws().unwrap();
    aws.call("dynamodb", "DeleteTable", &json!({ "TableName": "nano-webhooks-usage" })).unwrap();
    aws.call("logs", "DeleteLogGroup", &json!({ "logGroupName": "/aws/lambda/nano-webhooks-fan-out" })).unwrap();
    let said = ask(stack, &["doctor", "--read-only"]);
    for check in ["✗ table               nano-webhooks-usage: ResourceNotFoundException", "✗ log "] {
        let line = said.out.lines().skip_while(|line| !line.starts_with(check)).nth(1).unwrap_or_default();
        assert!(line.contains("→ somebody has deleted it"), "{}", said.out);
    }
}

#[tokio::test]
async fn under_a_strict_policy_the_doctor_calls_no_endpoint_and_says_so() {
    let stack = start("doctor-strict", vec![("EgressPolicy", "strict")]);
    let said = ask(&stack, &["doctor"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("✓ test delivery       failed, in the history") && said.out.contains("cannot be called"));
    assert!(said.out.contains("– delivering itself   was not tried"), "{}", said.out);
    assert_failed(
        &failed_checks(&stack, &["--stack", "no-such-stack"]),
        &[("stack", "there is no stack no-such-stack")],
    );
}

/// Publishes the metric that SQS would publish for the completions queue; the emulator publishes none.
async fn report_age(stack: &Stack, seconds: f64) {
    let queue = ("QueueName", "nano-webhooks-completions");
    report_metric(stack, ("AWS/SQS", "ApproximateAgeOfOldestMessage"), queue, seconds).await;
}

async fn report_metric(stack: &Stack, (namespace, name): (&str, &str), of: (&str, &str), value: f64) {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(stack.endpoint())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "local"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let dimension = Dimension::builder().name(of.0).value(of.1).build();
    let datum = MetricDatum::builder()
        .metric_name(name)
        .dimensions(dimension)
        .timestamp(SystemTime::now().into())
        .value(value)
        .build();
    CloudWatch::from_conf(config).put_metric_data().namespace(namespace).metric_data(datum).send().await.unwrap();
}
