//! The library's decisions, what a message means and what is recorded, asked for once for all deliveries that are
//! alike.

use nano_webhooks::delivery::{self, Change, Look, Step, Write};

use super::{
    hook::{self, event_id, message},
    parts::{Asked, Decided, Sent, Stored, Written},
    simulation::Simulation,
};

impl Simulation<'_> {
    /// What the library decides about a message. Messages that ask for the same of one webhook, and whose deliveries
    /// are stored alike, share one decision until the webhook is stored again: names decide nothing.
    pub(super) fn decided(&mut self, sent: Sent, stored: Option<Stored>, consistent: bool) -> Decided {
        let Sent { hook, asked, number, .. } = sent;
        // A decision that depends on the time, or on how often a message was received, is made each time.
        let is_usual = !asked.again && stored.is_none_or(|stored| stored.next_attempt_at.is_none());
        let known = self.hooks[hook as usize].as_ref().filter(|_| is_usual);
        if let Some(decided) = known.and_then(|hook| hook.decided.get(&(asked, stored, consistent))) {
            return decided.clone();
        }
        let webhook = self.webhook(hook);
        let id = event_id(number, self.scenario.flows[self.flow_of(hook)].period());
        let message = message(&webhook, id.clone(), asked, stored);
        let delivery = stored.map(|stored| hook::delivery(&webhook, id, stored));
        let look = Look { received_before: asked.again, consistent, erased: false };
        let decided = match delivery::step(&message, delivery, Some(webhook), look) {
            Step::Done => Decided::Nothing,
            Step::LookAgain => Decided::LookAgain,
            Step::FollowUp(_) => Decided::FollowUp,
            Step::Record { change, .. } => Decided::Record(change),
            Step::Attempt { delivery, webhook, claim } => Decided::Attempt {
                limit: webhook.max_per_minute.filter(|_| delivery::uses_quota(&message, &delivery, &webhook)),
                claim,
                earlier_tries: delivery.tries,
                epoch: webhook.epoch,
                is_spotless: webhook.is_spotless(),
            },
        };
        if let Some(hook) = self.hooks[hook as usize].as_mut().filter(|_| is_usual) {
            hook.decided.insert((asked, stored, consistent), decided.clone());
        }
        decided
    }

    /// What the library decides to write; `None` if nothing. Successes, and holds, of deliveries that are stored
    /// alike share one decision.
    pub(super) fn written(
        &mut self,
        hook: u32,
        number: u32,
        asked: Asked,
        stored: Option<Stored>,
        change: &Change,
    ) -> Option<Written> {
        let kind = match change {
            Change::Attempted(made) if made.attempt.outcome.is_success() => Some((made.watch, made.epoch)),
            Change::Held => None,
            _ => return self.asked_to_write(hook, number, asked, stored, change),
        };
        if stored.is_some_and(|stored| stored.next_attempt_at.is_some()) {
            return self.asked_to_write(hook, number, asked, stored, change);
        }
        if let Some(written) = self.written.get(&(asked, stored, kind)) {
            return *written;
        }
        let written = self.asked_to_write(hook, number, asked, stored, change);
        self.written.insert((asked, stored, kind), written);
        written
    }

    fn asked_to_write(
        &self,
        hook: u32,
        number: u32,
        asked: Asked,
        stored: Option<Stored>,
        change: &Change,
    ) -> Option<Written> {
        let webhook = self.webhook(hook);
        let id = event_id(number, self.scenario.flows[self.flow_of(hook)].period());
        let message = message(&webhook, id.clone(), asked, stored);
        let delivery = stored.map(|stored| hook::delivery(&webhook, id, stored));
        let Write { delivery, mark, watch, .. } = delivery::record(&message, delivery, change)?;
        let new = Stored {
            state: delivery.state,
            tries: delivery.tries,
            version: delivery.version + 1,
            attempts: stored.map_or(0, |stored| stored.attempts) + u32::from(mark.is_some()),
            next_attempt_at: delivery.next_attempt_at,
        };
        Some(Written { new, mark, watch })
    }
}
