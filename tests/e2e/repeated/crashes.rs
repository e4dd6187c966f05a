//! What is stored of a request with a key, and what becomes of it if the function dies before it has stored the reply.
//!
//! A test puts the item into the state in which such a function leaves it, and makes the request again.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use harness::{Answer, Customer, Faults, Options, Reply, SOON, Stack};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{A_WHILE, Owner, WEBHOOK, WEBHOOKS, is_replayed, message};
use crate::{RECEIVER, STACK, folder_of_this_run};

/// An item of the webhooks table.
fn item(partition: &str, id: u64) -> Value {
    let key = json!({ "account_id": { "S": partition }, "id": { "N": id.to_string() } });
    let get = json!({ "TableName": "nano-webhooks-webhooks", "Key": key, "ConsistentRead": true });
    STACK.aws().unwrap().call("dynamodb", "GetItem", &get).unwrap()["Item"].take()
}

/// The item of the request that an account has made with the key `key-1`.
fn stored(owner: &Owner) -> Value {
    item(&format!("{}#request#{}", owner.name, hex::encode(Sha256::digest("key-1"))), 0)
}

fn put(item: &Value) {
    let put = json!({ "TableName": "nano-webhooks-webhooks", "Item": item });
    STACK.aws().unwrap().call("dynamodb", "PutItem", &put).unwrap();
}

/// Makes the item of the account's request that of a function which has died after its work, a lease ago.
fn die(owner: &Owner) {
    let mut item = stored(owner);
    let fields = item.as_object_mut().unwrap();
    for field in ["reply_status", "reply_body"] {
        assert!(fields.remove(field).is_some(), "there is no {field}");
    }
    fields.insert("leased_until".into(), json!({ "N": "1" }));
    put(&item);
}

impl Owner {
    /// Makes a request, lets the function die before it stores the reply, and makes the request again. Returns both
    /// replies' data.
    async fn ask_and_die(&self, path: &str, body: &str) -> [Value; 2] {
        let first = self.ask(path, "key-1", body).await;
        assert!(first.status < 300, "{}", first.text);
        die(self);
        let second = self.ask(path, "key-1", body).await;
        assert_eq!(second.status, first.status, "{}", second.text);
        let third = self.ask(path, "key-1", body).await;
        assert_eq!((&third.text, is_replayed(&third)), (&second.text, true));
        [first, second].map(|reply| reply.json()["data"].take())
    }
}

#[tokio::test]
async fn a_stored_reply_is_kept_for_24_hours_and_has_neither_the_key_nor_the_secret() {
    let owner = Owner::register("acct_kept").await;
    let now = Timestamp::now().as_second();
    let path = format!("{WEBHOOK}/rotate-secret");
    let reply = owner.ask(&path, "key-1", r#"{"overlap_seconds":60}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let item = stored(&owner);
    let expires_at: i64 = item["expires_at"]["N"].as_str().unwrap().parse().unwrap();
    assert!((0..60).contains(&(expires_at - now - 24 * 60 * 60)), "{item}");
    let secret = reply.json()["data"]["secret_key"].as_str().unwrap().to_owned();
    let text = item.to_string();
    assert!(!text.contains(&secret) && !text.contains("whsec_") && !text.contains("key-1"), "{item}");
    assert!(!text.contains("overlap_seconds"), "the request's body is a hash: {item}");
}

#[tokio::test]
async fn a_key_is_free_again_after_24_hours() {
    let owner = Owner::register("acct_next_day").await;
    let test = format!("{WEBHOOK}/test");
    let first = owner.ask(&test, "key-1", "").await;
    let mut item = stored(&owner);
    item["expires_at"]["N"] = Timestamp::now().as_second().to_string().into();
    put(&item);
    let next_day = owner.ask(&test, "key-1", "{}").await;
    assert!(next_day.status == 202 && next_day.text != first.text && !is_replayed(&next_day), "{}", next_day.text);
    RECEIVER.wait_for(&owner.path(), 2, SOON).await.unwrap();
}

#[tokio::test]
async fn while_another_function_works_on_the_request_it_is_a_409() {
    let owner = Owner::register("acct_under_way").await;
    let test = format!("{WEBHOOK}/test");
    owner.ask(&test, "key-1", "").await;
    let mut item = stored(&owner);
    item.as_object_mut().unwrap().retain(|field, _| !field.starts_with("reply_"));
    item["leased_until"]["N"] = (Timestamp::now().as_millisecond() + 60_000).to_string().into();
    put(&item);
    let under_way = "a request with this Idempotency-Key is under way; try again";
    assert_eq!(message(&owner.ask(&test, "key-1", "").await), (409, under_way.to_owned()));
}

#[tokio::test]
async fn a_test_that_died_is_the_same_event() {
    let owner = Owner::register("acct_test_died").await;
    let [first, second] = owner.ask_and_die(&format!("{WEBHOOK}/test"), "").await;
    assert_eq!(first, second);
    RECEIVER.wait_for(&owner.path(), 1, SOON).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(owner.get("/api/v1/events").await["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_create_that_died_is_the_same_webhook_with_the_same_secret() {
    let owner = Owner::register("acct_create_died").await;
    let webhook = json!({ "url": RECEIVER.url(&owner.path()), "events": ["job.failed"] }).to_string();
    let [first, second] = owner.ask_and_die(WEBHOOKS, &webhook).await;
    assert!(first["secret_key"].is_string());
    assert_eq!(first, second);
    assert_eq!(owner.get(WEBHOOKS).await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_rotation_that_died_has_made_one_secret() {
    let owner = Owner::register("acct_rotate_died").await;
    let [first, second] = owner.ask_and_die(&format!("{WEBHOOK}/rotate-secret"), "{}").await;
    assert!(first["secret_key"].is_string());
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_retry_that_died_is_one_attempt() {
    let owner = Owner::register("acct_retry_died").await;
    let delivery = owner.delivered().await;
    let retry = format!("{delivery}/retry");
    let first = owner.ask(&retry, "key-1", "").await;
    assert_eq!(first.status, 202, "{}", first.text);
    owner.wait_for(&delivery, |delivery| delivery["attempt_count"] == 2).await;
    die(&owner);
    assert_eq!(owner.ask(&retry, "key-1", "").await.text, first.text);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(owner.get(&delivery).await["attempt_count"], 2);
}

#[tokio::test]
async fn a_resend_that_died_is_the_same_resend_also_if_it_is_done() {
    let owner = Owner::register("acct_resend_died").await;
    let resend = format!("{WEBHOOK}/resend");
    let request = r#"{"since":"2001-01-01T00:00:00Z","until":"2001-01-02T00:00:00Z","statuses":["failed"]}"#;
    let first = owner.ask(&resend, "key-1", request).await.json()["data"]["id"].take();
    owner.wait_for(&resend, |resend| resend["status"] == "done").await;
    // So long ago that the same request without a key would begin another resend.
    let then = (Timestamp::now() - SignedDuration::from_mins(10)).to_string();
    let mut webhook = item(owner.name, 1);
    webhook["resend"]["M"]["started_at"]["S"] = then.clone().into();
    put(&webhook);
    let mut item = stored(&owner);
    item["first_at"]["S"] = then.into();
    put(&item);
    die(&owner);
    let second = owner.ask(&resend, "key-1", request).await.json()["data"]["id"].take();
    assert_eq!((first.is_string(), &first), (true, &second));
}

#[tokio::test]
async fn a_probe_is_asked_for_once_also_if_the_function_died() {
    let owner = Owner::register("acct_probe_again").await;
    RECEIVER.answer(&owner.path(), vec![Answer::status(500); 1_000]);
    owner.complete(0..10).await;
    // A probe that finds nothing held would make the circuit recovering.
    owner.wait_for(WEBHOOK, |webhook| webhook["circuit"] == "open" && webhook["held"] == 10).await;
    let probe = format!("{WEBHOOK}/probe");
    let first = owner.ask_ten_times(&probe, "key-1", "").await;
    assert_eq!(first.status, 202, "{}", first.text);
    let asked_at = item(owner.name, 1)["probe_asked_at"].take();
    assert!(asked_at["S"].is_string());
    assert_eq!(owner.ask(&probe, "key-1", "").await.text, first.text);
    die(&owner);
    assert_eq!(owner.ask(&probe, "key-1", "").await.text, first.text);
    assert_eq!(item(owner.name, 1)["probe_asked_at"], asked_at);
}

/// Makes a request with this key again and again until it succeeds, as a client does whose service has a bad day.
async fn insist(customer: &Customer, path: &str, key: &str, body: &str) -> Reply {
    let start = Instant::now();
    loop {
        let headers = [("idempotency-key", key)];
        let reply = customer.send_with(Method::POST, path, Some(body.to_owned()), &headers).await.unwrap();
        if reply.status < 300 {
            return reply;
        }
        assert!([409, 500].contains(&reply.status), "{} {}", reply.status, reply.text);
        assert!(start.elapsed() < Duration::from_mins(2), "{path} with {key}: {}", reply.text);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// A fifth of all calls to AWS fails here, some of them after they were executed.
#[tokio::test]
async fn on_a_bad_day_a_client_that_insists_gets_everything_once() {
    let faults = Faults::start(7).unwrap();
    let folder = folder_of_this_run().join("repeated");
    let stack = Stack::start(&Options { folder, faults: Some(faults.clone()), ..Options::default() }, &|_| {}).unwrap();
    let customer = Customer::new(&stack, &stack.create_api_key("acct_insists").unwrap());
    let webhook = json!({ "url": RECEIVER.url("/insists"), "events": ["job.completed"] }).to_string();
    faults.set_rate(0.2);
    let keys: Vec<String> = (0..8).map(|number| format!("key-{number}")).collect();
    let created = join_all(keys.iter().map(|key| insist(&customer, WEBHOOKS, key, &webhook))).await;
    let numbers: HashSet<_> = created.iter().map(|reply| reply.json()["data"]["id"].as_u64().unwrap()).collect();
    let keys: Vec<String> = keys.iter().map(|key| format!("test-{key}")).collect();
    let test = format!("{WEBHOOK}/test");
    let tests = join_all(keys.iter().map(|key| insist(&customer, &test, key, ""))).await;
    faults.set_rate(0.0);

    assert_eq!(numbers, (1..=8).collect());
    assert!(created.iter().all(|reply| reply.json()["data"]["secret_key"].is_string()), "each client knows its secret");
    let listed = customer.get(WEBHOOKS).await.unwrap().json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 8, "{listed}");
    let shown: HashSet<_> = tests.iter().map(|reply| reply.json()["data"]["id"].as_str().unwrap().to_owned()).collect();
    let events = customer.get("/api/v1/events?limit=100").await.unwrap().json();
    let events = events["data"]["events"].as_array().unwrap().iter();
    let stored: HashSet<_> = events.map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((shown.len(), &stored), (8, &shown), "a client was shown every event that is stored");
}

#[tokio::test]
async fn a_rehearsal_that_a_dying_function_has_begun_is_not_begun_again() {
    let owner = Owner::register("acct_rehearsal_again").await;
    let rehearse = format!("{WEBHOOK}/rehearse");
    let [first, second] = owner.ask_and_die(&rehearse, "").await;
    assert_eq!((&first["id"], &first["started_at"]), (&second["id"], &second["started_at"]));
    owner.wait_for(&rehearse, |rehearsal| rehearsal["status"] == "done").await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(owner.heard(), 5);
}
