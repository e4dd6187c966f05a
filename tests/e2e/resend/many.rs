//! Ten thousand events are resent.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use harness::Producer;
use serde_json::json;

use super::World;
use crate::RECEIVER;

const EVENTS: usize = 10_000;
/// The resend itself takes two minutes, and a busy machine more for the attempts.
const A_WHILE: Duration = Duration::from_mins(30);

/// Takes some minutes:
///
/// ```sh
/// cargo test -p tests --test e2e resend::many -- --ignored --nocapture
/// ```
#[tokio::test]
#[ignore = "it takes some minutes: run it by hand"]
async fn of_ten_thousand_events_none_is_lost_and_none_is_sent_twice() {
    let world = World::start("acct_resend_many", &World::options("acct_resend_many"));
    let completion = |task: usize| {
        let (second, millisecond) = (task / 1_000, task % 1_000);
        json!({ "account_id": world.account, "task_id": format!("task_{task}"), "task_type": "image",
            "status": "completed", "timestamp": format!("2024-12-23T10:00:{second:02}.{millisecond:03}Z") })
        .to_string()
    };
    let completions: Vec<_> = (0..EVENTS).map(completion).collect();
    Producer::new(&world.stack).send_all(&completions).await.unwrap();
    world.settle_within(A_WHILE).await;
    world.register(1).await;

    let start = Instant::now();
    world.begin(1, &["missed"]).await;
    let sent = world.finish(1, A_WHILE).await;
    eprintln!("{sent} events were resent and attempted in {:?}", start.elapsed());
    let mut received = HashMap::<String, usize>::new();
    for webhook in RECEIVER.received(&world.path(1)) {
        *received.entry(webhook.header("webhook-id").unwrap().to_owned()).or_default() += 1;
    }
    let twice: Vec<_> = received.iter().filter(|(_, count)| **count > 1).collect();
    assert_eq!((usize::try_from(sent).unwrap(), received.len(), twice), (EVENTS, EVENTS, Vec::new()));
}
