//! The effect of each event: the order in which the functions do things, around the library's decisions.
//!
//! Together with `receive.rs`, `erasure.rs` and `outside.rs` it mirrors `functions/dispatcher`, `functions/release`,
//! `retry-delivery.rs` and `delete-event.rs` of `functions/api`, and the conditions of the store's writes. If you
//! change the order there, change it here, and see which claims break.

use nano_webhooks::delivery::{self, Change, State, Write};

use crate::{
    claims::Claim,
    erasure::Body,
    events::Event,
    letter::{Answer, Ask, Copies, From, Letter, Place, What},
    setting::{Guard, Setting},
    world::{Due, Entry, Item, World},
};

impl World {
    /// Returns the world after an event, or the claim that the event breaks.
    pub(crate) fn after(&self, event: Event, setting: &Setting) -> Result<Self, Claim> {
        let mut next = self.clone();
        match event {
            Event::Receive(at) => next.receive(at, None, setting)?,
            Event::ReceiveTwice(first, second) => next.receive_twice(first, second, setting)?,
            Event::Claim(at) => next.claim(at, setting),
            Event::Attempt(at, answer) => next.attempt(at, answer, setting),
            Event::Record(at) => next.record(at, setting),
            Event::StoreEntry(at) => next.store_entry(at, setting),
            Event::SendFollowUp(at) => next.send_follow_up(at, setting),
            Event::GiveUp(at) => next.give_up(at),
            Event::Leave(at) => next.leave(at),
            Event::FallDue => next.fall_due(),
            Event::Linger => next.linger(),
            Event::Release(at) => {
                next.release(at);
                next.entries[at].carried = true;
            }
            Event::Sweep(at) => next.sweep(at, setting)?,
            Event::Drain => next.drain(setting),
            Event::Recover => next.outage = false,
            Event::Probe => {
                next.left.probes -= 1;
                next.probe(setting);
            }
            Event::Fault(fault) => {
                next.left.faults -= 1;
                next.suffer(fault, setting)?;
            }
            Event::Click => {
                next.left.clicks -= 1;
                next.click(setting)?;
            }
            Event::Switch(switch) => {
                next.left.switches -= 1;
                next.switch(switch);
            }
            Event::Erase => {
                next.left.erasures -= 1;
                next.erase(setting);
            }
            Event::FinishErasure => next.finish_erasure(setting),
            Event::Expire => {
                next.left.expiries -= 1;
                next.body = Body::Expired;
            }
            Event::FailTables => {
                next.left.outages -= 1;
                next.outage = true;
            }
            Event::Redrive(at) => {
                next.left.redrives -= 1;
                let ask = next.dead.remove(at);
                next.letters.push(Letter::new(ask, Place::Visible));
            }
        }
        Ok(next.normalised())
    }

    fn claim(&mut self, at: usize, setting: &Setting) {
        let Letter { ask, place: Place::Claiming { read }, .. } = self.letters[at] else { unreachable!("it claims") };
        let (write, _) =
            write(ask, Some(read), &Change::Claimed, setting).expect("it was read as waiting for the attempt");
        let claimed = if setting.lacks(Guard::ClaimedProbe) { read } else { write };
        if self.store(claimed, setting) {
            self.letters[at].place = Place::Attempting { read: Item { version: read.version + 1, ..claimed } };
        } else {
            self.letters[at].give_back();
        }
    }

    fn attempt(&mut self, at: usize, answer: Answer, setting: &Setting) {
        let Letter { ask, place: Place::Attempting { read }, .. } = self.letters[at] else {
            unreachable!("it attempts")
        };
        self.seen.requests += 1;
        self.seen.in_outage += u8::from(self.outage);
        self.seen.probes_made += u8::from(ask.probe.is_some());
        let round = self.round(ask.round);
        round.scheduled += u8::from(ask.probe.is_none());
        round.accepted += u8::from(answer == Answer::Accepted);
        let what = What::Attempted { answer, retried: setting.retries(answer, read.tries) };
        let (write, marked) = write(ask, Some(read), &what.change(), setting).expect("it was read as waiting for it");
        let has_entry = !(setting.soon && setting.lacks(Guard::Entry) || setting.lacks(Guard::EntryFirst));
        let netted = write.state != State::Retrying || !has_entry;
        self.letters[at].place = Place::Recording { write, marked, what, netted, stored: false };
    }

    /// Stores the record on the store's condition: nothing is stored, or the version that was read.
    pub(crate) fn store(&mut self, write: Item, setting: &Setting) -> bool {
        let version = self.item.map_or(0, |stored| stored.version);
        let is_stored = version == write.version || setting.lacks(Guard::Version);
        if is_stored {
            self.item = Some(Item { version: version + 1, ..write });
        }
        is_stored
    }

    fn record(&mut self, at: usize, setting: &Setting) {
        let Letter { ask, place: Place::Recording { write: item, marked, what, stored, .. }, .. } = self.letters[at]
        else {
            unreachable!("it records")
        };
        let is_known_again = stored && !setting.lacks(Guard::KnowsItsRecord);
        self.letters[at].place = if is_known_again || self.store(item, setting) {
            if marked && item.state == State::Retrying { following_up(item, setting) } else { Place::Leaving }
        } else {
            self.rebase(ask, what, setting)
        };
    }

    /// Stores the record if possible, but the reply is lost.
    pub(crate) fn record_unheard(&mut self, at: usize, setting: &Setting) {
        let Place::Recording { write, .. } = self.letters[at].place else { unreachable!("it records") };
        let is_stored = self.store(write, setting);
        if let Place::Recording { stored, .. } = &mut self.letters[at].place {
            *stored |= is_stored;
        }
    }

    /// Stores the held delivery that fan-out stores if the endpoint is down.
    pub(crate) fn hold_first(&mut self, setting: &Setting) {
        let (held, _) = write(Ask::FIRST, None, &Change::Held, setting).expect("nothing is known of it");
        self.store(held, setting);
    }

    /// After a refused record: finds what to record on top of what is stored now.
    fn rebase(&mut self, ask: Ask, what: What, setting: &Setting) -> Place {
        let gives_in = match what {
            What::Attempted { answer, .. } => answer == Answer::Accepted && setting.lacks(Guard::MergeSuccess),
            What::Held => setting.lacks(Guard::RebaseHeld),
            What::Cancelled(_) => false,
        };
        if !gives_in && let Some((write, marked)) = write(ask, self.item, &what.change(), setting) {
            return recording(write, marked, what);
        }
        self.seen.lost += u8::from(what.answer().is_some());
        Place::Leaving
    }

    fn store_entry(&mut self, at: usize, setting: &Setting) {
        let Place::Recording { write: Item { round, tries, .. }, netted, .. } = &mut self.letters[at].place else {
            unreachable!("it is about to record")
        };
        *netted = true;
        self.entries.push(Entry { round: *round, attempt: *tries + 1, carried: setting.soon, due: Due::Later });
    }

    fn send_follow_up(&mut self, at: usize, setting: &Setting) {
        let Place::FollowingUp { round, attempt } = self.letters[at].place else { unreachable!("it follows up") };
        self.letters[at].place = Place::Leaving;
        let ask = Ask { round, attempt, probe: None, from: From::Ourselves };
        if setting.lacks(Guard::EntryFirst) {
            self.entries.push(Entry { round, attempt, carried: setting.soon, due: Due::Later });
        }
        if setting.soon || !setting.lacks(Guard::EntryFirst) {
            self.letters.push(Letter { place: Place::Delayed, ..self.letter(ask) });
        }
    }

    fn give_up(&mut self, at: usize) {
        let Letter { ask, .. } = self.letters[at];
        self.lose(self.letters[at].unrecorded(), ask.round);
        self.letters[at].give_back();
    }

    pub(crate) fn leave(&mut self, at: usize) {
        let gone = self.letters.remove(at);
        if gone.copies == Copies::Twins {
            let twins = |letter: &&mut Letter| letter.copies == Copies::Twins && letter.ask == gone.ask;
            self.letters.iter_mut().filter(twins).for_each(|twin| twin.copies = Copies::Deleted);
        }
    }

    /// Counts an attempt that was made and will not be recorded.
    pub(crate) fn lose(&mut self, answer: Option<Answer>, round: u32) {
        self.seen.lost += u8::from(answer.is_some());
        self.round(round).accepted_lost += u8::from(answer == Some(Answer::Accepted));
    }

    fn fall_due(&mut self) {
        self.item = self.item.map(|item| Item { due: Some(Due::Now), ..item });
    }

    pub(crate) fn linger(&mut self) {
        let overdue = |due: &mut Due| {
            if *due == Due::Now {
                *due = Due::Overdue;
            }
        };
        self.item.iter_mut().filter_map(|item| item.due.as_mut()).for_each(overdue);
        self.entries.iter_mut().map(|entry| &mut entry.due).for_each(overdue);
    }

    pub(crate) fn send(&mut self, ask: Ask) {
        self.letters.push(self.letter(ask));
    }

    fn letter(&self, ask: Ask) -> Letter {
        Letter { belated: self.is_erased(), ..Letter::new(ask, Place::Visible) }
    }

    pub(crate) fn release(&mut self, at: usize) {
        let Entry { round, attempt, .. } = self.entries[at];
        self.send(Ask { round, attempt, probe: None, from: From::Ourselves });
    }

    /// An hour after an entry was due.
    fn sweep(&mut self, at: usize, setting: &Setting) -> Result<(), Claim> {
        let entry = self.entries[at];
        let is_overdue = self.item.is_some_and(|item| item.due == Some(Due::Overdue));
        if is_overdue && self.awaits(entry.round, entry.attempt) && !setting.lacks(Guard::Sweep) {
            Claim::OnlyWhatIsLostIsSwept.holds(self.seen.message_lost)?;
            self.release(at);
            self.entries[at] = Entry { carried: true, due: Due::Now, ..entry };
        } else {
            self.entries.remove(at);
        }
        Ok(())
    }

    pub(crate) fn drain(&mut self, setting: &Setting) {
        let held = self.item.map(|item| setting.delivery(item)).expect("it is held");
        self.send(Ask::of(&held.follow_up(), From::Ourselves));
    }

    fn probe(&mut self, setting: &Setting) {
        let held = self.item.map(|item| setting.delivery(item)).expect("it is held");
        self.seen.probes_sent += 1;
        self.send(Ask::of(&held.probe(), From::Ourselves));
    }
}

/// Returns the item that records a change, and whether it is marked as a new attempt's.
pub(crate) fn write(ask: Ask, stored: Option<Item>, change: &Change, setting: &Setting) -> Option<(Item, bool)> {
    let message = setting.message(ask.without_guards(stored, setting));
    let known = stored.map(|item| item.without_guards(setting));
    let Write { mut delivery, mark, .. } =
        delivery::record(&message, known.map(|item| setting.delivery(item)), change)?;
    let is_probed = ask.probe.is_some() && matches!(change, Change::Attempted(_));
    delivery.tries += u32::from(is_probed && setting.lacks(Guard::ProbeSchedule));
    Some((Item::of(&delivery).written(stored, setting), mark.is_some()))
}

pub(crate) fn recording(write: Item, marked: bool, what: What) -> Place {
    Place::Recording { write, marked, what, netted: true, stored: false }
}

/// A delayed message asks for a next attempt that is due soon; release sends the others.
pub(crate) fn following_up(item: Item, setting: &Setting) -> Place {
    let is_soon = setting.soon || setting.lacks(Guard::EntryFirst) || item.due != Some(Due::Later);
    if is_soon { Place::FollowingUp { round: item.round, attempt: item.tries + 1 } } else { Place::Leaving }
}

impl Ask {
    pub(crate) fn without_guards(mut self, item: Option<Item>, setting: &Setting) -> Self {
        if let Some(item) = item {
            if setting.lacks(Guard::Round) {
                self.round = item.round;
            }
            if setting.lacks(Guard::Tries) && self.round == item.round && !item.state.is_finished() {
                self.attempt = self.attempt.max(item.tries + 1);
            }
            if setting.lacks(Guard::ProbeVersion) {
                self.probe = self.probe.map(|_| item.version);
            }
        }
        self
    }
}
