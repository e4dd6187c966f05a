//! From a finished task to a signed webhook.

use std::time::{Duration, Instant};

use harness::{Answer, Customer, Producer, Received, SOON, signature};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, key_for};

const WEBHOOKS: &str = "/api/v1/webhooks";
const SECRET: &str = "your-secret-key";

const DATA: &str = r#"{"url": "https://cdn.example.com/image.png", "credits_charged": 6}"#;

/// Long enough for a wrong delivery to arrive: a correct one takes a fraction of this time.
const A_WHILE: Duration = Duration::from_secs(3);

/// Registers a path of the receiver for an account, and returns the webhook's id.
async fn register(account: &str, path: &str, events: &[&str]) -> u64 {
    let webhook = json!({ "url": RECEIVER.url(path), "events": events, "secret_key": SECRET });
    let reply = Customer::new(&STACK, &key_for(account)).post(WEBHOOKS, &webhook).await.unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json()["data"]["id"].as_u64().unwrap()
}

/// The page's example, as a producer would write it: its fields are in another order.
fn completion(account: &str, task: &str) -> String {
    format!(
        r#"{{"account_id": "{account}", "task_id": "{task}", "task_type": "image", "status": "completed",
            "data": {DATA}, "timestamp": "2024-12-23T10:00:00Z"}}"#
    )
}

fn task_of(webhook: &Received) -> String {
    let body: Value = serde_json::from_slice(&webhook.body).unwrap();
    body["task_id"].as_str().unwrap().to_owned()
}

fn id_of(webhook: &Received) -> &str {
    webhook.header("webhook-id").unwrap()
}

#[tokio::test]
async fn a_finished_task_becomes_the_pages_webhook() {
    register("acct_first", "/first", &["job.completed"]).await;
    Producer::new(&STACK).send(completion("acct_first", "task_xxx")).await.unwrap();

    let received = &RECEIVER.wait_for("/first", 1, SOON).await.unwrap()[0];
    assert_eq!(received.method, "POST");
    assert_eq!(
        std::str::from_utf8(&received.body).unwrap(),
        r#"{"event":"job.completed","task_id":"task_xxx","task_type":"image","status":"completed","data":{"url":"https://cdn.example.com/image.png","credits_charged":6},"timestamp":"2024-12-23T10:00:00Z"}"#
    );
    assert!(signature::is_valid(received, SECRET));
    assert!(signature::is_valid_standard(received, SECRET));
    assert_eq!(received.header("content-type"), Some("application/json"));
    assert_eq!(received.header("x-nano-event"), Some("job.completed"));
    assert_eq!(received.header("x-nano-attempt"), Some("1"));
    assert_eq!(received.header("user-agent"), Some(concat!("nano-webhooks/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(received.header("accept-encoding"), Some("identity"), "a compressed answer cannot be shown");
    assert_eq!(received.header("webhook-timestamp"), received.header("x-nano-timestamp"));
}

#[tokio::test]
async fn an_eventbridge_event_is_a_completion_too() {
    register("acct_bridge", "/bridge", &["job.completed"]).await;
    let detail = completion("acct_bridge", "task_1");
    let event = format!(
        r#"{{"version":"0","id":"1","detail-type":"TaskFinished","source":"jobs","account":"1","time":"2024-12-23T10:00:01Z","region":"us-east-1","resources":[],"detail":{detail}}}"#
    );
    Producer::new(&STACK).send(event).await.unwrap();
    let received = RECEIVER.wait_for("/bridge", 1, SOON).await.unwrap();
    assert_eq!(task_of(&received[0]), "task_1");
}

#[tokio::test]
async fn of_two_completions_the_malformed_one_is_a_dead_letter_with_its_reason() {
    register("acct_half", "/half", &["job.completed"]).await;
    let producer = Producer::new(&STACK);
    let malformed = completion("acct_half", "task_malformed").replace(r#""completed""#, r#""done""#);
    producer.send_all(&[malformed.clone(), completion("acct_half", "task_good")]).await.unwrap();

    let received = RECEIVER.wait_for("/half", 1, SOON).await.unwrap();
    assert_eq!(task_of(&received[0]), "task_good");
    let letter = producer.wait_for_dead_letter("task_malformed", SOON).await.unwrap();
    assert_eq!(letter.reason.as_deref(), Some(r#"status is "done"; expected "completed" or "failed""#));
    assert_eq!(letter.body, malformed, "it is kept as it was sent");
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(RECEIVER.received("/half").len(), 1);
}

#[tokio::test]
async fn what_javascript_cannot_hold_is_a_dead_letter_with_that_reason() {
    let producer = Producer::new(&STACK);
    let cases = [
        ("task_overflow", "1e400".to_owned(), "number"),
        ("task_surrogate", r#""\ud800""#.to_owned(), "surrogate"),
        ("task_deep", format!("{}{}", "[".repeat(200), "]".repeat(200)), "nest"),
        ("task_large", format!("\"{}\"", "x".repeat(256 * 1024)), "262144"),
    ];
    for (task, data, reason) in cases {
        producer.send(completion("acct_dead", task).replace(DATA, &data)).await.unwrap();
        let letter = producer.wait_for_dead_letter(task, SOON).await.unwrap();
        let given = letter.reason.unwrap();
        assert!(given.contains(reason), "{task}: {given}");
    }
}

#[tokio::test]
async fn the_same_completion_sent_twice_is_one_delivery() {
    register("acct_twice", "/twice", &["job.completed"]).await;
    let producer = Producer::new(&STACK);
    let message = completion("acct_twice", "task_1");
    producer.send_all(&[message.clone(), message.clone()]).await.unwrap();
    RECEIVER.wait_for("/twice", 1, SOON).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    producer.send(message).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(RECEIVER.received("/twice").len(), 1);
}

#[tokio::test]
async fn each_webhook_hears_of_what_it_subscribed_to() {
    register("acct_events", "/events/completed", &["job.completed"]).await;
    register("acct_events", "/events/failed", &["job.failed"]).await;
    register("acct_events", "/events/both", &["job.failed", "job.completed"]).await;
    let failed = completion("acct_events", "task_failed").replace(r#""completed""#, r#""failed""#);
    let messages = [completion("acct_events", "task_completed"), failed];
    Producer::new(&STACK).send_all(&messages).await.unwrap();

    let both = RECEIVER.wait_for("/events/both", 2, SOON).await.unwrap();
    assert_ne!(id_of(&both[0]), id_of(&both[1]));
    RECEIVER.wait_for("/events/completed", 1, SOON).await.unwrap();
    RECEIVER.wait_for("/events/failed", 1, SOON).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    let tasks = |path| RECEIVER.received(path).iter().map(task_of).collect::<Vec<_>>();
    assert_eq!(tasks("/events/completed"), ["task_completed"]);
    assert_eq!(tasks("/events/failed"), ["task_failed"]);
}

#[tokio::test]
async fn a_completion_reaches_its_own_accounts_webhooks_only() {
    register("acct_mine", "/mine", &["job.completed"]).await;
    register("acct_yours", "/yours", &["job.completed"]).await;
    Producer::new(&STACK).send(completion("acct_mine", "task_1")).await.unwrap();
    RECEIVER.wait_for("/mine", 1, SOON).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    assert!(RECEIVER.received("/yours").is_empty());
}

#[tokio::test]
async fn a_failed_attempt_is_made_again_when_due_with_the_same_id_and_a_new_signature() {
    register("acct_retry", "/retry", &["job.completed"]).await;
    RECEIVER.answer("/retry", [Answer::status(500), Answer::status(302)]);
    Producer::new(&STACK).send(completion("acct_retry", "task_1")).await.unwrap();

    let received = RECEIVER.wait_for("/retry", 3, SOON).await.unwrap();
    for pair in received.windows(2) {
        let waited = pair[1].at.duration_since(pair[0].at).unwrap();
        assert!(waited >= Duration::from_secs(1), "the local schedule waits a second, not {waited:?}");
        assert_eq!(id_of(&pair[0]), id_of(&pair[1]));
        assert_ne!(pair[0].header("x-nano-timestamp"), pair[1].header("x-nano-timestamp"));
    }
    assert!(received.iter().all(|webhook| signature::is_valid(webhook, SECRET)));
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(RECEIVER.received("/retry").len(), 3, "a delivered one is not sent again");
}

#[tokio::test]
async fn each_attempt_says_its_number_and_a_retry_by_hand_goes_on_counting() {
    register("acct_counted", "/counted", &["job.completed"]).await;
    RECEIVER.answer("/counted", [Answer::status(500), Answer::status(302)]);
    Producer::new(&STACK).send(completion("acct_counted", "task_1")).await.unwrap();
    let received = RECEIVER.wait_for("/counted", 3, SOON).await.unwrap();

    let customer = Customer::new(&STACK, &key_for("acct_counted"));
    let delivery = format!("{WEBHOOKS}/1/deliveries/{}", id_of(&received[0]));
    let start = Instant::now();
    while customer.get(&delivery).await.unwrap().json()["data"]["status"] != "delivered" {
        assert!(start.elapsed() < SOON, "the third attempt is not recorded");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(customer.send(Method::POST, &format!("{delivery}/retry"), None).await.unwrap().status, 202);
    let received = RECEIVER.wait_for("/counted", 4, SOON).await.unwrap();
    let numbers: Vec<_> = received.iter().map(|webhook| webhook.header("x-nano-attempt").unwrap()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_delivery_that_is_retried_is_overtaken() {
    register("acct_order", "/order", &["job.completed"]).await;
    RECEIVER.answer("/order", [Answer { headers: vec![("retry-after", "8".into())], ..Answer::status(500) }]);
    let producer = Producer::new(&STACK);
    producer.send(completion("acct_order", "task_old")).await.unwrap();
    RECEIVER.wait_for("/order", 1, SOON).await.unwrap();
    producer.send(completion("acct_order", "task_young")).await.unwrap();
    let received = RECEIVER.wait_for("/order", 3, SOON).await.unwrap();
    assert_eq!(received.iter().map(task_of).collect::<Vec<_>>(), ["task_old", "task_young", "task_old"]);
}

#[tokio::test]
async fn a_slow_endpoint_does_not_delay_the_others_of_its_batch() {
    register("acct_slow", "/slow", &["job.completed"]).await;
    register("acct_slow", "/quick", &["job.completed"]).await;
    RECEIVER.answer("/slow", [Answer { delay: Duration::from_secs(5), ..Answer::status(200) }]);
    Producer::new(&STACK).send(completion("acct_slow", "task_1")).await.unwrap();
    let quick = RECEIVER.wait_for("/quick", 1, Duration::from_secs(4)).await.unwrap();
    assert_eq!(task_of(&quick[0]), "task_1");
    RECEIVER.wait_for("/slow", 1, SOON).await.unwrap();
}

#[tokio::test]
async fn a_deleted_webhook_gets_no_further_attempt() {
    let id = register("acct_deleted", "/deleted", &["job.completed"]).await;
    RECEIVER.answer("/deleted", vec![Answer::status(500); 9]);
    Producer::new(&STACK).send(completion("acct_deleted", "task_1")).await.unwrap();
    RECEIVER.wait_for("/deleted", 1, SOON).await.unwrap();
    let customer = Customer::new(&STACK, &key_for("acct_deleted"));
    assert_eq!(customer.delete(&format!("{WEBHOOKS}/{id}")).await.unwrap().status, 200);
    // The second attempt may have started before the webhook was deleted.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let so_far = RECEIVER.received("/deleted").len();
    tokio::time::sleep(A_WHILE * 2).await;
    assert_eq!(RECEIVER.received("/deleted").len(), so_far);
}

#[tokio::test]
async fn an_attempt_that_ends_after_its_webhook_was_deleted_brings_nothing_back() {
    let id = register("acct_late_failure", "/late_failure", &["job.completed"]).await;
    RECEIVER.answer("/late_failure", [Answer { delay: Duration::from_secs(2), ..Answer::status(500) }]);
    Producer::new(&STACK).send(completion("acct_late_failure", "task_1")).await.unwrap();
    RECEIVER.wait_for("/late_failure", 1, SOON).await.unwrap();
    let customer = Customer::new(&STACK, &key_for("acct_late_failure"));
    assert_eq!(customer.delete(&format!("{WEBHOOKS}/{id}")).await.unwrap().status, 200);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(customer.get(&format!("{WEBHOOKS}/{id}")).await.unwrap().status, 404);
    assert_eq!(customer.get(WEBHOOKS).await.unwrap().text, r#"{"success":true,"data":[]}"#);
}

#[tokio::test]
async fn a_schedule_that_is_used_up_ends_the_attempts() {
    register("acct_used_up", "/used_up", &["job.completed"]).await;
    RECEIVER.answer("/used_up", vec![Answer::status(503); 20]);
    Producer::new(&STACK).send(completion("acct_used_up", "task_1")).await.unwrap();
    RECEIVER.wait_for("/used_up", 8, Duration::from_mins(1)).await.unwrap();
    tokio::time::sleep(A_WHILE * 2).await;
    assert_eq!(RECEIVER.received("/used_up").len(), 8, "the first attempt and the schedule's seven");
}

/// Lambda filters by these fields and `CloudWatch` sorts by them; a line without a timestamp counts as level INFO.
#[tokio::test]
async fn each_attempt_is_a_log_line_with_its_time_and_level() {
    let customer = Customer::new(&STACK, &key_for("acct_logged"));
    let webhook = json!({ "url": RECEIVER.url("/acct_logged"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    customer.send(Method::POST, "/api/v1/webhooks/1/test", None).await.unwrap();
    RECEIVER.wait_for("/acct_logged", 1, Duration::from_secs(20)).await.unwrap();
    let start = Instant::now();
    loop {
        let log = STACK.log().unwrap();
        if let Some(at) = log.lines().find(|line| line.contains("acct_logged") && line.contains("attempt")) {
            let line: Value = serde_json::from_str(&at[at.find('{').unwrap()..]).unwrap();
            assert_eq!((&line["level"], &line["message"]), (&json!("INFO"), &json!("attempt")));
            assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "the attempt is in no log");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
