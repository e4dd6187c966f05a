//! The commands `dead-letters`, on their own stack: its functions' calls fail on demand, and no other test empties
//! its queue.

use std::time::{Duration, Instant};

use harness::{Customer, Faults, Options, Producer, SOON, Stack};
use serde_json::{Value, json};

use super::{ask, assert_refused, completion, json_of};
use crate::{RECEIVER, folder_of_this_run};

const ACCOUNT: &str = "acct_op_letters";
const PATH: &str = "/acct_op_letters";
/// Part of fan-out's query for the account's webhooks, and of the dispatcher's read.
const IN_FAN_OUT: &str = r#"{"S":"acct_op_letters"}"#;
/// Part of the dispatcher's call: the webhook's name in the deliveries table.
const IN_DISPATCHER: &str = r#""S":"acct_op_letters#1#"#;
/// More letters than one listing of ten at a time could hide before the first letters became visible again.
const MANY: usize = 2_500;
const IN_NO_CALL: &str = "nothing is cursed";

struct Scene {
    stack: Stack,
    faults: Faults,
    producer: Producer,
}

#[tokio::test]
async fn every_kind_of_dead_letter_is_explained_and_redriven_or_purged() {
    let scene = Scene::start().await;
    scene.what_fan_out_failed_on().await;
    scene.what_the_dispatcher_failed_on().await;
    scene.what_is_malformed().await;
    scene.what_is_purged().await;
    scene.what_comes_back_at_once_is_sent_back_once().await;
    scene.what_somebody_else_looks_at_is_missed_aloud().await;
    scene.a_long_queue_is_seen_to_its_end().await;
}

impl Scene {
    async fn start() -> Self {
        let faults = Faults::start(5).unwrap();
        let dead_letters = json!({ "Fn::GetAtt": ["DeadLetterQueue", "Arn"] });
        // The message becomes visible again as soon as the function's time is over.
        let soon = |seconds: u32| {
            json!({ "VisibilityTimeout": seconds,
                "RedrivePolicy": { "deadLetterTargetArn": dead_letters, "maxReceiveCount": 2 } })
        };
        let options = Options {
            folder: folder_of_this_run().join("dead-letters"),
            faults: Some(faults.clone()),
            properties: json!({ "CompletionsQueue": soon(2), "DeliveriesQueue": soon(6),
                "DispatcherFunction": { "Timeout": 5 } }),
            ..Options::default()
        };
        let stack = Stack::start(&options, &|_| {}).unwrap();
        let customer = Customer::new(&stack, &stack.create_api_key(ACCOUNT).unwrap());
        let webhook = json!({ "url": RECEIVER.url(PATH), "events": ["job.completed"] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
        let producer = Producer::new(&stack);
        Self { stack, faults, producer }
    }

    /// Waits until there is exactly one dead letter, and returns it.
    async fn the_letter(&self) -> Value {
        for _ in 0..600 {
            let mut list = json_of(&self.stack, &["dead-letters", "list"]);
            if let [letter] = list.as_array_mut().unwrap().as_mut_slice() {
                return letter.take();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("there is no dead letter");
    }

    fn assert_none(&self) {
        assert_eq!(json_of(&self.stack, &["dead-letters", "list"]), json!([]));
    }

    async fn assert_delivered(&self, count: usize, task: &str) {
        let received = RECEIVER.wait_for(PATH, count, SOON).await.unwrap();
        assert_eq!(
            received.iter().map(|webhook| webhook.json()["task_id"].clone()).collect::<Vec<_>>()[count - 1],
            task
        );
    }

    async fn what_fan_out_failed_on(&self) {
        self.faults.curse(IN_FAN_OUT);
        ask(&self.stack, &["completions", "send", &completion(ACCOUNT, "fan_out_failed")]);
        let letter = self.the_letter().await;
        assert_eq!((&letter["kind"], &letter["account_id"]), (&json!("completion"), &json!(ACCOUNT)), "{letter}");
        assert!(letter["why"].as_str().unwrap().contains("fan-out failed on task fan_out_failed"), "{letter}");
        assert!(letter["what_to_do"].as_str().unwrap().contains("do not get it again"), "{letter}");
        assert_eq!(self.the_letter().await, letter, "listing it does not remove it");

        self.faults.curse(IN_NO_CALL);
        let id = letter["id"].as_str().unwrap();
        assert_eq!(json_of(&self.stack, &["dead-letters", "redrive", id])["redriven"], json!([id]));
        self.assert_delivered(1, "fan_out_failed").await;
        let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let received = RECEIVER.received(PATH)[0].json();
        assert_eq!(
            time(&received["timestamp"]),
            time(&letter["sent_at"]),
            "it has the time at which it was first sent"
        );
        self.assert_none();
        assert_refused(&ask(&self.stack, &["dead-letters", "show", id]), 3, id);
    }

    async fn what_the_dispatcher_failed_on(&self) {
        self.faults.curse(IN_DISPATCHER);
        ask(&self.stack, &["completions", "send", &completion(ACCOUNT, "dispatcher_failed")]);
        let letter = self.the_letter().await;
        assert_eq!(letter["kind"], "delivery", "{letter}");
        assert!(letter["why"].as_str().unwrap().contains("to webhook 1 of acct_op_letters"), "{letter}");
        let shown = ask(&self.stack, &["dead-letters", "show", letter["id"].as_str().unwrap()]).out;
        assert!(
            shown.contains("/aws/lambda/nano-webhooks-dispatcher") && shown.contains("dispatcher_failed"),
            "{shown}"
        );

        self.faults.curse(IN_NO_CALL);
        let said = ask(&self.stack, &["dead-letters", "redrive", "--all"]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), "Sent 1 back to their queues.\n"));
        self.assert_delivered(2, "dispatcher_failed").await;
        self.assert_none();
    }

    /// A completion that an older version refused and this version accepts.
    async fn what_is_malformed(&self) {
        let reason = "status is \"completed\u{9b}2J\"; expected finished";
        self.producer.forge_dead_letter(completion(ACCOUNT, "malformed"), Some(reason)).await.unwrap();
        let letter = self.the_letter().await;
        assert_eq!(letter["kind"], "malformed");
        let table = ask(&self.stack, &["dead-letters", "list"]).out;
        assert!(
            table.contains(r#"it is not a completion: status is "completed\u{9b}2J"; expected finished"#),
            "{table}"
        );

        assert_eq!(json_of(&self.stack, &["dead-letters", "redrive", "--all"])["redriven"], json!([]));
        assert_eq!(self.the_letter().await, letter, "it stays unless --malformed is given");
        assert_eq!(
            json_of(&self.stack, &["dead-letters", "redrive", "--malformed"])["redriven"],
            json!([letter["id"]])
        );
        self.assert_delivered(3, "malformed").await;
        self.assert_none();
    }

    async fn what_comes_back_at_once_is_sent_back_once(&self) {
        for number in 0..3 {
            self.producer
                .forge_dead_letter(format!("never a completion {number}"), Some("it is not JSON"))
                .await
                .unwrap();
        }
        let before = self.ids();
        let mut redriven = json_of(&self.stack, &["dead-letters", "redrive", "--malformed"])["redriven"].take();
        redriven.as_array_mut().unwrap().sort_by_key(Value::to_string);
        assert_eq!(redriven, json!(before));
        let start = Instant::now();
        while self.ids().len() < 3 {
            assert!(start.elapsed() < SOON, "fan-out refuses them again");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(self.ids().iter().all(|id| !before.contains(id)), "they are there under other ids");
        ask(&self.stack, &["dead-letters", "purge", "--all", "--yes"]);
        self.assert_none();
    }

    /// SQS hides the messages that another consumer has received, so a listing could be incomplete without an error.
    async fn what_somebody_else_looks_at_is_missed_aloud(&self) {
        for number in 0..4 {
            self.producer.forge_dead_letter(format!("hidden {number}"), Some("it is not JSON")).await.unwrap();
        }
        let aws = self.stack.aws().unwrap();
        let queue = &self.stack.dead_letter_queue_url;
        let look = json!({ "QueueUrl": queue, "MaxNumberOfMessages": 3, "VisibilityTimeout": 600 });
        let hidden = aws.call("sqs", "ReceiveMessage", &look).unwrap();
        let hidden = hidden["Messages"].as_array().unwrap();
        for command in [["list", "--json"].as_slice(), &["redrive", "--all"], &["purge", "--malformed", "--yes"]] {
            let said = ask(&self.stack, &[&["dead-letters"], command].concat());
            assert_eq!(said.code, Some(1), "{said:?}");
            assert!(said.err.contains(&format!("about {} were not reached", hidden.len())), "{said:?}");
        }
        for message in hidden {
            let show = json!({ "QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0 });
            aws.call("sqs", "ChangeMessageVisibility", &show).unwrap();
        }
        assert_eq!(self.ids().len(), hidden.len(), "the fourth was purged");
        ask(&self.stack, &["dead-letters", "purge", "--all", "--yes"]);
    }

    async fn a_long_queue_is_seen_to_its_end(&self) {
        let bodies: Vec<_> = (0..MANY).map(|number| format!("malformed {number}")).collect();
        for bodies in bodies.chunks(50) {
            let sent = bodies.iter().map(|body| self.producer.forge_dead_letter(body, Some("it is not JSON")));
            futures_util::future::try_join_all(sent).await.unwrap();
        }
        let list = json_of(&self.stack, &["dead-letters", "list", "--limit", "100000"]);
        assert_eq!(list.as_array().unwrap().len(), MANY);
        let purged = json_of(&self.stack, &["dead-letters", "purge", "--malformed", "--yes"]);
        assert_eq!(purged["deleted"].as_array().unwrap().len(), MANY);
        self.assert_none();
    }

    /// The ids of all dead letters, sorted.
    fn ids(&self) -> Vec<String> {
        let list = json_of(&self.stack, &["dead-letters", "list"]);
        let mut ids: Vec<_> =
            list.as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }

    async fn what_is_purged(&self) {
        for number in 0..13 {
            self.producer.forge_dead_letter(format!("malformed {number}"), Some("it is not JSON")).await.unwrap();
        }
        self.producer.forge_dead_letter(completion(ACCOUNT, "kept"), None).await.unwrap();
        assert_eq!(json_of(&self.stack, &["dead-letters", "list", "--limit", "5"]).as_array().unwrap().len(), 5);
        let purge = ["dead-letters", "purge", "--malformed"];
        assert_refused(&ask(&self.stack, &purge), 2, "Delete 13 of the dead letters for good?");
        assert_eq!(json_of(&self.stack, &["dead-letters", "list"]).as_array().unwrap().len(), 14);
        let deleted = json_of(&self.stack, &[purge.as_slice(), &["--yes"]].concat());
        assert_eq!(deleted["deleted"].as_array().unwrap().len(), 13);
        let kept = self.the_letter().await;
        assert_eq!(kept["kind"], "completion");
        let id = kept["id"].as_str().unwrap();
        assert_eq!(json_of(&self.stack, &["dead-letters", "purge", "--yes", id])["deleted"], json!([id]));
        self.assert_none();
        assert_refused(&ask(&self.stack, &["dead-letters", "purge", "--yes", id]), 3, id);
        assert_refused(&ask(&self.stack, &["dead-letters", "purge"]), 2, "--all");
    }
}
