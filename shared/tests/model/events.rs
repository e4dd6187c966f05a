//! What can happen next.

use nano_webhooks::delivery::State;

use crate::{
    setting::{Guard, Setting},
    world::{Answer, Ask, Copies, Due, From, Hook, Letter, Place, Standing, World},
};

/// At most this many dispatchers work on the delivery at the same time.
const DISPATCHERS: usize = 2;

/// One thing that happens. The numbers are places in [`World::letters`], or in [`World::entries`] where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A dispatcher receives a message, reads what is stored, and decides; or SQS finds that it was received too often.
    Receive(usize),
    /// A dispatcher finds two messages of the delivery in one batch that ask for the same, and drops the second.
    ReceiveTwice(usize, usize),
    Claim(usize),
    /// The request is made, and answered like this.
    Attempt(usize, Answer),
    Record(usize),
    StoreEntry(usize),
    SendFollowUp(usize),
    /// A batch's time is over, and the tables take no writes.
    GiveUp(usize),
    Leave(usize),
    /// The time of the next attempt comes.
    FallDue,
    /// Hours pass.
    Linger,
    /// release sends what an entry stands for.
    Release(usize),
    /// release looks whether the attempt was made that an entry stands for.
    Sweep(usize),
    /// release lets a held delivery go.
    Drain,
    /// The tables take writes again.
    Recover,
    /// release sends a probe.
    Probe,
    Fault(Fault),
    /// The customer asks for a retry.
    Click,
    Switch(Switch),
    /// The tables take no writes from now on.
    FailTables,
    /// The operator puts a dead letter back.
    Redrive(usize),
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A dispatcher receives a message, and dies before it has done anything.
    Throttle(usize),
    /// The dispatcher that has the message dies.
    Crash(usize),
    /// SQS delivers a message twice.
    Duplicate(usize),
    /// SQS loses a message that is not a delivery's first.
    Lose(usize),
    /// The answer to a record that was made for an attempt is lost.
    LoseAnswer(usize),
    /// The completion is sent again.
    Repeat,
    /// A dispatcher's first read for a message is older than what is stored. What a follow-up follows was recorded before it
    /// was sent: an older item does not decide, and a newer one is the same as a dispatcher that reads earlier.
    ReceiveLate(usize, Sight),
    /// Hours pass although there is a message.
    Linger,
    /// release dies after it has sent what an entry stands for.
    ReleaseTwice(usize),
    /// release lets a delivery go that it has let go already.
    DrainAgain,
}

/// What a late look shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// The delivery as it is, and not as it was before it was stored.
    pub(crate) item: bool,
    pub(crate) hook: HookSeen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookSeen {
    /// As it is.
    Now,
    /// As it was before it was changed.
    Before,
    /// As if it were not registered yet.
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Disable,
    Enable,
    Delete,
    Open,
    Close,
}

impl Event {
    /// Whether it happens in the end if nothing else does: the machine's own doing.
    pub(crate) fn is_progress(self) -> bool {
        use Event::{Click, FailTables, Fault, Probe, ReceiveTwice, Redrive, Switch};
        !matches!(self, ReceiveTwice(..) | Probe | Fault(_) | Click | Switch(_) | FailTables | Redrive(_))
    }
}

impl World {
    pub(crate) fn events(&self, setting: &Setting) -> Vec<Event> {
        let mut events = Vec::new();
        for (at, letter) in self.different_letters() {
            self.of_letter(at, letter, setting, &mut events);
        }
        self.of_release(&mut events);
        let awaited = self.item.and_then(|item| item.due);
        events.extend((awaited == Some(Due::Later)).then_some(Event::FallDue));
        events.extend(self.outage.then_some(Event::Recover));
        if self.left.faults > 0 {
            self.faults(setting, &mut events);
        }
        let is_active = self.hook.standing == Standing::Active;
        events.extend((self.left.clicks > 0 && is_active && self.item.is_some()).then_some(Event::Click));
        if self.left.switches > 0 {
            events.extend(self.hook.switches().map(Event::Switch));
        }
        events.extend((self.left.outages > 0).then_some(Event::FailTables));
        if self.left.redrives > 0 {
            events.extend((0..self.dead.len()).map(Event::Redrive));
        }
        events
    }

    /// One of each: what happens to the first of two equals can happen to the other.
    fn different_letters(&self) -> impl Iterator<Item = (usize, &Letter)> {
        let letters = self.letters.iter().enumerate();
        letters.filter(|(at, letter)| *at == 0 || self.letters[at - 1] != **letter)
    }

    fn has_a_free_dispatcher(&self) -> bool {
        self.letters.iter().filter(|letter| letter.is_worked_on()).count() < DISPATCHERS
    }

    fn of_letter(&self, at: usize, letter: &Letter, setting: &Setting, events: &mut Vec<Event>) {
        match letter.place {
            Place::Visible if self.has_a_free_dispatcher() => {
                events.push(Event::Receive(at));
                events.extend(self.dropped_beside(at, setting).map(|other| Event::ReceiveTwice(at, other)));
            }
            Place::Visible | Place::Delayed => {}
            Place::Claiming { .. } | Place::Recording { .. } if self.outage => events.push(Event::GiveUp(at)),
            Place::Claiming { .. } => events.push(Event::Claim(at)),
            Place::Attempting { .. } => events.extend(Answer::ALL.map(|answer| Event::Attempt(at, answer))),
            Place::Recording { netted: false, .. } => events.push(Event::StoreEntry(at)),
            Place::Recording { .. } => events.push(Event::Record(at)),
            Place::FollowingUp { .. } => events.push(Event::SendFollowUp(at)),
            Place::Leaving => events.push(Event::Leave(at)),
        }
    }

    /// What release does. It writes before it sends, or it sends again.
    fn of_release(&self, events: &mut Vec<Event>) {
        if self.outage {
            return;
        }
        for (at, entry) in self.entries.iter().enumerate() {
            events.extend((!entry.carried && entry.due != Due::Later).then_some(Event::Release(at)));
            events.extend((entry.carried && entry.due == Due::Overdue).then_some(Event::Sweep(at)));
        }
        events.extend((self.letters.is_empty() && self.can_linger()).then_some(Event::Linger));
        if self.item.is_some_and(|item| item.state == State::Held) && self.hook.standing == Standing::Active {
            let is_drained = !self.hook.open && self.letters.is_empty();
            events.extend(is_drained.then_some(Event::Drain));
            events.extend((self.hook.open && self.left.probes > 0).then_some(Event::Probe));
        }
    }

    /// Whether there is anything that is due and not yet overdue. Nothing is, of what release has still to send.
    fn can_linger(&self) -> bool {
        if self.entries.iter().any(|entry| !entry.carried && entry.due == Due::Now) {
            return false;
        }
        let is_due = self.item.is_some_and(|item| item.due == Some(Due::Now));
        is_due || self.entries.iter().any(|entry| entry.due == Due::Now)
    }

    /// The messages that the dispatcher takes for repetitions of this one when they stand after it in its batch.
    fn dropped_beside(&self, first: usize, setting: &Setting) -> impl Iterator<Item = usize> {
        let Letter { ask: one, receives, .. } = self.letters[first];
        let was_received = move |letter: &Letter| letter.receives > 0;
        let is_repeated = move |other: Ask| {
            (other.round == one.round || setting.lacks(Guard::DedupeByRound))
                && other.attempt == one.attempt
                && (other.probe == one.probe || setting.lacks(Guard::DedupeByProbe))
        };
        let others = self.letters.iter().enumerate().filter(move |(at, letter)| {
            let may_come = letter.place == Place::Visible && letter.receives < setting.max_receives;
            let keeps_it = was_received(letter) && receives == 0 && !setting.lacks(Guard::DedupeKeepsOlder);
            *at != first && may_come && is_repeated(letter.ask) && !keeps_it
        });
        others.map(|(at, _)| at)
    }

    fn faults(&self, setting: &Setting, events: &mut Vec<Event>) {
        let mut add = |fault| events.push(Event::Fault(fault));
        for (at, letter) in self.different_letters() {
            if letter.place == Place::Visible && letter.receives < setting.max_receives {
                add(Fault::Throttle(at));
                if letter.may_be_read_late() && self.has_a_free_dispatcher() {
                    for sight in self.late_sights() {
                        add(Fault::ReceiveLate(at, sight));
                    }
                }
            }
            if letter.is_worked_on() {
                add(Fault::Crash(at));
            }
            if !self.outage && letter.unrecorded().is_some() && !letter.place.lacks_entry() {
                add(Fault::LoseAnswer(at));
            }
            if letter.copies != Copies::Deleted {
                add(Fault::Duplicate(at));
            }
            let Ask { round, attempt, from, .. } = letter.ask;
            if !letter.is_worked_on() && from == From::Ourselves && self.awaits(round, attempt) {
                add(Fault::Lose(at));
            }
        }
        add(Fault::Repeat);
        if !self.letters.is_empty() && self.can_linger() {
            add(Fault::Linger);
        }
        for (at, entry) in self.entries.iter().enumerate() {
            if !entry.carried && entry.due != Due::Later {
                add(Fault::ReleaseTwice(at));
            }
        }
        let is_held = self.item.is_some_and(|item| item.state == State::Held);
        if is_held && self.hook == (Hook { standing: Standing::Active, open: false }) && !self.letters.is_empty() {
            add(Fault::DrainAgain);
        }
    }

    /// Every way in which a read can be late.
    fn late_sights(&self) -> impl Iterator<Item = Sight> {
        let items = [true, false].into_iter().filter(|now| *now || self.item.is_some());
        let is_changed = self.hook != self.hook_before;
        let sights = items.flat_map(|item| {
            [HookSeen::Now, HookSeen::Before, HookSeen::Never].into_iter().map(move |hook| Sight { item, hook })
        });
        sights.filter(move |Sight { item, hook }| {
            (!*item || *hook != HookSeen::Now) && (is_changed || *hook != HookSeen::Before)
        })
    }
}

impl Hook {
    fn switches(self) -> impl Iterator<Item = Switch> {
        use Switch::{Close, Delete, Disable, Enable, Open};
        let Self { standing, open } = self;
        let matters = move |switch: &Switch| match switch {
            Disable => standing == Standing::Active,
            Enable => standing == Standing::Disabled,
            Delete => standing != Standing::Deleted,
            Open => !open && standing != Standing::Deleted,
            Close => open && standing != Standing::Deleted,
        };
        [Disable, Enable, Delete, Open, Close].into_iter().filter(matters)
    }
}
