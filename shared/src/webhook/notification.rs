//! The notifications about a webhook that the operator gets.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A change of a webhook that the operator is notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notification {
    /// Every attempt has failed for a long time (the `patience` of [`Webhook::notification`]).
    Failing,
    /// The service disabled the webhook.
    Disabled,
    /// A delivery succeeded after one of the other notifications was sent.
    Recovered,
}

/// A notification that is being sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notifying {
    /// Which notification.
    pub notification: Notification,
    /// When the sending began.
    pub since: Timestamp,
}

impl Notification {
    /// The event's `detail-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failing => "webhook.failing",
            Self::Disabled => "webhook.disabled",
            Self::Recovered => "webhook.recovered",
        }
    }
}
