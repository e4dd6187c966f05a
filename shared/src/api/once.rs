//! Answers a repeated `POST` with the first reply. Requests are the same if their `Idempotency-Key` is.
//! `store/webhooks/requests.rs` describes the protocol.

use jiff::Timestamp;
use lambda_http::{Body, http::StatusCode};

use super::{ApiError, Gate, Reply, Request, serve};
use crate::{
    aws::AwsError,
    names::AccountId,
    request::Invalid,
    store::{ClaimResult, CreateError, KeyedRequest, StoredReply, Webhooks},
    telemetry,
    webhook::Webhook,
};

/// Serves one `POST` route, which takes no query parameters. Like [`serve`], except that the handler runs once for a
/// request with an `Idempotency-Key`, and for 24 hours every repetition gets the first reply.
///
/// A request that was refused has done nothing, and is not remembered. After an error on our side, or a crash, the
/// handler runs again, with the same [`Request::first_at`] and with what the first run noted in its claim. It must
/// recognise from these what is done already.
pub async fn serve_once<H, F>(gate: &Gate, webhooks: &Webhooks, handler: H) -> Result<(), lambda_http::Error>
where
    H: Fn(Request) -> F + Sync,
    F: Future<Output = Result<Reply, ApiError>> + Send,
{
    let handler = &handler;
    serve(gate, &[], |request| once(webhooks, handler, request)).await
}

async fn once<H, F>(webhooks: &Webhooks, handler: &H, request: Request) -> Result<Reply, ApiError>
where
    H: Fn(Request) -> F + Sync,
    F: Future<Output = Result<Reply, ApiError>> + Send,
{
    let Some(key) = request.idempotency_key()? else { return handler(request).await };
    let line = request.line();
    let keyed = KeyedRequest { account: &request.account, key, line: &line, body: request.body() };
    let claim = match webhooks.claim(keyed, Timestamp::now()).await? {
        ClaimResult::Claimed(claim) => claim,
        ClaimResult::Answered(reply) => return repeat(webhooks, &request.account, reply).await,
        refused => return Err(ApiError::Conflict(refusal(&refused, &line))),
    };
    let result = handler(Request { claim: Some(claim.clone()), ..request }).await;
    let stored = match &result {
        Ok(reply) => webhooks.store_reply(&claim, reply.status.as_u16(), &reply.without_secret()).await,
        // What an earlier run has done stays noted, so that a repetition finds the same as this one.
        Err(err) if claim.noted.is_some() || matches!(err, ApiError::Internal(_)) => webhooks.release(&claim).await,
        Err(_) => webhooks.forget_request(&claim, Timestamp::now()).await,
    };
    if let Err(err) = stored {
        // The work is done or refused, and the client learns that now. A repetition runs the handler again after the lease.
        tracing::error!(cause = telemetry::chain(&err), "the outcome of a request with a key was not stored");
    }
    result
}

/// The message of a 409 for a key that cannot be claimed.
fn refusal(result: &ClaimResult, line: &str) -> String {
    let new = if line == "POST /api/v1/webhooks" { "webhook" } else { "request" };
    match result {
        ClaimResult::AnotherBody => {
            format!("this Idempotency-Key was used with another body; use a new key for a new {new}")
        }
        ClaimResult::AnotherRoute(other) => {
            format!("this Idempotency-Key was used for {other}; use a new key for a new {new}")
        }
        _ => "a request with this Idempotency-Key is under way; try again".to_owned(),
    }
}

/// The reply to an earlier request. It shows a generated secret as long as that is the webhook's newest one.
async fn repeat(webhooks: &Webhooks, account: &AccountId, stored: StoredReply) -> Result<Reply, ApiError> {
    let status = StatusCode::from_u16(stored.status).map_err(|err| AwsError::new("read a stored reply", err))?;
    let webhook = match &stored.noted {
        Some(noted) => webhooks.find(account, noted.webhook_id).await?,
        None => None,
    };
    if let (StatusCode::CREATED, Some(noted), None) = (status, &stored.noted, &webhook) {
        return Err(ApiError::Conflict(CreateError::Deleted(noted.webhook_id).to_string()));
    }
    let body = with_secret(&stored, webhook.as_ref());
    Ok(Reply::json(status, body).repeated())
}

impl Request {
    /// The header `Idempotency-Key`. Fails unless it is 1 to 255 visible ASCII characters.
    fn idempotency_key(&self) -> Result<Option<&str>, ApiError> {
        let Some(value) = self.inner.headers().get("idempotency-key") else { return Ok(None) };
        let visible = |key: &&str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        let wrong = || Invalid::request("Idempotency-Key must be 1 to 255 visible ASCII characters");
        Ok(Some(value.to_str().ok().filter(visible).ok_or_else(wrong)?))
    }
}

impl Reply {
    /// Says that the same request was made before.
    #[must_use]
    pub fn repeated(self) -> Self {
        self.with_header("idempotent-replayed", "true")
    }

    /// The body with the secret's digest in place of the secret.
    fn without_secret(&self) -> String {
        let Body::Text(body) = &self.body else { return String::new() };
        match &self.secret {
            Some(secret) => body.replace(secret.reveal(), &secret.digest()),
            None => body.clone(),
        }
    }
}

/// The stored body with the secret in place of its digest, or without the field if it is no longer the webhook's newest
/// secret.
fn with_secret(stored: &StoredReply, webhook: Option<&Webhook>) -> String {
    let Some((noted, digest)) = stored.noted.as_ref().and_then(|noted| Some((noted, noted.digest()?))) else {
        return stored.body.clone();
    };
    match webhook.filter(|webhook| noted.is_secret_of(webhook)) {
        Some(webhook) => stored.body.replace(digest, webhook.secret.reveal()),
        None => stored.body.replace(&format!(r#","secret_key":"{digest}""#), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        names::{EventType, WebhookId},
        webhook::Secret,
    };

    fn webhook(secret: Secret) -> Webhook {
        let (account, url) = (AccountId::parse("acct_1").unwrap(), "https://a.example.com/hook".to_owned());
        Webhook::new(account, WebhookId(1), url, vec![EventType::JobCompleted], secret)
    }

    fn shown(webhook: &Webhook) -> String {
        let reply = Reply::created(&webhook.view().once_with(Some(&webhook.secret)));
        String::from_utf8(reply.body.to_vec()).unwrap()
    }

    fn stored(webhook: &Webhook) -> StoredReply {
        let view = webhook.view().once_with(Some(&webhook.secret));
        let body = Reply::created(&view).showing(Some(&webhook.secret)).without_secret();
        StoredReply { status: 201, body, noted: Some(crate::store::Noted::of(webhook.id, &webhook.secret)) }
    }

    #[test]
    fn a_stored_reply_has_no_secret_and_gets_it_back_as_long_as_it_is_the_newest() {
        let webhook = webhook(Secret::generate());
        let stored = stored(&webhook);
        assert!(!stored.body.contains(webhook.secret.reveal()) && !stored.body.contains("whsec_"), "{}", stored.body);
        assert_eq!(with_secret(&stored, Some(&webhook)), shown(&webhook));

        let without = r#"{"success":true,"data":{"id":1,"url":"https://a.example.com/hook","events":["job.completed"],"status":"active"}}"#;
        let rotated = self::webhook(Secret::generate());
        assert_eq!(with_secret(&stored, Some(&rotated)), without);
        assert_eq!(with_secret(&stored, None), without, "the webhook was deleted");
    }

    #[test]
    fn a_customers_own_secret_is_not_put_into_a_reply() {
        let webhook = webhook(Secret::parse("a-secret-of-the-customers-own").unwrap());
        let body = Reply::ok(&webhook.view()).showing(None).without_secret();
        let noted = Some(crate::store::Noted::of(webhook.id, &webhook.secret));
        let repeated = with_secret(&StoredReply { status: 200, body: body.clone(), noted }, Some(&webhook));
        assert_eq!(repeated, body);
    }

    #[test]
    fn a_refusal_says_what_the_key_was_used_for_and_what_to_do() {
        let create = "POST /api/v1/webhooks";
        let body = "this Idempotency-Key was used with another body; use a new key for a new webhook";
        assert_eq!(refusal(&ClaimResult::AnotherBody, create), body);
        let route = "this Idempotency-Key was used for POST /api/v1/webhooks; use a new key for a new request";
        assert_eq!(refusal(&ClaimResult::AnotherRoute(create.into()), "POST /api/v1/webhooks/1/test"), route);
        let under_way = "a request with this Idempotency-Key is under way; try again";
        assert_eq!(refusal(&ClaimResult::UnderWay, create), under_way);
    }
}
