//! `POST /api/v1/webhooks`: registers an endpoint.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    config,
    egress::Policy,
    store::{CreateError, Webhooks},
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
    let aws = config::aws().await;
    let gate = Gate::new(&aws)?;
    let create_webhook = CreateWebhook {
        webhooks: Webhooks::new(&aws, config::text("WEBHOOKS_TABLE")?),
        policy: config::egress_policy()?,
        most_per_account: config::parsed("MAX_WEBHOOKS_PER_ACCOUNT")?,
    };
    api::serve(&gate, |request| create_webhook.handle(request)).await
}

impl CreateWebhook {
    async fn handle(&self, request: Request) -> Result<Reply, ApiError> {
        // The function cannot be told its own host, since the API refers to the function; but the request came by it.
        let policy = self.policy.clone().with_own_hosts(request.own_host().map(str::to_owned));
        let new = NewWebhook::parse(request.body(), &policy)?;
        let generated = new.secret.is_none();
        match self.webhooks.create(&request.account, new, self.most_per_account).await {
            Ok(webhook) => Ok(Reply::created(&webhook.view_once(generated))),
            Err(err @ (CreateError::LimitReached(_) | CreateError::Contended)) => {
                Err(ApiError::Conflict(err.to_string()))
            }
            Err(CreateError::Store(err)) => Err(err.into()),
        }
    }
}
