//! `GET /api/v1/webhooks/{id}`: one webhook, with its health, how many deliveries are held, and its rotation.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    store::{Deliveries, Webhooks},
    telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let webhooks = Webhooks::from_env(&aws)?;
    let deliveries = Deliveries::from_env(&aws)?;
    api::serve(&gate, &[], |request| handle(&webhooks, &deliveries, request)).await
}

async fn handle(webhooks: &Webhooks, deliveries: &Deliveries, request: Request) -> Result<Reply, ApiError> {
    let id = request.webhook_id()?;
    let webhook = webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;
    let held = deliveries.held_of(&webhook).await?;
    Ok(Reply::ok(&webhook.details(held, Timestamp::now())))
}
