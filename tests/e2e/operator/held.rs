//! An endpoint that is down, and its held deliveries, as the operator sees them.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use harness::{Answer, Producer};
use serde_json::{Value, json};

use super::{ask, assert_refused, completion, json_of, register};
use crate::{RECEIVER, STACK};

const ACCOUNT: &str = "acct_op_held";
const OF: [&str; 2] = ["--account", ACCOUNT];
/// More than release sends in two minutes.
const HELD: usize = 100;

/// Waits until the account's webhook meets this condition, and returns it.
async fn webhook_when(is_it: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let webhook = json_of(&STACK, &["webhooks", "show", "1", OF[0], OF[1]]);
        if is_it(&webhook) {
            return webhook;
        }
        assert!(start.elapsed() < Duration::from_secs(100), "{webhook}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn received() -> HashSet<String> {
    RECEIVER.received("/acct_op_held").iter().map(|webhook| webhook.json()["task_id"].to_string()).collect()
}

#[tokio::test]
async fn an_open_circuit_is_listed_and_probed_and_what_is_held_is_flushed_only_when_it_is_open_no_more() {
    register(&STACK, ACCOUNT).await;
    let flush = ["deliveries", "flush", "--webhook", "1", OF[0], OF[1]];
    assert_eq!(json_of(&STACK, &[flush.as_slice(), &["--yes"]].concat()), json!({ "sent": 0 }));
    let probe = ["webhooks", "probe", "1", OF[0], OF[1]];
    assert_refused(
        &ask(&STACK, &probe),
        1,
        "there is nothing to probe at webhook 1 of acct_op_held: it is not taken for down",
    );

    RECEIVER.answer("/acct_op_held", [Answer { headers: vec![("retry-after", "3600".into())], ..Answer::status(503) }]);
    ask(&STACK, &["completions", "send", &completion(ACCOUNT, "first")]);
    webhook_when(|webhook| webhook["circuit"] == "open").await;
    let completions: Vec<_> = (0..HELD).map(|task| completion(ACCOUNT, &format!("task_{task}"))).collect();
    Producer::new(&STACK).send_all(&completions).await.unwrap();
    webhook_when(|webhook| webhook["held"] == HELD).await;
    let open = json_of(&STACK, &["webhooks", "list", "--open", OF[0], OF[1]]);
    assert_eq!((&open[0]["circuit"], &open[0]["held"]), (&json!("open"), &json!(HELD)));
    let table = ask(&STACK, &["webhooks", "list", "--open", OF[0], OF[1]]).out;
    assert!(table.contains("NEXT PROBE") && table.contains("  open     100   2"), "{table}");
    let shown = ask(&STACK, &["webhooks", "show", "1", OF[0], OF[1]]).out;
    assert!(shown.contains("circuit  open: the endpoint is taken for down; next probe 2"), "{shown}");
    assert!(shown.contains("held     100, sent when a probe succeeds"), "{shown}");
    let listed = json_of(&STACK, &["deliveries", "list", "--status", "held", "--limit", "1000", OF[0], OF[1]]);
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), HELD);
    assert_refused(
        &ask(&STACK, &[flush.as_slice(), &["--yes"]].concat()),
        1,
        "`webhooks probe 1 --account acct_op_held`",
    );

    let said = ask(&STACK, &probe);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{said:?}");
    webhook_when(|webhook| webhook["circuit"] == "recovering").await;
    assert_eq!(json_of(&STACK, &["webhooks", "list", "--open", OF[0], OF[1]]), json!([]));
    assert_refused(&ask(&STACK, &flush), 2, "held of webhook 1 of acct_op_held, 6000 a minute?");
    let sent = json_of(&STACK, &[flush.as_slice(), &["--yes"]].concat())["sent"].as_u64().unwrap();
    assert!((1..=97).contains(&sent), "{sent}");
    let start = Instant::now();
    while received().len() < HELD + 1 {
        assert!(start.elapsed() < Duration::from_secs(30), "{} of {HELD} have come", received().len());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    ask(&STACK, &["webhooks", "disable", "1", "--yes", OF[0], OF[1]]);
    assert_refused(&ask(&STACK, &flush), 1, "is disabled; `webhooks enable` it");
    assert_refused(&ask(&STACK, &probe), 1, "is disabled; `webhooks enable` it");
}
