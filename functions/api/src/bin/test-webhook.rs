//! `POST /api/v1/webhooks/{id}/test`: stores a sample event, and sends it to this webhook only, in the same way as
//! every other event.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws, config,
    delivery::Message,
    event::{Completion, Event},
    queue::Queue,
    store::{Events, InsertResult, Webhooks, expires_at},
    telemetry,
    webhook::{Circuit, SampleRequest},
};
use serde_json::json;

struct TestWebhook {
    webhooks: Webhooks,
    events: Events,
    event_retention_days: u32,
    queue: Queue,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let test_webhook = TestWebhook {
        webhooks: Webhooks::from_env(&aws)?,
        events: Events::from_env(&aws)?,
        event_retention_days: config::event_retention_days()?,
        queue: Queue::from_env(&aws, "DELIVERIES_QUEUE_URL")?,
    };
    api::serve_once(&gate, &test_webhook.webhooks, |request| test_webhook.handle(request)).await
}

impl TestWebhook {
    async fn handle(&self, request: Request) -> Result<Reply, ApiError> {
        let id = request.webhook_id()?;
        let sample = SampleRequest::parse(request.body())?;
        let webhook = self.webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;
        if !webhook.is_active() {
            return Err(ApiError::disabled(&webhook));
        }
        // Of a request that is made again after a crash, the number and the time when it first came. So it is the same event,
        // and the webhook gets it once.
        let (number, at) = (request.number(), request.first_at());
        let completion = Completion::sample(&request.account, sample.event_for(&webhook), number, at);
        let event = [Event::test(&completion, id)];
        for kept in self.events.store(&event, expires_at(self.event_retention_days)).await {
            if let InsertResult::Busy(err) = kept {
                return Err(err.into());
            }
        }
        let [event] = event;
        // An open circuit does not hold a test: the customer wants to see what the endpoint does now.
        let probe = (webhook.circuit() == Circuit::Open).then_some(0);
        let message = Message { probe, payload: event.payload(), ..Message::first(&event, id) };
        self.queue.send_one(&message).await?;
        Ok(Reply::accepted(&json!({ "id": message.event_id })))
    }
}
