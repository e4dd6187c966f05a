//! Retries that wait for longer than a queue can delay a message: `release` sends them when they are due, and finds
//! lost ones.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use harness::{Answer, Aws, Customer, Failure, Faults, Options, Producer, SOON, Stack};
use serde_json::{Value, json};

use crate::{RECEIVER, folder_of_this_run};

const ACCOUNT: &str = "acct_waiting";
const TABLE: &str = "nano-webhooks-waiting";

/// A stack in which every wait is an item in the waiting table, and an account with one webhook.
struct Scene {
    stack: Stack,
    aws: Aws,
    customer: Customer,
    path: &'static str,
}

impl Scene {
    async fn start(path: &'static str, schedule: &'static str, every_seconds: Option<u32>) -> Self {
        Self::of(path, Options { schedules_every_seconds: every_seconds, ..Self::options(path, schedule) }).await
    }

    fn options(path: &str, schedule: &'static str) -> Options {
        let no_delays = json!({ "Environment": { "Variables": { "LONGEST_DELAY_SECONDS": "0" } } });
        Options {
            folder: folder_of_this_run().join(&path[1..]),
            // Such high limits that no circuit opens.
            parameters: vec![("RetryScheduleSeconds", schedule), ("CircuitFailures", "100"), ("CircuitEvents", "100")],
            properties: json!({ "DispatcherFunction": no_delays }),
            schedules_every_seconds: None,
            ..Options::default()
        }
    }

    async fn of(path: &'static str, options: Options) -> Self {
        let stack = Stack::start(&options, &|_| {}).unwrap();
        let customer = Customer::new(&stack, &stack.create_api_key(ACCOUNT).unwrap());
        let webhook = json!({ "url": RECEIVER.url(path), "events": ["job.completed"] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
        let aws = stack.aws().unwrap();
        Self { stack, aws, customer, path }
    }

    async fn finish_tasks(&self, count: usize) {
        let completion = |task: usize| {
            json!({ "account_id": ACCOUNT, "task_id": format!("task_{task}"), "task_type": "image",
                "status": "completed", "timestamp": "2024-12-23T10:00:00Z" })
        };
        let completions: Vec<_> = (0..count).map(|task| completion(task).to_string()).collect();
        Producer::new(&self.stack).send_all(&completions).await.unwrap();
    }

    async fn wait_for(&self, status: &str, count: usize) -> Vec<Value> {
        let start = SystemTime::now();
        loop {
            let path = format!("/api/v1/webhooks/1/deliveries?limit=100&status={status}");
            let listed = self.customer.get(&path).await.unwrap().json();
            let listed = listed["data"]["deliveries"].as_array().unwrap().clone();
            if listed.len() == count {
                return listed;
            }
            assert!(start.elapsed().unwrap() < SOON, "{} of {count} are {status}", listed.len());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// How many messages are on the deliveries queue: visible, in flight or delayed.
    fn queued(&self) -> u64 {
        let asked = json!({ "QueueUrl": self.stack.deliveries_queue_url, "AttributeNames": ["All"] });
        let attributes = self.aws.call("sqs", "GetQueueAttributes", &asked).unwrap();
        ["", "NotVisible", "Delayed"]
            .map(|kind| attributes["Attributes"][format!("ApproximateNumberOfMessages{kind}")].clone())
            .iter()
            .map(|count| count.as_str().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    /// The items of the waiting table, without the cursors.
    fn waiting(&self) -> Vec<Value> {
        self.items().into_iter().filter(|item| item["shard"]["S"] != "cursors").collect()
    }

    fn cursors(&self) -> Vec<Value> {
        self.items().into_iter().filter(|item| item["shard"]["S"] == "cursors").collect()
    }

    fn items(&self) -> Vec<Value> {
        let items = self.aws.call("dynamodb", "Scan", &json!({ "TableName": TABLE })).unwrap();
        items["Items"].as_array().unwrap().clone()
    }

    /// How many attempts the runs so far have put on the queue, as their metrics say. The emulator repeats a function's
    /// lines in its own log, some time later.
    fn released(&self) -> usize {
        let log = self.stack.log().unwrap();
        let lines: BTreeSet<_> = log.lines().collect();
        let metrics = lines.into_iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        metrics.filter_map(|line| usize::try_from(line["Released"].as_u64()?).ok()).sum()
    }
}

/// Runs release once, and waits for its end.
pub(crate) fn run_release(aws: &Aws) {
    let answer = invoke_release(aws).unwrap();
    assert!(answer.get("FunctionError").is_none(), "{answer}");
}

/// The same, whatever its end. Returns Lambda's answer.
pub(crate) fn invoke_release(aws: &Aws) -> Result<Value, Failure> {
    let functions = aws.call("lambda", "ListFunctions", &json!({}))?;
    let names = functions["Functions"].as_array().unwrap().iter().map(|it| it["FunctionName"].as_str().unwrap());
    let name = names.into_iter().find(|name| name.contains("Release")).unwrap();
    let run = json!({ "FunctionName": name, "InvocationType": "RequestResponse", "Payload": "{}" });
    aws.call("lambda", "Invoke", &run)
}

#[tokio::test]
async fn what_waits_is_on_no_queue_and_is_sent_when_it_is_due() {
    // Long enough that the queue is seen empty before the first retry is due, and that one run of release has ended before
    // the next one begins, on a busy machine too: two at the same time may send a page twice.
    let scene = Scene::start("/waits", "20", Some(5)).await;
    RECEIVER.answer(scene.path, vec![Answer::status(503); 30]);
    scene.finish_tasks(30).await;
    scene.wait_for("retrying", 30).await;
    while scene.queued() > 0 {
        assert!(
            RECEIVER.received(scene.path).len() <= 30,
            "nothing was on the queue by the time that retries were due"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let items = scene.waiting();
    let attempts: usize = items.iter().map(|item| item["attempts"]["L"].as_array().unwrap().len()).sum();
    assert_eq!(attempts, 30);
    assert!(items.len() < 30, "those of a batch share an item");

    let delivered = scene.wait_for("delivered", 30).await;
    assert!(delivered.iter().all(|delivery| delivery["attempt_count"] == 2), "{delivered:?}");
    let received = RECEIVER.received(scene.path);
    assert_eq!(received.len(), 60, "each attempt was made once");
    let (failed_at, again_at) =
        (received[..30].iter().map(|it| it.at).max(), received[30..].iter().map(|it| it.at).min());
    let waited = again_at.unwrap().duration_since(failed_at.unwrap()).unwrap_or_default();
    assert!(waited > Duration::from_secs(4), "{waited:?}");
}

/// release has no schedule here, so only the runs below happen. If two runs read a page before one of them moves the
/// cursor, both send it. The dispatcher may then make an attempt twice, and records both, unless both began in the same
/// millisecond and took as long.
#[tokio::test]
async fn runs_at_the_same_time_lose_nothing_and_what_they_repeat_is_recorded() {
    let scene = Scene::start("/at_once", "1", None).await;
    RECEIVER.answer(scene.path, vec![Answer::status(503); 40]);
    scene.finish_tasks(40).await;
    scene.wait_for("retrying", 40).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let four_runs = || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                // With a helper process each: the calls of one process run one after the other.
                scope.spawn(|| run_release(&scene.stack.aws().unwrap()));
            }
        });
    };
    four_runs();
    scene.wait_for("delivered", 40).await;
    while scene.queued() > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let delivered = scene.wait_for("delivered", 40).await;
    let count = |delivery: &Value| usize::try_from(delivery["attempt_count"].as_u64().unwrap()).unwrap();
    let recorded: usize = delivered.iter().map(count).sum();
    let received = RECEIVER.received(scene.path).len();
    assert!((received - received / 20..=received).contains(&recorded), "{recorded} of {received}: {delivered:?}");

    four_runs();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((scene.queued(), RECEIVER.received(scene.path).len()), (0, received), "what was sent is not sent again");
}

/// The write of the cursor fails here. If a run dies after it has sent a page and before that write, the tables and the queue
/// have the same content.
#[tokio::test]
async fn a_page_whose_cursor_was_not_stored_is_sent_again_and_no_attempt_is_made_twice() {
    let faults = Faults::start(5).unwrap();
    let scene =
        Scene::of("/no_cursor", Options { faults: Some(faults.clone()), ..Scene::options("/no_cursor", "1") }).await;
    RECEIVER.answer(scene.path, vec![Answer::status(503); 20]);
    scene.finish_tasks(20).await;
    scene.wait_for("retrying", 20).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    faults.curse("SET #at = :to");
    run_release(&scene.aws);
    scene.wait_for("delivered", 20).await;
    assert_eq!(scene.released(), 20);
    assert!(scene.cursors().is_empty());

    faults.curse("a text that no call has");
    let before = scene.released();
    run_release(&scene.aws);
    assert_eq!(scene.released() - before, 20, "the next run sends the page again");
    while scene.queued() > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let delivered = scene.wait_for("delivered", 20).await;
    assert!(delivered.iter().all(|delivery| delivery["attempt_count"] == 2), "{delivered:?}");
    assert_eq!(RECEIVER.received(scene.path).len(), 40);
    assert!(!scene.cursors().is_empty());
    run_release(&scene.aws);
    assert_eq!(scene.released() - before, 20, "and the one after that nothing");
}

/// Each run has one second for new work here: its function times out nine seconds after it has begun.
#[tokio::test]
async fn a_run_ends_in_time_and_the_next_one_continues_where_it_stopped() {
    const WAITING: usize = 3_200;
    let options = Scene::options("/much", "1");
    let properties = json!({ "ReleaseFunction": { "Timeout": 9 } });
    let scene = Scene::of("/much", Options { properties, ..options }).await;
    let due = jiff::Timestamp::now() - Duration::from_mins(1);
    let put = |number: usize| {
        let attempt = json!({ "S": format!("{ACCOUNT}#1#01KDYAK3482WAV4DVEFM{number:06}#job.completed#0#2") });
        let item = json!({ "shard": { "S": (number % 16).to_string() }, "due": { "S": format!("{due:.3}#{number:04}") },
            "attempts": { "L": [attempt] }, "expires_at": { "N": "4102444800" } });
        json!({ "PutRequest": { "Item": item } })
    };
    let puts: Vec<_> = (0..WAITING).map(put).collect();
    for part in puts.chunks(25) {
        scene.aws.call("dynamodb", "BatchWriteItem", &json!({ "RequestItems": { TABLE: part } })).unwrap();
    }
    let mut runs = 0;
    while scene.released() < WAITING {
        // It fails if the function times out.
        run_release(&scene.aws);
        runs += 1;
        assert!(runs < 50, "{} of {WAITING} were released in {runs} runs", scene.released());
    }
    assert!(runs > 1, "one run had time for everything");
    run_release(&scene.aws);
    assert_eq!(scene.released(), WAITING, "each was sent once");
}

/// The message of an attempt is lost here: its item says that a message carries it, but there is none.
#[tokio::test]
async fn an_attempt_whose_message_got_lost_is_found_after_an_hour() {
    let scene = Scene::start("/lost", "3600", Some(1)).await;
    RECEIVER.answer(scene.path, vec![Answer::status(503); 1]);
    scene.finish_tasks(1).await;
    let delivery = scene.wait_for("retrying", 1).await.remove(0);
    while scene.queued() > 0 || scene.waiting().is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let item = scene.waiting().remove(0);
    let ago = |hours: u64| {
        let at = SystemTime::now() - Duration::from_secs(hours * 3600);
        jiff::Timestamp::try_from(at).unwrap().strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
    };
    let mut lost = item.clone();
    let name = item["due"]["S"].as_str().unwrap().split_once('#').unwrap().1;
    lost["due"]["S"] = format!("{}#{name}", ago(2)).into();
    lost["carried"] = json!({ "BOOL": true });
    let key = json!({ "shard": item["shard"], "due": item["due"] });
    scene.aws.call("dynamodb", "DeleteItem", &json!({ "TableName": TABLE, "Key": key })).unwrap();

    // The delivery is not overdue yet, whatever the item says.
    scene.aws.call("dynamodb", "PutItem", &json!({ "TableName": TABLE, "Item": lost })).unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(RECEIVER.received(scene.path).len(), 1);

    let deliveries = scene.aws.call("dynamodb", "Scan", &json!({ "TableName": "nano-webhooks-deliveries" })).unwrap();
    let deliveries = deliveries["Items"].as_array().unwrap().iter();
    let stored = deliveries.into_iter().find(|item| item["id"]["S"] == delivery["id"]).unwrap();
    let overdue = json!({ "TableName": "nano-webhooks-deliveries",
        "Key": { "webhook": stored["webhook"], "id": stored["id"] },
        "UpdateExpression": "SET next_attempt_at = :at", "ExpressionAttributeValues": { ":at": { "S": ago(2) } } });
    scene.aws.call("dynamodb", "UpdateItem", &overdue).unwrap();
    lost["due"]["S"] = format!("{}#{name}", ago(1)).into();
    scene.aws.call("dynamodb", "PutItem", &json!({ "TableName": TABLE, "Item": lost })).unwrap();
    let delivered = scene.wait_for("delivered", 1).await.remove(0);
    assert_eq!(delivered["attempt_count"], 2);
    assert_eq!(scene.waiting().len(), 3, "the two above, and one for the message that was sent again");
}
