//! `DELETE /api/v1/events/{event_id}`: erases an event's payload wherever it is stored, and what endpoints answered to
//! it. The event stays listed, without its payload. A repeated request erases the rest if the first one failed.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws, config,
    delivery::{self, Erasure},
    store::{Deliveries, Events, Webhooks, expires_at},
    telemetry,
};

struct DeleteEvent {
    webhooks: Webhooks,
    events: Events,
    deliveries: Deliveries,
    retention_days: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let delete_event = DeleteEvent {
        webhooks: Webhooks::from_env(&aws)?,
        events: Events::from_env(&aws)?,
        deliveries: Deliveries::from_env(&aws)?,
        retention_days: config::parsed("HISTORY_RETENTION_DAYS")?,
    };
    api::serve(&gate, &[], |request| delete_event.handle(request)).await
}

impl DeleteEvent {
    async fn handle(&self, request: Request) -> Result<Reply, ApiError> {
        let (account, id, now) = (&request.account, request.event_id()?, Timestamp::now());
        // First the event: from then on, no message is sent for it.
        let kept = expires_at(self.retention_days.max(delivery::ERASED_KEPT_DAYS));
        let event = self.events.erase(account, &id, now, kept).await?.ok_or_else(|| ApiError::no_event(&id))?;
        let webhooks = self.webhooks.list(account).await?;
        self.deliveries.erase(&event, &webhooks, kept).await?;
        Ok(Reply::ok(&Erasure::new(id, event.erased_at.unwrap_or(now))))
    }
}
