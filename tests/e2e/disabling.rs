//! When the service gives a webhook up. The stack of these tests has less patience than five days.

use std::time::{Duration, Instant};

use harness::{Answer, Customer, Options, Producer, Stack};
use serde_json::{Value, json};

use crate::{RECEIVER, folder_of_this_run};

const PATIENCE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn nothing_but_failures_for_too_long_disables_a_webhook_and_a_success_now_and_then_does_not() {
    let options = Options {
        folder: folder_of_this_run().join("disabling"),
        // A key for the tables too, so that this half of the template is deployed once. The emulator does not ask for it.
        parameters: vec![("DisableAfterSeconds", "4"), ("KmsKeyArn", "arn:aws:kms:us-east-1:000000000000:key/0")],
        ..Options::default()
    };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let customer = Customer::new(&stack, &stack.create_api_key("acct_patience").unwrap());
    // Three failures and a success, again and again; and nothing but failures.
    let flapping = [500, 500, 500, 200].into_iter().cycle().take(100).map(Answer::status);
    RECEIVER.answer("/flapping", flapping);
    RECEIVER.answer("/dead", vec![Answer::status(500); 100]);
    for path in ["/flapping", "/dead"] {
        let webhook = json!({ "url": RECEIVER.url(path), "events": ["job.completed"] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    }
    let webhook = async |id: u64| customer.get(&format!("/api/v1/webhooks/{id}")).await.unwrap().json()["data"].take();

    let (start, producer) = (Instant::now(), Producer::new(&stack));
    let mut task = 0;
    let dead: Value = loop {
        task += 1;
        let completion = json!({ "account_id": "acct_patience", "task_id": format!("task_{task}"), "task_type": "image",
            "status": "completed" });
        producer.send(completion).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let dead = webhook(2).await;
        if dead["status"] == "disabled" && start.elapsed() > PATIENCE * 3 {
            break dead;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{dead}");
    };
    assert_eq!(dead["disabled_reason"], "every attempt failed for 4 seconds");
    let flapping = webhook(1).await;
    assert_eq!(flapping["status"], "active", "{flapping}");

    let cancelled = "/api/v1/webhooks/2/deliveries?status=cancelled&limit=1";
    while customer.get(cancelled).await.unwrap().json()["data"]["deliveries"].as_array().unwrap().is_empty() {
        assert!(start.elapsed() < Duration::from_mins(2), "what waits is cancelled when it comes due");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
