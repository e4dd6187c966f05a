//! Everything that can differ between two moments of one delivery's life, small enough to be hashed.
//!
//! The clock stands still at [`crate::setting::NOW`] and the times move past it instead: all that a decision asks of a time is whether it
//! has come.

/// One moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The messages that are still owed something, sorted, so that their order makes no other world.
    pub(crate) letters: Vec<Letter>,
    /// The delivery as the table has it.
    pub(crate) item: Option<Item>,
    pub(crate) hook: Hook,
    /// What became of each round of the schedule that was promised, for the claims to be checked against.
    pub(crate) rounds: Vec<Round>,
    /// The rounds of the messages in the dead-letter queue.
    pub(crate) dead: Vec<u32>,
    /// What may still be done to it.
    pub(crate) left: Bounds,
}

/// How often at most what is not the protocol's own doing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    /// Crashes, early redeliveries, duplicates, repeated completions, redrives.
    pub(crate) faults: u8,
    /// Manual retries.
    pub(crate) clicks: u8,
    /// The webhook is disabled, enabled or deleted, or much time passes.
    pub(crate) switches: u8,
}

/// A message on the deliveries queue, and the dispatcher that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Letter {
    pub(crate) round: u32,
    /// SQS's count of receives.
    pub(crate) receives: u8,
    /// How many of them were through a fault of ours, or a race that was lost.
    pub(crate) ours: u8,
    pub(crate) copies: Copies,
    pub(crate) place: Place,
}

/// SQS may deliver one message to two dispatchers; when either is done with it, it has left the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Copies {
    One,
    /// The other twins of the round are this message, too.
    Twins,
    /// A twin has been deleted, and this one with it; only the dispatcher that holds it does not know.
    Deleted,
}

/// Where a message is; from [`Place::Sending`] on, what the dispatcher that holds it does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// The retry route has read the delivery and has yet to send the message.
    Unsent {
        /// The round that it read.
        after: u32,
        /// Whether that was finished; else it was long overdue.
        finished: bool,
    },
    Visible,
    /// Until the next attempt is due.
    Hidden,
    Sending {
        read: Item,
        failing: Failing,
    },
    Recording {
        delivery: Item,
        /// How the attempt ended; nothing where the delivery is cancelled.
        tried: Option<Answer>,
        change: Option<Change>,
    },
    Settling {
        change: Option<Change>,
        then: Then,
    },
}

/// What becomes of a message when its dispatcher is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Then {
    /// It leaves the queue.
    Leave,
    /// It is hidden until the next attempt is due.
    Hide,
    /// It is given back as it is.
    GiveBack,
}

/// A `Delivery` without what decides nothing: its names, its body, and all of its attempts but their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Item {
    pub(crate) round: u32,
    pub(crate) state: &'static str,
    pub(crate) tries: u32,
    pub(crate) attempts: usize,
    pub(crate) due: Option<Due>,
    pub(crate) version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Due {
    Later,
    Now,
    /// It was long ago.
    Overdue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Hook {
    pub(crate) standing: Standing,
    pub(crate) failing: Failing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    Active,
    Disabled,
    Deleted,
}

/// Since when all attempts have failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Failing {
    Not,
    Lately,
    /// For longer than anybody's patience.
    Long,
}

/// A `HealthChange` without its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Change {
    Recovered,
    Failed,
    Gone,
    GivenUp,
}

/// The classes of outcomes between which the protocol tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    Accepted,
    Refused,
    Blocked,
    Gone,
}

/// What became of one round, as an observer counts it who sees the receiver and every dispatcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Round {
    /// Whether more than one message was sent for it, or one for another round before this was finished.
    pub(crate) contended: bool,
    /// Attempts that were made.
    pub(crate) made: u8,
    /// Those of them that the receiver accepted.
    pub(crate) accepted: u8,
    /// Attempts that were made and will never be recorded.
    pub(crate) lost: u8,
    /// Those of them that the receiver accepted.
    pub(crate) lost_accepted: u8,
}

impl World {
    /// Fan-out has just sent a message to an active webhook.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            letters: vec![Letter::new(0, Place::Visible)],
            item: None,
            hook: Hook { standing: Standing::Active, failing: Failing::Not },
            rounds: vec![Round::default()],
            dead: Vec::new(),
            left: bounds,
        }
    }

    pub(crate) fn round(&mut self, round: u32) -> &mut Round {
        &mut self.rounds[index(round)]
    }

    /// The last round that somebody asked for and was promised.
    pub(crate) fn wanted(&self) -> u32 {
        u32::try_from(self.rounds.len() - 1).expect("rounds are few")
    }

    /// Puts worlds that differ in nothing that matters into one form.
    ///
    /// A message that is hidden for a time which has come, or which nobody waits for any more, may be received at any
    /// moment from now on, and so may one that is visible: they are the same. A round that is over was checked while it
    /// lasted, and what is left of its messages will be received once more and no matter. A dispatcher that is about to
    /// give its message back may as well die. And where no five days can pass any more, nobody counts failures.
    pub(crate) fn normalised(mut self) -> Self {
        if self.left.switches == 0 {
            self.forget_late_failures();
        }
        let awaited = self.item.filter(|item| item.due == Some(Due::Later)).map(|item| item.round);
        for letter in &mut self.letters {
            if letter.place == Place::Hidden && awaited != Some(letter.round) {
                letter.place = Place::Visible;
            }
        }
        if let Some(item) = self.item {
            self.rounds[..index(item.round)].fill(Round::default());
            for letter in self.letters.iter_mut().filter(|letter| letter.round < item.round && !letter.is_held()) {
                *letter = Letter { receives: 0, ours: 0, ..*letter };
            }
        }
        for letter in &mut self.letters {
            if letter.place == (Place::Settling { change: None, then: Then::GiveBack }) {
                letter.give_back();
            }
        }
        self.letters.retain(|letter| letter.is_held() || letter.copies != Copies::Deleted);
        self.letters.sort_unstable();
        self.dead.sort_unstable();
        self
    }

    fn forget_late_failures(&mut self) {
        let forget = |failing: &mut Failing| {
            if *failing == Failing::Lately {
                *failing = Failing::Not;
            }
        };
        forget(&mut self.hook.failing);
        for letter in &mut self.letters {
            match &mut letter.place {
                Place::Sending { failing, .. } => forget(failing),
                Place::Recording { change, .. } | Place::Settling { change, .. } if *change == Some(Change::Failed) => {
                    *change = None;
                }
                _ => {}
            }
        }
    }
}

/// Where a round stands in [`World::rounds`].
pub(crate) fn index(round: u32) -> usize {
    usize::try_from(round).expect("rounds are few")
}

impl Letter {
    pub(crate) fn new(round: u32, place: Place) -> Self {
        Self { round, receives: 0, ours: 0, copies: Copies::One, place }
    }

    /// Whether a dispatcher has it.
    pub(crate) fn is_held(&self) -> bool {
        !matches!(self.place, Place::Unsent { .. } | Place::Visible | Place::Hidden)
    }

    pub(crate) fn give_back(&mut self) {
        self.place = Place::Visible;
        self.ours += 1;
    }

    /// Whether it ever was on the queue.
    pub(crate) fn is_sent(&self) -> bool {
        !matches!(self.place, Place::Unsent { .. })
    }

    /// What the receiver said, while it is not yet recorded.
    pub(crate) fn unrecorded(&self) -> Option<Answer> {
        if let Place::Recording { tried, .. } = self.place { tried } else { None }
    }
}

impl Item {
    pub(crate) fn is_finished(&self) -> bool {
        ["delivered", "failed", "cancelled"].contains(&self.state)
    }
}
