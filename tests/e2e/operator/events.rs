//! The operator finds out what became of a customer's task.

use std::time::Duration;

use harness::SOON;
use serde_json::json;

use super::{ask, assert_refused, completion, json_of, register};
use crate::{RECEIVER, STACK};

#[tokio::test]
async fn an_event_is_found_by_its_task_and_shown_with_its_status_at_each_webhook() {
    let account = "acct_op_events";
    let customer = register(&STACK, account).await;
    let other = json!({ "url": RECEIVER.url("/acct_op_events/2"), "events": ["job.failed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &other).await.unwrap().status, 201);
    for task in ["task_1", "task_2", "-task\u{1b}[2J"] {
        ask(&STACK, &["completions", "send", &completion(account, task)]);
    }
    RECEIVER.wait_for("/acct_op_events", 3, SOON).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;

    let list = ["events", "list", "--account", account];
    let found = json_of(&STACK, &[list.as_slice(), &["--task-id", "task_2"]].concat());
    let events = found["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[0]["task_id"]), (1, &json!("task_2")));
    assert_eq!(events[0]["webhooks"], json!([{ "id": 1, "status": "delivered" }]));
    let table = ask(&STACK, &list).out;
    assert!(table.starts_with("ID") && table.contains("1 delivered") && table.contains("task_1"), "{table}");
    assert!(!table.chars().any(|char| char.is_control() && char != '\n'), "{table:?}");
    let none = json_of(&STACK, &[list.as_slice(), &["--since", "0s"]].concat());
    assert_eq!(none["events"], json!([]));

    let first = json_of(&STACK, &[list.as_slice(), &["--limit", "2"]].concat());
    let before = first["next_before"].as_str().unwrap();
    let rest = json_of(&STACK, &[list.as_slice(), &["--before", before]].concat());
    assert_eq!((first["events"].as_array().unwrap().len(), rest["events"].as_array().unwrap().len()), (2, 1));
    assert_eq!(rest["next_before"], json!(null));

    let id = events[0]["id"].as_str().unwrap();
    let shown = ask(&STACK, &["events", "show", id, "--account", account]).out;
    assert!(shown.contains(r#""task_id":"task_2""#), "{shown}");
    assert!(shown.contains("webhook 2 subscribes to job.failed only"), "{shown}");
    let whole = json_of(&STACK, &["events", "show", id, "--account", account]);
    assert_eq!((&whole["account_id"], &whole["payload"]["task_id"]), (&json!(account), &json!("task_2")));
    assert_refused(&ask(&STACK, &["events", "show", id, "--account", "acct_op_other"]), 3, "there is no event");
}
