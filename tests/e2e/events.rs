//! The account's events: what happened to each, how one is found, and how one is erased.

mod erase;

use std::time::{Duration, Instant};

use harness::{Customer, Producer, Reply, SOON};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) use self::erase::items_with;
use crate::{RECEIVER, STACK, key_for};

const EVENTS: &str = "/api/v1/events";

/// An account, at first without a webhook.
struct Account {
    id: &'static str,
    customer: Customer,
}

impl Account {
    fn new(id: &'static str) -> Self {
        Self { id, customer: Customer::new(&STACK, &key_for(id)) }
    }

    /// The path of the receiver that a webhook calls.
    fn path(&self, webhook: u64) -> String {
        format!("/{}/{webhook}", self.id)
    }

    /// Creates webhooks, counted on from `first`.
    async fn with_webhooks(self, first: u64, events: &[&[&str]]) -> Self {
        for (number, events) in (first..).zip(events) {
            let webhook = json!({ "url": RECEIVER.url(&self.path(number)), "events": events });
            let reply = self.customer.post("/api/v1/webhooks", &webhook).await.unwrap();
            assert_eq!((reply.status, reply.json()["data"]["id"].as_u64()), (201, Some(number)));
        }
        self
    }

    fn completion(&self, task: &str, status: &str, minute: u32) -> Value {
        json!({ "account_id": self.id, "task_id": task, "task_type": "image", "status": status,
            "data": { "n": 6 }, "timestamp": format!("2024-12-23T10:{minute:02}:00Z") })
    }

    async fn send(&self, completions: &[Value]) {
        let completions: Vec<_> = completions.iter().map(Value::to_string).collect();
        Producer::new(&STACK).send_all(&completions).await.unwrap();
    }

    async fn ask(&self, method: Method, path: &str) -> Reply {
        self.customer.send(method, path, None).await.unwrap()
    }

    async fn data(&self, path: &str) -> Value {
        self.customer.data(path).await.unwrap()
    }

    /// A page: its events, and the cursor of the next one.
    async fn list(&self, query: &str) -> (Vec<Value>, Option<String>) {
        let mut data = self.data(&format!("{EVENTS}{query}")).await;
        let Value::Array(events) = data["events"].take() else { panic!("no events: {data}") };
        (events, data["next_cursor"].as_str().map(str::to_owned))
    }

    /// Every event that a list has, page by page.
    async fn all(&self, query: &str) -> Vec<Value> {
        let (mut all, mut cursor) = self.list(query).await;
        while let Some(after) = cursor {
            let next = self.list(&format!("{query}&cursor={after}")).await;
            all.extend(next.0);
            cursor = next.1;
        }
        all
    }

    /// Waits until a list has this many events, newest first.
    async fn wait_for(&self, query: &str, count: usize) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let events = self.all(query).await;
            if events.len() == count {
                return events;
            }
            assert!(start.elapsed() < SOON, "{} of {count} events", events.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn event(&self, id: &str) -> Value {
        self.data(&format!("{EVENTS}/{id}")).await
    }

    /// Waits until a webhook's delivery of an event has a status, and returns the event.
    async fn wait_until(&self, id: &str, webhook: u64, status: &str) -> Value {
        let is_met = |event: &Value| standing(event, webhook)["status"] == status;
        self.customer.wait_until(&format!("{EVENTS}/{id}"), is_met).await.unwrap()
    }
}

/// What an event shows of a webhook.
fn standing(event: &Value, webhook: u64) -> &Value {
    let webhooks = event["webhooks"].as_array().unwrap();
    webhooks.iter().find(|it| it["id"] == webhook).unwrap_or_else(|| panic!("webhook {webhook} is not in {event}"))
}

fn id(event: &Value) -> &str {
    event["id"].as_str().unwrap()
}

fn tasks(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["task_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_webhook_that_got_nothing_has_the_reason_in_words() {
    let both: &[&str] = &["job.completed", "job.failed"];
    let account = Account::new("acct_ev_reasons").with_webhooks(1, &[both, both, &["job.failed"], both]).await;
    let disable = Some(json!({ "status": "disabled" }).to_string());
    assert_eq!(account.customer.send(Method::PATCH, "/api/v1/webhooks/2", disable).await.unwrap().status, 200);
    account.send(&[account.completion("task_1", "completed", 0)]).await;
    let listed = account.wait_for("?limit=10", 1).await.remove(0);
    account.wait_until(id(&listed), 1, "delivered").await;
    account.wait_until(id(&listed), 4, "delivered").await;
    assert_eq!(account.customer.delete("/api/v1/webhooks/4").await.unwrap().status, 200);
    let account = account.with_webhooks(5, &[both]).await;

    let shown = account.ask(Method::GET, &format!("{EVENTS}/{}", id(&listed))).await;
    let received = RECEIVER.received(&account.path(1));
    assert_eq!(received[0].header("webhook-id"), Some(id(&listed)));
    let sent = String::from_utf8(received[0].body.to_vec()).unwrap();
    assert!(shown.text.contains(&format!(r#""payload":{sent}"#)), "the payload is what was sent: {}", shown.text);
    let event = shown.json()["data"].take();
    let summary = |webhook| {
        let it = standing(&event, webhook);
        json!([it["status"], it["reason"], it["attempt_count"], it["url"].is_string()])
    };
    assert_eq!(summary(1), json!(["delivered", null, 1, true]));
    assert_eq!(summary(2), json!(["not_sent", "webhook 2 was disabled", 0, true]));
    assert_eq!(summary(3), json!(["not_sent", "webhook 3 subscribes to job.failed only", 0, true]));
    assert_eq!(summary(4), json!(["delivered", null, 1, false]));
    assert_eq!(summary(5), json!(["not_sent", "webhook 5 was created later", 0, true]));
    let (listed, _) = account.list("").await;
    let expected = json!([{ "id": 1, "status": "delivered" }, { "id": 4, "status": "delivered" }]);
    assert_eq!(listed[0]["webhooks"], expected);
    assert_eq!((&listed[0]["task_type"], &listed[0]["timestamp"]), (&json!("image"), &event["timestamp"]));
}

#[tokio::test]
async fn an_event_without_a_webhook_is_kept_says_so_and_can_be_sent_later() {
    let account = Account::new("acct_ev_nobody");
    account.send(&[account.completion("task_1", "completed", 0)]).await;
    let event = account.wait_for("?limit=10", 1).await.remove(0);
    let shown = account.event(id(&event)).await;
    assert_eq!(json!([shown["reason"], shown["webhooks"]]), json!(["the account had no webhook", []]));

    let account = account.with_webhooks(1, &[&["job.completed"]]).await;
    // The same completion again is the same event, which goes nowhere.
    account.send(&[account.completion("task_1", "completed", 0), account.completion("task_2", "completed", 1)]).await;
    let received = RECEIVER.wait_for(&account.path(1), 1, SOON).await.unwrap();
    assert_eq!(received[0].json()["task_id"], "task_2");
    let shown = account.event(id(&event)).await;
    assert_eq!(standing(&shown, 1)["reason"], "webhook 1 was created later");

    let retry = format!("/api/v1/webhooks/1/deliveries/{}/retry", id(&event));
    assert_eq!(account.ask(Method::POST, &retry).await.status, 202);
    let shown = account.wait_until(id(&event), 1, "delivered").await;
    assert_eq!(json!([shown["reason"], standing(&shown, 1)["reason"]]), json!([null, null]));
    let received = RECEIVER.received(&account.path(1));
    assert_eq!((received.len(), received[1].header("webhook-id")), (2, Some(id(&event))));
}

#[tokio::test]
async fn events_are_found_by_task_type_event_and_time() {
    let account = Account::new("acct_ev_search");
    let mut completions: Vec<_> =
        (0..40).map(|task| account.completion(&format!("task_{task}"), "completed", task)).collect();
    completions.push(account.completion("task_7", "failed", 50));
    completions[9]["task_type"] = json!("video");
    account.send(&completions).await;
    account.wait_for("?limit=100", 41).await;

    let found = account.all("?task_id=task_7").await;
    let shown: Vec<_> = found.iter().map(|event| json!([event["event"], event["timestamp"]])).collect();
    let expected = json!([["job.failed", "2024-12-23T10:50:00.000Z"], ["job.completed", "2024-12-23T10:07:00.000Z"]]);
    assert_eq!(json!(shown), expected, "newest first");
    assert_eq!(account.all("?task_id=task_7&event=job.completed").await, found[1..]);
    assert_eq!(account.all("?event=job.failed").await, found[..1]);
    assert_eq!(tasks(&account.all("?task_type=video").await), ["task_9"]);
    assert!(account.all("?task_id=task_777").await.is_empty());

    let range = "?since=2024-12-23T10:11:00Z&until=2024-12-23T11:13:00%2B01:00";
    assert_eq!(tasks(&account.all(range).await), ["task_12", "task_11"]);
    assert_eq!(tasks(&account.all(&format!("{range}&task_id=task_11")).await), ["task_11"]);
    assert!(account.all("?until=2024-12-23T10:00:00Z&limit=5").await.is_empty());
    assert_eq!(tasks(&account.all("?since=2024-12-23T10:38:00Z&limit=1").await), ["task_7", "task_39", "task_38"]);
}

#[tokio::test]
async fn wrong_parameters_are_told_what_is_right() {
    let account = Account::new("acct_ev_params");
    let cases = [
        ("?limit=101", "limit is \"101\"; expected a whole number from 1 to 100"),
        ("?undelivered=yes", "undelivered is \"yes\"; expected true or false"),
        ("?event=job.done", "event is \"job.done\"; expected one of job.completed, job.failed"),
        ("?task_type=", "task_type is \"\"; expected 1 to 64 characters"),
        (
            "?since=2024-12-23",
            "since is \"2024-12-23\"; expected an RFC 3339 time from 1970 on, such as \"2024-12-23T10:00:00Z\"",
        ),
        (
            "?since=2024-12-23T10:00:01Z&until=2024-12-23T10:00:00Z",
            "since is 2024-12-23T10:00:01Z and until is 2024-12-23T10:00:00Z; since must be before until",
        ),
        (
            "?cursor=AAAA",
            "cursor is \"AAAA\"; expected the next_cursor of the page before; leave it out to start with the newest",
        ),
    ];
    for (query, message) in cases {
        let reply = account.ask(Method::GET, &format!("{EVENTS}{query}")).await;
        assert_eq!((reply.status, reply.json()["error"]["message"].as_str()), (400, Some(message)), "{query}");
    }
}

#[tokio::test]
async fn pages_miss_nothing_and_show_nothing_twice_while_events_arrive() {
    let account = Account::new("acct_ev_pages");
    let completions = |minutes: std::ops::Range<u32>| {
        minutes.map(|minute| account.completion(&format!("task_{minute}"), "completed", minute)).collect::<Vec<_>>()
    };
    account.send(&completions(10..30)).await;
    let before = account.wait_for("?limit=100", 20).await;
    let expected: Vec<_> = (10..30).rev().map(|minute| format!("task_{minute}")).collect();
    assert_eq!(tasks(&before), expected);

    let (mut paged, mut cursor) = account.list("?limit=3").await;
    let mut newer = 30;
    while let Some(after) = cursor {
        account.send(&completions(newer..newer + 2)).await;
        newer += 2;
        account.wait_for("?limit=100", usize::try_from(newer).unwrap() - 10).await;
        let page = account.list(&format!("?limit=3&cursor={after}")).await;
        paged.extend(page.0);
        cursor = page.1;
    }
    assert_eq!(paged, before);

    // A task that ended long ago and is reported now has its place at the end.
    let (first, cursor) = account.list("?limit=3").await;
    let count = account.all("?limit=100").await.len();
    account.send(&completions(5..6)).await;
    account.wait_for("?limit=100", count + 1).await;
    let rest = account.all(&format!("?limit=100&until={}", first[2]["timestamp"].as_str().unwrap())).await;
    assert_eq!(cursor.as_deref(), Some(id(&first[2])));
    assert_eq!((rest.len() + 3, tasks(&rest).last()), (count + 1, Some(&"task_5")));
}

#[tokio::test]
async fn what_was_delivered_nowhere_can_be_listed_alone() {
    let account = Account::new("acct_ev_undelivered").with_webhooks(1, &[&["job.completed"]]).await;
    let mut completions: Vec<_> =
        (0..6).map(|task| account.completion(&format!("task_{task}"), "completed", task)).collect();
    // Nobody subscribes to these.
    completions.extend((6..9).map(|task| account.completion(&format!("task_{task}"), "failed", task)));
    account.send(&completions).await;
    RECEIVER.wait_for(&account.path(1), 6, SOON).await.unwrap();
    account.wait_for("?limit=100", 9).await;
    let undelivered = account.wait_for("?undelivered=true&limit=100", 3).await;
    assert_eq!(tasks(&undelivered), ["task_8", "task_7", "task_6"]);
    assert_eq!(account.all("?undelivered=true&limit=1").await, undelivered, "page by page");
    assert_eq!(account.all("?undelivered=false&limit=100").await.len(), 9);
}

#[tokio::test]
async fn another_accounts_event_looks_like_none() {
    let owner = Account::new("acct_ev_owner");
    owner.send(&[owner.completion("task_1", "completed", 0)]).await;
    let event = owner.wait_for("?limit=10", 1).await.remove(0);
    let stranger = Account::new("acct_ev_stranger");
    for id in [id(&event), "01JFSKR5R00000000000000000", "nothing"] {
        for method in [Method::GET, Method::DELETE] {
            let reply = stranger.ask(method, &format!("{EVENTS}/{id}")).await;
            let message = format!("there is no event {id}");
            assert_eq!((reply.status, reply.json()["error"]["message"].as_str()), (404, Some(message.as_str())));
        }
    }
    assert!(stranger.all("?task_id=task_1").await.is_empty());
    assert_eq!(owner.event(id(&event)).await["payload"]["task_id"], "task_1", "it is unharmed");
}

#[tokio::test]
async fn a_completion_that_comes_again_with_another_body_is_the_event_that_is_stored() {
    let account = Account::new("acct_ev_again").with_webhooks(1, &[&["job.completed"]]).await;
    let completion = account.completion("task_1", "completed", 0);
    account.send(std::slice::from_ref(&completion)).await;
    let event = account.wait_for("?limit=10", 1).await.remove(0);
    account.wait_until(id(&event), 1, "delivered").await;
    let other = json!({ "data": { "n": 7 } });
    let again = json!({ "account_id": account.id, "task_id": "task_1", "task_type": "image", "status": "completed",
        "data": other["data"], "timestamp": completion["timestamp"] });
    account.send(&[again, account.completion("task_2", "completed", 1)]).await;
    RECEIVER.wait_for(&account.path(1), 2, SOON).await.unwrap();
    assert_eq!(account.all("?limit=10").await.len(), 2);
    assert_eq!(account.event(id(&event)).await["payload"]["data"]["n"], 6);
    let bodies: Vec<_> = RECEIVER.received(&account.path(1)).iter().map(|it| it.json()["data"]["n"].clone()).collect();
    assert_eq!(bodies, [6, 6], "nothing of the other body was sent");
}
