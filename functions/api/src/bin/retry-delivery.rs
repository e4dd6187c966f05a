//! `POST /api/v1/webhooks/{id}/deliveries/{delivery_id}/retry`: asks for one attempt now. A finished delivery starts
//! a new round of its schedule. The next attempt of a waiting delivery is made now; the dispatcher then drops the
//! message that was scheduled for it.
//!
//! The function only sends a message, so a retry is never lost between a table and a queue. The dispatcher decides
//! what the message means when it receives it.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
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
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let retry_delivery = RetryDelivery {
        webhooks: Webhooks::from_env(&aws)?,
        deliveries: Deliveries::from_env(&aws)?,
        queue: Queue::from_env(&aws, "DELIVERIES_QUEUE_URL")?,
    };
    api::serve(&gate, &[], |request| retry_delivery.handle(request)).await
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
        self.queue.send_one(&delivery.retried(webhook.circuit())).await?;
        Ok(Reply::accepted(&json!({ "id": id })))
    }
}
