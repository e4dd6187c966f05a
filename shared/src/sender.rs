//! The call: one signed POST to a customer's endpoint, bounded in time and size whatever the receiver does.
//!
//! The URL is vetted before anything else, the addresses by the client's own resolver, so that the address that was
//! vetted is the address that is dialled. A host that is an IP address never reaches a resolver: the vetting of the URL
//! covers it.

use std::{
    error::Error as StdError,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{Timestamp, Unit};
use reqwest::{
    Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use tokio::time::timeout_at;

use crate::{
    delivery::{Attempt, Message, Outcome},
    egress::{Policy, TargetUrl},
    signature,
    webhook::Webhook,
};

/// A connection, its DNS look-up and TLS handshake included, must stand after this time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// An attempt, from its first look-up to the last byte of the response that is read, ends after this time.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a response is read, in bytes: enough to leave a polite receiver's connection fit for the next delivery.
const RESPONSE_READ: usize = 16 * 1024;
/// How much of a response is kept for the history, in bytes.
const RESPONSE_KEPT: usize = 1024;

const USER_AGENT: &str = concat!("nano-webhooks/", env!("CARGO_PKG_VERSION"));

/// Calls endpoints. One per sandbox: it holds the connections that warm invocations use again.
#[derive(Debug, Clone)]
pub struct Sender {
    client: Client,
    policy: Arc<Policy>,
}

impl Sender {
    /// A sender that calls what the policy allows.
    ///
    /// # Panics
    /// When the system's root certificates cannot be loaded.
    pub fn new(policy: Policy) -> Self {
        // The product's only client. Every other way to make one is banned in clippy.toml.
        let policy = Arc::new(policy);
        // It fails when a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        #[expect(clippy::disallowed_methods, reason = "this is the sender's client that the ban points to")]
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(VettingResolver(Arc::clone(&policy)))
            .build()
            .expect("the system's root certificates can be loaded");
        Self { client, policy }
    }

    /// Makes one attempt, signed with the time at which it starts. Whatever the receiver does is an [`Outcome`].
    pub async fn attempt(&self, webhook: &Webhook, message: &Message) -> Attempt {
        let (started_at, clock) = (now(), Instant::now());
        let outcome = self.call(webhook, message, started_at.as_second()).await;
        let duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        Attempt { started_at, duration_ms, outcome }
    }

    async fn call(&self, webhook: &Webhook, message: &Message, timestamp: i64) -> Outcome {
        let target = match TargetUrl::parse(&webhook.url, &self.policy) {
            Ok(target) => target,
            Err(refusal) => return Outcome::Blocked { detail: refusal.to_string() },
        };
        let Message { delivery_id, event, body, .. } = message;
        let request = self
            .client
            .post(target.url().clone())
            .header("content-type", "application/json")
            .header("x-nano-event", event.as_str())
            .header("x-nano-timestamp", timestamp)
            .header("x-nano-signature", signature::page(&webhook.secret, timestamp, body))
            .header("webhook-id", delivery_id.as_str())
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature::standard(&webhook.secret, delivery_id.as_str(), timestamp, body))
            .body(body.clone());

        let deadline = tokio::time::Instant::now() + ATTEMPT_TIMEOUT;
        match timeout_at(deadline, request.send()).await {
            Err(_) => Outcome::Timeout,
            Ok(Err(err)) => failure(&err),
            Ok(Ok(mut response)) => {
                let http_status = response.status().as_u16();
                let mut read = Vec::new();
                // The status has decided; a body that breaks off or never ends changes nothing but the record.
                let _ = timeout_at(deadline, read_some(&mut response, &mut read)).await;
                Outcome::Http { http_status, response: safe_text(&read) }
            }
        }
    }
}

/// The time, in the milliseconds that the history keeps.
fn now() -> Timestamp {
    Timestamp::now().round(Unit::Millisecond).expect("rounding to milliseconds stays in range")
}

async fn read_some(response: &mut Response, read: &mut Vec<u8>) -> reqwest::Result<()> {
    let mut total = 0;
    while total < RESPONSE_READ
        && let Some(chunk) = response.chunk().await?
    {
        total += chunk.len();
        let room = RESPONSE_KEPT - read.len();
        read.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
    Ok(())
}

/// A stranger's bytes as text that can be shown: invalid UTF-8 replaced, control characters but line ends and tabs too,
/// so that nothing in it moves a terminal's cursor.
fn safe_text(bytes: &[u8]) -> String {
    let safe = |char: char| if char.is_control() && !matches!(char, '\n' | '\r' | '\t') { '\u{FFFD}' } else { char };
    String::from_utf8_lossy(bytes).chars().map(safe).collect()
}

/// Finds the phase in which a request failed. reqwest wraps what happened in several layers; the innermost known one
/// tells.
fn failure(err: &reqwest::Error) -> Outcome {
    let causes = || std::iter::successors(err.source(), |cause| innermost_of(*cause));
    if let Some(refusal) = causes().find_map(|cause| cause.downcast_ref::<DnsError>()) {
        return match refusal {
            DnsError::Refused => Outcome::Blocked { detail: refusal.to_string() },
            DnsError::Failed(_) => Outcome::Dns { detail: refusal.to_string() },
        };
    }
    if let Some(tls) = causes().find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return Outcome::Tls { detail: tls.to_string() };
    }
    if err.is_timeout() {
        return Outcome::Connect { detail: format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()) };
    }
    let detail = causes().last().map_or_else(|| err.to_string(), ToString::to_string);
    if err.is_connect() { Outcome::Connect { detail } } else { Outcome::Interrupted { detail } }
}

/// The next cause. An `io::Error` answers `source()` with the source of what it carries and so hides what it carries.
fn innermost_of<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(carried) => Some(carried),
        None => cause.source(),
    }
}

/// Resolves names through the system and refuses a name if any of its addresses is forbidden: one that is public to us
/// now and private to the dialler a moment later is the attack.
#[derive(Debug)]
struct VettingResolver(Arc<Policy>);

#[derive(Debug, thiserror::Error)]
enum DnsError {
    /// Says nothing of the addresses: a stranger must not learn what a name means inside our network.
    #[error("the host's addresses are not all public")]
    Refused,
    #[error("the host name could not be resolved: {0}")]
    Failed(String),
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses: Vec<SocketAddr> = found.map_err(|err| DnsError::Failed(err.to_string()))?.collect();
            if let Err(forbidden) = policy.vet_addresses(addresses.iter().map(SocketAddr::ip)) {
                let (address, block) = (forbidden.address(), forbidden.block());
                tracing::warn!(host = name.as_str(), %address, %block, "a target's name has a forbidden address");
                return Err(DnsError::Refused.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_text_keeps_lines_and_replaces_what_could_move_a_cursor() {
        assert_eq!(safe_text(b"ok\r\n\tyes"), "ok\r\n\tyes");
        assert_eq!(safe_text(b"a\0b\x1b[2J\x7f\xff"), "a\u{FFFD}b\u{FFFD}[2J\u{FFFD}\u{FFFD}");
    }
}
