//! The outcome of an attempt.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest detail of an outcome, in bytes.
const LONGEST_DETAIL: usize = 300;

/// The outcome of one attempt: one case for each phase that can end it. A receiver's failure is data, not an error of
/// ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The target may not be called. Nothing was sent.
    Blocked {
        /// The reason, without the addresses to which an internal name resolved.
        detail: String,
        /// Whether only the addresses of the host name may not be called, while the URL itself may. Such an attempt
        /// is retried: a name server that answers with private addresses for a moment must not lose events.
        resolved: bool,
    },
    /// The host name did not resolve.
    Dns {
        /// The resolver's message.
        detail: String,
    },
    /// No TCP connection was made.
    Connect {
        /// The network's message.
        detail: String,
    },
    /// No TLS session was made, for example because the certificate had expired or was for another name.
    Tls {
        /// The problem, in words for the customer.
        detail: String,
    },
    /// The attempt's time ran out before a status arrived.
    Timeout,
    /// The connection ended before a status arrived, or the data that arrived was not HTTP.
    Interrupted {
        /// What happened.
        detail: String,
    },
    /// The status and headers, or the data before them, are larger than the sender accepts.
    TooLarge,
    /// A status arrived. It alone decides the outcome, whatever the body does.
    Http {
        /// The status code.
        http_status: u16,
        /// The beginning of the response's body, as safe text.
        response: String,
        /// The target of a redirect, as safe text. The sender does not follow it.
        redirect: Option<String>,
    },
}

impl Outcome {
    /// Returns the outcome with its detail cut to `LONGEST_DETAIL` bytes. Some details quote the receiver, for
    /// example its certificate, and must not make an item too large to store.
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

    /// Whether the receiver accepted the delivery: 2xx, nothing else.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Http { http_status: 200..=299, .. })
    }

    /// Whether a later attempt could end differently: not after `410 Gone`, and not if the URL itself may not be
    /// called.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Blocked { resolved: false, .. } | Self::Http { http_status: 410, .. })
    }

    /// The status, if one arrived.
    pub fn http_status(&self) -> Option<u16> {
        if let Self::Http { http_status, .. } = self { Some(*http_status) } else { None }
    }

    /// The beginning of the answer's body, if a status arrived.
    pub fn into_response(self) -> Option<String> {
        if let Self::Http { response, .. } = self { Some(response) } else { None }
    }

    /// The phase that ended the attempt.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Blocked { .. } => Phase::Blocked,
            Self::Dns { .. } => Phase::Dns,
            Self::Connect { .. } => Phase::Connect,
            Self::Tls { .. } => Phase::Tls,
            Self::Timeout => Phase::Timeout,
            Self::Interrupted { .. } => Phase::Interrupted,
            Self::TooLarge => Phase::TooLarge,
            Self::Http { .. } => Phase::Http,
        }
    }
}

/// An [`Outcome`] without its details, as the history, the logs and the statistics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Blocked,
    Dns,
    Connect,
    Tls,
    Timeout,
    Interrupted,
    TooLarge,
    Http,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One request to the endpoint, and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub started_at: Timestamp,
    pub duration_ms: u64,
    /// Whether the request was sent twice, because a connection kept from an earlier attempt was dead. The receiver
    /// may have got both.
    pub resent: bool,
    pub outcome: Outcome,
    /// Where the receiver's answer is, if it is long and stored apart from the delivery. The outcome's `response` is then
    /// empty, unless the answer was read with the delivery.
    pub answer: Option<Box<AnswerApart>>,
}

/// A receiver's answer that is stored apart from its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerApart {
    /// The name of the text that is stored.
    pub name: String,
    /// How the answer differs from that text: deflated, with the text as the dictionary. `None` if it is the text.
    pub difference: Option<Vec<u8>>,
}

impl Attempt {
    /// Removes what the receiver wrote. Its answer may quote the payload.
    pub(crate) fn forget_answer(&mut self) {
        if let Outcome::Http { response, redirect, .. } = &mut self.outcome {
            response.clear();
            *redirect = redirect.take().map(|_| "an erased URL".to_owned());
        }
        self.answer = None;
    }

    /// Explains to the customer, in one line, what happened. It does not reveal to which addresses a name resolved.
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
                    // A temporary redirect, or one for another method: the registered URL is still right.
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
