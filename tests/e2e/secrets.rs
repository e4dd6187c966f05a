//! No API key and no webhook secret is in a log line or a message.
//!
//! This test does everything that involves one, on its own stack: it records the functions' calls on their way to the
//! emulator, and at the end searches the logs. The logs of other tests are complete only after their process has
//! ended, so no test can search them: `.ci/run` does, for the secrets that the harness recorded of each stack. The
//! emulator sets `RUST_LOG=trace` for all functions, which they must ignore.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use futures_util::future::join_all;
use harness::{Answer, ApiKey, Customer, Faults, Options, Producer, Stack, expand_template};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, folder_of_this_run};

const WEBHOOKS: &str = "/api/v1/webhooks";
const ACCOUNT: &str = "acct_secretive";
/// Every secret that the customer chooses begins with this.
const CHOSEN: &str = "a-secret-of-the-customers-own";
/// Every call that contains this secret fails.
const CURSED: &str = "a-secret-of-the-customers-own-cursed";
/// The calls that may contain a webhook's secret, because they store it.
const KEEPING: [&str; 2] = ["TransactWriteItems", "UpdateItem"];

struct Scene {
    stack: Stack,
    faults: Faults,
    key: ApiKey,
    customer: Customer,
    producer: Producer,
    /// The keys that manage-keys has made.
    made: Mutex<Vec<String>>,
}

#[tokio::test]
async fn no_key_and_no_secret_is_in_a_log_line_or_a_message() {
    let faults = Faults::start(4).unwrap();
    faults.take_down();
    let folder = folder_of_this_run().join("secrets");
    let options = Options { folder, faults: Some(faults.clone()), ..Options::default() };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let key = stack.create_api_key(ACCOUNT).unwrap();
    let (customer, producer) = (Customer::new(&stack, &key), Producer::new(&stack));
    let scene = Scene { stack, faults, key, customer, producer, made: Mutex::default() };

    scene.everyday().await;
    let mut mistaken = scene.mistakes().await;
    scene.panic().await;
    scene.bad_day().await;

    mistaken.extend(scene.stack.used_secrets());
    let made = scene.made.lock().unwrap().clone();
    assert!(made.len() >= 3, "a key, and a session's key with its link");
    mistaken.extend(made);
    mistaken.push(CHOSEN.to_owned());
    assert!(mistaken.iter().any(|secret| secret.starts_with("whsec_")) && mistaken.contains(&scene.key.key));
    scene.assert_in_no_log_line(&mistaken).await;
    scene.assert_in_no_message(&mistaken);
    for webhook in RECEIVER.received_by_all().iter().filter(|webhook| webhook.path.starts_with("/secretive")) {
        let mut headers = webhook.headers.clone();
        assert!(headers.remove("x-api-key").is_some() || webhook.path == "/secretive/late", "its static header");
        let webhook = format!("{headers:?} {}", String::from_utf8_lossy(&webhook.body));
        assert_eq!(found(&mistaken, &webhook), None);
    }
}

impl Scene {
    async fn ask(&self, method: Method, path: &str, body: &str) -> u16 {
        let reply = self.customer.send(method, path, Some(body.to_owned())).await.unwrap();
        reply.status
    }

    /// The life of a webhook: created, changed, rotated, tested; with deliveries that succeed, fail, and are retried.
    async fn everyday(&self) {
        for (number, path) in ["/secretive/good", "/secretive/bad", "/secretive/gone"].into_iter().enumerate() {
            let chosen = (number != 1).then(|| format!("{CHOSEN}-{number}"));
            let headers = json!({ "X-Api-Key": format!("{CHOSEN}-header") });
            let webhook = json!({ "url": RECEIVER.url(path), "events": ["job.completed"], "secret_key": chosen,
                "headers": headers });
            let key = [("idempotency-key", path)];
            for replayed in [false, true] {
                let body = Some(webhook.to_string());
                let made = self.customer.send_with(Method::POST, WEBHOOKS, body, &key).await.unwrap();
                assert_eq!((made.status, made.headers.contains_key("idempotent-replayed")), (201, replayed));
            }
        }
        RECEIVER.answer("/secretive/bad", vec![Answer::status(500); 100]);
        RECEIVER.answer("/secretive/gone", [Answer::status(410)]);
        let own = format!(r#"{{"secret_key":"{CHOSEN}-rotated"}}"#);
        for (method, path, body, status) in [
            (Method::PATCH, "/1", r#"{"events":["job.failed","job.completed"]}"#, 200),
            (Method::PATCH, "/1", &format!(r#"{{"headers":{{"X-Api-Key":"{CHOSEN}-changed"}}}}"#), 200),
            (Method::POST, "/1/rotate-secret", own.as_str(), 200),
            (Method::POST, "/2/rotate-secret", "", 200),
            (Method::POST, "/1/test", "", 202),
            (Method::POST, "/1/rehearse", "", 202),
            (Method::GET, "/1/rehearse", "", 200),
            (Method::GET, "", "", 200),
            (Method::GET, "?include=details", "", 200),
            (Method::GET, "/1", "", 200),
            (Method::GET, "/1/stats", "", 200),
        ] {
            assert_eq!(self.ask(method, &format!("{WEBHOOKS}{path}"), body).await, status, "{path}");
        }
        self.keys_of_the_platform();
        // At the same time, so that one of the store's conditional writes fails.
        join_all((0..4).map(async |number| {
            let other = format!(r#"{{"secret_key":"{CHOSEN}-rotated-{number}","overlap_seconds":0}}"#);
            let status = self.ask(Method::POST, "/api/v1/webhooks/1/rotate-secret", &other).await;
            assert!([200, 409].contains(&status), "{status}");
        }))
        .await;

        self.producer.send("this is not a completion").await.unwrap();
        self.producer.wait_for_dead_letter("this is not a completion", Duration::from_secs(30)).await.unwrap();
        let completion =
            json!({ "account_id": ACCOUNT, "task_id": "task_1", "task_type": "image", "status": "completed" });
        self.producer.send(completion).await.unwrap();
        self.wait_for(1, "delivered").await;
        self.wait_for(3, "failed").await;
        let failed = self.wait_for(2, "failed").await;
        assert_eq!(self.ask(Method::GET, &failed, "").await, 200);
        assert_eq!(self.ask(Method::POST, &format!("{failed}/retry"), "").await, 202);
    }

    /// What a backend asks of manage-keys: a key, a session, and a mistake with a key in it.
    fn keys_of_the_platform(&self) {
        let aws = self.stack.aws().unwrap();
        let function = &self.stack.manage_keys_function;
        let mistake = json!([{ "key_hash": "00", "account_id": ACCOUNT, "id": format!("sk-{CHOSEN}") }]);
        for (request, succeeds) in [
            (json!({ "action": "create", "account_id": ACCOUNT }), true),
            (json!({ "action": "create_session", "account_id": ACCOUNT }), true),
            (json!({ "action": "import", "keys": mistake }), false),
        ] {
            let invoke = json!({ "FunctionName": function, "Payload": request.to_string() });
            let answer = aws.call("lambda", "Invoke", &invoke).unwrap().to_string();
            assert_eq!(answer.contains("sk-"), succeeds, "a key is shown to its maker alone: {answer}");
            for part in answer.split("sk-").skip(1) {
                self.made.lock().unwrap().push(format!("sk-{}", &part[..40]));
            }
        }
    }

    /// Waits until a webhook has a delivery in this state, and returns the delivery's path.
    async fn wait_for(&self, webhook: u64, state: &str) -> String {
        let path = format!("{WEBHOOKS}/{webhook}/deliveries");
        for _ in 0..300 {
            let page = self.customer.get(&format!("{path}?status={state}")).await.unwrap().json();
            if let Some(id) = page["data"]["deliveries"][0]["id"].as_str() {
                return format!("{path}/{id}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no delivery to webhook {webhook} is {state}");
    }

    /// Sends requests that are refused, with secrets in them and with keys; returns those keys.
    async fn mistakes(&self) -> Vec<String> {
        let rest = r#""url":"https://a.example.com/","events":["job.failed"]"#;
        for body in [
            format!(r#"{{"secret_key":"{CHOSEN}","#),
            format!(r#"{{"secret_key":"{CHOSEN}",{rest},"secret_key":"{CHOSEN}"}}"#),
            format!(r#"{{"{CHOSEN}":"{CHOSEN}",{rest}}}"#),
            format!(r#"{{"secret_key":["{CHOSEN}"],{rest}}}"#),
            format!(r#"{{"secret_key":"{CHOSEN} and a space",{rest}}}"#),
            format!(r#"{{"secret_key":"{}",{rest}}}"#, CHOSEN.repeat(10)),
            format!(r#"{{"secret_key":"{CHOSEN}","url":"{CHOSEN}","events":["{CHOSEN}"]}}"#),
            format!(r#"{{"secret_key":"{CHOSEN}","overlap_seconds":"{CHOSEN}"}}"#),
            format!(r#"{{"headers":{{"Host":"{CHOSEN}"}},{rest}}}"#),
            format!(r#"{{"headers":{{"x":"{CHOSEN}\u0000"}},{rest}}}"#),
            format!(r#"["{CHOSEN}"]"#),
            format!(r#""{CHOSEN}""#),
        ] {
            for path in [WEBHOOKS, "/api/v1/webhooks/1/rotate-secret", "/api/v1/webhooks/1/test"] {
                assert_eq!(self.ask(Method::POST, path, &body).await, 400, "{path}: {body}");
            }
            assert_eq!(self.ask(Method::PATCH, "/api/v1/webhooks/1", &body).await, 400, "{body}");
            assert_eq!(self.ask(Method::POST, &format!("/{CHOSEN}?{CHOSEN}={CHOSEN}"), &body).await, 404);
        }
        assert_eq!(self.ask(Method::POST, WEBHOOKS, &CHOSEN.repeat(3_000)).await, 413);

        let revoked = self.stack.create_api_key(ACCOUNT).unwrap().key;
        let keys = self.stack.operator(&["keys", "list", "--json"]).unwrap();
        let keys: Value = serde_json::from_str(&keys).unwrap();
        let newest = keys.as_array().unwrap().last().unwrap();
        self.stack.operator(&["keys", "revoke", "--yes", newest["id"].as_str().unwrap()]).unwrap();
        let unknown = self.key.key.chars().rev().collect::<String>();
        let unknown = format!("sk-{}", unknown.trim_end_matches("-ks"));
        let stranger = Customer::without_key(&self.stack);
        for header in [revoked.as_str(), &unknown, &self.key.key.to_uppercase(), &format!("{revoked}, {unknown}")] {
            for scheme in ["Bearer ", "Basic ", ""] {
                let value = format!("{scheme}{header}");
                let reply =
                    stranger.send_with(Method::GET, WEBHOOKS, None, &[("authorization", &value)]).await.unwrap();
                assert_eq!(reply.status, 401);
            }
        }
        vec![unknown]
    }

    /// Makes a function panic, with an event that only an operator's mistake could put into the table.
    async fn panic(&self) {
        let id = "01JFSKR5R00000000000000000";
        let text = |text: &str| json!({ "S": text });
        // The format, and one block that is not compressed: its length, and the length's complement.
        let body = [&[1, 1, 16, 0, 239, 255], &b"this is not JSON"[..]].concat();
        // The shard is by the id's last character.
        let item = json!({ "account": text(&format!("{ACCOUNT}#0")), "id": text(id), "event": text("job.completed"),
            "task_id": text("t"), "task_type": text("image"), "body": { "B": STANDARD.encode(body) },
            "sent_to": { "L": [] }, "expires_at": { "N": "4102444800" } });
        let put = json!({ "TableName": "nano-webhooks-events", "Item": item });
        self.stack.aws().unwrap().call("dynamodb", "PutItem", &put).unwrap();
        assert_eq!(self.ask(Method::GET, &format!("/api/v1/events/{id}"), "").await, 500);
    }

    /// Makes calls to AWS fail: those that contain a secret, then any.
    async fn bad_day(&self) {
        self.faults.curse(CURSED);
        let cursed = format!(r#"{{"url":"https://a.example.com/","events":["job.failed"],"secret_key":"{CURSED}"}}"#);
        assert_eq!(self.ask(Method::POST, WEBHOOKS, &cursed).await, 500);
        let cursed = format!(r#"{{"secret_key":"{CURSED}","overlap_seconds":0}}"#);
        assert_eq!(self.ask(Method::POST, "/api/v1/webhooks/1/rotate-secret", &cursed).await, 500);
        self.faults.set_rate(0.3);
        let webhook = json!({ "url": RECEIVER.url("/secretive/late"), "events": ["job.completed"] });
        let creates = (0..20).map(|_| self.customer.post(WEBHOOKS, &webhook));
        let replies = join_all(creates).await;
        assert!(replies.iter().flatten().any(|reply| reply.status == 500));
        self.faults.set_rate(0.0);
    }

    async fn assert_in_no_log_line(&self, secrets: &[String]) {
        // Each of these texts shows that the log lines of one step above are there.
        let said =
            ["\"attempt\"", "a message is not a completion", "request failed", "panicked", "a webhook is disabled"];
        for _ in 0..100 {
            let log = self.stack.log().unwrap();
            if said.iter().all(|text| log.contains(text)) {
                for line in log.lines() {
                    assert_eq!(found(secrets, line), None, "{line}");
                }
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the log does not say all of {said:?}");
    }

    fn assert_in_no_message(&self, secrets: &[String]) {
        let calls = self.faults.taken_down();
        let with_secret = calls.iter().filter(|(_, body)| found(secrets, body).is_some());
        let operations: BTreeSet<_> = with_secret.map(|(operation, _)| operation.as_str()).collect();
        assert_eq!(operations, BTreeSet::from(KEEPING));
        let key = [self.key.key.clone()];
        assert!(calls.iter().all(|(_, body)| found(&key, body).is_none()), "a key is never sent to the store");
        for sent in ["SendMessage", "SendMessageBatch", "BatchGetItem", "BatchExecuteStatement"] {
            assert!(calls.iter().any(|(operation, _)| operation == sent), "{sent} was recorded");
        }
    }
}

/// The first secret that a text contains, unchanged or in a usual encoding of bytes.
fn found<'a>(secrets: &'a [String], text: &str) -> Option<&'a String> {
    secrets.iter().find(|secret| {
        let bytes = secret.as_bytes();
        let list = format!("{bytes:?}");
        let forms =
            [secret.as_str(), &hex::encode(bytes), &STANDARD_NO_PAD.encode(bytes), list.trim_matches(['[', ']'])];
        forms.iter().any(|form| text.contains(form))
    })
}

#[test]
fn the_template_lets_no_function_log_finer_than_info() {
    let template = expand_template().unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(template["Parameters"]["LogLevel"]["AllowedValues"], json!(["ERROR", "WARN", "INFO"]));
    let resources = template["Resources"].as_object().unwrap();
    let functions = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Function");
    for (name, function) in functions {
        let logging = &function["Properties"]["LoggingConfig"];
        assert_eq!(
            (&logging["ApplicationLogLevel"], &logging["SystemLogLevel"]),
            (&json!("INFO"), &json!("WARN")),
            "{name}"
        );
        let level = &function["Properties"]["Environment"]["Variables"]["LOG_LEVEL"];
        assert_eq!(level, &json!({ "Ref": "LogLevel" }), "{name}");
    }
}
