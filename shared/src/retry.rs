//! Decides when a failed attempt is retried. Pure: the time and the randomness are arguments, so a test can cover
//! every case.

use std::{
    str::FromStr,
    time::{Duration, SystemTime},
};

use jiff::{Timestamp, Unit};

use crate::attempt::Outcome;

/// The waits between attempts. The first follows the first failure; after the last one is used, the delivery has
/// failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

/// A schedule has at most this many waits, so that a delivery can keep all attempts of two rounds; see
/// [`crate::delivery::ATTEMPTS_KEPT`].
const MOST_WAITS: usize = 20;
/// In seconds: ten hours.
const LONGEST_WAIT: u64 = 36_000;

/// Why a text is not a [`Schedule`].
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

/// What happens to a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver accepted it.
    Delivered,
    /// The next attempt is due at this time.
    RetryAt(Timestamp),
    /// No further attempt is made.
    Failed,
}

impl Schedule {
    /// The time from the first attempt to the last, without jitter and without the receivers' wishes.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }

    /// Decides what happens after an attempt with this outcome.
    pub fn verdict(&self, outcome: &Outcome, circumstances: Circumstances) -> Verdict {
        let Circumstances { earlier_tries, now, jitter, retry_after } = circumstances;
        if outcome.is_success() {
            return Verdict::Delivered;
        }
        let wait = usize::try_from(earlier_tries).ok().and_then(|tries| self.0.get(tries));
        match wait.filter(|_| outcome.is_retryable()) {
            Some(wait) => {
                let due = now + (*wait).max(retry_after).mul_f64(1.0 + jitter / 5.0);
                Verdict::RetryAt(due.round(Unit::Millisecond).unwrap_or(due))
            }
            None => Verdict::Failed,
        }
    }
}

/// The circumstances on which a verdict depends, apart from the outcome.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// How many attempts this round had before this one.
    pub earlier_tries: u32,
    /// The current time.
    pub now: Timestamp,
    /// From 0 up to 1, the same for all deliveries of a batch. Adds up to a fifth of the wait, whether it is the
    /// schedule's or the receiver's, so that the many deliveries that failed together are not retried together.
    pub jitter: f64,
    /// How long the receiver asked us to wait, from [`retry_after`]. It can move the next attempt later, never
    /// earlier.
    pub retry_after: Duration,
}

/// The longest wait that a receiver can ask for: six hours.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(6);

/// Reads a `Retry-After` header (RFC 9110, section 10.2.3): seconds or an HTTP date, at most six hours. Returns zero
/// for any other text and for a date in the past. The RFC allows only whole seconds; some senders use fractions,
/// which are rounded up.
pub fn retry_after(value: &str, now: Timestamp) -> Duration {
    let value = value.trim();
    let wait = match seconds(value) {
        Some(seconds) => Duration::from_secs(seconds),
        None => httpdate::parse_http_date(value)
            .ok()
            .and_then(|date| date.duration_since(SystemTime::from(now)).ok())
            .unwrap_or_default(),
    };
    wait.min(LONGEST_RETRY_AFTER)
}

/// Parses digits, with or without a fraction, as whole seconds, rounded up. A number too large becomes `u64::MAX`.
fn seconds(value: &str) -> Option<u64> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let more = fraction.bytes().any(|digit| digit != b'0');
    let seconds = || whole.parse::<u64>().unwrap_or(u64::MAX).saturating_add(more.into());
    (is_number(whole) && is_number(fraction)).then(seconds)
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
        Outcome::Http { http_status: status, response: String::new(), redirect: None }
    }

    fn circumstances(earlier_tries: u32) -> Circumstances {
        Circumstances { earlier_tries, now: now(), jitter: 0.0, retry_after: Duration::ZERO }
    }

    #[test]
    fn success_is_2xx_and_nothing_else() {
        for status in [200, 201, 204, 299] {
            assert_eq!(schedule().verdict(&http(status), circumstances(0)), Verdict::Delivered, "{status}");
        }
        for status in [199, 300, 301, 304, 400, 401, 404, 429, 500, 503, 999] {
            assert!(matches!(schedule().verdict(&http(status), circumstances(0)), Verdict::RetryAt(_)), "{status}");
        }
    }

    #[test]
    fn each_failure_takes_the_next_wait_and_the_eighth_is_the_last() {
        let waits = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
        for (made, wait) in (0..).zip(waits) {
            let due = now() + Duration::from_secs(wait);
            assert_eq!(schedule().verdict(&http(500), circumstances(made)), Verdict::RetryAt(due));
        }
        assert_eq!(schedule().verdict(&http(500), circumstances(7)), Verdict::Failed);
        assert_eq!(schedule().verdict(&http(500), circumstances(8)), Verdict::Failed);
    }

    #[test]
    fn jitter_adds_up_to_a_fifth() {
        let due = now() + Duration::from_secs(330);
        assert_eq!(
            schedule().verdict(&Outcome::Timeout, Circumstances { jitter: 0.5, ..circumstances(1) }),
            Verdict::RetryAt(due)
        );
    }

    #[test]
    fn jitter_adds_to_what_a_receiver_asked_for_too() {
        let asked = Circumstances { retry_after: Duration::from_secs(1_000), jitter: 0.5, ..circumstances(1) };
        let due = now() + Duration::from_secs(1_100);
        assert_eq!(schedule().verdict(&http(503), asked), Verdict::RetryAt(due));
    }

    #[test]
    fn a_target_that_may_not_be_called_or_is_gone_is_not_tried_again() {
        assert_eq!(schedule().verdict(&http(410), circumstances(0)), Verdict::Failed);
        let blocked = Outcome::Blocked { detail: String::new(), resolved: false };
        assert_eq!(schedule().verdict(&blocked, circumstances(0)), Verdict::Failed);
    }

    #[test]
    fn a_name_whose_addresses_may_not_be_called_is_tried_again() {
        let blocked = Outcome::Blocked { detail: String::new(), resolved: true };
        let due = now() + Duration::from_secs(5);
        assert_eq!(schedule().verdict(&blocked, circumstances(0)), Verdict::RetryAt(due));
    }

    #[test]
    fn retry_after_moves_the_next_attempt_later_and_never_earlier() {
        let asked = |seconds| Circumstances { retry_after: Duration::from_secs(seconds), ..circumstances(1) };
        let due = |seconds| Verdict::RetryAt(now() + Duration::from_secs(seconds));
        assert_eq!(schedule().verdict(&http(503), asked(301)), due(301));
        assert_eq!(schedule().verdict(&http(503), asked(299)), due(300));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_six_hours() {
        for (value, seconds) in [
            ("120", 120),
            (" 7 ", 7),
            ("0", 0),
            ("Fri, 02 Jan 2026 03:05:05 GMT", 60),
            ("Friday, 02-Jan-26 03:05:05 GMT", 60),
            ("Fri Jan  2 03:05:05 2026", 60),
            ("21601", 21_600),
            ("18446744073709551615", 21_600),
            ("99999999999999999999", 21_600),
            ("18446744073709551615.5", 21_600),
            ("1.5", 2),
            ("0.001", 1),
            ("2.0", 2),
            ("Fri, 02 Jan 2026 23:05:05 GMT", 21_600),
        ] {
            assert_eq!(retry_after(value, now()), Duration::from_secs(seconds), "{value:?}");
        }
    }

    #[test]
    fn nonsense_in_retry_after_is_ignored() {
        for value in [
            "",
            "soon",
            "-5",
            "+5",
            "-1.5",
            "1.",
            ".5",
            "1.5.2",
            "1,5",
            "1e3",
            "Fri, 02 Jan 2026 03:04:04 GMT",
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "2026-01-02T03:05:05Z",
        ] {
            assert_eq!(retry_after(value, now()), Duration::ZERO, "{value:?}");
        }
    }

    #[test]
    fn a_schedule_of_nothing_means_one_attempt() {
        assert_eq!("".parse::<Schedule>().unwrap().verdict(&http(500), circumstances(0)), Verdict::Failed);
    }

    #[test]
    fn a_schedule_beyond_its_limits_is_refused() {
        let too_many = ["1"; 21].join(",");
        for bad in ["5,", "five", "0", "36001", "-1", "1.5", too_many.as_str()] {
            assert_eq!(bad.parse::<Schedule>(), Err(InvalidSchedule), "{bad}");
        }
    }
}
