//! A job's own endpoint: which webhook delivers an event to the `callback_url` of its completion.
//!
//! The job's submitter chooses the URL, and the account's webhooks decide whether it may be called. By default a
//! webhook allows only its own origin. Otherwise the submitter could have a customer's results, with a valid
//! signature, sent to any host. `callback_hosts` of the webhook allows more hosts.
//!
//! The decision is made once, when the event arrives, and is stored with the event. A later change of
//! `callback_hosts` changes nothing about it. Egress vets the URL here, and again before each attempt.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use url::Host;

use super::Webhook;
use crate::{
    egress::{self, Policy, TargetUrl, UrlError},
    names::{EventType, WebhookId},
};

/// Which hosts a webhook allows for callbacks: a host name, `*.` and a name for all names below that name, or `*`
/// for every name.
///
/// It is stored and shown as it is compared: ASCII (IDNA) in lower case, without a final dot. Ports are not compared.
/// Public suffixes are not checked: `*.com` is a valid pattern, and `*` allows more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallbackHost(String);

/// Why a text is not a [`CallbackHost`]. `Display` follows the words `callback_hosts[0] is "…"; `.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidCallbackHost {
    /// Not a host name, or more than a host name.
    #[error(
        r#"expected a host name without scheme, port and path ("jobs.example.com"), "*.example.com" for the names below it, or "*" for every host"#
    )]
    Form,
    /// An IP address, in any notation.
    #[error("it is an IP address; name a host instead")]
    Address,
    /// A name that no host can have.
    #[error("it is not a valid host name: {0}")]
    Name(&'static str),
    /// A spelling that means another name than it shows.
    #[error("write it as {0:?}")]
    Spelling(String),
}

impl CallbackHost {
    /// Parses a pattern from a customer's request. Fails if it is neither a host name nor one of the two forms with a
    /// star, or if the name is not written as it is understood.
    pub fn parse(text: &str) -> Result<Self, InvalidCallbackHost> {
        if text == "*" {
            return Ok(Self(text.to_owned()));
        }
        let (star, written) = text.strip_prefix("*.").map_or(("", text), |below| ("*.", below));
        let name = match Host::parse(written) {
            Ok(Host::Domain(name)) => name,
            Ok(Host::Ipv4(_) | Host::Ipv6(_))
            | Err(url::ParseError::InvalidIpv4Address | url::ParseError::InvalidIpv6Address) => {
                return Err(InvalidCallbackHost::Address);
            }
            Err(_) if written.parse::<IpAddr>().is_ok() => return Err(InvalidCallbackHost::Address),
            Err(_) => return Err(InvalidCallbackHost::Form),
        };
        let pattern = format!("{star}{}", egress::without_final_dot(&name));
        match egress::syntax_error(egress::without_final_dot(&name)) {
            Some(problem) => Err(InvalidCallbackHost::Name(problem)),
            None if !egress::is_spelling_of(written, &name) => Err(InvalidCallbackHost::Spelling(pattern)),
            None => Ok(Self(pattern)),
        }
    }

    /// The pattern as it is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it allows a host. Always false for an IP address.
    fn allows(&self, target: &TargetUrl) -> bool {
        let Some(Host::Domain(name)) = target.url().host() else { return false };
        // With its dot, so that `evilexample.com` does not count as below `example.com`.
        self.0.strip_prefix('*').map_or(name == self.0, |suffix| name.ends_with(suffix))
    }
}

/// The `callback_url` of an event, and which webhook delivers to it, if any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Callback {
    /// The delivery of this webhook goes to the URL, and not to the webhook's own.
    To {
        /// The first webhook that allows the URL.
        webhook: WebhookId,
        /// The URL as the producer sent it.
        url: String,
    },
    /// The URL is not called; every webhook's delivery goes to the webhook's own URL.
    Refused {
        /// What the producer sent, which need not be a URL.
        url: String,
        /// Why, as a sentence for the customer.
        reason: String,
    },
}

impl Callback {
    /// Chooses the webhook that delivers an event to a completion's `callback_url`: among those that are active and
    /// subscribe to the event and the task type, the one with the lowest number that allows the URL.
    pub fn choose(url: &str, event: EventType, task_type: &str, webhooks: &[Webhook], policy: &Policy) -> Self {
        let url = url.to_owned();
        match first_that_allows(&url, event, task_type, webhooks, policy) {
            Ok(webhook) => Self::To { webhook, url },
            Err(refusal) => Self::Refused { url, reason: refusal.to_string() },
        }
    }

    /// The `callback_url` as the producer sent it.
    pub fn url(&self) -> &str {
        let (Self::To { url, .. } | Self::Refused { url, .. }) = self;
        url
    }

    /// The URL that the delivery of this webhook goes to; `None` if it goes to the webhook's own URL.
    pub fn url_for(&self, id: WebhookId) -> Option<&str> {
        if let Self::To { webhook, url } = self { (*webhook == id).then_some(url) } else { None }
    }

    /// What became of the URL, as a sentence for the customer.
    pub fn sentence(&self) -> String {
        match self {
            Self::To { webhook, .. } => format!("webhook {webhook} delivers to callback_url instead of its own url"),
            Self::Refused { reason, .. } => reason.clone(),
        }
    }
}

/// Why no webhook delivers to a `callback_url`.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    /// The text is no URL, or may not be called. Each [`UrlError`] begins with the name of a webhook's field, `url`.
    #[error("callback_{0}")]
    Url(#[from] UrlError),
    #[error("callback_url is not called: the account has no active webhook for {wanted}")]
    NoWebhook { wanted: String },
    #[error(
        "callback_url's host is not allowed: no active webhook for {wanted} has the origin {origin}, or names the host in callback_hosts"
    )]
    NotAllowed { origin: String, wanted: String },
}

fn first_that_allows(
    url: &str,
    event: EventType,
    task_type: &str,
    webhooks: &[Webhook],
    policy: &Policy,
) -> Result<WebhookId, Refusal> {
    let target = TargetUrl::parse(url, policy)?;
    // The task type is named only if a webhook could want the event and not the type.
    let has_types = webhooks.iter().any(|webhook| webhook.task_types.is_some());
    let wanted = if has_types { format!("{event} of task_type {task_type}") } else { event.to_string() };
    let mut recipients = webhooks.iter().filter(|webhook| webhook.wants(event, task_type)).peekable();
    if recipients.peek().is_none() {
        return Err(Refusal::NoWebhook { wanted });
    }
    let origin = egress::origin(url).unwrap_or_default();
    let allows = |webhook: &&Webhook| {
        egress::origin(&webhook.url).is_some_and(|own| own == origin)
            || webhook.callback_hosts.iter().any(|host| host.allows(&target))
    };
    let first = recipients.filter(allows).map(|webhook| webhook.id).min();
    first.ok_or(Refusal::NotAllowed { origin, wanted })
}
