//! A secret's rotation as a customer and their receiver see it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use harness::{Answer, Customer, Producer, Received, Receiver, Reply, SOON, signature};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{STACK, key_for};

const WEBHOOK: &str = "/api/v1/webhooks/1";
const OLD: &str = "the-old-secret";
const NEW: &str = "the-new-secret";

/// An owner with one webhook. Their receiver has the published page's verifier: it reads `X-Nano-Signature` alone, holds
/// one secret, and answers 401 to what that secret did not sign.
struct Owner {
    account: &'static str,
    customer: Customer,
    receiver: Receiver,
    secret: Arc<Mutex<&'static str>>,
}

impl Owner {
    async fn register(account: &'static str) -> Self {
        let (receiver, secret) = (Receiver::start().unwrap(), Arc::new(Mutex::new(OLD)));
        let held = Arc::clone(&secret);
        receiver.answer_by(move |webhook| {
            let is_valid = signature::is_valid(webhook, *held.lock().unwrap());
            Answer::status(if is_valid { 204 } else { 401 })
        });
        let customer = Customer::new(&STACK, &key_for(account));
        let webhook = json!({ "url": receiver.url("/"), "events": ["job.completed"], "secret_key": OLD });
        let created = customer.post("/api/v1/webhooks", &webhook).await.unwrap();
        assert_eq!(created.status, 201, "{}", created.text);
        Self { account, customer, receiver, secret }
    }

    async fn ask(&self, request: Value) -> Reply {
        self.customer.post(&format!("{WEBHOOK}/rotate-secret"), &request).await.unwrap()
    }

    /// Rotates the secret or makes the switch; returns the webhook.
    async fn rotate(&self, request: Value) -> Value {
        let reply = self.ask(request).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["data"].take()
    }

    fn give_the_receiver(&self, secret: &'static str) {
        *self.secret.lock().unwrap() = secret;
    }

    async fn complete(&self, task: &str) {
        let completion =
            json!({ "account_id": self.account, "task_id": task, "task_type": "image", "status": "completed" });
        Producer::new(&STACK).send(completion).await.unwrap();
    }

    /// Completes a task and waits for its first attempt.
    async fn receive(&self, task: &str) -> Received {
        self.complete(task).await;
        self.wait_for(task, |_| true).await
    }

    /// Waits until the last attempt of a task was answered like this, and returns it.
    async fn wait_for(&self, task: &str, answered: fn(u16) -> bool) -> Received {
        let start = Instant::now();
        loop {
            let attempts = self.attempts(task);
            if let Some(attempt) = attempts.last().filter(|last| last.answered.is_some_and(answered)) {
                return attempt.clone();
            }
            assert!(start.elapsed() < SOON, "{task} was answered {:?}", answers(&attempts));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn attempts(&self, task: &str) -> Vec<Received> {
        let mut attempts = self.receiver.received("/");
        attempts.retain(|webhook| webhook.json()["task_id"] == task);
        attempts
    }

    /// The task's delivery was taken at the first attempt.
    async fn is_taken_at_once(&self, task: &str) {
        self.receive(task).await;
        assert_eq!(answers(&self.attempts(task)), [Some(204)], "{task}");
    }

    /// The receiver refused the task's delivery for a while and has taken a later attempt.
    async fn is_taken_in_the_end(&self, task: &str) {
        self.wait_for(task, |status| status == 204).await;
        assert_eq!(answers(&self.attempts(task))[0], Some(401), "{task}");
    }

    /// Every delivery has been delivered.
    async fn has_lost_nothing(&self, count: usize) {
        let start = Instant::now();
        loop {
            let reply = self.customer.get(&format!("{WEBHOOK}/deliveries")).await.unwrap().json();
            let deliveries = reply["data"]["deliveries"].as_array().unwrap();
            let is = |status: &str| deliveries.iter().filter(|delivery| delivery["status"] == status).count();
            assert_eq!(is("failed"), 0, "{reply}");
            if is("delivered") == count {
                return;
            }
            assert!(start.elapsed() < SOON, "{reply}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn answers(attempts: &[Received]) -> Vec<Option<u16>> {
    attempts.iter().map(|attempt| attempt.answered).collect()
}

#[tokio::test]
async fn an_owner_who_changes_the_receiver_and_then_switches_loses_nothing() {
    let owner = Owner::register("acct_receiver_first").await;
    owner.rotate(json!({ "secret_key": NEW })).await;
    owner.is_taken_at_once("task_before").await;
    owner.give_the_receiver(NEW);
    assert_eq!(owner.receive("task_between").await.answered, Some(401));
    owner.rotate(json!({ "switch": "now" })).await;
    owner.is_taken_in_the_end("task_between").await;
    owner.is_taken_at_once("task_after").await;
    owner.has_lost_nothing(3).await;
}

#[tokio::test]
async fn an_owner_who_switches_and_then_changes_the_receiver_loses_nothing() {
    let owner = Owner::register("acct_switch_first").await;
    owner.rotate(json!({ "secret_key": NEW })).await;
    owner.is_taken_at_once("task_before").await;
    owner.rotate(json!({ "switch": "now" })).await;
    owner.complete("task_between").await;
    owner.wait_for("task_between", |status| status == 401).await;
    owner.give_the_receiver(NEW);
    owner.is_taken_in_the_end("task_between").await;
    owner.is_taken_at_once("task_after").await;
    owner.has_lost_nothing(3).await;
}

#[tokio::test]
async fn an_owner_who_changes_the_receiver_and_lets_the_overlap_end_loses_nothing() {
    let owner = Owner::register("acct_receiver_changed").await;
    let end = Instant::now() + Duration::from_secs(6);
    owner.rotate(json!({ "secret_key": NEW, "overlap_seconds": 6 })).await;
    owner.is_taken_at_once("task_before").await;
    owner.give_the_receiver(NEW);
    assert_eq!(owner.receive("task_between").await.answered, Some(401));
    owner.is_taken_in_the_end("task_between").await;
    assert!(Instant::now() + Duration::from_secs(1) > end, "the switch came early");
    owner.is_taken_at_once("task_after").await;
    owner.has_lost_nothing(3).await;
}

#[tokio::test]
async fn an_owner_who_lets_the_overlap_end_and_then_changes_the_receiver_loses_nothing() {
    let owner = Owner::register("acct_overlap_ended").await;
    owner.rotate(json!({ "secret_key": NEW, "overlap_seconds": 3 })).await;
    owner.is_taken_at_once("task_before").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(owner.receive("task_between").await.answered, Some(401));
    owner.give_the_receiver(NEW);
    owner.is_taken_in_the_end("task_between").await;
    owner.is_taken_at_once("task_after").await;
    owner.has_lost_nothing(3).await;
}

/// So many deliveries are refused in between that the endpoint is taken for down, and the rest is held.
#[tokio::test]
async fn an_owner_whose_circuit_opens_between_the_receivers_change_and_the_switch_loses_nothing() {
    let owner = Owner::register("acct_circuit_rotated").await;
    owner.rotate(json!({ "secret_key": NEW })).await;
    owner.is_taken_at_once("task_before").await;
    owner.give_the_receiver(NEW);
    for task in 0..10 {
        owner.complete(&format!("task_{task}")).await;
    }
    let start = Instant::now();
    while owner.customer.get(WEBHOOK).await.unwrap().json()["data"]["circuit"] != "open" {
        assert!(start.elapsed() < SOON, "the circuit does not open");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    owner.rotate(json!({ "switch": "now" })).await;
    owner.complete("task_after").await;
    let probe = owner.customer.send(Method::POST, &format!("{WEBHOOK}/probe"), None).await.unwrap();
    assert_eq!(probe.status, 202, "{}", probe.text);
    owner.has_lost_nothing(12).await;
}

/// What the headers of an attempt prove, as `[X-Nano-Signature, -Next, -Previous, webhook-signature]`, each the secrets
/// that signed it.
fn signers(webhook: &Received, secrets: &[&str]) -> [Vec<String>; 4] {
    let find = |sign: fn(&Received, &str) -> String, header: &str| {
        let signatures = webhook.header(header).unwrap_or_default().split(' ').filter(|text| !text.is_empty());
        let signer = |signature: &str| secrets.iter().find(|secret| sign(webhook, secret) == signature);
        signatures.map(|signature| (*signer(signature).unwrap_or(&"a stranger")).to_owned()).collect()
    };
    let page = |header: &str| find(signature::nano_signature, header);
    let [current, next] = ["x-nano-signature", "x-nano-signature-next"].map(page);
    [
        current,
        next,
        page("x-nano-signature-previous"),
        find(signature::standard_webhooks_signature, "webhook-signature"),
    ]
}

#[tokio::test]
async fn the_two_secrets_change_places_at_the_switch_and_the_old_one_ends_with_the_overlap() {
    let owner = Owner::register("acct_rotated").await;
    let rotated = owner.rotate(json!({ "overlap_seconds": 8, "switch_after_seconds": 4 })).await;
    let start = Instant::now();
    let new = rotated["secret_key"].as_str().unwrap();
    let shown = owner.customer.get(WEBHOOK).await.unwrap();
    let (switch, end) =
        (&shown.json()["data"]["secret_switches_at"], &shown.json()["data"]["previous_secret_expires_at"]);
    assert_eq!((switch, end), (&rotated["secret_switches_at"], &rotated["previous_secret_expires_at"]));
    assert!(switch.as_str().unwrap() < end.as_str().unwrap(), "{shown:?}");
    assert!(!shown.text.contains("secret_key"));

    let secrets = [OLD, new];
    let [old_alone, new_alone, none] = [vec![OLD.to_owned()], vec![new.to_owned()], vec![]];
    let [both, both_switched] = [[OLD, new], [new, OLD]].map(|both| both.map(str::to_owned).to_vec());
    let before = [old_alone.clone(), new_alone.clone(), none.clone(), both];
    assert_eq!(signers(&owner.receive("task_before").await, &secrets), before);
    tokio::time::sleep(Duration::from_secs(5).saturating_sub(start.elapsed())).await;
    let after = [new_alone.clone(), none.clone(), old_alone, both_switched];
    assert_eq!(signers(&owner.receive("task_after").await, &secrets), after);
    tokio::time::sleep(Duration::from_secs(9).saturating_sub(start.elapsed())).await;
    let ended = [new_alone.clone(), none.clone(), none, new_alone];
    assert_eq!(signers(&owner.receive("task_ended").await, &secrets), ended);
    let webhook = owner.customer.get(WEBHOOK).await.unwrap().json()["data"].take();
    assert_eq!((&webhook["secret_switches_at"], &webhook["previous_secret_expires_at"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_second_rotation_before_the_switch_and_a_test_event_keep_to_the_secret_that_the_receiver_has() {
    let owner = Owner::register("acct_rotated_again").await;
    let lost = owner.rotate(json!({})).await["secret_key"].take();
    let lost = lost.as_str().unwrap();
    owner.rotate(json!({ "secret_key": NEW })).await;
    assert_eq!(owner.customer.send(Method::POST, &format!("{WEBHOOK}/test"), None).await.unwrap().status, 202);
    let webhook = &owner.receiver.wait_for("/", 1, SOON).await.unwrap()[0];
    let texts = |secrets: &[&str]| -> Vec<String> { secrets.iter().map(|secret| (*secret).to_owned()).collect() };
    let expected = [texts(&[OLD]), texts(&[NEW]), texts(&[lost]), texts(&[OLD, NEW, lost])];
    assert_eq!(signers(webhook, &[OLD, NEW, lost]), expected);
}

#[tokio::test]
async fn a_switch_without_a_rotation_and_wrong_requests_are_refused_and_change_nothing() {
    let owner = Owner::register("acct_nothing_to_switch").await;
    let refused = owner.ask(json!({ "switch": "now" })).await;
    let error = refused.json()["error"].take();
    assert_eq!((refused.status, &error["code"]), (409, &json!("conflict")));
    assert!(error["message"].as_str().unwrap().starts_with("no rotation is under way"), "{error}");
    for (request, message) in [
        (json!({ "switch": "soon" }), "switch is \"soon\"; expected \"now\""),
        (json!({ "switch": "now", "secret_key": NEW }), "switch and secret_key do not go together"),
        (json!({ "overlap_seconds": 60, "switch_after_seconds": 61 }), "switch_after_seconds is 61"),
    ] {
        let refused = owner.ask(request).await;
        assert_eq!(refused.status, 400, "{}", refused.text);
        let error = refused.json()["error"]["message"].take();
        assert!(error.as_str().unwrap().starts_with(message), "{error}");
    }
    owner.is_taken_at_once("task_with_the_old_secret").await;

    owner.rotate(json!({})).await;
    for _ in 0..2 {
        let switched = owner.rotate(json!({ "switch": "now" })).await;
        assert!(switched["secret_switches_at"].is_null() && switched["previous_secret_expires_at"].is_string());
        assert!(switched["secret_key"].is_null(), "the secret is shown once");
    }
}

#[tokio::test]
async fn a_customers_own_new_secret_is_not_shown_and_can_replace_the_old_one_at_once() {
    let owner = Owner::register("acct_leaked").await;
    let rotated = owner.rotate(json!({ "secret_key": NEW, "overlap_seconds": 0 })).await;
    assert!(rotated["secret_key"].is_null(), "{rotated}");
    let expected = [vec![NEW.to_owned()], vec![], vec![], vec![NEW.to_owned()]];
    assert_eq!(signers(&owner.receive("task_1").await, &[OLD, NEW]), expected);
}

#[tokio::test]
async fn of_rotations_at_the_same_time_no_secret_is_lost() {
    let owner = Owner::register("acct_rotating").await;
    let rotations = (0..6).map(|_| owner.ask(json!({})));
    let replies = futures_util::future::join_all(rotations).await;
    let mut secrets = vec![OLD.to_owned()];
    for reply in &replies {
        match reply.status {
            200 => secrets.push(reply.json()["data"]["secret_key"].as_str().unwrap().to_owned()),
            _ => assert_eq!(reply.status, 409, "{}", reply.text),
        }
    }
    let webhook = owner.receive("task_1").await;
    let [mut signed_by, mut shown] =
        [signers(&webhook, &secrets.iter().map(String::as_str).collect::<Vec<_>>())[3].clone(), secrets.clone()];
    signed_by.sort();
    shown.sort();
    assert_eq!(signed_by, shown, "a secret that was shown does not sign");
    for _ in secrets.len()..4 {
        owner.rotate(json!({})).await;
    }
    let full = owner.ask(json!({})).await;
    assert_eq!(full.status, 409);
    assert!(full.text.contains("3 previous secrets are still signing"), "{}", full.text);
    owner.rotate(json!({ "overlap_seconds": 0 })).await;
}
