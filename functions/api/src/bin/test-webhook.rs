//! `POST /api/v1/webhooks/{id}/test`: sends a sample event to this webhook only, in the same way as every other
//! event.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    delivery::Message,
    event::Completion,
    queue::Queue,
    store::Webhooks,
    telemetry,
    webhook::{Circuit, SampleRequest},
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let webhooks = Webhooks::from_env(&aws)?;
    let queue = Queue::from_env(&aws, "DELIVERIES_QUEUE_URL")?;
    api::serve(&gate, &[], |request| handle(&webhooks, &queue, request)).await
}

async fn handle(webhooks: &Webhooks, queue: &Queue, request: Request) -> Result<Reply, ApiError> {
    let id = request.webhook_id()?;
    let sample = SampleRequest::parse(request.body())?;
    let webhook = webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;
    if !webhook.is_active() {
        return Err(ApiError::disabled(&webhook));
    }
    let completion = Completion::sample(&request.account, sample.event_for(&webhook), Timestamp::now());
    // An open circuit does not hold a test: the customer wants to see what the endpoint does now.
    let probe = (webhook.circuit() == Circuit::Open).then_some(0);
    let message = Message { probe, ..Message::new(&completion, &webhook) };
    queue.send_one(&message).await?;
    Ok(Reply::accepted(&json!({ "id": message.delivery_id })))
}
