//! A resend: a customer asks for all events of a time range to be sent to one webhook again, or for the first time.
//!
//! The API stores the request with the webhook. Each minute, release goes through the next events of the range, sends
//! a message for each that `Message::resent` picks, and then stores how far it has come. If a run dies before that, the next
//! run sends the same messages again. The dispatcher stores the resend's id with the delivery and begins no second
//! round for it, so each delivery is sent once.

use std::{fmt, str::FromStr};

use std::time::Duration;

use jiff::Timestamp;
use serde::{
    Deserialize, Serialize,
    de::{self, IntoDeserializer as _},
};
use serde_json::Value;
use ulid::Ulid;

use super::{Circuit, Webhook, pace::ALMOST_A_MINUTE};
use crate::{
    names::EventId,
    reply_time::ReplyTime,
    request::{Fields, Invalid, shortened, time},
};

/// Which deliveries a resend sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResendStatus {
    Failed,
    Cancelled,
    /// Events that the webhook subscribes to now, by event and task type, of which no delivery was made: the webhook was disabled or
    /// did not subscribe to the type, or did not exist yet.
    Missed,
    Delivered,
}

impl ResendStatus {
    /// All of them, in the order in which messages list them.
    pub const ALL: [Self; 4] = [Self::Failed, Self::Cancelled, Self::Missed, Self::Delivered];

    /// The names of all of them, for messages.
    pub fn names() -> String {
        Self::ALL.map(|status| status.to_string()).join(", ")
    }
}

impl fmt::Display for ResendStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl FromStr for ResendStatus {
    type Err = de::value::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::deserialize(name.into_deserializer())
    }
}

/// A resend, as it is stored with its webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resend {
    pub id: String,
    /// Events whose task ended at this time or later,
    pub since: Timestamp,
    /// and before this time.
    pub until: Timestamp,
    /// Whether the request had no `until`, so that it is the time of the request.
    #[serde(default)]
    pub until_now: bool,
    pub statuses: Vec<ResendStatus>,
    pub started_at: Timestamp,
    /// The last event that release has handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<EventId>,
    /// How many deliveries were sent. Too low if a run of release died, by at most one page of events.
    #[serde(default)]
    pub sent: u64,
    /// When release continues.
    pub next_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// A valid request for a resend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResendRequest {
    since: Timestamp,
    /// `None` means the time of the request.
    until: Option<Timestamp>,
    statuses: Vec<ResendStatus>,
}

/// A resend in a reply.
#[derive(Debug, Serialize)]
pub struct ResendView<'a> {
    id: &'a str,
    since: ReplyTime,
    until: ReplyTime,
    statuses: &'a [ResendStatus],
    status: &'static str,
    sent: u64,
    /// The time up to which it has sent everything; `None` (null) if it has not begun.
    reached: Option<ReplyTime>,
    started_at: ReplyTime,
    finished_at: Option<ReplyTime>,
}

/// A request that asks for the same as a resend that began less than this long ago is taken for a repetition.
const REPEATED_WITHIN: Duration = Duration::from_mins(1);

impl ResendRequest {
    /// Parses the body of `POST /api/v1/webhooks/{id}/resend`. A `null` counts as a missing field.
    pub fn parse(body: &[u8], now: Timestamp) -> Result<Self, Invalid> {
        let expected = "a JSON object with since, statuses and, optionally, until";
        let mut fields = Fields::parse(body, &["since", "until", "statuses"], expected)?;
        let since = time("since", &fields.take_required("since")?)?;
        let until = fields.take("until").map(|until| time("until", &until)).transpose()?;
        Self::new(since, until, statuses(&fields.take_required("statuses")?)?, now)
    }

    /// A request for these events. Fails if no event can be in the range.
    pub fn new(
        since: Timestamp,
        until: Option<Timestamp>,
        statuses: Vec<ResendStatus>,
        now: Timestamp,
    ) -> Result<Self, Invalid> {
        if since >= now {
            return Err(Invalid::field("since", format!("since is {since}; it must be in the past")));
        }
        match until {
            Some(until) if since >= until => {
                let problem = format!("since is {since} and until is {until}; since must be before until");
                Err(Invalid::field("since", problem))
            }
            until => Ok(Self { since, until, statuses }),
        }
    }

    /// The resend that begins now.
    pub fn begin(self, now: Timestamp) -> Resend {
        Resend {
            id: Ulid::from_parts(u64::try_from(now.as_millisecond()).unwrap_or_default(), random()).to_string(),
            since: self.since,
            until: self.until.unwrap_or(now).min(now),
            until_now: self.until.is_none(),
            statuses: self.statuses,
            started_at: now,
            position: None,
            sent: 0,
            next_at: now,
            finished_at: None,
        }
    }

    /// Whether it asks for the same as a resend that is under way or began less than a minute ago, so that the request
    /// was only repeated, for example because its reply was lost.
    pub fn repeats(&self, resend: &Resend, now: Timestamp) -> bool {
        let until = self.until.map_or(resend.until_now, |until| until.min(resend.started_at) == resend.until);
        // A status occurs once in a list.
        let statuses = self.statuses.len() == resend.statuses.len()
            && self.statuses.iter().all(|status| resend.statuses.contains(status));
        let is_recent = resend.finished_at.is_none() || now < resend.started_at + REPEATED_WITHIN;
        is_recent && self.since == resend.since && until && statuses
    }
}

impl Resend {
    /// The events that are not handled yet: those after the first id and before the second.
    pub fn range(&self) -> (Option<EventId>, EventId) {
        let begin = || EventId::last_before(self.since);
        (self.position.clone().or_else(begin), EventId::first_at(self.until))
    }

    /// The resend after `sent` more deliveries were sent. `position` is the last event that was handled; `None` means
    /// that the range has no more events.
    #[must_use]
    pub fn advanced(&self, sent: usize, position: Option<EventId>, next_at: Timestamp, now: Timestamp) -> Self {
        let finished_at = position.is_none().then_some(now);
        let sent = self.sent + u64::try_from(sent).unwrap_or_default();
        Self { sent, position: position.or_else(|| self.position.clone()), next_at, finished_at, ..self.clone() }
    }

    /// When release continues after a run that has sent as much as a minute takes.
    pub fn next_minute(now: Timestamp) -> Timestamp {
        now + ALMOST_A_MINUTE
    }
}

impl Webhook {
    /// Its resend, if that is under way and may send now: not while the endpoint is down or the webhook disabled.
    pub fn resend_to_continue(&self) -> Option<&Resend> {
        let may_send = self.is_active() && self.circuit() == Circuit::Closed;
        self.resend.as_ref().filter(|resend| may_send && resend.finished_at.is_none())
    }

    /// Its last resend as a reply shows it.
    pub fn resend_view(&self) -> Option<ResendView<'_>> {
        let resend = self.resend.as_ref()?;
        let status = match (resend.finished_at, self.resend_to_continue()) {
            (Some(_), _) => "done",
            (None, Some(_)) => "running",
            (None, None) => "paused",
        };
        let reached = if resend.finished_at.is_some() {
            Some(resend.until)
        } else {
            resend.position.as_ref().map(EventId::ended_at)
        };
        Some(ResendView {
            id: &resend.id,
            since: resend.since.into(),
            until: resend.until.into(),
            statuses: &resend.statuses,
            status,
            sent: resend.sent,
            reached: reached.map(ReplyTime::from),
            started_at: resend.started_at.into(),
            finished_at: resend.finished_at.map(ReplyTime::from),
        })
    }
}

fn statuses(value: &Value) -> Result<Vec<ResendStatus>, Invalid> {
    let names = ResendStatus::names();
    let wrong = |message: String| Invalid::field("statuses", message);
    let items = value.as_array().filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| wrong(format!("statuses must be an array with one or more of {names}")))?;
    let mut statuses = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let unknown = || wrong(format!("statuses[{at}] is {}; expected one of {names}", shortened(item)));
        let status = item.as_str().and_then(|name| name.parse().ok()).ok_or_else(unknown)?;
        if statuses.contains(&status) {
            return Err(wrong(format!("statuses[{at}] repeats \"{status}\"; name each once")));
        }
        statuses.push(status);
    }
    Ok(statuses)
}

fn random() -> u128 {
    (0..2).fold(0, |number, _| number << 64 | u128::from(getrandom::u64().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_767_322_800, 0);

    fn parse(body: &str) -> Result<ResendRequest, Invalid> {
        ResendRequest::parse(body.as_bytes(), NOW)
    }

    fn asked() -> ResendRequest {
        parse(r#"{"since":"2026-01-01T00:00:00Z","statuses":["failed","missed"]}"#).unwrap()
    }

    #[test]
    fn the_error_names_the_wrong_field_and_what_would_be_right() {
        let time = r#"expected an RFC 3339 time from 1970 on, such as "2024-12-23T10:00:00Z""#;
        let cases = [
            (r#"{"statuses":["failed"]}"#, "since is required".to_owned()),
            (r#"{"since":"2026-01-01T00:00:00Z"}"#, "statuses is required".into()),
            (r#"{"since":"yesterday","statuses":["failed"]}"#, format!(r#"since is "yesterday"; {time}"#)),
            (r#"{"since":7,"statuses":["failed"]}"#, format!("since is 7; {time}")),
            (
                r#"{"since":"2026-01-01T00:00:00Z","until":"2026-01-01T00:00:00Z","statuses":["failed"]}"#,
                "since is 2026-01-01T00:00:00Z and until is 2026-01-01T00:00:00Z; since must be before until".into(),
            ),
            (
                r#"{"since":"2026-01-02T03:00:00Z","until":"2027-01-01T00:00:00Z","statuses":["failed"]}"#,
                "since is 2026-01-02T03:00:00Z; it must be in the past".into(),
            ),
            (
                r#"{"since":"2026-01-01T00:00:00Z","statuses":[]}"#,
                "statuses must be an array with one or more of failed, cancelled, missed, delivered".into(),
            ),
            (
                r#"{"since":"2026-01-01T00:00:00Z","statuses":["failed","lost"]}"#,
                r#"statuses[1] is "lost"; expected one of failed, cancelled, missed, delivered"#.into(),
            ),
            (
                r#"{"since":"2026-01-01T00:00:00Z","statuses":["failed","failed"]}"#,
                r#"statuses[1] repeats "failed"; name each once"#.into(),
            ),
        ];
        for (body, message) in cases {
            assert_eq!(parse(body).unwrap_err().to_string(), message, "{body}");
        }
    }

    #[test]
    fn only_an_identical_request_while_it_is_under_way_is_a_repetition() {
        let resend = asked().begin(NOW);
        assert!(asked().repeats(&resend, NOW));
        let until =
            parse(r#"{"since":"2026-01-01T00:00:00Z","until":"2026-01-01T10:00:00Z","statuses":["failed"]}"#).unwrap();
        assert!(!until.repeats(&resend, NOW));
        assert!(until.repeats(&until.clone().begin(NOW), NOW));
        let turned = parse(r#"{"statuses":["missed","failed"],"since":"2026-01-01T00:00:00Z"}"#).unwrap();
        assert!(turned.repeats(&resend, NOW), "the order of statuses means nothing");
        assert!(!asked().repeats(&resend.advanced(3, None, NOW, NOW), NOW + REPEATED_WITHIN));
    }

    #[test]
    fn it_goes_on_after_the_last_event_that_it_has_handled_until_there_is_no_more() {
        let resend = asked().begin(NOW);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let first = EventId::first_at(at("2026-01-01T00:00:00Z"));
        let (above, below) = resend.range();
        assert!(above.unwrap() < first && below == EventId::first_at(NOW));
        let later = resend.advanced(5, Some(first.clone()), NOW, NOW);
        assert_eq!((later.range().0, later.sent, later.finished_at), (Some(first), 5, None));
        let done = later.advanced(2, None, NOW, NOW);
        assert_eq!((done.sent, done.finished_at), (7, Some(NOW)));
    }

    #[test]
    fn the_next_run_continues_a_full_one_although_it_begins_a_moment_early() {
        let early = NOW + std::time::Duration::from_millis(59_500);
        assert!(Resend::next_minute(NOW) <= early);
    }

    #[test]
    fn the_end_of_the_range_is_never_in_the_future() {
        let asked =
            parse(r#"{"since":"2026-01-01T00:00:00Z","until":"2027-01-01T00:00:00Z","statuses":["failed"]}"#).unwrap();
        assert_eq!(asked.clone().begin(NOW).until, NOW);
        assert!(asked.repeats(&asked.clone().begin(NOW), NOW));
    }
}
