//! `GET /api/v1/webhooks/{id}/resend`: how far the webhook's last resend has come.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    store::Webhooks,
    telemetry,
};

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
    let webhook = webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;
    let resend = webhook.resend_view().ok_or_else(|| ApiError::no_resend(id))?;
    Ok(Reply::ok(&resend))
}
