//! A webhook's statistics, hour by hour; and what an account used in a month.
//!
//! The function `count-attempts` reads recorded attempts and adds them to the webhook's hour, with one write for a
//! whole minute. A customer's page can therefore ask for a week as often as it likes: it reads counters, never
//! deliveries. See `docs/decisions/0007-hourly-statistics.md` and `0020-statistics-come-from-the-stream.md`.

mod month;

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
pub use month::{AccountMonth, Month, Months, Units};
use serde::Serialize;

use crate::{
    attempt::{Attempt, Outcome},
    names::{AccountId, WebhookId},
    reply_time::ReplyTime,
};

/// The key of a tally: one webhook in one hour.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hour {
    /// The account that owns the webhook.
    pub account_id: AccountId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The hour's first instant.
    pub begins: Timestamp,
}

/// Counts of attempts, by webhook and hour.
pub type Tallies = HashMap<Hour, Tally>;

/// Counts of the attempts of one webhook in one hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deliveries that the endpoint accepted.
    pub deliveries: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Failed attempts by their [`Outcome::phase`](crate::attempt::Outcome::phase).
    pub failures_by_outcome: BTreeMap<String, u64>,
    /// How many answers fell into each [`bucket`] of durations. Attempts without an answer are not counted: a refused
    /// connection takes a millisecond and a timeout ten seconds, and neither says how fast the endpoint answers.
    pub durations: BTreeMap<u8, u64>,
}

/// One hour as a reply shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct HourSummary {
    hour: ReplyTime,
    deliveries: u64,
    failures: u64,
    failures_by_outcome: BTreeMap<String, u64>,
    p50_ms: Option<u64>,
    p95_ms: Option<u64>,
}

/// Each bucket's end is this many times the end of the one before, in milliseconds. Replies show the bucket's middle,
/// which is wrong by at most a tenth.
const WIDTH: f64 = 1.2;

impl Tally {
    /// Adds one attempt to the counts.
    pub fn add(&mut self, attempt: &Attempt) {
        if attempt.outcome.is_success() {
            self.deliveries += 1;
        } else {
            self.failures += 1;
            *self.failures_by_outcome.entry(attempt.outcome.phase().to_string()).or_default() += 1;
        }
        if matches!(attempt.outcome, Outcome::Http { .. }) {
            *self.durations.entry(bucket(attempt.duration_ms)).or_default() += 1;
        }
    }

    /// The duration, in milliseconds, that `percent` of the answers did not exceed, correct to a tenth. `None`
    /// without answers.
    fn percentile(&self, percent: u64) -> Option<u64> {
        let answers: u64 = self.durations.values().sum();
        let rank = (answers * percent).div_ceil(100).max(1);
        let mut passed = 0;
        let found = self.durations.iter().find(|(_, count)| {
            passed += **count;
            passed >= rank
        });
        found.map(|(bucket, _)| middle(*bucket))
    }
}

impl HourSummary {
    fn new(hour: Timestamp, tally: &Tally) -> Self {
        let Tally { deliveries, failures, ref failures_by_outcome, .. } = *tally;
        Self {
            hour: hour.into(),
            deliveries,
            failures,
            failures_by_outcome: failures_by_outcome.clone(),
            p50_ms: tally.percentile(50),
            p95_ms: tally.percentile(95),
        }
    }
}

/// The first instant of the hour that contains this time.
pub fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(3600) * 3600).unwrap_or(at)
}

/// The last `count` hours, oldest first, ending with the current one. Hours without attempts are included.
pub fn hours(tallies: &BTreeMap<Timestamp, Tally>, count: i64, now: Timestamp) -> Vec<HourSummary> {
    let none = Tally::default();
    let hours = (0..count).rev().map(|ago| hour_of(now) - SignedDuration::from_hours(ago));
    hours.map(|hour| HourSummary::new(hour, tallies.get(&hour).unwrap_or(&none))).collect()
}

/// The bucket of a duration: 0 for up to 1 ms, about 50 for the 10 s that an attempt may take.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a logarithm of a small positive number")]
#[expect(clippy::cast_precision_loss, reason = "a millisecond more or less does not matter where it could be lost")]
fn bucket(milliseconds: u64) -> u8 {
    (milliseconds.max(1) as f64).log(WIDTH).ceil() as u8
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
fn middle(bucket: u8) -> u64 {
    WIDTH.powf(f64::from(bucket) - 0.5).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn tally(durations: impl IntoIterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        for duration_ms in durations {
            let outcome = Outcome::Http { http_status: 200, response: String::new(), redirect: None };
            tally.add(&Attempt { started_at: now(), duration_ms, resent: false, outcome, answer: None });
        }
        tally
    }

    #[test]
    fn every_duration_is_reported_within_a_tenth() {
        for duration in 0..=60_000 {
            let reported = tally([duration]).percentile(50).unwrap();
            // Rounding to whole milliseconds can add half a millisecond.
            assert!(reported.abs_diff(duration.max(1)) * 10 <= duration + 5, "{duration} is reported as {reported}");
        }
    }

    #[test]
    fn percentiles_are_taken_over_all_answers() {
        let hundred = tally((1..=95).map(|_| 100).chain([5000; 5]));
        assert!(hundred.percentile(50).unwrap().abs_diff(100) < 10);
        assert!(hundred.percentile(95).unwrap().abs_diff(100) < 10);
        assert!(hundred.percentile(96).unwrap().abs_diff(5000) < 500);
        assert_eq!(Tally::default().percentile(50), None);
    }

    #[test]
    fn an_attempt_without_an_answer_is_a_failure_of_its_kind_and_says_nothing_of_the_response_time() {
        let mut tally = tally([100]);
        for (outcome, duration_ms) in [
            (Outcome::Connect { detail: String::new() }, 1),
            (Outcome::Timeout, 10_000),
            (Outcome::Timeout, 10_000),
            (Outcome::Http { http_status: 500, response: String::new(), redirect: None }, 100),
        ] {
            tally.add(&Attempt { started_at: now(), duration_ms, resent: false, outcome, answer: None });
        }
        assert_eq!((tally.deliveries, tally.failures), (1, 4));
        let expected = [("connect", 1), ("http", 1), ("timeout", 2)].map(|(name, count)| (name.to_owned(), count));
        assert_eq!(tally.failures_by_outcome, BTreeMap::from(expected));
        assert!(tally.percentile(1).unwrap().abs_diff(100) < 10 && tally.percentile(100).unwrap().abs_diff(100) < 10);
    }

    #[test]
    fn hours_without_attempts_are_there_too_and_the_present_one_is_last() {
        let hour: Timestamp = "2026-01-02T02:00:00Z".parse().unwrap();
        let hours = hours(&BTreeMap::from([(hour, tally([10, 10]))]), 3, now());
        let shown: Vec<_> =
            hours.iter().map(|hour| (serde_json::to_value(hour.hour).unwrap(), hour.deliveries, hour.p50_ms)).collect();
        let expected = [
            ("2026-01-02T01:00:00.000Z".into(), 0, None),
            ("2026-01-02T02:00:00.000Z".into(), 2, Some(10)),
            ("2026-01-02T03:00:00.000Z".into(), 0, None),
        ];
        assert_eq!(shown, expected);
    }
}
