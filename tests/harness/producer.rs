//! The job pipeline's side: it puts completions on the queue. Also the operator's side: it reads the dead letters.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_sqs::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    error::DisplayErrorContext,
    types::{MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry},
};

use crate::{
    DeadLetter, Failure, Stack,
    environment::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY},
};

/// A client of the stack's queues. Make one for each runtime: its connections end with the runtime.
pub struct Producer {
    client: Client,
    completions: String,
    deliveries: String,
    dead_letters: String,
    collected: Arc<Mutex<Vec<DeadLetter>>>,
}

impl Producer {
    /// A producer for this stack.
    pub fn new(stack: &Stack) -> Self {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(stack.endpoint())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "local"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self {
            client: Client::from_conf(config),
            completions: stack.completions_queue_url.clone(),
            deliveries: stack.deliveries_queue_url.clone(),
            dead_letters: stack.dead_letter_queue_url.clone(),
            collected: Arc::clone(&stack.dead_letters),
        }
    }

    /// Puts one message with any body on the completions queue.
    pub async fn send(&self, body: impl ToString) -> Result<(), Failure> {
        self.send_to(&self.completions, body).await
    }

    /// Puts one message on the deliveries queue, as an operator could by mistake. Customers and producers cannot:
    /// only fan-out, the API's functions and an operator can.
    pub async fn forge_delivery(&self, body: impl ToString) -> Result<(), Failure> {
        self.send_to(&self.deliveries, body).await
    }

    /// Puts one message on the dead-letter queue: as refused, if there is a reason; otherwise as if SQS had moved it
    /// there.
    pub async fn forge_dead_letter(&self, body: impl ToString, reason: Option<&str>) -> Result<(), Failure> {
        let reason = reason.map(|reason| {
            let value = MessageAttributeValue::builder().data_type("String").string_value(reason);
            (String::from("reason"), value.build().expect("the data type is set"))
        });
        let message = self.client.send_message().queue_url(&self.dead_letters).message_body(body.to_string());
        let sent = message.set_message_attributes(reason.map(|reason| [reason].into())).send().await;
        sent.map(drop).map_err(|error| failure(&error))
    }

    /// Removes the deliveries queue's redrive policy, so that its messages never become dead letters.
    pub async fn forget_redrive_policy(&self) -> Result<(), Failure> {
        let set = self.client.set_queue_attributes().queue_url(&self.deliveries);
        let set = set.attributes(QueueAttributeName::RedrivePolicy, "").send().await;
        set.map(drop).map_err(|error| failure(&error))
    }

    async fn send_to(&self, queue: &str, body: impl ToString) -> Result<(), Failure> {
        let sent = self.client.send_message().queue_url(queue).message_body(body.to_string()).send().await;
        sent.map(drop).map_err(|error| failure(&error))
    }

    /// Puts messages on the completions queue, ten at a time.
    pub async fn send_all(&self, bodies: &[String]) -> Result<(), Failure> {
        for bodies in bodies.chunks(10) {
            let entries = bodies.iter().enumerate().map(|(at, body)| {
                let entry = SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(body);
                entry.build().expect("all required fields are set")
            });
            let batch = self.client.send_message_batch().queue_url(&self.completions);
            let sent = batch.set_entries(Some(entries.collect())).send().await.map_err(|error| failure(&error))?;
            if let Some(refused) = sent.failed().first() {
                return Err(Failure::new(format!("SQS refused a completion: {refused:?}")));
            }
        }
        Ok(())
    }

    /// How many messages are on the completions queue and the deliveries queue, including those in flight and
    /// delayed. It counts the queues in the order in which an event passes them, so that it misses none in between.
    pub async fn waiting(&self) -> Result<usize, Failure> {
        let mut waiting = 0;
        for url in [&self.completions, &self.deliveries] {
            let names = [
                QueueAttributeName::ApproximateNumberOfMessages,
                QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
                QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            ];
            let request = self.client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
            let attributes = request.send().await.map_err(|error| failure(&error))?.attributes.unwrap_or_default();
            waiting += names.iter().filter_map(|name| attributes.get(name)?.parse::<usize>().ok()).sum::<usize>();
        }
        Ok(waiting)
    }

    /// Every dead letter so far.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, Failure> {
        self.collect_dead_letters().await?;
        Ok(lock(&self.collected).clone())
    }

    /// Waits for a dead letter whose body contains this text.
    pub async fn wait_for_dead_letter(&self, text: &str, within: Duration) -> Result<DeadLetter, Failure> {
        let start = Instant::now();
        loop {
            self.collect_dead_letters().await?;
            if let Some(found) = lock(&self.collected).iter().find(|letter| letter.body.contains(text)) {
                return Ok(found.clone());
            }
            if start.elapsed() > within {
                return Err(Failure::late(&format!("no dead letter with {text:?} within {within:?}")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Moves the messages of the dead-letter queue to the stack's memory, where every producer finds them. A queue
    /// hands out ten messages at a time and hides them, so tests that share a queue would hide them from each other.
    async fn collect_dead_letters(&self) -> Result<(), Failure> {
        loop {
            let request = self.client.receive_message().queue_url(&self.dead_letters);
            let received = request.max_number_of_messages(10).message_attribute_names("All").send().await;
            let received = received.map_err(|error| failure(&error))?;
            if received.messages().is_empty() {
                return Ok(());
            }
            for message in received.messages() {
                lock(&self.collected).push(DeadLetter::read(message));
                let delete = self.client.delete_message().queue_url(&self.dead_letters);
                let deleted = delete.set_receipt_handle(message.receipt_handle.clone()).send().await;
                deleted.map_err(|error| failure(&error))?;
            }
        }
    }
}

fn lock(letters: &Mutex<Vec<DeadLetter>>) -> MutexGuard<'_, Vec<DeadLetter>> {
    letters.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failure(error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("SQS: {}", DisplayErrorContext(error)))
}
