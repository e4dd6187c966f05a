//! `POST /api/v1/webhooks/{id}/deliveries/{delivery_id}/retry`: starts a finished delivery's schedule afresh.
//!
//! It writes nothing but a message. The dispatcher takes that for a new round of the delivery, so a retry is never lost
//! between a table and a queue.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    config,
    queue::Queue,
    store::{Deliveries, Webhooks},
    telemetry,
};
use serde_json::json;

struct RetryDelivery {
    webhooks: Webhooks,
    deliveries: Deliveries,
    queue: Queue,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = config::aws()?;
    let gate = Gate::new(&aws)?;
    let retry_delivery = RetryDelivery {
        webhooks: Webhooks::new(&aws, config::text("WEBHOOKS_TABLE")?),
        deliveries: Deliveries::new(&aws, config::text("DELIVERIES_TABLE")?),
        queue: Queue::new(&aws, config::text("DELIVERIES_QUEUE_URL")?),
    };
    api::serve(&gate, |request| retry_delivery.handle(request)).await
}

impl RetryDelivery {
    async fn handle(&self, request: Request) -> Result<Reply, ApiError> {
        let (webhook_id, id) = (request.webhook_id()?, request.delivery_id()?);
        let webhook = self.webhooks.find(&request.account, webhook_id).await?;
        let webhook = webhook.ok_or_else(|| ApiError::no_webhook(webhook_id))?;
        let delivery = self.deliveries.find(&request.account, webhook_id, &id).await?;
        let delivery = delivery.ok_or_else(|| ApiError::no_delivery(&id))?;

        if !webhook.is_active() {
            return Err(ApiError::disabled(&webhook));
        }
        if !delivery.can_be_retried(Timestamp::now()) {
            return Err(ApiError::Conflict(format!("delivery {id} is still being tried; its next attempt will come")));
        }
        self.queue.send_one(&delivery.retried()).await?;
        Ok(Reply::accepted(&json!({ "id": id })))
    }
}
