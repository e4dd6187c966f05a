//! What an account used in a calendar month, for the operator's bill.
//!
//! `count-attempts` adds up what an account's attempts used and writes one item for each account and month.
//! `nano-webhooks cost` shares the bill out by them. See `docs/decisions/0047-the-bill-is-metered.md`.

use std::{collections::HashMap, fmt, ops::AddAssign};

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use crate::{delivery::State, names::AccountId, webhook::RecordedAttempt};

/// A calendar month of UTC. Displays as `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(Date);

/// The key of an account's units.
pub type AccountMonth = (AccountId, Month);

/// The units of accounts, by account and month.
pub type Months = HashMap<AccountMonth, Units>;

/// What an account used: only what the bill is in proportion to, and what the stream has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Units {
    /// Attempts made.
    pub attempts: u64,
    /// Deliveries that an endpoint accepted.
    pub delivered: u64,
    /// Deliveries that failed.
    pub failed: u64,
    /// Those of them that have used up the retry schedule. More waits in the schedule would have retried them.
    pub exhausted: u64,
    /// How long the attempts took.
    pub milliseconds: u64,
    /// The bytes of the records that were written for them: deliveries with what endpoints answered, without payloads.
    pub bytes: u64,
}

impl Month {
    /// Parses `2026-11`. Returns `None` for any other form.
    pub fn parse(text: &str) -> Option<Self> {
        let month = Self(format!("{text}-01").parse().ok()?);
        (month.to_string() == text).then_some(month)
    }

    /// The month that contains this time.
    pub fn of(at: Timestamp) -> Self {
        Self(at.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// Its first instant.
    pub fn begins(self) -> Timestamp {
        self.0.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |at| at.timestamp())
    }

    /// The first instant after it.
    pub fn ends(self) -> Timestamp {
        self.0.checked_add(1.month()).map_or(Timestamp::MAX, |next| Self(next).begins())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl Units {
    /// Adds one attempt: the state of its delivery afterwards, and the size of the record.
    pub(crate) fn add(&mut self, recorded: &RecordedAttempt, state: State, bytes: u64) {
        *self += Self {
            attempts: 1,
            delivered: u64::from(state == State::Delivered),
            failed: u64::from(state == State::Failed),
            exhausted: u64::from(recorded.exhausted),
            milliseconds: recorded.attempt.duration_ms,
            bytes,
        };
    }

    /// Deliveries that ended.
    pub fn deliveries(&self) -> u64 {
        self.delivered + self.failed
    }

    /// Attempts that failed. Each success ends a delivery.
    pub fn failures(&self) -> u64 {
        self.attempts.saturating_sub(self.delivered)
    }
}

impl AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.exhausted += other.exhausted;
        self.milliseconds += other.milliseconds;
        self.bytes += other.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_and_ends_at_midnight_in_utc() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let month = Month::of(at("2026-12-31T23:59:59.999Z"));
        assert_eq!(month.to_string(), "2026-12");
        assert_eq!((month.begins(), month.ends()), (at("2026-12-01T00:00:00Z"), at("2027-01-01T00:00:00Z")));
        assert_eq!(Month::of(month.ends()).to_string(), "2027-01");
        assert_eq!(Month::parse("2028-02").unwrap().ends(), at("2028-03-01T00:00:00Z"), "a leap year");
    }

    #[test]
    fn a_month_has_one_spelling() {
        assert_eq!(Month::parse("2026-11"), Some(Month::of("2026-11-30T12:00:00Z".parse().unwrap())));
        for wrong in ["2026-13", "2026-00", "2026-1", "2026-11-01", "26-11", "2026", "+2026-11", "November", ""] {
            assert_eq!(Month::parse(wrong), None, "{wrong}");
        }
    }
}
