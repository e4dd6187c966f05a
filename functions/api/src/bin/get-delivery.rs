//! `GET /api/v1/webhooks/{id}/deliveries/{event_id}`: one delivery with its payload and every attempt.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    delivery::DeliveryView,
    store::{Deliveries, Events},
    telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let events = Events::from_env(&aws)?;
    let deliveries = Deliveries::from_env(&aws)?;
    api::serve(&gate, &[], |request| handle(&events, &deliveries, request)).await
}

async fn handle(events: &Events, deliveries: &Deliveries, request: Request) -> Result<Reply, ApiError> {
    let (webhook, id) = (request.webhook_id()?, request.event_id()?);
    let delivery = deliveries.find_with_answers(&request.account, webhook, &id);
    let (delivery, event) = tokio::try_join!(delivery, events.find(&request.account, &id))?;
    let delivery = delivery.ok_or_else(|| ApiError::no_delivery(&id))?;
    let body = event.and_then(|event| event.body);
    Ok(Reply::ok(&DeliveryView::new(&delivery, body.as_deref())))
}
