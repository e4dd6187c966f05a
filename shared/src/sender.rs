//! Makes an attempt: one signed POST to a customer's endpoint, limited in time and size whatever the receiver does. The
//! requests of a rehearsal go the same way.
//!
//! It speaks HTTP/1.1 itself and uses no HTTP client. Such a client follows redirects, uses proxies from the
//! environment, decompresses, keeps any number of idle connections, and refuses answers with a badly written header.
//! It also hides what must be known here: in which phase a request failed, how much of it was sent, and what had come
//! back by then. Features that do not exist need not be switched off, and each phase is a line of code with its own
//! [`Outcome`]. See `docs/decisions/0023-the-sender-speaks-http-itself.md`.
//!
//! - [`dial`] makes connections: look-up, vetting, TCP, TLS, each with its outcome,
//! - [`connection`] sends a [`request`] over one and reads the [`head`] and the [`body`] of its answer,
//! - [`socket`] is the socket below a connection; it also asks the kernel for its state,
//! - [`idle`] keeps connections for the next attempt, and [`gone`] detects a connection whose other end is gone,
//! - [`response`] and [`crate::tls`] write the texts that a customer reads.

mod body;
mod connection;
mod dial;
mod gone;
mod head;
mod idle;
mod request;
mod response;
mod socket;

use std::{
    fmt::Display,
    pin::pin,
    time::{Duration, Instant},
};

use jiff::{Timestamp, Unit};
use tokio::time::{timeout, timeout_at};
use url::Position;

use self::{
    connection::{Connection, Failed},
    head::Head,
    idle::Idle,
    request::Request,
};
use crate::{
    attempt::{Attempt, Outcome},
    delivery::Delivery,
    egress::{Policy, TargetUrl},
    names::EventId,
    rehearsal, retry,
    signature::{self, Signatures},
    webhook::Webhook,
};

const USER_AGENT: &str = concat!("nano-webhooks/", env!("CARGO_PKG_VERSION"));

/// How long the body of an answer is read after the status, which has already decided. Deliveries of the same batch
/// wait for it.
const BODY_TIME: Duration = Duration::from_secs(1);

/// How long a used connection may be silent before we check whether its other end, which may have died while the
/// connection was idle, is still there. It leaves time to send once more over a new connection.
const LONGEST_SILENCE: Duration = Duration::from_secs(5);

/// Makes attempts. One per sandbox: it holds the connections that warm invocations use again.
#[derive(Debug)]
pub struct Sender {
    policy: Policy,
    timeout: Duration,
    idle: Idle,
}

/// An attempt, and those parts of its answer that matter for the next attempt but not for the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The attempt, with its outcome.
    pub attempt: Attempt,
    /// How long the response's `Retry-After` asks to wait, at most six hours. Zero if it asks for nothing.
    pub retry_after: Duration,
    /// When the request was sent; if it was sent twice, the second time. `None` if it was not sent.
    pub sent_at: Option<Timestamp>,
}

/// What one request says. It has no `Debug`: the body is the customer's.
struct Letter<'a> {
    url: &'a str,
    id: &'a EventId,
    event: &'a dyn Display,
    /// `X-Nano-Attempt`.
    attempt: usize,
    /// Unix seconds: the time that is signed.
    timestamp: i64,
    signatures: Signatures,
    has_static_headers: bool,
    body: &'a str,
    traceparent: Option<&'a str>,
}

/// What is known about a request even if no answer came.
#[derive(Debug, Default, Clone, Copy)]
struct Sent {
    at: Option<Timestamp>,
    twice: bool,
}

impl Sender {
    /// A sender that calls what the policy allows. An attempt ends after `timeout`, measured from its first look-up
    /// to the last byte of the response that is read. The first https attempt panics if the system has no root
    /// certificates.
    pub fn new(policy: Policy, timeout: Duration) -> Self {
        dial::read_roots();
        Self { policy, timeout, idle: Idle::default() }
    }

    /// Makes one attempt, signed with the time at which it starts.
    ///
    /// Whatever the receiver does becomes an [`Outcome`]; the attempt's duration is measured up to the status.
    /// `traceparent` is the header of that name, if the endpoint is to receive the trace.
    pub async fn attempt(
        &self,
        webhook: &Webhook,
        delivery: &Delivery,
        body: &str,
        traceparent: Option<&str>,
    ) -> Exchange {
        let (started_at, clock) = (now(), Instant::now());
        let letter = Letter {
            url: delivery.url(webhook),
            id: &delivery.id,
            event: &delivery.event,
            attempt: delivery.next_attempt(),
            timestamp: started_at.as_second(),
            signatures: signature::of(webhook, delivery.id.as_str(), started_at, body),
            // Their values are secrets of the webhook's own endpoint.
            has_static_headers: !delivery.calls_elsewhere(webhook),
            body,
            traceparent,
        };
        self.post(webhook, &letter, started_at, clock).await
    }

    /// Makes the request of a rehearsal's step, to the webhook's own URL, in the same way as an attempt.
    pub async fn rehearse(&self, webhook: &Webhook, request: rehearsal::Request) -> Exchange {
        let (started_at, clock) = (now(), Instant::now());
        let letter = Letter {
            url: &webhook.url,
            id: &request.id,
            event: &request.event,
            attempt: 1,
            timestamp: request.timestamp,
            signatures: request.signatures,
            has_static_headers: true,
            body: &request.body,
            traceparent: None,
        };
        self.post(webhook, &letter, started_at, clock).await
    }

    async fn post(&self, webhook: &Webhook, letter: &Letter<'_>, started_at: Timestamp, clock: Instant) -> Exchange {
        let deadline = tokio::time::Instant::now() + self.timeout;
        let mut sent = Sent::default();
        let (target, request) = match self.prepare(webhook, letter) {
            Ok(prepared) => prepared,
            Err(detail) => {
                let outcome = Outcome::Blocked { detail, resolved: false };
                return exchange(started_at, clock.elapsed(), sent, outcome, None);
            }
        };
        let answered = timeout_at(deadline, self.send(&target, &request, &mut sent)).await;
        let took = clock.elapsed();
        let (outcome, retry_after) = match answered {
            Err(_) => (Outcome::Timeout, None),
            Ok(Err(outcome)) => (outcome, None),
            Ok(Ok((connection, head))) => {
                let outcome = self.finish(&target, &request, connection, &head, deadline).await;
                (hiding(webhook, outcome), head.retry_after)
            }
        };
        exchange(started_at, took, sent, outcome, retry_after.as_deref())
    }

    /// Returns the request and its target, or why no request can be made.
    fn prepare<'a>(&self, webhook: &Webhook, letter: &Letter<'a>) -> Result<(TargetUrl, Request<'a>), String> {
        let target = TargetUrl::parse(letter.url, &self.policy).map_err(|refusal| refusal.to_string())?;
        let url = target.url();
        let Letter { id, event, attempt, timestamp, signatures, has_static_headers, body, traceparent, .. } = letter;
        let Signatures { nano, next, previous, standard_webhooks } = signatures;
        let host = &url[Position::BeforeHost..Position::AfterPort];
        // Spelled as on the API's published page and in Standard Webhooks: some receivers compare header names with their
        // case.
        let mut headers: Vec<(&str, &dyn Display)> = vec![
            ("Host", &host),
            ("Accept", &"*/*"),
            ("Accept-Encoding", &"identity"),
            ("User-Agent", &USER_AGENT),
            ("Content-Type", &"application/json"),
            ("X-Nano-Event", event),
            ("X-Nano-Attempt", attempt),
            ("X-Nano-Timestamp", timestamp),
            ("X-Nano-Signature", nano),
            ("webhook-id", id),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", standard_webhooks),
        ];
        if let Some(next) = next {
            headers.push(("X-Nano-Signature-Next", next));
        }
        if let Some(previous) = previous {
            headers.push(("X-Nano-Signature-Previous", previous));
        }
        if let Some(traceparent) = traceparent {
            headers.push(("traceparent", traceparent));
        }
        let own: Vec<_> = webhook.headers.reveal().filter(|_| *has_static_headers).collect();
        headers.extend(own.iter().map(|(name, value)| (*name, value as &dyn Display)));
        let request = Request::post(target.path_and_query(), &headers, body)
            .map_err(|problem| format!("no request can be made of it ({problem})"))?;
        Ok((target, request))
    }

    /// Sends the request, over an open connection if there is one.
    ///
    /// While a sandbox is frozen its connections can die unnoticed: receivers close idle connections, and NAT
    /// gateways forget them. That is not the receiver's failure. So the request is sent again over a new connection,
    /// once, if none of it was sent or nothing had come back. A failure on a new connection is the receiver's.
    async fn send(
        &self,
        target: &TargetUrl,
        request: &Request<'_>,
        sent: &mut Sent,
    ) -> Result<(Connection, Head), Outcome> {
        if let Some(mut used) = self.idle.take(target, Instant::now()) {
            sent.at = Some(now());
            match send_over_used(&mut used, request).await {
                Ok(head) => return Ok((used, head)),
                Err(failed) if failed.was_sent && used.has_heard_back() => return Err(failed.outcome),
                Err(failed) => *sent = Sent { at: sent.at.filter(|_| failed.was_sent), twice: failed.was_sent },
            }
        }
        let mut new = dial::dial(target.url(), &self.policy).await?;
        sent.at = Some(now());
        let head = new.send(request).await.map_err(|failed| failed.outcome)?;
        Ok((new, head))
    }

    /// Reads the body for at most a second, for the history, and keeps the connection if it can take another request.
    /// The status has already decided.
    ///
    /// After a 5xx the connection is not kept: it may lead to the one broken machine of several, and a new connection
    /// can reach another.
    async fn finish(
        &self,
        target: &TargetUrl,
        request: &Request<'_>,
        mut connection: Connection,
        head: &Head,
        deadline: tokio::time::Instant,
    ) -> Outcome {
        let by = deadline.min(tokio::time::Instant::now() + BODY_TIME);
        let is_whole = timeout_at(by, connection.finish(request, head)).await.unwrap_or(false);
        let body = connection.take_body(head);
        if is_whole && head.status < 500 {
            self.idle.keep(target, connection, Instant::now());
        }
        let response = response::text(&body, &head.content_type, &head.content_encoding);
        Outcome::Http { http_status: head.status, response, redirect: redirect(target, head) }
    }
}

/// The outcome without the values of the webhook's static headers, which the endpoint may have repeated.
fn hiding(webhook: &Webhook, outcome: Outcome) -> Outcome {
    let hide = |text: String| {
        let mut hidden = webhook.headers.hide_in(&text).into_owned();
        // The name of a header may be longer than its value.
        hidden.truncate(hidden.floor_char_boundary(text.len().max(response::KEPT)));
        hidden
    };
    match outcome {
        Outcome::Http { http_status, response, redirect } if !webhook.headers.is_empty() => {
            Outcome::Http { http_status, response: hide(response), redirect: redirect.map(hide) }
        }
        other => other,
    }
}

async fn send_over_used(used: &mut Connection, request: &Request<'_>) -> Result<Head, Failed> {
    let ends = used.ends();
    let mut sending = pin!(used.send(request));
    if let Ok(answered) = timeout(LONGEST_SILENCE, &mut sending).await {
        return answered;
    }
    if ends.is_ok_and(gone::is_gone) {
        return Err(Failed { outcome: Outcome::Interrupted { detail: "timed out".into() }, was_sent: true });
    }
    sending.await
}

/// Where a redirect leads: as an absolute URL if possible, otherwise as it was written.
fn redirect(target: &TargetUrl, head: &Head) -> Option<String> {
    let location = head.location.as_deref().filter(|_| matches!(head.status, 301 | 302 | 303 | 307 | 308))?;
    Some(target.url().join(location).map_or_else(|_| location.to_owned(), String::from))
}

fn exchange(
    started_at: Timestamp,
    took: Duration,
    sent: Sent,
    outcome: Outcome,
    retry_after: Option<&str>,
) -> Exchange {
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let attempt = Attempt { started_at, duration_ms, resent: sent.twice, outcome: outcome.shortened(), answer: None };
    let retry_after = retry_after.map_or(Duration::ZERO, |value| retry::retry_after(value, Timestamp::now()));
    Exchange { attempt, retry_after, sent_at: sent.at }
}

/// The current time, in milliseconds as the history stores it.
fn now() -> Timestamp {
    Timestamp::now().round(Unit::Millisecond).expect("rounding to milliseconds stays in range")
}
