//! `max_per_minute`: an endpoint gets at most so many requests in a minute, and everything in the end.

use std::{collections::BTreeMap, time::Duration};

use harness::{Customer, Producer, Received, SOON};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, key_for};

const WEBHOOK: &str = "/api/v1/webhooks/1";

/// The requests of each minute of UTC.
fn by_minute(received: &[Received]) -> BTreeMap<u64, usize> {
    let mut minutes = BTreeMap::new();
    for webhook in received {
        let second: u64 = webhook.header("x-nano-timestamp").unwrap().parse().unwrap();
        *minutes.entry(second / 60).or_default() += 1;
    }
    minutes
}

async fn complete(account: &str, tasks: std::ops::Range<u32>) {
    let completion = |task| {
        json!({ "account_id": account, "task_id": format!("task_{task}"), "task_type": "image", "status": "completed",
            "timestamp": "2026-11-28T10:00:00Z" })
    };
    let completions: Vec<_> = tasks.map(|task| completion(task).to_string()).collect();
    Producer::new(&STACK).send_all(&completions).await.unwrap();
}

#[tokio::test]
async fn a_flood_is_sent_at_the_pace_and_nothing_is_lost() {
    const LIMIT: usize = 20;
    let (account, path) = ("acct_paced", "/acct_paced");
    let customer = Customer::new(&STACK, &key_for(account));
    let webhook = json!({ "url": RECEIVER.url(path), "events": ["*"], "max_per_minute": LIMIT });
    let created = customer.post("/api/v1/webhooks", &webhook).await.unwrap().json();
    assert_eq!(created["data"]["max_per_minute"], LIMIT);

    complete(account, 0..70).await;
    let held = customer.wait_until(WEBHOOK, |webhook| webhook["held"].as_u64() > Some(20)).await.unwrap();
    assert_eq!(json!([held["circuit"], held["consecutive_failures"]]), json!(["recovering", 0]), "{held}");
    let received = RECEIVER.wait_for(path, 70, Duration::from_mins(6)).await.unwrap();
    let minutes = by_minute(&received);
    // A request whose turn is at the end of a minute can begin in the next.
    assert!(minutes.values().all(|count| *count <= LIMIT + LIMIT / 10), "{minutes:?}");
    // The first minute, two or three full ones, and the last.
    assert!(minutes.len() <= 6, "{minutes:?}");
    let mut tasks: Vec<_> = received.iter().map(|it| it.json()["task_id"].as_str().unwrap().to_owned()).collect();
    tasks.sort_unstable();
    tasks.dedup();
    assert_eq!((tasks.len(), received.len()), (70, 70), "each once");

    // Without the limit everything goes out at once.
    let change = json!({ "max_per_minute": null }).to_string();
    let changed = customer.send(Method::PATCH, WEBHOOK, Some(change)).await.unwrap().json();
    assert_eq!(changed["data"]["max_per_minute"], Value::Null);
    complete(account, 100..150).await;
    RECEIVER.wait_for(path, 120, SOON * 2).await.unwrap();
}

#[tokio::test]
async fn below_the_limit_nothing_waits() {
    let (account, path) = ("acct_paced_below", "/acct_paced_below");
    let customer = Customer::new(&STACK, &key_for(account));
    // A whole number, although Python writes it so.
    let webhook = json!({ "url": RECEIVER.url(path), "events": ["*"], "max_per_minute": 1000.0 });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    complete(account, 0..30).await;
    RECEIVER.wait_for(path, 30, SOON).await.unwrap();
    let webhook = customer.data(WEBHOOK).await.unwrap();
    assert_eq!(json!([webhook["circuit"], webhook["held"]]), json!(["closed", 0]));
}

#[tokio::test]
async fn a_limit_is_a_whole_number_from_1_to_6000() {
    let customer = Customer::new(&STACK, &key_for("acct_paced_refused"));
    for limit in [json!(0), json!(-1), json!(1.5), json!("60"), json!(6001), json!(1e300)] {
        let webhook = json!({ "url": RECEIVER.url("/paced"), "events": ["*"], "max_per_minute": limit });
        let refused = customer.post("/api/v1/webhooks", &webhook).await.unwrap();
        assert_eq!((refused.status, &refused.json()["error"]["field"]), (400, &json!("max_per_minute")));
        assert!(refused.text.contains("expected a whole number from 1 to 6000"), "{}", refused.text);
    }
}
