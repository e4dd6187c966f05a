//! The customers' command `listen`, with the real API. What it does while the API is away or refuses, and everything
//! about its arguments, is in `cli/tests/listen`.

use std::{
    collections::HashSet,
    time::{Duration, SystemTime},
};

use harness::{ApiKey, Customer, Options, Producer, SOON, Stack, signature};
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, folder_of_this_run, key_for, running::Running};

/// The secret of the server on the customer's machine.
const SECRET: &str = "whsec_bGlzdGVuLWxpc3Rlbi1saXN0ZW4tbGlzdGVu";
/// Long enough for an event that is shown twice to appear again.
const A_WHILE: Duration = Duration::from_secs(6);

/// Starts the command, with a path of the receiver as the customer's server, and waits until it listens.
fn listen(stack: &Stack, key: &ApiKey, path: &str, arguments: &[&str]) -> Running {
    let url = RECEIVER.url(path);
    let arguments = [&["listen", "--json", "--forward-to", &url, "--secret", SECRET], arguments].concat();
    let listening = Running::start(stack, &arguments, &[("NANO_API_KEY", &key.key)]);
    while !listening.next_note().starts_with("Listening.") {}
    listening
}

fn shown(listening: &Running) -> Value {
    serde_json::from_str(&listening.next()).unwrap()
}

/// A task that ends now.
fn completion(account: &str, task: &str) -> String {
    json!({ "account_id": account, "task_id": task, "task_type": "image", "status": "completed", "data": { "b": 1.50 } })
        .to_string()
}

#[tokio::test]
async fn an_event_reaches_the_customers_machine_within_three_seconds_as_the_webhook_gets_it() {
    let (account, key) = ("acct_listen", key_for("acct_listen"));
    let webhook = json!({ "url": RECEIVER.url("/listen/hook"), "events": ["job.completed"] });
    assert_eq!(Customer::new(&STACK, &key).post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    let listening = listen(&STACK, &key, "/listen/local", &[]);
    let producer = Producer::new(&STACK);
    let mut took = Vec::new();
    for number in 1..=7 {
        let sent_at = SystemTime::now();
        producer.send(completion(account, &format!("task_{number}"))).await.unwrap();
        let received = RECEIVER.wait_for("/listen/local", number, SOON).await.unwrap();
        took.push(received[number - 1].at.duration_since(sent_at).unwrap());
        let line = shown(&listening);
        assert_eq!((&line["task_id"], &line["http_status"]), (&json!(format!("task_{number}")), &json!(200)));
    }
    took.sort();
    // Not every one: the other tests keep this machine busy.
    assert!(took[3] <= Duration::from_secs(3), "{took:?}");

    let hook = RECEIVER.wait_for("/listen/hook", 7, SOON).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    let local = RECEIVER.received("/listen/local");
    assert_eq!(local.len(), 7, "none is posted twice");
    for posted in &local {
        assert!(signature::is_valid(posted, SECRET) && signature::is_valid_standard(posted, SECRET));
        let same = hook.iter().find(|other| other.header("webhook-id") == posted.header("webhook-id")).unwrap();
        assert_eq!(posted.body, same.body);
        let names = |headers: &reqwest::header::HeaderMap| headers.keys().cloned().collect::<HashSet<_>>();
        assert_eq!(names(&posted.headers), names(&same.headers));
    }
    assert_eq!(listening.interrupt(), Some(130));
}

#[tokio::test]
async fn what_went_to_no_webhook_arrives_and_what_was_erased_is_shown_without_its_payload() {
    let (account, key) = ("acct_listen_alone", key_for("acct_listen_alone"));
    let listening = listen(&STACK, &key, "/listen/alone", &[]);
    Producer::new(&STACK).send(completion(account, "task_1")).await.unwrap();
    let line = shown(&listening);
    assert_eq!((&line["task_id"], &line["posted"]), (&json!("task_1"), &json!(true)));

    let event = format!("/api/v1/events/{}", line["id"].as_str().unwrap());
    assert_eq!(Customer::new(&STACK, &key).delete(&event).await.unwrap().status, 200);
    let later = listen(&STACK, &key, "/listen/alone", &["--replay-last", "5m"]);
    let erased = shown(&later);
    assert_eq!((&erased["id"], &erased["posted"]), (&line["id"], &json!(false)));
    assert_eq!(RECEIVER.received("/listen/alone").len(), 1);
}

/// Takes up to three minutes: the events are more than the key may ask for in two. So wherever in a minute they begin,
/// the key has no requests left for most of the second.
#[tokio::test]
async fn a_burst_beyond_the_keys_limit_arrives_whole() {
    let options = Options {
        folder: folder_of_this_run().join("listen"),
        parameters: vec![("RateLimitPerMinute", "12"), ("RateLimitPerDay", "1000")],
        ..Options::default()
    };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let key = stack.create_api_key("acct_listen_burst").unwrap();
    let listening = listen(&stack, &key, "/listen/burst", &[]);
    let tasks: Vec<_> = (0..24).map(|number| format!("task_{number}")).collect();
    let completions: Vec<_> = tasks.iter().map(|task| completion("acct_listen_burst", task)).collect();
    Producer::new(&stack).send_all(&completions).await.unwrap();

    let received = RECEIVER.wait_for("/listen/burst", 24, SOON).await.unwrap();
    while !listening.next_note().starts_with("The key has no requests left for now") {}
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(RECEIVER.received("/listen/burst").len(), 24);
    let arrived: HashSet<_> = received.iter().map(|webhook| webhook.json()["task_id"].to_string()).collect();
    assert_eq!(arrived, tasks.iter().map(|task| json!(task).to_string()).collect());
}
