//! The query parameters that the lists of events and of deliveries share.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde_json::json;

use super::Request;
use crate::{
    names::{self, EventId, EventType},
    request::Invalid,
    rfc_3339::{TIMESTAMP, rfc_3339},
};

const DEFAULT_LIMIT: usize = 20;
/// The most rows on a page.
pub const MOST: usize = 100;

/// What a list is asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Listing {
    pub event: Option<EventType>,
    pub task_id: Option<String>,
    /// Only events with a greater id, for `since`.
    pub above: Option<EventId>,
    /// Only events with a smaller id, for `until` and `cursor`.
    pub below: Option<EventId>,
    /// The most rows on the page, from 1 to [`MOST`].
    pub limit: usize,
}

impl Listing {
    /// Reads `event`, `task_id`, `since`, `until`, `limit` and `cursor`. A wrong value fails with a message that names
    /// the parameter.
    pub fn parse(request: &Request) -> Result<Self, Invalid> {
        Self::from_query(|name| request.query_parameter(name))
    }

    fn from_query<'a>(query: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Invalid> {
        let since = query("since").map(|text| time("since", text)).transpose()?;
        let until = query("until").map(|text| time("until", text)).transpose()?;
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            let problem = format!("since is {since} and until is {until}; since must be before until");
            return Err(Invalid::field("since", problem));
        }
        let cursor = query("cursor").map(cursor).transpose()?;
        Ok(Self {
            event: query("event").map(event_type).transpose()?,
            task_id: query("task_id").map(|text| sized("task_id", text, 256)).transpose()?,
            above: since.and_then(|since| EventId::last_before(whole(since))),
            below: until.map(|until| EventId::first_at(whole(until))).into_iter().chain(cursor).min(),
            limit: query("limit").map_or(Ok(DEFAULT_LIMIT), limit)?,
        })
    }
}

/// Parses a time of a request. Fails with a message that names the field.
pub fn time(field: &str, text: &str) -> Result<Timestamp, Invalid> {
    let wrong = || {
        // In a query, a `+` that is not escaped means a space.
        let hint = if text.contains(' ') { "; in a query, write + as %2B" } else { "" };
        Invalid::field(field, format!("{field} is {}; expected {TIMESTAMP}{hint}", json!(text)))
    };
    rfc_3339(text).map(|(_, time)| time).ok_or_else(wrong)
}

/// Checks that a parameter has 1 to `most` characters.
pub fn sized(name: &str, text: &str, most: usize) -> Result<String, Invalid> {
    let wrong = || Invalid::field(name, format!("{name} is {}; expected 1 to {most} characters", json!(text)));
    names::sized(text, most).ok_or_else(wrong)
}

/// Rounds up to milliseconds, which ids have. So an event is before a time if and only if its time as replies show it
/// is.
fn whole(time: Timestamp) -> Timestamp {
    time.round(TimestampRound::new().smallest(Unit::Millisecond).mode(RoundMode::Ceil)).unwrap_or(time)
}

fn event_type(text: &str) -> Result<EventType, Invalid> {
    let names = EventType::names();
    let wrong = |_| Invalid::field("event", format!("event is {}; expected one of {names}", json!(text)));
    text.parse().map_err(wrong)
}

fn limit(text: &str) -> Result<usize, Invalid> {
    let expected = format!("expected a whole number from 1 to {MOST}");
    let wrong = || Invalid::field("limit", format!("limit is {}; {expected}", json!(text)));
    text.parse().ok().filter(|limit| (1..=MOST).contains(limit)).ok_or_else(wrong)
}

fn cursor(text: &str) -> Result<EventId, Invalid> {
    let wrong = || {
        let expected = "expected the next_cursor of the page before; leave it out to start with the newest";
        Invalid::field("cursor", format!("cursor is {}; {expected}", json!(text)))
    };
    EventId::parse(text).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(query: &[(&str, &'static str)]) -> Result<Listing, Invalid> {
        let value = |name: &str| query.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        Listing::from_query(value)
    }

    #[test]
    fn without_parameters_a_page_has_the_20_newest() {
        let everything = Listing { event: None, task_id: None, above: None, below: None, limit: 20 };
        assert_eq!(parsed(&[]), Ok(everything));
    }

    #[test]
    fn a_range_has_the_events_at_its_beginning_and_none_at_its_end() {
        let id = |time: &str| EventId::first_at(time.parse().unwrap());
        let range = [("since", "2026-01-02T03:04:05.006Z"), ("until", "2026-01-02T04:04:05.0061+01:00")];
        let listing = parsed(&range).unwrap();
        assert!(listing.above.as_ref() < Some(&id("2026-01-02T03:04:05.006Z")));
        assert!(listing.above.as_ref() > Some(&id("2026-01-02T03:04:05.005Z")));
        assert_eq!(listing.below, Some(id("2026-01-02T03:04:05.007Z")), "an event at .006 is before .0061");
    }

    #[test]
    fn a_cursor_ends_a_range_earlier_and_never_later() {
        let until = ("until", "2026-01-02T03:04:05Z");
        let (before, after) = ("01KDYAK3480000000000000000", "01KDYAK9000000000000000000");
        let end = EventId::first_at("2026-01-02T03:04:05Z".parse().unwrap());
        assert_eq!(end.as_str(), before);
        assert_eq!(parsed(&[until, ("cursor", after)]).unwrap().below, Some(end));
        let earlier = "01KDYAK0000000000000000000";
        assert_eq!(parsed(&[until, ("cursor", earlier)]).unwrap().below, EventId::parse(earlier));
    }

    #[test]
    fn the_error_for_a_wrong_value_says_what_is_right() {
        let time = r#"expected an RFC 3339 time from 1970 on, such as "2024-12-23T10:00:00Z""#;
        let cases = [
            ("limit", "0", r#"limit is "0"; expected a whole number from 1 to 100"#.to_owned()),
            ("event", "job.done", r#"event is "job.done"; expected one of job.completed, job.failed"#.to_owned()),
            ("task_id", "", r#"task_id is ""; expected 1 to 256 characters"#.to_owned()),
            ("since", "yesterday", format!(r#"since is "yesterday"; {time}"#)),
            (
                "until",
                "2026-01-02T03:04:05 01:00",
                format!(r#"until is "2026-01-02T03:04:05 01:00"; {time}; in a query, write + as %2B"#),
            ),
            (
                "cursor",
                "AAAA",
                r#"cursor is "AAAA"; expected the next_cursor of the page before; leave it out to start with the newest"#
                    .to_owned(),
            ),
        ];
        for (name, value, message) in cases {
            assert_eq!(parsed(&[(name, value)]), Err(Invalid::field(name, message)));
        }
        let backwards = [("since", "2026-01-02T03:04:05Z"), ("until", "2026-01-02T03:04:05Z")];
        let message = "since is 2026-01-02T03:04:05Z and until is 2026-01-02T03:04:05Z; since must be before until";
        assert_eq!(parsed(&backwards), Err(Invalid::field("since", message)));
    }
}
