//! The idle connections that wait for their next request.
//!
//! Each leads to the address that was vetted when it was made, wherever its host's name points now: the name is not
//! looked up again. The URL is still vetted before every request.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use url::Origin;

use super::connection::Connection;
use crate::egress::TargetUrl;

/// How many connections wait, for all endpoints together. Without a limit, a busy sandbox with many customers would
/// reach Lambda's 1,024 open files, and each connection holds some ten kilobytes. The oldest is closed first.
const MOST: usize = 64;

/// How long a connection waits. Load balancers and NAT gateways forget an idle connection after a minute or more, and
/// a busy endpoint is called again long before this. A sandbox that is frozen does not notice this time, so a
/// connection that waited may be dead.
const LONGEST: Duration = Duration::from_secs(30);

/// Idle connections, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<VecDeque<Waiting>>);

#[derive(Debug)]
struct Waiting {
    /// Scheme, host and port. Webhooks share a connection only if they call the same origin.
    origin: Origin,
    since: Instant,
    connection: Connection,
}

impl Idle {
    /// Takes the most recently used connection to the target's origin that can take another request.
    pub(super) fn take(&self, target: &TargetUrl, now: Instant) -> Option<Connection> {
        let origin = target.url().origin();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|waiting| now < waiting.since + LONGEST);
        while let Some(found) = waiting.iter().rposition(|waiting| waiting.origin == origin) {
            let Waiting { mut connection, .. } = waiting.remove(found)?;
            if connection.is_fit(now) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last response was read completely.
    pub(super) fn keep(&self, target: &TargetUrl, connection: Connection, now: Instant) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() == MOST {
            waiting.pop_front();
        }
        waiting.push_back(Waiting { origin: target.url().origin(), since: now, connection });
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::{egress::Policy, sender::connection::tests::connection};

    fn target(url: &str) -> TargetUrl {
        TargetUrl::parse(url, &Policy::local()).unwrap()
    }

    fn keep(idle: &Idle, url: &str, connection: Connection) {
        idle.keep(&target(url), connection, Instant::now());
    }

    fn take(idle: &Idle, url: &str) -> Option<Connection> {
        idle.take(&target(url), Instant::now())
    }

    #[tokio::test]
    async fn a_connection_is_used_again_by_one_request_at_a_time_and_for_its_own_origin() {
        let idle = Idle::default();
        let (connection, _peer) = connection().await;
        keep(&idle, "https://a.example.com/one", connection);
        assert!(take(&idle, "http://a.example.com/one").is_none());
        assert!(take(&idle, "https://a.example.com:8443/one").is_none());
        assert!(take(&idle, "https://b.example.com/one").is_none());
        assert!(take(&idle, "https://a.example.com/two").is_some());
        assert!(take(&idle, "https://a.example.com/two").is_none());
    }

    #[tokio::test]
    async fn a_connection_that_the_receiver_has_closed_is_not_used_again() {
        let idle = Idle::default();
        let (connection, peer) = connection().await;
        keep(&idle, "https://a.example.com/", connection);
        drop(peer);
        assert!(take(&idle, "https://a.example.com/").is_none());
    }

    #[tokio::test]
    async fn a_connection_on_which_something_came_is_not_used_again_and_an_older_one_is() {
        let idle = Idle::default();
        let (older, _silent) = connection().await;
        let (younger, mut talks) = connection().await;
        let older_ends = older.ends().unwrap();
        keep(&idle, "https://a.example.com/", older);
        keep(&idle, "https://a.example.com/", younger);
        talks.write_all(b"H").unwrap();
        let taken = take(&idle, "https://a.example.com/").unwrap();
        assert_eq!(taken.ends().unwrap(), older_ends);
    }

    #[tokio::test]
    async fn a_connection_gets_no_more_requests_when_it_is_a_minute_old() {
        let idle = Idle::default();
        let target = target("https://a.example.com/");
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        for (seconds, is_used) in [(59, true), (61, false)] {
            let (connection, _peer) = connection().await;
            idle.keep(&target, connection, later(seconds));
            assert_eq!(idle.take(&target, later(seconds)).is_some(), is_used, "{seconds} s");
        }
    }

    #[tokio::test]
    async fn a_connection_that_waited_too_long_is_not_used_again() {
        let idle = Idle::default();
        let (connection, _peer) = connection().await;
        keep(&idle, "https://a.example.com/", connection);
        assert!(idle.take(&target("https://a.example.com/"), Instant::now() + LONGEST).is_none());
    }

    #[tokio::test]
    async fn the_oldest_makes_room_for_what_is_over_the_limit() {
        let idle = Idle::default();
        let mut peers = Vec::new();
        for number in 0..=MOST {
            let (connection, peer) = connection().await;
            keep(&idle, &format!("https://{number}.example.com/"), connection);
            peers.push(peer);
        }
        assert!(take(&idle, "https://0.example.com/").is_none());
        assert!(take(&idle, "https://1.example.com/").is_some());
    }
}
