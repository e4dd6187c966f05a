//! The state of one delivery and of everything around it, small enough to be hashed.
//!
//! The clock stands still at [`crate::setting::NOW`], and times move relative to it: a decision only depends on
//! whether a time has passed, and whether it passed long ago.

use nano_webhooks::delivery::{Reason, State};

use crate::{
    erasure::Body,
    letter::{Answer, Ask, Copies, From, Letter, Place, What},
};

/// The state at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The messages on the queue and with dispatchers. Sorted, so that their order makes no other world.
    pub(crate) letters: Vec<Letter>,
    /// The entries of the waiting table, sorted.
    pub(crate) entries: Vec<Entry>,
    /// The delivery as the table stores it.
    pub(crate) item: Option<Item>,
    /// The event's body as the table stores it.
    pub(crate) body: Body,
    /// Whether the second step of the erasure must still be done.
    pub(crate) erasing: bool,
    pub(crate) hook: Hook,
    /// The webhook as a late read may return it.
    pub(crate) hook_before: Hook,
    /// Whether the tables refuse writes.
    pub(crate) outage: bool,
    /// The messages in the dead-letter queue.
    pub(crate) dead: Vec<Ask>,
    /// The last round that the customer asked for.
    pub(crate) wanted: u32,
    pub(crate) seen: Seen,
    /// How many events from outside may still happen.
    pub(crate) left: Bounds,
}

/// How many events of each kind from outside may happen at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Bounds {
    /// Crashes, lost and duplicated messages, repeated completions, late reads, delays of hours.
    pub(crate) faults: u8,
    /// Retries by hand.
    pub(crate) clicks: u8,
    /// The webhook is disabled, enabled or deleted, or its circuit opens or closes.
    pub(crate) switches: u8,
    pub(crate) probes: u8,
    /// Times in which the tables refuse writes.
    pub(crate) outages: u8,
    /// Dead letters that the operator redrives.
    pub(crate) redrives: u8,
    /// The customer erases the event.
    pub(crate) erasures: u8,
    /// The event is removed because of its age.
    pub(crate) expiries: u8,
}

/// The state in which a search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Fan-out has just sent its message. The webhook is active, and was registered a moment ago.
    Sent,
    /// The delivery has failed.
    Failed,
    /// The delivery has failed, and its webhook's circuit is open.
    FailedAndOpen,
    /// The delivery has failed, but another dispatcher's attempt has succeeded, and it is about to record that.
    FailedAndAccepted,
    /// The first attempt has failed, and a delayed message asks for the next one.
    Retrying,
    /// The delivery is held after one attempt, because its webhook's circuit is open.
    Held,
    /// fan-out stored the delivery as held, because its webhook's circuit is open.
    HeldByFanOut,
}

/// A `Delivery`, reduced to the fields that decisions depend on. Of its attempts only how many there are, how many
/// were accepted, and whether any has the receiver's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Item {
    pub(crate) round: u32,
    pub(crate) state: State,
    /// Why it is cancelled, or that it is erased.
    pub(crate) reason: Option<Reason>,
    pub(crate) tries: u32,
    pub(crate) attempts: u8,
    pub(crate) accepted: u8,
    pub(crate) answers: bool,
    pub(crate) due: Option<Due>,
    pub(crate) version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Due {
    Later,
    Now,
    /// It was due an hour ago.
    Overdue,
}

/// An entry of the waiting table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    pub(crate) round: u32,
    pub(crate) attempt: u32,
    /// A message already asks for the attempt: only the sweep looks at the entry.
    pub(crate) carried: bool,
    pub(crate) due: Due,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Hook {
    pub(crate) standing: Standing,
    pub(crate) open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// A late read may not yet see that it was registered.
    Unknown,
    Active,
    Disabled,
    Deleted,
}

/// What an observer of the endpoint and of every dispatcher has counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Seen {
    /// Requests that will never be recorded.
    pub(crate) lost: u8,
    pub(crate) requests: u8,
    /// Requests since the tables began to refuse writes.
    pub(crate) in_outage: u8,
    pub(crate) probes_sent: u8,
    pub(crate) probes_made: u8,
    pub(crate) rounds: Vec<Round>,
    /// Whether the delivery was delivered when it was erased.
    pub(crate) delivered: bool,
    /// Whether a request may lack a record: two dispatchers worked on the same delivery, one died, the tables refused
    /// writes, or a read was late.
    pub(crate) excuse: bool,
    /// Whether a message was lost, came hours late, or became a dead letter.
    pub(crate) message_lost: bool,
}

/// What an observer has counted of one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Round {
    /// Requests that were not probes.
    pub(crate) scheduled: u8,
    /// Requests that were accepted.
    pub(crate) accepted: u8,
    /// Accepted requests that will never be recorded.
    pub(crate) accepted_lost: u8,
}

impl World {
    pub(crate) fn new(bounds: Bounds, start: Start) -> Self {
        let active = Hook { standing: Standing::Active, open: false };
        let failed = Round { scheduled: 1, ..Round::default() };
        let item = |state| Item { state, ..Item::FAILED };
        let first = Letter::new(Ask::FIRST, Place::Visible);
        let second = Letter::new(Ask { attempt: 2, from: From::Ourselves, ..Ask::FIRST }, Place::Delayed);
        let write = Item { version: 0, accepted: 1, ..item(State::Delivered) };
        let what = What::Attempted { answer: Answer::Accepted, retried: false };
        let recording = Place::Recording { write, marked: true, what, netted: true, stored: false };
        let straggler = Letter { receives: 1, ..Letter::new(Ask::FIRST, recording) };
        let accepted = Round { scheduled: 2, accepted: 1, ..failed };
        let entry = Entry { round: 0, attempt: 2, carried: true, due: Due::Later };
        let (letters, item, open, round) = match start {
            Start::Sent => (vec![first], None, false, Round::default()),
            Start::Failed => (Vec::new(), Some(item(State::Failed)), false, failed),
            Start::FailedAndOpen => (Vec::new(), Some(item(State::Failed)), true, failed),
            Start::FailedAndAccepted => (vec![straggler], Some(item(State::Failed)), false, accepted),
            Start::Retrying => {
                (vec![second], Some(Item { due: Some(Due::Later), ..item(State::Retrying) }), false, failed)
            }
            Start::Held => (Vec::new(), Some(item(State::Held)), true, failed),
            Start::HeldByFanOut => {
                let held = Item { tries: 0, attempts: 0, answers: false, ..item(State::Held) };
                (Vec::new(), Some(held), true, Round::default())
            }
        };
        Self {
            letters,
            entries: if start == Start::Retrying { vec![entry] } else { Vec::new() },
            item,
            body: Body::Stored,
            erasing: false,
            hook: Hook { open, ..active },
            hook_before: Hook { standing: Standing::Unknown, open },
            outage: false,
            dead: Vec::new(),
            wanted: 0,
            seen: Seen {
                rounds: vec![round],
                requests: round.scheduled,
                excuse: round.accepted > 0,
                ..Seen::default()
            },
            left: bounds,
        }
    }

    pub(crate) fn round(&mut self, round: u32) -> &mut Round {
        &mut self.seen.rounds[index(round)]
    }

    /// Whether the delivery waits for this attempt.
    pub(crate) fn awaits(&self, round: u32, attempt: u32) -> bool {
        self.item.is_some_and(|item| item.awaits(round, attempt))
    }

    /// Whether this attempt is not due yet.
    pub(crate) fn is_early(&self, round: u32, attempt: u32) -> bool {
        let is_early = |item: Item| item.awaits(round, attempt) && item.due == Some(Due::Later);
        let is_about_to = |letter: &Letter| match letter.place {
            Place::Recording { write, netted: true, .. } => is_early(write),
            _ => false,
        };
        self.item.is_some_and(is_early) || self.letters.iter().any(is_about_to)
    }

    /// Puts worlds that differ only in irrelevant details into the same form.
    pub(crate) fn normalised(mut self) -> Self {
        if self.left.faults == 0 {
            self.hook_before = self.hook;
        }
        if !self.outage && self.left.outages == 0 {
            self.seen.in_outage = 0;
        }
        self.seen.excuse |= self.outage;
        if self.seen.excuse {
            self.seen.probes_made = 0;
            self.seen.probes_sent = 0;
        }
        // Only a message that is received for the first time can be read late.
        self.letters.iter_mut().for_each(|letter| letter.belated &= letter.receives == 0);
        // A message or entry for an attempt that the delivery does not wait for need not be delayed.
        for at in 0..self.letters.len() {
            let Ask { round, attempt, .. } = self.letters[at].ask;
            if self.letters[at].place == Place::Delayed && !self.is_early(round, attempt) {
                self.letters[at].place = Place::Visible;
            }
        }
        for at in 0..self.entries.len() {
            let Entry { round, attempt, due, .. } = self.entries[at];
            if due == Due::Later && !self.is_early(round, attempt) {
                self.entries[at].due = Due::Now;
            }
        }
        if let Some(item) = self.item {
            // Messages for these entries would find nothing to do, and so would the sweep.
            self.entries.retain(|entry| {
                let last = item.tries + u32::from(entry.carried);
                let may_matter = !item.state.is_finished() && entry.round == item.round && entry.attempt >= last;
                may_matter || entry.round > item.round
            });
        }
        self.letters.retain(|letter| letter.is_worked_on() || letter.copies != Copies::Deleted);
        self.letters.sort_unstable();
        self.entries.sort_unstable();
        self.entries.dedup();
        self.dead.sort_unstable();
        self
    }
}

/// The index of a round in [`Seen::rounds`].
pub(crate) fn index(round: u32) -> usize {
    usize::try_from(round).expect("rounds are few")
}

impl Item {
    /// A delivery of which one attempt has failed.
    const FAILED: Self = Self {
        round: 0,
        state: State::Failed,
        reason: None,
        tries: 1,
        attempts: 1,
        accepted: 0,
        answers: true,
        due: None,
        version: 1,
    };

    /// Whether the delivery waits for this attempt.
    pub(crate) fn awaits(&self, round: u32, attempt: u32) -> bool {
        !self.state.is_finished() && self.round == round && self.tries + 1 == attempt
    }
}
