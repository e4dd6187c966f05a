//! A webhook's statistics, by hour.

use std::time::{Duration, Instant};

use harness::{Answer, Customer, Fault, Faults, Options, Producer, Stack};
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, folder_of_this_run, key_for};

/// The sum over all hours, so that a test may run across the end of an hour.
fn total(stats: &Value, field: &str) -> u64 {
    stats["hours"].as_array().unwrap().iter().filter_map(|hour| hour[field].as_u64()).sum()
}

#[tokio::test]
async fn deliveries_failures_and_durations_are_counted_by_the_hour() {
    let customer = Customer::new(&STACK, &key_for("acct_stats"));
    for path in ["/acct_stats", "/acct_stats/quiet"] {
        let events = if path.ends_with("quiet") { "job.failed" } else { "job.completed" };
        let webhook = json!({ "url": RECEIVER.url(path), "events": [events] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    }
    let slow = Answer { delay: Duration::from_secs(1), ..Answer::status(200) };
    RECEIVER.answer("/acct_stats", [slow, Answer::status(500), Answer::status(200), Answer::status(200)]);
    for task in 0..3 {
        let completion = json!({ "account_id": "acct_stats", "task_id": format!("task_{task}"), "task_type": "image",
            "status": "completed" });
        Producer::new(&STACK).send(completion).await.unwrap();
    }

    let start = Instant::now();
    let stats = loop {
        let stats = customer.get("/api/v1/webhooks/1/stats?hours=2").await.unwrap().json()["data"].clone();
        if total(&stats, "deliveries") == 3 || start.elapsed() > Duration::from_mins(1) {
            break stats;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!((total(&stats, "deliveries"), total(&stats, "failures")), (3, 1), "{stats}");
    let failed = stats["hours"].as_array().unwrap().iter().map(|hour| &hour["failures_by_outcome"]);
    assert_eq!(failed.filter_map(|outcomes| outcomes["http"].as_u64()).sum::<u64>(), 1, "{stats}");
    let slowest = stats["hours"].as_array().unwrap().iter().filter_map(|hour| hour["p95_ms"].as_u64()).max().unwrap();
    assert!(slowest >= 900, "{stats}");

    let day = customer.get("/api/v1/webhooks/1/stats").await.unwrap().json()["data"]["hours"].clone();
    let day = day.as_array().unwrap();
    assert_eq!(day.len(), 24);
    assert_eq!(day[0]["p50_ms"], Value::Null);
    assert!(day.is_sorted_by_key(|hour| hour["hour"].as_str()), "oldest first: {day:?}");
    let quiet = customer.get("/api/v1/webhooks/2/stats?hours=168").await.unwrap().json()["data"].clone();
    assert_eq!((quiet["hours"].as_array().unwrap().len(), total(&quiet, "deliveries")), (168, 0));

    for wrong in ["0", "169", "-1", "1.5", "day", ""] {
        let reply = customer.get(&format!("/api/v1/webhooks/1/stats?hours={wrong}")).await.unwrap();
        let message = format!("hours is \"{wrong}\"; expected a whole number from 1 to 168");
        assert_eq!((reply.status, &reply.json()["error"]["message"]), (400, &json!(message)));
    }
    assert_eq!(customer.get("/api/v1/webhooks/3/stats").await.unwrap().status, 404);
}

#[tokio::test]
async fn what_the_table_did_not_take_is_counted_when_it_does_and_once() {
    let faults = Faults::start(7).unwrap();
    let options =
        Options { folder: folder_of_this_run().join("stats"), faults: Some(faults.clone()), ..Options::default() };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let customer = Customer::new(&stack, &stack.create_api_key("acct_uncounted").unwrap());
    let webhook = json!({ "url": RECEIVER.url("/acct_uncounted"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);

    faults.curse("acct_uncounted#1#hours");
    for task in 0..3 {
        let completion = json!({ "account_id": "acct_uncounted", "task_id": format!("task_{task}"),
            "task_type": "image", "status": "completed" });
        Producer::new(&stack).send(completion).await.unwrap();
    }
    RECEIVER.wait_for("/acct_uncounted", 3, Duration::from_mins(1)).await.unwrap();
    let broken = || faults.counts().faults.get(&Fault::Broken).copied().unwrap_or_default();
    let start = Instant::now();
    // More failures than one invocation makes, with the SDK's retries.
    while broken() < 5 {
        assert!(start.elapsed() < Duration::from_mins(1), "the table was asked {} times", broken());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    faults.curse("what no call has in it");

    let path = "/api/v1/webhooks/1/stats?hours=2";
    loop {
        let stats = customer.get(path).await.unwrap().json()["data"].clone();
        if total(&stats, "deliveries") >= 3 {
            break;
        }
        assert!(start.elapsed() < Duration::from_mins(2), "{stats}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let stats = customer.get(path).await.unwrap().json()["data"].clone();
    assert_eq!((total(&stats, "deliveries"), total(&stats, "failures")), (3, 0), "{stats}");
    let bill = stack.ask_operator(&["cost", "--json"], "").unwrap().json();
    assert_eq!(bill["attempts"], 3, "a batch that comes again has added to no month: {bill:#}");
}
