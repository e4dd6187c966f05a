//! `GET /api/v1/webhooks`: the account's webhooks, oldest first.

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
    let webhooks = webhooks.list(&request.account).await?;
    Ok(Reply::ok(&webhooks.iter().map(|webhook| webhook.view()).collect::<Vec<_>>()))
}
