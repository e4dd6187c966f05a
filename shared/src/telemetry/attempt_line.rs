//! The log line of an attempt: the dispatcher writes it, and the operator's command reads it. `docs/logs.md` lists its
//! fields.

use std::{borrow::Cow, ops::Not};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    attempt::Phase,
    delivery::State,
    names::{AccountId, EventId, WebhookId},
};

/// An attempt that was made. A writer borrows the texts.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/logs.md describes the fields for those who read logs")]
pub struct AttemptLine<'a> {
    pub timestamp: Timestamp,
    pub level: Cow<'a, str>,
    pub message: Cow<'a, str>,
    pub event_id: Cow<'a, EventId>,
    pub account_id: Cow<'a, AccountId>,
    pub webhook_id: WebhookId,
    pub attempt: usize,
    pub outcome: Phase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    pub duration_ms: u64,
    #[serde(default, skip_serializing_if = "Not::not")]
    pub resent: bool,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Cow<'a, str>>,
}

impl AttemptLine<'_> {
    /// The line's `level`.
    pub const LEVEL: &'static str = "INFO";
    /// The line's `message`.
    pub const MESSAGE: &'static str = "attempt";

    /// Parses a line of the dispatcher's log. Returns `None` if it is not about an attempt.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok().filter(|line: &Self| line.message == Self::MESSAGE)
    }
}
