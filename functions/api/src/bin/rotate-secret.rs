//! `POST /api/v1/webhooks/{id}/rotate-secret`: starts a rotation of a webhook's secret, or makes its switch.
//!
//! [`Rotation`] has the two requests, and `Webhook::signing_at` what they mean for the headers of a delivery.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    store::{Claim, Deliveries, Webhooks},
    telemetry,
    webhook::{Rotation, Secret, Webhook},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let webhooks = Webhooks::from_env(&aws)?;
    let deliveries = Deliveries::from_env(&aws)?;
    api::serve_once(&gate, &webhooks, |request| handle(&webhooks, &deliveries, request)).await
}

async fn handle(webhooks: &Webhooks, deliveries: &Deliveries, request: Request) -> Result<Reply, ApiError> {
    let (id, now) = (request.webhook_id()?, Timestamp::now());
    let rotation = Rotation::parse(request.body())?;
    let webhook = webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;
    let is_generated = matches!(rotation, Rotation::Start { secret: None, .. });
    // Counted before the secret is stored: if this fails, nothing has changed, and no new secret is lost.
    let held = deliveries.held_of(&webhook).await?;
    let claim = request.claim.as_ref();
    let changed =
        if is_done(claim, &webhook) { webhook } else { change(webhooks, webhook, rotation, claim, now).await? };
    let secret = is_generated.then_some(&changed.secret);
    Ok(Reply::ok(&changed.details(held, now).once_with(secret)).showing(secret))
}

/// Whether the same request has stored its secret before, and died before it could answer.
fn is_done(claim: Option<&Claim>, webhook: &Webhook) -> bool {
    claim.and_then(|claim| claim.noted.as_ref()).is_some_and(|noted| noted.is_secret_of(webhook))
}

/// Changes the webhook's secrets and returns the changed webhook.
async fn change(
    webhooks: &Webhooks,
    webhook: Webhook,
    rotation: Rotation,
    claim: Option<&Claim>,
    now: Timestamp,
) -> Result<Webhook, ApiError> {
    let starts = matches!(rotation, Rotation::Start { .. });
    let changed = match rotation {
        Rotation::SwitchNow => webhook.switched(now),
        Rotation::Start { secret, overlap, switch_after } => {
            webhook.rotated(secret.unwrap_or_else(Secret::generate), overlap, switch_after, now)
        }
    };
    let changed = changed.map_err(|err| ApiError::Conflict(err.to_string()))?;
    if let Some(claim) = claim.filter(|_| starts) {
        webhooks.note_secret(claim, webhook.id, &changed.secret).await?;
    }
    if !webhooks.replace_secrets(&webhook, &changed).await? {
        let conflict =
            "another request changed the webhook's secrets or deleted it at this moment; look at it and try again";
        return Err(ApiError::Conflict(conflict.into()));
    }
    Ok(changed)
}
