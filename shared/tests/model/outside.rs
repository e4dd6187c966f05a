//! Events from outside the protocol: the customer's actions, and everything that can go wrong.

use crate::{
    claims::Claim,
    erasure::Body,
    events::{Fault, Switch},
    letter::{Ask, Copies, From, Letter, Place},
    setting::{Guard, Setting},
    world::{Hook, Round, Standing, World, index},
};

impl World {
    /// From now on the customer must get another attempt.
    pub(crate) fn click(&mut self, setting: &Setting) -> Result<(), Claim> {
        let item = self.item.expect("there is a delivery to retry");
        let webhook = setting.webhook(self.hook).expect("it is active");
        let ask = Ask::of(&setting.delivery(item).retried(&webhook), From::Customer);
        Claim::TwoClicksMakeOneRound.holds(ask.round <= item.round + 1)?;
        self.wanted = self.wanted.max(ask.round);
        self.seen.rounds.resize(self.seen.rounds.len().max(index(ask.round) + 1), Round::default());
        self.seen.probes_sent += u8::from(ask.probe.is_some());
        self.send(ask);
        Ok(())
    }

    pub(crate) fn switch(&mut self, switch: Switch) {
        self.hook_before = self.hook;
        match switch {
            Switch::Disable => self.hook.standing = Standing::Disabled,
            Switch::Enable => self.hook = Hook { standing: Standing::Active, open: false },
            Switch::Delete => self.hook = Hook { standing: Standing::Deleted, open: false },
            Switch::Open => self.hook.open = true,
            Switch::Close => self.hook.open = false,
        }
    }

    pub(crate) fn suffer(&mut self, fault: Fault, setting: &Setting) -> Result<(), Claim> {
        match fault {
            Fault::Throttle(at) | Fault::Crash(at) => self.crash(at, setting),
            Fault::Duplicate(at) => {
                self.letters[at].copies = Copies::Twins;
                self.seen.message_lost = true;
                let mut twin = self.letters[at];
                if twin.is_worked_on() {
                    twin.give_back();
                }
                self.letters.push(twin);
            }
            Fault::Lose(at) => {
                self.seen.message_lost = true;
                self.leave(at);
            }
            Fault::LoseAnswer(at) => self.record_unheard(at, setting),
            Fault::Repeat => self.fan_out(setting),
            Fault::ReceiveLate(at, sight) => self.receive(at, Some(sight), setting)?,
            Fault::Linger => {
                self.seen.message_lost = true;
                self.linger();
            }
            Fault::ReleaseTwice(at) => self.release(at),
            Fault::DrainAgain => self.drain(setting),
        }
        Ok(())
    }

    /// fan-out receives the completion again and reads the webhook. If the endpoint is down, it sends no message, and
    /// stores the delivery as held unless something is stored. It sends nothing of an event that was erased, and stores
    /// an event that is no longer kept again.
    fn fan_out(&mut self, setting: &Setting) {
        match self.body {
            Body::Erased if !setting.lacks(Guard::Tombstone) => return,
            Body::Expired => self.body = Body::Stored,
            Body::Stored | Body::Erased => {}
        }
        if self.hook == (Hook { standing: Standing::Active, open: true }) {
            self.hold_first(setting);
        } else {
            self.send(Ask::FIRST);
        }
    }

    fn crash(&mut self, at: usize, setting: &Setting) {
        let Letter { ask, place, .. } = self.letters[at];
        self.seen.excuse = true;
        self.lose(self.letters[at].unrecorded(), ask.round);
        let letter = &mut self.letters[at];
        letter.receives += u8::from(place == Place::Visible);
        letter.give_back();
        if setting.lacks(Guard::RecordBeforeAck) {
            self.leave(at);
        }
    }
}
