//! The connections that wait for their next request.
//!
//! Each leads to an address that was vetted when it was made, wherever its host's name points by now: its name is not
//! looked up again, and the URL is vetted before every request all the same.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use url::Origin;

use super::connection::Connection;
use crate::egress::TargetUrl;

/// How many wait, for all endpoints together. Without a limit a busy sandbox with many customers would reach Lambda's
/// 1,024 open files, and each connection holds some ten kilobytes. The oldest goes first.
const MOST: usize = 64;

/// How long one waits. Load balancers and NAT gateways forget an idle connection after a minute or more, and a busy
/// endpoint is called again long before this. A sandbox that is frozen meanwhile may not see this time pass, which is
/// why a request may be sent twice.
const LONGEST: Duration = Duration::from_secs(30);

/// Idle connections, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<VecDeque<Waiting>>);

#[derive(Debug)]
struct Waiting {
    /// Scheme, host and port: connections are shared between webhooks, and only between those that call the same.
    origin: Origin,
    since: Instant,
    connection: Connection,
}

impl Idle {
    /// The connection to the target's origin that was used last, if it is still open as far as is known.
    pub(super) fn take(&self, target: &TargetUrl, now: Instant) -> Option<Connection> {
        let origin = target.url().origin();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|waiting| now < waiting.since + LONGEST && !waiting.connection.is_closed());
        let found = waiting.iter().rposition(|waiting| waiting.origin == origin && waiting.connection.is_ready())?;
        waiting.remove(found).map(|waiting| waiting.connection)
    }

    /// Takes a connection whose last response was read to its end.
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
    use tokio::io::{DuplexStream, duplex};

    use super::*;
    use crate::egress::Policy;

    fn target(url: &str) -> TargetUrl {
        TargetUrl::parse(url, &Policy::local()).unwrap()
    }

    fn keep(idle: &Idle, url: &str, connection: Connection) {
        idle.keep(&target(url), connection, Instant::now());
    }

    fn take(idle: &Idle, url: &str) -> Option<Connection> {
        idle.take(&target(url), Instant::now())
    }

    /// A connection that takes requests, and the receiver's end of it.
    async fn connection() -> (Connection, DuplexStream) {
        let (ours, theirs) = duplex(1024);
        let connection = Connection::open(ours).await.unwrap();
        while !connection.is_ready() {
            tokio::task::yield_now().await;
        }
        (connection, theirs)
    }

    #[tokio::test]
    async fn a_connection_is_used_again_by_one_request_at_a_time_and_for_its_own_origin() {
        let idle = Idle::default();
        let (connection, _theirs) = connection().await;
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
        let (connection, theirs) = connection().await;
        keep(&idle, "https://a.example.com/", connection);
        drop(theirs);
        tokio::task::yield_now().await;
        assert!(take(&idle, "https://a.example.com/").is_none());
    }

    #[tokio::test]
    async fn a_connection_that_waited_too_long_is_not_used_again() {
        let idle = Idle::default();
        let (connection, _theirs) = connection().await;
        keep(&idle, "https://a.example.com/", connection);
        assert!(idle.take(&target("https://a.example.com/"), Instant::now() + LONGEST).is_none());
    }

    #[tokio::test]
    async fn the_oldest_makes_room_for_what_is_over_the_limit() {
        let idle = Idle::default();
        let mut theirs = Vec::new();
        for number in 0..=MOST {
            let (connection, their) = connection().await;
            keep(&idle, &format!("https://{number}.example.com/"), connection);
            theirs.push(their);
        }
        assert!(take(&idle, "https://0.example.com/").is_none());
        assert!(take(&idle, "https://1.example.com/").is_some());
    }
}
