//! What the API says after an event was erased.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{names::EventId, reply_time::ReplyTime};

/// For how many days, at least, the tables keep that an event was erased: longer than any queue keeps a message of it.
pub const ERASED_KEPT_DAYS: u32 = 15;

/// For how long DynamoDB's point-in-time recovery can restore a table.
const BACKUPS: SignedDuration = SignedDuration::from_hours(35 * 24);
/// For how long a queue, and the dead-letter queue, keep a message.
const MESSAGES: SignedDuration = SignedDuration::from_hours(14 * 24);
/// For how long the stream of the deliveries table keeps a change.
const CHANGES: SignedDuration = SignedDuration::from_hours(24);

/// The reply to the erasure of an event.
#[derive(Debug, Serialize)]
pub struct Erasure {
    id: EventId,
    erased_at: ReplyTime,
    remains: [String; 5],
}

impl Erasure {
    /// The reply for an event that was erased at this time.
    pub fn new(id: EventId, at: Timestamp) -> Self {
        Self { id, erased_at: at.into(), remains: remains(at) }
    }
}

/// What is left of an event, or of all events of an account, that was erased at this time: where, and until when.
pub fn remains(erased_at: Timestamp) -> [String; 5] {
    let until = |kept: SignedDuration| format!("{:.0}", erased_at + kept);
    [
        "Endpoints that received it have it.".to_owned(),
        "An attempt that had begun is finished, and its endpoint receives it.".to_owned(),
        format!(
            "Messages that were on a queue, or that failed on our side, can contain it until {}. No attempt is made \
             for them.",
            until(MESSAGES)
        ),
        format!("The deliveries table's change log can contain endpoints' answers until {}.", until(CHANGES)),
        format!("Backups of the tables contain it until {}.", until(BACKUPS)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_remains_has_a_time_when_it_is_gone() {
        let remains = remains("2026-01-02T03:04:05.678Z".parse().unwrap());
        let times = ["2026-01-16T03:04:05Z", "2026-01-03T03:04:05Z", "2026-02-06T03:04:05Z"];
        for (sentence, time) in remains[2..].iter().zip(times) {
            assert!(sentence.contains(time), "{sentence}");
        }
    }
}
