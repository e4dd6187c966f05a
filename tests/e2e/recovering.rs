//! docs/recovering.md: a table is restored to a time in the past, and the stack uses it; tables that a deleted stack has left
//! become the tables of a new one.
//!
//! The emulator restores what the time asks for (`tests/harness/python/point_in_time.py`), at once. How long DynamoDB takes,
//! and what AWS's CloudFormation says of the imports, is on docs/unproven.md.

mod adopting;

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::Duration,
};

use harness::{Aws, Customer, Options, Producer, SOON, Said, Stack};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    RECEIVER, folder_of_this_run,
    operator::permissions::{User, permissions},
};

const ACCOUNT: &str = "acct_recovering";

/// One stack for all restores, because a stack takes long to start.
#[tokio::test]
async fn a_table_is_restored_to_a_time_and_the_stack_uses_it() {
    let options = Options {
        folder: folder_of_this_run().join("recovering"),
        parameters: vec![("DeletionProtection", "on")],
        ..Options::default()
    };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let aws = stack.aws().unwrap();
    let customer = Customer::new(&stack, &stack.create_api_key(ACCOUNT).unwrap());
    let webhook = json!({ "url": RECEIVER.url("/recovering"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    deliver(&stack, "task_before", 1).await;

    let then = a_time_between_two_writes().await;
    assert_eq!(customer.delete("/api/v1/webhooks/1").await.unwrap().status, 200);
    nothing_is_restored_without_a_yes(&stack, &aws, &then);
    what_cannot_be_restored_is_refused(&stack, &then);
    the_webhook_is_back(&stack, &aws, &customer, &then).await;
    the_restored_table_has_the_settings_of_the_old_one(&aws, &then);
    the_same_command_again_changes_nothing(&stack, &then);
    an_interrupted_restore_goes_on(&stack, &aws, &customer).await;
    a_deleted_tables_backup_is_taken(&stack, &aws, &customer).await;
}

fn ask(stack: &Stack, arguments: &[&str]) -> Said {
    stack.ask_operator(arguments, "").unwrap()
}

fn restore(stack: &Stack, table: &str, to: &str, more: &[&str]) -> Said {
    ask(stack, &[&["tables", "restore", table, "--to", to], more].concat())
}

/// Sends one completion, and waits until the endpoint has had so many deliveries.
async fn deliver(stack: &Stack, task: &str, count: usize) {
    let completion = json!({ "account_id": ACCOUNT, "task_id": task, "task_type": "image", "status": "completed" });
    Producer::new(stack).send(completion).await.unwrap();
    let received = RECEIVER.wait_for("/recovering", count, SOON).await.unwrap();
    assert_eq!(received[count - 1].json()["task_id"], task);
}

/// A second that has begun after everything so far, and has ended before everything that follows.
async fn a_time_between_two_writes() -> String {
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // The emulator's clock is this machine's.
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    now.to_string()
}

/// What the restored table's name ends with.
fn suffix(to: &str) -> String {
    format!("-{}", to.replace(['-', ':'], ""))
}

fn resource(aws: &Aws, id: &str) -> Option<String> {
    let all = aws.call("cloudformation", "DescribeStackResources", &json!({ "StackName": Stack::NAME })).unwrap();
    let found = all["StackResources"].as_array().unwrap().iter().find(|it| it["LogicalResourceId"] == id);
    Some(found?["PhysicalResourceId"].as_str().unwrap().to_owned())
}

fn table(aws: &Aws, name: &str) -> Option<Value> {
    let found = aws.call("dynamodb", "DescribeTable", &json!({ "TableName": name })).ok()?;
    Some(found["Table"].clone())
}

#[track_caller]
fn refused(said: &Said, code: i32, words: &str) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert!(said.err.contains(words), "{said:?}");
}

#[track_caller]
fn succeeded(said: &Said) {
    assert_eq!(said.code, Some(0), "{said:?}");
}

fn nothing_is_restored_without_a_yes(stack: &Stack, aws: &Aws, then: &str) {
    let said = restore(stack, "webhooks", then, &[]);
    refused(&said, 2, "minutes, or several hours");
    refused(&said, 2, "There is no terminal to answer on");
    assert!(table(aws, &format!("nano-webhooks-webhooks{}", suffix(then))).is_none(), "nothing was restored");
}

fn what_cannot_be_restored_is_refused(stack: &Stack, then: &str) {
    refused(&restore(stack, "waiting", then, &["--yes"]), 2, "api-keys, deliveries, events, webhooks");
    let early = restore(stack, "webhooks", "2020-01-02T03:04:05Z", &["--yes"]);
    refused(&early, 2, "nano-webhooks-webhooks can be restored to a time from 2");
    refused(&restore(stack, "webhooks", "2h", &["--yes"]), 2, "expected a time");
}

/// Its deletion is undone, and what is reported now reaches it.
async fn the_webhook_is_back(stack: &Stack, aws: &Aws, customer: &Customer, then: &str) {
    let tag = json!([{ "Key": "team", "Value": "jobs" }]);
    let old = table(aws, "nano-webhooks-webhooks").unwrap()["TableArn"].clone();
    aws.call("dynamodb", "TagResource", &json!({ "ResourceArn": old, "Tags": tag })).unwrap();
    let before = template(aws);

    let user = User::new(stack, &permissions(), "tables restore");
    let said = user.ask(stack, &["tables", "restore", "webhooks", "--to", then, "--yes"]);
    succeeded(&said);
    assert!(said.err.contains("  Remove   WebhooksTable (AWS::DynamoDB::Table)"), "{said:?}");
    assert!(said.err.contains("  Import   WebhooksTable (AWS::DynamoDB::Table)"), "{said:?}");
    assert!(!said.err.contains("Careful"), "{said:?}");
    let restored = format!("nano-webhooks-webhooks{}", suffix(then));
    assert!(said.err.contains(&format!("{restored} is the stack's table now.")), "{said:?}");
    assert!(said.err.contains("aws dynamodb delete-table --table-name nano-webhooks-webhooks\n"), "{said:?}");

    assert_eq!(resource(aws, "WebhooksTable"), Some(restored));
    assert!(template(aws) == before, "the stack has the template of before");
    assert!(table(aws, "nano-webhooks-webhooks").is_some(), "the old table is kept");
    let webhook = customer.data("/api/v1/webhooks/1").await.unwrap();
    assert_eq!(webhook["url"], RECEIVER.url("/recovering"));
    deliver(stack, "task_after", 2).await;
    let said = ask(stack, &["doctor", "--read-only"]);
    assert!(said.out.contains(&format!("nano-webhooks-webhooks{} is as in the template", suffix(then))), "{said:?}");
}

fn template(aws: &Aws) -> Value {
    let template = aws.call("cloudformation", "GetTemplate", &json!({ "StackName": Stack::NAME })).unwrap();
    let body = &template["TemplateBody"];
    body.as_str().map_or_else(|| body.clone(), |text| serde_json::from_str(text).unwrap())
}

fn the_restored_table_has_the_settings_of_the_old_one(aws: &Aws, then: &str) {
    let restored = format!("nano-webhooks-webhooks{}", suffix(then));
    let described = table(aws, &restored).unwrap();
    assert_eq!(described["DeletionProtectionEnabled"], true, "{described}");
    assert_eq!(described["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST", "{described}");
    let of = |operation: &str| aws.call("dynamodb", operation, &json!({ "TableName": restored })).unwrap();
    let expiry = of("DescribeTimeToLive")["TimeToLiveDescription"].take();
    assert_eq!(expiry, json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at" }));
    let recovery =
        of("DescribeContinuousBackups")["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"].take();
    assert_eq!(recovery["PointInTimeRecoveryStatus"], "ENABLED");
    let tags = json!({ "ResourceArn": described["TableArn"] });
    let tags = aws.call("dynamodb", "ListTagsOfResource", &tags).unwrap()["Tags"].take();
    assert!(tags.as_array().unwrap().contains(&json!({ "Key": "team", "Value": "jobs" })), "{tags}");
}

fn the_same_command_again_changes_nothing(stack: &Stack, then: &str) {
    let said = restore(stack, "webhooks", then, &["--json"]);
    succeeded(&said);
    let report = said.json();
    assert_eq!((&report["changed"], &report["kept"]), (&json!(false), &json!(["nano-webhooks-webhooks"])), "{report}");
}

/// Interrupts a restore of the table with the stream: after DynamoDB's part, and after the table has left the stack.
async fn an_interrupted_restore_goes_on(stack: &Stack, aws: &Aws, customer: &Customer) {
    let then = a_time_between_two_writes().await;
    let restored = format!("nano-webhooks-deliveries{}", suffix(&then));
    let order =
        json!({ "SourceTableName": "nano-webhooks-deliveries", "TargetTableName": restored, "RestoreDateTime": then });
    aws.call("dynamodb", "RestoreTableToPointInTime", &order).unwrap();

    let mut command = stack.operator_command().unwrap();
    command.args(["tables", "restore", "deliveries", "--yes", "--to", &then]).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with(&format!("  1. {restored} gets its settings")), "it is restored already");
    lines.find(|line| line == &format!("The functions use {restored}.")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(resource(aws, "DeliveriesTable"), None);
    refused(&restore(stack, "deliveries", &then, &[]), 2, "Go on?");

    let said = restore(stack, "deliveries", &then, &["--yes"]);
    succeeded(&said);
    assert!(said.err.starts_with(&format!("  1. the stack imports {restored}")), "{said:?}");
    assert_eq!(resource(aws, "DeliveriesTable"), Some(restored.clone()));
    only_the_restored_tables_stream_is_read(aws, &restored);
    let deliveries = async || customer.data("/api/v1/webhooks/1/deliveries").await.unwrap()["deliveries"].clone();
    assert_eq!(deliveries().await.as_array().unwrap().len(), 2, "the history is there");
    let counted = hours(customer).await;
    deliver(stack, "task_counted", 3).await;
    let start = std::time::Instant::now();
    while hours(customer).await <= counted {
        assert!(start.elapsed() < Duration::from_mins(1), "the new stream is not read");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn only_the_restored_tables_stream_is_read(aws: &Aws, restored: &str) {
    let stream = table(aws, restored).unwrap()["LatestStreamArn"].clone();
    let mappings = aws.call("lambda", "ListEventSourceMappings", &json!({})).unwrap();
    let mappings = mappings["EventSourceMappings"].as_array().unwrap().clone();
    let of_streams: Vec<_> = mappings
        .iter()
        .map(|mapping| &mapping["EventSourceArn"])
        .filter(|arn| arn.as_str().unwrap().contains(":dynamodb:"))
        .collect();
    assert_eq!(of_streams, [&stream, &stream], "count-attempts and watch-webhooks");
}

/// How many deliveries the webhook's statistics have.
async fn hours(customer: &Customer) -> u64 {
    let stats = customer.data("/api/v1/webhooks/1/stats").await.unwrap();
    stats["hours"].as_array().unwrap().iter().filter_map(|hour| hour["deliveries"].as_u64()).sum()
}

/// Somebody has deleted the keys. DynamoDB keeps a backup of a deleted table, which the operator restores under a name with a
/// time; here the test makes the backup.
async fn a_deleted_tables_backup_is_taken(stack: &Stack, aws: &Aws, customer: &Customer) {
    let call = |operation: &str, parameters: Value| aws.call("dynamodb", operation, &parameters).unwrap();
    let backup = call("CreateBackup", json!({ "TableName": "nano-webhooks-api-keys", "BackupName": "deleted" }));
    call("UpdateTable", json!({ "TableName": "nano-webhooks-api-keys", "DeletionProtectionEnabled": false }));
    call("DeleteTable", json!({ "TableName": "nano-webhooks-api-keys" }));
    assert_eq!(customer.get("/api/v1/webhooks/1").await.unwrap().status, 500);
    let said = restore(stack, "api-keys", "2026-01-02T03:04:05Z", &["--yes"]);
    refused(&said, 3, "nano-webhooks-api-keys was deleted: docs/recovering.md says how to restore its backup first");

    let restored = "nano-webhooks-api-keys-20260102T030405Z";
    let arn = &backup["BackupDetails"]["BackupArn"];
    call("RestoreTableFromBackup", json!({ "TargetTableName": restored, "BackupArn": arn }));
    let said = restore(stack, "api-keys", "2026-01-02T03:04:05Z", &["--yes"]);
    succeeded(&said);
    assert_eq!(resource(aws, "ApiKeysTable").as_deref(), Some(restored));
    assert_eq!(table(aws, restored).unwrap()["DeletionProtectionEnabled"], true);
    assert_eq!(customer.get("/api/v1/webhooks/1").await.unwrap().status, 200);
}
