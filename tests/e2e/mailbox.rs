//! A recipient of a topic's messages: a queue that is subscribed to it, as a mail address would be.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use harness::{Aws, Failure, SOON};
use serde_json::{Value, json};

/// The messages received so far.
#[derive(Default)]
pub(crate) struct Mailbox(Mutex<Vec<Value>>);

impl Mailbox {
    /// Creates a topic to which the mailbox is subscribed, and returns its ARN. `services` may publish to it, in
    /// addition to its own account.
    pub(crate) fn subscribe(aws: &Aws, topic: &str, services: &[&str]) -> Result<String, Failure> {
        let topic = aws.call("sns", "CreateTopic", &json!({ "Name": topic }))?["TopicArn"].take();
        let allow = |services: Value, action: &str, resource: &Value| {
            let statement = json!({ "Effect": "Allow", "Principal": { "Service": services }, "Action": action,
                "Resource": resource });
            json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
        };
        if !services.is_empty() {
            let policy = allow(json!(services), "sns:Publish", &topic);
            let policy = json!({ "TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy });
            aws.call("sns", "SetTopicAttributes", &policy)?;
        }
        let queue = json!("arn:aws:sqs:us-east-1:000000000000:mailbox");
        let policy = allow(json!("sns.amazonaws.com"), "sqs:SendMessage", &queue);
        let attributes = json!({ "QueueName": "mailbox", "Attributes": { "Policy": policy } });
        aws.call("sqs", "CreateQueue", &attributes)?;
        aws.call("sns", "Subscribe", &json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": queue }))?;
        Ok(topic.as_str().unwrap_or_default().to_owned())
    }

    /// Waits for a message that meets this condition, and returns it.
    pub(crate) async fn wait_for(&self, aws: &Aws, is_it: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            self.read(aws);
            let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|mail| is_it(mail)).cloned();
            if let Some(found) = found {
                return found;
            }
            assert!(start.elapsed() < SOON, "no such message came, but {:?}", self.0);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// All messages received so far.
    pub(crate) fn all(&self, aws: &Aws) -> Vec<Value> {
        self.read(aws);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read(&self, aws: &Aws) {
        let url = aws.call("sqs", "GetQueueUrl", &json!({ "QueueName": "mailbox" })).unwrap()["QueueUrl"].take();
        let request = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
        let received = aws.call("sqs", "ReceiveMessage", &request).unwrap();
        for message in received["Messages"].as_array().into_iter().flatten() {
            let envelope: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
            let mail = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
            let read = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
            aws.call("sqs", "DeleteMessage", &read).unwrap();
        }
    }
}
