//! The delivery history that a customer sees, and manual retries.

use std::time::{Duration, Instant};

use harness::{Answer, Customer, Producer, Reply, SOON};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, key_for};

/// An account with one webhook on a path of the receiver.
struct Account {
    id: &'static str,
    customer: Customer,
    path: String,
}

impl Account {
    async fn with_webhook(id: &'static str) -> Self {
        let customer = Customer::new(&STACK, &key_for(id));
        let path = format!("/{id}");
        let webhook = json!({ "url": RECEIVER.url(&path), "events": ["job.completed"] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
        Self { id, customer, path }
    }

    fn completion(&self, task: u32) -> String {
        let second = task % 60;
        format!(
            r#"{{"account_id":"{}","task_id":"task_{task}","task_type":"image","status":"completed","data":{{"n":6.0}},"timestamp":"2024-12-23T10:00:{second:02}Z"}}"#,
            self.id
        )
    }

    async fn send(&self, tasks: std::ops::Range<u32>) {
        let messages: Vec<String> = tasks.map(|task| self.completion(task)).collect();
        Producer::new(&STACK).send_all(&messages).await.unwrap();
    }

    async fn get(&self, query: &str) -> Reply {
        self.customer.get(&format!("/api/v1/webhooks/1/deliveries{query}")).await.unwrap()
    }

    async fn list(&self, query: &str) -> (Vec<Value>, Option<String>) {
        let reply = self.get(query).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let data = reply.json()["data"].take();
        (data["deliveries"].as_array().unwrap().clone(), data["next_cursor"].as_str().map(str::to_owned))
    }

    /// Waits until this many deliveries are in a state, and returns them, newest first.
    async fn wait_for(&self, status: &str, count: usize) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let (deliveries, _) = self.list(&format!("?status={status}&limit=100")).await;
            if deliveries.len() == count {
                return deliveries;
            }
            assert!(start.elapsed() < SOON, "{} of {count} are {status}", deliveries.len());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn ids(deliveries: &[Value]) -> Vec<&str> {
    deliveries.iter().map(|delivery| delivery["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_delivery_shows_its_payload_and_every_attempt() {
    let account = Account::with_webhook("acct_shown").await;
    let busy = Answer { body: "busy\u{0} \u{1b}[2J".into(), ..Answer::status(503) };
    RECEIVER.answer(&account.path, [busy, Answer { body: "thanks".into(), ..Answer::status(201) }]);
    account.send(1..2).await;
    let listed = account.wait_for("delivered", 1).await;

    let webhook_id = RECEIVER.received(&account.path)[0].header("webhook-id").unwrap().to_owned();
    assert_eq!(ids(&listed), [webhook_id.as_str()]);
    let shown = account.get(&format!("/{webhook_id}")).await;
    let sent = String::from_utf8(RECEIVER.received(&account.path)[0].body.to_vec()).unwrap();
    assert!(shown.text.contains(&format!(r#""payload":{sent}"#)), "the payload is what was sent: {}", shown.text);
    let data = shown.json()["data"].take();
    assert_eq!(data["status"], "delivered");
    assert_eq!(data["event"], "job.completed");
    assert_eq!(data["timestamp"], "2024-12-23T10:00:01.000Z");
    assert_eq!(data["next_attempt_at"], Value::Null);
    let attempts = data["attempts"].as_array().unwrap();
    let summary =
        |attempt: &Value| json!([attempt["outcome"], attempt["http_status"], attempt["response"], attempt["message"]]);
    assert_eq!(summary(&attempts[0]), json!(["http", 503, "busy\u{FFFD} \u{FFFD}[2J", "the endpoint answered 503"]));
    assert_eq!(summary(&attempts[1]), json!(["http", 201, "thanks", "the endpoint answered 201"]));
    assert_eq!(attempts.len(), 2);
    assert_eq!(listed[0]["attempt_count"], 2);
    assert_eq!(listed[0]["last_attempt"], attempts[1]);
}

#[tokio::test]
async fn pages_are_newest_first_and_survive_new_arrivals() {
    let account = Account::with_webhook("acct_pages").await;
    account.send(1..8).await;
    let all = account.wait_for("delivered", 7).await;
    let times: Vec<&str> = all.iter().map(|delivery| delivery["timestamp"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|one, other| one > other), "{times:?}");

    let (first, cursor) = account.list("?limit=3").await;
    account.send(20..23).await;
    account.wait_for("delivered", 10).await;
    let (second, cursor) = account.list(&format!("?limit=3&cursor={}", cursor.unwrap())).await;
    let (third, last) = account.list(&format!("?limit=3&cursor={}", cursor.unwrap())).await;
    let paged = [first, second, third].concat();
    assert_eq!(ids(&paged), ids(&all), "nothing twice, nothing left out");
    assert_eq!(last, None);
}

#[tokio::test]
async fn a_list_can_be_narrowed_to_a_state() {
    let account = Account::with_webhook("acct_states").await;
    RECEIVER.answer(&account.path, vec![Answer::status(500); 100]);
    account.send(1..3).await;
    account.wait_for("retrying", 2).await;
    assert!(account.list("?status=delivered").await.0.is_empty());
    account.wait_for("failed", 2).await;
    assert!(account.list("?status=retrying").await.0.is_empty());
    let (failed, cursor) = account.list("?status=failed&limit=1").await;
    let (rest, end) = account.list(&format!("?status=failed&limit=1&cursor={}", cursor.unwrap())).await;
    assert_ne!(ids(&failed), ids(&rest));
    assert_eq!((failed[0]["attempt_count"].as_u64(), rest.len()), (Some(8), 1));
    // DynamoDB reports that there may be more until a query finds nothing more.
    if let Some(cursor) = end {
        assert!(account.list(&format!("?status=failed&limit=1&cursor={cursor}")).await.0.is_empty());
    }
}

#[tokio::test]
async fn a_list_can_be_narrowed_to_a_task_an_event_and_a_time() {
    let account = Account::with_webhook("acct_narrowed").await;
    account.send(1..12).await;
    account.wait_for("delivered", 11).await;
    let tasks = async |query: &str| {
        let (deliveries, _) = account.list(query).await;
        deliveries.iter().map(|delivery| delivery["task_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tasks("?task_id=task_7").await, ["task_7"]);
    assert_eq!(tasks("?task_id=task_7&status=delivered&event=job.completed").await, ["task_7"]);
    assert!(tasks("?task_id=task_7&status=failed").await.is_empty());
    assert!(tasks("?event=job.failed").await.is_empty());
    assert_eq!(tasks("?since=2024-12-23T10:00:03Z&until=2024-12-23T10:00:05Z").await, ["task_4", "task_3"]);
}

#[tokio::test]
async fn a_cursor_outlives_a_rotation() {
    let account = Account::with_webhook("acct_paging_rotation").await;
    account.send(1..5).await;
    account.wait_for("delivered", 4).await;
    let (first, cursor) = account.list("?limit=2").await;
    let rotation = Some(json!({ "overlap_seconds": 0 }).to_string());
    let rotated = account.customer.send(Method::POST, "/api/v1/webhooks/1/rotate-secret", rotation).await.unwrap();
    assert_eq!(rotated.status, 200, "{}", rotated.text);
    let (second, _) = account.list(&format!("?limit=2&cursor={}", cursor.unwrap())).await;
    assert_eq!((first.len(), second.len()), (2, 2));
    assert!(ids(&first)[1] > ids(&second)[0]);
}

#[tokio::test]
async fn wrong_parameters_are_told_what_is_right() {
    let account = Account::with_webhook("acct_parameters").await;
    let cases = [
        ("?limit=0", "limit is \"0\"; expected a whole number from 1 to 100"),
        ("?limit=101", "limit is \"101\"; expected a whole number from 1 to 100"),
        ("?limit=ten", "limit is \"ten\"; expected a whole number from 1 to 100"),
        ("?status=done", "status is \"done\"; expected one of pending, retrying, held, delivered, failed, cancelled"),
        (
            "?cursor=AAAA",
            "cursor is \"AAAA\"; expected the next_cursor of the page before; leave it out to start with the newest",
        ),
    ];
    for (query, message) in cases {
        let reply = account.get(query).await;
        assert_eq!((reply.status, reply.json()["error"]["message"].as_str()), (400, Some(message)), "{query}");
    }
}

#[tokio::test]
async fn a_finished_delivery_can_be_retried_under_its_id_however_often_it_was() {
    let account = Account::with_webhook("acct_again").await;
    account.send(1..2).await;
    let id = ids(&account.wait_for("delivered", 1).await)[0].to_owned();
    let path = format!("/api/v1/webhooks/1/deliveries/{id}/retry");
    for round in 2..=3 {
        let reply = account.customer.send(Method::POST, &path, None).await.unwrap();
        assert_eq!((reply.status, reply.text), (202, format!(r#"{{"success":true,"data":{{"id":"{id}"}}}}"#)));
        let received = RECEIVER.wait_for(&account.path, round, SOON).await.unwrap();
        assert!(received.iter().all(|webhook| webhook.header("webhook-id") == Some(&id)));
        // The next retry must find the record of this one.
        let start = Instant::now();
        while account.list("").await.0[0]["attempt_count"] != round {
            assert!(start.elapsed() < SOON);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn a_retry_starts_the_schedule_afresh() {
    let account = Account::with_webhook("acct_afresh").await;
    RECEIVER.answer(&account.path, vec![Answer::status(500); 10]);
    account.send(1..2).await;
    let id = ids(&account.wait_for("failed", 1).await)[0].to_owned();
    let path = format!("/api/v1/webhooks/1/deliveries/{id}/retry");
    assert_eq!(account.customer.send(Method::POST, &path, None).await.unwrap().status, 202);
    let delivered = account.wait_for("delivered", 1).await;
    assert_eq!(delivered[0]["attempt_count"], 11, "eight of the first round; two failures and a success of the second");
}

#[tokio::test]
async fn a_retry_of_a_delivery_that_waits_makes_its_next_attempt_now_and_what_was_scheduled_makes_none() {
    let account = Account::with_webhook("acct_early").await;
    let later = Answer { headers: vec![("retry-after", "12".into())], ..Answer::status(500) };
    RECEIVER.answer(&account.path, [later]);
    account.send(1..2).await;
    let id = ids(&account.wait_for("retrying", 1).await)[0].to_owned();
    let path = format!("/api/v1/webhooks/1/deliveries/{id}/retry");
    let reply = account.customer.send(Method::POST, &path, None).await.unwrap();
    assert_eq!(reply.status, 202, "{}", reply.text);
    let received = RECEIVER.wait_for(&account.path, 2, SOON).await.unwrap();
    let waited = received[1].at.duration_since(received[0].at).unwrap();
    assert!(waited < Duration::from_secs(12), "{waited:?}");
    tokio::time::sleep(Duration::from_secs(16)).await;
    let delivered = account.wait_for("delivered", 1).await;
    assert_eq!((delivered[0]["attempt_count"].as_u64(), RECEIVER.received(&account.path).len()), (Some(2), 2));
}

#[tokio::test]
async fn another_accounts_history_looks_like_none() {
    let (owner, other) = (Account::with_webhook("acct_owner").await, Account::with_webhook("acct_stranger").await);
    owner.send(1..2).await;
    let id = ids(&owner.wait_for("delivered", 1).await)[0].to_owned();
    let other = Customer::new(&STACK, &key_for(other.id));
    let path = format!("/api/v1/webhooks/1/deliveries/{id}");
    for (method, path, message) in [
        (Method::GET, path.clone(), format!("there is no delivery of event {id} to this webhook")),
        (Method::POST, format!("{path}/retry"), format!("there is no event {id}")),
    ] {
        let reply = other.send(method, &path, None).await.unwrap();
        assert_eq!((reply.status, reply.json()["error"]["message"].as_str()), (404, Some(message.as_str())));
    }
    let reply = other.get("/api/v1/webhooks/2/deliveries").await.unwrap();
    assert_eq!((reply.status, reply.json()["error"]["message"].as_str()), (404, Some("there is no webhook 2")));
}

#[tokio::test]
async fn a_410_disables_the_webhook_and_holds_what_waits_until_it_is_enabled() {
    let account = Account::with_webhook("acct_gone").await;
    // So late that the 410 disables the webhook first.
    let first = Answer { headers: vec![("retry-after", "8".into())], ..Answer::status(500) };
    RECEIVER.answer(&account.path, [first, Answer::status(410)]);
    account.send(1..2).await;
    account.wait_for("retrying", 1).await;
    account.send(2..3).await;
    account.wait_for("failed", 1).await;
    account.wait_for("held", 1).await;
    let webhook = account.customer.get("/api/v1/webhooks/1").await.unwrap().json()["data"].take();
    assert_eq!(webhook["status"], "disabled");
    assert_eq!(webhook["disabled_reason"], "the endpoint answered 410 Gone");
    let received = RECEIVER.received(&account.path).len();
    account.send(3..4).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(RECEIVER.received(&account.path).len(), received, "a disabled webhook gets nothing");
    assert!(account.list("?status=delivered").await.0.is_empty());
    let enable = Some(json!({ "status": "active" }).to_string());
    assert_eq!(account.customer.send(Method::PATCH, "/api/v1/webhooks/1", enable).await.unwrap().status, 200);
    account.wait_for("delivered", 1).await;
}

#[tokio::test]
async fn a_webhook_shows_its_health_and_one_success_mends_it() {
    let account = Account::with_webhook("acct_health").await;
    let later = Answer { headers: vec![("retry-after", "5".into())], ..Answer::status(500) };
    RECEIVER.answer(&account.path, [Answer::status(500), later]);
    account.send(1..2).await;
    account.wait_for("retrying", 1).await;
    let health = || async {
        let webhook = account.customer.get("/api/v1/webhooks/1").await.unwrap().json()["data"].take();
        (webhook["failing_since"].is_string(), webhook["consecutive_failures"].as_u64().unwrap())
    };
    let becomes = async |failing: bool| {
        let start = Instant::now();
        while health().await.0 != failing {
            assert!(start.elapsed() < SOON, "the webhook's health follows what was recorded");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    becomes(true).await;
    account.wait_for("delivered", 1).await;
    becomes(false).await;
    assert_eq!(health().await, (false, 0));
}
