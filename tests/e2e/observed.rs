//! What the operator receives about webhooks and completions: notifications on their event bus, and traces.

use std::{
    net::UdpSocket,
    sync::LazyLock,
    time::{Duration, Instant},
};

use harness::{Answer, Aws, Customer, Options, Producer, Received, SOON, Stack};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, folder_of_this_run, mailbox::Mailbox};

/// Takes the place of X-Ray's daemon.
static DAEMON: LazyLock<UdpSocket> = LazyLock::new(|| UdpSocket::bind("127.0.0.1:0").unwrap());

/// The tests share one mailbox, because it removes the messages that it reads from the queue.
static MAILBOX: LazyLock<Mailbox> = LazyLock::new(Mailbox::default);

/// A stack whose operator is notified after two seconds of failures instead of an hour.
static OBSERVED: LazyLock<Stack> = LazyLock::new(|| {
    let options = Options {
        folder: folder_of_this_run().join("observed"),
        before: Some(|aws| {
            aws.call("events", "CreateEventBus", &json!({ "Name": "owners" }))?;
            Ok(vec![("NotificationsTopicArn", Mailbox::subscribe(aws, "owners", &["events.amazonaws.com"])?)])
        }),
        parameters: vec![
            ("NotificationsEventBusName", "owners"),
            ("NotifyFailingAfterSeconds", "2"),
            ("Tracing", "on"),
            ("SendTraceparent", "on"),
        ],
        trace_daemon: Some(DAEMON.local_addr().unwrap()),
        ..Options::default()
    };
    Stack::start(&options, &|_| {}).unwrap()
});

fn customer(account: &str) -> Customer {
    Customer::new(&OBSERVED, &OBSERVED.create_api_key(account).unwrap())
}

async fn register(customer: &Customer, path: &str) {
    let webhook = json!({ "url": RECEIVER.url(path), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
}

fn completion(account: &str, task: usize) -> Value {
    json!({ "account_id": account, "task_id": format!("task_{task}"), "task_type": "image", "status": "completed",
        "timestamp": "2024-12-23T10:00:00Z" })
}

async fn send(account: &str, tasks: std::ops::Range<usize>) {
    let messages: Vec<String> = tasks.map(|task| completion(account, task).to_string()).collect();
    Producer::new(&OBSERVED).send_all(&messages).await.unwrap();
}

/// The names of the notifications about an account, in the order in which they arrived.
fn notifications_of(mail: &[Value], account: &str) -> Vec<String> {
    let of_account = mail.iter().filter(|mail| mail["detail"]["account_id"] == account);
    of_account.map(|mail| mail["detail-type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_operator_is_notified_once_of_each_change_of_a_webhook() {
    let (customer, aws, mailbox) = (customer("acct_notified"), OBSERVED.aws().unwrap(), &*MAILBOX);
    // Four deliveries, too few to open the circuit, fail in several dispatchers for longer than two seconds. Then all
    // succeed.
    RECEIVER.answer("/acct_notified", vec![Answer::status(503); 16]);
    register(&customer, "/acct_notified").await;
    send("acct_notified", 0..4).await;
    let recovered =
        mailbox.wait_for(&aws, is_notification("acct_notified", "webhook.recovered")).await["detail"].take();
    assert_eq!(recovered["held"], 0);
    let failing = mailbox.wait_for(&aws, is_notification("acct_notified", "webhook.failing")).await["detail"].take();
    assert_eq!((&failing["webhook_id"], &failing["status"]), (&json!(1), &json!("active")));
    assert_eq!(failing["url"], RECEIVER.url("/acct_notified"));
    assert_eq!(failing["last_attempt"]["message"], "the endpoint answered 503");
    assert!(failing["failing_since"].is_string() && failing["consecutive_failures"].as_u64() > Some(1), "{failing}");
    // A duplicate notification would arrive within this time.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(notifications_of(&mailbox.all(&aws), "acct_notified"), ["webhook.failing", "webhook.recovered"]);

    RECEIVER.answer("/acct_notified", vec![Answer::status(410); 3]);
    send("acct_notified", 20..23).await;
    let disabled = mailbox.wait_for(&aws, is_notification("acct_notified", "webhook.disabled")).await["detail"].take();
    assert_eq!(
        (&disabled["status"], &disabled["disabled_reason"]),
        (&json!("disabled"), &json!("the endpoint answered 410 Gone"))
    );
    RECEIVER.answer("/acct_notified", []);
    let active = json!({ "status": "active" }).to_string();
    assert_eq!(customer.send(Method::PATCH, "/api/v1/webhooks/1", Some(active)).await.unwrap().status, 200);
    send("acct_notified", 23..25).await;
    let start = Instant::now();
    while notifications_of(&mailbox.all(&aws), "acct_notified").len() < 4 {
        assert!(start.elapsed() < SOON, "{:?}", mailbox.all(&aws));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let all = ["webhook.failing", "webhook.recovered", "webhook.disabled", "webhook.recovered"];
    assert_eq!(notifications_of(&mailbox.all(&aws), "acct_notified"), all);

    what_nobody_sent_is_sent_with_the_next_record(&aws, mailbox).await;
}

/// Stores the state of a webhook if watch-webhooks dies after it stored that it is sending a notification.
async fn what_nobody_sent_is_sent_with_the_next_record(aws: &Aws, mailbox: &Mailbox) {
    let customer = customer("acct_unsent");
    register(&customer, "/acct_unsent").await;
    let health = json!({ "M": {
        "version": { "N": "1" }, "epoch": { "N": "0" }, "circuit": { "S": "closed" }, "generation": { "N": "1" },
        "consecutive_failures": { "N": "1" },
        "disabled": { "M": { "began_at": { "S": "2026-01-02T03:04:05Z" },
            "reason": { "S": "the endpoint answered 410 Gone" } } },
        "notifying": { "M": { "notification": { "S": "disabled" }, "since": { "S": "2026-01-02T03:04:06Z" } } },
    } });
    let update = json!({
        "TableName": "nano-webhooks-webhooks",
        "Key": { "account_id": { "S": "acct_unsent" }, "id": { "N": "1" } },
        "UpdateExpression": "SET health = :health",
        "ExpressionAttributeValues": { ":health": health },
    });
    aws.call("dynamodb", "UpdateItem", &update).unwrap();
    let message = json!({ "account_id": "acct_unsent", "webhook_id": 1, "event_id": "01KDYAK3482WAV4DVEFM6KBDXQ",
        "event": "job.completed", "payload": { "task_id": "t", "body": "{}" }, "round": 0, "attempt": 1 });
    Producer::new(&OBSERVED).forge_delivery(message).await.unwrap();
    mailbox.wait_for(aws, is_notification("acct_unsent", "webhook.disabled")).await;
    assert!(RECEIVER.received("/acct_unsent").is_empty());
}

#[tokio::test]
async fn the_operator_learns_of_each_delivery_that_used_up_its_schedule_and_of_how_many_were_held() {
    const NAME: &str = "acct_exhausted";
    let (customer, aws, mailbox) = (customer(NAME), OBSERVED.aws().unwrap(), &*MAILBOX);
    RECEIVER.answer("/acct_exhausted", vec![Answer::status(500); 1_000]);
    register(&customer, "/acct_exhausted").await;
    send(NAME, 0..1).await;
    let exhausted = mailbox.wait_for(&aws, is_notification(NAME, "webhook.exhausted")).await["detail"].take();
    let failed = customer.data("/api/v1/webhooks/1/deliveries?status=failed").await.unwrap()["deliveries"][0].take();
    assert_eq!((&exhausted["last_attempt"]["event_id"], &failed["attempt_count"]), (&failed["id"], &json!(8)));

    // Enough events that the circuit opens. Then deliveries are held.
    send(NAME, 1..11).await;
    customer.wait_until("/api/v1/webhooks/1", |webhook| webhook["circuit"] == "open").await.unwrap();
    send(NAME, 11..31).await;
    customer.wait_until("/api/v1/webhooks/1", |webhook| webhook["held"].as_u64() >= Some(20)).await.unwrap();
    RECEIVER.answer("/acct_exhausted", []);
    assert_eq!(customer.send(Method::POST, "/api/v1/webhooks/1/probe", None).await.unwrap().status, 202);
    let recovered = mailbox.wait_for(&aws, is_notification(NAME, "webhook.recovered")).await["detail"].take();
    assert!(recovered["held"].as_u64() >= Some(10), "{recovered}");
}

fn is_notification(account: &'static str, name: &'static str) -> impl Fn(&Value) -> bool {
    move |mail| mail["detail"]["account_id"] == account && mail["detail-type"] == name
}

#[tokio::test]
async fn one_trace_leads_from_the_producer_through_every_attempt_to_the_endpoint() {
    RECEIVER.answer("/acct_traced", [Answer::status(500)]);
    register(&customer("acct_traced"), "/acct_traced").await;
    let (root, parent) = ("1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8");
    let sent = json!({
        "QueueUrl": OBSERVED.completions_queue_url,
        "MessageBody": completion("acct_traced", 0).to_string(),
        "MessageSystemAttributes": { "AWSTraceHeader": {
            "DataType": "String", "StringValue": format!("Root={root};Parent={parent};Sampled=1") } },
    });
    OBSERVED.aws().unwrap().call("sqs", "SendMessage", &sent).unwrap();
    RECEIVER.wait_for("/acct_traced", 2, SOON).await.unwrap();

    let segments = segments_of(root, 3);
    let [fan_out, first, second] = segments.as_slice() else { panic!("{segments:?}") };
    assert_eq!((&fan_out["parent_id"], &fan_out["annotations"]["task_id"]), (&json!(parent), &json!("task_0")));
    for (attempt, status, fault) in [(first, 500, true), (second, 200, false)] {
        assert_eq!(attempt["parent_id"], fan_out["id"]);
        let endpoint = &attempt["subsegments"][0];
        assert_eq!((&endpoint["namespace"], &endpoint["name"]), (&json!("remote"), &json!("127.0.0.1")));
        assert_eq!((&endpoint["http"]["response"]["status"], &endpoint["fault"]), (&json!(status), &json!(fault)));
    }
    let received = RECEIVER.received("/acct_traced");
    let parents: Vec<_> = received.iter().map(traceparent).collect();
    let of = |segment: &Value| format!("00-5759e988bd862e3fe1be46a994272793-{}-01", segment["id"].as_str().unwrap());
    assert_eq!(parents, [of(first), of(second)]);
    let line = OBSERVED.log().unwrap();
    let line =
        line.lines().find(|line| line.contains("acct_traced") && line.contains("\"attempt\"")).unwrap().to_owned();
    assert!(line.contains(root), "{line}");
}

fn traceparent(received: &Received) -> &str {
    received.header("traceparent").unwrap()
}

/// Waits for this many segments of a trace, and returns them in the order in which they began.
fn segments_of(root: &str, count: usize) -> Vec<Value> {
    DAEMON.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (mut segments, mut datagram) = (Vec::new(), vec![0; 65_536]);
    while segments.len() < count {
        let length = DAEMON.recv(&mut datagram).expect("a segment comes in time");
        let text = std::str::from_utf8(&datagram[..length]).unwrap();
        let (header, segment) = text.split_once('\n').expect("the header is on its own line");
        assert_eq!(serde_json::from_str::<Value>(header).unwrap(), json!({ "format": "json", "version": 1 }));
        let segment: Value = serde_json::from_str(segment).unwrap();
        if segment["trace_id"] == root {
            segments.push(segment);
        }
    }
    segments.sort_by(|a, b| a["start_time"].as_f64().partial_cmp(&b["start_time"].as_f64()).expect("they are numbers"));
    segments
}
