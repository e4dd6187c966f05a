//! `GET /api/v1/webhooks/{id}/rehearse`: the webhook's last rehearsal: what was sent, what the endpoint answered, and
//! what that means.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    store::{Rehearsals, Webhooks},
    telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let (webhooks, rehearsals) = (Webhooks::from_env(&aws)?, Rehearsals::from_env(&aws)?);
    api::serve(&gate, &[], |request| handle(&webhooks, &rehearsals, request)).await
}

async fn handle(webhooks: &Webhooks, rehearsals: &Rehearsals, request: Request) -> Result<Reply, ApiError> {
    let id = request.webhook_id()?;
    // The rehearsal of a deleted webhook is still stored.
    webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;
    let rehearsal = rehearsals.find(&request.account, id).await?.ok_or_else(|| ApiError::no_rehearsal(id))?;
    Ok(Reply::ok(&rehearsal.view(Timestamp::now())))
}
