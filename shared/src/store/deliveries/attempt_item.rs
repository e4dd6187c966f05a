//! An attempt as it is stored: with short names, and with a text that two attempts in a row share stored once.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attempt::{AnswerApart, Attempt, Outcome, Phase};

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
    /// The name of the text that is stored apart, if the answer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Cow<'a, str>>,
    /// See [`AnswerApart::difference`].
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serde_bytes")]
    differs: Option<Vec<u8>>,
    /// See [`Outcome::Blocked`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    resolved: bool,
    /// The target of a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redirect: Option<Cow<'a, str>>,
}

/// Converts attempts to what is stored. `place` is where the last one's answer is stored, if that is apart.
pub(super) fn attempt_items<'a>(attempts: &'a [Attempt], place: Option<&'a AnswerApart>) -> Vec<AttemptItem<'a>> {
    let mut before = "";
    let items = attempts.iter().enumerate().map(|(at, attempt)| {
        let text = text(&attempt.outcome);
        let answer = attempt.answer.as_deref().or(place.filter(|_| at + 1 == attempts.len()));
        let inline = if answer.is_some() { "" } else { text };
        let same = std::mem::replace(&mut before, inline) == inline;
        AttemptItem {
            at: attempt.started_at.as_millisecond(),
            ms: attempt.duration_ms,
            resent: attempt.resent,
            how: attempt.outcome.phase(),
            status: attempt.outcome.http_status(),
            text: (!same).then_some(Cow::Borrowed(inline)),
            answer: answer.map(|answer| Cow::Borrowed(answer.name.as_str())),
            differs: answer.and_then(|answer| answer.difference.clone()),
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
            answer: item.answer.map(|name| Box::new(AnswerApart { name: name.into_owned(), difference: item.differs })),
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
