//! What became of an attempt.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What became of one attempt, by the phase that decided it. A receiver's failure is data, not an error of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The target may not be called. Nothing was sent.
    Blocked {
        /// Why, without what an internal name resolved to.
        detail: String,
    },
    /// The host name did not resolve.
    Dns {
        /// What the resolver said.
        detail: String,
    },
    /// No TCP connection came about.
    Connect {
        /// What the network said.
        detail: String,
    },
    /// No TLS session came about: an expired certificate, a wrong name.
    Tls {
        /// What was wrong.
        detail: String,
    },
    /// The attempt's time ran out before a status arrived.
    Timeout,
    /// The connection ended before a status arrived, or what arrived was not HTTP.
    Interrupted {
        /// What happened.
        detail: String,
    },
    /// A status arrived; it alone decides, whatever the body does.
    Http {
        /// The status.
        http_status: u16,
        /// The beginning of the response's body, as safe text.
        response: String,
    },
}

impl Outcome {
    /// Success is 2xx, nothing else.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Http { http_status: 200..=299, .. })
    }

    /// Whether a later attempt could end otherwise: not where the target may not be called, and not after `410 Gone`.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Blocked { .. } | Self::Http { http_status: 410, .. })
    }

    /// The phase's name, as it stands in the history and in logs.
    pub fn phase(&self) -> &'static str {
        match self {
            Self::Blocked { .. } => "blocked",
            Self::Dns { .. } => "dns",
            Self::Connect { .. } => "connect",
            Self::Tls { .. } => "tls",
            Self::Timeout => "timeout",
            Self::Interrupted { .. } => "interrupted",
            Self::Http { .. } => "http",
        }
    }
}

impl Outcome {
    /// What happened, in a sentence for the customer.
    pub fn explanation(&self) -> String {
        match self {
            Self::Timeout => "the endpoint did not answer in time".into(),
            Self::Http { http_status, .. } => format!("the endpoint answered {http_status}"),
            Self::Blocked { detail }
            | Self::Dns { detail }
            | Self::Connect { detail }
            | Self::Tls { detail }
            | Self::Interrupted { detail } => detail.clone(),
        }
    }
}

/// One request to the endpoint and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}
