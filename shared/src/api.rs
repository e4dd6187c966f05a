//! What every API function has in common: the envelope, the errors, and that nobody gets in without a key.
//!
//! A function's `main` hands its handler to [`serve`]. The handler runs only for a request that carries a valid key,
//! and finds the key's account in its [`Request`]; so no route can forget to ask.

mod key;

use std::{error::Error as StdError, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
pub use key::ApiKey;
use lambda_http::{Body, RequestExt as _, Response, http::StatusCode, request::RequestContext, service_fn};
use serde::Serialize;
use serde_json::json;

use crate::{
    delivery::DeliveryId,
    queue::QueueError,
    store::{ApiKeys, StoreError},
    telemetry,
    webhook::{AccountId, Invalid, WebhookId},
};

/// The largest request body, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// Why a request gets no data. One match in [`ApiError::parts`] turns it into a reply.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No key, or none that opens anything.
    #[error("Invalid or missing API key")]
    Unauthorized,
    /// The request is wrong; the text names the field and the fix.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing, or it is somebody else's, which must look the same.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done in the state that things are in.
    #[error("{0}")]
    Conflict(String),
    /// The body is larger than [`MAX_BODY`].
    #[error("the body is {0} bytes; the limit is {MAX_BODY}")]
    TooLarge(usize),
    /// Our fault. The cause is for the log alone.
    #[error("something went wrong on our side; the request id helps us to find out what")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
}

impl ApiError {
    /// The reply for a webhook that does not exist, or is another account's.
    pub fn no_webhook(id: WebhookId) -> Self {
        Self::NotFound(format!("there is no webhook {id}"))
    }

    /// The reply for a delivery that does not exist, or is another webhook's.
    pub fn no_delivery(id: &DeliveryId) -> Self {
        Self::NotFound(format!("there is no delivery {id}"))
    }

    fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }
}

impl From<Invalid> for ApiError {
    fn from(Invalid(message): Invalid) -> Self {
        Self::Invalid(message)
    }
}

impl From<StoreError> for ApiError {
    fn from(err: StoreError) -> Self {
        Self::Internal(err.into())
    }
}

impl From<QueueError> for ApiError {
    fn from(err: QueueError) -> Self {
        Self::Internal(err.into())
    }
}

/// A request whose key was valid. It has no `Debug`: it holds the key, and may hold a secret.
pub struct Request {
    /// The account that the key speaks for.
    pub account: AccountId,
    inner: lambda_http::Request,
}

impl Request {
    /// The webhook that the path's `{id}` names. What cannot name one gets the same reply as what names none.
    pub fn webhook_id(&self) -> Result<WebhookId, ApiError> {
        let text = self.path_parameter("id");
        WebhookId::parse(text).ok_or_else(|| ApiError::NotFound(format!("there is no webhook {text}")))
    }

    /// The delivery that the path's `{delivery_id}` names.
    pub fn delivery_id(&self) -> Result<DeliveryId, ApiError> {
        let text = self.path_parameter("delivery_id");
        DeliveryId::parse(text).ok_or_else(|| ApiError::NotFound(format!("there is no delivery {text}")))
    }

    fn path_parameter(&self, name: &str) -> &str {
        self.inner.path_parameters_ref().and_then(|parameters| parameters.first(name)).unwrap_or_default()
    }

    /// A parameter of the query, decoded; where it stands several times the gateway has joined the values with commas.
    pub fn query_parameter(&self, name: &str) -> Option<&str> {
        self.inner.query_string_parameters_ref()?.first(name)
    }

    /// The method and path, to name in a message.
    pub fn line(&self) -> String {
        format!("{} {}", self.inner.method(), self.inner.raw_http_path())
    }

    /// The body's bytes.
    pub fn body(&self) -> &[u8] {
        self.inner.body()
    }

    /// The API's own host name under which the client reached us, as the gateway has it: a `Host` header could lie.
    pub fn own_host(&self) -> Option<&str> {
        match self.inner.request_context_ref()? {
            RequestContext::ApiGatewayV2(context) => context.domain_name.as_deref(),
            _ => None,
        }
    }
}

/// A status and the `data` of a reply.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    data: String,
}

impl Reply {
    /// 200 with this data.
    pub fn ok(data: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, data)
    }

    /// 201 with the thing that was made.
    pub fn created(data: &impl Serialize) -> Self {
        Self::new(StatusCode::CREATED, data)
    }

    /// 202 for what will be done soon.
    pub fn accepted(data: &impl Serialize) -> Self {
        Self::new(StatusCode::ACCEPTED, data)
    }

    fn new(status: StatusCode, data: &impl Serialize) -> Self {
        Self { status, data: serde_json::to_string(data).expect("a reply's data has string keys and no failing parts") }
    }
}

/// Serves one route: checks the key, calls the handler, and puts whatever comes of it into the envelope.
pub async fn serve<H, F>(keys: &ApiKeys, handler: H) -> Result<(), lambda_http::Error>
where
    H: Fn(Request) -> F + Sync,
    F: Future<Output = Result<Reply, ApiError>> + Send,
{
    let handler = &handler;
    lambda_http::run(service_fn(|request: lambda_http::Request| async move {
        let request_id = request.lambda_context().request_id;
        // A panic must not cost the client the envelope: the gateway would answer in its own words.
        let result = AssertUnwindSafe(answer(keys, handler, request)).catch_unwind().await;
        let result = result.unwrap_or_else(|_| Err(ApiError::Internal("the handler panicked".into())));
        Ok::<_, lambda_http::Error>(envelope(result, &request_id))
    }))
    .await
}

async fn answer<H, F>(keys: &ApiKeys, handler: &H, request: lambda_http::Request) -> Result<Reply, ApiError>
where
    H: Fn(Request) -> F + Sync,
    F: Future<Output = Result<Reply, ApiError>> + Send,
{
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let key = header.and_then(ApiKey::from_authorization).ok_or(ApiError::Unauthorized)?;
    let account = keys.account_of(&key).await?.ok_or(ApiError::Unauthorized)?;
    let size = request.body().len();
    if size > MAX_BODY {
        return Err(ApiError::TooLarge(size));
    }
    handler(Request { account, inner: request }).await
}

fn envelope(result: Result<Reply, ApiError>, request_id: &str) -> Response<Body> {
    let (status, body) = match result {
        Ok(Reply { status, data }) => (status, format!(r#"{{"success":true,"data":{data}}}"#)),
        Err(err) => {
            let (status, code) = err.parts();
            if let ApiError::Internal(cause) = &err {
                tracing::error!(request_id, cause = telemetry::chain(cause.as_ref()), "request failed");
            }
            // Written out rather than serialised from a map, whose order is not the page's.
            let message = json!(err.to_string());
            (status, format!(r#"{{"success":false,"error":{{"code":"{code}","message":{message}}}}}"#))
        }
    };
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("x-request-id", request_id)
        .body(body.into())
        .expect("status and headers are valid")
}
