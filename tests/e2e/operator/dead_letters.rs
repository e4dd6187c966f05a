//! `dead-letters`, on a stack of its own: its functions' calls fail on demand, and nobody else empties its queue.

use std::time::Duration;

use harness::{Customer, Faults, Options, Producer, Stack};
use serde_json::{Value, json};

use super::{SOON, ask, assert_refused, completion, json_of};
use crate::{RECEIVER, folder_of_this_run};

const ACCOUNT: &str = "acct_op_letters";
const PATH: &str = "/acct_op_letters";
/// In fan-out's query for the account's webhooks, and in the dispatcher's read.
const IN_FAN_OUT: &str = r#"{"S":"acct_op_letters"}"#;
/// The webhook's name in the deliveries table.
const IN_DISPATCHER: &str = r#"{"S":"acct_op_letters#1"}"#;
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
}

impl Scene {
    async fn start() -> Self {
        let faults = Faults::start(5).unwrap();
        let dead_letters = json!({ "Fn::GetAtt": ["DeadLetterQueue", "Arn"] });
        let soon = json!({ "VisibilityTimeout": 2,
            "RedrivePolicy": { "deadLetterTargetArn": dead_letters, "maxReceiveCount": 2 } });
        let options = Options {
            folder: folder_of_this_run().join("dead-letters"),
            faults: Some(faults.clone()),
            properties: json!({ "CompletionsQueue": soon, "DeliveriesQueue": soon }),
            ..Options::default()
        };
        let stack = Stack::start(&options, &|_| {}).unwrap();
        let customer = Customer::new(&stack, &stack.create_api_key(ACCOUNT).unwrap());
        let webhook = json!({ "url": RECEIVER.url(PATH), "events": ["job.completed"] });
        assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
        let producer = Producer::new(&stack);
        Self { stack, faults, producer }
    }

    /// Waits for the only dead letter.
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
        assert!(letter["what_to_do"].as_str().unwrap().contains("no timestamp"), "{letter}");
        assert_eq!(self.the_letter().await, letter, "to list it takes nothing away");

        self.faults.curse(IN_NO_CALL);
        let id = letter["id"].as_str().unwrap();
        assert_eq!(json_of(&self.stack, &["dead-letters", "redrive", id])["redriven"], json!([id]));
        self.assert_delivered(1, "fan_out_failed").await;
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

    /// One that an older version refused, and this one takes.
    async fn what_is_malformed(&self) {
        let reason = "status is \"completed\u{9b}2J\"; expected finished";
        self.producer.forge_dead_letter(completion(ACCOUNT, "malformed"), Some(reason)).await.unwrap();
        let letter = self.the_letter().await;
        assert_eq!(letter["kind"], "malformed");
        let table = ask(&self.stack, &["dead-letters", "list"]).out;
        assert!(table.contains(r#"it is no completion: status is "completed\u{9b}2J"; expected finished"#), "{table}");

        assert_eq!(json_of(&self.stack, &["dead-letters", "redrive", "--all"])["redriven"], json!([]));
        assert_eq!(self.the_letter().await, letter, "it stays unless it is asked for");
        assert_eq!(
            json_of(&self.stack, &["dead-letters", "redrive", "--malformed"])["redriven"],
            json!([letter["id"]])
        );
        self.assert_delivered(3, "malformed").await;
        self.assert_none();
    }

    async fn what_is_purged(&self) {
        for number in 0..13 {
            self.producer.forge_dead_letter(format!("malformed {number}"), Some("it is no JSON")).await.unwrap();
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
