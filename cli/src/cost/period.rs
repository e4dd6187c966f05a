//! A month, as far as it has passed.

use jiff::Timestamp;
use nano_webhooks::stats::Month;

/// A month, and how much of it has passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period {
    pub(super) month: Month,
    /// Its end, or now.
    pub(super) until: Timestamp,
    /// How much of it has passed, from 0 to 1.
    pub(super) passed: f64,
    /// The same, without what passed before the stack was created.
    pub(super) with_stack: f64,
    /// How many hours the whole month has.
    pub(super) hours: f64,
}

impl Period {
    pub(super) fn new(month: Month, created: Timestamp, now: Timestamp) -> Self {
        let (begins, ends) = (month.begins(), month.ends());
        let until = now.clamp(begins, ends);
        let whole = ends.duration_since(begins).as_secs_f64();
        let since = |time: Timestamp| until.duration_since(time).as_secs_f64() / whole;
        Self {
            month,
            until,
            passed: since(begins),
            with_stack: since(created.clamp(begins, until)),
            hours: whole / 3_600.0,
        }
    }

    /// Whether the month is over.
    pub(super) fn is_over(&self) -> bool {
        self.until == self.month.ends()
    }
}
