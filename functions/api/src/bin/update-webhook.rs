//! `PATCH /api/v1/webhooks/{id}`: changes a webhook: everything that a create takes except the secret,
//! and its status.
//!
//! If `url` has another origin, the request must also have `headers`: their values are secrets, and a request with a new
//! URL only must not send them to the owner of the new origin.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws, config,
    egress::{self, Policy},
    names::WebhookId,
    request::Invalid,
    store::{Deliveries, Webhooks},
    telemetry,
    webhook::WebhookChange,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let webhooks = Webhooks::from_env(&aws)?;
    let deliveries = Deliveries::from_env(&aws)?;
    let policy = config::egress_policy()?;
    api::serve(&gate, &[], |request| handle(&webhooks, &deliveries, &policy, request)).await
}

async fn handle(
    webhooks: &Webhooks,
    deliveries: &Deliveries,
    policy: &Policy,
    request: Request,
) -> Result<Reply, ApiError> {
    let (id, now) = (request.webhook_id()?, Timestamp::now());
    let change = WebhookChange::parse(request.body(), &request.policy(policy))?;
    check_origin_of_headers(webhooks, &request, id, &change).await?;
    let changed = webhooks.change(&request.account, id, &change, now).await?;
    let changed = changed.ok_or_else(|| ApiError::no_webhook(id))?;
    let held = deliveries.held_of(&changed).await?;
    Ok(Reply::ok(&changed.details(held, now)))
}

/// Fails if the change would send the static headers to another origin and does not mention them.
async fn check_origin_of_headers(
    webhooks: &Webhooks,
    request: &Request,
    id: WebhookId,
    change: &WebhookChange,
) -> Result<(), ApiError> {
    let Some(url) = change.url.as_ref().filter(|_| change.headers.is_none()) else { return Ok(()) };
    let Some(stored) = webhooks.find(&request.account, id).await? else { return Ok(()) };
    if stored.headers.is_empty() || egress::origin(&stored.url) == egress::origin(url.as_str()) {
        return Ok(());
    }
    let problem = "url has another origin (scheme, host or port), and the webhook has headers, whose values are secrets: \
        send headers with the new url, or null to remove them";
    Err(Invalid::field("headers", problem).into())
}
