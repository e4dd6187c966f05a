//! When a failed attempt is tried again: pure, so that every case is a line in a test. Clock and randomness come in as
//! arguments.

use std::{str::FromStr, time::Duration};

use jiff::Timestamp;

use crate::delivery::Outcome;

/// The waits between attempts: the first follows the first failure. When they are used up the delivery has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

/// A schedule has at most this many waits, so that its attempts fit well within the queue's `maxReceiveCount`.
const MOST_WAITS: usize = 20;
/// One wait is at most ten hours: with 20 % jitter that is the twelve hours that SQS can hide a message.
const LONGEST_WAIT: u64 = 36_000;

/// Why a text is no [`Schedule`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected 0 to {MOST_WAITS} waits in seconds, 1 to {LONGEST_WAIT} each, separated by commas: 5,300,1800")]
pub struct InvalidSchedule;

impl FromStr for Schedule {
    type Err = InvalidSchedule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wait = |item: &str| {
            let seconds = item.trim().parse().ok().filter(|seconds| (1..=LONGEST_WAIT).contains(seconds));
            seconds.map(Duration::from_secs).ok_or(InvalidSchedule)
        };
        let items = text.split(',').filter(|_| !text.trim().is_empty());
        let waits = items.map(wait).collect::<Result<Vec<_>, _>>()?;
        if waits.len() > MOST_WAITS { Err(InvalidSchedule) } else { Ok(Self(waits)) }
    }
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// The next attempt is due at this time.
    RetryAt(Timestamp),
    /// No further attempt will be made.
    Failed,
}

impl Schedule {
    /// Decides after an attempt. `attempts` counts this one too; `jitter`, from 0 up to 1, adds up to a fifth of the
    /// wait, so that deliveries which failed together do not come back together.
    pub fn verdict(&self, outcome: &Outcome, attempts: usize, now: Timestamp, jitter: f64) -> Verdict {
        if outcome.is_success() {
            return Verdict::Delivered;
        }
        if !outcome.is_retryable() {
            return Verdict::Failed;
        }
        match self.0.get(attempts.saturating_sub(1)) {
            Some(wait) => Verdict::RetryAt(now + wait.mul_f64(1.0 + jitter / 5.0)),
            None => Verdict::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        "5,300,1800,7200,18000,36000,36000".parse().unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn http(status: u16) -> Outcome {
        Outcome::Http { http_status: status, response: String::new() }
    }

    #[test]
    fn success_is_2xx_and_nothing_else() {
        for status in [200, 201, 204, 299] {
            assert_eq!(schedule().verdict(&http(status), 1, now(), 0.0), Verdict::Delivered, "{status}");
        }
        for status in [199, 300, 301, 304, 400, 401, 404, 429, 500, 503, 999] {
            assert!(matches!(schedule().verdict(&http(status), 1, now(), 0.0), Verdict::RetryAt(_)), "{status}");
        }
    }

    #[test]
    fn each_failure_takes_the_next_wait_and_the_eighth_is_the_last() {
        let waits = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
        for (made, wait) in waits.iter().enumerate() {
            let due = now() + Duration::from_secs(*wait);
            assert_eq!(schedule().verdict(&http(500), made + 1, now(), 0.0), Verdict::RetryAt(due));
        }
        assert_eq!(schedule().verdict(&http(500), 8, now(), 0.0), Verdict::Failed);
        assert_eq!(schedule().verdict(&http(500), 9, now(), 0.0), Verdict::Failed);
    }

    #[test]
    fn jitter_adds_up_to_a_fifth() {
        let due = now() + Duration::from_secs(330);
        assert_eq!(schedule().verdict(&Outcome::Timeout, 2, now(), 0.5), Verdict::RetryAt(due));
    }

    #[test]
    fn a_target_that_may_not_be_called_is_not_tried_again() {
        let blocked = Outcome::Blocked { detail: String::new() };
        assert_eq!(schedule().verdict(&blocked, 1, now(), 0.0), Verdict::Failed);
    }

    #[test]
    fn a_schedule_of_nothing_means_one_attempt() {
        assert_eq!("".parse::<Schedule>().unwrap().verdict(&http(500), 1, now(), 0.0), Verdict::Failed);
    }

    #[test]
    fn a_schedule_that_sqs_cannot_keep_is_refused() {
        let too_many = ["1"; 21].join(",");
        for bad in ["5,", "five", "0", "36001", "-1", "1.5", too_many.as_str()] {
            assert_eq!(bad.parse::<Schedule>(), Err(InvalidSchedule), "{bad}");
        }
    }
}
