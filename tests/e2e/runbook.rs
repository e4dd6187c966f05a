//! The commands in `docs/runbook.md`, `docs/deploying.md` and `docs/recovering.md` are valid.
//!
//! `operator.rs` tests what the operator's commands do; `alarms.rs` tests stopping and starting a function's queue.
//! These tests check that the documents spell the commands correctly, and that AWS's answers have the form that the
//! documents rely on.

use std::fs;

use harness::{Stack, workspace};
use serde_json::{Value, json};

use crate::STACK;

/// The documents' placeholders for things of the operator's own.
const PLACEHOLDERS: [(&str, &str); 4] =
    [("ID", "1"), ("ACCOUNT", "acct_1"), ("DELIVERY", "01KDYAK3482WAV4DVEFM6KBDXQ"), ("KEY", "key_3f9c2a71b0d4e586")];

#[test]
fn every_command_in_the_operators_documents_is_one() {
    let mut checked = 0;
    for document in ["docs/runbook.md", "docs/deploying.md", "docs/recovering.md"] {
        let text = fs::read_to_string(workspace().join(document)).unwrap();
        for command in commands(&text) {
            // With `--help` the command line is parsed and nothing is done.
            let words: Vec<_> = command.iter().map(String::as_str).chain(["--help"]).collect();
            STACK.operator(&words).unwrap_or_else(|failure| panic!("{document}: {failure}"));
            checked += 1;
        }
    }
    assert!(checked > 30, "only {checked} commands were found in the documents");
}

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

/// The arguments of each `nano-webhooks` in a document: in lines of code blocks, and in code spans of sentences.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, part) in text.split("```").enumerate() {
        if at % 2 == 1 {
            let lines = part.lines().map(|line| line.trim_start_matches("$ "));
            found.extend(lines.filter_map(|line| line.strip_prefix("nano-webhooks ")).map(arguments));
        } else {
            let spans =
                part.split('`').skip(1).step_by(2).map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "));
            found.extend(spans.filter_map(|span| span.strip_prefix("nano-webhooks ").map(arguments)));
        }
    }
    found
}

/// The words of a command up to a comment, a redirection, a pipe, or an argument that is JSON.
fn arguments(command: &str) -> Vec<String> {
    let words = command.split_whitespace().take_while(|word| !word.starts_with(['#', '>', '|', '\'']));
    let named =
        |word: &str| PLACEHOLDERS.iter().find(|(name, _)| *name == word).map_or(word, |(_, value)| value).to_owned();
    words.map(named).collect()
}
