//! `POST /api/v1/webhooks/{id}/rehearse`: begins a rehearsal: five requests to the webhook's endpoint that show what it
//! accepts and what it refuses. The dispatcher makes them, one after another.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    queue::Queue,
    rehearsal::Rehearsal,
    store::{RehearsalBegun, Rehearsals, Webhooks},
    telemetry,
};

struct RehearseWebhook {
    webhooks: Webhooks,
    rehearsals: Rehearsals,
    queue: Queue,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let rehearse_webhook = RehearseWebhook {
        webhooks: Webhooks::from_env(&aws)?,
        rehearsals: Rehearsals::from_env(&aws)?,
        queue: Queue::from_env(&aws, "DELIVERIES_QUEUE_URL")?,
    };
    api::serve_once(&gate, &rehearse_webhook.webhooks, |request| rehearse_webhook.handle(request)).await
}

impl RehearseWebhook {
    async fn handle(&self, request: Request) -> Result<Reply, ApiError> {
        let (id, now) = (request.webhook_id()?, Timestamp::now());
        Rehearsal::check_body(request.body())?;
        let webhook = self.webhooks.find(&request.account, id).await?.ok_or_else(|| ApiError::no_webhook(id))?;
        if !webhook.is_active() {
            return Err(ApiError::disabled(&webhook));
        }
        // A request that is made again after a crash names the same rehearsal, and is not refused for coming too soon.
        let asked = Rehearsal::begin(&webhook, request.first_at(), request.number(), now);
        let rehearsal = match self.rehearsals.begin(&asked).await? {
            RehearsalBegun::Now(rehearsal) => rehearsal,
            RehearsalBegun::TooSoon(wait) => return Err(ApiError::rehearsed_too_soon(id, wait)),
        };
        if let Some(message) = rehearsal.next_message() {
            self.queue.send_text(&message.to_text(), Some(&message.account_id)).await?;
        }
        Ok(Reply::accepted(&rehearsal.view(now)))
    }
}
