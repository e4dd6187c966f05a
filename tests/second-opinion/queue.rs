//! What `nano_webhooks::queue` sends, as a receiver of the queue sees it, and the dead-letter queue.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    types::{MessageSystemAttributeName, QueueAttributeName},
};
use nano_webhooks::{
    aws::AwsError,
    delivery::Message,
    queue::{DeadLetter, DeadLetters, LONGEST_DELAY, Look, Outgoing, Queue, SqsMessage},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::moto::Moto;

/// A body with characters that SQS takes, beyond ASCII and beyond 16 bits.
const BODY: &str = "é \u{1F600}";

/// A new queue's URL.
async fn queue(client: &Client, name: &str) -> String {
    client.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap()
}

fn message(attempt: u32) -> Message {
    let message = json!({
        "account_id": "acct:a",
        "webhook_id": 3,
        "event_id": "01KDYAK3482WAV4DVEFM6KBDXQ",
        "event": "job.failed",
        "round": 0,
        "attempt": attempt,
        "payload": { "task_id": "t", "body": BODY },
    });
    serde_json::from_value(message).unwrap()
}

fn by() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

#[tokio::test]
async fn what_is_sent_arrives_with_its_account_and_what_is_delayed_stays_out_of_sight() {
    let moto = Moto::start().await;
    let client = Client::new(&moto.aws);
    let url = queue(&client, "deliveries").await;
    let queue = Queue::new(&moto.aws, url.clone());
    // More than the ten of one batch.
    let messages = (1..=12).map(|attempt| (attempt, Outgoing::new(&message(attempt))));
    assert_eq!(queue.send(messages, by()).await, [0; 0]);
    queue.send_one(&message(13)).await.unwrap();
    let delayed = Outgoing::new(&message(14)).delayed(LONGEST_DELAY);
    assert_eq!(queue.send([(14, delayed)].into_iter(), by()).await, [0; 0]);

    let mut attempts = Vec::new();
    while let Some(received) = client
        .receive_message()
        .queue_url(&url)
        .max_number_of_messages(10)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .send()
        .await
        .unwrap()
        .messages
        .filter(|messages| !messages.is_empty())
    {
        for one in received {
            let group = one.attributes().and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId));
            assert_eq!(group.map(String::as_str), Some("acct:a"));
            let body: Value = serde_json::from_str(one.body().unwrap()).unwrap();
            assert_eq!(body["payload"]["body"], BODY);
            assert!(one.body().unwrap().is_ascii());
            attempts.push(body["attempt"].as_u64().unwrap());
        }
    }
    attempts.sort_unstable();
    assert_eq!(attempts, (1..=13).collect::<Vec<_>>(), "the 14th is delayed");
    let counts = client
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesDelayed)
        .send();
    let counts = counts.await.unwrap().attributes.unwrap();
    assert_eq!(counts[&QueueAttributeName::ApproximateNumberOfMessagesDelayed], "1");
}

#[tokio::test]
async fn a_dead_letter_has_its_reason_is_shown_without_being_lost_and_is_deleted_by_hand() {
    let moto = Moto::start().await;
    let client = Client::new(&moto.aws);
    let url = queue(&client, "dead-letters").await;
    let (queue, letters) = (Queue::new(&moto.aws, url.clone()), DeadLetters::new(&moto.aws, url));
    for body in ["{}", "[]", "é"] {
        let message = SqsMessage { body: Some(body.into()), ..SqsMessage::default() };
        queue.dead_letter(&message, "it has no account_id é").await.unwrap();
    }
    assert_eq!(letters.count().await.unwrap(), 3);
    let mut seen = Vec::new();
    let missed = letters
        .look_through(async |found: Vec<DeadLetter>| {
            seen.extend(found.iter().map(|letter| (letter.body.clone(), format!("{:?}", letter.cause))));
            Ok::<_, AwsError>(Look { kept: found, enough: false })
        })
        .await;
    assert_eq!(missed.unwrap(), 0);
    seen.sort();
    assert_eq!(seen.iter().map(|(body, _)| body.as_str()).collect::<Vec<_>>(), ["[]", "{}", "é"]);
    assert!(seen.iter().all(|(_, cause)| cause.contains("it has no account_id")), "{seen:?}");

    let deleted = letters.look_through(async |found: Vec<DeadLetter>| {
        for letter in &found {
            letters.delete(letter).await?;
        }
        Ok::<_, AwsError>(Look { kept: Vec::new(), enough: false })
    });
    assert_eq!(deleted.await.unwrap(), 0);
    assert_eq!(letters.count().await.unwrap(), 0);
}
