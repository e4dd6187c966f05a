//! The names of things: accounts, webhooks, event types and deliveries.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{
    Deserialize, Serialize,
    de::{self, IntoDeserializer as _},
};
use sha2::{Digest as _, Sha256};
use ulid::Ulid;

/// The most characters of a task's type.
pub const MAX_TASK_TYPE: usize = 64;

/// Returns a text that has 1 to `most` characters, otherwise `None`.
pub(crate) fn sized(text: &str, most: usize) -> Option<String> {
    (1..=most).contains(&text.chars().count()).then(|| text.to_owned())
}

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
///
/// Its names, like those of every enum here, stand only in the serde attributes; `Display` and `FromStr` use those.
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

    /// The names of all event types, for messages.
    pub fn names() -> String {
        Self::ALL.map(|event| event.to_string()).join(", ")
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl FromStr for EventType {
    type Err = de::value::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::deserialize(name.into_deserializer())
    }
}

/// An event's id, which is also its `webhook-id` header: a ULID, so ids sort by the time at which the task ended. A
/// delivery is named by its webhook and the event's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(String);

impl EventId {
    /// Computes the id of an account's event. `distinction` is everything else that distinguishes it from other
    /// events of the same account, task and millisecond.
    ///
    /// The last byte is taken from the account and the task alone, and decides the shard. So all events of a task are
    /// in the same partition, and a search for a task reads one partition and not all.
    ///
    /// # Panics
    /// If the time is before 1970.
    pub(crate) fn computed(ended_at: Timestamp, account: &AccountId, task_id: &str, distinction: &str) -> Self {
        // The task id comes last because it alone can contain the separator.
        let hash = Sha256::digest(format!("{account}#{distinction}#{task_id}"));
        let [mut random, _] = *<[u8; 32]>::from(hash).as_chunks().0 else { unreachable!("32 bytes are two times 16") };
        random[15] = last_byte(account, task_id);
        let milliseconds = u64::try_from(ended_at.as_millisecond()).expect("a completion ended in 1970 or later");
        Self(Ulid::from_parts(milliseconds, u128::from_be_bytes(random)).to_string())
    }

    /// Parses a path segment. Returns `None` unless it is the one canonical spelling of an id.
    pub fn parse(text: &str) -> Option<Self> {
        let id: Ulid = text.parse().ok()?;
        (id.to_string() == text).then(|| Self(text.to_owned()))
    }

    /// The smallest id of an event whose task ended at this time: where a search begins.
    pub fn first_at(time: Timestamp) -> Self {
        let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or_default();
        Self(Ulid::from_parts(milliseconds, 0).to_string())
    }

    /// The greatest id of an event whose task ended in an earlier millisecond than this time. `None` if the time is not
    /// after 1970 began.
    pub fn last_before(time: Timestamp) -> Option<Self> {
        let milliseconds = u64::try_from(time.as_millisecond()).ok()?.checked_sub(1)?;
        Some(Self(Ulid::from_parts(milliseconds, u128::MAX).to_string()))
    }

    /// When the task ended, to the millisecond.
    pub fn ended_at(&self) -> Timestamp {
        let milliseconds = self.0.parse().map_or(0, |id: Ulid| id.timestamp_ms());
        Timestamp::from_millisecond(i64::try_from(milliseconds).unwrap_or_default()).unwrap_or_default()
    }

    /// The event's shard, less than `count`. See [`shard_of_task`].
    pub fn shard(&self, count: u8) -> u8 {
        self.0.parse().map_or(0, |id: Ulid| id.0.to_le_bytes()[0]) % count
    }

    /// The id as written: 26 characters of Crockford's base32.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The shard of all events of a task, less than `count`.
pub fn shard_of_task(account: &AccountId, task_id: &str, count: u8) -> u8 {
    last_byte(account, task_id) % count
}

fn last_byte(account: &AccountId, task_id: &str) -> u8 {
    Sha256::digest(format!("{account}#{task_id}"))[0]
}
