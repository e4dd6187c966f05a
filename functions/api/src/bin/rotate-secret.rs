//! `POST /api/v1/webhooks/{id}/rotate-secret`: gives a webhook a new secret; the old one signs beside it for a while.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    store::{Deliveries, Webhooks},
    telemetry,
    webhook::{Rotation, Secret},
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
    let (id, now) = (request.webhook_id()?, Timestamp::now());
    let Rotation { secret, overlap } = Rotation::parse(request.body())?;
    let webhook = webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;

    let generated = secret.is_none();
    let rotated = webhook.rotated(secret.unwrap_or_else(Secret::generate), overlap, now);
    let rotated = rotated.map_err(|err| ApiError::Conflict(err.to_string()))?;
    if !webhooks.replace_secrets(&webhook, &rotated).await? {
        let meanwhile =
            "the webhook was rotated or deleted by another request at this moment; look at it and try again";
        return Err(ApiError::Conflict(meanwhile.into()));
    }
    let held = deliveries.held_of(&rotated).await?;
    Ok(Reply::ok(&rotated.details(held, now).once_with(generated.then_some(&rotated.secret))))
}
