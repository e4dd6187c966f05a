//! `GET /api/v1/webhooks/{id}/deliveries?status=&event=&task_id=&since=&until=&limit=&cursor=`: a webhook's deliveries,
//! newest first, in pages.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request, listing::Listing},
    aws,
    delivery::{DeliverySummary, State},
    names::EventId,
    request::Invalid,
    store::{Deliveries, Filter, Webhooks},
    telemetry,
};
use serde::Serialize;
use serde_json::json;

const PARAMETERS: [&str; 7] = ["status", "event", "task_id", "since", "until", "limit", "cursor"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let webhooks = Webhooks::from_env(&aws)?;
    let deliveries = Deliveries::from_env(&aws)?;
    api::serve(&gate, &PARAMETERS, |request| handle(&webhooks, &deliveries, request)).await
}

async fn handle(webhooks: &Webhooks, deliveries: &Deliveries, request: Request) -> Result<Reply, ApiError> {
    let id = request.webhook_id()?;
    let state = request.query_parameter("status").map(state).transpose()?;
    let listing = Listing::parse(&request)?;
    webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;

    let Listing { event, task_id, above, below, limit } = &listing;
    let (task_id, above, below) = (task_id.as_deref(), above.as_ref(), below.as_ref());
    let filter = Filter { state, event: *event, task_id, above, below, limit: *limit };
    let page = deliveries.list(&request.account, id, &filter).await?;
    Ok(Reply::ok(&List {
        deliveries: page.deliveries.iter().map(DeliverySummary::from).collect(),
        next_cursor: page.next,
    }))
}

#[derive(Serialize)]
struct List<'a> {
    deliveries: Vec<DeliverySummary<'a>>,
    /// `None` (null) on the last page.
    next_cursor: Option<EventId>,
}

fn state(text: &str) -> Result<State, Invalid> {
    let names = State::names();
    let wrong = |_| Invalid::field("status", format!("status is {}; expected one of {names}", json!(text)));
    text.parse().map_err(wrong)
}
