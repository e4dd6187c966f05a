//! What can happen next.

use crate::{
    setting::{Guard, NOW, Setting},
    world::{Answer, Copies, Due, Failing, Item, Letter, Place, Standing, World},
};

/// At most this many dispatchers have a message of the delivery at the same time.
const DISPATCHERS: usize = 2;

/// One thing that happens. The numbers are places in [`World::letters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A dispatcher receives a message, reads what is stored, and decides; or SQS finds that it was received too often.
    Receive(usize),
    /// A dispatcher finds two messages of the delivery in one batch and drops the second.
    ReceiveTwice(usize, usize),
    /// The request is made, and answered like this.
    Attempt(usize, Answer),
    Record(usize),
    KeepHealth(usize),
    /// The message leaves the queue, is hidden until it is due, or is given back.
    Settle(usize),
    /// The time of the next attempt comes.
    FallDue,
    /// The retry route sends its message and answers.
    Send(usize),
    /// What can go wrong.
    Fault(Fault),
    /// The customer asks for a retry: the route reads the delivery.
    Click,
    /// What changes without the delivery's doing.
    Switch(Switch),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A dispatcher receives a message and dies before it has done anything, or cannot read what is stored.
    Throttle(usize),
    /// Whoever has the message dies, loses what it was doing to a fault, or runs out of time.
    Crash(usize),
    /// A hidden message comes before its time: hiding it failed, or the wait was longer than SQS can hide.
    Early(usize),
    /// SQS delivers a message twice.
    Duplicate(usize),
    /// The completion is sent again, or fan-out does not hear that its message was taken.
    Repeat,
    /// The operator puts a dead letter back.
    Redrive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Disable,
    Enable,
    Delete,
    /// Five days pass.
    LosePatience,
    /// Hours pass, and nobody makes the attempt that is due.
    Linger,
}

impl Event {
    /// Whether it happens in the end if nothing else does: the machine's own doing.
    pub(crate) fn is_progress(self) -> bool {
        !matches!(self, Self::ReceiveTwice(..) | Self::Fault(_) | Self::Click | Self::Switch(_))
    }
}

impl World {
    pub(crate) fn events(&self, setting: &Setting) -> Vec<Event> {
        let mut events = Vec::new();
        let free = self.letters.iter().filter(|letter| letter.is_held()).count() < DISPATCHERS;
        for (at, letter) in self.different_letters() {
            match letter.place {
                Place::Unsent { .. } => events.push(Event::Send(at)),
                Place::Visible if free => {
                    events.push(Event::Receive(at));
                    events.extend(self.dropped_beside(at, setting).map(|other| Event::ReceiveTwice(at, other)));
                }
                Place::Visible | Place::Hidden => {}
                Place::Sending { .. } => events.extend(Answer::ALL.map(|answer| Event::Attempt(at, answer))),
                Place::Recording { change, .. } => {
                    events.push(Event::Record(at));
                    events.extend(change.map(|_| Event::KeepHealth(at)));
                }
                Place::Settling { change: Some(_), .. } => events.push(Event::KeepHealth(at)),
                Place::Settling { change: None, .. } => events.push(Event::Settle(at)),
            }
        }
        events.extend((self.due() == Some(Due::Later)).then_some(Event::FallDue));
        if self.left.faults > 0 {
            self.faults(setting, &mut events);
        }
        let active = self.hook.standing == Standing::Active;
        let taken = |item: Item| setting.delivery(item).can_be_retried(NOW);
        if self.left.clicks > 0 && active && self.item.is_some_and(taken) {
            events.push(Event::Click);
        }
        if self.left.switches > 0 {
            events.extend(self.switches().map(Event::Switch));
        }
        events
    }

    /// One of each: what happens to the first of two equals can happen to the other.
    fn different_letters(&self) -> impl Iterator<Item = (usize, &Letter)> {
        let letters = self.letters.iter().enumerate();
        letters.filter(|(at, letter)| *at == 0 || self.letters[at - 1] != **letter)
    }

    fn due(&self) -> Option<Due> {
        self.item.and_then(|item| item.due)
    }

    /// The messages that the dispatcher takes for repetitions of this one when they stand after it in its batch.
    fn dropped_beside(&self, first: usize, setting: &Setting) -> impl Iterator<Item = usize> {
        let any_round = setting.without == Some(Guard::RoundInBatch);
        let round = self.letters[first].round;
        let others = self.letters.iter().enumerate().filter(move |(at, letter)| {
            *at != first
                && letter.place == Place::Visible
                && letter.receives < setting.max_receives
                && (any_round || letter.round == round)
        });
        others.map(|(at, _)| at)
    }

    fn faults(&self, setting: &Setting, events: &mut Vec<Event>) {
        for (at, letter) in self.different_letters() {
            let fault = match letter.place {
                Place::Visible if letter.receives < setting.max_receives => Some(Fault::Throttle(at)),
                Place::Hidden => Some(Fault::Early(at)),
                // A dispatcher that dies before it has made its attempt has only read: as good as throttled.
                Place::Visible | Place::Sending { .. } => None,
                Place::Unsent { .. } | Place::Recording { .. } | Place::Settling { .. } => Some(Fault::Crash(at)),
            };
            events.extend(fault.map(Event::Fault));
            if letter.is_sent() && letter.copies != Copies::Deleted {
                events.push(Event::Fault(Fault::Duplicate(at)));
            }
        }
        events.push(Event::Fault(Fault::Repeat));
        events.extend((!self.dead.is_empty()).then_some(Event::Fault(Fault::Redrive)));
    }

    fn switches(&self) -> impl Iterator<Item = Switch> {
        use Switch::{Delete, Disable, Enable, Linger, LosePatience};
        let (standing, failing) = (self.hook.standing, self.hook.failing);
        let matters = move |switch: &Switch| match switch {
            Disable => standing == Standing::Active,
            Enable => standing == Standing::Disabled,
            Delete => standing != Standing::Deleted,
            LosePatience => standing == Standing::Active && failing == Failing::Lately,
            Linger => self.left.clicks > 0 && self.due() == Some(Due::Now),
        };
        [Disable, Enable, Delete, LosePatience, Linger].into_iter().filter(matters)
    }
}
