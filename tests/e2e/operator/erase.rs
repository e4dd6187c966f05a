//! The operator erases an account.

use std::time::Duration;

use harness::{Answer, SOON};
use serde_json::json;

use super::{ask, assert_refused, json_of, register};
use crate::{RECEIVER, STACK, events::items_with};

const MARK: &str = "a-prompt-of-a-customer-who-left";

fn completion(task: &str) -> String {
    json!({ "account_id": "acct_op_erased", "task_id": task, "task_type": "image", "status": "completed",
        "data": { "prompt": MARK } })
    .to_string()
}

#[tokio::test]
async fn an_account_is_erased_only_when_somebody_says_yes_and_nothing_of_its_payloads_is_left() {
    let account = "acct_op_erased";
    let customer = register(&STACK, account).await;
    let second = json!({ "url": RECEIVER.url("/acct_op_erased/2"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &second).await.unwrap().status, 201);
    let body = Answer { body: format!("{MARK} {}", "x".repeat(600)).into(), ..Answer::status(500) };
    let later = Answer { headers: vec![("retry-after", "3600".into())], ..body.clone() };
    RECEIVER.answer("/acct_op_erased", [body]);
    RECEIVER.answer("/acct_op_erased/2", vec![later; 10]);
    for task in ["task_1", "task_2"] {
        ask(&STACK, &["completions", "send", &completion(task)]);
    }
    RECEIVER.wait_for("/acct_op_erased", 3, SOON).await.unwrap();
    RECEIVER.wait_for("/acct_op_erased/2", 2, SOON).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // A deleted webhook's deliveries are erased, too.
    assert_eq!(customer.delete("/api/v1/webhooks/2").await.unwrap().status, 200);
    assert!(items_with(MARK).len() >= 4);

    let erase = ["accounts", "erase", account];
    assert_refused(&ask(&STACK, &erase), 2, "Erase acct_op_erased (keys: 1, webhooks: 1) and the payload");
    assert!(items_with(MARK).len() >= 4);
    let erased = json_of(&STACK, &["accounts", "erase", account, "--yes"]);
    assert_eq!(json!([erased["keys"], erased["webhooks"], erased["events"]]), json!([1, 1, 2]));
    assert!(erased["remains"].to_string().contains("Backups of the tables"), "{erased}");
    assert_eq!(items_with(MARK), [""; 0]);
    assert_eq!(customer.get("/api/v1/webhooks").await.unwrap().status, 401);
    assert_eq!(json_of(&STACK, &["webhooks", "list", "--account", account]), json!([]));

    let again = json_of(&STACK, &["accounts", "erase", account, "--yes"]);
    assert_eq!(json!([again["keys"], again["events"], again["deliveries"]]), json!([0, 0, 0]));
    assert_refused(&ask(&STACK, &["accounts", "erase", "acct_op_nobody", "--yes"]), 3, "nothing is stored of");
}
