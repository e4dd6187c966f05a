//! The format of times in replies.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// A time in a reply: RFC 3339 in UTC, always with three digits of milliseconds. So the texts sort as the times do,
/// and a customer's parser needs only one format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReplyTime(Timestamp);

impl From<Timestamp> for ReplyTime {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl Serialize for ReplyTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_three_digits_of_milliseconds() {
        for (time, text) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
            ("2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.100Z"),
            ("2026-01-02T03:04:05.999999999Z", "2026-01-02T03:04:05.999Z"),
            ("2026-01-02T03:04:05.123456+01:00", "2026-01-02T02:04:05.123Z"),
        ] {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(serde_json::to_value(ReplyTime::from(time)).unwrap(), text);
        }
    }
}
