//! What follows from what happens: the order in which the functions do things, around the library's decisions.
//!
//! It mirrors `functions/dispatcher` and `functions/retry-delivery`, and the conditions of the store's writes. Whoever
//! changes the order there changes it here, and sees what breaks.

use std::time::Duration;

use nano_webhooks::{
    delivery::{self, Attempt, Step},
    retry::{Circumstances, Verdict},
};

use crate::{
    claims::Claim,
    events::{Event, Fault, Switch},
    setting::{Guard, NOW, PATIENCE, Setting},
    world::{Answer, Change, Copies, Due, Failing, Hook, Item, Letter, Place, Round, Standing, Then, World},
};

impl World {
    /// What is so after an event, or the claim that this step breaks.
    pub(crate) fn after(&self, event: Event, setting: &Setting) -> Result<Self, Claim> {
        let mut next = self.clone();
        match event {
            Event::Receive(at) => next.receive(at, setting)?,
            Event::ReceiveTwice(first, second) => {
                next.drop_beside(first, second);
                next.receive(if second < first { first - 1 } else { first }, setting)?;
            }
            Event::Attempt(at, answer) => next.attempt(at, answer, setting)?,
            Event::Record(at) => next.record(at, setting)?,
            Event::KeepHealth(at) => next.keep_health(at),
            Event::Settle(at) => next.settle(at, setting),
            Event::FallDue => next.pass(Due::Now),
            Event::Send(at) => next.send(at),
            Event::Fault(fault) => {
                next.left.faults -= 1;
                next.suffer(fault, setting);
            }
            Event::Click => {
                next.left.clicks -= 1;
                next.click(setting)?;
            }
            Event::Switch(switch) => {
                next.left.switches -= 1;
                next.switch(switch);
            }
        }
        Ok(next.normalised())
    }

    fn receive(&mut self, at: usize, setting: &Setting) -> Result<(), Claim> {
        if self.letters[at].receives == setting.max_receives {
            self.dead.push(self.letters.remove(at).round);
            return Ok(());
        }
        let letter = &mut self.letters[at];
        letter.receives += 1;
        Claim::DeadLettersAreOurFault.holds(letter.is_explained(setting))?;
        let stored = self.item.map(|item| setting.delivery(item));
        let webhook = setting.webhook(self.hook);
        letter.place = match delivery::step(setting.message(letter.round), stored, webhook, NOW) {
            Step::Finished => {
                self.leave(at);
                return Ok(());
            }
            Step::Wait(_) => Place::Settling { change: None, then: Then::Hide },
            Step::Cancel(delivery) => {
                Claim::OnlyTheInactiveAreCancelled.holds(self.hook.standing != Standing::Active)?;
                Place::Recording { delivery: Item::of(&delivery), tried: None, change: None }
            }
            Step::Send(delivery, _) => {
                Claim::NothingIsSentToTheInactive.holds(self.hook.standing == Standing::Active)?;
                let over = |item: Item| item.round > letter.round || item.round == letter.round && item.is_finished();
                Claim::TheFinishedIsLeftAlone.holds(!self.item.is_some_and(over))?;
                let early = |item: Item| item.round == letter.round && item.due == Some(Due::Later);
                Claim::NothingIsSentEarly.holds(!self.item.is_some_and(early))?;
                Claim::TheIdIsKept.holds(delivery.message.delivery_id == setting.message.delivery_id)?;
                Place::Sending { read: Item::of(&delivery), failing: self.hook.failing }
            }
        };
        Ok(())
    }

    fn attempt(&mut self, at: usize, answer: Answer, setting: &Setting) -> Result<(), Claim> {
        let Place::Sending { read, failing } = self.letters[at].place else { unreachable!("it is sending") };
        let round = self.round(read.round);
        round.made += 1;
        round.accepted += u8::from(answer == Answer::Accepted);

        let outcome = answer.outcome();
        let circumstances =
            Circumstances { earlier_tries: read.tries, now: NOW, jitter: 0.0, retry_after: Duration::ZERO };
        let verdict = setting.schedule.verdict(&outcome, circumstances);
        let hook = Hook { standing: Standing::Active, failing };
        let webhook = setting.webhook(hook).expect("it is active");
        let change = webhook.health_after(&outcome, NOW, PATIENCE).as_ref().map(Change::of);
        let attempt = Attempt { started_at: NOW, duration_ms: 0, resent: false, outcome };
        let delivery = setting.delivery(read).after(attempt, verdict);

        let used_up = read.tries + 1 >= u32::from(setting.schedule_attempts);
        let right = match answer {
            Answer::Accepted => verdict == Verdict::Delivered,
            Answer::Blocked | Answer::Gone => verdict == Verdict::Failed,
            Answer::Refused if used_up => verdict == Verdict::Failed,
            Answer::Refused => matches!(verdict, Verdict::RetryAt(due) if due > NOW),
        };
        Claim::OnlyWhatMayYetSucceedIsRetried.holds(right)?;
        let disabling = match (answer, failing) {
            (Answer::Gone, _) => Some(Change::Gone),
            (Answer::Refused | Answer::Blocked, Failing::Long) => Some(Change::GivenUp),
            _ => None,
        };
        let disables = change.filter(|change| matches!(change, Change::Gone | Change::GivenUp));
        Claim::OnlyTheHopelessAreDisabled.holds(disables == disabling)?;

        self.letters[at].place = Place::Recording { delivery: Item::of(&delivery), tried: Some(answer), change };
        Ok(())
    }

    /// The store's condition: nothing is stored, or what is stored is what was read.
    fn record(&mut self, at: usize, setting: &Setting) -> Result<(), Claim> {
        let letter = self.letters[at];
        let Place::Recording { delivery, tried, change } = letter.place else { unreachable!("it is recording") };
        let unchanged = self.item.is_none_or(|stored| stored.version == delivery.version);
        let then = if unchanged || setting.without == Some(Guard::Version) {
            Claim::TheStaleChangesNothing.holds(self.item.is_none_or(|stored| stored.round <= letter.round))?;
            let attempts = self.item.map_or(0, |stored| stored.attempts);
            Claim::NoAttemptIsForgotten.holds(delivery.attempts == attempts + usize::from(tried.is_some()))?;
            self.item = Some(Item { version: delivery.version + 1, ..delivery });
            if delivery.is_finished() { Then::Leave } else { Then::Hide }
        } else {
            self.lose(tried, letter.round);
            if setting.without == Some(Guard::GiveBackRefused) { Then::Leave } else { Then::GiveBack }
        };
        self.letters[at].place = Place::Settling { change, then };
        Ok(())
    }

    /// It is under way at the same time as the record. The conditions are those of the store's `change_health`.
    fn keep_health(&mut self, at: usize) {
        let place = &mut self.letters[at].place;
        let (Place::Recording { change, .. } | Place::Settling { change, .. }) = place else {
            unreachable!("an attempt was made")
        };
        let change = change.take().expect("it has a change");
        if self.hook.standing == Standing::Deleted {
            return;
        }
        match (change, self.hook.failing) {
            (Change::Recovered, _) => self.hook.failing = Failing::Not,
            (Change::Failed, Failing::Not) => self.hook.failing = Failing::Lately,
            (Change::Gone, _) | (Change::GivenUp, Failing::Long) => self.hook.standing = Standing::Disabled,
            (Change::Failed | Change::GivenUp, _) => {}
        }
    }

    fn settle(&mut self, at: usize, setting: &Setting) {
        let Place::Settling { then, .. } = self.letters[at].place else { unreachable!("it is settling") };
        match then {
            Then::Leave => self.leave(at),
            Then::Hide if setting.without == Some(Guard::GiveBack) => self.leave(at),
            Then::Hide => self.letters[at].place = Place::Hidden,
            Then::GiveBack => self.give_back(at),
        }
    }

    fn leave(&mut self, at: usize) {
        let gone = self.letters.remove(at);
        if gone.copies == Copies::Twins {
            let twins = |letter: &&mut Letter| letter.copies == Copies::Twins && letter.round == gone.round;
            self.letters.iter_mut().filter(twins).for_each(|twin| twin.copies = Copies::Deleted);
        }
    }

    fn give_back(&mut self, at: usize) {
        self.letters[at].give_back();
    }

    /// A message that the answer to the batch leaves out leaves the queue, unless it is the very one that is worked on.
    fn drop_beside(&mut self, first: usize, second: usize) {
        let [one, other] = [first, second].map(|at| self.letters[at]);
        if one.copies == Copies::Twins && other.copies == Copies::Twins && one.round == other.round {
            self.letters.remove(second);
        } else {
            self.leave(second);
        }
    }

    /// An attempt was made that will not be recorded.
    fn lose(&mut self, tried: Option<Answer>, round: u32) {
        let round = self.round(round);
        round.lost += u8::from(tried.is_some());
        round.lost_accepted += u8::from(tried == Some(Answer::Accepted));
    }

    fn suffer(&mut self, fault: Fault, setting: &Setting) {
        match fault {
            Fault::Crash(at) if !self.letters[at].is_sent() => {
                self.letters.remove(at);
            }
            Fault::Crash(at) | Fault::Throttle(at) => {
                let letter = &mut self.letters[at];
                letter.receives += u8::from(letter.place == Place::Visible);
                let Letter { round, .. } = *letter;
                let unrecorded = letter.unrecorded();
                self.lose(unrecorded, round);
                self.give_back(at);
                if setting.without == Some(Guard::RecordBeforeAck) {
                    self.letters.remove(at);
                }
            }
            Fault::Early(at) => self.give_back(at),
            Fault::Duplicate(at) => {
                self.letters[at].copies = Copies::Twins;
                let letter = self.letters[at];
                self.letters.push(letter);
                if letter.is_held() {
                    self.give_back(self.letters.len() - 1);
                }
                self.round(letter.round).contended = true;
            }
            Fault::Repeat => {
                self.letters.push(Letter::new(0, Place::Visible));
                self.round(0).contended = true;
            }
            Fault::Redrive => {
                let round = self.dead.pop().expect("there is a dead letter");
                self.letters.push(Letter::new(round, Place::Visible));
            }
        }
    }

    fn click(&mut self, setting: &Setting) -> Result<(), Claim> {
        let item = self.item.expect("there is a delivery to retry");
        let message = setting.delivery(item).retried();
        Claim::TheIdIsKept.holds(message.delivery_id == setting.message.delivery_id)?;
        Claim::TwoClicksMakeOneRound.holds(message.round <= item.round + 1)?;
        let round = if setting.without == Some(Guard::NewRound) { item.round } else { message.round };
        let place = Place::Unsent { after: item.round, finished: item.is_finished() };
        self.letters.push(Letter::new(round, place));
        Ok(())
    }

    /// From here on the customer has a promise of another round.
    fn send(&mut self, at: usize) {
        let Place::Unsent { after, finished } = self.letters[at].place else { unreachable!("it is not sent yet") };
        self.letters[at].place = Place::Visible;
        let again = after < self.wanted();
        if !again {
            self.rounds.push(Round::default());
        }
        self.round(after).contended |= !finished;
        self.round(after + 1).contended |= again || !finished;
    }

    fn switch(&mut self, switch: Switch) {
        match switch {
            Switch::Disable => self.hook.standing = Standing::Disabled,
            Switch::Enable => self.hook = Hook { standing: Standing::Active, failing: Failing::Not },
            Switch::Delete => self.hook = Hook { standing: Standing::Deleted, failing: Failing::Not },
            Switch::LosePatience => self.hook.failing = Failing::Long,
            Switch::Linger => self.pass(Due::Overdue),
        }
    }

    fn pass(&mut self, due: Due) {
        self.item = self.item.map(|item| Item { due: Some(due), ..item });
    }
}
