//! The operator sends a customer's events again.

use std::time::{Duration, Instant};

use harness::{Answer, SOON};
use serde_json::{Value, json};

use super::{ask, assert_refused, completion, json_of, register};
use crate::{RECEIVER, STACK};

const ACCOUNT: &str = "acct_op_resend";
const RESEND: [&str; 6] = ["deliveries", "resend", "--account", ACCOUNT, "--webhook", "1"];

fn resend(arguments: &[&'static str]) -> Vec<&'static str> {
    [RESEND.as_slice(), arguments].concat()
}

/// Asks until the answer is the right one.
async fn asked_until(arguments: &[&str], is_right: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let answer = json_of(&STACK, arguments);
        if is_right(&answer) {
            return answer;
        }
        assert!(start.elapsed() < SOON, "{answer}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test]
async fn a_resend_begins_only_when_somebody_says_yes_shows_how_far_it_is_and_can_be_stopped() {
    ask(&STACK, &["completions", "send", &completion(ACCOUNT, "early")]);
    asked_until(&["events", "list", "--account", ACCOUNT], |listed| listed["events"][0]["id"].is_string()).await;
    let missed = resend(&["--since", "1h", "--status", "missed,failed"]);
    assert_refused(&ask(&STACK, &missed), 3, "acct_op_resend has no webhook 1");
    register(&STACK, ACCOUNT).await;
    assert_refused(&ask(&STACK, &resend(&["--progress"])), 3, "webhook 1 of acct_op_resend has no resend");
    assert_refused(&ask(&STACK, &resend(&["--stop"])), 3, "webhook 1 of acct_op_resend has no resend");
    assert_refused(&ask(&STACK, &resend(&["--since", "1h"])), 2, "--status");
    let unknown = ask(&STACK, &resend(&["--since", "1h", "--status", "lost"]));
    assert_refused(&unknown, 2, "expected one of failed, cancelled, missed, delivered");
    let backwards = ask(&STACK, &resend(&["--since", "1h", "--until", "2h", "--status", "failed"]));
    assert_refused(&backwards, 2, "since must be before until");
    assert_refused(&ask(&STACK, &missed), 2, "Send webhook 1 of acct_op_resend what is failed, missed, from 2");
    assert_refused(&ask(&STACK, &resend(&["--progress"])), 3, "has no resend");

    let begun = json_of(&STACK, &[missed.as_slice(), &["--yes"]].concat());
    let shown = json!([begun["account_id"], begun["webhook_id"], begun["statuses"], begun["status"]]);
    assert_eq!(shown, json!([ACCOUNT, 1, ["failed", "missed"], "running"]));
    let done = asked_until(&resend(&["--progress"]), |resend| resend["status"] == "done").await;
    assert_eq!((&done["id"], &done["sent"]), (&begun["id"], &json!(1)));
    RECEIVER.wait_for("/acct_op_resend", 1, SOON).await.unwrap();
    let page = ask(&STACK, &resend(&["--progress"])).out;
    assert!(page.contains("events    failed, missed; from 2") && page.contains("sent      1"), "{page}");

    // The endpoint is down, so the next resend is not done before it is stopped.
    let busy = Answer { headers: vec![("retry-after", "3600".into())], ..Answer::status(503) };
    RECEIVER.answer("/acct_op_resend", [busy]);
    ask(&STACK, &["completions", "send", &completion(ACCOUNT, "refused")]);
    asked_until(&["webhooks", "show", "1", "--account", ACCOUNT], |webhook| webhook["circuit"] == "open").await;
    let begun = json_of(&STACK, &resend(&["--since", "1h", "--status", "delivered", "--yes"]));
    assert_eq!(begun["status"], "paused");
    let other = ask(&STACK, &resend(&["--since", "1h", "--status", "failed", "--yes"]));
    assert_refused(&other, 1, "another resend of webhook 1 of acct_op_resend is under way");
    assert_eq!(json_of(&STACK, &resend(&["--stop"])), json!({ "account_id": ACCOUNT, "webhook_id": 1 }));
    assert_refused(&ask(&STACK, &resend(&["--progress"])), 3, "has no resend");

    ask(&STACK, &["webhooks", "disable", "1", "--yes", "--account", ACCOUNT]);
    let disabled = ask(&STACK, &resend(&["--since", "1h", "--status", "delivered", "--yes"]));
    assert_refused(&disabled, 1, "is disabled; `webhooks enable` it first");
}
