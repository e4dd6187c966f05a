//! What release does with a webhook whose circuit is not closed: it sends probes while the circuit is open, and
//! drains held deliveries while it is recovering. The decisions are pure: release reads the webhook and the held
//! deliveries, asks this module, writes the [`Pace`] that it returns, and sends the messages only if that conditional
//! write succeeded.
//!
//! The pace is written before the messages are sent, so of two runs at the same time only one sends. A delivery that
//! a run did not send because it died is still held and is found again: a drain searches from the beginning until
//! nothing is left.
//!
//! The index that release searches lags behind, and a dispatcher that read the circuit as open may hold a delivery
//! until its time is over. So a drain ends only after two searches from the beginning found nothing, further apart
//! than the dispatcher's timeout plus a minute.
//!
//! The dispatcher also holds what is beyond a webhook's `max_per_minute`, and a drain sends it at that pace: each run
//! takes from the quota of the next minute what it sends, with delays into that minute. Attempts of new deliveries get
//! the rest of the quota.

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Circuit, Health, Settings, Webhook};
use crate::names::EventId;

/// How far release has come with a webhook. Only release writes it, and only if its version, the webhook's epoch
/// and the health's generation are still those that release read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pace {
    /// How often it was written; 0 means never.
    pub version: u64,
    /// The webhook's epoch for which it was written. The pace of another epoch is void.
    pub epoch: u64,
    /// How many scheduled probes were sent since the circuit was last closed.
    #[serde(default)]
    pub probes: u32,
    /// When the last probe was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probed_at: Option<Timestamp>,
    /// The drain, once it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// Set when release found nothing held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// Overrides the circuit of one generation of health, because release found nothing held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The generation of health that it applies to.
    pub generation: u64,
    /// Recovering if there was nothing to probe with; closed if a drain is over.
    pub circuit: Circuit,
    /// When release found nothing.
    pub at: Timestamp,
}

/// A drain: release sends held deliveries, the oldest and the newest in turn, at a growing pace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The generation of health during which it began. In another generation the drain is void.
    pub generation: u64,
    /// How many deliveries its last minute had room for, in deliveries a minute.
    pub per_minute: u32,
    /// The most deliveries that it may send in a minute.
    pub most: u32,
    /// Starting from the oldest, it has sent all deliveries up to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<EventId>,
    /// Starting from the newest, it has sent all deliveries down to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<EventId>,
    /// When a search from the beginning first found nothing, if no later search found anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_at: Option<Timestamp>,
    /// When the drain continues.
    pub next_at: Timestamp,
}

/// What release must do with a webhook now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing to do yet. If the webhook's time in the index made release look at it, write [`Webhook::same_pace`].
    Wait,
    /// Look for held deliveries: the oldest, the newest, and one between ([`between`]). If there are none, write
    /// [`Webhook::settled`]. Otherwise write [`Webhook::probing`], and send those that [`Webhook::probe_with`] picks
    /// as probes.
    Probe,
    /// Send the next part of its [`Webhook::resend_to_continue`].
    Resend,
    /// Search as described, write the pace of [`Webhook::drained`], and send the deliveries that it lists.
    Drain(Search),
}

/// Which held deliveries a drain needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Only deliveries after this one,
    pub after: Option<EventId>,
    /// and only deliveries before this one.
    pub before: Option<EventId>,
    /// At most this many of the oldest, ascending, and as many of the newest, descending.
    pub most: usize,
    /// Whether the drain begins now. Then [`Webhook::drained`] needs the webhook's own rate.
    pub begins: bool,
}

/// What a drain sends now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// The pace to write before anything is sent.
    pub pace: Pace,
    /// When the minute begins in which the deliveries are attempted. For a webhook with `max_per_minute` it is a minute
    /// of UTC, whose quota the deliveries use.
    pub begins: Timestamp,
    /// The deliveries to send, each with its delay.
    pub send: Vec<(EventId, Duration)>,
}

/// The time over which a minute's deliveries are spread.
const MINUTE: Duration = Duration::from_mins(1);

/// The least time between two runs that count as a minute apart. release runs every minute, but not to the second.
pub(super) const ALMOST_A_MINUTE: Duration = Duration::from_secs(50);

impl Pace {
    /// A copy with the next version.
    fn next(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }
}

impl Webhook {
    /// Its current pace. The pace of another epoch is void.
    pub fn pace(&self) -> Pace {
        let Pace { version, epoch, .. } = self.stored_pace;
        if epoch == self.epoch {
            self.stored_pace.clone()
        } else {
            Pace { version, epoch: self.epoch, ..Pace::default() }
        }
    }

    /// When release must look at it next; a time up to `now` means that it is due. `None` if it need not.
    pub fn next_action(&self, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
        let (health, pace) = (self.health(), self.pace());
        if !self.is_active() {
            return None;
        }
        match health.circuit {
            Circuit::Closed => self.resend_to_continue().map(|resend| resend.next_at),
            Circuit::Open => Some(self.next_probe(&health, &pace, settings)),
            Circuit::Recovering => Some(pace.drain_of(&health).map_or(now, |drain| drain.next_at)),
        }
    }

    /// What release must do with it now.
    pub fn action(&self, settings: &Settings, now: Timestamp) -> Action {
        if self.next_action(settings, now).is_none_or(|next| next > now) {
            return Action::Wait;
        }
        let (health, pace) = (self.health(), self.pace());
        match health.circuit {
            Circuit::Closed => return Action::Resend,
            Circuit::Open => return Action::Probe,
            Circuit::Recovering => {}
        }
        let drain = pace.drain_of(&health);
        Action::Drain(Search {
            after: drain.and_then(|drain| drain.after.clone()),
            before: drain.and_then(|drain| drain.before.clone()),
            most: self.budget(drain, &health, settings) as usize,
            begins: drain.is_none(),
        })
    }

    fn next_probe(&self, health: &Health, pace: &Pace, settings: &Settings) -> Timestamp {
        let opened_at = health.opened_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let probed_at = pace.probed_at.filter(|probed_at| *probed_at > opened_at);
        let by_hand = self.probe_asked_at.filter(|asked_at| *asked_at > probed_at.unwrap_or(opened_at));
        let due = probed_at.unwrap_or(opened_at) + settings.probe_waits.wait(pace.probes);
        let scheduled = match health.asked_until() {
            // The receiver said when it is back, and too few attempts have failed to contradict it.
            Some(until) if probed_at.is_none() && !health.is_down(settings) => until,
            Some(until) => until.max(due),
            None => due,
        };
        by_hand.map_or(scheduled, |asked_at| asked_at.min(scheduled))
    }

    /// The same pace with a new version. Written if there was nothing to do, so that the webhook's time in the index
    /// is updated.
    pub fn same_pace(&self) -> Pace {
        self.pace().next()
    }

    /// The pace to write when probes are sent now.
    pub fn probing(&self, settings: &Settings, now: Timestamp) -> Pace {
        let pace = self.pace().next();
        // A probe by hand, before one was due, does not move the schedule on.
        let probes = pace.probes + u32::from(self.is_probe_due(settings, now));
        Pace { probes, probed_at: Some(now), ..pace }
    }

    /// Picks which of the held deliveries found are sent as probes. `found` is oldest first.
    ///
    /// All of them at the first probe and at a probe by hand, so that one delivery that the endpoint never accepts
    /// does not decide. At later probes one, a different one each time: an endpoint that hangs keeps a dispatcher
    /// waiting for each.
    pub fn probe_with<T>(&self, mut found: Vec<T>, settings: &Settings, now: Timestamp) -> Vec<T> {
        let made = self.pace().probes as usize;
        if found.is_empty() || made == 0 || !self.is_probe_due(settings, now) {
            return found;
        }
        vec![found.swap_remove(made % found.len())]
    }

    /// Whether a probe is due by the schedule, even if the customer asked for none.
    fn is_probe_due(&self, settings: &Settings, now: Timestamp) -> bool {
        let unasked = Self { probe_asked_at: None, ..self.clone() };
        unasked.next_probe(&self.health(), &self.pace(), settings) <= now
    }

    /// The pace when release looked for deliveries to probe with and found nothing held: the circuit becomes
    /// recovering.
    pub fn settled(&self, now: Timestamp) -> Pace {
        let generation = self.health().generation;
        Pace { settled: Some(Settled { generation, circuit: Circuit::Recovering, at: now }), ..self.pace().next() }
    }

    /// Decides what a drain sends, given what its search found: `oldest` ascending, `newest` descending.
    /// `own_per_minute` is the webhook's rate of deliveries before it failed, used only when the drain begins.
    pub fn drained(
        &self,
        oldest: &[EventId],
        newest: &[EventId],
        own_per_minute: u32,
        settings: &Settings,
        now: Timestamp,
    ) -> Drained {
        let (health, pace) = (self.health(), self.pace().next());
        let begun = pace.drain_of(&health);
        let per_minute = self.budget(begun, &health, settings);
        let picked = in_turn(oldest, newest, per_minute as usize);
        let new = || Drain {
            generation: health.generation,
            per_minute,
            most: self
                .max_per_minute
                .unwrap_or_else(|| settings.drain_per_minute.max(own_per_minute).max(settings.drain_start)),
            after: None,
            before: None,
            empty_at: None,
            next_at: now,
        };
        let drain = begun.cloned().unwrap_or_else(new);
        let gap = settings.dispatcher_timeout + MINUTE;
        let is_limited = self.max_per_minute.is_some();
        let begins = if is_limited { next_minute(now) } else { now };
        let from_the_beginning = drain.after.is_none() && drain.before.is_none();
        let searched = Drain { after: None, before: None, empty_at: None, ..drain.clone() };
        let drain = if picked.is_empty() && !from_the_beginning {
            // The last deliveries of this pass may still wait for their delay, and then be attempted.
            Drain { next_at: begins + gap, ..searched }
        } else if picked.is_empty() {
            let empty_at = drain.empty_at.unwrap_or(now);
            if empty_at + gap <= now {
                let settled = Settled { generation: health.generation, circuit: Circuit::Closed, at: now };
                return Drained {
                    pace: Pace { settled: Some(settled), probes: 0, probed_at: None, drain: None, ..pace },
                    begins,
                    send: Vec::new(),
                };
            }
            Drain { empty_at: Some(empty_at), next_at: empty_at + gap, ..drain }
        } else if picked.len() < per_minute as usize {
            Drain { per_minute, next_at: begins + MINUTE + gap, ..searched }
        } else {
            let (after, before) = (reached(oldest, &picked), reached(newest, &picked));
            let (after, before) = (after.or(drain.after), before.or(drain.before));
            if after.as_ref().zip(before.as_ref()).is_some_and(|(after, before)| after >= before) {
                // Both ends have met: this pass has sent everything that its search found.
                Drain { per_minute, next_at: begins + MINUTE + gap, ..searched }
            } else {
                let next_at = if is_limited { begins } else { now + ALMOST_A_MINUTE };
                Drain { per_minute, after, before, empty_at: None, next_at, ..drain }
            }
        };
        let wait = Duration::try_from(begins.duration_since(now)).unwrap_or_default();
        let send = (0..).zip(picked).map(|(number, id)| (id, wait + spread(number))).collect();
        Drained { pace: Pace { drain: Some(drain), ..pace }, begins, send }
    }

    /// How many deliveries a drain may send in the next minute: twice as many as in the last, unless the endpoint is
    /// failing now, and at most `max_per_minute`. If the endpoint was not down, a drain begins at that pace.
    fn budget(&self, drain: Option<&Drain>, health: &Health, settings: &Settings) -> u32 {
        let limit = self.max_per_minute.unwrap_or(u32::MAX);
        match drain {
            None if self.max_per_minute.is_some() && self.pace().probed_at.is_none() => limit,
            None => settings.drain_start.min(limit),
            Some(drain) if health.failing_since.is_some() => drain.per_minute.min(limit),
            Some(drain) => drain.per_minute.saturating_mul(2).min(drain.most).min(limit),
        }
    }
}

impl Pace {
    fn drain_of(&self, health: &Health) -> Option<&Drain> {
        self.drain.as_ref().filter(|drain| drain.generation == health.generation)
    }
}

/// When the minute of UTC begins that follows the one that contains `now`.
fn next_minute(now: Timestamp) -> Timestamp {
    Timestamp::from_second((minute_of(now) + 1) * 60).unwrap_or(now)
}

/// The minute of UTC that contains a time, counted from 1970. `max_per_minute` is a limit for each of these.
pub fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

/// How many of the `wanted` requests are within a limit, if all of them are among the `taken`.
pub fn granted(taken: u32, wanted: u32, limit: u32) -> u32 {
    limit.saturating_sub(taken.saturating_sub(wanted)).min(wanted)
}

/// The first of the oldest, the first of the newest, the second of the oldest and so on, each once.
fn in_turn(oldest: &[EventId], newest: &[EventId], most: usize) -> Vec<EventId> {
    let mut seen = HashSet::new();
    let pairs = (0..oldest.len().max(newest.len())).flat_map(|at| [oldest.get(at), newest.get(at)]);
    pairs.flatten().filter(|id| seen.insert(*id)).take(most).cloned().collect()
}

/// The delay of a delivery within its minute. Steps of the golden ratio spread any number of deliveries evenly.
///
/// SQS delays by whole seconds, and messages that are sent together with the same delay arrive together. Ascending
/// delays would make bursts that delay every customer's deliveries.
fn spread(number: u32) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    MINUTE.mul_f64((f64::from(number) * GOLDEN).fract())
}

/// The last entry of the list up to which all were picked. Later entries may have been picked from the other list's
/// end.
fn reached(list: &[EventId], picked: &[EventId]) -> Option<EventId> {
    let picked: HashSet<_> = picked.iter().collect();
    list.iter().take_while(|id| picked.contains(id)).last().cloned()
}

/// Returns an id between two deliveries to search from: `share` (0 to 1) of the way in time. `None` if no id can lie
/// between them.
///
/// With it, a probe need not be one of the oldest or the newest deliveries.
pub fn between(oldest: &EventId, newest: &EventId, share: f64) -> Option<EventId> {
    let (from, to) = (oldest.ended_at().as_millisecond(), newest.ended_at().as_millisecond());
    let apart = Duration::from_millis(u64::try_from(to - from).ok()?);
    let between = EventId::first_at(oldest.ended_at() + apart.mul_f64(share));
    (*oldest < between && between < *newest).then_some(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_up_to_the_limit_are_granted() {
        assert_eq!(granted(10, 10, 60), 10);
        assert_eq!(granted(60, 10, 60), 10);
        assert_eq!(granted(63, 10, 60), 7);
        assert_eq!(granted(70, 10, 60), 0);
        assert_eq!(granted(500, 10, 60), 0);
    }
}
