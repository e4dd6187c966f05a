//! What a webhook takes besides the published page's fields: a description, metadata, task types, and `*` for all
//! events; the list with details; and the field that an error names.

use std::time::{Duration, Instant};

use harness::{Answer, Customer, Producer, Reply, SOON};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, key_for};

const WEBHOOKS: &str = "/api/v1/webhooks";

struct Account {
    id: &'static str,
    customer: Customer,
}

impl Account {
    fn new(id: &'static str) -> Self {
        Self { id, customer: Customer::new(&STACK, &key_for(id)) }
    }

    fn path(&self, webhook: u64) -> String {
        format!("/{}/{webhook}", self.id)
    }

    /// Registers the account's next webhook, which has this number, with these fields besides its URL.
    async fn register(&self, webhook: u64, fields: Value) -> Reply {
        let mut body = json!({ "url": RECEIVER.url(&self.path(webhook)), "secret_key": "your-secret-key" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let reply = self.customer.post(WEBHOOKS, &body).await.unwrap();
        assert_eq!((reply.status, reply.json()["data"]["id"].as_u64()), (201, Some(webhook)), "{}", reply.text);
        reply
    }

    async fn change(&self, webhook: u64, change: Value) -> Reply {
        let path = format!("{WEBHOOKS}/{webhook}");
        self.customer.send(Method::PATCH, &path, Some(change.to_string())).await.unwrap()
    }

    async fn data(&self, path: &str) -> Value {
        self.customer.data(path).await.unwrap()
    }

    async fn complete(&self, task: &str, task_type: &str, status: &str) {
        let completion = json!({ "account_id": self.id, "task_id": task, "task_type": task_type, "status": status,
            "timestamp": "2026-11-28T10:00:00Z" });
        Producer::new(&STACK).send(completion).await.unwrap();
    }

    /// The tasks that a webhook has received, after this many have arrived.
    async fn tasks(&self, webhook: u64, count: usize) -> Vec<String> {
        let received = RECEIVER.wait_for(&self.path(webhook), count, SOON).await.unwrap();
        received.iter().map(|webhook| webhook.json()["task_id"].as_str().unwrap().to_owned()).collect()
    }

    /// What the event of a task says about a webhook: status and reason.
    async fn standing(&self, task: &str, webhook: u64) -> Value {
        let listed = self.data(&format!("/api/v1/events?task_id={task}")).await;
        let id = listed["events"][0]["id"].as_str().unwrap();
        let event = self.data(&format!("/api/v1/events/{id}")).await;
        let found = event["webhooks"].as_array().unwrap().iter().find(|it| it["id"] == webhook).unwrap().clone();
        json!([found["status"], found["reason"]])
    }

    /// Waits until a webhook is as wanted.
    async fn wait_until(&self, webhook: u64, is_met: impl Fn(&Value) -> bool) -> Value {
        self.customer.wait_until(&format!("{WEBHOOKS}/{webhook}"), is_met).await.unwrap()
    }
}

#[tokio::test]
async fn a_description_metadata_and_task_types_are_shown_where_they_were_given_and_in_the_details() {
    let account = Account::new("acct_fields_shown");
    let given = json!({ "events": ["job.completed"], "description": "Images for the gallery",
        "metadata": { "team": "gallery", "stage": "production" }, "task_types": ["image", "Image"] });
    let created = account.register(1, given.clone()).await;
    let url = RECEIVER.url(&account.path(1));
    let page = format!(r#"{{"id":1,"url":"{url}","events":["job.completed"],"status":"active""#);
    assert!(created.text.starts_with(&format!(r#"{{"success":true,"data":{page},"#)), "{}", created.text);
    let mut shown = created.json()["data"].take();
    assert_eq!(shown.as_object().unwrap().len(), 4 + 3, "{shown}");
    for field in ["description", "metadata", "task_types"] {
        assert_eq!(shown[field].take(), given[field]);
    }
    let listed = account.customer.get(WEBHOOKS).await.unwrap();
    assert_eq!(listed.text, format!(r#"{{"success":true,"data":[{page}}}]}}"#), "the list is the page's");

    let details = account.data(&format!("{WEBHOOKS}/1")).await;
    for field in ["description", "metadata", "task_types"] {
        assert_eq!(details[field], given[field]);
    }
    assert_eq!(details["created_at"], details["updated_at"]);

    let change = json!({ "description": null, "metadata": { "team": "archive" }, "task_types": ["video"] });
    let changed = account.change(1, change).await.json()["data"].take();
    assert_eq!(json!([changed["description"], changed["metadata"]]), json!([null, { "team": "archive" }]));
    assert_eq!(changed["task_types"], json!(["video"]));
    assert_eq!(changed["created_at"], details["created_at"]);
    assert!(changed["updated_at"].as_str() > details["updated_at"].as_str(), "{changed}");

    let change = json!({ "metadata": null, "task_types": null, "status": "disabled" });
    let changed = account.change(1, change).await.json()["data"].take();
    assert_eq!(json!([changed["metadata"], changed["task_types"], changed["status"]]), json!([null, null, "disabled"]));
    let enabled = account.change(1, json!({ "description": null, "status": "active" })).await.json()["data"].take();
    assert_eq!(json!([enabled["description"], enabled["status"]]), json!([null, "active"]));
    assert_eq!(account.data(&format!("{WEBHOOKS}/1")).await, enabled);

    account.register(2, json!({ "events": ["job.failed"], "description": null })).await;
    let plain = account.data(&format!("{WEBHOOKS}/2")).await;
    assert_eq!(json!([plain["description"], plain["metadata"], plain["task_types"]]), json!([null, null, null]));
}

#[tokio::test]
async fn a_rotation_and_a_repeated_create_keep_what_a_webhook_has() {
    let account = Account::new("acct_fields_kept");
    let url = RECEIVER.url(&account.path(1));
    let body = json!({ "url": url, "events": ["*"], "description": "d", "metadata": { "k": "v" } }).to_string();
    let create = async || {
        let key = [("idempotency-key", "fields")];
        account.customer.send_with(Method::POST, WEBHOOKS, Some(body.clone()), &key).await.unwrap()
    };
    let (first, again) = (create().await, create().await);
    assert_eq!((first.status, &first.text), (201, &again.text));
    assert!(again.headers.contains_key("idempotent-replayed"));
    let before = account.data(&format!("{WEBHOOKS}/1")).await;
    let rotate = account.customer.post(&format!("{WEBHOOKS}/1/rotate-secret"), &json!({})).await.unwrap();
    let rotated = rotate.json()["data"].take();
    assert_eq!(json!([rotated["events"], rotated["description"]]), json!([["*"], "d"]));
    assert_eq!(rotated["metadata"], json!({ "k": "v" }));
    assert_eq!(rotated["created_at"], before["created_at"]);
    assert!(rotated["updated_at"].as_str() > before["updated_at"].as_str(), "{rotated}");
    let stored = account.data(&format!("{WEBHOOKS}/1")).await;
    assert_eq!(stored["updated_at"], rotated["updated_at"]);
}

#[tokio::test]
async fn a_webhook_for_all_events_gets_each_and_its_reply_keeps_the_star() {
    let account = Account::new("acct_fields_star");
    let created = account.register(1, json!({ "events": ["*"] })).await;
    assert_eq!(created.json()["data"]["events"], json!(["*"]));
    account.register(2, json!({ "events": ["job.failed"] })).await;
    assert_eq!(account.data(WEBHOOKS).await[0]["events"], json!(["*"]));
    assert_eq!(account.data(&format!("{WEBHOOKS}/1")).await["events"], json!(["*"]));

    account.complete("task_1", "image", "completed").await;
    account.complete("task_2", "image", "failed").await;
    let mut tasks = account.tasks(1, 2).await;
    tasks.sort_unstable();
    assert_eq!(tasks, ["task_1", "task_2"]);
    assert_eq!(account.tasks(2, 1).await, ["task_2"]);
    let test = account.customer.send(Method::POST, &format!("{WEBHOOKS}/1/test"), None).await.unwrap();
    assert_eq!(test.status, 202, "{}", test.text);
    assert!(account.tasks(1, 3).await[2].starts_with("test_"));

    let changed = account.change(2, json!({ "events": ["*"] })).await;
    assert_eq!(changed.json()["data"]["events"], json!(["*"]));
    account.complete("task_3", "image", "completed").await;
    assert!(account.tasks(2, 2).await.contains(&"task_3".to_owned()));
    let refused = account.change(1, json!({ "events": ["*", "job.failed"] })).await;
    let message = r#"events[0] is "*", which means all events: send ["*"] alone, or name the events"#;
    let error = refused.json()["error"].take();
    assert_eq!(error, json!({ "code": "invalid_request", "message": message, "field": "events" }));
    let shown = STACK.operator(&["webhooks", "show", "1", "--account", account.id]).unwrap();
    assert!(shown.contains("events   *"), "{shown}");
}

#[tokio::test]
async fn a_webhook_gets_its_task_types_only_and_the_event_says_so() {
    let account = Account::new("acct_fields_types");
    account.register(1, json!({ "events": ["job.completed"], "task_types": ["video", "audio"] })).await;
    account.register(2, json!({ "events": ["*"], "task_types": ["image"] })).await;
    account.register(3, json!({ "events": ["*"] })).await;
    account.complete("task_image", "image", "completed").await;
    account.complete("task_video", "video", "completed").await;
    account.complete("task_failed", "video", "failed").await;
    assert_eq!(account.tasks(1, 1).await, ["task_video"]);
    assert_eq!(account.tasks(2, 1).await, ["task_image"]);
    account.tasks(3, 3).await;
    let other = json!(["not_sent", "webhook 1 takes task_type video, audio only"]);
    assert_eq!(account.standing("task_image", 1).await, other);
    let other = json!(["not_sent", "webhook 2 takes task_type image only"]);
    assert_eq!(account.standing("task_video", 2).await, other);
    let unsubscribed = json!(["not_sent", "webhook 1 subscribes to job.completed only"]);
    assert_eq!(account.standing("task_failed", 1).await, unsubscribed);

    // A test event is for the tested webhook, whatever that takes.
    let test = account.customer.send(Method::POST, &format!("{WEBHOOKS}/1/test"), None).await.unwrap();
    assert_eq!(test.status, 202, "{}", test.text);
    assert!(account.tasks(1, 2).await[1].starts_with("test_"));

    assert_eq!(account.change(1, json!({ "task_types": null })).await.status, 200);
    let then = json!(["not_sent", "webhook 1 did not take task_type image then"]);
    assert_eq!(account.standing("task_image", 1).await, then);
    // What it takes now, it has missed. Webhook 2 has missed nothing: it still takes images only.
    for webhook in [1, 2] {
        let resend =
            json!({ "since": "2026-11-28T09:00:00Z", "until": "2026-11-28T11:00:00Z", "statuses": ["missed"] });
        let path = format!("{WEBHOOKS}/{webhook}/resend");
        assert_eq!(account.customer.post(&path, &resend).await.unwrap().status, 202);
        let start = Instant::now();
        while account.data(&path).await["status"] != "done" {
            assert!(start.elapsed() < SOON, "the resend is not done");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    assert_eq!(account.tasks(1, 3).await[2], "task_image");
    assert_eq!(account.tasks(2, 1).await, ["task_image"], "no more than before");
}

#[tokio::test]
async fn the_list_with_details_has_what_each_webhook_shows_by_itself() {
    let account = Account::new("acct_fields_list");
    account.register(1, json!({ "events": ["*"], "description": "d", "task_types": ["image"] })).await;
    account.register(2, json!({ "events": ["job.completed"], "callback_hosts": ["*.example.com"] })).await;
    account.register(3, json!({ "events": ["job.completed"] })).await;
    let page = account.customer.get(WEBHOOKS).await.unwrap().json()["data"].take();
    // An endpoint that asks for a minute's patience is down at once, and a disabled webhook holds what waits.
    let busy = Answer { headers: vec![("retry-after", "3600".into())], ..Answer::status(503) };
    for webhook in [2, 3] {
        RECEIVER.answer(&account.path(webhook), vec![busy.clone(); 100]);
    }
    account.complete("task_1", "image", "completed").await;
    for webhook in [2, 3] {
        account.wait_until(webhook, |webhook| webhook["circuit"] == "open").await;
    }
    account.complete("task_2", "image", "completed").await;
    for webhook in [2, 3] {
        account.wait_until(webhook, |webhook| webhook["held"] != 0).await;
    }
    account.change(3, json!({ "status": "disabled" })).await;
    // A probe in between changes a webhook, so it is compared more than once.
    let start = Instant::now();
    let listed = loop {
        let listed = account.data(&format!("{WEBHOOKS}?include=details")).await;
        let mut each = Vec::new();
        for webhook in 1..=3 {
            each.push(account.data(&format!("{WEBHOOKS}/{webhook}")).await);
        }
        if listed == json!(each) {
            break listed;
        }
        assert!(start.elapsed() < SOON, "{listed}\n{}", json!(each));
    };
    assert_eq!(json!([listed[0]["held"], listed[0]["task_types"]]), json!([0, ["image"]]));
    assert!(listed[2]["held"].as_u64() > Some(0), "{listed}");
    let plain = account.customer.get(WEBHOOKS).await.unwrap().json()["data"].take();
    assert_eq!(json!([plain[0], plain[1]]), json!([page[0], page[1]]), "without the parameter nothing is added");

    for (query, message, field) in [
        ("?include=health", r#"include is "health"; expected details"#, "include"),
        ("?include=", r#"include is ""; expected details"#, "include"),
        ("?includes=details", r#"the query has "includes"; the only query parameter here is include"#, "includes"),
    ] {
        let reply = account.customer.get(&format!("{WEBHOOKS}{query}")).await.unwrap();
        let error = json!({ "code": "invalid_request", "message": message, "field": field });
        assert_eq!((reply.status, reply.json()["error"].take()), (400, error));
    }
}

#[tokio::test]
async fn an_error_about_one_field_names_it() {
    let account = Account::new("acct_fields_errors");
    account.register(1, json!({ "events": ["job.completed"] })).await;
    let webhook = format!("{WEBHOOKS}/1");
    let url = r#""url":"https://a.example.com/""#;
    let patch = |change: &str| (Method::PATCH, webhook.clone(), change.to_owned());
    let post = |to: &str, body: &str| (Method::POST, format!("{WEBHOOKS}{to}"), body.to_owned());
    let get = |path: &str| (Method::GET, path.to_owned(), String::new());
    let cases = [
        (post("", r#"{"events":["job.failed"]}"#), Some("url")),
        (post("", r#"{"url":"https://10.0.0.1/","events":["job.failed"]}"#), Some("url")),
        (post("", &format!(r#"{{{url},"events":[]}}"#)), Some("events")),
        (post("", &format!(r#"{{{url},"events":["job.failed"],"secret_key":"short"}}"#)), Some("secret_key")),
        (post("", &format!(r#"{{{url},"events":["job.failed"],"sekret":"x"}}"#)), Some("sekret")),
        (post("", "{"), None),
        (post("", "[]"), None),
        (patch(r#"{"metadata":{"a":1}}"#), Some("metadata")),
        (patch(r#"{"description":7}"#), Some("description")),
        (patch(r#"{"task_types":[]}"#), Some("task_types")),
        (patch(r#"{"status":"paused"}"#), Some("status")),
        (patch(r#"{"callback_hosts":["10.0.0.1"]}"#), Some("callback_hosts")),
        (patch("{}"), None),
        (post("/1/rotate-secret", r#"{"overlap_seconds":-1}"#), Some("overlap_seconds")),
        (post("/1/test", r#"{"event":"job.done"}"#), Some("event")),
        (post("/1/resend", r#"{"since":"2026-11-28T09:00:00Z","statuses":[]}"#), Some("statuses")),
        (get(&format!("{webhook}/deliveries?limit=0")), Some("limit")),
        (get(&format!("{webhook}/deliveries?status=lost")), Some("status")),
        (get(&format!("{webhook}/stats?hours=0")), Some("hours")),
        (get("/api/v1/events?cursor=AAAA"), Some("cursor")),
        (get("/api/v1/events?since=yesterday"), Some("since")),
        (get("/api/v1/events?task_type="), Some("task_type")),
        (get("/api/v1/events?undelivered=yes"), Some("undelivered")),
    ];
    for ((method, path, body), field) in cases {
        let reply = account.customer.send(method, &path, Some(body.clone())).await.unwrap();
        assert_eq!(
            (reply.status, reply.json()["error"]["field"].as_str()),
            (400, field),
            "{path} {body}: {}",
            reply.text
        );
        assert_eq!(reply.text.contains(r#""field""#), field.is_some(), "{}", reply.text);
    }

    // Errors about anything else have no such member.
    let (missing, conflict) = (format!("{WEBHOOKS}/9"), format!("{webhook}/probe"));
    for (method, path, status) in [(Method::GET, missing, 404), (Method::POST, conflict, 409)] {
        let reply = account.customer.send(method, &path, None).await.unwrap();
        assert_eq!((reply.status, reply.text.contains("field")), (status, false), "{}", reply.text);
    }
    let nobody = Customer::without_key(&STACK).get(WEBHOOKS).await.unwrap();
    let unauthorized = r#"{"success":false,"error":{"code":"unauthorized","message":"Invalid or missing API key"}}"#;
    assert_eq!((nobody.status, nobody.text.as_str()), (401, unauthorized));
}
