//! `Retry-After`, in all forms in which endpoints write it.

use std::time::{Duration, SystemTime};

use harness::{Answer, Customer, Producer, SOON};
use jiff::{Timestamp, fmt::strtime, tz::TimeZone};
use serde_json::json;

use crate::{RECEIVER, STACK, key_for};

/// Longer than any wait without `Retry-After`: the local schedule's first wait is one second and up to a fifth more;
/// the emulator adds the rest.
const WITHOUT: Duration = Duration::from_secs(10);

/// The date in the form that RFC 9110 requires: `Wed, 21 Oct 2026 07:28:00 GMT`.
fn http_date(at: Timestamp) -> String {
    strtime::format("%a, %d %b %Y %H:%M:%S GMT", &at.to_zoned(TimeZone::UTC)).unwrap()
}

/// Creates one webhook for each row, in one account, and sends them one event. A row is a status and a `Retry-After`.
async fn refuse_once(account: &str, rows: &[(u16, String)]) -> Customer {
    let customer = Customer::new(&STACK, &key_for(account));
    for (row, (status, value)) in rows.iter().enumerate() {
        let path = format!("/{account}/{row}");
        let refusal = Answer { headers: vec![("retry-after", value.clone())], ..Answer::status(*status) };
        RECEIVER.answer(&path, [refusal]);
        let webhook = json!({ "url": RECEIVER.url(&path), "events": ["job.completed"] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    }
    let completion = json!({ "account_id": account, "task_id": "task_1", "task_type": "image", "status": "completed",
        "timestamp": "2024-12-23T10:00:00Z" });
    Producer::new(&STACK).send(completion).await.unwrap();
    customer
}

/// When a row's first and second attempts arrived.
async fn attempts(account: &str, row: usize) -> [SystemTime; 2] {
    let received = RECEIVER.wait_for(&format!("/{account}/{row}"), 2, SOON).await.unwrap();
    [received[0].at, received[1].at]
}

#[tokio::test]
async fn seconds_and_dates_move_the_next_attempt_later() {
    let date = Timestamp::now() + Duration::from_secs(15);
    let rows = [(429, "12".to_owned()), (503, "12".to_owned()), (429, http_date(date)), (503, http_date(date))];
    refuse_once("acct_later", &rows).await;
    for row in [0, 1] {
        let [first, second] = attempts("acct_later", row).await;
        let waited = second.duration_since(first).unwrap();
        assert!(waited >= Duration::from_secs(12), "{:?} was awaited for {waited:?}", rows[row]);
    }
    for row in [2, 3] {
        let [_, second] = attempts("acct_later", row).await;
        let second = Timestamp::try_from(second).unwrap();
        assert!(second.as_second() >= date.as_second(), "{:?} came at {second}", rows[row]);
    }
}

#[tokio::test]
async fn what_is_no_retry_after_changes_nothing_and_a_short_one_makes_nothing_earlier() {
    let past = http_date(Timestamp::now() - Duration::from_hours(1));
    let values = ["soon", "-30", "+30", "30.", "1e3", "30 seconds", "0x1e", "", "0", &past];
    let rows: Vec<(u16, String)> = values.iter().map(|value| (503, (*value).to_owned())).collect();
    refuse_once("acct_nonsense", &rows).await;
    for (row, value) in values.iter().enumerate() {
        let [first, second] = attempts("acct_nonsense", row).await;
        let waited = second.duration_since(first).unwrap();
        assert!((Duration::from_secs(1)..WITHOUT).contains(&waited), "{value:?} was awaited for {waited:?}");
    }
}

#[tokio::test]
async fn nobody_can_ask_for_more_than_six_hours() {
    let date = http_date(Timestamp::now() + Duration::from_hours(100));
    let rows = [(429, "100000".to_owned()), (503, date), (503, "18446744073709551615".to_owned())];
    let customer = refuse_once("acct_patient", &rows).await;
    for (row, asked) in rows.iter().enumerate() {
        RECEIVER.wait_for(&format!("/acct_patient/{row}"), 1, SOON).await.unwrap();
        let path = format!("/api/v1/webhooks/{}/deliveries?status=retrying", row + 1);
        let delivery = loop {
            let reply = customer.get(&path).await.unwrap().json();
            if let Some(delivery) = reply["data"]["deliveries"].get(0) {
                break delivery.clone();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let time = |text: &serde_json::Value| text.as_str().unwrap().parse::<Timestamp>().unwrap();
        let wait = time(&delivery["next_attempt_at"]).duration_since(time(&delivery["last_attempt"]["started_at"]));
        let wait = Duration::try_from(wait).unwrap();
        let six_hours = Duration::from_hours(6);
        let with_jitter = six_hours.mul_f64(1.2) + WITHOUT;
        assert!((six_hours..with_jitter).contains(&wait), "{asked:?} is awaited for {wait:?}");
    }
}
