//! Everything that can differ between two moments of one delivery's life, small enough to be hashed.
//!
//! The clock stands still at [`crate::setting::NOW`] and the times move past it instead: a decision only asks of a time whether
//! it has come, and whether it came long ago.

use nano_webhooks::delivery::State;

/// One moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The messages on the queue and with dispatchers, sorted, so that their order makes no other world.
    pub(crate) letters: Vec<Letter>,
    /// The table of what waits, sorted.
    pub(crate) entries: Vec<Entry>,
    /// The delivery as its table has it.
    pub(crate) item: Option<Item>,
    pub(crate) hook: Hook,
    /// What a late read may show of the webhook.
    pub(crate) hook_before: Hook,
    /// Whether the tables take no writes.
    pub(crate) outage: bool,
    /// The messages in the dead-letter queue.
    pub(crate) dead: Vec<Ask>,
    /// The last round that a customer asked for.
    pub(crate) wanted: u32,
    pub(crate) seen: Seen,
    /// What may still happen.
    pub(crate) left: Bounds,
}

/// How often at most what is not the protocol's own doing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Bounds {
    /// Crashes, lost and duplicated messages, repeated completions, late reads, delays of hours.
    pub(crate) faults: u8,
    /// Retries by hand.
    pub(crate) clicks: u8,
    /// The webhook is disabled, enabled or deleted, its circuit opens or closes.
    pub(crate) switches: u8,
    pub(crate) probes: u8,
    /// The tables take no writes for a while.
    pub(crate) outages: u8,
    /// The operator sends a dead letter again.
    pub(crate) redrives: u8,
}

/// Where a search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Fan-out has just sent its message, to an active webhook which was registered a moment ago.
    Sent,
    /// The delivery has failed.
    Failed,
    /// It has failed, and its webhook's circuit is open.
    FailedAndOpen,
    /// It has failed, but another dispatcher has made its attempt with success, and is about to record that.
    FailedAndAccepted,
    /// Its first attempt has failed, and a delayed message asks for the next one.
    Retrying,
    /// It is held after one attempt, because its webhook's circuit is open.
    Held,
    /// fan-out has held it, because its webhook's circuit is open.
    HeldByFanOut,
}

/// What a message asks for: a `Message` without what decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ask {
    pub(crate) round: u32,
    pub(crate) attempt: u32,
    pub(crate) probe: Option<u64>,
    pub(crate) from: From,
}

/// Who has sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum From {
    /// It has the body, and the time at which its completion was queued.
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
    /// How many of them ended in a fault of ours, or in a race that was lost.
    pub(crate) ours: u8,
    pub(crate) copies: Copies,
    pub(crate) place: Place,
}

/// SQS may deliver one message to two dispatchers; when either is done with it, it has left the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Copies {
    One,
    /// The other twins with the same [`Ask`] are this message, too.
    Twins,
    /// A twin has been deleted, and this one with it; only the dispatcher that works on it does not know.
    Deleted,
}

/// Where a message is; from [`Place::Claiming`] on, what the dispatcher that works on it does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    Visible,
    /// Until its attempt is due.
    Delayed,
    Claiming {
        read: Item,
    },
    Attempting {
        read: Item,
    },
    Recording {
        write: Item,
        /// Whether it is made for an attempt, and merges none.
        marked: bool,
        what: What,
        /// Whether the entry for the next attempt is stored.
        netted: bool,
        /// Whether it is stored, and the answer to that was lost.
        stored: bool,
    },
    /// The delayed message that asks for the next attempt has still to be sent.
    FollowingUp {
        round: u32,
        attempt: u32,
    },
    /// It has still to be deleted.
    Leaving,
}

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum What {
    Attempted { answer: Answer, retried: bool },
    Held,
    Cancelled,
}

/// The classes of outcomes between which the protocol tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    Accepted,
    Refused,
    Gone,
}

/// A `Delivery` without what decides nothing: of its attempts only how many there are, and how many were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Item {
    pub(crate) round: u32,
    pub(crate) state: State,
    pub(crate) tries: u32,
    pub(crate) attempts: u8,
    pub(crate) accepted: u8,
    pub(crate) due: Option<Due>,
    pub(crate) version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Due {
    Later,
    Now,
    /// An hour ago.
    Overdue,
}

/// An entry of the table of what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    pub(crate) round: u32,
    pub(crate) attempt: u32,
    /// A message asks for the attempt already: only the sweep looks at the entry.
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
    /// A late read may not see yet that it was registered.
    Unknown,
    Active,
    Disabled,
    Deleted,
}

/// What an observer has seen who watches the endpoint and every dispatcher.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Seen {
    /// Requests that no record is to be made of any more.
    pub(crate) lost: u8,
    pub(crate) requests: u8,
    /// Since the tables took no writes.
    pub(crate) in_outage: u8,
    pub(crate) probes_sent: u8,
    pub(crate) probes_made: u8,
    pub(crate) rounds: Vec<Round>,
    /// Why a request may be without a record: two dispatchers worked on the same delivery, one died, the tables took no
    /// writes, or a read was late.
    pub(crate) excuse: bool,
    /// Whether a message was lost, came hours late, or became a dead letter.
    pub(crate) message_lost: bool,
}

/// What an observer has seen of one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Round {
    /// Requests that were no probes.
    pub(crate) scheduled: u8,
    /// Requests that were accepted.
    pub(crate) accepted: u8,
    /// Those of them that no record is to be made of any more.
    pub(crate) accepted_lost: u8,
}

impl World {
    pub(crate) fn new(bounds: Bounds, start: Start) -> Self {
        let active = Hook { standing: Standing::Active, open: false };
        let failed = Round { scheduled: 1, ..Round::default() };
        let item = |state| Item { round: 0, state, tries: 1, attempts: 1, accepted: 0, due: None, version: 1 };
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
                let held = Item { tries: 0, attempts: 0, ..item(State::Held) };
                (Vec::new(), Some(held), true, Round::default())
            }
        };
        Self {
            letters,
            entries: if start == Start::Retrying { vec![entry] } else { Vec::new() },
            item,
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

    /// Puts worlds that differ in nothing that matters into one form.
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
        // What waits for an attempt that the delivery does not wait for has nothing to wait for.
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
            // Their messages would find nothing to do, and so would the sweep.
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

/// Where a round stands in [`Seen::rounds`].
pub(crate) fn index(round: u32) -> usize {
    usize::try_from(round).expect("rounds are few")
}

impl Ask {
    /// Fan-out's.
    pub(crate) const FIRST: Self = Self { round: 0, attempt: 1, probe: None, from: From::FanOut };
}

impl Letter {
    pub(crate) fn new(ask: Ask, place: Place) -> Self {
        Self { ask, receives: 0, ours: 0, copies: Copies::One, place }
    }

    /// As `may_read_late` of `functions/dispatcher`.
    pub(crate) fn may_be_read_late(&self) -> bool {
        let Ask { from, attempt, probe, .. } = self.ask;
        self.receives == 0 && (from == From::FanOut || attempt > 1 && probe.is_none())
    }

    /// Whether a dispatcher has it.
    pub(crate) fn is_worked_on(&self) -> bool {
        !matches!(self.place, Place::Visible | Place::Delayed)
    }

    /// Whether a dispatcher has decided what it means, and not recorded it.
    pub(crate) fn is_decided(&self) -> bool {
        matches!(self.place, Place::Claiming { .. } | Place::Attempting { .. } | Place::Recording { .. })
    }

    pub(crate) fn give_back(&mut self) {
        self.place = Place::Visible;
        self.ours += 1;
    }

    /// What the receiver answered, if that is to be recorded.
    pub(crate) fn unrecorded(&self) -> Option<Answer> {
        match self.place {
            Place::Recording { what: What::Attempted { answer, .. }, stored: false, .. } => Some(answer),
            _ => None,
        }
    }
}

impl Place {
    /// Whether the entry for the next attempt has to be stored first.
    pub(crate) fn lacks_entry(self) -> bool {
        matches!(self, Self::Recording { netted: false, .. })
    }
}

impl Item {
    /// Whether it waits for this attempt.
    pub(crate) fn awaits(&self, round: u32, attempt: u32) -> bool {
        !self.state.is_finished() && self.round == round && self.tries + 1 == attempt
    }
}
