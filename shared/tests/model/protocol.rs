//! What can happen next, and what follows: the order in which the functions do things, around the library's decisions.
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
    world::{
        Answer, Change, Due, Failing, Guard, Hook, Item, Letter, NOW, PATIENCE, Place, Round, Setting, Standing, World,
    },
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
    /// The message leaves the queue, or is hidden until it is due.
    Settle(usize),
    /// The time of the next attempt comes.
    Due,
    /// The retry route sends its message and answers.
    Send(usize),
    /// A dispatcher receives a message and dies before it has done anything, or cannot read what is stored.
    Throttle(usize),
    /// Whoever has the message dies, or loses what it was doing to a fault.
    Crash(usize),
    /// A hidden message comes before its time: hiding it failed, or the wait was longer than SQS can hide.
    Early(usize),
    /// SQS delivers a message twice.
    Duplicate(usize),
    /// The completion is sent again, or fan-out does not hear that its message was taken.
    Repeat,
    /// The operator puts a dead letter back.
    Redrive,
    /// The customer asks for a retry: the route reads the delivery.
    Click,
    Disable,
    Enable,
    Delete,
    /// Five days pass.
    LosePatience,
}

impl Event {
    /// Whether it happens in the end if nothing else does: the machine's own doing.
    pub(crate) fn is_progress(self) -> bool {
        use Event::{Attempt, Due, KeepHealth, Receive, Record, Send, Settle};
        matches!(self, Receive(_) | Attempt(..) | Record(_) | KeepHealth(_) | Settle(_) | Due | Send(_))
    }
}

impl World {
    pub(crate) fn events(&self, setting: &Setting) -> Vec<Event> {
        let mut events = Vec::new();
        let free = self.letters.iter().filter(|letter| letter.is_held()).count() < DISPATCHERS;
        for (at, letter) in self.letters.iter().enumerate() {
            match letter.place {
                Place::Unsent { .. } => events.push(Event::Send(at)),
                Place::Visible if free => {
                    events.push(Event::Receive(at));
                    events.extend(self.dropped_beside(at, setting).map(|other| Event::ReceiveTwice(at, other)));
                }
                Place::Visible | Place::Hidden => {}
                Place::Sending { .. } => events.extend(Answer::ALL.map(|answer| Event::Attempt(at, answer))),
                // The record and the webhook's health do not wait for each other.
                Place::Recording { change, .. } => {
                    events.push(Event::Record(at));
                    events.extend(change.map(|_| Event::KeepHealth(at)));
                }
                Place::Settling { change: Some(_), .. } => events.push(Event::KeepHealth(at)),
                Place::Settling { change: None, .. } => events.push(Event::Settle(at)),
            }
            if self.left.faults > 0 {
                events.extend(match letter.place {
                    Place::Visible if letter.receives < setting.max_receives => Some(Event::Throttle(at)),
                    Place::Hidden => Some(Event::Early(at)),
                    // A dispatcher that dies before it has made its attempt has only read: as good as throttled.
                    Place::Visible | Place::Sending { .. } => None,
                    Place::Unsent { .. } | Place::Recording { .. } | Place::Settling { .. } => Some(Event::Crash(at)),
                });
                events.extend(letter.is_sent().then_some(Event::Duplicate(at)));
            }
        }
        if self.item.is_some_and(|item| item.due == Some(Due::Later)) {
            events.push(Event::Due);
        }
        if self.left.faults > 0 {
            events.push(Event::Repeat);
            events.extend((!self.dead.is_empty()).then_some(Event::Redrive));
        }
        self.customers_events(&mut events);
        events
    }

    fn customers_events(&self, events: &mut Vec<Event>) {
        let active = self.hook.standing == Standing::Active;
        if self.left.clicks > 0 && active && self.item.is_some_and(|item| item.is_finished()) {
            events.push(Event::Click);
        }
        if self.left.switches > 0 {
            match self.hook.standing {
                Standing::Active => events.extend([Event::Disable, Event::Delete]),
                Standing::Disabled => events.extend([Event::Enable, Event::Delete]),
                Standing::Deleted => {}
            }
            if active && self.hook.failing == Failing::Lately {
                events.push(Event::LosePatience);
            }
        }
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

    /// What is so after an event, or the claim that this step breaks.
    pub(crate) fn after(&self, event: Event, setting: &Setting) -> Result<Self, Claim> {
        let mut next = self.clone();
        match event {
            Event::Receive(at) => next.receive(at, setting)?,
            Event::ReceiveTwice(first, second) => {
                next.letters.remove(second);
                next.receive(if second < first { first - 1 } else { first }, setting)?;
            }
            Event::Attempt(at, answer) => next.attempt(at, answer, setting)?,
            Event::Record(at) => next.record(at, setting)?,
            Event::KeepHealth(at) => next.keep_health(at),
            Event::Settle(at) => next.settle(at, setting),
            Event::Due => next.item = next.item.map(|item| Item { due: Some(Due::Now), ..item }),
            Event::Send(at) => next.send(at),
            Event::Throttle(_)
            | Event::Crash(_)
            | Event::Early(_)
            | Event::Duplicate(_)
            | Event::Repeat
            | Event::Redrive => {
                next.left.faults -= 1;
                next.suffer(event, setting);
            }
            Event::Click => {
                next.left.clicks -= 1;
                next.click(setting)?;
            }
            Event::Disable | Event::Enable | Event::Delete | Event::LosePatience => {
                next.left.switches -= 1;
                next.switch(event);
            }
        }
        Ok(next.normalised())
    }

    /// From here on the customer has a promise of another round.
    fn send(&mut self, at: usize) {
        let Place::Unsent { finished } = self.letters[at].place else { unreachable!("it is not sent yet") };
        self.letters[at].place = Place::Visible;
        if finished == self.wanted() {
            self.rounds.push(Round::default());
        } else {
            self.round(finished + 1).sent_again = true;
        }
    }

    fn receive(&mut self, at: usize, setting: &Setting) -> Result<(), Claim> {
        if self.letters[at].receives == setting.max_receives {
            self.dead.push(self.letters.remove(at).round);
            return Ok(());
        }
        let letter = &mut self.letters[at];
        letter.receives += 1;
        let stored = self.item.map(|item| setting.delivery(item));
        let webhook = setting.webhook(self.hook);
        letter.place = match delivery::step(setting.message(letter.round), stored, webhook, NOW) {
            Step::Finished => {
                self.letters.remove(at);
                return Ok(());
            }
            Step::Wait(_) => Place::Settling { change: None, done: false },
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
        if !unchanged && setting.without != Some(Guard::Version) {
            self.give_back(at);
            return Ok(());
        }
        Claim::TheStaleChangesNothing.holds(self.item.is_none_or(|stored| stored.round <= letter.round))?;
        let attempts = self.item.map_or(0, |stored| stored.attempts);
        Claim::NoAttemptIsForgotten.holds(delivery.attempts == attempts + usize::from(tried.is_some()))?;
        self.item = Some(Item { version: delivery.version + 1, ..delivery });
        self.letters[at].place = Place::Settling { change, done: delivery.is_finished() };
        Ok(())
    }

    /// The conditions are those of the store's `change_health`.
    fn keep_health(&mut self, at: usize) {
        let (Place::Recording { change, .. } | Place::Settling { change, .. }) = &mut self.letters[at].place else {
            unreachable!("it has a change")
        };
        let Some(change) = change.take() else { unreachable!("it has a change") };
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
        let Place::Settling { done, .. } = self.letters[at].place else { unreachable!("it is settling") };
        if done || setting.without == Some(Guard::GiveBack) {
            self.letters.remove(at);
        } else {
            self.letters[at].place = Place::Hidden;
        }
    }

    fn give_back(&mut self, at: usize) {
        let letter = self.letters[at];
        if let Some(answer) = letter.unrecorded() {
            let round = self.round(letter.round);
            round.lost += 1;
            round.lost_accepted += u8::from(answer == Answer::Accepted);
        }
        self.letters[at] = Letter { place: Place::Visible, ours: letter.ours + 1, ..letter };
    }

    fn suffer(&mut self, fault: Event, setting: &Setting) {
        match fault {
            Event::Crash(at) if !self.letters[at].is_sent() => {
                self.letters.remove(at);
            }
            Event::Crash(at) => {
                self.give_back(at);
                if setting.without == Some(Guard::RecordBeforeAck) {
                    self.letters.remove(at);
                }
            }
            Event::Throttle(at) => {
                self.letters[at].receives += 1;
                self.letters[at].ours += 1;
                if setting.without == Some(Guard::RecordBeforeAck) {
                    self.letters.remove(at);
                }
            }
            Event::Early(at) => {
                self.letters[at].place = Place::Visible;
                self.letters[at].ours += 1;
            }
            Event::Duplicate(at) => {
                let letter = self.letters[at];
                let held = Letter { place: Place::Visible, ours: letter.ours + 1, ..letter };
                self.letters.push(if letter.is_held() { held } else { letter });
                self.round(letter.round).sent_again = true;
            }
            Event::Repeat => {
                self.letters.push(Letter::new(0, Place::Visible));
                self.round(0).sent_again = true;
            }
            _ => {
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
        self.letters.push(Letter::new(round, Place::Unsent { finished: item.round }));
        Ok(())
    }

    fn switch(&mut self, switch: Event) {
        match switch {
            Event::LosePatience => self.hook.failing = Failing::Long,
            Event::Enable => (self.hook.standing, self.hook.failing) = (Standing::Active, Failing::Not),
            Event::Disable => self.hook.standing = Standing::Disabled,
            _ => (self.hook.standing, self.hook.failing) = (Standing::Deleted, Failing::Not),
        }
    }
}
