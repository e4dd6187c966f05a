//! Requests that a client repeats with the same `Idempotency-Key`. `api.rs` has the tests of create.

mod crashes;

use std::time::Duration;

use futures_util::future::join_all;
use harness::{Customer, Producer, Reply, SOON, signature};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, isolation::WITH_KEY, key_for};

const WEBHOOKS: &str = "/api/v1/webhooks";
const WEBHOOK: &str = "/api/v1/webhooks/1";
const SECRET: &str = "your-secret-key";

/// Long enough for a wrong delivery to arrive: a correct one takes a fraction of this time.
const A_WHILE: Duration = Duration::from_secs(3);

/// An account with one webhook at the path of its name.
struct Owner {
    name: &'static str,
    customer: Customer,
}

impl Owner {
    async fn register(name: &'static str) -> Self {
        let owner = Self { name, customer: Customer::new(&STACK, &key_for(name)) };
        owner.add_webhook().await;
        owner
    }

    async fn add_webhook(&self) {
        let webhook = json!({ "url": RECEIVER.url(&self.path()), "events": ["job.completed"], "secret_key": SECRET });
        assert_eq!(self.customer.post(WEBHOOKS, &webhook).await.unwrap().status, 201);
    }

    fn path(&self) -> String {
        format!("/{}", self.name)
    }

    async fn ask(&self, path: &str, key: &str, body: &str) -> Reply {
        let headers = [("idempotency-key", key)];
        self.customer.send_with(Method::POST, path, Some(body.to_owned()), &headers).await.unwrap()
    }

    /// Makes the same request ten times at once, and returns its one reply.
    async fn ask_ten_times(&self, path: &str, key: &str, body: &str) -> Reply {
        let mut replies = join_all((0..10).map(|_| self.ask(path, key, body))).await;
        let first = replies.iter().position(|reply| !is_replayed(reply)).expect("one of them is the first");
        let first = replies.swap_remove(first);
        for reply in replies {
            assert!(is_replayed(&reply));
            assert_eq!((reply.status, &reply.text), (first.status, &first.text));
        }
        first
    }

    async fn get(&self, path: &str) -> Value {
        self.customer.data(path).await.unwrap()
    }

    async fn wait_for(&self, path: &str, is_met: impl Fn(&Value) -> bool) -> Value {
        self.customer.wait_until(path, is_met).await.unwrap()
    }

    async fn complete(&self, tasks: std::ops::Range<u32>) {
        let completion = |task| {
            json!({ "account_id": self.name, "task_id": format!("task_{task}"), "task_type": "image",
                "status": "completed" })
        };
        let messages: Vec<String> = tasks.map(|task| completion(task).to_string()).collect();
        Producer::new(&STACK).send_all(&messages).await.unwrap();
    }

    /// Completes a task and returns the path of its delivery, once it is delivered.
    async fn delivered(&self) -> String {
        self.complete(1..2).await;
        let list = format!("{WEBHOOK}/deliveries?status=delivered");
        let listed = self.wait_for(&list, |page| page["deliveries"][0]["id"].is_string()).await;
        format!("{WEBHOOK}/deliveries/{}", listed["deliveries"][0]["id"].as_str().unwrap())
    }

    fn heard(&self) -> usize {
        RECEIVER.received(&self.path()).len()
    }
}

fn is_replayed(reply: &Reply) -> bool {
    reply.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

fn message(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned())
}

/// A route that is served without `api::serve_once` takes no notice of the header.
#[tokio::test]
async fn every_post_route_looks_at_the_key() {
    let owner = Owner::register("acct_keyed").await;
    for (route, _, body) in WITH_KEY.iter().filter(|(route, ..)| route.starts_with("POST ")) {
        let path = route.strip_prefix("POST ").unwrap().replace("{id}", "1");
        let path = path.replace("{event_id}", "01JFSKR5R00000000000000000");
        let reply = owner.ask(&path, &"x".repeat(256), body).await;
        let wrong = "Idempotency-Key must be 1 to 255 visible ASCII characters";
        assert_eq!(message(&reply), (400, wrong.to_owned()), "{route}");
    }
}

#[tokio::test]
async fn ten_test_requests_with_one_key_are_one_test_event() {
    let owner = Owner::register("acct_test_again").await;
    let test = format!("{WEBHOOK}/test");
    let first = owner.ask_ten_times(&test, "key-1", "").await;
    assert_eq!(first.status, 202, "{}", first.text);
    RECEIVER.wait_for(&owner.path(), 1, SOON).await.unwrap();
    let later = owner.ask(&test, "key-1", "").await;
    assert_eq!((later.status, &later.text, is_replayed(&later)), (202, &first.text, true));
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(owner.heard(), 1);
    let other = owner.ask(&test, "key-2", "").await;
    assert!(other.status == 202 && other.text != first.text && !is_replayed(&other), "{}", other.text);
}

#[tokio::test]
async fn a_key_is_for_one_path_and_one_body_of_one_account() {
    let (owner, stranger) = (Owner::register("acct_key_owner").await, Owner::register("acct_key_stranger").await);
    owner.add_webhook().await;
    let test = format!("{WEBHOOK}/test");
    let first = owner.ask(&test, "key-1", "{}").await;
    assert_eq!(first.status, 202);

    let body = "this Idempotency-Key was used with another body; use a new key for a new request";
    assert_eq!(message(&owner.ask(&test, "key-1", r#"{"event":"job.failed"}"#).await), (409, body.to_owned()));
    let used = "this Idempotency-Key was used for POST /api/v1/webhooks/1/test; use a new key for a new";
    let other_path = owner.ask("/api/v1/webhooks/2/test", "key-1", "{}").await;
    assert_eq!(message(&other_path), (409, format!("{used} request")));
    let create = owner.ask(WEBHOOKS, "key-1", "{}").await;
    assert_eq!(message(&create), (409, format!("{used} webhook")));

    let theirs = stranger.ask(&test, "key-1", "{}").await;
    assert!(theirs.status == 202 && theirs.text != first.text && !is_replayed(&theirs), "{}", theirs.text);
    RECEIVER.wait_for(&stranger.path(), 1, SOON).await.unwrap();
}

#[tokio::test]
async fn a_request_that_was_refused_is_not_remembered() {
    let owner = Owner::register("acct_refused_again").await;
    let test = format!("{WEBHOOK}/test");
    let change = async |status: &str| {
        let change = json!({ "status": status }).to_string();
        assert_eq!(owner.customer.send(Method::PATCH, WEBHOOK, Some(change)).await.unwrap().status, 200);
    };
    change("disabled").await;
    for _ in 0..2 {
        assert_eq!(owner.ask(&test, "key-1", "").await.status, 409);
    }
    assert_eq!(owner.ask(&test, "key-1", r#"{"event":"job.done"}"#).await.status, 400, "the key is free");
    change("active").await;
    let sent = owner.ask(&test, "key-1", "").await;
    assert_eq!((sent.status, is_replayed(&sent)), (202, false));
}

#[tokio::test]
async fn a_repeated_rotation_makes_one_secret_and_shows_it_as_long_as_it_is_the_newest() {
    let owner = Owner::register("acct_rotate_again").await;
    let rotate = format!("{WEBHOOK}/rotate-secret");
    let first = owner.ask_ten_times(&rotate, "key-1", "{}").await;
    assert_eq!(first.status, 200, "{}", first.text);
    let new = first.json()["data"]["secret_key"].as_str().unwrap().to_owned();
    owner.complete(1..2).await;
    let webhook = &RECEIVER.wait_for(&owner.path(), 1, SOON).await.unwrap()[0];
    assert!(signature::is_valid(webhook, SECRET));
    assert_eq!(webhook.header("x-nano-signature-next"), Some(signature::nano_signature(webhook, &new).as_str()));
    assert_eq!(webhook.header("x-nano-signature-previous"), None, "there was one rotation");

    let switch = r#"{"switch":"now"}"#;
    let switched = owner.ask(&rotate, "key-2", switch).await;
    assert_eq!((switched.status, switched.json()["data"]["secret_switches_at"].clone()), (200, Value::Null));
    let again = owner.ask(&rotate, "key-1", "{}").await;
    assert_eq!((&again.text, is_replayed(&again)), (&first.text, true), "as it was then, before the switch");
    assert_eq!(owner.ask(&rotate, "key-2", switch).await.text, switched.text);

    let own = json!({ "secret_key": "the-customers-own-secret" }).to_string();
    let own_first = owner.ask(&rotate, "key-3", &own).await;
    let own_again = owner.ask(&rotate, "key-3", &own).await;
    assert_eq!((own_first.status, &own_first.text), (200, &own_again.text));
    assert!(own_first.json()["data"]["secret_key"].is_null(), "{}", own_first.text);
    let outdated = owner.ask(&rotate, "key-1", "{}").await;
    assert_eq!(outdated.status, 200);
    assert!(!outdated.text.contains("secret_key"), "{}", outdated.text);
}

#[tokio::test]
async fn a_repeated_retry_makes_one_attempt() {
    let owner = Owner::register("acct_retry_again").await;
    let delivery = owner.delivered().await;
    let retry = format!("{delivery}/retry");
    let first = owner.ask_ten_times(&retry, "key-1", "").await;
    assert_eq!(first.status, 202, "{}", first.text);
    owner.wait_for(&delivery, |delivery| delivery["attempt_count"] == 2 && delivery["status"] == "delivered").await;
    let later = owner.ask(&retry, "key-1", "").await;
    assert_eq!((later.status, &later.text, is_replayed(&later)), (202, &first.text, true));
    tokio::time::sleep(A_WHILE).await;
    assert_eq!((owner.heard(), &owner.get(&delivery).await["attempt_count"]), (2, &json!(2)));
}

#[tokio::test]
async fn a_repeated_resend_begins_once_also_if_it_is_done_or_stopped() {
    let owner = Owner::register("acct_resend_again").await;
    let resend = format!("{WEBHOOK}/resend");
    let request = r#"{"since":"2001-01-01T00:00:00Z","until":"2001-01-02T00:00:00Z","statuses":["failed"]}"#;
    let first = owner.ask_ten_times(&resend, "key-1", request).await;
    assert_eq!(first.status, 202, "{}", first.text);
    owner.wait_for(&resend, |resend| resend["status"] == "done").await;
    assert_eq!(owner.customer.delete(&resend).await.unwrap().status, 200);
    let later = owner.ask(&resend, "key-1", request).await;
    assert_eq!((later.status, &later.text, is_replayed(&later)), (202, &first.text, true));
    assert_eq!(owner.customer.get(&resend).await.unwrap().status, 404, "nothing has begun");
}
