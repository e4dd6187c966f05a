//! The stream of the deliveries table, and watch-webhooks, which folds it into the webhooks' health.

use std::collections::BTreeMap;

use nano_webhooks::webhook::Recorded;

use super::{
    Ms, at, hook,
    parts::{Entry, Event, STREAM_SHARDS},
    simulation::Simulation,
    table::webhook_units,
};

const BATCH: usize = 1_000;
const MEMORY_MB: f64 = 256.0;
/// How long Lambda gathers a batch, and how late the stream is.
const WINDOW: Ms = 1_000;
const LATE: std::ops::Range<Ms> = 50..250;
/// How long watch-webhooks takes for each webhook of a batch: a read and a write.
const FOR_EACH_WEBHOOK: Ms = 12;
/// How long a webhook has to fail before a notification: the template's default.
const NOTIFY_AFTER: std::time::Duration = std::time::Duration::from_hours(1);

/// The stream's shard of a delivery: all records of a partition are in one shard.
pub(super) fn shard_of(hook: u32, number: u32) -> usize {
    (hook as usize * 5 + number as usize % hook::SHARDS) % STREAM_SHARDS
}

impl Simulation<'_> {
    pub(super) fn enter(&mut self, shard: usize, entry: Entry) {
        self.shards[shard].entries.push_back(entry);
        if !self.shards[shard].is_awaited {
            self.shards[shard].is_awaited = true;
            let late = if shard == 0 { self.scenario.late_shard } else { 0 };
            let late = late + self.random.u64(LATE);
            self.schedule_event(self.now + WINDOW + late, Event::Watch(shard));
        }
    }

    /// Folds a batch of one shard into the webhooks' health.
    pub(super) fn watch(&mut self, shard: usize) {
        let count = self.shards[shard].entries.len().min(BATCH);
        let batch: Vec<_> = self.shards[shard].entries.drain(..count).collect();
        let mut hooks: BTreeMap<u32, Recorded> = BTreeMap::new();
        for entry in batch {
            let recorded = hooks.entry(entry.hook).or_default();
            recorded.held |= entry.held;
            recorded.attempts.extend(entry.attempt);
        }
        let took = 5 + FOR_EACH_WEBHOOK * hooks.len() as Ms;
        for (hook, recorded) in hooks {
            self.fold(hook, &recorded);
            if self.scenario.repeats_batches {
                self.fold(hook, &recorded);
            }
        }
        self.measured.bill.invoke(MEMORY_MB, took as f64);
        self.shards[shard].is_awaited = !self.shards[shard].entries.is_empty();
        if self.shards[shard].is_awaited {
            self.schedule_event(self.now + took.max(WINDOW), Event::Watch(shard));
        }
    }

    fn fold(&mut self, hook: u32, recorded: &Recorded) {
        self.measured.bill.half_reads += 2;
        let mut webhook = self.webhook(hook);
        let Some(health) = webhook.health_after(recorded, &self.settings) else { return };
        let moves_bell = health.generation != webhook.stored_health.generation;
        self.measured.bill.writes += webhook_units(health.failures.len(), moves_bell);
        webhook.stored_health = health;
        if moves_bell {
            self.ring(&mut webhook);
        }
        if let Some(notification) = webhook.notification(NOTIFY_AFTER, at(self.now)) {
            self.measured.bill.writes += 2 * webhook_units(webhook.stored_health.failures.len(), false);
            webhook.stored_health =
                webhook.stored_health.clone().notifying(notification, at(self.now)).notified(notification);
        }
        self.store_webhook(hook, webhook);
    }
}
