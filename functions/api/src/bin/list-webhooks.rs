//! `GET /api/v1/webhooks?include=`: the account's webhooks, oldest first. With `include=details` each has all that
//! `GET /api/v1/webhooks/{id}` shows.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    request::Invalid,
    store::{Deliveries, Webhooks},
    telemetry,
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let webhooks = Webhooks::from_env(&aws)?;
    let deliveries = Deliveries::from_env(&aws)?;
    api::serve(&gate, &["include"], |request| handle(&webhooks, &deliveries, request)).await
}

async fn handle(webhooks: &Webhooks, deliveries: &Deliveries, request: Request) -> Result<Reply, ApiError> {
    let with_details = request.query_parameter("include").map_or(Ok(false), details)?;
    let webhooks = webhooks.list(&request.account).await?;
    if !with_details {
        return Ok(Reply::ok(&webhooks.iter().map(|webhook| webhook.view()).collect::<Vec<_>>()));
    }
    let (held, now) = (deliveries.held_of_each(&webhooks).await?, Timestamp::now());
    let shown = webhooks.iter().zip(held).map(|(webhook, held)| webhook.details(held, now));
    Ok(Reply::ok(&shown.collect::<Vec<_>>()))
}

fn details(text: &str) -> Result<bool, Invalid> {
    let wrong = || Invalid::field("include", format!("include is {}; expected details", json!(text)));
    if text == "details" { Ok(true) } else { Err(wrong()) }
}
