//! What all API functions share: the reply envelope, the errors, and the check of the API key.
//!
//! A function's `main` passes its handler to [`serve`]. The handler runs only if the [`Gate`] admits the request,
//! with a valid key and within the key's limits, and reads the key's account from its [`Request`]. So no route can
//! forget the check. Routes that anyone may read use [`serve_public`]. Every `POST` route uses [`serve_once`], which
//! answers a repeated request with the first reply.

pub mod envelope;
mod error;
mod gate;
pub mod listing;
mod once;
mod origin;
mod query;

use std::panic::AssertUnwindSafe;

pub use error::ApiError;
use futures_util::FutureExt as _;
pub use gate::Gate;
use jiff::Timestamp;
use lambda_http::{
    Adapter, Body, LambdaEvent, RequestExt as _, Response,
    http::{HeaderValue, Method, StatusCode, header::HOST},
    request::{LambdaRequest, RequestContext},
    service_fn,
    tower::ServiceExt as _,
};
pub use once::serve_once;
use serde::Serialize;
use url::Url;

use self::origin::Origin;
use crate::{
    egress::Policy,
    names::{AccountId, EventId, WebhookId},
    store::Claim,
    webhook::Secret,
};

/// The largest request body, in bytes.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// A request with a valid key. It has no `Debug`, because it holds the key and may hold a secret.
pub struct Request {
    /// The account that the key belongs to.
    pub account: AccountId,
    /// The claim on its `Idempotency-Key`, if it has one and the route uses [`serve_once`].
    pub claim: Option<Claim>,
    inner: lambda_http::Request,
}

impl Request {
    /// The webhook id of the path's `{id}`. A malformed id fails with the same error as an unknown webhook.
    pub fn webhook_id(&self) -> Result<WebhookId, ApiError> {
        let text = self.path_parameter("id");
        WebhookId::parse(text).ok_or_else(|| ApiError::NotFound(format!("there is no webhook {text}")))
    }

    /// The event id of the path's `{event_id}`. A malformed id fails with the same error as an unknown event.
    pub fn event_id(&self) -> Result<EventId, ApiError> {
        let text = self.path_parameter("event_id");
        EventId::parse(text).ok_or_else(|| ApiError::NotFound(format!("there is no event {text}")))
    }

    fn path_parameter(&self, name: &str) -> &str {
        self.inner.path_parameters_ref().and_then(|parameters| parameters.first(name)).unwrap_or_default()
    }

    /// A parameter of the query, decoded. If it occurs several times, the first one.
    pub fn query_parameter(&self, name: &str) -> Option<&str> {
        self.inner.query_string_parameters_ref()?.first(name)
    }

    /// The method and path, for messages.
    pub fn line(&self) -> String {
        format!("{} {}", self.inner.method(), self.inner.raw_http_path())
    }

    /// The body's bytes.
    pub fn body(&self) -> &[u8] {
        self.inner.body()
    }

    /// When the request came for the first time, with its `Idempotency-Key`; without a key, now.
    pub fn first_at(&self) -> Timestamp {
        self.claim.as_ref().map_or_else(Timestamp::now, |claim| claim.first_at)
    }

    /// A random number. Of a request that is made again after a crash, the same number.
    pub fn number(&self) -> u64 {
        self.claim.as_ref().map_or_else(|| getrandom::u64().unwrap_or_default(), Claim::number)
    }

    /// A policy that also forbids the API's own host. The API refers to the function, so the template cannot give the
    /// function that name; it is taken from the gateway's request context. A `Host` header could lie.
    pub fn policy(&self, policy: &Policy) -> Policy {
        let own_host = match self.inner.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.domain_name.clone(),
            _ => None,
        };
        policy.clone().with_own_hosts(own_host)
    }
}

/// A reply's header: name and value.
type Header = (&'static str, String);

/// A reply: status, headers and body. It has no `Debug`, because the body may show a secret.
pub struct Reply {
    status: StatusCode,
    headers: Vec<Header>,
    body: Body,
    /// The secret that the body shows.
    secret: Option<Secret>,
}

impl Reply {
    /// 200 with this data.
    pub fn ok(data: &impl Serialize) -> Self {
        Self::new(StatusCode::OK, data)
    }

    /// 201 with the thing that was created.
    pub fn created(data: &impl Serialize) -> Self {
        Self::new(StatusCode::CREATED, data)
    }

    /// 202 for work that will be done soon.
    pub fn accepted(data: &impl Serialize) -> Self {
        Self::new(StatusCode::ACCEPTED, data)
    }

    /// 307 to another URL, which may be relative.
    pub fn redirect(to: impl Into<String>) -> Self {
        let headers = vec![("location", to.into())];
        Self { status: StatusCode::TEMPORARY_REDIRECT, headers, body: Body::Empty, secret: None }
    }

    /// 200 with a file, without the envelope.
    pub fn file(content_type: &'static str, content: impl Into<Body>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status: StatusCode::OK, headers, body: content.into(), secret: None }
    }

    /// 304: the client already has the file.
    pub fn not_modified() -> Self {
        Self { status: StatusCode::NOT_MODIFIED, headers: Vec::new(), body: Body::Empty, secret: None }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Says which secret the data shows, so that it is not stored with the reply.
    #[must_use]
    pub fn showing(self, secret: Option<&Secret>) -> Self {
        Self { secret: secret.cloned(), ..self }
    }

    fn new(status: StatusCode, data: &impl Serialize) -> Self {
        Self::json(status, envelope::success(data))
    }

    fn json(status: StatusCode, body: String) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: body.into(), secret: None }
    }

    fn without_body(self) -> Self {
        Self { body: Body::Empty, ..self }
    }

    fn error(err: &ApiError, request_id: &str) -> Self {
        let reply = Self::json(err.parts().0, envelope::failure(err, request_id));
        match err.retry_after() {
            Some(seconds) => reply.with_header("retry-after", seconds.to_string()),
            None => reply,
        }
    }
}

/// The result of a request, and headers that the reply has in either case.
type Answer = (Result<Reply, ApiError>, Vec<Header>);

/// Serves one route: admits requests through the gate, calls the handler, and puts its result into the envelope.
/// `parameters` are the query parameters of the route; a request with any other is refused.
pub async fn serve<H, F>(gate: &Gate, parameters: &[&str], handler: H) -> Result<(), lambda_http::Error>
where
    H: Fn(Request) -> F + Sync,
    F: Future<Output = Result<Reply, ApiError>> + Send,
{
    let handler = &handler;
    let checked = async |request: Request| {
        query::check(&request.inner, parameters)?;
        handler(request).await
    };
    serve_partly_public(gate, |_| None, checked).await
}

/// The same as [`serve`], but a request for which `public` returns a reply needs no key, and the query is not
/// checked.
pub async fn serve_partly_public<P, H, F>(gate: &Gate, public: P, handler: H) -> Result<(), lambda_http::Error>
where
    P: Fn(&lambda_http::Request) -> Option<Reply> + Sync,
    H: Fn(Request) -> F + Sync,
    F: Future<Output = Result<Reply, ApiError>> + Send,
{
    let (public, handler) = (&public, &handler);
    run(|request: lambda_http::Request| async move {
        if let Some(reply) = public(&request) {
            return (Ok(reply), Vec::new());
        }
        let (key, allowance) = match gate.admit(request.headers()).await {
            Ok(admitted) => admitted,
            Err(err) => return (Err(err), Vec::new()),
        };
        let (size, headers) = (request.body().len(), gate.headers(key.scope, &allowance));
        let result = if !allowance.allowed {
            Err(ApiError::RateLimited(allowance))
        } else if !key.scope.allows(request.method()) {
            Err(ApiError::Forbidden(request.method().clone()))
        } else if size > MAX_REQUEST_BYTES {
            Err(ApiError::TooLarge(size))
        } else {
            handler(Request { account: key.account_id, claim: None, inner: request }).await
        };
        (result, headers)
    })
    .await
}

/// Serves a route that needs no key, because its data is public. `HEAD` gets the headers of `GET`.
pub async fn serve_public<H>(handler: H) -> Result<(), lambda_http::Error>
where
    H: Fn(&lambda_http::Request) -> Result<Reply, ApiError> + Sync,
{
    let handler = &handler;
    run(|request: lambda_http::Request| async move {
        let reply = handler(&request);
        (if request.method() == Method::HEAD { reply.map(Reply::without_body) } else { reply }, Vec::new())
    })
    .await
}

async fn run<A, F>(answer: A) -> Result<(), lambda_http::Error>
where
    A: Fn(lambda_http::Request) -> F + Sync,
    F: Future<Output = Answer> + Send,
{
    let answer = &answer;
    let origin = &Origin::from_env()?;
    let service = service_fn(|request: lambda_http::Request| async move {
        let request_id = request.lambda_context().request_id;
        let let_in = origin.lets_in(request.headers());
        // If a panic escaped, the gateway would answer in its own words, without the envelope.
        let answered = async { if let_in { answer(request).await } else { (Err(ApiError::Unauthorized), Vec::new()) } };
        let answered = AssertUnwindSafe(answered).catch_unwind().await;
        let panicked = |_| (Err(ApiError::Internal("the handler panicked".into())), Vec::new());
        let (result, headers) = answered.unwrap_or_else(panicked);
        let reply = result.unwrap_or_else(|err| Reply::error(&err, &request_id));
        let mut response = Response::builder().status(reply.status).header("x-request-id", request_id);
        for (name, value) in reply.headers.into_iter().chain(headers) {
            response = response.header(name, value);
        }
        Ok::<_, lambda_http::Error>(response.body(reply.body).expect("status and headers are valid"))
    });
    lambda_runtime::run(Adapter::from(service).map_request(with_a_valid_url)).await
}

/// Replaces the parts of a request with which a client could make `lambda_http` panic, before any of our code runs.
///
/// `lambda_http` builds a URL from two headers and the raw query, and panics if the result is not a valid URL. No
/// code here reads that URL, so any host will do. The query is percent-encoded where the client should have done
/// that.
fn with_a_valid_url(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
        request.headers.insert(HOST, HeaderValue::from_static("localhost"));
        request.headers.remove("x-forwarded-proto");
        let mut url = Url::parse("https://localhost").expect("a URL");
        url.set_query(request.raw_query_string.as_deref());
        request.raw_query_string = url.query().map(str::to_owned);
    }
    event
}
