//! A webhook's health: what its recorded attempts say about its endpoint. A pure fold.
//!
//! watch-webhooks reads records from the stream of the deliveries table, several shards at the same time, and Lambda
//! repeats a batch if anything in it failed. So the result must not depend on the order of the records, on how often
//! a record comes, or on how the records are cut into batches:
//!
//! - A *success* moves [`Health::succeeded_at`] forward, to the time at which its answer came. It undoes the effect
//!   of all attempts that began before that time. Their records, if they come later, are not counted.
//! - A *failure* that began later is added to a set, identified by (delivery, round, number). The set keeps only
//!   failures that can decide something: the newest failures, the newest failure of each of the newest deliveries,
//!   and the newest `Retry-After`. The rest may be dropped at any time, before or after a success or more failures:
//!   the set ends up the same.
//! - Whether the circuit is open follows from the set alone. If it is not open, its history decides between closed
//!   and recovering: recovering means that deliveries may be held, and only release ends it, after a search.
//!
//! An attempt carries the epoch of the webhook that the dispatcher read. A change of the URL or the status raises the
//! epoch. Health of an older epoch reads as no failures, recovering.

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Circuit, Notification, Notifying, Recorded, RecordedAttempt, Settings, Status, Webhook};
use crate::names::EventId;

/// What the recorded attempts say about a webhook's endpoint. Only watch-webhooks writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// How often it was written; 0 means never. Each write is conditional on the version that was read.
    pub version: u64,
    /// The webhook's epoch for which it was computed.
    pub epoch: u64,
    /// Whether deliveries are attempted.
    pub circuit: Circuit,
    /// Raised whenever the circuit changes, and whenever the service disables or re-enables the webhook.
    pub generation: u64,
    /// While the circuit is open: when the newest of the failures began that opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// When the last known success ended. Successes of a webhook that [`Webhook::is_spotless`] are not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded_at: Option<Timestamp>,
    /// Failures that began at or before this time do not open the circuit: release found nothing held to probe with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgiven_at: Option<Timestamp>,
    /// The failures that decide, oldest first: only those after `succeeded_at` and `forgiven_at`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedAttempt>,
    /// When the first failed attempt since the last success began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// How many attempts have failed since the last success. Exact while the set has room for all of them. Beyond
    /// that it can be too low: a failure older than the set is not counted, because it may have been counted before.
    #[serde(default)]
    pub consecutive_failures: u64,
    /// When the last failed attempt began, even if an attempt succeeded after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failed_at: Option<Timestamp>,
    /// Set if the service disabled the webhook: since when, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
    /// The last notification sent, `failing` or `disabled`; `None` again once `recovered` was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified: Option<Notification>,
    /// The notification that is being sent now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifying: Option<Notifying>,
}

/// A failed attempt in the set of failures. Ordered by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// When the attempt began.
    pub began_at: Timestamp,
    /// The delivery.
    pub event_id: EventId,
    /// The delivery's round.
    pub round: u32,
    /// The attempt's number in the round.
    pub number: u64,
    /// Until when the receiver's `Retry-After` asked us to wait, at most an hour after its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_until: Option<Timestamp>,
}

/// Records that the service disabled a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// When the attempt began that disabled the webhook.
    pub began_at: Timestamp,
    /// The reason, as the customer reads it.
    pub reason: String,
}

/// The longest time for which `Retry-After` alone may delay the probes.
const LONGEST_ASKED: Duration = Duration::from_hours(1);

impl Health {
    /// Whether a success would change nothing: no failures, nothing disabled, no notification to follow.
    fn is_spotless(&self) -> bool {
        self.circuit == Circuit::Closed
            && self.failures.is_empty()
            && self.failing_since.is_none()
            && self.disabled.is_none()
            && self.notified.is_none()
            && self.notifying.is_none()
    }

    /// Whether enough attempts, of enough deliveries, have failed in a row for the endpoint to count as down.
    pub(super) fn is_down(&self, settings: &Settings) -> bool {
        let deliveries: HashSet<_> = self.failures.iter().map(|failure| &failure.event_id).collect();
        self.failures.len() >= settings.failures && deliveries.len() >= settings.events
    }

    /// Until when the receiver last asked us to wait.
    pub(super) fn asked_until(&self) -> Option<Timestamp> {
        self.failures.iter().rev().find_map(|failure| failure.asked_until)
    }

    /// Returns the health after a batch of records.
    fn after(&self, recorded: &Recorded, status: Status, settings: &Settings) -> Self {
        let mut attempts: Vec<_> = recorded.attempts.iter().filter(|attempt| attempt.epoch == self.epoch).collect();
        attempts.sort_by_key(|attempt| attempt.attempt.started_at);
        let (successes, failures): (Vec<_>, Vec<_>) =
            attempts.into_iter().partition(|attempt| attempt.attempt.outcome.is_success());

        let mut after = self.clone();
        let ends = successes.iter().map(|success| success.ended_at());
        after.succeed(ends.chain(failures.iter().filter_map(|failure| failure.last_success)).max());
        for failure in &failures {
            after.fail(failure, settings);
        }
        after.open_or_end_that(settings);
        after.disable(&failures, settings);
        // A disabled webhook's deliveries are held. A dispatcher that read an older circuit may also have held some
        // just now.
        let may_be_held = recorded.held || self.disabled.is_some();
        if status == Status::Active && after.disabled.is_none() && after.circuit == Circuit::Closed && may_be_held {
            after.circuit = Circuit::Recovering;
        }
        if (after.circuit, after.disabled.is_some()) != (self.circuit, self.disabled.is_some()) {
            after.generation += 1;
        }
        after
    }

    /// Undoes the effect of attempts that began at or before `ended_at`.
    fn succeed(&mut self, ended_at: Option<Timestamp>) {
        if ended_at <= self.succeeded_at {
            return;
        }
        self.succeeded_at = ended_at;
        self.failures.retain(|failure| Some(failure.began_at) > ended_at);
        self.disabled.take_if(|disabled| Some(disabled.began_at) <= ended_at);
        if self.failing_since <= ended_at {
            self.failing_since = self.failures.first().map(|failure| failure.began_at);
            self.consecutive_failures = self.failures.len() as u64;
        }
    }

    fn fail(&mut self, recorded: &RecordedAttempt, settings: &Settings) {
        let began_at = recorded.attempt.started_at;
        self.last_failed_at = self.last_failed_at.max(Some(began_at));
        if Some(began_at) <= self.succeeded_at {
            return;
        }
        self.failing_since = Some(self.failing_since.map_or(began_at, |since| since.min(began_at)));
        let asked_until = recorded.wait.map(|wait| recorded.ended_at() + wait.min(LONGEST_ASKED));
        let RecordedAttempt { event_id, round, number, .. } = recorded;
        let failure =
            FailedAttempt { began_at, event_id: event_id.clone(), round: *round, number: *number, asked_until };
        if Some(began_at) <= self.forgiven_at || self.failures.contains(&failure) {
            return;
        }
        let newest = self.failures.iter().rev().nth(settings.failures.saturating_sub(1));
        if newest.is_none_or(|oldest| failure > *oldest) {
            self.consecutive_failures += 1;
        }
        let place = self.failures.partition_point(|earlier| *earlier < failure);
        self.failures.insert(place, failure);
        self.prune(settings);
    }

    /// Keeps only failures that can still decide something, now or after a success that is reported late.
    fn prune(&mut self, settings: &Settings) {
        let (mut newest, mut deliveries, mut asked) = (0, HashSet::new(), 0);
        let mut keep = Vec::new();
        for failure in self.failures.iter().rev() {
            newest += 1;
            let is_of_another = deliveries.insert(&failure.event_id);
            let asks = failure.asked_until.is_some();
            asked += usize::from(asks);
            keep.push(
                newest <= settings.failures
                    || (is_of_another && deliveries.len() <= settings.events)
                    || (asks && asked == 1),
            );
        }
        self.failures.retain(|_| keep.pop().unwrap_or(true));
    }

    fn open_or_end_that(&mut self, settings: &Settings) {
        if self.is_down(settings) || self.asked_until().is_some() {
            let newest = self.failures.last().map(|failure| failure.began_at);
            self.opened_at = self.opened_at.filter(|_| self.circuit == Circuit::Open).or(newest);
            self.circuit = Circuit::Open;
        } else if self.circuit == Circuit::Open {
            self.opened_at = None;
            self.circuit = Circuit::Recovering;
        }
    }

    /// Disables the webhook if a failure was a 410, or was a probe after the circuit had been open for `patience`.
    fn disable(&mut self, failures: &[&RecordedAttempt], settings: &Settings) {
        for failure in failures {
            let began_at = failure.attempt.started_at;
            let is_too_long = |opened_at: Timestamp| {
                Duration::try_from(began_at.duration_since(opened_at)).is_ok_and(|open| open >= settings.patience)
            };
            let reason = if failure.is_gone() {
                "the endpoint answered 410 Gone".to_owned()
            } else if failure.probe && self.opened_at.is_some_and(is_too_long) {
                format!("every attempt failed for {}", in_words(settings.patience))
            } else {
                continue;
            };
            let is_newest = self.disabled.as_ref().is_none_or(|disabled| disabled.began_at < began_at);
            if Some(began_at) > self.succeeded_at && is_newest {
                self.disabled = Some(Disabled { began_at, reason });
            }
        }
    }
}

impl Webhook {
    /// The current health: as stored, unless a change of the URL or status made that void, or release found nothing
    /// held.
    pub fn health(&self) -> Health {
        let mut stored = self.stored_health.clone();
        if stored.epoch != self.epoch {
            let Health { version, notified, notifying, .. } = stored;
            let (epoch, circuit) = (self.epoch, Circuit::Recovering);
            stored = Health { version, epoch, circuit, notified, notifying, ..Health::default() };
        }
        match self.pace().settled {
            Some(settled) if settled.generation == stored.generation => Health {
                circuit: settled.circuit,
                opened_at: None,
                forgiven_at: stored.forgiven_at.max(Some(settled.at)),
                failures: stored.failures.into_iter().filter(|failure| failure.began_at > settled.at).collect(),
                ..stored
            },
            _ => stored,
        }
    }

    /// Returns the health after a batch of records, or `None` if the batch changes nothing.
    pub fn health_after(&self, recorded: &Recorded, settings: &Settings) -> Option<Health> {
        let before = self.health();
        let after = before.after(recorded, self.status, settings);
        (after != before).then(|| Health { version: before.version + 1, ..after })
    }

    /// Whether deliveries are attempted.
    pub fn circuit(&self) -> Circuit {
        self.health().circuit
    }

    /// Whether a success would leave its health unchanged, so that successes need not be reported to watch-webhooks.
    pub fn is_spotless(&self) -> bool {
        self.health().is_spotless()
    }
}

/// A duration in the largest unit that fits it without a remainder.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit)).unwrap_or((1, "seconds"));
    format!("{} {name}", seconds / unit)
}
