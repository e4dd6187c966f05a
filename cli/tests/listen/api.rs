//! A fake of the service's API: the events of one account, with the routes that `listen` uses.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant, SystemTime},
};

use jiff::{SignedDuration, Timestamp};
use nano_webhooks::names::EventId;

use crate::server::{Answer, Request, Server};

pub(crate) const KEY: &str = "sk-0123456789abcdef0123456789abcdef01234567";

/// The API, which can be away.
pub(crate) struct Api {
    state: Arc<Mutex<State>>,
    server: Server,
}

struct State {
    /// The payload of each event, as JSON; `null` if it was erased.
    events: BTreeMap<EventId, String>,
    events_per_page: usize,
    /// Answers that replace the next ones to paths that contain these texts.
    next: Vec<(String, Answer)>,
    asked: Vec<Instant>,
    is_away: bool,
}

impl Api {
    pub(crate) fn start() -> Self {
        Self::with_pages_of(100)
    }

    pub(crate) fn with_pages_of(events_per_page: usize) -> Self {
        let (events, next, asked) = (BTreeMap::new(), Vec::new(), Vec::new());
        let state = Arc::new(Mutex::new(State { events, events_per_page, next, asked, is_away: false }));
        let memory = Arc::clone(&state);
        Self { state, server: Server::start(move |request| memory.lock().unwrap().answer(&request)) }
    }

    /// From now on no request gets an answer.
    pub(crate) fn go_away(&self) {
        self.state().is_away = true;
    }

    pub(crate) fn come_back(&self) {
        self.state().is_away = false;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/base", self.server.address)
    }

    /// Stores an event whose task ended this long ago. Its task is named by its id.
    pub(crate) fn store(&self, ago: Duration) -> EventId {
        let id = EventId::first_at(Timestamp::now() - SignedDuration::try_from(ago).unwrap());
        self.store_with(ago, &format!(r#"{{"event":"job.completed","task_id":"task_{id}"}}"#))
    }

    /// Stores an event with this payload.
    pub(crate) fn store_with(&self, ago: Duration, payload: &str) -> EventId {
        let mut id = EventId::first_at(Timestamp::now() - SignedDuration::try_from(ago).unwrap());
        let mut state = self.state();
        while state.events.contains_key(&id) {
            id = EventId::first_at(id.ended_at() + SignedDuration::from_millis(1));
        }
        state.events.insert(id.clone(), payload.to_owned());
        id
    }

    /// Answers the next request to a path that contains this text with this status and these headers.
    pub(crate) fn answer_next(&self, text: &str, status: u16, headers: &[(&'static str, &str)]) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.state().next.push((text.to_owned(), (status, headers, "{}".into())));
    }

    /// When each request came.
    pub(crate) fn asked(&self) -> Vec<Instant> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Option<Answer> {
        let path = request.path.clone();
        let is_let_in = request.headers.contains(&("authorization".into(), format!("Bearer {KEY}")));
        self.asked.push(request.at);
        if self.is_away {
            return None;
        }
        if let Some(at) = self.next.iter().position(|(text, _)| path.contains(text)) {
            return Some(self.next.remove(at).1);
        }
        if !is_let_in {
            return Some(answer(401, r#""success":false"#));
        }
        Some(match path.strip_prefix("/base/api/v1/events") {
            Some(rest) if rest.starts_with('/') => self.details(&rest[1..]),
            Some(rest) if rest.starts_with('?') => self.list(&rest[1..]),
            _ => answer(404, r#""success":false"#),
        })
    }

    fn details(&self, id: &str) -> Answer {
        match EventId::parse(id).and_then(|id| self.events.get(&id)) {
            Some(payload) => answer(200, &format!(r#""success":true,"data":{{"id":"{id}","payload":{payload}}}"#)),
            None => answer(404, r#""success":false"#),
        }
    }

    fn list(&self, query: &str) -> Answer {
        let parameter = |name: &str| query.split('&').find_map(|item| item.strip_prefix(name)?.strip_prefix('='));
        let since = parameter("since").map(|text| EventId::first_at(text.parse().unwrap()));
        let cursor = parameter("cursor").map(|text| EventId::parse(text).unwrap());
        let is_asked = |id: &EventId| {
            since.as_ref().is_none_or(|since| id >= since) && cursor.as_ref().is_none_or(|cursor| id < cursor)
        };
        let mut asked = self.events.iter().rev().filter(|(id, _)| is_asked(id));
        let page: Vec<_> = asked.by_ref().take(self.events_per_page).collect();
        let rows: Vec<_> = page.iter().map(|(id, payload)| row(id, payload)).collect();
        let next = asked.next().and(page.last()).map_or("null".into(), |(id, _)| format!("\"{id}\""));
        answer(200, &format!(r#""success":true,"data":{{"events":[{}],"next_cursor":{next}}}"#, rows.join(",")))
    }
}

fn row(id: &EventId, payload: &str) -> String {
    let event = if payload.contains("job.failed") { "job.failed" } else { "job.completed" };
    let time = id.ended_at();
    let erased_at = if payload == "null" { format!("\"{time}\"") } else { "null".into() };
    format!(
        r#"{{"id":"{id}","event":"{event}","task_id":"task_{id}","task_type":"image","timestamp":"{time:.3}","erased_at":{erased_at},"webhooks":[]}}"#
    )
}

fn answer(status: u16, members: &str) -> Answer {
    let date = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let date =
        jiff::fmt::strtime::format("%a, %d %b %Y %H:%M:%S GMT", Timestamp::from_second(date.cast_signed()).unwrap());
    (status, vec![("date", date.unwrap())], format!("{{{members}}}"))
}
