//! What release does with a webhook whose circuit is not closed: probes while it is open, and a drain while it is
//! recovering. Pure decisions: release reads the webhook and what is held, asks here, writes the [`Pace`] that it gets, and
//! sends what it is told, if the write was not refused.
//!
//! The pace is written before messages are sent: of two runs at the same time one sends. What a run did not send because it
//! died is still held, and found again: a drain searches from the beginning until there is nothing left.
//!
//! release's search reads an index that lags behind, and a dispatcher that has read the circuit as open may hold a delivery
//! until its time is over. So a drain ends after two searches from the beginning that found nothing, further apart than the
//! dispatcher's time and a minute.

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Circuit, Health, Settings, Webhook};
use crate::delivery::DeliveryId;

/// How far release has come with a webhook. release alone writes it, on condition of its version, and of the webhook's epoch
/// and the health's generation that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pace {
    /// How often it was written: 0 means never.
    pub version: u64,
    /// The webhook's epoch that it is about. The pace of another epoch is void.
    pub epoch: u64,
    /// How many scheduled probes were made since the circuit was last closed.
    #[serde(default)]
    pub probes: u32,
    /// When the last probe was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probed_at: Option<Timestamp>,
    /// The drain, once it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// That nothing was found held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// What the circuit of a generation of health reads as, because release has found nothing held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// The generation.
    pub generation: u64,
    /// Recovering if there was nothing to probe with, closed if a drain is over.
    pub circuit: Circuit,
    /// When it was found.
    pub at: Timestamp,
}

/// A drain: held deliveries are sent, the oldest and the newest in turn, at a pace that grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The generation of health that it is part of.
    pub generation: u64,
    /// How many were sent in its last minute, or would have been if there were so many.
    pub per_minute: u32,
    /// How many a minute it may send at most.
    pub most: u32,
    /// Of the oldest, it has sent those up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<DeliveryId>,
    /// Of the newest, it has sent those down to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<DeliveryId>,
    /// When a search from the beginning found nothing, if none has found anything since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_at: Option<Timestamp>,
    /// When it goes on.
    pub next_at: Timestamp,
}

/// What release has to do with a webhook now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing now. If it was found by its bell, write [`Webhook::same_pace`].
    Wait,
    /// Look for what is held: the oldest, the newest, and one between ([`between`]). If nothing is, write
    /// [`Webhook::settled`]; otherwise write [`Webhook::probing`] and send probes with what [`Webhook::probe_with`] picks.
    Probe,
    /// Search as described, write the pace of [`Webhook::drained`], and send what it says.
    Drain(Search),
}

/// Which held deliveries a drain needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Only those after this one, and
    pub after: Option<DeliveryId>,
    /// only those before this one:
    pub before: Option<DeliveryId>,
    /// at most so many of the oldest, ascending, and as many of the newest, descending.
    pub most: usize,
    /// Whether the drain begins: then [`Webhook::drained`] needs the webhook's own rate.
    pub begins: bool,
}

/// What a drain sends now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// To be written first.
    pub pace: Pace,
    /// What to send, each after its delay.
    pub send: Vec<(DeliveryId, Duration)>,
}

/// Over how long a minute's deliveries are spread.
const MINUTE: Duration = Duration::from_mins(1);

/// release runs every minute, but not to the second.
const ALMOST_A_MINUTE: Duration = Duration::from_secs(50);

impl Pace {
    /// Begins the next version.
    fn next(&self) -> Self {
        Self { version: self.version + 1, ..self.clone() }
    }
}

impl Webhook {
    /// Its pace at present: that of another epoch is void.
    pub fn pace(&self) -> Pace {
        let Pace { version, epoch, .. } = self.stored_pace;
        if epoch == self.epoch {
            self.stored_pace.clone()
        } else {
            Pace { version, epoch: self.epoch, ..Pace::default() }
        }
    }

    /// When release has to look at it next, `now` if it is time for that; `None` if it need not.
    pub fn next_action(&self, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
        let (health, pace) = (self.health(), self.pace());
        if !self.is_active() {
            return None;
        }
        match health.circuit {
            Circuit::Closed => None,
            Circuit::Open => Some(self.next_probe(&health, &pace, settings)),
            Circuit::Recovering => Some(pace.drain_of(&health).map_or(now, |drain| drain.next_at)),
        }
    }

    /// What release has to do with it now.
    pub fn action(&self, settings: &Settings, now: Timestamp) -> Action {
        if self.next_action(settings, now).is_none_or(|next| next > now) {
            return Action::Wait;
        }
        let (health, pace) = (self.health(), self.pace());
        if health.circuit == Circuit::Open {
            return Action::Probe;
        }
        let drain = pace.drain_of(&health);
        Action::Drain(Search {
            after: drain.and_then(|drain| drain.after.clone()),
            before: drain.and_then(|drain| drain.before.clone()),
            most: budget(drain, &health, settings) as usize,
            begins: drain.is_none(),
        })
    }

    fn next_probe(&self, health: &Health, pace: &Pace, settings: &Settings) -> Timestamp {
        let opened_at = health.opened_at.unwrap_or(Timestamp::UNIX_EPOCH);
        let probed_at = pace.probed_at.filter(|probed_at| *probed_at > opened_at);
        let by_hand = self.probe_asked_at.filter(|asked_at| *asked_at > probed_at.unwrap_or(opened_at));
        let due = probed_at.unwrap_or(opened_at) + settings.probe_waits.wait(pace.probes);
        let scheduled = match health.asked_until() {
            // The receiver has said when it is back, and nothing else speaks against it.
            Some(until) if probed_at.is_none() && !health.is_down(settings) => until,
            Some(until) => until.max(due),
            None => due,
        };
        by_hand.map_or(scheduled, |asked_at| asked_at.min(scheduled))
    }

    /// The pace if there was nothing to do after all: to be written so that the bell stops, or rings again in time.
    pub fn same_pace(&self) -> Pace {
        self.pace().next()
    }

    /// The pace when probes are sent now.
    pub fn probing(&self, settings: &Settings, now: Timestamp) -> Pace {
        let pace = self.pace().next();
        // One that was asked for by hand, before it was due, does not make the next ones later.
        let probes = pace.probes + u32::from(self.is_probe_due(settings, now));
        Pace { probes, probed_at: Some(now), ..pace }
    }

    /// Which of the held deliveries that were found are sent as probes, oldest first. All of them at the first probe, and when the
    /// customer asks for one: then one that the endpoint never takes does not decide. Later one, another each time: an endpoint
    /// that hangs keeps a dispatcher waiting for each.
    pub fn probe_with<T>(&self, mut found: Vec<T>, settings: &Settings, now: Timestamp) -> Vec<T> {
        let made = self.pace().probes as usize;
        if found.is_empty() || made == 0 || !self.is_probe_due(settings, now) {
            return found;
        }
        vec![found.swap_remove(made % found.len())]
    }

    /// Whether it is time for a probe although nobody asks for one.
    fn is_probe_due(&self, settings: &Settings, now: Timestamp) -> bool {
        let unasked = Self { probe_asked_at: None, ..self.clone() };
        unasked.next_probe(&self.health(), &self.pace(), settings) <= now
    }

    /// The pace when a search for something to probe with has found nothing held: the circuit is recovering.
    pub fn settled(&self, now: Timestamp) -> Pace {
        let generation = self.health().generation;
        Pace { settled: Some(Settled { generation, circuit: Circuit::Recovering, at: now }), ..self.pace().next() }
    }

    /// What a drain sends, given what its search has found: `oldest` ascending, `newest` descending. `own_per_minute` is how
    /// many deliveries a minute the webhook had before it failed; it counts when the drain begins.
    pub fn drained(
        &self,
        oldest: &[DeliveryId],
        newest: &[DeliveryId],
        own_per_minute: u32,
        settings: &Settings,
        now: Timestamp,
    ) -> Drained {
        let (health, pace) = (self.health(), self.pace().next());
        let begun = pace.drain_of(&health);
        let per_minute = budget(begun, &health, settings);
        let picked = in_turn(oldest, newest, per_minute as usize);
        let new = || Drain {
            generation: health.generation,
            per_minute,
            most: settings.drain_per_minute.max(own_per_minute).max(settings.drain_start),
            after: None,
            before: None,
            empty_at: None,
            next_at: now,
        };
        let drain = begun.cloned().unwrap_or_else(new);
        let gap = settings.dispatcher_timeout + MINUTE;
        let from_the_beginning = drain.after.is_none() && drain.before.is_none();
        let searched = Drain { after: None, before: None, empty_at: None, ..drain.clone() };
        let drain = if picked.is_empty() && !from_the_beginning {
            // What this pass has sent last may still wait for its delay, and then be attempted.
            Drain { next_at: now + gap, ..searched }
        } else if picked.is_empty() {
            let empty_at = drain.empty_at.unwrap_or(now);
            if empty_at + gap <= now {
                let settled = Settled { generation: health.generation, circuit: Circuit::Closed, at: now };
                return Drained {
                    pace: Pace { settled: Some(settled), probes: 0, probed_at: None, drain: None, ..pace },
                    send: Vec::new(),
                };
            }
            Drain { empty_at: Some(empty_at), next_at: empty_at + gap, ..drain }
        } else if picked.len() < per_minute as usize {
            Drain { per_minute, next_at: now + MINUTE + gap, ..searched }
        } else {
            let (after, before) = (reached(oldest, &picked), reached(newest, &picked));
            let (after, before) = (after.or(drain.after), before.or(drain.before));
            if after.as_ref().zip(before.as_ref()).is_some_and(|(after, before)| after >= before) {
                // Both ends have met: this pass has sent all that its search found.
                Drain { per_minute, next_at: now + MINUTE + gap, ..searched }
            } else {
                Drain { per_minute, after, before, empty_at: None, next_at: now + ALMOST_A_MINUTE, ..drain }
            }
        };
        let send = (0..).zip(picked).map(|(number, id)| (id, spread(number))).collect();
        Drained { pace: Pace { drain: Some(drain), ..pace }, send }
    }
}

impl Pace {
    fn drain_of(&self, health: &Health) -> Option<&Drain> {
        self.drain.as_ref().filter(|drain| drain.generation == health.generation)
    }
}

/// How many are sent in the next minute: twice as many as in the last, unless the endpoint is failing now.
fn budget(drain: Option<&Drain>, health: &Health, settings: &Settings) -> u32 {
    match drain {
        None => settings.drain_start,
        Some(drain) if health.failing_since.is_some() => drain.per_minute,
        Some(drain) => drain.per_minute.saturating_mul(2).min(drain.most),
    }
}

/// The first of the oldest, the first of the newest, the second of the oldest and so on, each once.
fn in_turn(oldest: &[DeliveryId], newest: &[DeliveryId], most: usize) -> Vec<DeliveryId> {
    let mut seen = HashSet::new();
    let pairs = (0..oldest.len().max(newest.len())).flat_map(|at| [oldest.get(at), newest.get(at)]);
    pairs.flatten().filter(|id| seen.insert(*id)).take(most).cloned().collect()
}

/// When in its minute a delivery is sent: by the golden ratio, so that any number of them are spread evenly. SQS delays for whole
/// seconds, and messages with the same delay that are sent together come back together. Ascending delays would make bursts
/// that delay everybody's deliveries.
fn spread(number: u32) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    MINUTE.mul_f64((f64::from(number) * GOLDEN).fract())
}

/// How far down a list everything was picked. Further down there may be some that were picked from the other list's end.
fn reached(list: &[DeliveryId], picked: &[DeliveryId]) -> Option<DeliveryId> {
    let picked: HashSet<_> = picked.iter().collect();
    list.iter().take_while(|id| picked.contains(id)).last().cloned()
}

/// A time between two deliveries', as an id to search from, so that a probe need not be one of the oldest or the newest:
/// `share` of the way, from 0 to 1. `None` if nothing can be between them.
pub fn between(oldest: &DeliveryId, newest: &DeliveryId, share: f64) -> Option<DeliveryId> {
    let (from, to) = (oldest.ended_at().as_millisecond(), newest.ended_at().as_millisecond());
    let apart = Duration::from_millis(u64::try_from(to - from).ok()?);
    let between = DeliveryId::first_at(oldest.ended_at() + apart.mul_f64(share));
    (*oldest < between && between < *newest).then_some(between)
}
