//! A webhook's events are sent again: which ones, at which pace, and each of them once. [`dying`] kills release in
//! between, and [`many`] resends ten thousand.

mod dying;
mod many;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use harness::{Answer, Aws, Customer, Options, Producer, Reply, SOON, Stack};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, folder_of_this_run, key_for, release::run_release};

const RESEND: &str = "/api/v1/webhooks/1/resend";

/// An account on a stack of its own, on which release runs only when a test says so. At the same time two runs could send
/// a page twice.
struct World {
    stack: Stack,
    aws: Aws,
    customer: Customer,
    account: &'static str,
}

impl World {
    fn options(account: &str) -> Options {
        Options {
            folder: folder_of_this_run().join(account),
            // A delivery fails after two attempts, and no circuit opens.
            parameters: vec![("RetryScheduleSeconds", "1"), ("CircuitFailures", "100"), ("CircuitEvents", "100")],
            schedules_every_seconds: Some(86_400),
            ..Options::default()
        }
    }

    fn start(account: &'static str, options: &Options) -> Self {
        let stack = Stack::start(options, &|_| {}).unwrap();
        let customer = Customer::new(&stack, &stack.create_api_key(account).unwrap());
        Self { aws: stack.aws().unwrap(), stack, customer, account }
    }

    fn path(&self, webhook: u64) -> String {
        format!("/{}/{webhook}", self.account)
    }

    /// Creates the account's next webhook, which has this number.
    async fn register(&self, webhook: u64) {
        let body = json!({ "url": RECEIVER.url(&self.path(webhook)), "events": ["job.completed"] });
        let reply = self.customer.post("/api/v1/webhooks", &body).await.unwrap();
        assert_eq!((reply.status, reply.json()["data"]["id"].as_u64()), (201, Some(webhook)));
    }

    /// Ends tasks, each a second later than the last, and waits until nothing is on the queues.
    async fn complete(&self, tasks: &[String], status: &str) {
        let completion = |(second, task): (usize, &String)| {
            let timestamp = format!("2024-12-23T10:{:02}:{:02}.000Z", second / 60, second % 60);
            json!({ "account_id": self.account, "task_id": task, "task_type": "image", "status": status,
                "timestamp": timestamp })
            .to_string()
        };
        let completions: Vec<_> = tasks.iter().enumerate().map(completion).collect();
        Producer::new(&self.stack).send_all(&completions).await.unwrap();
        self.settle().await;
    }

    /// Waits until nothing is on the queues, in flight or delayed.
    async fn settle(&self) {
        self.settle_within(SOON).await;
    }

    async fn settle_within(&self, time: Duration) {
        let (producer, start) = (Producer::new(&self.stack), Instant::now());
        while producer.waiting().await.unwrap() > 0 {
            assert!(start.elapsed() < time, "messages stay on the queues");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.customer.send(method, path, body.map(|body| body.to_string())).await.unwrap()
    }

    async fn begin(&self, webhook: u64, statuses: &[&str]) -> Value {
        let path = format!("/api/v1/webhooks/{webhook}/resend");
        let reply = self.ask(Method::POST, &path, Some(since_then(statuses))).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        reply.json()["data"].take()
    }

    async fn progress(&self, webhook: u64) -> Value {
        let reply = self.ask(Method::GET, &format!("/api/v1/webhooks/{webhook}/resend"), None).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["data"].take()
    }

    /// Resends, and waits until everything was attempted. Returns how many were sent.
    async fn resend(&self, webhook: u64, statuses: &[&str]) -> u64 {
        self.begin(webhook, statuses).await;
        self.finish(webhook, SOON).await
    }

    /// Runs release until the webhook's resend is done, and waits until everything was attempted. Returns how many were
    /// sent.
    async fn finish(&self, webhook: u64, within: Duration) -> u64 {
        let start = Instant::now();
        loop {
            run_release(&self.aws);
            let resend = self.progress(webhook).await;
            if resend["status"] == "done" {
                self.settle_within(within).await;
                return resend["sent"].as_u64().unwrap();
            }
            assert!(start.elapsed() < within, "{resend}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// How often a webhook got each task.
    fn received(&self, webhook: u64) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for received in RECEIVER.received(&self.path(webhook)) {
            *counts.entry(received.json()["task_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        counts
    }

    /// The id of a task's event.
    async fn event(&self, task: &str) -> String {
        let reply = self.ask(Method::GET, &format!("/api/v1/events?task_id={task}"), None).await;
        reply.json()["data"]["events"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Makes the delivery of a task to webhook 1 look as if its turn had come too late. Only time could do that.
    fn forge_cancelled(&self, task: &str) {
        let table = "nano-webhooks-deliveries";
        let items = self.aws.call("dynamodb", "Scan", &json!({ "TableName": table })).unwrap();
        let mut items = items["Items"].as_array().unwrap().iter();
        let item = items.find(|item| item["task_id"]["S"] == task).unwrap();
        let update = json!({ "TableName": table, "Key": { "webhook": item["webhook"], "id": item["id"] },
            "UpdateExpression": "SET #state = :state, reason = :reason", "ExpressionAttributeNames": { "#state": "state" },
            "ExpressionAttributeValues": { ":state": { "S": "cancelled" }, ":reason": { "S": "expired" } } });
        self.aws.call("dynamodb", "UpdateItem", &update).unwrap();
    }
}

/// A request for all events of the tasks of [`World::complete`].
fn since_then(statuses: &[&str]) -> Value {
    json!({ "since": "2024-12-23T10:00:00Z", "until": "2024-12-23T11:00:00Z", "statuses": statuses })
}

fn tasks(count: usize) -> Vec<String> {
    (0..count).map(|task| format!("task_{task}")).collect()
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(task, count)| ((*task).to_owned(), *count)).collect()
}

#[tokio::test]
async fn each_status_sends_its_own_events_and_an_erased_one_is_sent_by_none() {
    let world = World::start("acct_resend_which", &World::options("acct_resend_which"));
    world.register(1).await;
    RECEIVER.answer(&world.path(1), vec![Answer::status(400); 4]);
    world.complete(&["failed".into(), "erased".into()], "completed").await;
    world.complete(&["delivered".into(), "cancelled".into()], "completed").await;
    world.complete(&["not_subscribed".into()], "failed").await;
    world.forge_cancelled("cancelled");
    let erased = format!("/api/v1/events/{}", world.event("erased").await);
    assert_eq!(world.ask(Method::DELETE, &erased, None).await.status, 200);
    let at_first = [("failed", 2), ("erased", 2), ("delivered", 1), ("cancelled", 1)];
    assert_eq!(world.received(1), counts(&at_first));

    assert_eq!(world.resend(1, &["missed"]).await, 0, "it does not subscribe to that type");
    for (status, sent) in [("delivered", 1), ("failed", 1), ("cancelled", 1)] {
        assert_eq!(world.resend(1, &[status]).await, sent, "{status}");
    }
    assert_eq!(world.received(1), counts(&[("failed", 3), ("erased", 2), ("delivered", 2), ("cancelled", 2)]));
    let both = json!({ "events": ["job.completed", "job.failed"] });
    assert_eq!(world.ask(Method::PATCH, "/api/v1/webhooks/1", Some(both)).await.status, 200);
    assert_eq!(world.resend(1, &["failed", "cancelled", "missed"]).await, 1);
    assert_eq!(world.received(1)["not_subscribed"], 1);

    // A webhook that was created later missed everything, and the events say from now on that they were sent to it.
    world.register(2).await;
    assert_eq!(world.resend(2, &["missed"]).await, 3);
    assert_eq!(world.received(2), counts(&[("failed", 1), ("delivered", 1), ("cancelled", 1)]));
    let listed = world.ask(Method::GET, "/api/v1/events?task_id=failed", None).await.json();
    let expected = json!([{ "id": 1, "status": "delivered" }, { "id": 2, "status": "delivered" }]);
    assert_eq!(listed["data"]["events"][0]["webhooks"], expected);
    assert_eq!(world.resend(2, &["missed"]).await, 3, "within a minute the same request is a repetition");
    assert_eq!(world.resend(2, &["missed", "cancelled"]).await, 0);
}

#[tokio::test]
async fn there_is_one_resend_at_a_time_which_keeps_its_pace_shows_how_far_it_is_and_can_be_stopped() {
    let account = "acct_resend_pace";
    let mut options = World::options(account);
    options.parameters.push(("DrainPerMinute", "30"));
    let world = World::start(account, &options);
    world.complete(&tasks(40), "completed").await;
    world.register(1).await;

    let identical = tokio::join!(world.begin(1, &["missed", "failed"]), world.begin(1, &["failed", "missed"]));
    let begun = world.begin(1, &["missed", "failed"]).await;
    assert!([&identical.0["id"], &identical.1["id"]].iter().all(|id| **id == begun["id"]), "{identical:?}");
    assert_eq!(json!([begun["status"], begun["sent"], begun["reached"]]), json!(["running", 0, null]));
    let other = world.ask(Method::POST, RESEND, Some(since_then(&["missed"]))).await;
    let message = "another resend of webhook 1 is under way; stop it first, or wait until it is done";
    assert_eq!((other.status, other.json()["error"]["message"].as_str()), (409, Some(message)));

    // The second run comes within the same minute.
    for _ in 0..2 {
        run_release(&world.aws);
        let running = world.progress(1).await;
        let shown =
            json!([running["id"], running["status"], running["sent"], running["reached"], running["finished_at"]]);
        assert_eq!(shown, json!([begun["id"], "running", 30, "2024-12-23T10:00:29.000Z", null]));
    }
    let stop = async || world.ask(Method::DELETE, RESEND, None).await;
    let stopped = stop().await;
    assert_eq!((stopped.status, stopped.json()["data"].take()), (200, json!({ "id": 1 })));
    for reply in [stop().await, world.ask(Method::GET, RESEND, None).await] {
        let message = reply.json()["error"]["message"].take();
        assert_eq!((reply.status, message), (404, json!("webhook 1 has no resend")));
    }
    run_release(&world.aws);
    world.settle().await;
    assert_eq!(world.received(1).len(), 30, "what was sent stays sent, and nothing follows");

    assert_eq!(world.resend(1, &["missed", "failed"]).await, 10);
    assert!(world.received(1).values().all(|count| *count == 1), "{:?}", world.received(1));
    assert_eq!(world.received(1).len(), 40);
    let done = world.progress(1).await;
    assert_eq!((&done["reached"], done["finished_at"].is_string()), (&done["until"], true), "{done}");
}

#[tokio::test]
async fn what_a_webhook_missed_while_it_was_disabled_is_sent_when_its_circuit_is_closed() {
    let account = "acct_resend_disabled";
    let customer = Customer::new(&STACK, &key_for(account));
    let path = format!("/{account}");
    let webhook = json!({ "url": RECEIVER.url(&path), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    let change = async |status: &str| {
        let change = json!({ "status": status }).to_string();
        assert_eq!(customer.send(Method::PATCH, "/api/v1/webhooks/1", Some(change)).await.unwrap().status, 200);
    };
    change("disabled").await;
    let refused = customer.post(RESEND, &since_then(&["missed"])).await.unwrap();
    let message = "webhook 1 is disabled; make it active first";
    assert_eq!((refused.status, refused.json()["error"]["message"].as_str()), (409, Some(message)));
    let completion = |task: &String| {
        json!({ "account_id": account, "task_id": task, "task_type": "image", "status": "completed",
            "timestamp": "2024-12-23T10:00:00Z" })
        .to_string()
    };
    let completions: Vec<_> = tasks(3).iter().map(completion).collect();
    Producer::new(&STACK).send_all(&completions).await.unwrap();
    let start = Instant::now();
    while customer.get("/api/v1/events").await.unwrap().json()["data"]["events"].as_array().unwrap().len() < 3 {
        assert!(start.elapsed() < SOON, "the events do not come");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    change("active").await;
    let begun = customer.post(RESEND, &since_then(&["missed"])).await.unwrap();
    assert_eq!((begun.status, &begun.json()["data"]["status"]), (202, &json!("paused")), "{}", begun.text);
    RECEIVER.wait_for(&path, 3, SOON).await.unwrap();
    let done = loop {
        let resend = customer.get(RESEND).await.unwrap().json()["data"].take();
        if resend["status"] == "done" {
            break resend;
        }
        assert!(start.elapsed() < SOON * 2, "{resend}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(done["sent"], 3);
}

#[tokio::test]
async fn a_wrong_request_gets_the_correction_and_a_webhook_without_a_resend_has_none_to_show() {
    let customer = Customer::new(&STACK, &key_for("acct_resend_wrong"));
    let webhook = json!({ "url": RECEIVER.url("/acct_resend_wrong"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    let names = "failed, cancelled, missed, delivered";
    let cases = [
        (json!({}), "since is required".to_owned()),
        (json!({ "since": "2024-12-23T10:00:00Z" }), "statuses is required".to_owned()),
        (since_then(&[]), format!("statuses must be an array with one or more of {names}")),
        (since_then(&["held"]), format!("statuses[0] is \"held\"; expected one of {names}")),
        (
            json!({ "since": "2024-12-23T10:00:00Z", "statuses": ["failed"], "webhook": 2 }),
            "there is no field \"webhook\"; send a JSON object with since, statuses and, optionally, until".to_owned(),
        ),
        (
            json!({ "since": "2124-12-23T10:00:00Z", "statuses": ["failed"] }),
            "since is 2124-12-23T10:00:00Z; it must be in the past".to_owned(),
        ),
    ];
    for (body, message) in cases {
        let reply = customer.post(RESEND, &body).await.unwrap();
        assert_eq!((reply.status, reply.json()["error"]["message"].as_str()), (400, Some(message.as_str())), "{body}");
    }
    for (webhook, message) in [(1, "webhook 1 has no resend"), (7, "there is no webhook 7")] {
        let path = format!("/api/v1/webhooks/{webhook}/resend");
        for reply in [customer.get(&path).await.unwrap(), customer.delete(&path).await.unwrap()] {
            assert_eq!((reply.status, reply.json()["error"]["message"].as_str()), (404, Some(message)));
        }
    }
    let nobodys = customer.post("/api/v1/webhooks/7/resend", &since_then(&["failed"])).await.unwrap();
    assert_eq!(nobodys.status, 404);
}
