//! A message, and how far the dispatcher that works on it has come.

use nano_webhooks::delivery::Reason;

use crate::world::Item;

/// A message, reduced to the fields that decisions depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ask {
    pub(crate) round: u32,
    pub(crate) attempt: u32,
    pub(crate) probe: Option<u64>,
    pub(crate) from: From,
}

/// The sender of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum From {
    /// The message has the body, and the time at which its completion was queued.
    FanOut,
    /// A dispatcher or release.
    Ourselves,
    /// The customer wants the attempt now.
    Customer,
}

/// A message on the deliveries queue, and the dispatcher that works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Letter {
    pub(crate) ask: Ask,
    /// SQS's count of receives.
    pub(crate) receives: u8,
    /// How many of these receives ended in a fault of ours, or in a lost race.
    pub(crate) our_faults: u8,
    pub(crate) copies: Copies,
    /// Whether it was sent after the event was erased.
    pub(crate) belated: bool,
    pub(crate) place: Place,
}

/// SQS may deliver one message to two dispatchers. When either has finished it, it has left the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Copies {
    One,
    /// Other letters with the same [`Ask`] are also `Twins`: all are the same message.
    Twins,
    /// A twin was deleted, and this message with it. Only the dispatcher that works on it does not know.
    Deleted,
}

/// Where a message is. From [`Place::Claiming`] on, the next action of the dispatcher that works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    Visible,
    /// Invisible until its attempt is due.
    Delayed,
    Claiming {
        read: Item,
    },
    Attempting {
        read: Item,
    },
    Recording {
        write: Item,
        /// Whether it is the record of a new attempt, not a merge.
        marked: bool,
        what: What,
        /// Whether the entry for the next attempt is stored.
        netted: bool,
        /// Whether the record is stored, but the reply that says so was lost.
        stored: bool,
    },
    /// The delayed message that asks for the next attempt must still be sent.
    FollowingUp {
        round: u32,
        attempt: u32,
    },
    /// The message must still be deleted.
    Leaving,
}

/// The kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum What {
    Attempted { answer: Answer, retried: bool },
    Held,
    Cancelled(Reason),
}

/// The kinds of outcomes that the protocol distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    Accepted,
    Refused,
    Gone,
}

impl Ask {
    /// The message that fan-out sends.
    pub(crate) const FIRST: Self = Self { round: 0, attempt: 1, probe: None, from: From::FanOut };
}

impl Letter {
    pub(crate) fn new(ask: Ask, place: Place) -> Self {
        Self { ask, receives: 0, our_faults: 0, copies: Copies::One, belated: false, place }
    }

    /// Whether the dispatcher reads the event for it: fan-out's messages bring the body.
    pub(crate) fn needs_event(&self) -> bool {
        self.ask.from != From::FanOut
    }

    /// As `may_read_late` of `functions/dispatcher`.
    pub(crate) fn may_be_read_late(&self) -> bool {
        let Ask { from, attempt, probe, .. } = self.ask;
        self.receives == 0 && (from == From::FanOut || attempt > 1 && probe.is_none())
    }

    /// Whether a dispatcher works on it.
    pub(crate) fn is_worked_on(&self) -> bool {
        !matches!(self.place, Place::Visible | Place::Delayed)
    }

    /// Whether a dispatcher has decided what to do with it, and not recorded that yet.
    pub(crate) fn is_decided(&self) -> bool {
        matches!(self.place, Place::Claiming { .. } | Place::Attempting { .. } | Place::Recording { .. })
    }

    pub(crate) fn give_back(&mut self) {
        self.place = Place::Visible;
        self.our_faults += 1;
    }

    /// The receiver's answer, if it must still be recorded.
    pub(crate) fn unrecorded(&self) -> Option<Answer> {
        match self.place {
            Place::Recording { what: What::Attempted { answer, .. }, stored: false, .. } => Some(answer),
            _ => None,
        }
    }
}

impl Place {
    /// Whether the entry for the next attempt must be stored first.
    pub(crate) fn lacks_entry(self) -> bool {
        matches!(self, Self::Recording { netted: false, .. })
    }
}
