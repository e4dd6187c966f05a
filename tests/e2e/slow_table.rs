//! A deliveries table that takes fewer writes than needed, or none for some time, costs time and almost no extra
//! requests.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use harness::{Customer, Faults, Options, Producer, Stack};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{RECEIVER, folder_of_this_run};

const TABLE: &str = "-deliveries";

struct World {
    stack: Stack,
    faults: Faults,
    customer: Customer,
    path: String,
}

impl World {
    async fn start(name: &str, properties: Value) -> Self {
        let faults = Faults::start(7).unwrap();
        let options = Options {
            folder: folder_of_this_run().join(name),
            faults: Some(faults.clone()),
            parameters: vec![("DispatcherMaximumConcurrency", "10")],
            properties,
            ..Options::default()
        };
        let stack = Stack::start(&options, &|_| {}).unwrap();
        let customer = Customer::new(&stack, &stack.create_api_key("acct_slow_table").unwrap());
        let path = format!("/{name}");
        let webhook = json!({ "url": RECEIVER.url(&path), "events": ["job.completed"] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
        Self { stack, faults, customer, path }
    }

    async fn send(&self, tasks: std::ops::Range<usize>) {
        let completion = |task: usize| {
            let (minute, second) = (task / 60 % 60, task % 60);
            format!(
                r#"{{"account_id":"acct_slow_table","task_id":"task_{task}","task_type":"image","status":"completed","timestamp":"2024-12-23T10:{minute:02}:{second:02}Z"}}"#
            )
        };
        Producer::new(&self.stack).send_all(&tasks.map(completion).collect::<Vec<_>>()).await.unwrap();
    }

    /// Waits until the queues are empty.
    async fn settle(&self, within: Duration) {
        let (start, producer) = (Instant::now(), Producer::new(&self.stack));
        let mut quiet = 0;
        while quiet < 3 {
            let waiting = producer.waiting().await.unwrap();
            quiet = if waiting == 0 { quiet + 1 } else { 0 };
            assert!(start.elapsed() < within, "{waiting} messages are still on the queues");
            sleep(Duration::from_millis(300)).await;
        }
    }

    /// How many deliveries are recorded as delivered, and how many attempts they took.
    async fn delivered(&self) -> (usize, usize) {
        let first = "/api/v1/webhooks/1/deliveries?status=delivered&limit=100".to_owned();
        let (mut path, mut deliveries, mut attempts) = (first.clone(), 0, 0);
        loop {
            let page = self.customer.get(&path).await.unwrap().json()["data"].take();
            let rows = page["deliveries"].as_array().unwrap();
            deliveries += rows.len();
            attempts +=
                rows.iter().map(|row| usize::try_from(row["attempt_count"].as_u64().unwrap()).unwrap()).sum::<usize>();
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("{first}&cursor={cursor}"),
                None => return (deliveries, attempts),
            }
        }
    }

    async fn dead_letters(&self) -> usize {
        Producer::new(&self.stack).dead_letters().await.unwrap().len()
    }
}

/// The table takes 24 writes a second, 3 for each key, a third of what the deliveries need. Ten dispatchers work on
/// 100 deliveries at a time, which need four seconds' worth of writes. (On AWS 50 dispatchers work on 500 at a time,
/// and a table takes 1,000 writes a second for each key.)
async fn drain_against_a_limit(name: &str, completions: usize, within: Duration) {
    let world = World::start(name, Value::Null).await;
    world.faults.limit(TABLE, Some(3));
    for from in (0..completions).step_by(300) {
        world.send(from..(from + 300).min(completions)).await;
        while Producer::new(&world.stack).waiting().await.unwrap() > 300 {
            sleep(Duration::from_millis(300)).await;
        }
    }
    world.settle(within).await;
    let (delivered, attempts) = world.delivered().await;
    let requests = RECEIVER.received(&world.path).len();
    assert_eq!((delivered, world.dead_letters().await), (completions, 0));
    assert!(requests * 100 <= attempts * 101, "{requests} requests for {attempts} recorded attempts");
}

#[tokio::test]
async fn a_table_that_takes_few_writes_costs_time_and_no_requests() {
    drain_against_a_limit("few-writes", 400, Duration::from_mins(2)).await;
}

/// The SDK tries a call three times, within a second. The dispatcher goes on until its batch's time is over.
#[tokio::test]
async fn calls_that_fail_as_a_whole_for_seconds_cost_time_and_no_requests() {
    const READS: &str = r#""nano-webhooks-deliveries":{"#;
    const RECORDS: &str = r#"INSERT INTO \"nano-webhooks-deliveries\""#;
    let world = World::start("whole-calls", Value::Null).await;
    for (calls, tasks) in [(READS, 0..10), (RECORDS, 10..20)] {
        let requests = tasks.end;
        world.faults.curse(calls);
        world.send(tasks).await;
        sleep(Duration::from_secs(6)).await;
        assert_eq!(world.delivered().await.0, requests - 10, "{calls}");
        world.faults.curse("a text that no call has");
        // A message that was given back would be hidden for longer than this.
        world.settle(Duration::from_mins(1)).await;
        let received = RECEIVER.received(&world.path).len();
        assert_eq!(
            (received, world.delivered().await, world.dead_letters().await),
            (requests, (requests, requests), 0)
        );
    }
}

/// Run it with `cargo test -p tests --test e2e -- --ignored ten_minutes`.
#[tokio::test]
#[ignore = "takes ten minutes"]
async fn a_table_that_takes_few_writes_for_ten_minutes_costs_time_and_no_requests() {
    drain_against_a_limit("ten-minutes", 14_400, Duration::from_mins(5)).await;
}

/// For ten visibility timeouts SQS delivers each message ten times. Only the first receive and the one after the
/// table takes writes again make a request.
#[tokio::test]
async fn a_table_that_takes_no_writes_costs_each_endpoint_two_requests_at_most() {
    const HIDDEN: u32 = 5;
    let properties =
        json!({ "DispatcherFunction": { "Timeout": 5 }, "DeliveriesQueue": { "VisibilityTimeout": HIDDEN } });
    let world = World::start("no-writes", properties).await;
    world.faults.limit(TABLE, Some(0));
    world.send(0..10).await;
    RECEIVER.wait_for(&world.path, 10, Duration::from_secs(30)).await.unwrap();
    sleep(Duration::from_secs((10 * HIDDEN).into())).await;
    assert_eq!(RECEIVER.received(&world.path).len(), 10, "no second request while nothing can be recorded");
    world.faults.limit(TABLE, None);
    world.settle(Duration::from_mins(1)).await;

    let mut requests = HashMap::<_, usize>::new();
    for request in RECEIVER.received(&world.path) {
        *requests.entry(request.header("webhook-id").unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!((world.delivered().await.0, world.dead_letters().await), (10, 0));
    assert!(requests.len() == 10 && requests.values().all(|requests| *requests <= 2), "{requests:?}");
}
