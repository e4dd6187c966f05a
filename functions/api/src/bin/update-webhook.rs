//! `PATCH /api/v1/webhooks/{id}`: changes a webhook's URL, events or status.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws, config,
    egress::Policy,
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
    let changed = webhooks.change(&request.account, id, &change, now).await?;
    let changed = changed.ok_or_else(|| ApiError::no_webhook(id))?;
    let held = deliveries.held_of(&changed).await?;
    Ok(Reply::ok(&changed.details(held, now)))
}
