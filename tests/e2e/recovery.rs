//! A crash costs time and nothing else.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use harness::{Answer, Customer, Fault, Faults, Options, Producer, Received, Stack, signature};
use serde_json::json;

use crate::{RECEIVER, folder_of_this_run};

const SECRET: &str = "your-secret-key";

/// The test kills the dispatcher while all requests of a batch are at the receiver, which has read each and answers
/// none in time. That is the worst moment, because the outcomes are lost.
#[tokio::test]
async fn killing_the_dispatcher_in_the_middle_of_a_batch_loses_nothing() {
    // On its own stack: the kill would also delay other tests' deliveries.
    let options = Options { folder: folder_of_this_run().join("recovery"), ..Options::default() };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let customer = Customer::new(&stack, &stack.create_api_key("acct_killed").unwrap());
    let webhook = json!({ "url": RECEIVER.url("/killed"), "events": ["job.completed"], "secret_key": SECRET });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    RECEIVER.answer("/killed", vec![Answer { delay: Duration::from_secs(8), ..Answer::status(200) }; 10]);

    let completion = |task: usize| {
        format!(
            r#"{{"account_id":"acct_killed","task_id":"task_{task}","task_type":"image","status":"completed","timestamp":"2024-12-23T10:00:00Z"}}"#
        )
    };
    Producer::new(&stack).send_all(&(0..10).map(completion).collect::<Vec<_>>()).await.unwrap();
    RECEIVER.wait_for("/killed", 10, Duration::from_secs(30)).await.unwrap();
    assert!(stack.kill("Dispatcher", |_| 0), "there was a dispatcher to kill");
    while stack.kill("Dispatcher", |_| 0) {}

    let received = RECEIVER.wait_for("/killed", 20, Duration::from_mins(2)).await.unwrap();
    let ids = |webhooks: &[Received]| -> HashSet<String> {
        webhooks.iter().map(|webhook| webhook.header("webhook-id").unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&received[..10]).len(), 10);
    assert_eq!(ids(&received[10..]), ids(&received[..10]), "each comes again, with the same id");
    assert!(received.iter().all(|webhook| signature::is_valid(webhook, SECRET)));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let delivered = customer.get("/api/v1/webhooks/1/deliveries?status=delivered").await.unwrap().json();
    assert_eq!(delivered["data"]["deliveries"].as_array().unwrap().len(), 10);
}

/// The dispatcher of this stack has three seconds for a batch, and the endpoint takes longer, so the dispatcher never
/// sees its answer. That is our fault: the delivery comes back, and its history shows no attempt.
#[tokio::test]
async fn what_a_batch_has_no_time_for_comes_back_and_costs_no_attempt() {
    let options = Options {
        folder: folder_of_this_run().join("deadline"),
        properties: json!({ "DispatcherFunction": { "Timeout": 6 } }),
        ..Options::default()
    };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let customer = Customer::new(&stack, &stack.create_api_key("acct_deadline").unwrap());
    let webhook = json!({ "url": RECEIVER.url("/deadline"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    RECEIVER.answer("/deadline", [Answer { delay: Duration::from_secs(5), ..Answer::status(200) }]);
    let completion = json!({ "account_id": "acct_deadline", "task_id": "task_1", "task_type": "image",
        "status": "completed" });
    Producer::new(&stack).send(completion).await.unwrap();

    let received = RECEIVER.wait_for("/deadline", 2, Duration::from_mins(1)).await.unwrap();
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let listed = customer.get("/api/v1/webhooks/1/deliveries").await.unwrap().json();
    let delivery = &listed["data"]["deliveries"][0];
    assert_eq!((delivery["status"].as_str(), delivery["attempt_count"].as_u64()), (Some("delivered"), Some(1)));
}

/// If the answer to a successful write is lost, the client repeats the write, and the repetition finds the secret
/// changed by the first one. A client that rotates alone must never get the answer that somebody else rotated the
/// secret: it would not learn the secret that now signs.
#[tokio::test]
async fn a_lost_answer_does_not_lose_the_secret_that_a_rotation_made() {
    let faults = Faults::start(5).unwrap();
    let folder = folder_of_this_run().join("rotation");
    let stack = Stack::start(&Options { folder, faults: Some(faults.clone()), ..Options::default() }, &|_| {}).unwrap();
    let customer = Customer::new(&stack, &stack.create_api_key("acct_unlucky").unwrap());
    let webhook = json!({ "url": RECEIVER.url("/unlucky"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    faults.set_rate(0.3);
    let rotation = json!({ "overlap_seconds": 0 });
    for _ in 0..30 {
        let rotated = customer.post("/api/v1/webhooks/1/rotate-secret", &rotation).await.unwrap();
        assert!([200, 500].contains(&rotated.status), "{} {}", rotated.status, rotated.text);
    }
    let lost = faults.counts().faults.get(&Fault::AnswerLost).copied().unwrap_or_default();
    assert!(lost > 0, "no answer was lost");
}

/// Eventually consistent reads never see recent writes here. A webhook that was just created still receives its first
/// task, and everything that was recorded stays recorded.
#[tokio::test]
async fn a_table_that_lags_behind_loses_nothing_and_cancels_nothing() {
    let faults = Faults::start(6).unwrap();
    let options = Options {
        folder: folder_of_this_run().join("lag"),
        faults: Some(faults.clone()),
        parameters: vec![("RetryScheduleSeconds", "1")],
        ..Options::default()
    };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let customer = Customer::new(&stack, &stack.create_api_key("acct_lag").unwrap());
    let producer = Producer::new(&stack);
    let webhook = json!({ "url": RECEIVER.url("/lag"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    let completion = |task: &str| {
        json!({ "account_id": "acct_lag", "task_id": task, "task_type": "image", "status": "completed",
            "timestamp": "2024-12-23T10:00:00Z" })
    };

    faults.lag("-webhooks");
    producer.send(completion("task_1")).await.unwrap();
    RECEIVER.wait_for("/lag", 1, Duration::from_secs(30)).await.unwrap();

    let lagged = || faults.counts().faults.get(&Fault::Lagging).copied();
    assert_eq!(lagged(), Some(1), "the first read did not find the webhook");
    faults.lag("-deliveries");
    RECEIVER.answer("/lag", [503, 200, 200, 200].map(Answer::status));
    producer.send(completion("task_2")).await.unwrap();
    let received = RECEIVER.wait_for("/lag", 3, Duration::from_secs(30)).await.unwrap();
    let id = received[2].header("webhook-id").unwrap();
    let path = format!("/api/v1/webhooks/1/deliveries/{id}");
    wait_for_attempts(&customer, &path, 2).await;
    assert_eq!(customer.post(&format!("{path}/retry"), &json!({})).await.unwrap().status, 202);
    wait_for_attempts(&customer, &path, 3).await;

    // Because its read is stale, the dispatcher sends this one once more, and the history also shows that request.
    producer.send(completion("task_2")).await.unwrap();
    let received = RECEIVER.wait_for("/lag", 5, Duration::from_secs(30)).await.unwrap();
    assert_eq!(received[4].header("webhook-id"), Some(id));
    while producer.waiting().await.unwrap() > 0 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    wait_for_attempts(&customer, &path, 4).await;
    assert_eq!(RECEIVER.received("/lag").len(), 5);
    assert!(producer.dead_letters().await.unwrap().is_empty());
    let listed = customer.get("/api/v1/webhooks/1/deliveries?status=delivered").await.unwrap().json();
    assert_eq!(listed["data"]["deliveries"].as_array().unwrap().len(), 2, "{listed}");
}

async fn wait_for_attempts(customer: &Customer, path: &str, count: u64) {
    let start = Instant::now();
    loop {
        let delivery = customer.get(path).await.unwrap().json()["data"].take();
        if delivery["attempt_count"] == count && delivery["status"] == "delivered" {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "there are not {count} attempts: {delivery}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
