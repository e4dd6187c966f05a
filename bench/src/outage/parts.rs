//! What the parts of the simulation hand to each other.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use nano_webhooks::{
    delivery::{Change, Mark, State},
    webhook::RecordedAttempt,
};

use super::Ms;

/// How many shards the stream has.
pub(super) const STREAM_SHARDS: usize = 4;

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub(super) attempt: u32,
    pub(super) probe: Option<u64>,
    /// Whether fan-out has sent it: only its messages have a payload.
    pub(super) has_payload: bool,
    /// Whether it was received before.
    pub(super) again: bool,
}

/// A message on the queue.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) hook: u32,
    pub(super) number: u32,
    pub(super) time: Ms,
    pub(super) asked: Asked,
}

/// What the table stores of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stored {
    pub(super) state: State,
    pub(super) tries: u32,
    pub(super) version: u64,
    /// How many attempts the item has, probes included.
    pub(super) attempts: u32,
    pub(super) next_attempt_at: Option<Timestamp>,
}

impl Stored {
    /// A delivery that was held on arrival.
    pub(super) const HELD: Self = Self { state: State::Held, tries: 0, version: 1, attempts: 0, next_attempt_at: None };
}

/// What the library has decided about a message.
#[derive(Clone)]
pub(super) enum Decided {
    Nothing,
    LookAgain,
    FollowUp,
    Record(Change),
    Attempt {
        claim: bool,
        earlier_tries: u32,
        epoch: u64,
        is_spotless: bool,
        /// The webhook's `max_per_minute`, if the attempt counts for it.
        limit: Option<u32>,
    },
}

/// What the library has decided to write.
#[derive(Clone, Copy)]
pub(super) struct Written {
    pub(super) new: Stored,
    pub(super) mark: Option<Mark>,
    pub(super) watch: bool,
}

/// One dispatcher and its batch.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) works: Vec<Work>,
    pub(super) began: Ms,
    pub(super) received: usize,
    /// When each webhook's last success ended.
    pub(super) successes: HashMap<u32, Ms>,
    /// The minute in which each webhook's quota was used up when it last asked.
    pub(super) used_up: HashMap<u32, i64>,
}

/// The work that is left for messages that are alike.
pub(super) struct Work {
    pub(super) hook: u32,
    pub(super) asked: Asked,
    /// Each delivery's number, and when its message was sent.
    pub(super) members: Vec<(u32, Ms)>,
    /// The change to record; `None` if it is recorded and only the next attempt has to be arranged.
    pub(super) change: Option<Change>,
    pub(super) ends: Ms,
    /// When the change is recorded.
    pub(super) at: Ms,
    pub(super) round: u32,
}

/// A record that watch-webhooks gets.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) hook: u32,
    pub(super) held: bool,
    pub(super) attempt: Option<RecordedAttempt>,
}

#[derive(Default)]
pub(super) struct Shard {
    pub(super) entries: VecDeque<Entry>,
    pub(super) is_awaited: bool,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A dispatcher records the changes that are due.
    Record(usize),
    /// A dispatcher has finished its batch.
    Free(usize),
    /// watch-webhooks gets a batch of this shard.
    Watch(usize),
    /// release begins its run of the minute.
    Release,
}
