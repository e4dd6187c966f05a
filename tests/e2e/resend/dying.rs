//! release is killed in the middle of a resend: nothing is lost, and nothing is sent twice.

use std::{
    thread,
    time::{Duration, Instant},
};

use harness::{Answer, Fault, Faults, Options, SOON};
use reqwest::Method;
use serde_json::json;

use super::{World, counts, tasks};
use crate::{RECEIVER, release::invoke_release};

/// A stack of which a test can make single calls fail.
fn start(account: &'static str) -> (World, Faults) {
    let faults = Faults::start(17).unwrap();
    let world = World::start(account, &Options { faults: Some(faults.clone()), ..World::options(account) });
    (world, faults)
}

/// Runs release until it makes a call with this text, which fails, and kills it then. Everything that it has sent is
/// attempted afterwards.
async fn kill_release_at(world: &World, faults: &Faults, text: &'static str) {
    faults.curse(text);
    let aws = world.stack.aws().unwrap();
    // Its answer means nothing: the process dies.
    let run = thread::spawn(move || drop(invoke_release(&aws)));
    let start = Instant::now();
    while !faults.counts().faults.contains_key(&Fault::Broken) {
        assert!(start.elapsed() < SOON, "release makes no call with {text}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(world.stack.kill("Release", |_| 0), "there was a release to kill");
    run.join().unwrap();
    faults.curse("a text that no call has");
    world.settle().await;
}

#[tokio::test]
async fn a_run_that_dies_before_it_stores_how_far_it_has_come_sends_nothing_twice() {
    let (world, faults) = start("acct_resend_killed");
    world.register(1).await;
    RECEIVER.answer(&world.path(1), vec![Answer::status(400); 10]);
    world.complete(&tasks(5), "completed").await;
    world.begin(1, &["failed"]).await;

    kill_release_at(&world, &faults, "resend.#position").await;
    let thrice = counts(&[("task_0", 3), ("task_1", 3), ("task_2", 3), ("task_3", 3), ("task_4", 3)]);
    assert_eq!(world.received(1), thrice, "each failed twice, and was sent once more");
    let resend = world.progress(1).await;
    assert_eq!(json!([resend["status"], resend["sent"], resend["reached"]]), json!(["running", 0, null]));

    assert_eq!(world.finish(1, SOON).await, 5, "what the run before has sent is counted");
    assert_eq!(world.received(1), thrice);
}

/// The messages of the second run come while those of the first are on the queue.
#[tokio::test]
async fn what_is_sent_a_second_time_before_the_first_was_received_is_attempted_once() {
    let (world, faults) = start("acct_resend_twice");
    world.complete(&tasks(4), "completed").await;
    world.register(1).await;
    world.begin(1, &["missed"]).await;
    let sources = world.aws.call("lambda", "ListEventSourceMappings", &json!({})).unwrap();
    let queue = world.stack.deliveries_queue_url.rsplit('/').next().unwrap();
    let mut sources = sources["EventSourceMappings"].as_array().unwrap().iter();
    let source = sources.find(|it| it["EventSourceArn"].as_str().unwrap().ends_with(&format!(":{queue}"))).unwrap();
    let dispatch = |enabled: bool| {
        let mapping = json!({ "UUID": source["UUID"], "Enabled": enabled });
        world.aws.call("lambda", "UpdateEventSourceMapping", &mapping).unwrap();
    };

    dispatch(false);
    faults.curse("list_append");
    drop(invoke_release(&world.aws));
    assert!(faults.counts().faults.contains_key(&Fault::Broken), "the webhook was not noted");
    faults.curse("a text that no call has");
    drop(invoke_release(&world.aws));
    assert_eq!(world.progress(1).await["sent"], 4);
    dispatch(true);
    world.settle().await;
    assert_eq!(world.received(1), counts(&[("task_0", 1), ("task_1", 1), ("task_2", 1), ("task_3", 1)]));
}

#[tokio::test]
async fn a_run_that_dies_before_it_notes_the_webhook_with_an_event_leaves_that_to_the_next() {
    let (world, faults) = start("acct_resend_unnoted");
    world.complete(&tasks(3), "completed").await;
    world.register(1).await;
    world.begin(1, &["missed"]).await;

    kill_release_at(&world, &faults, "list_append").await;
    let once = counts(&[("task_0", 1), ("task_1", 1), ("task_2", 1)]);
    assert_eq!(world.received(1), once);
    assert_eq!(world.finish(1, SOON).await, 3);
    assert_eq!(world.received(1), once);
    let listed = world.ask(Method::GET, "/api/v1/events", None).await.json();
    for event in listed["data"]["events"].as_array().unwrap() {
        assert_eq!(event["webhooks"], json!([{ "id": 1, "status": "delivered" }]), "{event}");
    }
}
