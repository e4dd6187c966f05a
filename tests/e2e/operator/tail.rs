//! The command `deliveries tail`.

use std::time::Duration;

use harness::Answer;
use serde_json::{Value, json};

use super::register;
use crate::{
    RECEIVER, STACK,
    running::{Running, SHOWN_WITHIN},
};

fn tail(arguments: &[&str]) -> Running {
    Running::start(&STACK, &[&["deliveries", "tail"], arguments].concat(), &[])
}

#[tokio::test]
async fn an_attempt_is_shown_while_it_happens_and_ctrl_c_ends_the_tail() {
    let account = "acct_op_tail";
    let customer = register(&STACK, account).await;
    RECEIVER.answer("/acct_op_tail", [Answer::status(503)]);
    let tail = tail(&["--json", "--account", account]);
    tokio::time::sleep(Duration::from_secs(2)).await;

    // The other account's attempts are in the same log, and must not be in this tail.
    let other = register(&STACK, "acct_op_tail_other").await;
    for customer in [&other, &customer] {
        assert_eq!(customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap().status, 202);
    }
    let shown: Vec<Value> = (0..2).map(|_| serde_json::from_str(&tail.next()).unwrap()).collect();
    let of = |name: &str| shown.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("account_id"), [account, account]);
    assert_eq!(of("attempt"), [1, 2]);
    assert_eq!(of("http_status"), [503, 200]);
    assert_eq!(of("state"), ["retrying", "delivered"]);
    assert_eq!(shown[0]["event_id"], shown[1]["event_id"]);

    assert_eq!(tail.interrupt(), Some(130));
}

#[tokio::test]
async fn a_tail_can_begin_in_the_past_and_is_a_line_for_a_person() {
    let account = "acct_op_tail_past";
    let customer = register(&STACK, account).await;
    assert_eq!(customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap().status, 202);
    RECEIVER.wait_for("/acct_op_tail_past", 1, SHOWN_WITHIN).await.unwrap();
    let line = tail(&["--since", "5m", "--account", account, "--webhook", "1"]).next();
    assert!(line.contains(account) && line.contains("http 200") && line.ends_with("delivered"), "{line}");
}
