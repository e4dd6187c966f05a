//! What to ask the API next, and which events of its answers are new.
//!
//! The API lists events by the time at which their task ended, newest first, but an event appears in the list when its
//! completion is sent, which may be minutes later. So each look asks again for the last [`LATENESS`], and [`Seen`]
//! remembers the ids of that time. Most looks read one small page and stop, because it has nothing new. An event that
//! appeared further down is found by a search, a look that reads every page, once in [`SEARCH_EVERY`].
//!
//! The invariant: a look begins [`LATENESS`] before the last search began. So an event that is reported within that
//! time of its task's end is found by the next search at the latest, however long the network was away in between.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use nano_webhooks::names::EventId;
use serde::Deserialize;

/// How long after its task's end an event may be reported and still be found.
pub(super) const LATENESS: SignedDuration = SignedDuration::from_mins(15);
const SEARCH_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// How many events the first page of a look has. The API reads the state of each, so a page that has nothing new is
/// kept small.
const FIRST_PAGE: usize = 20;
/// The most that the API returns.
const LARGE_PAGE: usize = 100;

/// An event, as the API lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Summary {
    pub(super) id: EventId,
    pub(super) event: String,
    pub(super) task_id: String,
    /// When its task ended.
    pub(super) timestamp: String,
}

/// One page of the list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    events: Vec<Summary>,
    next_cursor: Option<EventId>,
}

/// The events that need not be shown: they were, or they are older than this command.
#[derive(Debug)]
pub(super) struct Seen {
    known: BTreeSet<EventId>,
    /// When the last search began.
    searched_at: Timestamp,
}

/// A look at the list, from its newest event back to `since`.
#[derive(Debug)]
pub(super) struct Look {
    since: Timestamp,
    began_at: Timestamp,
    /// Whether it reads every page, even if one has nothing new.
    is_search: bool,
    cursor: Option<EventId>,
    found: BTreeMap<EventId, Summary>,
    has_reached_the_end: bool,
}

impl Seen {
    /// Nothing is known yet. `now` and every later time are the API's, not this machine's.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { known: BTreeSet::new(), searched_at: now }
    }

    /// The first look, which is a search. It also reads the events of this long ago that are to be replayed.
    pub(super) fn first_look(now: Timestamp, replay: SignedDuration) -> Look {
        Look::new(now - replay.max(LATENESS), now, true)
    }

    /// The look that is due now.
    pub(super) fn next_look(&self, now: Timestamp) -> Look {
        Look::new(self.since(), now, now.duration_since(self.searched_at) >= SEARCH_EVERY)
    }

    /// Returns the new events of a finished look, oldest first, which are known from now on.
    pub(super) fn finish(&mut self, look: Look) -> Vec<Summary> {
        if look.has_reached_the_end {
            // A clock that was set back must not move `since` back: events that are forgotten below would be new again.
            self.searched_at = self.searched_at.max(look.began_at);
        }
        self.known.extend(look.found.keys().cloned());
        self.known = self.known.split_off(&EventId::first_at(self.since()));
        look.found.into_values().collect()
    }

    fn since(&self) -> Timestamp {
        self.searched_at - LATENESS
    }
}

impl Look {
    fn new(since: Timestamp, began_at: Timestamp, is_search: bool) -> Self {
        Self { since, began_at, is_search, cursor: None, found: BTreeMap::new(), has_reached_the_end: false }
    }

    /// The path and query of the next page.
    pub(super) fn path(&self) -> String {
        let limit = if self.cursor.is_none() && !self.is_search { FIRST_PAGE } else { LARGE_PAGE };
        let cursor = self.cursor.as_ref().map(|id| format!("&cursor={id}")).unwrap_or_default();
        format!("/api/v1/events?since={}&limit={limit}{cursor}", EventId::first_at(self.since).ended_at())
    }

    /// Takes the page that was asked for. Returns whether the look is finished.
    pub(super) fn take(&mut self, page: Page, seen: &Seen) -> bool {
        // The API looks at a bounded number of events for each page, so an empty page says nothing about those below.
        let is_empty = page.events.is_empty();
        let new = page.events.into_iter().filter(|event| !seen.known.contains(&event.id));
        let found_before = self.found.len();
        self.found.extend(new.map(|event| (event.id.clone(), event)));
        let has_nothing_new = !is_empty && self.found.len() == found_before;
        self.cursor = page.next_cursor;
        self.has_reached_the_end = self.cursor.is_none();
        self.has_reached_the_end || (has_nothing_new && !self.is_search)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds after noon.
    fn at(second: i64) -> Timestamp {
        "2026-11-28T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
    }

    fn event(second: i64) -> Summary {
        let id = EventId::first_at(at(second));
        Summary { id, event: "job.completed".into(), task_id: second.to_string(), timestamp: at(second).to_string() }
    }

    /// The list of an API with events that ended at these seconds.
    struct Api(Vec<i64>);

    impl Api {
        const PAGE: usize = 3;

        /// Answers a look until it is finished. Returns its new events' seconds, and how many pages it read.
        fn answer(&self, mut look: Look, seen: &mut Seen) -> (Vec<String>, usize) {
            let mut ids: Vec<_> = self.0.iter().map(|second| event(*second)).collect();
            ids.sort_by(|one, other| other.id.cmp(&one.id));
            for pages in 1.. {
                let asked = |event: &&Summary| {
                    event.id >= EventId::first_at(look.since) && look.cursor.as_ref().is_none_or(|id| event.id < *id)
                };
                let events: Vec<_> = ids.iter().filter(asked).take(Self::PAGE).cloned().collect();
                let next_cursor = events.last().filter(|_| events.len() == Self::PAGE).map(|last| last.id.clone());
                if look.take(Page { events, next_cursor }, seen) {
                    let new = seen.finish(look).into_iter().map(|event| event.task_id);
                    return (new.collect(), pages);
                }
            }
            unreachable!()
        }

        fn first(&self, now: i64, replay: SignedDuration) -> (Seen, Vec<String>) {
            let mut seen = Seen::new(at(now));
            let (found, _) = self.answer(Seen::first_look(at(now), replay), &mut seen);
            (seen, found)
        }

        fn next(&self, now: i64, seen: &mut Seen) -> (Vec<String>, usize) {
            self.answer(seen.next_look(at(now)), seen)
        }
    }

    #[test]
    fn what_is_there_at_first_is_known_and_what_comes_later_is_new_once_and_oldest_first() {
        let mut api = Api(vec![-5, -4]);
        let (mut seen, found) = api.first(0, SignedDuration::ZERO);
        assert_eq!(found, ["-5", "-4"]);
        assert_eq!(api.next(2, &mut seen), (vec![], 1));
        api.0.extend([3, 2]);
        assert_eq!(api.next(4, &mut seen).0, ["2", "3"]);
        assert_eq!(api.next(6, &mut seen).0, [""; 0]);
    }

    #[test]
    fn a_page_with_nothing_new_ends_a_look() {
        let mut api = Api((-20..0).collect());
        let (mut seen, _) = api.first(0, SignedDuration::ZERO);
        assert_eq!(api.next(2, &mut seen), (vec![], 1));
        api.0.push(3);
        assert_eq!(api.next(4, &mut seen), (vec!["3".to_owned()], 2), "the first page has something new");
    }

    #[test]
    fn an_event_that_appears_far_down_is_found_by_the_next_search() {
        let mut api = Api((-800..0).step_by(10).collect());
        let (mut seen, _) = api.first(0, SignedDuration::ZERO);
        api.0.push(-799);
        for now in [2, 30, 58] {
            assert_eq!(api.next(now, &mut seen), (vec![], 1));
        }
        assert_eq!(api.next(60, &mut seen).0, ["-799"]);
        assert_eq!(api.next(62, &mut seen), (vec![], 1), "it is known, and the search is over");
    }

    #[test]
    fn an_event_that_is_reported_15_minutes_late_is_found_and_a_later_one_is_not() {
        let mut api = Api(vec![]);
        let (mut seen, _) = api.first(0, SignedDuration::ZERO);
        api.0.push(-900);
        assert_eq!(api.next(5, &mut seen).0, ["-900"]);
        api.0.push(-896);
        assert_eq!(api.next(10, &mut seen).0, [""; 0]);
    }

    #[test]
    fn nothing_is_missed_after_hours_without_a_network() {
        let mut api = Api(vec![]);
        let (mut seen, _) = api.first(0, SignedDuration::ZERO);
        api.next(2, &mut seen);
        // The last answer was at second 2. One event was reported late, at second 3.
        api.0.extend((10..7_000).step_by(100).chain([-850]));
        let (found, _) = api.next(7_200, &mut seen);
        assert_eq!((found.len(), found[0].as_str()), (71, "-850"));
        assert_eq!(api.next(7_202, &mut seen).0, [""; 0]);
    }

    #[test]
    fn a_look_that_was_interrupted_hours_ago_is_followed_by_a_search() {
        let mut api = Api((-20..0).collect());
        let (mut seen, _) = api.first(0, SignedDuration::ZERO);
        let look = seen.next_look(at(2));
        api.0.push(-21);
        assert_eq!(api.answer(look, &mut seen).0, [""; 0], "its first page has nothing new");
        assert_eq!(api.next(7_200, &mut seen).0, ["-21"]);
    }

    #[test]
    fn an_empty_page_ends_a_look_only_at_the_end_of_the_list() {
        let mut seen = Seen::new(at(0));
        let mut look = seen.next_look(at(2));
        let empty = |next_cursor| Page { events: Vec::new(), next_cursor };
        assert!(!look.take(empty(Some(event(-7).id)), &seen));
        assert!(look.path().ends_with(&format!("&cursor={}", event(-7).id)), "{}", look.path());
        assert!(look.take(empty(None), &seen));
        seen.finish(look);
    }

    #[test]
    fn ids_are_forgotten_only_when_no_look_can_return_them() {
        let mut api = Api(vec![-890, -10]);
        let (mut seen, _) = api.first(0, SignedDuration::ZERO);
        for now in (2..2_000).step_by(2) {
            if now % 100 == 0 {
                api.0.push(now);
            }
            let found = api.next(now, &mut seen).0;
            assert_eq!(found.len(), usize::from(now % 100 == 0), "{now}: {found:?}");
        }
        assert!(seen.known.len() <= 10, "{}", seen.known.len());
        // The API's clock is set back by a minute.
        assert_eq!(api.next(1_940, &mut seen).0, [""; 0]);
    }

    #[test]
    fn a_replay_reads_further_back_than_late_events_need() {
        let api = Api(vec![-7_300, -7_100, -1_000, -10]);
        assert_eq!(api.first(0, SignedDuration::from_hours(2)).1, ["-7100", "-1000", "-10"]);
        assert_eq!(api.first(0, SignedDuration::from_mins(1)).1, ["-10"]);
    }

    #[test]
    fn the_first_page_is_small_and_those_of_a_search_are_not() {
        let seen = Seen::new(at(0));
        let mut look = seen.next_look(at(2));
        assert_eq!(look.path(), "/api/v1/events?since=2026-11-28T11:45:00Z&limit=20");
        let cursor = event(-7).id;
        assert!(!look.take(Page { events: vec![event(-7)], next_cursor: Some(cursor.clone()) }, &seen));
        assert_eq!(look.path(), format!("/api/v1/events?since=2026-11-28T11:45:00Z&limit=100&cursor={cursor}"));
        assert!(seen.next_look(at(60)).path().ends_with("&limit=100"));
    }
}
