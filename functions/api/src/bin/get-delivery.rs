//! `GET /api/v1/webhooks/{id}/deliveries/{delivery_id}`: one delivery with its payload and every attempt.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    delivery::DeliveryView,
    store::Deliveries,
    telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let deliveries = Deliveries::from_env(&aws)?;
    api::serve(&gate, &[], |request| handle(&deliveries, request)).await
}

async fn handle(deliveries: &Deliveries, request: Request) -> Result<Reply, ApiError> {
    let (webhook, id) = (request.webhook_id()?, request.delivery_id()?);
    let delivery = deliveries.find_with_answers(&request.account, webhook, &id).await?;
    let delivery = delivery.ok_or_else(|| ApiError::no_delivery(&id))?;
    Ok(Reply::ok(&DeliveryView::from(&delivery)))
}
