//! The input of a simulation: who sends events to which endpoints, and how and when these fail.

use std::ops::Range;

use nano_webhooks::attempt::Outcome;

use super::Ms;

pub(super) const SECOND: Ms = 1_000;
pub(super) const MINUTE: Ms = 60 * SECOND;
pub(super) const HOUR: Ms = 60 * MINUTE;

/// How long a healthy endpoint takes to answer, and after how long an attempt times out.
pub(super) const WELL: Ms = 100;
const TIMEOUT: Ms = 10 * SECOND;

pub(super) struct Scenario {
    /// The endpoints of the first flow are those that fail.
    pub(super) flows: Vec<Flow>,
    /// The times at which one span ends and the next begins.
    pub(super) spans: Vec<Ms>,
    /// When the simulation ends even if work is left.
    pub(super) until: Ms,
    pub(super) dispatchers: usize,
    /// Whether the stream delivers each batch twice.
    pub(super) repeats_batches: bool,
    /// How much later one of the stream's shards is than the others.
    pub(super) late_shard: Ms,
}

/// Webhooks that are alike, and their events.
pub(super) struct Flow {
    pub(super) webhooks: u32,
    /// How many events each webhook has in a second.
    pub(super) per_second: f64,
    pub(super) sends: Range<Ms>,
    pub(super) endpoint: Endpoint,
    /// How many requests each webhook may get in a minute.
    pub(super) max_per_minute: Option<u32>,
}

impl Flow {
    /// Milliseconds from one event of a webhook to the next, on average.
    pub(super) fn period(&self) -> f64 {
        1_000.0 / self.per_second
    }
}

/// How the endpoints of a flow behave.
pub(super) struct Endpoint {
    pub(super) usually: Manner,
    /// When they behave as in `when_down`.
    pub(super) down: Range<Ms>,
    /// How they behave while they are down.
    pub(super) when_down: Manner,
    /// The numbers of the deliveries that they always answer with 500.
    pub(super) poison: Range<u32>,
}

#[derive(Clone, Copy)]
pub(super) enum Manner {
    /// Answers 200.
    Takes,
    /// Refuses the connection immediately.
    Refuses,
    /// Does not answer.
    Hangs,
    /// Answers 503 with `Retry-After`.
    AsksToWait { seconds: u64 },
    /// Answers this share of requests with this status, immediately, and the others with 200.
    Fails { share: f64, status: u16, retry_after: u64 },
}

pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) duration: Ms,
    pub(super) retry_after: u64,
}

impl Endpoint {
    pub(super) fn well() -> Self {
        Self::usually(Manner::Takes)
    }

    pub(super) fn usually(manner: Manner) -> Self {
        Self { usually: manner, down: 0..0, when_down: manner, poison: 0..0 }
    }

    pub(super) fn down(when_down: Manner, down: Range<Ms>) -> Self {
        Self { down, when_down, ..Self::well() }
    }

    pub(super) fn answer(&self, number: u32, now: Ms, random: &mut fastrand::Rng) -> Answer {
        let http = |status, duration, retry_after| Answer {
            outcome: Outcome::Http { http_status: status, response: String::new(), redirect: None },
            duration,
            retry_after,
        };
        match if self.down.contains(&now) { self.when_down } else { self.usually } {
            Manner::Refuses => {
                Answer { outcome: Outcome::Connect { detail: String::new() }, duration: 1, retry_after: 0 }
            }
            Manner::Hangs => Answer { outcome: Outcome::Timeout, duration: TIMEOUT, retry_after: 0 },
            Manner::AsksToWait { seconds } => http(503, WELL, seconds),
            _ if self.poison.contains(&number) => http(500, WELL, 0),
            Manner::Fails { share, status, retry_after } if random.f64() < share => http(status, 1, retry_after),
            Manner::Takes | Manner::Fails { .. } => http(200, WELL, 0),
        }
    }
}
