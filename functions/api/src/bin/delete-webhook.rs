//! `DELETE /api/v1/webhooks/{id}`: deletes a webhook permanently.

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
    if webhooks.delete(&request.account, id).await? {
        Ok(Reply::ok(&json!({ "id": id })))
    } else {
        Err(ApiError::no_webhook(id))
    }
}
