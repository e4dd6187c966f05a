//! `POST /api/v1/webhooks/{id}/probe`: asks release to probe the endpoint of an open circuit now.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    store::Webhooks,
    telemetry,
    webhook::Circuit,
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let webhooks = Webhooks::from_env(&aws)?;
    api::serve_once(&gate, &webhooks, |request| handle(&webhooks, request)).await
}

async fn handle(webhooks: &Webhooks, request: Request) -> Result<Reply, ApiError> {
    let (id, first_at) = (request.webhook_id()?, request.first_at());
    let webhook = webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;
    // The same request has asked for the probe before, and died before it could answer.
    if request.claim.is_some() && webhook.probe_asked_at.is_some_and(|asked| asked >= first_at) {
        return Ok(Reply::accepted(&json!({ "id": id })));
    }
    if !webhook.is_active() {
        return Err(ApiError::disabled(&webhook));
    }
    let reason = match webhook.circuit() {
        Circuit::Open => None,
        Circuit::Closed => Some("its endpoint is not taken for down, and gets its deliveries"),
        Circuit::Recovering => Some("its endpoint is back, and gets what was held"),
    };
    if let Some(reason) = reason {
        return Err(ApiError::Conflict(format!("there is nothing to probe at webhook {id}: {reason}")));
    }
    let asked = webhooks.ask_for_probe(&request.account, id, first_at).await?;
    if asked { Ok(Reply::accepted(&json!({ "id": id }))) } else { Err(ApiError::no_webhook(id)) }
}
