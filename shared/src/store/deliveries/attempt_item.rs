//! An attempt as it is stored: with short names, and with a text that two attempts in a row share stored once.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::attempt::{Attempt, Outcome, Phase};

/// The longest answer, in bytes, that is stored in the delivery's item. That item is written again with each attempt;
/// a longer answer is stored apart, once.
const LONGEST_INLINE: usize = 256;

/// An attempt. Its `text` is the receiver's answer, or the detail of another outcome.
#[derive(Serialize, Deserialize)]
pub(super) struct AttemptItem<'a> {
    /// When the attempt began, in Unix milliseconds.
    at: i64,
    ms: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    resent: bool,
    how: Phase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Missing if it is the same as that of the attempt before. It counts as empty if the answer is stored apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    /// The [`digest`] of the answer, if that is stored apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Cow<'a, str>>,
    /// See [`Outcome::Blocked`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    resolved: bool,
    /// The target of a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redirect: Option<Cow<'a, str>>,
}

/// An answer that is stored apart from its delivery.
#[derive(Serialize, Deserialize)]
pub(super) struct AnswerItem<'a> {
    /// The delivery's partition key and `#answers`.
    pub(super) webhook: String,
    /// The delivery's id, `#` and the answer's [`digest`].
    pub(super) id: String,
    pub(super) text: Cow<'a, str>,
    pub(super) expires_at: i64,
}

/// Names an answer within its delivery: the first 64 bits of its SHA-256.
pub(super) fn digest(answer: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(answer).into();
    URL_SAFE_NO_PAD.encode(&hash[..8])
}

/// Returns an attempt's answer if it is stored apart: if it is long and not a success's. After a success the item is
/// seldom written again, so that answer stays in it.
pub(super) fn apart(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Http { response, .. } if !outcome.is_success() && response.len() > LONGEST_INLINE => Some(response),
        _ => None,
    }
}

pub(super) fn attempt_items(attempts: &[Attempt]) -> Vec<AttemptItem<'_>> {
    let mut before = "";
    let items = attempts.iter().map(|attempt| {
        let text = text(&attempt.outcome);
        let answer = match &attempt.answer {
            Some(answer) => Some(Cow::Borrowed(answer.as_str())),
            None => apart(&attempt.outcome).map(|answer| Cow::Owned(digest(answer))),
        };
        let inline = if answer.is_some() { "" } else { text };
        let same = std::mem::replace(&mut before, inline) == inline;
        AttemptItem {
            at: attempt.started_at.as_millisecond(),
            ms: attempt.duration_ms,
            resent: attempt.resent,
            how: attempt.outcome.phase(),
            status: attempt.outcome.http_status(),
            text: (!same).then_some(Cow::Borrowed(inline)),
            answer,
            resolved: matches!(attempt.outcome, Outcome::Blocked { resolved: true, .. }),
            redirect: redirect(&attempt.outcome).map(Cow::Borrowed),
        }
    });
    items.collect()
}

pub(super) fn attempts(items: Vec<AttemptItem<'_>>) -> Vec<Attempt> {
    let mut before = String::new();
    let attempts = items.into_iter().map(|item| {
        if let Some(text) = item.text {
            before = text.into_owned();
        }
        Attempt {
            started_at: Timestamp::from_millisecond(item.at).unwrap_or_default(),
            duration_ms: item.ms,
            resent: item.resent,
            outcome: outcome(item.how, item.status, before.clone(), item.resolved, item.redirect),
            answer: item.answer.map(Cow::into_owned),
        }
    });
    attempts.collect()
}

/// The text of an outcome, in addition to its phase and status.
fn text(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Blocked { detail, .. }
        | Outcome::Dns { detail }
        | Outcome::Connect { detail }
        | Outcome::Tls { detail }
        | Outcome::Interrupted { detail } => detail,
        Outcome::Http { response, .. } => response,
        Outcome::Timeout | Outcome::TooLarge => "",
    }
}

fn redirect(outcome: &Outcome) -> Option<&str> {
    if let Outcome::Http { redirect, .. } = outcome { redirect.as_deref() } else { None }
}

fn outcome(
    how: Phase,
    http_status: Option<u16>,
    text: String,
    resolved: bool,
    redirect: Option<Cow<'_, str>>,
) -> Outcome {
    match how {
        Phase::Blocked => Outcome::Blocked { detail: text, resolved },
        Phase::Dns => Outcome::Dns { detail: text },
        Phase::Connect => Outcome::Connect { detail: text },
        Phase::Tls => Outcome::Tls { detail: text },
        Phase::Timeout => Outcome::Timeout,
        Phase::Interrupted => Outcome::Interrupted { detail: text },
        Phase::TooLarge => Outcome::TooLarge,
        Phase::Http => Outcome::Http {
            http_status: http_status.unwrap_or_default(),
            response: text,
            redirect: redirect.map(Cow::into_owned),
        },
    }
}
