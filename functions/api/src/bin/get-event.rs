//! `GET /api/v1/events/{event_id}`: one event with its payload, and where it stands with each webhook, or why nothing
//! was sent there.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    delivery::EventDetails,
    store::{Deliveries, Events, Webhooks},
    telemetry,
};

struct GetEvent {
    webhooks: Webhooks,
    events: Events,
    deliveries: Deliveries,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let get_event = GetEvent {
        webhooks: Webhooks::from_env(&aws)?,
        events: Events::from_env(&aws)?,
        deliveries: Deliveries::from_env(&aws)?,
    };
    api::serve(&gate, &[], |request| get_event.handle(request)).await
}

impl GetEvent {
    async fn handle(&self, request: Request) -> Result<Reply, ApiError> {
        let (account, id) = (&request.account, request.event_id()?);
        let (event, webhooks) = tokio::try_join!(self.events.find(account, &id), self.webhooks.list(account))?;
        let event = event.ok_or_else(|| ApiError::no_event(&id))?;
        let deliveries = self.deliveries.of_event(&event, &webhooks).await?;
        Ok(Reply::ok(&EventDetails::new(event, &webhooks, &deliveries)))
    }
}
