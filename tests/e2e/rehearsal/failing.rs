//! Rehearsals while the service's own calls fail: they go on when the calls succeed again, and send a few requests at most.

use std::time::Duration;

use harness::{Customer, Faults, Options, Stack};
use serde_json::{Value, json};

use super::{A_WHILE, Mistake, REHEARSE, SECRET, WEBHOOKS, judged, receiver};
use crate::folder_of_this_run;

/// Longer than a message is hidden, some times over.
const LONG: Duration = Duration::from_secs(90);

/// Stores the outcome of the third step.
const STORING: &str = "outcomes.old_timestamp = :outcome";
/// Sends the message for the fourth step.
const SENDING: &str = r#"\"step\":\"repeated_id\""#;
const NO_CALL: &str = "a text that is in no call";

async fn begun(customer: &Customer, url: &str) -> Value {
    let webhook = json!({ "url": url, "events": ["job.completed"], "secret_key": SECRET });
    let created = customer.post(WEBHOOKS, &webhook).await.unwrap().json();
    let path = REHEARSE.replace("/1/", &format!("/{}/", created["data"]["id"]));
    let begun = customer.post(&path, &json!({})).await.unwrap();
    assert_eq!(begun.status, 202, "{}", begun.text);
    path.into()
}

/// The rehearsal once it has this status.
async fn wait_for(customer: &Customer, path: &Value, status: &str) -> Value {
    let start = std::time::Instant::now();
    loop {
        let rehearsal = customer.data(path.as_str().unwrap()).await.unwrap();
        if rehearsal["status"] == status {
            return rehearsal;
        }
        assert!(start.elapsed() < LONG, "{rehearsal}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_rehearsal_survives_failing_calls_and_never_sends_more_than_eight_requests() {
    let faults = Faults::start(6).unwrap();
    // A message becomes visible again as soon as the function's time is over.
    let options = Options {
        folder: folder_of_this_run().join("rehearsals"),
        faults: Some(faults.clone()),
        properties: json!({ "DeliveriesQueue": { "VisibilityTimeout": 6 }, "DispatcherFunction": { "Timeout": 5 } }),
        ..Options::default()
    };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let customer = Customer::new(&stack, &stack.create_api_key("acct_failing").unwrap());

    // The outcome is lost once: its request is made again.
    let endpoint = receiver(Mistake::None);
    faults.curse(STORING);
    let path = begun(&customer, &endpoint.url("/")).await;
    endpoint.wait_for("/", 4, LONG).await.unwrap();
    faults.curse(NO_CALL);
    let rehearsal = wait_for(&customer, &path, "done").await;
    assert_eq!(judged(&rehearsal, Some(true)).len(), 5, "{rehearsal}");
    let count = endpoint.received_by_all().len();
    assert!((6..=8).contains(&count), "{count}");

    // The message for the next step is lost: the outcome is stored, so no request is made again.
    let endpoint = receiver(Mistake::None);
    faults.curse(SENDING);
    let path = begun(&customer, &endpoint.url("/")).await;
    endpoint.wait_for("/", 3, LONG).await.unwrap();
    tokio::time::sleep(A_WHILE * 3).await;
    assert_eq!(endpoint.received_by_all().len(), 3);
    faults.curse(NO_CALL);
    let rehearsal = wait_for(&customer, &path, "done").await;
    assert_eq!((judged(&rehearsal, Some(true)).len(), endpoint.received_by_all().len()), (5, 5), "{rehearsal}");

    // The table never takes the outcome.
    let endpoint = receiver(Mistake::None);
    faults.curse(STORING);
    let path = begun(&customer, &endpoint.url("/")).await;
    let rehearsal = wait_for(&customer, &path, "stopped").await;
    assert!(rehearsal["stopped_reason"].as_str().unwrap().contains("failed repeatedly"), "{rehearsal}");
    assert_eq!((endpoint.received_by_all().len(), judged(&rehearsal, Some(true)).len()), (8, 2), "{rehearsal}");
}
