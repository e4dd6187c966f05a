//! `GET /api/v1/webhooks/{id}/stats?hours=`: a webhook's delivery statistics, hour by hour.

use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    request::Invalid,
    stats::{self, HourSummary},
    store::{Deliveries, Webhooks},
    telemetry,
};
use serde::Serialize;
use serde_json::json;

const DEFAULT_HOURS: i64 = 24;
const MOST_HOURS: i64 = 7 * 24;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let webhooks = Webhooks::from_env(&aws)?;
    let deliveries = Deliveries::from_env(&aws)?;
    api::serve(&gate, &["hours"], |request| handle(&webhooks, &deliveries, request)).await
}

async fn handle(webhooks: &Webhooks, deliveries: &Deliveries, request: Request) -> Result<Reply, ApiError> {
    let (id, now) = (request.webhook_id()?, Timestamp::now());
    let count = request.query_parameter("hours").map_or(Ok(DEFAULT_HOURS), hours)?;
    webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;
    let from = stats::hour_of(now) - SignedDuration::from_hours(count - 1);
    let tallies = deliveries.hours(&request.account, id, from).await?;
    Ok(Reply::ok(&Stats { hours: stats::hours(&tallies, count, now) }))
}

#[derive(Serialize)]
struct Stats {
    hours: Vec<HourSummary>,
}

fn hours(text: &str) -> Result<i64, Invalid> {
    let expected = format!("expected a whole number from 1 to {MOST_HOURS}");
    let wrong = || Invalid::field("hours", format!("hours is {}; {expected}", json!(text)));
    text.parse().ok().filter(|hours| (1..=MOST_HOURS).contains(hours)).ok_or_else(wrong)
}
