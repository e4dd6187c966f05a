//! `DELETE /api/v1/webhooks/{id}/resend`: stops the webhook's resend. What was sent by then stays sent.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    store::Webhooks,
    telemetry,
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let webhooks = Webhooks::from_env(&aws)?;
    api::serve(&gate, &[], |request| handle(&webhooks, request)).await
}

async fn handle(webhooks: &Webhooks, request: Request) -> Result<Reply, ApiError> {
    let id = request.webhook_id()?;
    if webhooks.stop_resend(&request.account, id).await? {
        return Ok(Reply::ok(&json!({ "id": id })));
    }
    let exists = webhooks.find(&request.account, id).await?.is_some();
    Err(if exists { ApiError::no_resend(id) } else { ApiError::no_webhook(id) })
}
