//! Makes the samples of this version: runs its stack, creates something of every kind, and saves the content of the
//! tables and the queues. `tests/samples/README.md` says when to run it.

use std::{
    fs,
    time::{Duration, Instant},
};

use harness::{
    Answer,
    Behaviour::{Resets, Says},
    Customer, Hostile, Options, Producer, SOON, Stack, workspace,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::frozen::tool;
use crate::{RECEIVER, folder_of_this_run};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const RESEND: &str = "/api/v1/webhooks/1/resend";
const REHEARSE: &str = "/api/v1/webhooks/1/rehearse";

struct Version {
    stack: Stack,
    hostile: Hostile,
    customer: Customer,
    account_id: String,
}

#[tokio::test]
#[ignore = "writes the samples of this version: see tests/samples/README.md"]
async fn the_samples_of_this_version_are_made() {
    let folder = workspace().join("tests/samples").join(VERSION);
    assert!(!folder.exists(), "{} exists already and must not change", folder.display());
    let run = folder_of_this_run().join("freezing");
    let options = Options {
        folder: run.clone(),
        // Enough attempts for every outcome, without long waits between them.
        parameters: vec![("RetryScheduleSeconds", "1,1,1,1,1,1,1,1,1,1,1,1,1,1")],
        // What is due in more than 35 seconds waits in its table, and not on the queue.
        properties: json!({ "DispatcherFunction": { "Environment": { "Variables": { "LONGEST_DELAY_SECONDS": "35" } } } }),
        ..Options::default()
    };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let account_id = format!("acct_frozen_{VERSION}");
    let key = stack.create_api_key(&account_id).unwrap();
    let revoked = stack.create_api_key(&account_id).unwrap();
    revoke_newest(&stack);
    let customer = Customer::new(&stack, &key);
    let version = Version { customer, account_id, hostile: Hostile::start(&run).unwrap(), stack };

    version.webhooks().await;
    version.deliveries().await;
    let deliveries_queue = version.delivery_messages().await;
    let completions_queue = version.completion_messages().await;
    tool(&version.stack, &["lengthen"], &Value::Null);
    let replies = version.replies().await;
    let items = tool(&version.stack, &["items"], &Value::Null);
    let receiver = RECEIVER.url("");
    let about =
        json!({ "account_id": version.account_id, "key": key.key, "revoked_key": revoked.key, "receiver": receiver });

    fs::create_dir_all(&folder).unwrap();
    for (name, value) in [
        ("about.json", about),
        ("items.json", items),
        ("completions-queue.json", completions_queue),
        ("deliveries-queue.json", deliveries_queue),
        ("replies.json", replies),
    ] {
        fs::write(folder.join(name), serde_json::to_string_pretty(&value).unwrap() + "\n").unwrap();
    }
}

impl Version {
    /// Creates webhooks: a healthy one with the service's secret, an idempotency key and a resend; one that is rotated twice;
    /// one that will fail; one that will answer 410; one that its customer disables; and one that is deleted, so that
    /// its number is used up.
    async fn webhooks(&self) {
        let create = async |path: &str, secret: Option<&str>, headers: &[(&str, &str)]| {
            let mut body = json!({ "url": self.url(path), "events": ["job.failed", "job.completed"] });
            if let Some(secret) = secret {
                body["secret_key"] = secret.into();
            } else {
                body["description"] = "the healthy one".into();
                body["metadata"] = json!({ "team": "frozen" });
                body["headers"] = json!({ "x-team": "frozen" });
                body["max_per_minute"] = 600.into();
            }
            let body = Some(body.to_string());
            let reply = self.customer.send_with(Method::POST, "/api/v1/webhooks", body, headers).await.unwrap();
            assert_eq!(reply.status, 201, "{}", reply.text);
        };
        create("healthy", None, &[("idempotency-key", "frozen")]).await;
        create("rotated", Some("the-first-secret"), &[]).await;
        create("failing", Some("the-failing-secret"), &[]).await;
        create("gone", Some("the-gone-secret"), &[]).await;
        create("disabled", Some("the-disabled-secret"), &[]).await;
        create("deleted", Some("the-deleted-secret"), &[]).await;
        assert_eq!(self.customer.delete("/api/v1/webhooks/6").await.unwrap().status, 200);
        // Of a time without events, so that it sends nothing.
        let resend =
            json!({ "since": "2001-01-01T00:00:00Z", "until": "2001-01-02T00:00:00Z", "statuses": ["missed"] });
        assert_eq!(self.customer.post(RESEND, &resend).await.unwrap().status, 202);
        assert_eq!(self.customer.send(Method::POST, REHEARSE, None).await.unwrap().status, 202);
        for secret in ["the-second-secret", "the-third-secret"] {
            let rotation = json!({ "secret_key": secret });
            let rotated = self.customer.post("/api/v1/webhooks/2/rotate-secret", &rotation).await.unwrap();
            assert_eq!(rotated.status, 200, "{}", rotated.text);
        }
    }

    /// Makes deliveries in every stored state, and attempts with every outcome.
    async fn deliveries(&self) {
        RECEIVER.answer(&self.path("disabled"), vec![Answer::status(500); 100]);
        RECEIVER.answer(&self.path("gone"), [Answer { body: "we have moved".into(), ..Answer::status(410) }]);
        self.change(3, json!({ "url": self.blocked() })).await;
        self.complete("task_first").await;
        for (webhook, status) in [(1, "delivered"), (2, "delivered"), (3, "failed"), (4, "failed"), (5, "retrying")] {
            self.wait_for(webhook, status, 1).await;
        }
        self.change(5, json!({ "status": "disabled" })).await;
        self.wait_for(5, "held", 1).await;

        let wrong = [
            ("connect", "http://127.0.0.1:1/".to_owned()),
            ("dns", "https://nothing-has-this-name.example.com/".to_owned()),
            ("tls", RECEIVER.url("/").replace("http:", "https:")),
            // Over a connection that turns out to be dead, the second request is sent twice.
            ("", self.hostile.on("/resent", [Says(busy()), Resets(Vec::new()), Says(busy())])),
            ("interrupted", self.hostile.on("/interrupted", [Resets(Vec::new())])),
            ("too_large", self.hostile.on("/large", [Says(large())])),
            ("timeout", self.hostile.on("/silent", [Says(Vec::new())])),
            ("http", self.url("failing")),
        ];
        // Short answers, and long ones that differ in a number.
        let page = |number: usize| format!("{}<p>request {number}</p>", "<p>é No upstream answered.</p>".repeat(12));
        let body = |number| if number < 2 { "é \u{1b}[2J".to_owned() } else { page(number) };
        let answers = (0..20).map(|number| Answer { body: body(number).into(), ..Answer::status(503) });
        RECEIVER.answer(&self.path("failing"), answers);
        self.change(3, json!({ "url": wrong[0].1 })).await;
        self.complete("task_of_every_outcome").await;
        for (outcome, url) in wrong {
            self.change(3, json!({ "url": url })).await;
            let seen =
                if outcome.is_empty() { r#""resent":true"#.to_owned() } else { format!(r#""outcome":"{outcome}""#) };
            self.wait_for_attempt(3, &seen).await;
        }
        self.wait_for(3, "failed", 2).await;

        let later =
            |seconds: u32| Answer { headers: vec![("retry-after", seconds.to_string())], ..Answer::status(429) };
        RECEIVER.answer(&self.path("failing"), [Answer::status(500), Answer::status(302), later(25)]);
        self.complete("task_retrying").await;
        self.wait_for_429(1).await;
        // Less than a minute, or the circuit opens.
        RECEIVER.answer(&self.path("failing"), [later(50)]);
        self.complete("task_due_later").await;
        self.wait_for_429(2).await;
        self.wait_for(3, "retrying", 2).await;
    }

    async fn wait_for_429(&self, count: usize) {
        let start = Instant::now();
        let answered = || RECEIVER.received(&self.path("failing")).iter().filter(|it| it.answered == Some(429)).count();
        while answered() < count {
            assert!(start.elapsed() < SOON, "webhook 3 answers 429 {count} times");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns messages for the dispatcher: deliveries without an attempt, a test event, a retry, repetitions of
    /// delivered deliveries, and a manual retry.
    async fn delivery_messages(&self) -> Value {
        tool(&self.stack, &["hold", "DispatcherFunction"], &Value::Null);
        self.complete("task_waiting \u{FFFE} é").await;
        self.complete("task_first").await;
        self.complete("task_retrying").await;
        let failed = self.list(3, "failed").await;
        let by_hand = failed.iter().find(|delivery| delivery["attempt_count"].as_u64() > Some(1)).unwrap();
        let id = by_hand["id"].as_str().unwrap();
        for path in [format!("/api/v1/webhooks/3/deliveries/{id}/retry"), "/api/v1/webhooks/1/test".to_owned()] {
            let reply = self.customer.send(Method::POST, &path, None).await.unwrap();
            assert_eq!(reply.status, 202, "{}", reply.text);
        }
        // The completions of `task_waiting` and `task_retrying` for three active webhooks; that of `task_first` for the
        // five that it was sent to at first; the manual retry, the test event, and the delayed message of the retry.
        tool(&self.stack, &["receive", &self.stack.deliveries_queue_url, "14"], &Value::Null)
    }

    /// Returns messages for fan-out.
    async fn completion_messages(&self) -> Value {
        tool(&self.stack, &["hold", "FanOutFunction"], &Value::Null);
        let bare = self.completion("task_bare");
        let mut least = bare.clone();
        for field in ["data", "timestamp"] {
            least.as_object_mut().unwrap().remove(field);
        }
        least["task_id"] = "task_least".into();
        // In the form in which EventBridge sends it to a queue.
        let wrapped = json!({ "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "TaskCompleted",
            "source": "jobs", "account": "111122223333", "time": "2026-01-02T03:04:05Z", "region": "us-east-1",
            "resources": [], "detail": self.completion("task_wrapped") });
        // A completion that was delivered before.
        let repeated = self.completion("task_first");
        let messages = [repeated, bare, least, wrapped].map(|message| message.to_string());
        Producer::new(&self.stack).send_all(&messages).await.unwrap();
        tool(&self.stack, &["receive", &self.stack.completions_queue_url, "4"], &Value::Null)
    }

    /// Returns the API's replies about all of this.
    async fn replies(&self) -> Value {
        let start = Instant::now();
        while self.customer.get(RESEND).await.unwrap().json()["data"]["status"] != "done" {
            assert!(start.elapsed() < SOON, "the resend is done");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let mut paths = vec!["/api/v1/webhooks".to_owned(), RESEND.to_owned(), REHEARSE.to_owned()];
        for webhook in 1..=5 {
            let webhook_path = format!("/api/v1/webhooks/{webhook}");
            for delivery in self.list(webhook, "").await {
                paths.push(format!("{webhook_path}/deliveries/{}", delivery["id"].as_str().unwrap()));
            }
            paths.extend(
                ["/deliveries?limit=100", "/deliveries?status=failed", "/stats?hours=1"]
                    .map(|rest| webhook_path.clone() + rest),
            );
            paths.push(webhook_path);
        }
        let events = "/api/v1/events?limit=100";
        let listed = self.customer.get(events).await.unwrap().json()["data"]["events"].take();
        paths.push(events.to_owned());
        paths.extend(
            listed.as_array().unwrap().iter().map(|it| format!("/api/v1/events/{}", it["id"].as_str().unwrap())),
        );
        let mut replies = json!({});
        for path in paths {
            let reply = self.customer.get(&path).await.unwrap();
            assert_eq!(reply.status, 200, "{path}: {}", reply.text);
            replies[path] = reply.json()["data"].take();
        }
        replies
    }

    async fn change(&self, webhook: u64, change: Value) {
        let path = format!("/api/v1/webhooks/{webhook}");
        let reply = self.customer.send(Method::PATCH, &path, Some(change.to_string())).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text);
    }

    async fn complete(&self, task: &str) {
        Producer::new(&self.stack)
            .send(self.completion(task).to_string().replace('\u{FFFE}', r"\ufffe"))
            .await
            .unwrap();
    }

    fn completion(&self, task: &str) -> Value {
        json!({ "account_id": self.account_id, "task_id": task, "task_type": "image", "status": "completed",
            "data": { "url": "https://cdn.example.com/image.png", "credits_charged": 6, "é": "😀" },
            "timestamp": "2024-12-23T10:00:00Z" })
    }

    async fn list(&self, webhook: u64, status: &str) -> Vec<Value> {
        let status = if status.is_empty() { String::new() } else { format!("&status={status}") };
        let path = format!("/api/v1/webhooks/{webhook}/deliveries?limit=100{status}");
        let reply = self.customer.get(&path).await.unwrap();
        reply.json()["data"]["deliveries"].as_array().unwrap().clone()
    }

    async fn wait_for(&self, webhook: u64, status: &str, count: usize) {
        let start = Instant::now();
        while self.list(webhook, status).await.len() != count {
            assert!(start.elapsed() < SOON, "webhook {webhook} has {count} {status}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until the webhook has a delivery whose reply contains this text.
    async fn wait_for_attempt(&self, webhook: u64, seen: &str) {
        let start = Instant::now();
        loop {
            for delivery in self.list(webhook, "").await {
                let id = delivery["id"].as_str().unwrap();
                let path = format!("/api/v1/webhooks/{webhook}/deliveries/{id}");
                if self.customer.get(&path).await.unwrap().text.contains(seen) {
                    return;
                }
            }
            assert!(start.elapsed() < SOON, "an attempt has {seen}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn path(&self, name: &str) -> String {
        format!("/{}/{name}", self.account_id)
    }

    fn url(&self, name: &str) -> String {
        RECEIVER.url(&self.path(name))
    }

    /// The service's own host, which may be registered but is never called.
    fn blocked(&self) -> String {
        let api = self.stack.api_url.rsplit('/').next().unwrap();
        format!("https://{api}.execute-api.us-east-1.amazonaws.com/")
    }
}

fn large() -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024)).into_bytes()
}

fn busy() -> Vec<u8> {
    b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n".to_vec()
}

fn revoke_newest(stack: &Stack) {
    let keys: Value = serde_json::from_str(&stack.operator(&["keys", "list", "--json"]).unwrap()).unwrap();
    let newest = keys.as_array().unwrap().last().unwrap()["id"].as_str().unwrap();
    stack.operator(&["keys", "revoke", "--yes", newest]).unwrap();
}
