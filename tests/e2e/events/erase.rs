//! What is left of an event that was erased: nothing of its payload.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Decompress, FlushDecompress};
use harness::{Answer, SOON};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Account, EVENTS, id, standing};
use crate::{RECEIVER, STACK};

/// A completion whose payload contains this account's mark.
fn completion(account: &Account) -> Value {
    let mut completion = account.completion("task_1", "completed", 0);
    completion["data"] = json!({ "prompt": mark(account) });
    completion
}

fn mark(account: &Account) -> String {
    format!("a-prompt-that-nobody-may-know-of-{}", account.id)
}

/// An answer that quotes the payload. A long one is stored apart from its delivery.
fn quoting(account: &Account, status: u16, length: usize) -> Answer {
    Answer { body: format!("{} {}", mark(account), "x".repeat(length)).into(), ..Answer::status(status) }
}

/// The items of all tables that contain a text.
pub(crate) fn items_with(text: &str) -> Vec<String> {
    let aws = STACK.aws().unwrap();
    let tables = aws.call("dynamodb", "ListTables", &json!({})).unwrap()["TableNames"].take();
    let mut found = Vec::new();
    for table in tables.as_array().unwrap() {
        let mut scan = json!({ "TableName": table });
        loop {
            let page = aws.call("dynamodb", "Scan", &scan).unwrap();
            let items = page["Items"].as_array().unwrap().iter().map(readable);
            found.extend(items.filter(|item| item.contains(text)).map(|item| format!("{table}: {item}")));
            if !page["LastEvaluatedKey"].is_object() {
                break;
            }
            scan["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
        }
    }
    found
}

/// An item's text with its body, which is stored deflated.
fn readable(item: &Value) -> String {
    let Some(stored) = item["body"]["B"].as_str() else { return item.to_string() };
    let mut body = Vec::with_capacity(1_000_000);
    let mut inflate = Decompress::new(false);
    inflate.set_dictionary(include_bytes!("../../../shared/src/store/events/dictionary.txt")).unwrap();
    inflate.decompress_vec(&STANDARD.decode(stored).unwrap()[1..], &mut body, FlushDecompress::Finish).unwrap();
    format!("{item} {}", String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn nothing_of_an_erased_events_payload_is_in_any_table_and_it_is_never_sent_again() {
    let account = Account::new("acct_ev_erased").with_webhooks(1, &[&["job.completed"], &["job.completed"]]).await;
    // The first one ends well, with a long answer on the way; the other one is still being tried.
    RECEIVER.answer(
        &account.path(1),
        [quoting(&account, 500, 600), quoting(&account, 500, 10), quoting(&account, 200, 600)],
    );
    let later = || Answer { headers: vec![("retry-after", "3600".into())], ..quoting(&account, 500, 600) };
    RECEIVER.answer(&account.path(2), vec![later(); 100]);
    account.send(&[completion(&account)]).await;
    let event = account.wait_for("?limit=10", 1).await.remove(0);
    let id = id(&event);
    account.wait_until(id, 1, "delivered").await;
    account.wait_until(id, 2, "retrying").await;
    // The event, two deliveries that quote it, and the long answers.
    let before = items_with(&mark(&account));
    assert!(before.len() >= 4 && before.iter().any(|item| item.starts_with("\"nano-webhooks-events\"")), "{before:#?}");

    let reply = account.ask(Method::DELETE, &format!("{EVENTS}/{id}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let erased = reply.json()["data"].take();
    assert!(erased["remains"].to_string().contains("Backups of the tables contain it until "), "{erased}");
    assert_eq!(items_with(&mark(&account)), [""; 0]);

    let shown = account.event(id).await;
    assert_eq!(json!([shown["payload"], shown["erased_at"]]), json!([null, erased["erased_at"]]));
    assert_eq!(standing(&shown, 1)["status"], "delivered");
    let second = standing(&shown, 2);
    assert_eq!(json!([second["status"], second["reason"]]), json!(["cancelled", "the event was erased"]));
    for (webhook, reason) in [(1, Value::Null), (2, json!("erased"))] {
        let delivery = account.data(&format!("/api/v1/webhooks/{webhook}/deliveries/{id}")).await;
        assert_eq!(json!([delivery["payload"], delivery["cancelled_reason"]]), json!([null, reason]));
        assert!(
            !delivery["attempts"].as_array().unwrap().is_empty() && !delivery.to_string().contains(&mark(&account))
        );
    }

    let again = account.ask(Method::DELETE, &format!("{EVENTS}/{id}")).await;
    assert_eq!((again.status, again.text), (200, reply.text), "a repeated request gets the same reply");
    let received = [1, 2].map(|webhook| RECEIVER.received(&account.path(webhook)).len());
    account.send(&[completion(&account), account.completion("task_2", "completed", 1)]).await;
    RECEIVER.wait_for(&account.path(1), received[0] + 1, SOON).await.unwrap();
    let retry = account.ask(Method::POST, &format!("/api/v1/webhooks/1/deliveries/{id}/retry")).await;
    assert_eq!(retry.status, 409, "{}", retry.text);
    tokio::time::sleep(Duration::from_secs(3)).await;
    for (webhook, before) in [1, 2].into_iter().zip(received) {
        let after = RECEIVER.received(&account.path(webhook)).split_off(before);
        assert!(after.iter().all(|webhook| webhook.json()["task_id"] == "task_2"), "{after:?}");
    }
    // The endpoint answers the same to the other event.
    let found = items_with(&mark(&account));
    assert!(!found.iter().any(|item| item.contains(id)), "{found:#?}");
}

/// The dispatcher records its attempt after the event is erased, from what it read before.
#[tokio::test]
async fn an_attempt_that_is_under_way_while_its_event_is_erased_leaves_no_answer() {
    let account = Account::new("acct_ev_racing").with_webhooks(1, &[&["job.completed"], &["job.completed"]]).await;
    for (webhook, status) in [(1, 500), (2, 200)] {
        let slow = Answer { delay: Duration::from_secs(5), ..quoting(&account, status, 600) };
        RECEIVER.answer(&account.path(webhook), [slow]);
    }
    account.send(&[completion(&account)]).await;
    let event = account.wait_for("?limit=10", 1).await.remove(0);
    for webhook in [1, 2] {
        RECEIVER.wait_for(&account.path(webhook), 1, SOON).await.unwrap();
    }
    let reply = account.ask(Method::DELETE, &format!("{EVENTS}/{}", id(&event))).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    // The failure is not recorded, since no attempt follows. The success is, without its answer.
    account.wait_until(id(&event), 2, "delivered").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(standing(&account.event(id(&event)).await, 1)["status"], "cancelled");
    assert_eq!(items_with(&mark(&account)), [""; 0]);
    assert_eq!(RECEIVER.received(&account.path(1)).len(), 1);
}
