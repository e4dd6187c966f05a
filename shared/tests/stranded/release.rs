//! One run of release in two steps, as in `functions/release`: it reads and decides, then writes the pace and sends.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use nano_webhooks::{
    delivery::{Delivery, State},
    names::EventId,
    webhook::{Action, Circuit, Drain, Pace, Resend, Search, Settled, Webhook, between},
};

use crate::service::{Guard, Service};

/// What a run of release has read and decided.
pub(crate) struct Run {
    read: Webhook,
    action: Action,
    index: BTreeSet<EventId>,
    pub(crate) begun: Timestamp,
}

impl Service {
    pub(crate) fn begin_release(&mut self, late: bool) {
        if self.run.is_some() || self.webhook.action_at.is_none_or(|at| at > self.now) {
            return;
        }
        let index = if late { self.held_before.clone() } else { self.held() };
        let action = self.webhook.action(&self.settings, self.now);
        self.run = Some(Run { read: self.webhook.clone(), action, index, begun: self.now });
    }

    pub(crate) fn end_release(&mut self, dies: bool) {
        let Some(Run { read, action, index, begun }) = self.run.take() else { return };
        let settings = self.settings.clone();
        let (pace, messages) = match action {
            Action::Resend => {
                if !dies {
                    self.advance_resend(&read, begun);
                }
                return;
            }
            Action::Wait => (read.same_pace(), Vec::new()),
            Action::Probe => {
                let picked = read.probe_with(to_probe_with(&index), &settings, begun);
                let held: Vec<_> =
                    self.still_held(&picked).iter().map(|delivery| (delivery.probe(), Duration::ZERO)).collect();
                match (picked.is_empty(), held.is_empty()) {
                    (true, _) => (read.settled(begun), held),
                    (false, true) => return,
                    (false, false) => (read.probing(&settings, begun), held),
                }
            }
            Action::Drain(search) => {
                let [oldest, newest] = search_in(&index, &search);
                let mut drained = read.drained(&oldest, &newest, 0, &settings, begun);
                if self.without == Some(Guard::TwoSearches)
                    && let Some(Drain { empty_at: Some(at), generation, .. }) = drained.pace.drain
                {
                    let settled = Some(Settled { generation, circuit: Circuit::Closed, at });
                    drained.pace = Pace { settled, drain: None, ..drained.pace };
                }
                let delays: HashMap<_, _> = drained.send.iter().cloned().collect();
                let ids: Vec<_> = drained.send.into_iter().map(|(id, _)| id).collect();
                let held = self.still_held(&ids);
                (drained.pace, held.iter().map(|delivery| (delivery.follow_up(), delays[&delivery.id])).collect())
            }
        };
        if self.set_pace(&read, pace, begun) && !dies {
            self.queue.extend(messages.into_iter().map(|(message, delay)| (self.now + delay, message)));
        }
    }

    fn still_held(&self, ids: &[EventId]) -> Vec<Delivery> {
        let stored = ids.iter().filter_map(|id| self.stored.get(id));
        stored.filter(|delivery| delivery.state == State::Held).cloned().collect()
    }

    /// The next part of a resend: up to three events, which are not sent here.
    fn advance_resend(&mut self, read: &Webhook, now: Timestamp) {
        let Some(resend) = read.resend_to_continue() else { return };
        let (above, below) = resend.range();
        let events = self.stored.keys().filter(|id| above.as_ref().is_none_or(|above| *id > above) && **id < below);
        let advanced = resend.advanced(0, events.take(3).last().cloned(), Resend::next_minute(now), now);
        let position = |webhook: &Webhook| webhook.resend.as_ref().and_then(|resend| resend.position.clone());
        if self.is_unchanged(read) && position(read) == position(&self.webhook) {
            self.webhook.resend = Some(advanced);
            let after = Webhook { resend: self.webhook.resend.clone(), ..read.clone() };
            self.webhook.action_at = after.next_action(&self.settings, now);
        }
    }

    /// The same condition as `Update::unless_changed`.
    fn is_unchanged(&self, read: &Webhook) -> bool {
        let of = |webhook: &Webhook| {
            let health = &webhook.stored_health;
            (webhook.epoch, health.epoch, health.generation, webhook.probe_asked_at)
        };
        let resend = |webhook: &Webhook| webhook.resend.as_ref().map(|resend| resend.id.clone());
        (of(read) == of(&self.webhook) || self.without == Some(Guard::PaceCondition))
            && (resend(read) == resend(&self.webhook) || self.without == Some(Guard::ResendCondition))
    }

    /// The same condition as `Webhooks::set_pace`.
    fn set_pace(&mut self, read: &Webhook, pace: Pace, now: Timestamp) -> bool {
        let version = |webhook: &Webhook| webhook.stored_pace.version;
        let is_first = version(read) == version(&self.webhook) || self.without == Some(Guard::PaceCondition);
        if !is_first || !self.is_unchanged(read) {
            return false;
        }
        let after = Webhook { stored_pace: pace.clone(), ..read.clone() };
        self.webhook.stored_pace = pace;
        self.webhook.action_at = after.next_action(&self.settings, now);
        true
    }
}

fn to_probe_with(index: &BTreeSet<EventId>) -> Vec<EventId> {
    let (Some(oldest), Some(newest)) = (index.first(), index.last()) else { return Vec::new() };
    let mut picked = vec![oldest.clone(), newest.clone()];
    picked.extend(between(oldest, newest, 0.5).and_then(|from| index.range(from..).next().cloned()));
    picked.sort_unstable();
    picked.dedup();
    picked
}

/// The oldest and the newest deliveries of a search.
fn search_in(index: &BTreeSet<EventId>, search: &Search) -> [Vec<EventId>; 2] {
    let Search { after, before, most, .. } = search;
    let inside = |id: &&EventId| {
        after.as_ref().is_none_or(|after| *id > after) && before.as_ref().is_none_or(|before| *id < before)
    };
    let oldest = index.iter().filter(inside).take(*most).cloned().collect();
    [oldest, index.iter().rev().filter(inside).take(*most).cloned().collect()]
}
