//! `POST /api/v1/webhooks/{id}/resend`: begins a resend: everything in a time range that failed, was cancelled, missed or
//! delivered is sent to this webhook again. `release` does the work, a part each minute.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws,
    store::{BeginResult, Webhooks},
    telemetry,
    webhook::ResendRequest,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let webhooks = Webhooks::from_env(&aws)?;
    api::serve_once(&gate, &webhooks, |request| handle(&webhooks, request)).await
}

async fn handle(webhooks: &Webhooks, request: Request) -> Result<Reply, ApiError> {
    // Of a request that is made again after a crash, the time when it first came. So the resend that it began then is
    // recognised, although it may be done by now.
    let (id, now) = (request.webhook_id()?, request.first_at());
    let asked = ResendRequest::parse(request.body(), now)?;
    match webhooks.begin_resend(&request.account, id, &asked, now).await? {
        BeginResult::Now(webhook) => Ok(Reply::accepted(&webhook.resend_view())),
        BeginResult::Busy => Err(ApiError::Conflict(format!(
            "another resend of webhook {id} is under way; stop it first, or wait until it is done"
        ))),
        BeginResult::Disabled(webhook) => Err(ApiError::disabled(&webhook)),
        BeginResult::NoWebhook => Err(ApiError::no_webhook(id)),
    }
}
