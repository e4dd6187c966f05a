//! `POST /api/v1/webhooks`: registers an endpoint.

use jiff::Timestamp;
use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws, config,
    egress::Policy,
    store::{CreateError, Created, Idempotency, Webhooks},
    telemetry,
    webhook::NewWebhook,
};

struct CreateWebhook {
    webhooks: Webhooks,
    policy: Policy,
    most_per_account: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let gate = Gate::from_env(&aws)?;
    let create_webhook = CreateWebhook {
        webhooks: Webhooks::from_env(&aws)?,
        policy: config::egress_policy()?,
        most_per_account: config::parsed("MAX_WEBHOOKS_PER_ACCOUNT")?,
    };
    api::serve(&gate, &[], |request| create_webhook.handle(request)).await
}

impl CreateWebhook {
    async fn handle(&self, request: Request) -> Result<Reply, ApiError> {
        let new = NewWebhook::parse(request.body(), &request.policy(&self.policy))?;
        let idempotency = request.idempotency_key()?.map(|key| Idempotency { key, body: request.body() });
        let (account, limit) = (&request.account, self.most_per_account);
        match self.webhooks.create(account, new, limit, idempotency, Timestamp::now()).await {
            Ok(Created { webhook, generated, replayed }) => {
                let reply = Reply::created(&webhook.view().once_with(generated.then_some(&webhook.secret)));
                Ok(if replayed { reply.with_header("idempotent-replayed", "true") } else { reply })
            }
            Err(CreateError::Store(err)) => Err(err.into()),
            Err(err) => Err(ApiError::Conflict(err.to_string())),
        }
    }
}
