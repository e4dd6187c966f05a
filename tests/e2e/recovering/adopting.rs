//! A stack is deleted, and a new one takes its tables and queues.

use std::{path::Path, thread::sleep, time::Duration};

use harness::{Account, Aws, Customer, Options, SOON, Said, Stack, release};
use serde_json::{Value, json};

use super::{a_time_between_two_writes, refused, resource, succeeded};
use crate::{
    RECEIVER, folder_of_this_run,
    operator::permissions::{User, permissions},
};

const ACCOUNT: &str = "acct_adopted";
/// What this machine needs to differ from a real account.
const HERE: [&str; 4] = ["--set", "EgressPolicy=local", "--set", "FanOutMaximumConcurrency=5"];

/// A command about the release with these settings.
fn of_release<'a>(arguments: &[&'a str], dist: &'a Path) -> Vec<&'a str> {
    let of = ["--from", dist.to_str().unwrap(), "--version", "0.1.0", "--set", "DeliveryVisibilityTimeoutSeconds=200"];
    [arguments, &of].concat()
}

fn ask(stack: &Stack, dist: &Path, arguments: &[&str]) -> Said {
    stack.ask_operator(&of_release(arguments, dist), "").unwrap()
}

#[tokio::test]
async fn the_tables_and_queues_of_a_deleted_stack_become_those_of_a_new_one() {
    let options = Options { folder: folder_of_this_run().join("adopting"), ..Options::default() };
    let account = Account::open(&options, &|_| {}).unwrap();
    let dist = options.folder.join("0.1.0");
    release(&dist, "0.1.0", None).unwrap();
    let deploy = [["deploy", "--yes", "--json", "--account", ACCOUNT].as_slice(), &HERE].concat();
    let deployed = account.ask_operator(&of_release(&deploy, &dist)).unwrap();
    succeeded(&deployed);
    let key = deployed.json()["key"]["key"].as_str().unwrap().to_owned();
    let stack = Stack::deployed_in(account).unwrap();
    let aws = stack.aws().unwrap();
    let adopted_twice = ask(&stack, &dist, &["tables", "adopt", "--yes"]);
    refused(&adopted_twice, 1, "the stack nano-webhooks is there (CREATE_COMPLETE)");
    let customer = Customer::new(&stack, &stack.known_key(ACCOUNT, &key));
    let webhook = json!({ "url": RECEIVER.url("/adopted"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    let then = a_time_between_two_writes().await;

    delete_the_stack(&aws);
    send(&aws, &stack.completions_queue_url, "task_meanwhile");
    let beside = ask(&stack, &dist, &[["deploy", "--yes"].as_slice(), &HERE].concat());
    refused(&beside, 1, "tables adopt` begins the new stack with them");
    for kept in ["nano-webhooks-api-keys", "nano-webhooks-dead-letters"] {
        assert!(beside.err.contains(kept), "{beside:?}");
    }
    nothing_is_adopted_without_a_yes(&stack, &dist, &aws);
    of_two_tables_one_has_to_be_named(&stack, &dist, &aws, &then);
    everything_is_adopted(&stack, &dist, &aws);
    the_doctor_says_that_the_rest_is_missing(&stack);
    succeeded(&ask(&stack, &dist, &[["deploy", "--yes"].as_slice(), &HERE].concat()));

    let received = RECEIVER.wait_for("/adopted", 1, SOON).await.unwrap();
    assert_eq!(received[0].json()["task_id"], "task_meanwhile", "what waited on the queue is delivered");
    let keys = stack.operator(&["keys", "list", "--account", ACCOUNT]).unwrap();
    assert!(keys.contains("full"), "the key is there: {keys}");
    let doctor = stack.ask_operator(&["doctor", "--read-only"], "").unwrap();
    assert!(doctor.out.contains("nano-webhooks-webhooks-20260102T030405Z is as in the template"), "{doctor:?}");
}

fn send(aws: &Aws, queue: &str, task: &str) {
    let body = json!({ "account_id": ACCOUNT, "task_id": task, "task_type": "image", "status": "completed" });
    aws.call("sqs", "SendMessage", &json!({ "QueueUrl": queue, "MessageBody": body.to_string() })).unwrap();
}

fn delete_the_stack(aws: &Aws) {
    let id = stack_of(aws).unwrap()["StackId"].clone();
    aws.call("cloudformation", "DeleteStack", &json!({ "StackName": Stack::NAME })).unwrap();
    let status = || {
        let stacks = aws.call("cloudformation", "DescribeStacks", &json!({ "StackName": id })).unwrap();
        stacks["Stacks"][0]["StackStatus"].clone()
    };
    for _ in 0..300 {
        if status() == "DELETE_COMPLETE" {
            return;
        }
        sleep(Duration::from_millis(200));
    }
    panic!("the stack is {}", status());
}

fn stack_of(aws: &Aws) -> Option<Value> {
    let stacks = aws.call("cloudformation", "DescribeStacks", &json!({ "StackName": Stack::NAME })).ok()?;
    Some(stacks["Stacks"][0].clone())
}

fn nothing_is_adopted_without_a_yes(stack: &Stack, dist: &Path, aws: &Aws) {
    let said = ask(stack, dist, &["tables", "adopt"]);
    refused(&said, 2, "Begin the stack nano-webhooks in us-east-1 of account 000000000000 with these?");
    for line in ["  Import   WebhooksTable (AWS::DynamoDB::Table)", "  Import   DeadLetterQueue (AWS::SQS::Queue)"] {
        assert!(said.err.contains(line), "{said:?}");
    }
    assert!(stack_of(aws).is_none_or(|stack| stack["StackStatus"] == "DELETE_COMPLETE"), "an empty stack is left");
}

/// A restore to the time `then` has left its table beside the first one.
fn of_two_tables_one_has_to_be_named(stack: &Stack, dist: &Path, aws: &Aws, then: &str) {
    let restored = "nano-webhooks-webhooks-20260102T030405Z";
    let order =
        json!({ "SourceTableName": "nano-webhooks-webhooks", "TargetTableName": restored, "RestoreDateTime": then });
    aws.call("dynamodb", "RestoreTableToPointInTime", &order).unwrap();
    let said = ask(stack, dist, &["tables", "adopt", "--yes"]);
    refused(&said, 2, &format!("WebhooksTable can be any of nano-webhooks-webhooks, {restored}"));
    let said = ask(stack, dist, &["tables", "adopt", "--yes", "--table", "WebhooksTable=nano-webhooks-events"]);
    refused(&said, 2, "nano-webhooks-events cannot be WebhooksTable");
}

fn the_doctor_says_that_the_rest_is_missing(stack: &Stack) {
    let said = stack.ask_operator(&["doctor"], "").unwrap();
    assert_eq!(said.code, Some(4), "{said:?}");
    for line in ["✗ outputs             ApiUrl, ", "✗ event source        nano-webhooks-fan-out's is not in the stack"]
    {
        assert!(said.out.contains(line), "{}", said.out);
    }
    assert!(said.out.contains("→ deploy the template") && !said.out.contains("your credentials"), "{}", said.out);
}

fn everything_is_adopted(stack: &Stack, dist: &Path, aws: &Aws) {
    let restored = "nano-webhooks-webhooks-20260102T030405Z";
    let table = format!("WebhooksTable={restored}");
    let user = User::new(stack, &permissions(), "tables adopt");
    let said = user.ask(stack, &of_release(&["tables", "adopt", "--yes", "--table", &table], dist));
    succeeded(&said);
    assert!(said.err.contains("has 9 tables and queues, and nothing else yet"), "{said:?}");
    assert!(said.err.contains("set time to live, by expires_at\n  set point-in-time recovery"), "{said:?}");
    assert_eq!(resource(aws, "WebhooksTable").as_deref(), Some(restored));
    assert_eq!(resource(aws, "UsageTable").as_deref(), Some("nano-webhooks-usage"));
    let stack = stack_of(aws).unwrap();
    let parameters = stack["Parameters"].as_array().unwrap();
    let parameter = |name: &str| &parameters.iter().find(|it| it["ParameterKey"] == name).unwrap()["ParameterValue"];
    assert_eq!(parameter("WebhooksTableSuffix"), "-20260102T030405Z");
    assert_eq!(parameter("DeliveryVisibilityTimeoutSeconds"), "200");
    assert_eq!(parameter("DeletionProtection"), "off");
}
