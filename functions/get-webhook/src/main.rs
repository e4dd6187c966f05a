//! `GET /api/v1/webhooks/{id}`: one webhook, with its health and its rotation.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    config,
    store::Webhooks,
    telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = config::aws()?;
    let gate = Gate::new(&aws)?;
    let webhooks = Webhooks::new(&aws, config::text("WEBHOOKS_TABLE")?);
    api::serve(&gate, |request| handle(&webhooks, request)).await
}

async fn handle(webhooks: &Webhooks, request: Request) -> Result<Reply, ApiError> {
    let id = request.webhook_id()?;
    let webhook = webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;
    Ok(Reply::ok(&webhook.details(Timestamp::now())))
}
