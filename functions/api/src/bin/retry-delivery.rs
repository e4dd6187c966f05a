//! `POST /api/v1/webhooks/{id}/deliveries/{event_id}/retry`: asks for one attempt now. A finished delivery starts a new
//! round of its schedule. The next attempt of a waiting delivery is made now; the dispatcher then drops the message
//! that was scheduled for it. An event that the webhook never got is sent for the first time.
//!
//! The function does not change the delivery. It sends a message, and the dispatcher decides what the message means when
//! it receives it. So a retry is never lost between a table and a queue. If the webhook never got the event, it is then
//! recorded as one of the event's recipients.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    delivery::Message,
    queue::Queue,
    store::{Deliveries, Events, Webhooks},
    telemetry,
};
use serde_json::json;

struct RetryDelivery {
    webhooks: Webhooks,
    events: Events,
    deliveries: Deliveries,
    queue: Queue,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let retry_delivery = RetryDelivery {
        webhooks: Webhooks::from_env(&aws)?,
        events: Events::from_env(&aws)?,
        deliveries: Deliveries::from_env(&aws)?,
        queue: Queue::from_env(&aws, "DELIVERIES_QUEUE_URL")?,
    };
    api::serve_once(&gate, &retry_delivery.webhooks, |request| retry_delivery.handle(request)).await
}

impl RetryDelivery {
    async fn handle(&self, request: Request) -> Result<Reply, ApiError> {
        let (webhook_id, id) = (request.webhook_id()?, request.event_id()?);
        let webhook = self.webhooks.find(&request.account, webhook_id).await?;
        let webhook = webhook.ok_or_else(|| ApiError::no_webhook(webhook_id))?;
        let event = self.events.find(&request.account, &id).await?;
        let delivery = self.deliveries.find(&request.account, webhook_id, &id).await?;
        let event = match event {
            None if delivery.is_none() => return Err(ApiError::no_event(&id)),
            None => return Err(ApiError::Conflict(format!("event {id} is no longer kept, so it cannot be sent"))),
            Some(event) if event.erased_at.is_some() => return Err(ApiError::erased(&id)),
            Some(event) => event,
        };
        if !webhook.is_active() {
            return Err(ApiError::disabled(&webhook));
        }
        if let Some(delivery) = delivery {
            // A repetition of this request may find that the attempt was made already.
            let last = delivery.attempts.last().filter(|_| request.claim.is_some());
            if last.is_none_or(|last| last.started_at < request.first_at()) {
                self.queue.send_one(&delivery.retried(&webhook)).await?;
            }
        } else {
            let message = Message::first(&event, webhook_id);
            let probe = message.waits_for_circuit(&webhook).then_some(0);
            self.queue.send_one(&Message { probe, ..message }).await?;
            // After it was sent: for a recorded recipient the event counts as sent.
            self.events.add_recipient(&request.account, &id, webhook_id).await?;
        }
        Ok(Reply::accepted(&json!({ "id": id })))
    }
}
