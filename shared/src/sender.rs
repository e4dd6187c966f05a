//! The call: one signed POST to a customer's endpoint, bounded in time and size whatever the receiver does.
//!
//! It is built on hyper's connections and not on a general HTTP client. Such a client follows redirects, finds proxies
//! in the environment, decompresses, keeps any number of idle connections, and hides what must be known here: in which
//! phase a request failed, whether its connection had been used before, and whether anything had come back. What is
//! absent need not be switched off, and each phase is a line of code that names its own [`Outcome`].
//!
//! - [`dial`] makes connections: look-up, vetting, TCP, TLS, each with its outcome,
//! - [`connection`] speaks HTTP over one, and knows what came back,
//! - [`idle`] keeps the good ones for the next attempt,
//! - [`response`] reads an answer, no more of it than is needed, and makes it fit to be shown.

mod connection;
mod dial;
mod idle;
mod response;

use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::HOST,
};
use jiff::{Timestamp, Unit};
use tokio::time::timeout_at;
use url::Position;

use self::{connection::Connection, idle::Idle};
use crate::{
    delivery::{Attempt, Delivery, Outcome},
    egress::{Policy, TargetUrl},
    signature::{self, Signatures},
    webhook::Webhook,
};

const USER_AGENT: &str = concat!("nano-webhooks/", env!("CARGO_PKG_VERSION"));

/// Calls endpoints. One per sandbox: it holds the connections that warm invocations use again.
#[derive(Debug)]
pub struct Sender {
    policy: Policy,
    timeout: Duration,
    idle: Idle,
}

/// An attempt, and what of its answer matters for the next one but not for the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What happened.
    pub attempt: Attempt,
    /// The response's `Retry-After`, unparsed: up to 64 characters of visible ASCII and spaces.
    pub retry_after: Option<String>,
    /// When the request went out; nothing where none did. Where it was sent twice, the second time.
    pub sent_at: Option<Timestamp>,
}

/// What a call comes to, but for the time it took.
struct Called {
    outcome: Outcome,
    retry_after: Option<String>,
    sent: Sent,
}

/// What is known of a request even where no answer came.
#[derive(Debug, Default)]
struct Sent {
    at: Option<Timestamp>,
    twice: bool,
}

impl Sender {
    /// A sender that calls what the policy allows. An attempt, from its first look-up to the last byte of the response that
    /// is read, ends after `timeout`. The first one over https panics where the system has no root certificates.
    pub fn new(policy: Policy, timeout: Duration) -> Self {
        dial::read_roots();
        Self { policy, timeout, idle: Idle::default() }
    }

    /// Makes one attempt, signed with the time at which it starts. Whatever the receiver does is an [`Outcome`]. `traceparent`
    /// is the header of that name, where the endpoint is to know which trace it is part of.
    pub async fn attempt(&self, webhook: &Webhook, delivery: &Delivery, traceparent: Option<&str>) -> Exchange {
        let (started_at, clock) = (now(), Instant::now());
        let Called { outcome, retry_after, sent } = self.call(webhook, delivery, started_at, traceparent).await;
        let duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        let outcome = outcome.shortened();
        let attempt = Attempt { started_at, duration_ms, resent: sent.twice, outcome, answer: None };
        Exchange { attempt, retry_after, sent_at: sent.at }
    }

    async fn call(
        &self,
        webhook: &Webhook,
        delivery: &Delivery,
        started_at: Timestamp,
        traceparent: Option<&str>,
    ) -> Called {
        let deadline = tokio::time::Instant::now() + self.timeout;
        let mut called = Called { outcome: Outcome::Timeout, retry_after: None, sent: Sent::default() };
        let (target, request) = match self.prepare(webhook, delivery, started_at, traceparent) {
            Ok(prepared) => prepared,
            Err(detail) => return Called { outcome: Outcome::Blocked { detail, resolved: false }, ..called },
        };
        match timeout_at(deadline, self.send(&target, &request, &mut called.sent)).await {
            Err(_) => {}
            Ok(Err(outcome)) => called.outcome = outcome,
            Ok(Ok((connection, answer))) => {
                let http_status = answer.status().as_u16();
                called.retry_after = response::retry_after(answer.headers());
                let mut body = Vec::new();
                // The status has decided; a body that breaks off or never ends changes nothing but the record.
                let read = timeout_at(deadline, response::read(answer.into_body(), &mut body)).await;
                if read.is_ok_and(|whole| whole) {
                    self.idle.keep(&target, connection, Instant::now());
                }
                called.outcome = Outcome::Http { http_status, response: response::safe_text(&body) };
            }
        }
        called
    }

    /// The request, or why there is none to make.
    fn prepare(
        &self,
        webhook: &Webhook,
        delivery: &Delivery,
        started_at: Timestamp,
        traceparent: Option<&str>,
    ) -> Result<(TargetUrl, Request<Full<Bytes>>), String> {
        let target = TargetUrl::parse(&webhook.url, &self.policy).map_err(|refusal| refusal.to_string())?;
        let url = target.url();
        let Delivery { id, event, body, .. } = delivery;
        let timestamp = started_at.as_second();
        let Signatures { page, previous, standard } = signature::of(webhook, id.as_str(), started_at, body);
        let mut request = Request::post(target.path_and_query())
            .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header("accept", "*/*")
            .header("user-agent", USER_AGENT)
            .header("content-type", "application/json")
            .header("x-nano-event", event.as_str())
            .header("x-nano-timestamp", timestamp)
            .header("x-nano-signature", page)
            .header("webhook-id", id.as_str())
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", standard);
        if let Some(previous) = previous {
            request = request.header("x-nano-signature-previous", previous);
        }
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let request = request
            .body(Full::from(body.clone()))
            .map_err(|problem| format!("no request can be made of it ({problem})"))?;
        Ok((target, request))
    }

    /// Sends the request, over a connection that is open already where there is one.
    ///
    /// While a sandbox is frozen its connections die and nobody tells it: receivers close what is idle, NAT gateways
    /// forget. That is not the receiver's failure, so the request is sent again over a new connection: once, and only
    /// if nothing had come back. On a new connection a failure is the receiver's.
    async fn send(
        &self,
        target: &TargetUrl,
        request: &Request<Full<Bytes>>,
        sent: &mut Sent,
    ) -> Result<(Connection, Response<Incoming>), Outcome> {
        if let Some(mut used) = self.idle.take(target, Instant::now()) {
            sent.at = Some(now());
            match used.send(request.clone()).await {
                Ok(answer) => return Ok((used, answer)),
                Err(failed) if used.has_heard_back() => return Err(failed.outcome),
                Err(failed) => {
                    *sent = Sent { at: sent.at.filter(|_| failed.was_sent), twice: failed.was_sent };
                }
            }
        }
        let mut new = dial::dial(target.url(), &self.policy).await?;
        sent.at = Some(now());
        let answer = new.send(request.clone()).await.map_err(|failed| failed.outcome)?;
        Ok((new, answer))
    }
}

/// The time, in the milliseconds that the history keeps.
fn now() -> Timestamp {
    Timestamp::now().round(Unit::Millisecond).expect("rounding to milliseconds stays in range")
}
