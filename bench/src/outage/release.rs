//! release: each minute it sends the attempts that are due, probes and drains.

use std::time::Duration;

use nano_webhooks::{
    names::EventId,
    webhook::{Action, Drained, Search, Webhook, between, minute_of},
};

use super::{
    Ms, at,
    hook::{event_id, number, number_at},
    parts::{Asked, Sent},
    scenario::MINUTE,
    simulation::Simulation,
};

const MEMORY_MB: f64 = 256.0;
/// How many messages a run sends in a second, and in total.
const PER_SECOND: u64 = 2_000;
const MOST: u64 = 100_000;
/// How many entries of an index one half read unit reads: 4 KiB, eventually consistent.
const KEYS_IN_A_READ: usize = 4_096 / 120;

/// One run.
struct Run {
    began: Ms,
    sent: u64,
}

impl Simulation<'_> {
    pub(super) fn release(&mut self) {
        let mut run = Run { began: self.now, sent: 0 };
        let mut entries = 0;
        while let Some(due) = self.waiting.first_entry().filter(|due| *due.key() <= run.began) {
            if run.sent >= MOST {
                break;
            }
            let messages = due.remove();
            entries += messages.len();
            for message in messages {
                self.put(&mut run, message, Duration::ZERO);
            }
        }
        // A run queries each of the 16 shards twice: for due entries, and for the sweep.
        self.measured.bill.half_reads += 32 + entries.div_ceil(10) as u64 * 2;
        let rung: Vec<_> = self.bells.iter().take_while(|(time, _)| *time <= self.now).map(|(_, hook)| *hook).collect();
        for hook in rung {
            if run.sent < MOST {
                self.look_at(hook, &mut run);
            }
        }
        self.measured.bill.request((run.sent as f64 / 10.0).ceil());
        self.measured.bill.invoke(MEMORY_MB, 200.0 + (run.sent * 1_000 / PER_SECOND) as f64);
    }

    fn put(&mut self, run: &mut Run, message: Sent, delay: Duration) {
        let delay = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        let visible = self.now + run.sent * 1_000 / PER_SECOND + delay * 1_000;
        run.sent += 1;
        self.delayed.entry(visible.next_multiple_of(20)).or_default().push(message);
    }

    fn look_at(&mut self, hook: u32, run: &mut Run) {
        let mut webhook = self.webhook(hook);
        let now = at(self.now);
        self.measured.bill.half_reads += 2;
        let mut send = Vec::new();
        webhook.stored_pace = match webhook.action(&self.settings, now) {
            Action::Wait | Action::Resend => webhook.same_pace(),
            Action::Probe => {
                let picked = self.pick_probes(hook);
                let pace = if picked.is_empty() { webhook.settled(now) } else { webhook.probing(&self.settings, now) };
                let picked = webhook.probe_with(picked, &self.settings, now);
                send.extend(picked.into_iter().map(|number| (number, Duration::ZERO, true)));
                pace
            }
            Action::Drain(search) => {
                let Drained { pace, begins, send: drained } = self.drain(hook, &webhook, search);
                if self.has_quota(hook, &webhook, minute_of(begins), drained.len()) {
                    // release reads each delivery before it sends it.
                    self.measured.bill.half_reads += drained.len() as u64;
                    let minute = self.now / MINUTE;
                    *self.measured.drained.entry(minute).or_default() += drained.len() as u64;
                    send.extend(drained.into_iter().map(|(id, delay)| (number(&id), delay, false)));
                    pace
                } else {
                    webhook.same_pace()
                }
            }
        };
        self.ring(&mut webhook);
        self.measured.bill.writes += super::table::webhook_units(webhook.stored_health.failures.len(), true);
        self.store_webhook(hook, webhook);
        for (number, delay, is_probe) in send {
            let Some(stored) = self.hook(hook).stored(number) else { continue };
            let probe = is_probe.then_some(stored.version);
            self.measured.probes += u64::from(is_probe);
            let asked = Asked { attempt: stored.tries + 1, probe, has_payload: false, again: false };
            self.put(run, Sent { hook, number, time: self.now, asked }, delay);
        }
    }

    /// Whether a minute's quota has room for what a drain sends.
    fn has_quota(&mut self, hook: u32, webhook: &Webhook, minute: i64, wanted: usize) -> bool {
        let limit = webhook.max_per_minute.filter(|_| wanted > 0);
        limit.is_none_or(|limit| self.take_quota(hook, minute, wanted, limit) == wanted)
    }

    /// Picks held deliveries to probe with: the oldest, the newest, and one between.
    fn pick_probes(&mut self, hook: u32) -> Vec<u32> {
        let period = self.scenario.flows[self.flow_of(hook)].period();
        let share = self.random.f64();
        let held = self.hook(hook);
        let oldest = held.held(None, None, 1, true);
        let newest = held.held(None, None, 1, false);
        let mut picked = [oldest, newest].concat();
        picked.dedup();
        if let [oldest, newest] = picked[..]
            && let Some(from) = between(&event_id(oldest, period), &event_id(newest, period), share)
        {
            let from = number_at(&from, period).max(oldest + 1);
            picked.extend(held.held(Some(from - 1), Some(newest), 1, true));
        }
        picked.sort_unstable();
        // Three queries to each of eight partitions.
        self.measured.bill.half_reads += 24;
        picked
    }

    fn drain(&mut self, hook: u32, webhook: &Webhook, search: Search) -> Drained {
        let period = self.scenario.flows[self.flow_of(hook)].period();
        let Search { after, before, most, begins } = search;
        let (after, before) = (after.as_ref().map(number), before.as_ref().map(number));
        let held = self.hook(hook);
        let ids = |oldest| -> Vec<EventId> {
            held.held(after, before, most, oldest).into_iter().map(|number| event_id(number, period)).collect()
        };
        let (oldest, newest) = (ids(true), ids(false));
        let own = if begins { held.own_per_minute() } else { 0 };
        self.measured.bill.half_reads += 16 + (oldest.len() + newest.len()).div_ceil(KEYS_IN_A_READ) as u64;
        webhook.drained(&oldest, &newest, own, &self.settings, at(self.now))
    }
}
