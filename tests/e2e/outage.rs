//! An endpoint that is down: its circuit opens, deliveries are held, probes find out when it is up again, and then
//! all held deliveries are sent.

use std::time::{Duration, Instant};

use harness::{Answer, Customer, Faults, Options, Producer, Received, SOON, Stack};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{RECEIVER, folder_of_this_run};

/// A stack whose circuits open after three failures of two events, and whose release runs every second instead of
/// every minute.
struct World {
    stack: Stack,
    customer: Customer,
    path: &'static str,
}

impl World {
    async fn start(path: &'static str, parameters: &[(&'static str, &'static str)]) -> Self {
        Self::of(path, &Self::options(path, parameters)).await
    }

    fn options(path: &str, parameters: &[(&'static str, &'static str)]) -> Options {
        let circuit = [
            ("CircuitFailures", "3"),
            ("CircuitEvents", "2"),
            ("ProbeScheduleSeconds", "2"),
            ("RetryScheduleSeconds", "1,1,1,1"),
        ];
        Options {
            folder: folder_of_this_run().join(&path[1..]),
            parameters: [&circuit, parameters].concat(),
            schedules_every_seconds: Some(1),
            ..Options::default()
        }
    }

    async fn of(path: &'static str, options: &Options) -> Self {
        let stack = Stack::start(options, &|_| {}).unwrap();
        let customer = Customer::new(&stack, &stack.create_api_key("acct_circuit").unwrap());
        let webhook = json!({ "url": RECEIVER.url(path), "events": ["job.completed"] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
        Self { stack, customer, path }
    }

    async fn send(&self, tasks: std::ops::Range<u32>) {
        let completion = |task: u32| {
            json!({ "account_id": "acct_circuit", "task_id": format!("task_{task}"), "task_type": "image",
                "status": "completed", "timestamp": format!("2024-12-23T10:00:{:02}Z", task % 60) })
        };
        Producer::new(&self.stack)
            .send_all(&tasks.map(|task| completion(task).to_string()).collect::<Vec<_>>())
            .await
            .unwrap();
    }

    async fn webhook(&self) -> Value {
        self.customer.data("/api/v1/webhooks/1").await.unwrap()
    }

    /// Waits until the webhook meets this condition.
    async fn wait_until(&self, is_met: impl Fn(&Value) -> bool) -> Value {
        self.customer.wait_until("/api/v1/webhooks/1", is_met).await.unwrap()
    }

    async fn count(&self, status: &str) -> usize {
        let path = format!("/api/v1/webhooks/1/deliveries?status={status}&limit=100");
        self.customer.get(&path).await.unwrap().json()["data"]["deliveries"].as_array().unwrap().len()
    }

    async fn wait_for(&self, status: &str, count: usize) {
        let start = Instant::now();
        while self.count(status).await != count {
            assert!(start.elapsed() < SOON * 2, "{} of {count} are {status}", self.count(status).await);
            sleep(Duration::from_millis(300)).await;
        }
    }

    async fn change(&self, change: Value) {
        let reply = self.customer.send(Method::PATCH, "/api/v1/webhooks/1", Some(change.to_string())).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    fn requests(&self) -> Vec<Received> {
        RECEIVER.received(self.path)
    }
}

fn is_open(webhook: &Value) -> bool {
    webhook["circuit"] == "open"
}

#[tokio::test]
async fn an_endpoint_that_is_down_gets_probes_alone_and_everything_when_it_is_back() {
    let world = World::start("/down", &[]).await;
    RECEIVER.answer(world.path, vec![Answer::status(500); 1_000]);
    world.send(0..3).await;
    world.wait_until(is_open).await;
    // More than a drain sends in its first minute, and less than twice as many.
    world.send(3..43).await;
    world.wait_for("held", 43).await;
    let webhook = world.webhook().await;
    assert_eq!((&webhook["status"], &webhook["held"]), (&json!("active"), &json!(43)), "{webhook}");
    assert!(webhook["next_probe_at"].is_string() && webhook["failing_since"].is_string(), "{webhook}");

    let (before, start) = (world.requests().len(), Instant::now());
    let probes = || world.requests().len() - before;
    while start.elapsed() < Duration::from_secs(8) || probes() == 0 {
        assert!(start.elapsed() < SOON, "no probe");
        sleep(Duration::from_millis(100)).await;
    }
    let (probes, elapsed) = (u32::try_from(probes()).unwrap(), start.elapsed());
    let bound = "one every two seconds, and two of the first three";
    assert!(elapsed >= Duration::from_secs(1) * probes, "{probes} requests in {elapsed:?}: {bound}");
    assert_eq!(world.count("held").await, 43, "a probe that fails uses up no attempt");

    RECEIVER.answer(world.path, Vec::new());
    world.wait_for("delivered", 43).await;
    world.wait_until(|webhook| webhook["circuit"] != "open" && webhook["failing_since"].is_null()).await;
    world.send(50..51).await;
    world.wait_for("delivered", 44).await;
}

/// Without a dispatcher, and with a table that refuses writes.
#[tokio::test]
async fn what_is_for_an_endpoint_that_is_down_is_held_without_a_message() {
    let faults = Faults::start(11).unwrap();
    let options = Options { faults: Some(faults.clone()), ..World::options("/no_message", &[]) };
    let world = World::of("/no_message", &Options { schedules_every_seconds: None, ..options }).await;
    RECEIVER.answer(world.path, vec![Answer::status(500); 1_000]);
    world.send(0..3).await;
    world.wait_until(is_open).await;
    world.wait_for("held", 3).await;
    let (aws, producer) = (world.stack.aws().unwrap(), Producer::new(&world.stack));
    let sources = aws.call("lambda", "ListEventSourceMappings", &json!({})).unwrap();
    let deliveries = world.stack.deliveries_queue_url.rsplit('/').next().unwrap();
    let of_deliveries =
        |source: &&Value| source["EventSourceArn"].as_str().unwrap().ends_with(&format!(":{deliveries}"));
    let source = sources["EventSourceMappings"].as_array().unwrap().iter().find(of_deliveries).unwrap();
    let dispatch = |enabled: bool| {
        let mapping = json!({ "UUID": source["UUID"], "Enabled": enabled });
        aws.call("lambda", "UpdateEventSourceMapping", &mapping).unwrap();
    };
    dispatch(false);

    world.send(3..20).await;
    world.wait_for("held", 20).await;
    world.send(0..20).await;
    while producer.waiting().await.unwrap() > 0 {
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.count("held").await, 20, "a repeated completion changes nothing");

    faults.limit("-deliveries", Some(0));
    world.send(20..25).await;
    while producer.waiting().await.unwrap() < 5 {
        sleep(Duration::from_millis(100)).await;
    }
    faults.limit("-deliveries", None);
    dispatch(true);
    world.wait_for("held", 25).await;
}

#[tokio::test]
async fn a_customer_can_have_an_open_circuit_probed_now() {
    let world = World::start("/probe", &[("ProbeScheduleSeconds", "3600")]).await;
    RECEIVER.answer(world.path, vec![Answer::status(500); 1_000]);
    let probe = async || world.customer.send(Method::POST, "/api/v1/webhooks/1/probe", None).await.unwrap();
    assert_eq!(probe().await.status, 409, "there is nothing to probe");
    world.send(0..3).await;
    world.wait_until(is_open).await;
    world.wait_for("held", 3).await;
    RECEIVER.answer(world.path, Vec::new());
    assert_eq!(probe().await.status, 202);
    world.wait_for("delivered", 3).await;
}

#[tokio::test]
async fn a_long_retry_after_opens_the_circuit_at_once_and_a_short_one_does_not() {
    let world = World::start("/asks", &[]).await;
    let asks = |seconds: &str| Answer { headers: vec![("retry-after", seconds.into())], ..Answer::status(429) };
    RECEIVER.answer(world.path, [asks("2")]);
    world.send(0..1).await;
    world.wait_for("delivered", 1).await;
    assert_eq!(world.webhook().await["circuit"], "closed");
    RECEIVER.answer(world.path, vec![asks("90"); 100]);
    world.send(1..2).await;
    let open = world.wait_until(is_open).await;
    let at = |field: &str| open[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let wait = at("next_probe_at").duration_since(at("last_failed_at")).as_secs();
    assert!((85..=95).contains(&wait), "{open}");
}

#[tokio::test]
async fn a_circuit_that_stays_open_disables_the_webhook_and_enabling_it_delivers_what_was_held() {
    let world = World::start("/given-up", &[("DisableAfterSeconds", "6")]).await;
    RECEIVER.answer(world.path, vec![Answer::status(500); 1_000]);
    world.send(0..3).await;
    let disabled = world.wait_until(|webhook| webhook["status"] == "disabled").await;
    assert!(disabled["disabled_reason"].as_str().unwrap().contains("6 seconds"), "{disabled}");
    world.wait_for("held", 3).await;
    let requests = world.requests().len();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.requests().len(), requests, "a disabled webhook is not probed");
    RECEIVER.answer(world.path, Vec::new());
    world.change(json!({ "status": "active" })).await;
    world.wait_for("delivered", 3).await;
}

#[tokio::test]
async fn a_new_url_has_no_failures_and_gets_what_was_held_for_the_old_one() {
    let world = World::start("/moved", &[]).await;
    RECEIVER.answer(world.path, vec![Answer::status(500); 1_000]);
    world.send(0..3).await;
    world.wait_until(is_open).await;
    world.wait_for("held", 3).await;
    world.change(json!({ "url": RECEIVER.url("/moved/new") })).await;
    let moved = world.webhook().await;
    assert_eq!((&moved["failing_since"], &moved["consecutive_failures"]), (&Value::Null, &json!(0)), "{moved}");
    RECEIVER.wait_for("/moved/new", 3, SOON).await.unwrap();
    world.wait_for("delivered", 3).await;
}

#[tokio::test]
async fn what_waits_of_a_webhook_that_its_owner_pauses_is_held_and_delivered_later() {
    let world = World::start("/paused", &[]).await;
    RECEIVER.answer(world.path, [Answer { headers: vec![("retry-after", "3".into())], ..Answer::status(500) }]);
    world.send(0..1).await;
    world.wait_for("retrying", 1).await;
    world.change(json!({ "status": "disabled" })).await;
    world.wait_for("held", 1).await;
    assert_eq!(world.requests().len(), 1);
    world.change(json!({ "status": "active" })).await;
    world.wait_for("delivered", 1).await;
}
