//! What became of an attempt.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// In bytes.
const LONGEST_DETAIL: usize = 300;

/// What became of one attempt, by the phase that decided it. A receiver's failure is data, not an error of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The target may not be called. Nothing was sent.
    Blocked {
        /// Why, without what an internal name resolved to.
        detail: String,
        /// Whether the URL may be called and only what its host name resolved to may not. That can change: a name server
        /// which answers with private addresses for a moment must not lose events.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        resolved: bool,
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
    /// What came before a status, or with it, is more than the sender takes.
    TooLarge,
    /// A status arrived; it alone decides, whatever the body does.
    Http {
        /// The status.
        http_status: u16,
        /// The beginning of the response's body, as safe text.
        response: String,
        /// Where a redirect leads, as safe text. It is not followed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redirect: Option<String>,
    },
}

impl Outcome {
    /// The outcome with no more detail than a person reads. Some of it is quoted from what a receiver sent, such as its
    /// certificate, and must not make an item too large to be stored.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        if let Self::Blocked { detail, .. }
        | Self::Dns { detail }
        | Self::Connect { detail }
        | Self::Tls { detail }
        | Self::Interrupted { detail }
        | Self::Http { redirect: Some(detail), .. } = &mut self
        {
            detail.truncate(detail.floor_char_boundary(LONGEST_DETAIL));
        }
        self
    }

    /// Success is 2xx, nothing else.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Http { http_status: 200..=299, .. })
    }

    /// Whether a later attempt could end otherwise: not if the URL itself may not be called, and not after `410 Gone`.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Blocked { resolved: false, .. } | Self::Http { http_status: 410, .. })
    }

    /// The status, where one arrived.
    pub fn http_status(&self) -> Option<u16> {
        if let Self::Http { http_status, .. } = self { Some(*http_status) } else { None }
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
            Self::TooLarge => "too_large",
            Self::Http { .. } => "http",
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
    /// Whether the request was sent a second time, because a connection from an earlier attempt turned out to be dead.
    /// The receiver may have got it twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resent: bool,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Names the receiver's answer if that is long and stored apart from the delivery. The outcome's `response` is then empty, unless
    /// the answer was read with the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

impl Attempt {
    /// What happened, in one line for the customer. It says nothing of what a name resolved to.
    pub fn explanation(&self) -> String {
        match &self.outcome {
            Outcome::Blocked { detail, .. } => format!("the URL cannot be called: {detail}"),
            Outcome::Dns { detail } => format!("the host name could not be resolved: {detail}"),
            Outcome::Connect { detail } => format!("no connection could be made: {detail}"),
            Outcome::Tls { detail } => format!("no TLS session could be made: {detail}"),
            Outcome::Timeout => format!("no status arrived within {} s", self.duration_ms / 1000),
            Outcome::Interrupted { detail } => format!("the connection failed before a status arrived: {detail}"),
            Outcome::TooLarge => "the status and headers of the response are too large".to_owned(),
            Outcome::Http { http_status, redirect: None, .. } => format!("the endpoint answered {http_status}"),
            Outcome::Http { http_status, redirect: Some(url), .. } => {
                let advice = match http_status {
                    301 | 308 => "register that URL",
                    // For now, or for another method: the registered URL stays the right one.
                    _ => "answer 2xx at the URL that is registered",
                };
                format!("the endpoint answered {http_status}, a redirect to {url}, which is not followed: {advice}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_that_a_receiver_made_long_is_cut() {
        let Outcome::Tls { detail } = (Outcome::Tls { detail: "é".repeat(100_000) }).shortened() else {
            unreachable!()
        };
        assert_eq!(detail.len(), LONGEST_DETAIL);
    }
}
