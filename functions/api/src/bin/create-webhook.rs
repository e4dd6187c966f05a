//! `POST /api/v1/webhooks`: registers an endpoint.

use nano_webhooks::{
    api::{self, ApiError, Gate, Reply, Request},
    aws, config,
    egress::Policy,
    store::{CreateError, Created, Webhooks},
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
    api::serve_once(&gate, &create_webhook.webhooks, |request| create_webhook.handle(request)).await
}

impl CreateWebhook {
    async fn handle(&self, request: Request) -> Result<Reply, ApiError> {
        let new = NewWebhook::parse(request.body(), &request.policy(&self.policy))?;
        let given = new.optional.clone();
        let (account, limit) = (&request.account, self.most_per_account);
        match self.webhooks.create(account, new, limit, request.claim.as_ref()).await {
            Ok(Created { webhook, generated, replayed }) => {
                let secret = generated.then_some(&webhook.secret);
                let reply = Reply::created(&webhook.view_with(&given).once_with(secret)).showing(secret);
                Ok(if replayed { reply.repeated() } else { reply })
            }
            Err(CreateError::Store(err)) => Err(err.into()),
            Err(err) => Err(ApiError::Conflict(err.to_string())),
        }
    }
}
