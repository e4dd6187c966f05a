//! A dispatcher receives a message, reads what is stored, and decides.

use nano_webhooks::delivery::{self, Change, Look, Step};

use crate::{
    claims::Claim,
    erasure::Body,
    events::{Sight, View},
    letter::{Ask, Copies, From, Letter, Place, What},
    protocol::{following_up, recording, write},
    setting::{Guard, Setting},
    world::{Hook, Item, Standing, World},
};

/// What a dispatcher has read for a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read {
    item: Option<Item>,
    hook: Hook,
    /// Not used for a message that brings the body.
    pub(crate) body: Body,
    pub(crate) consistent: bool,
}

impl World {
    pub(crate) fn receive(&mut self, at: usize, late: Option<Sight>, setting: &Setting) -> Result<(), Claim> {
        if self.letters[at].receives == setting.max_receives {
            let ask = self.letters[at].ask;
            self.leave(at);
            self.dead.push(ask);
            self.seen.message_lost = true;
            return Ok(());
        }
        let letter = &mut self.letters[at];
        letter.receives += 1;
        Claim::DeadLettersAreOurFault.holds(letter.receives <= 1 + letter.our_faults)?;
        let letter = *letter;
        self.seen.excuse |= late.is_some();
        let mut read = Read { item: self.item, hook: self.hook, body: self.body, consistent: true };
        if let Some(sight) = late {
            let late = self.late_read(sight);
            let is_final =
                setting.lacks(Guard::LookAgain) || setting.lacks(Guard::LookAgainForEvent) && sight.body == View::Never;
            match decide(letter, Read { consistent: is_final, ..late }, setting) {
                Step::LookAgain => {}
                step => return self.act(at, step, late, setting),
            }
            if setting.lacks(Guard::ReadEventAgain) && late.body == Body::Stored {
                read.body = late.body;
            }
        }
        self.act(at, decide(letter, read, setting), read, setting)
    }

    fn late_read(&self, Sight { item, hook, body }: Sight) -> Read {
        let hook = match hook {
            View::Now => self.hook,
            View::Before => self.hook_before,
            View::Never => Hook { standing: Standing::Unknown, ..self.hook },
        };
        let body = match body {
            View::Now => self.body,
            View::Before => Body::Stored,
            View::Never => Body::Expired,
        };
        Read { item: self.item.filter(|_| item), hook, body, consistent: false }
    }

    /// Does what a step says.
    fn act(&mut self, at: usize, step: Step, read: Read, setting: &Setting) -> Result<(), Claim> {
        let letter = self.letters[at];
        let ask = letter.ask;
        self.letters[at].place = match step {
            Step::Done => {
                self.leave(at);
                return Ok(());
            }
            Step::LookAgain => unreachable!("a consistent look decides"),
            Step::FollowUp(delivery) => following_up(Item::of(&delivery), setting),
            Step::Record { delivery, change } => {
                let is_active = self.hook.standing == Standing::Active;
                match change {
                    Change::Cancelled(reason) => self.check_reason(Some(reason), setting)?,
                    _ => Claim::NothingIsHeldWithoutReason.holds(!is_active || self.hook.open)?,
                }
                self.meet(at);
                match write(ask, Some(Item::of(&delivery)), &change, setting) {
                    Some((write, marked)) => recording(write, marked, What::of(&change)),
                    None => Place::Leaving,
                }
            }
            Step::Attempt { delivery, claim, .. } => {
                let is_open = read.hook.open && ask.probe.is_none();
                Claim::NothingIsSentToTheInactive.holds(read.hook.standing == Standing::Active && !is_open)?;
                self.check_body(letter, read)?;
                Claim::TheRecordedIsNotRepeated.holds(!read.consistent || !self.has_recorded(ask))?;
                let may_be_early = ask.from == From::Customer || ask.probe.is_some() || self.seen.excuse;
                Claim::NothingIsSentEarly.holds(may_be_early || !self.is_early(ask.round, ask.attempt))?;
                self.meet(at);
                let read = Item::of(&delivery);
                if claim && !setting.lacks(Guard::Claim) {
                    Place::Claiming { read }
                } else {
                    Place::Attempting { read }
                }
            }
        };
        Ok(())
    }

    /// Notes it if two dispatchers work on the delivery at the same time.
    fn meet(&mut self, at: usize) {
        let others = self.letters.iter().enumerate().filter(|(other, _)| *other != at);
        self.seen.excuse |= others.map(|(_, letter)| letter).any(Letter::is_decided);
    }

    fn has_recorded(&self, ask: Ask) -> bool {
        self.item.is_some_and(|item| {
            item.round > ask.round || item.round == ask.round && (item.state.is_finished() || ask.attempt <= item.tries)
        })
    }

    /// The dispatcher's reply drops the second message, which then leaves the queue, unless it is a copy of the one
    /// that is worked on.
    pub(crate) fn receive_twice(&mut self, first: usize, second: usize, setting: &Setting) -> Result<(), Claim> {
        if setting.lacks(Guard::Dedupe) {
            let excuse = self.seen.excuse;
            self.receive(first.max(second), None, setting)?;
            self.receive(first.min(second), None, setting)?;
            self.seen.excuse = excuse;
            return Ok(());
        }
        let [one, other] = [first, second].map(|at| self.letters[at]);
        if one.copies == Copies::Twins && other.copies == Copies::Twins && one.ask == other.ask {
            self.letters.remove(second);
        } else {
            self.leave(second);
        }
        self.receive(if second < first { first - 1 } else { first }, None, setting)
    }
}

/// Decides what a message means, without the guard that is removed.
fn decide(letter: Letter, Read { item, hook, body, consistent }: Read, setting: &Setting) -> Step {
    let has_body = !letter.needs_event() || body == Body::Stored || setting.lacks(Guard::NeedsBody);
    let erased = letter.needs_event() && body == Body::Erased && !setting.lacks(Guard::SeesErasure);
    let look = Look { received_before: letter.receives > 1, consistent, erased };
    let mut message = setting.message(letter.ask.without_guards(item, setting));
    message.payload = message.payload.filter(|_| has_body);
    let standing = match hook.standing {
        Standing::Disabled if setting.lacks(Guard::Status) => Standing::Active,
        standing => standing,
    };
    let hook = Hook { standing, open: hook.open && !setting.lacks(Guard::Circuit) };
    match delivery::step(&message, item.map(|item| setting.delivery(item)), setting.webhook(hook), look) {
        Step::FollowUp(_) if setting.lacks(Guard::FollowUp) => Step::Done,
        step => step,
    }
}
