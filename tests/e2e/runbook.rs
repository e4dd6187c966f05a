//! AWS's answers have the form that `docs/runbook.md` relies on. `cli/src/documents.rs` tests that the documents spell the
//! operator's commands correctly, `operator.rs` what they do, and `alarms.rs` stopping and starting a function's queue.

use harness::Stack;
use serde_json::{Value, json};

use crate::STACK;

#[test]
fn what_the_runbook_asks_of_aws_is_answered() {
    let aws = STACK.aws().unwrap();
    let call = |service: &str, operation: &str, parameters: Value| aws.call(service, operation, &parameters).unwrap();
    let stack = json!({ "StackName": Stack::NAME });
    let stacks = call("cloudformation", "DescribeStacks", stack.clone());
    let outputs = stacks["Stacks"][0]["Outputs"].as_array().unwrap();
    let queue = &outputs.iter().find(|it| it["OutputKey"] == "CompletionsQueueArn").unwrap()["OutputValue"];
    let mappings = call("lambda", "ListEventSourceMappings", json!({ "EventSourceArn": queue }));
    assert_eq!(mappings["EventSourceMappings"][0]["State"], "Enabled");

    let resource = json!({ "StackName": Stack::NAME, "LogicalResourceId": "DispatcherFunction" });
    let resource = call("cloudformation", "DescribeStackResources", resource);
    let function = &resource["StackResources"][0]["PhysicalResourceId"];
    let reserved = call("lambda", "GetFunctionConcurrency", json!({ "FunctionName": function }));
    assert!(reserved.get("ReservedConcurrentExecutions").is_none(), "{reserved}");
    let settings = call("lambda", "GetAccountSettings", json!({}));
    assert!(settings["AccountLimit"]["UnreservedConcurrentExecutions"].as_u64() > Some(0), "{settings}");
    let events = call("cloudformation", "DescribeStackEvents", stack);
    assert!(events["StackEvents"][0]["ResourceStatus"].is_string(), "{events}");

    let query = json!({ "logGroupName": "/aws/lambda/nano-webhooks-dispatcher", "startTime": 0, "endTime": 4_000_000_000_u64,
        "queryString": r#"filter message = "attempt" | stats count() by outcome"# });
    let query = call("logs", "StartQuery", query);
    let results = call("logs", "GetQueryResults", json!({ "queryId": query["queryId"] }));
    assert!(results["status"].is_string(), "{results}");
}
