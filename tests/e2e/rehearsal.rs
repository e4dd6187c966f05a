//! A rehearsal shows a customer what their receiver does wrong, and leaves no trace besides.
//!
//! The receivers here check signatures with the tests' own lines, and each makes one mistake.

mod failing;

use std::{collections::HashSet, time::Duration};

use harness::{Answer, Customer, Producer, Receiver, Reply, SOON, signature};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, key_for};

const WEBHOOKS: &str = "/api/v1/webhooks";
const REHEARSE: &str = "/api/v1/webhooks/1/rehearse";
const SECRET: &str = "your-secret-key";
const STEPS: [&str; 5] = ["signed_event", "wrong_signature", "old_timestamp", "repeated_id", "unknown_event"];

/// Long enough for a wrong request to arrive: a right one takes a fraction of this time.
const A_WHILE: Duration = Duration::from_secs(3);

/// The mistake of a receiver.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    AcceptsAnySignature,
    AcceptsOldTimestamps,
    RefusesRepeatedIds,
    RefusesUnknownEvents,
    /// Fails where it ought to refuse.
    FailsAtWrongSignatures,
}

/// An account with one webhook.
struct Owner {
    id: &'static str,
    customer: Customer,
}

impl Owner {
    async fn with(id: &'static str, webhook: Value) -> Self {
        let owner = Self { id, customer: Customer::new(&STACK, &key_for(id)) };
        let mut body = json!({ "events": ["job.completed"], "secret_key": SECRET });
        body.as_object_mut().unwrap().extend(webhook.as_object().unwrap().clone());
        let reply = owner.customer.post(WEBHOOKS, &body).await.unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text);
        owner
    }

    /// An account whose webhook is at a receiver of its own.
    async fn at(id: &'static str, mistake: Mistake) -> (Self, Receiver) {
        let receiver = receiver(mistake);
        (Self::with(id, json!({ "url": receiver.url("/") })).await, receiver)
    }

    async fn ask(&self) -> Reply {
        self.customer.send(Method::POST, REHEARSE, None).await.unwrap()
    }

    /// Rehearses, and returns the result.
    async fn rehearse(&self) -> Value {
        let begun = self.ask().await;
        assert_eq!(begun.status, 202, "{}", begun.text);
        assert_eq!(begun.json()["data"]["status"], "running", "{}", begun.text);
        self.customer.wait_until(REHEARSE, |rehearsal| rehearsal["status"] == "done").await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.customer.data(path).await.unwrap()
    }
}

/// A receiver that makes one mistake, or none, and does the rest right.
fn receiver(mistake: Mistake) -> Receiver {
    let receiver = Receiver::start().unwrap();
    let mut seen = HashSet::new();
    receiver.answer_by(move |request| {
        let sent_at: i64 = request.header("x-nano-timestamp").unwrap().parse().unwrap();
        let is_old = jiff::Timestamp::now().as_second() - sent_at > 300;
        let is_repeated = !seen.insert(request.header("webhook-id").unwrap().to_owned());
        let is_known = ["job.completed", "job.failed"].contains(&request.json()["event"].as_str().unwrap());
        let is_signed = signature::is_valid(request, SECRET);
        Answer::status(match mistake {
            Mistake::FailsAtWrongSignatures if !is_signed => 500,
            _ if !is_signed && mistake != Mistake::AcceptsAnySignature => 401,
            _ if is_old && is_signed && mistake != Mistake::AcceptsOldTimestamps => 401,
            Mistake::RefusesRepeatedIds if is_repeated => 409,
            Mistake::RefusesUnknownEvents if !is_known => 422,
            _ => 204,
        })
    });
    receiver
}

fn step<'a>(rehearsal: &'a Value, name: &str) -> &'a Value {
    rehearsal["steps"].as_array().unwrap().iter().find(|step| step["name"] == name).unwrap()
}

/// The names of the steps with this judgement.
fn judged(rehearsal: &Value, passed: Option<bool>) -> Vec<&str> {
    let steps = rehearsal["steps"].as_array().unwrap().iter().filter(|step| step["passed"].as_bool() == passed);
    steps.map(|step| step["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_right_receiver_passes_and_gets_five_requests_as_announced() {
    let (owner, receiver) = Owner::at("acct_rehearses_right", Mistake::None).await;
    assert_eq!(owner.customer.get(REHEARSE).await.unwrap().status, 404, "there was none");
    let rehearsal = owner.rehearse().await;
    assert_eq!(judged(&rehearsal, Some(true)), STEPS, "{rehearsal}");
    assert_eq!((&rehearsal["passed"], &rehearsal["stopped_reason"]), (&json!(true), &Value::Null));
    for step in rehearsal["steps"].as_array().unwrap() {
        assert!(step["duration_ms"].is_u64() && step["finding"].as_str().unwrap().starts_with("You "), "{step}");
    }
    assert_eq!(step(&rehearsal, "wrong_signature")["http_status"], 401);

    tokio::time::sleep(A_WHILE).await;
    let requests = receiver.received_by_all();
    assert_eq!(requests.len(), 5, "one request a step");
    let signed: Vec<_> = requests.iter().map(|request| signature::is_valid(request, SECRET)).collect();
    assert_eq!(signed, [true, false, true, true, true]);
    let ids: Vec<_> = requests.iter().map(|request| request.header("webhook-id").unwrap()).collect();
    assert_eq!((ids[0], ids.iter().collect::<HashSet<_>>().len()), (ids[3], 4));
    assert_eq!(requests[0].body, requests[3].body);
    let age = |at: usize| {
        let sent_at: i64 = requests[at].header("x-nano-timestamp").unwrap().parse().unwrap();
        jiff::Timestamp::now().as_second() - sent_at
    };
    assert!((3_500..3_900).contains(&age(2)) && age(0) < 300, "{} {}", age(2), age(0));
    for (request, name) in requests.iter().zip(STEPS) {
        assert_eq!(request.json()["data"]["rehearsal"], true);
        let unknown = name == "unknown_event";
        let event = if unknown { "rehearsal.unknown_event" } else { "job.completed" };
        assert_eq!((request.header("x-nano-event"), &request.json()["event"]), (Some(event), &json!(event)));
        // Nothing tells a receiver which step it is.
        let all = format!("{:?} {}", request.headers, String::from_utf8_lossy(&request.body));
        assert!(unknown || !all.contains(name), "{all}");
    }
}

#[tokio::test]
async fn each_mistake_of_a_receiver_is_found_and_said_in_words() {
    let mistakes = [
        (
            "acct_rehearses_any_signature",
            Mistake::AcceptsAnySignature,
            "wrong_signature",
            "You accepted a request with a wrong signature: anybody can forge events to this endpoint.",
        ),
        (
            "acct_rehearses_old_timestamps",
            Mistake::AcceptsOldTimestamps,
            "old_timestamp",
            "You accepted a request that was signed an hour ago",
        ),
        (
            "acct_rehearses_repeated_ids",
            Mistake::RefusesRepeatedIds,
            "repeated_id",
            "You answered 409 to an event that you had accepted before.",
        ),
        (
            "acct_rehearses_unknown_events",
            Mistake::RefusesUnknownEvents,
            "unknown_event",
            "You answered 422 to an event whose name you cannot know.",
        ),
        (
            "acct_rehearses_fails",
            Mistake::FailsAtWrongSignatures,
            "wrong_signature",
            "You answered 500 to a request with a wrong signature, where a 4xx was expected.",
        ),
    ];
    let found = mistakes.into_iter().map(async |(account, mistake, name, words)| {
        let (owner, _receiver) = Owner::at(account, mistake).await;
        let rehearsal = owner.rehearse().await;
        assert_eq!(rehearsal["passed"], false, "{rehearsal}");
        assert_eq!(judged(&rehearsal, Some(false)), [name], "{rehearsal}");
        assert_eq!(judged(&rehearsal, Some(true)).len(), 4, "{rehearsal}");
        let finding = step(&rehearsal, name)["finding"].as_str().unwrap();
        assert!(finding.starts_with(words), "{finding}");
    });
    futures_util::future::join_all(found).await;
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_told_apart_from_one_that_refuses() {
    // Nobody listens there.
    let down = Owner::with("acct_rehearses_down", json!({ "url": "http://127.0.0.1:1/" })).await;
    let rehearsal = down.rehearse().await;
    assert_eq!(judged(&rehearsal, Some(false)), ["signed_event"], "{rehearsal}");
    assert_eq!(judged(&rehearsal, None).len(), 4, "a refusal was not seen: {rehearsal}");
    let first = step(&rehearsal, "signed_event");
    assert!(first["finding"].as_str().unwrap().contains("could not be reached"), "{first}");
    assert_eq!((&first["http_status"], &first["response"]), (&Value::Null, &Value::Null));

    // It refuses everything, so its refusal of a wrong signature says nothing.
    let other_secret =
        Owner::with("acct_rehearses_refuses_all", json!({ "url": RECEIVER.url("/acct_rehearses_refuses_all") })).await;
    RECEIVER.answer("/acct_rehearses_refuses_all", vec![Answer::status(401); 5]);
    let rehearsal = other_secret.rehearse().await;
    let first = step(&rehearsal, "signed_event")["finding"].as_str().unwrap();
    assert!(first.contains("Check that your secret is this webhook's"), "{first}");
    assert_eq!(judged(&rehearsal, None).len(), 4, "{rehearsal}");
}

#[tokio::test]
async fn a_rehearsal_leaves_no_trace_in_health_statistics_or_lists_and_no_limit_holds_it() {
    let url = RECEIVER.url("/acct_rehearses_traceless");
    let headers = json!({ "X-Api-Key": "a-gateways-key" });
    let owner =
        Owner::with("acct_rehearses_traceless", json!({ "url": url, "max_per_minute": 1, "headers": headers })).await;
    let before = owner.get("/api/v1/webhooks/1").await;
    RECEIVER.answer("/acct_rehearses_traceless", vec![Answer::status(503); 5]);
    let rehearsal = owner.rehearse().await;
    assert_eq!(rehearsal["passed"], false);
    let received = RECEIVER.received("/acct_rehearses_traceless");
    assert!(received.len() == 5 && received.iter().all(|one| one.header("x-api-key") == Some("a-gateways-key")));
    tokio::time::sleep(A_WHILE).await;

    assert_eq!(owner.get("/api/v1/webhooks/1").await, before, "its health and its circuit");
    assert_eq!(owner.get("/api/v1/webhooks/1/deliveries").await["deliveries"], json!([]));
    assert_eq!(owner.get("/api/v1/events").await["events"], json!([]));
    let stats = owner.get("/api/v1/webhooks/1/stats?hours=2").await;
    let hours = stats["hours"].as_array().unwrap();
    assert!(hours.iter().all(|hour| hour["attempts"].as_u64().unwrap_or_default() == 0), "{stats}");
    assert_eq!(owner.get(WEBHOOKS).await.as_array().unwrap().len(), 1);

    // The quota of the minute is left for a delivery.
    let completion =
        json!({ "account_id": owner.id, "task_id": "task_1", "task_type": "image", "status": "completed" });
    Producer::new(&STACK).send(completion).await.unwrap();
    RECEIVER.wait_for("/acct_rehearses_traceless", 6, SOON).await.unwrap();
}

#[tokio::test]
async fn a_webhook_is_rehearsed_once_a_minute_and_a_disabled_one_not_at_all() {
    let (owner, receiver) = Owner::at("acct_rehearses_impatiently", Mistake::None).await;
    let key = [("idempotency-key", "key-1")];
    let first = owner.customer.send_with(Method::POST, REHEARSE, None, &key).await.unwrap();
    assert_eq!(first.status, 202, "{}", first.text);
    let replayed = owner.customer.send_with(Method::POST, REHEARSE, None, &key).await.unwrap();
    assert_eq!((replayed.status, &replayed.text), (202, &first.text));

    let refused = owner.ask().await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &json!("rate_limited")), "{}", refused.text);
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let said = format!("webhook 1 was rehearsed less than a minute ago; try again in {wait} s");
    assert_eq!(refused.json()["error"]["message"], said);
    owner.customer.wait_until(REHEARSE, |rehearsal| rehearsal["status"] == "done").await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(receiver.received_by_all().len(), 5);

    let other = Owner::with("acct_rehearses_disabled", json!({ "url": receiver.url("/") })).await;
    let disable = Some(json!({ "status": "disabled" }).to_string());
    assert_eq!(other.customer.send(Method::PATCH, "/api/v1/webhooks/1", disable).await.unwrap().status, 200);
    let refused = other.ask().await;
    let said = "webhook 1 is disabled; make it active first";
    assert_eq!((refused.status, &refused.json()["error"]["message"]), (409, &json!(said)), "{}", refused.text);
    assert_eq!(other.customer.send(Method::POST, "/api/v1/webhooks/9/rehearse", None).await.unwrap().status, 404);
}

#[tokio::test]
async fn a_rehearsal_stops_if_its_webhook_changes_and_a_deleted_webhooks_is_not_shown() {
    let url = RECEIVER.url("/acct_rehearses_moves");
    let owner = Owner::with("acct_rehearses_moves", json!({ "url": url })).await;
    RECEIVER.answer("/acct_rehearses_moves", [Answer { delay: A_WHILE, ..Answer::status(204) }]);
    assert_eq!(owner.ask().await.status, 202);
    RECEIVER.wait_for("/acct_rehearses_moves", 1, SOON).await.unwrap();
    let moved = Some(json!({ "url": RECEIVER.url("/acct_moved") }).to_string());
    assert_eq!(owner.customer.send(Method::PATCH, "/api/v1/webhooks/1", moved).await.unwrap().status, 200);
    let stopped = owner.customer.wait_until(REHEARSE, |rehearsal| rehearsal["status"] == "stopped").await.unwrap();
    assert_eq!(stopped["stopped_reason"], "the webhook's URL or status was changed meanwhile");
    assert_eq!((&step(&stopped, "signed_event")["http_status"], &stopped["passed"]), (&json!(204), &Value::Null));
    assert!(RECEIVER.received("/acct_moved").is_empty(), "the new endpoint gets nothing of it");

    assert_eq!(owner.customer.delete("/api/v1/webhooks/1").await.unwrap().status, 200);
    let gone = owner.customer.get(REHEARSE).await.unwrap();
    assert_eq!((gone.status, &gone.json()["error"]["message"]), (404, &json!("there is no webhook 1")));
}

/// The messages of a rehearsal, each received again and again, or long after: the item in the table decides.
#[tokio::test]
async fn a_repeated_message_and_one_of_an_older_rehearsal_send_nothing() {
    let (owner, receiver) = Owner::at("acct_rehearses_repeats", Mistake::None).await;
    let rehearsal = owner.rehearse().await;
    let message = |id: &str, step: &str| {
        json!({ "account_id": owner.id, "webhook_id": 1, "rehearsal": id, "step": step }).to_string()
    };
    let id = rehearsal["id"].as_str().unwrap();
    let producer = Producer::new(&STACK);
    for text in [message(id, "signed_event"), message(id, "unknown_event"), message("01OLDER", "signed_event")] {
        producer.forge_delivery(&text).await.unwrap();
    }
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(receiver.received_by_all().len(), 5);
    assert_eq!(owner.get(REHEARSE).await, rehearsal);
}
