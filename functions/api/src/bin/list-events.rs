//! `GET /api/v1/events?task_id=&event=&task_type=&since=&until=&undelivered=&limit=&cursor=`: the account's events,
//! newest first, in pages, each with the state of its delivery to each webhook.

use nano_webhooks::{
    api::{
        self, ApiError, Gate, Reply, Request,
        listing::{self, Listing},
    },
    aws,
    aws::AwsError,
    delivery::EventSummary,
    names::{AccountId, EventId, MAX_TASK_TYPE},
    request::Invalid,
    store::{Deliveries, End, EventFilter, Events},
    telemetry,
};
use serde::Serialize;
use serde_json::json;

const PARAMETERS: [&str; 8] = ["task_id", "event", "task_type", "since", "until", "undelivered", "limit", "cursor"];
/// How many pages of events a search for undelivered events reads. Then it ends, and the cursor continues there.
const PAGES: usize = 5;

struct ListEvents {
    events: Events,
    deliveries: Deliveries,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let list_events = ListEvents { events: Events::from_env(&aws)?, deliveries: Deliveries::from_env(&aws)? };
    api::serve(&gate, &PARAMETERS, |request| list_events.handle(request)).await
}

#[derive(Serialize)]
struct List {
    events: Vec<EventSummary>,
    /// `None` (null) on the last page.
    next_cursor: Option<EventId>,
}

impl ListEvents {
    async fn handle(&self, request: Request) -> Result<Reply, ApiError> {
        let listing = Listing::parse(&request)?;
        let sized = |text| listing::sized("task_type", text, MAX_TASK_TYPE);
        let task_type = request.query_parameter("task_type").map(sized).transpose()?;
        let undelivered = request.query_parameter("undelivered").map_or(Ok(false), flag)?;
        let filter = EventFilter {
            task_id: listing.task_id.as_deref(),
            event: listing.event,
            task_type: task_type.as_deref(),
            above: listing.above.as_ref(),
            below: listing.below.as_ref(),
        };
        let list = if undelivered {
            self.undelivered(&request.account, filter, listing.limit).await?
        } else {
            self.page(&request.account, &filter, listing.limit).await?
        };
        Ok(Reply::ok(&list))
    }

    async fn page(&self, account: &AccountId, filter: &EventFilter<'_>, limit: usize) -> Result<List, AwsError> {
        let page = self.events.list(account, End::Newest, filter, limit).await?;
        Ok(List { events: self.deliveries.summaries(page.events).await?, next_cursor: page.next })
    }

    /// Reads large pages, and keeps the events that no endpoint has accepted.
    async fn undelivered(&self, account: &AccountId, filter: EventFilter<'_>, limit: usize) -> Result<List, AwsError> {
        let mut events: Vec<EventSummary> = Vec::new();
        let mut next_cursor = None;
        for _ in 0..PAGES {
            let below = next_cursor.as_ref().or(filter.below);
            let page = self.page(account, &EventFilter { below, ..filter }, listing::MOST).await?;
            events.extend(page.events.into_iter().filter(|event| !event.is_delivered()));
            next_cursor = page.next_cursor;
            if events.len() > limit {
                events.truncate(limit);
                next_cursor = events.last().map(|event| event.id().clone());
                break;
            }
            if next_cursor.is_none() || events.len() == limit {
                break;
            }
        }
        Ok(List { events, next_cursor })
    }
}

fn flag(text: &str) -> Result<bool, Invalid> {
    let wrong = || Invalid::field("undelivered", format!("undelivered is {}; expected true or false", json!(text)));
    text.parse().map_err(|_| wrong())
}
