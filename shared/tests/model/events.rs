//! The events that can happen next.

use std::iter;

use nano_webhooks::delivery::State;

use crate::{
    erasure::Body,
    letter::{Answer, Ask, Copies, From, Letter, Place},
    setting::{Guard, Setting},
    world::{Due, Hook, Standing, World},
};

/// At most this many dispatchers work on the delivery at the same time.
const DISPATCHERS: usize = 2;

/// One event. The numbers are indices into [`World::letters`]; for release's events and faults into
/// [`World::entries`], and for a redrive into [`World::dead`].
/// [`World::entries`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A dispatcher receives a message, reads what is stored, and decides; or SQS finds that it was received too
    /// often.
    Receive(usize),
    /// A dispatcher finds two messages of the delivery in one batch that ask for the same attempt, and drops the
    /// second.
    ReceiveTwice(usize, usize),
    Claim(usize),
    /// The request is made, and gets this answer.
    Attempt(usize, Answer),
    Record(usize),
    StoreEntry(usize),
    SendFollowUp(usize),
    /// A batch's time is over, and the tables refuse writes.
    GiveUp(usize),
    Leave(usize),
    /// The next attempt becomes due.
    FallDue,
    /// Hours pass.
    Linger,
    /// release sends the message for an entry.
    Release(usize),
    /// release checks whether an entry's attempt was made.
    Sweep(usize),
    /// release sends a held delivery in a drain.
    Drain,
    /// The tables accept writes again.
    Recover,
    /// release sends a probe.
    Probe,
    Fault(Fault),
    /// The customer asks for a retry.
    Click,
    Switch(Switch),
    /// The customer erases the event.
    Erase,
    /// delete-event erases the delivery, too.
    FinishErasure,
    /// The event is removed because of its age.
    Expire,
    /// The tables refuse writes from now on.
    FailTables,
    /// The operator redrives a dead letter.
    Redrive(usize),
}

/// The faults that can happen.
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
    /// The reply to an attempt's record is lost.
    LoseAnswer(usize),
    /// The completion is sent again.
    Repeat,
    /// A dispatcher's first read for a message is older than what is stored. What a follow-up follows was recorded
    /// before it was sent: an older item does not decide, and a newer one is the same as a dispatcher that reads
    /// earlier. So no read misses an erasure that was stored before its message was sent.
    ReceiveLate(usize, Sight),
    /// Hours pass although there is a message.
    Linger,
    /// release dies after it has sent the message for an entry.
    ReleaseTwice(usize),
    /// release sends a held delivery in a drain although it has already sent it.
    DrainAgain,
}

/// What a late read returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Whether it sees the delivery as it is. If not, it sees none.
    pub(crate) item: bool,
    pub(crate) hook: View,
    pub(crate) body: View,
}

/// What a late read returns of the webhook or the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// The webhook or the event as it is.
    Now,
    /// The webhook before its last change, or the event with its body.
    Before,
    /// The webhook is not registered yet, or the event not stored.
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
    /// Whether the service itself makes this event happen, so that it happens in the end even if nothing else does.
    pub(crate) fn is_progress(self) -> bool {
        use Event::{Click, Erase, Expire, FailTables, Fault, Probe, ReceiveTwice, Redrive, Switch};
        !matches!(
            self,
            ReceiveTwice(..) | Probe | Fault(_) | Click | Switch(_) | Erase | Expire | FailTables | Redrive(_)
        )
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
        self.of_customer(&mut events);
        events.extend((self.left.outages > 0).then_some(Event::FailTables));
        if self.left.redrives > 0 {
            events.extend((0..self.dead.len()).map(Event::Redrive));
        }
        events
    }

    /// What the customer does, and what happens to the event.
    fn of_customer(&self, events: &mut Vec<Event>) {
        let is_stored = self.body == Body::Stored;
        let can_click = is_stored && self.hook.standing == Standing::Active && self.item.is_some();
        events.extend((self.left.clicks > 0 && can_click).then_some(Event::Click));
        if self.left.switches > 0 {
            events.extend(self.hook.switches().map(Event::Switch));
        }
        events.extend((self.left.erasures > 0 && is_stored && !self.outage).then_some(Event::Erase));
        events.extend((self.erasing && !self.outage).then_some(Event::FinishErasure));
        events.extend((self.left.expiries > 0 && is_stored).then_some(Event::Expire));
    }

    /// One of each group of equal letters: any event of the first can also happen to the others.
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

    /// release's events. It writes before it sends, or it sends again.
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

    /// Whether anything is due and not yet overdue. While release must still send a due entry, hours cannot pass.
    fn can_linger(&self) -> bool {
        if self.entries.iter().any(|entry| !entry.carried && entry.due == Due::Now) {
            return false;
        }
        let is_due = self.item.is_some_and(|item| item.due == Some(Due::Now));
        is_due || self.entries.iter().any(|entry| entry.due == Due::Now)
    }

    /// The messages that a dispatcher drops as repetitions of this one, if they stand after it in its batch.
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
                    for sight in self.late_sights(letter) {
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

    /// Every way in which a read for this message can be late. An event that is not seen leads to no attempt, whatever
    /// else is read.
    fn late_sights(&self, letter: &Letter) -> impl Iterator<Item = Sight> {
        let items = [true, false].into_iter().filter(|now| *now || self.item.is_some());
        let is_changed = self.hook != self.hook_before;
        let (reads_event, is_gone) = (letter.needs_event(), self.body != Body::Stored);
        let now = Sight { item: true, hook: View::Now, body: View::Now };
        let unseen = Sight { body: View::Never, ..now };
        let before = items.clone().map(move |item| Sight { item, body: View::Before, ..now });
        let before = before.filter(move |_| is_gone);
        let of_event = iter::once(unseen).chain(before).filter(move |_| reads_event);
        let sights = items.flat_map(move |item| {
            [View::Now, View::Before, View::Never].into_iter().map(move |hook| Sight { item, hook, ..now })
        });
        let sights = sights.filter(move |Sight { item, hook, .. }| {
            (!*item || *hook != View::Now) && (is_changed || *hook != View::Before)
        });
        of_event.chain(sights)
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
