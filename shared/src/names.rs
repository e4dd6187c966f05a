//! The names of things: accounts, webhooks, event types and deliveries.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use ulid::Ulid;

/// The account that owns a webhook: 1 to 64 of `A-Z a-z 0-9 _ - . :`, chosen by the platform.
///
/// SQS accepts all of these characters in a message group id. `#` is not among them: it separates the account from
/// the webhook's id in a key, so no account can spell another account's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct AccountId(String);

/// Why a text is not an [`AccountId`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("account_id must be 1 to 64 of the characters A-Z a-z 0-9 _ - . :")]
pub struct InvalidAccountId;

impl AccountId {
    /// Parses an account id from a completion or from the operator's input. Fails if a character or the length is
    /// wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidAccountId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAccountId)
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccountId {
    type Error = InvalidAccountId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A webhook's number within its account, counted up from 1 and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WebhookId(pub u64);

impl WebhookId {
    /// Parses a path segment. Only the canonical spelling is accepted: `01` and `+1` return `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let id: u64 = text.parse().ok()?;
        (id > 0 && id.to_string() == text).then_some(Self(id))
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The event types that a customer can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// A task completed successfully.
    #[serde(rename = "job.completed")]
    JobCompleted,
    /// A task failed.
    #[serde(rename = "job.failed")]
    JobFailed,
}

impl EventType {
    /// Every event type, in the order in which messages list them.
    pub const ALL: [Self; 2] = [Self::JobCompleted, Self::JobFailed];

    /// The event type's name in requests, replies and webhook bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobCompleted => "job.completed",
            Self::JobFailed => "job.failed",
        }
    }

    /// Parses the name of an event type.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

/// A delivery's id, which is also its `webhook-id` header: a ULID, so ids sort by the time at which the task ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(String);

impl DeliveryId {
    /// The id of a delivery whose task ended at this time. `name` is everything else that tells it from other deliveries.
    ///
    /// # Panics
    /// If the time is before 1970.
    pub(crate) fn computed(ended_at: Timestamp, name: &str) -> Self {
        let hash: [u8; 32] = Sha256::digest(name).into();
        let [random, _] = *hash.as_chunks().0 else { unreachable!("32 bytes are two times 16") };
        let milliseconds = u64::try_from(ended_at.as_millisecond()).expect("a completion ended in 1970 or later");
        Self(Ulid::from_parts(milliseconds, u128::from_be_bytes(random)).to_string())
    }

    /// Parses a path segment. Returns `None` unless it is the one canonical spelling of an id.
    pub fn parse(text: &str) -> Option<Self> {
        let id: Ulid = text.parse().ok()?;
        (id.to_string() == text).then(|| Self(text.to_owned()))
    }

    /// The smallest id of a delivery whose task ended at this time: where a search begins.
    pub fn first_at(time: Timestamp) -> Self {
        let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or_default();
        Self(Ulid::from_parts(milliseconds, 0).to_string())
    }

    /// When the task ended, to the millisecond.
    pub fn ended_at(&self) -> Timestamp {
        let milliseconds = self.0.parse().map_or(0, |id: Ulid| id.timestamp_ms());
        Timestamp::from_millisecond(i64::try_from(milliseconds).unwrap_or_default()).unwrap_or_default()
    }

    /// The delivery's shard, less than `count`: taken from the hash in its id.
    pub fn shard(&self, count: u8) -> u8 {
        self.0.parse().map_or(0, |id: Ulid| id.0.to_le_bytes()[0]) % count
    }

    /// The id as written: 26 characters of Crockford's base32.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
