//! `max_per_minute`: which attempts are within it, as the dispatcher's `limit` and release's drain take them from the quota.

use std::mem;

use nano_webhooks::webhook::{granted, minute_of};

use super::{Ms, at, simulation::Simulation};

/// Deliveries by their numbers, each with the time when its message was sent.
type Members = Vec<(u32, Ms)>;

impl Simulation<'_> {
    /// Divides attempts into those within their webhook's limit and those beyond it. The dispatcher takes the quota of a
    /// whole batch with one write; here it is one write for each group of messages that are alike.
    pub(super) fn within_limit(
        &mut self,
        slot: usize,
        hook: u32,
        mut members: Members,
        limit: Option<u32>,
        starts: Ms,
    ) -> (Members, Members) {
        let Some(limit) = limit else { return (members, Vec::new()) };
        let minute = minute_of(at(starts));
        if self.slots[slot].used_up.get(&hook) == Some(&minute) {
            return (Vec::new(), mem::take(&mut members));
        }
        let within = self.take_quota(hook, minute, members.len(), limit);
        if within < members.len() {
            self.slots[slot].used_up.insert(hook, minute);
        }
        let beyond = members.split_off(within);
        (members, beyond)
    }

    /// Takes requests out of a webhook's quota for a minute, with one write. Returns how many are within the limit.
    pub(super) fn take_quota(&mut self, hook: u32, minute: i64, wanted: usize, limit: u32) -> usize {
        let wanted = u32::try_from(wanted).expect("a batch is small");
        let taken = self.quotas.entry((hook, minute)).or_default();
        *taken += wanted;
        self.measured.bill.writes += 1;
        self.measured.quota_writes += 1;
        granted(*taken, wanted, limit) as usize
    }
}
