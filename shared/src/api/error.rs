//! Why a request fails.

use std::{error::Error as StdError, time::Duration};

use lambda_http::http::{Method, StatusCode};

use super::MAX_REQUEST_BYTES;
use crate::{
    aws::AwsError,
    names::{EventId, WebhookId},
    request::Invalid,
    store::Allowance,
    webhook::Webhook,
};

/// Why a request fails. The match in [`ApiError::parts`] turns each case into a status and a code.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The key is missing, malformed or unknown.
    #[error("Invalid or missing API key")]
    Unauthorized,
    /// The key is valid, but its scope does not allow the request.
    #[error("this key may only read; {0} needs a key with the scope full")]
    Forbidden(Method),
    /// The request is invalid. The text says what would be right.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The thing does not exist, or belongs to another account; the reply must be the same for both.
    #[error("{0}")]
    NotFound(String),
    /// The current state does not allow the request.
    #[error("{0}")]
    Conflict(String),
    /// The body is larger than [`MAX_REQUEST_BYTES`].
    #[error("the body is {0} bytes; the limit is {MAX_REQUEST_BYTES}")]
    TooLarge(usize),
    /// The key has made too many requests.
    #[error("the limit of {} requests {} is reached; try again in {} s", .0.limit, .0.per(), .0.reset)]
    RateLimited(Allowance),
    /// The same was asked for a short time ago. Contains what, and how long to wait.
    #[error("{what}; try again in {} s", seconds(*.wait))]
    TooSoon { what: String, wait: Duration },
    /// Our fault. The cause is logged, and the client does not see it.
    #[error("something went wrong on our side; the request id helps us to find out what")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
}

impl ApiError {
    /// The error for a webhook that does not exist, or belongs to another account.
    pub fn no_webhook(id: WebhookId) -> Self {
        Self::NotFound(format!("there is no webhook {id}"))
    }

    /// The error for an event that the webhook never got.
    pub fn no_delivery(id: &EventId) -> Self {
        Self::NotFound(format!("there is no delivery of event {id} to this webhook"))
    }

    /// The error for an event that does not exist, or belongs to another account.
    pub fn no_event(id: &EventId) -> Self {
        Self::NotFound(format!("there is no event {id}"))
    }

    /// The error for a webhook without a resend.
    pub fn no_resend(id: WebhookId) -> Self {
        Self::NotFound(format!("webhook {id} has no resend"))
    }

    /// The error for a webhook without a rehearsal.
    pub fn no_rehearsal(id: WebhookId) -> Self {
        Self::NotFound(format!("webhook {id} has no rehearsal"))
    }

    /// The error for a webhook whose last rehearsal began less than a minute ago.
    pub fn rehearsed_too_soon(id: WebhookId, wait: Duration) -> Self {
        Self::TooSoon { what: format!("webhook {id} was rehearsed less than a minute ago"), wait }
    }

    /// The error for a request that needs the body of an event that was erased.
    pub fn erased(id: &EventId) -> Self {
        Self::Conflict(format!("event {id} was erased, so it cannot be sent"))
    }

    /// The error for a request that only an active webhook allows.
    pub fn disabled(webhook: &Webhook) -> Self {
        let reason = webhook.health().disabled.map_or_else(String::new, |disabled| format!(" ({})", disabled.reason));
        Self::Conflict(format!("webhook {} is disabled{reason}; make it active first", webhook.id))
    }

    /// The field of the body or the query parameter that the error is about, if it is about one.
    pub(super) fn field(&self) -> Option<&str> {
        if let Self::Invalid(invalid) = self { invalid.field_name() } else { None }
    }

    /// The seconds of `Retry-After`, if the error sets it. For a limit of the key, the gate's headers have it.
    pub(super) fn retry_after(&self) -> Option<u128> {
        if let Self::TooSoon { wait, .. } = self { Some(seconds(*wait)) } else { None }
    }

    pub(super) fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"),
            Self::RateLimited(_) | Self::TooSoon { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }
}

impl From<AwsError> for ApiError {
    fn from(err: AwsError) -> Self {
        Self::Internal(err.into())
    }
}

/// A wait in whole seconds, rounded up, and at least one: after it the request is not refused again.
fn seconds(wait: Duration) -> u128 {
    wait.as_millis().div_ceil(1_000).max(1)
}
