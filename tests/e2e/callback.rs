//! A job's own endpoint: which webhook delivers an event to the `callback_url` of its completion, and what follows for
//! that webhook. The receiver is at 127.0.0.1, so the same receiver at `localhost` is another origin.

use std::time::{Duration, Instant};

use harness::{Answer, Customer, Producer, Received, Receiver, Reply, SOON, signature};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, key_for};

const WEBHOOKS: &str = "/api/v1/webhooks";
const NOT_ALLOWED: &str = "callback_url's host is not allowed: no active webhook for job.completed has the origin ";

struct Account {
    name: &'static str,
    customer: Customer,
}

impl Account {
    fn without_webhook(name: &'static str) -> Self {
        Self { name, customer: Customer::new(&STACK, &key_for(name)) }
    }

    /// An account with one webhook, at the path of its name.
    async fn new(name: &'static str, callback_hosts: &[&str]) -> Self {
        let account = Self::without_webhook(name);
        account.register(&format!("/{name}"), callback_hosts).await;
        account
    }

    /// Registers a webhook. Its secret is the path, followed by `-secret`.
    async fn register(&self, path: &str, callback_hosts: &[&str]) -> Value {
        let webhook = json!({ "url": RECEIVER.url(path), "events": ["job.completed"],
            "secret_key": format!("{path}-secret"), "callback_hosts": callback_hosts });
        let reply = self.customer.post(WEBHOOKS, &webhook).await.unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text);
        reply.json()["data"].take()
    }

    fn completion(&self, task: &str, callback_url: &str) -> Value {
        json!({ "account_id": self.name, "task_id": task, "task_type": "image", "status": "completed",
            "timestamp": "2026-11-28T10:00:00Z", "callback_url": callback_url })
    }

    async fn complete(&self, task: &str, callback_url: &str) {
        Producer::new(&STACK).send(self.completion(task, callback_url)).await.unwrap();
    }

    async fn data(&self, path: &str) -> Value {
        self.customer.data(path).await.unwrap()
    }

    /// What the event of a received webhook says about its callback.
    async fn callback(&self, webhook: &Received) -> Value {
        let event = self.data(&format!("/api/v1/events/{}", id_of(webhook))).await;
        json!([event["callback_url"], event["callback"]])
    }

    async fn change(&self, change: Value) -> Reply {
        self.customer.send(Method::PATCH, &format!("{WEBHOOKS}/1"), Some(change.to_string())).await.unwrap()
    }
}

/// The URL of a path at the receiver, with another host name.
fn at_localhost(path: &str) -> String {
    RECEIVER.url(path).replace("127.0.0.1", "localhost")
}

fn id_of(webhook: &Received) -> &str {
    webhook.header("webhook-id").unwrap()
}

/// Waits for the webhook of a task at a path.
async fn arrival(path: &str, task: &str) -> Received {
    let start = Instant::now();
    loop {
        let received = RECEIVER.received(path).into_iter().find(|webhook| webhook.json()["task_id"] == task);
        if let Some(webhook) = received {
            return webhook;
        }
        assert!(start.elapsed() < SOON, "{path} got no webhook of {task}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_callback_on_the_webhooks_own_origin_is_called_instead_of_its_url() {
    let account = Account::new("acct_callback_own", &[]).await;
    let (path, url) = ("/acct_callback_own/job", RECEIVER.url("/acct_callback_own/job?key=7"));
    RECEIVER.answer(path, [Answer::status(503)]);
    account.complete("task_1", &url).await;
    let received = RECEIVER.wait_for(path, 2, SOON).await.unwrap();
    assert_eq!(id_of(&received[0]), id_of(&received[1]), "it is retried at the same URL");
    for webhook in &received {
        assert!(signature::is_valid(webhook, "/acct_callback_own-secret"));
        assert!(signature::is_valid_standard(webhook, "/acct_callback_own-secret"));
        assert!(!String::from_utf8_lossy(&webhook.body).contains("callback"), "it is not in the body");
    }
    let shown = format!("{WEBHOOKS}/1/deliveries/{}", id_of(&received[0]));
    let delivery = account.customer.wait_until(&shown, |delivery| delivery["status"] == "delivered").await.unwrap();
    assert_eq!(delivery["callback_url"], url, "the history shows the URL that was called");
    let expected = json!([url, "webhook 1 delivers to callback_url instead of its own url"]);
    assert_eq!(account.callback(&received[0]).await, expected);
    assert!(RECEIVER.received("/acct_callback_own").is_empty());
}

#[tokio::test]
async fn another_port_is_another_origin_and_is_not_called() {
    let account = Account::new("acct_callback_port", &["localhost", "*"]).await;
    let other = Receiver::start().unwrap();
    let url = other.url("/acct_callback_port/job");
    account.complete("task_1", &url).await;
    let webhook = arrival("/acct_callback_port", "task_1").await;
    let origin = url.trim_end_matches("/acct_callback_port/job");
    let expected = json!([url, format!("{NOT_ALLOWED}{origin}, or names the host in callback_hosts")]);
    assert_eq!(account.callback(&webhook).await, expected, "no pattern allows an IP address");
    assert!(other.received_by_all().is_empty());
}

#[tokio::test]
async fn another_host_is_not_called_until_the_webhook_names_it() {
    let account = Account::new("acct_callback_host", &[]).await;
    let url = at_localhost("/acct_callback_host/job");
    account.complete("task_1", &url).await;
    let webhook = arrival("/acct_callback_host", "task_1").await;
    let shown = account.callback(&webhook).await;
    assert!(shown[1].as_str().unwrap().starts_with(NOT_ALLOWED), "{shown}");
    assert_eq!(account.change(json!({ "callback_hosts": ["LOCALHOST"] })).await.status, 200);
    account.complete("task_2", &url).await;
    arrival("/acct_callback_host/job", "task_2").await;
}

#[tokio::test]
async fn a_host_that_the_webhook_names_is_called() {
    let account = Account::new("acct_callback_named", &["*.example.com", "localhost"]).await;
    account.complete("task_1", &at_localhost("/acct_callback_named/job")).await;
    let webhook = arrival("/acct_callback_named/job", "task_1").await;
    assert!(webhook.header("host").unwrap().starts_with("localhost:"));
    assert!(signature::is_valid(&webhook, "/acct_callback_named-secret"));

    // A star alone allows every name, on every port.
    let any = Account::new("acct_callback_any", &["*"]).await;
    let other = Receiver::start().unwrap();
    any.complete("task_1", &other.url("/job").replace("127.0.0.1", "localhost")).await;
    other.wait_for("/job", 1, SOON).await.unwrap();
}

#[tokio::test]
async fn what_only_looks_like_an_allowed_host_is_not_called() {
    let hosts = ["jobs.example.com", "*.example.net", "münchen.de", "localhost"];
    let account = Account::new("acct_callback_alike", &hosts).await;
    let look_alikes = [
        "https://jobs.example.com.evil.net/",
        "https://evil-jobs.example.com/",
        "https://evilexample.net/",
        "https://example.net/",
        "https://a.example.net.evil.net/",
        "https://munchen.de/",
        "https://xn--mnchen-3ya.de.evil.net/",
        "https://jоbs.example.com/", // a Cyrillic letter
        "https://xn--jbs-sed.example.com/",
        "http://evil.localhost/",
        "http://localhost.evil.net/",
        // These are no look-alikes to a parser, and are refused as they are written.
        "https://jobs.example.com@evil.net/",
        "https://evil.net\\@jobs.example.com/",
        "https://evil.net#.example.net/",
        "https://jobs。example.com/",
    ];
    for (number, url) in look_alikes.iter().enumerate() {
        account.complete(&format!("task_{number}"), url).await;
    }
    for (number, url) in look_alikes.iter().enumerate() {
        let webhook = arrival("/acct_callback_alike", &format!("task_{number}")).await;
        let shown = account.callback(&webhook).await;
        assert_eq!(shown[0], *url);
        let sentence = shown[1].as_str().unwrap();
        assert_eq!(sentence.starts_with(NOT_ALLOWED), number < 11, "{url}: {sentence}");
    }
}

#[tokio::test]
async fn a_callback_that_cannot_be_called_does_not_stop_the_event() {
    let account = Account::new("acct_callback_bad", &["*", "metadata.google.internal"]).await;
    let bad = [
        ("http://10.0.0.1/", r#"callback_url host "10.0.0.1" cannot be called: it is not a public host (Private-Use)"#),
        (
            "http://169.254.169.254/latest/meta-data/",
            r#"callback_url host "169.254.169.254" cannot be called: it is not a public host (Link Local)"#,
        ),
        (
            "http://metadata.google.internal/",
            r#"callback_url host "metadata.google.internal" cannot be called: it is not a public host (.internal is for private networks)"#,
        ),
        ("your-server.com/job", "callback_url must use https and start with https://"),
        ("no URL", "callback_url contains ' ', which may not stand in a URL; remove it, or write it as %20"),
    ];
    for (number, (url, _)) in bad.iter().enumerate() {
        account.complete(&format!("task_{number}"), url).await;
    }
    for (number, (url, reason)) in bad.iter().enumerate() {
        let webhook = arrival("/acct_callback_bad", &format!("task_{number}")).await;
        assert_eq!(account.callback(&webhook).await, json!([url, reason]));
        let delivery = account.data(&format!("{WEBHOOKS}/1/deliveries/{}", id_of(&webhook))).await;
        assert_eq!(delivery["callback_url"], Value::Null, "the webhook's own URL was called");
    }
}

#[tokio::test]
async fn a_callback_of_another_type_is_a_dead_letter_that_says_so() {
    let (account, producer) = (Account::new("acct_callback_type", &[]).await, Producer::new(&STACK));
    for (task, url, found) in [
        ("task_with_a_list_as_callback", json!(["https://a.example.com/"]), "an array"),
        ("task_with_an_empty_callback", json!(""), r#""""#),
    ] {
        let mut completion = account.completion(task, "");
        completion["callback_url"] = url;
        producer.send(completion).await.unwrap();
        let letter = producer.wait_for_dead_letter(task, SOON).await.unwrap();
        let expected = "expected a URL of 1 to 2,048 bytes; without one, leave the field out";
        assert_eq!(letter.reason, Some(format!("callback_url is {found}; {expected}")));
    }
}

#[tokio::test]
async fn the_first_webhook_that_allows_the_url_takes_it_and_the_others_call_their_own() {
    let account = Account::new("acct_callback_first", &[]).await;
    account.register("/acct_callback_first/two", &["localhost"]).await;
    account.register("/acct_callback_first/three", &["*"]).await;
    account.complete("task_1", &at_localhost("/acct_callback_first/job")).await;
    let webhook = arrival("/acct_callback_first/job", "task_1").await;
    assert!(signature::is_valid(&webhook, "/acct_callback_first/two-secret"));
    for own in ["/acct_callback_first", "/acct_callback_first/three"] {
        assert_eq!(id_of(&arrival(own, "task_1").await), id_of(&webhook));
    }
    assert!(RECEIVER.received("/acct_callback_first/two").is_empty());
}

#[tokio::test]
async fn a_completion_that_is_sent_again_with_another_callback_changes_nothing() {
    let account = Account::new("acct_callback_again", &[]).await;
    account.complete("task_1", &RECEIVER.url("/acct_callback_again/one")).await;
    let webhook = arrival("/acct_callback_again/one", "task_1").await;
    let shown = format!("{WEBHOOKS}/1/deliveries/{}", id_of(&webhook));
    account.customer.wait_until(&shown, |delivery| delivery["status"] == "delivered").await.unwrap();
    account.complete("task_1", &RECEIVER.url("/acct_callback_again/two")).await;
    // Once a later task has arrived, the repetition has been decided.
    account.complete("task_2", &RECEIVER.url("/acct_callback_again/three")).await;
    arrival("/acct_callback_again/three", "task_2").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(RECEIVER.received("/acct_callback_again/two").is_empty());
    assert_eq!(RECEIVER.received("/acct_callback_again/one").len(), 1);
}

#[tokio::test]
async fn failures_at_another_origin_do_not_count_for_the_webhook() {
    let account = Account::new("acct_callback_failing", &["localhost"]).await;
    let path = "/acct_callback_failing/job";
    RECEIVER.answer(path, vec![Answer::status(500); 1_000]);
    for task in 0..12 {
        account.complete(&format!("task_{task}"), &at_localhost(path)).await;
    }
    RECEIVER.wait_for(path, 24, SOON).await.unwrap();
    // A failure that counts is seen within this time.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let webhook = account.data(&format!("{WEBHOOKS}/1")).await;
    let health = json!([webhook["circuit"], webhook["consecutive_failures"], webhook["failing_since"]]);
    assert_eq!(health, json!(["closed", 0, null]), "{webhook}");
}

#[tokio::test]
async fn a_callback_to_another_origin_does_not_wait_for_the_webhooks_circuit() {
    let account = Account::new("acct_callback_down", &["localhost"]).await;
    RECEIVER.answer("/acct_callback_down", vec![Answer::status(500); 1_000]);
    for task in 0..10 {
        account.complete(&format!("task_{task}"), &RECEIVER.url("/acct_callback_down")).await;
    }
    account.customer.wait_until(&format!("{WEBHOOKS}/1"), |webhook| webhook["circuit"] == "open").await.unwrap();
    account.complete("task_elsewhere", &at_localhost("/acct_callback_down/job")).await;
    arrival("/acct_callback_down/job", "task_elsewhere").await;
    let webhook = account.data(&format!("{WEBHOOKS}/1")).await;
    assert_ne!(webhook["circuit"], "closed", "its success says nothing of the webhook's endpoint: {webhook}");
}

#[tokio::test]
async fn a_410_at_another_origin_ends_that_delivery_alone() {
    let account = Account::new("acct_callback_gone", &["localhost"]).await;
    let path = "/acct_callback_gone/job";
    RECEIVER.answer(path, [Answer::status(410)]);
    account.complete("task_1", &at_localhost(path)).await;
    let gone = arrival(path, "task_1").await;
    let shown = format!("{WEBHOOKS}/1/deliveries/{}", id_of(&gone));
    account.customer.wait_until(&shown, |delivery| delivery["status"] == "failed").await.unwrap();
    account.complete("task_2", &at_localhost(path)).await;
    arrival(path, "task_2").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let webhook = account.data(&format!("{WEBHOOKS}/1")).await;
    assert_eq!((&webhook["status"], &webhook["disabled_reason"]), (&json!("active"), &Value::Null));
}

#[tokio::test]
async fn the_hosts_of_a_webhook_are_shown_where_they_were_given_and_in_its_details() {
    let account = Account::without_webhook("acct_callback_shown");
    let created = account.register("/acct_callback_shown", &["münchen.example.com", "*"]).await;
    let hosts = json!(["xn--mnchen-3ya.example.com", "*"]);
    assert_eq!(created["callback_hosts"], hosts);
    assert_eq!(account.data(&format!("{WEBHOOKS}/1")).await["callback_hosts"], hosts);
    assert_eq!(account.data(WEBHOOKS).await[0].get("callback_hosts"), None, "the list is the page's");

    let kept = account.change(json!({ "events": ["job.completed", "job.failed"] })).await.json();
    assert_eq!(kept["data"]["callback_hosts"], hosts, "what is not sent stays");
    assert_eq!(account.change(json!({ "callback_hosts": [] })).await.json()["data"]["callback_hosts"], json!([]));
    for (hosts, message) in [
        (json!(["*", "10.0.0.1"]), r#"callback_hosts[1] is "10.0.0.1"; it is an IP address; name a host instead"#),
        (json!("*"), "callback_hosts must be an array of host names, not a string"),
    ] {
        let refused = account.change(json!({ "callback_hosts": hosts })).await;
        assert_eq!((refused.status, refused.json()["error"]["message"].as_str()), (400, Some(message)));
    }
    let plain = json!({ "url": RECEIVER.url("/acct_callback_shown/plain"), "events": ["job.completed"] });
    let created = account.customer.post(WEBHOOKS, &plain).await.unwrap().json();
    assert_eq!(created["data"].get("callback_hosts"), None, "{created}");
}
