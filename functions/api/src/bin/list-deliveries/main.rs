//! `GET /api/v1/webhooks/{id}/deliveries?status=&limit=&cursor=`: a webhook's deliveries, newest first, in pages.

mod cursor;

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    delivery::{DeliverySummary, State},
    store::{Deliveries, Filter, Webhooks},
    telemetry,
    webhook::Webhook,
};
use serde::Serialize;
use serde_json::json;

const DEFAULT_LIMIT: usize = 20;
const LIMITS: std::ops::RangeInclusive<usize> = 1..=100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let webhooks = Webhooks::from_env(&aws)?;
    let deliveries = Deliveries::from_env(&aws)?;
    api::serve(&gate, &["status", "limit", "cursor"], |request| handle(&webhooks, &deliveries, request)).await
}

async fn handle(webhooks: &Webhooks, deliveries: &Deliveries, request: Request) -> Result<Reply, ApiError> {
    let id = request.webhook_id()?;
    let state = request.query_parameter("status").map(state).transpose()?;
    let limit = request.query_parameter("limit").map_or(Ok(DEFAULT_LIMIT), limit)?;
    let webhook = webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;
    let before = request.query_parameter("cursor").map(|text| opened(&webhook, text)).transpose()?;

    let page = deliveries.list(&request.account, id, &Filter { state, before, limit }).await?;
    Ok(Reply::ok(&List {
        deliveries: page.deliveries.iter().map(DeliverySummary::from).collect(),
        next_cursor: page.next.map(|id| cursor::seal(&webhook, &id)),
    }))
}

#[derive(Serialize)]
struct List<'a> {
    deliveries: Vec<DeliverySummary<'a>>,
    /// `None` (null) on the last page.
    next_cursor: Option<String>,
}

fn state(text: &str) -> Result<State, ApiError> {
    let names = State::STORED.map(State::as_str).join(", ");
    let wrong = || ApiError::Invalid(format!("status is {}; expected one of {names}", json!(text)));
    State::STORED.into_iter().find(|state| state.as_str() == text).ok_or_else(wrong)
}

fn limit(text: &str) -> Result<usize, ApiError> {
    let (least, most) = LIMITS.into_inner();
    let wrong =
        || ApiError::Invalid(format!("limit is {}; expected a whole number from {least} to {most}", json!(text)));
    text.parse().ok().filter(|limit| LIMITS.contains(limit)).ok_or_else(wrong)
}

fn opened(webhook: &Webhook, text: &str) -> Result<nano_webhooks::names::DeliveryId, ApiError> {
    let wrong = "cursor is not a next_cursor of this webhook's list; leave it out to start with the newest";
    cursor::open(webhook, text).ok_or_else(|| ApiError::Invalid(wrong.into()))
}
