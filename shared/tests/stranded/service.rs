//! The service around one webhook: the functions' actions, in small steps that can be interleaved.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use nano_webhooks::{
    attempt::{Attempt, Outcome},
    delivery::{self, Change, Delivery, Look, Made, Message, State, Step as Meaning, Write},
    event::Payload,
    names::{AccountId, EventId, EventType, WebhookId},
    retry::{Circumstances, Schedule},
    webhook::{Circuit, Recorded, RecordedAttempt, ResendRequest, ResendStatus, Secret, Settings, Status, Webhook},
};

use crate::release::Run;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    NewDelivery,
    /// fan-out reads the webhook, and stores a new delivery as held, some time later, if the circuit is open.
    NewHeldDelivery,
    /// A dispatcher receives one of the messages that are visible, and reads the webhook.
    Receive(u8),
    /// A dispatcher makes an attempt, or does not need one, and records the result.
    Finish(u8),
    /// watch-webhooks reads this many records, or the last batch again.
    Fold {
        records: u8,
        repeats: bool,
    },
    /// release reads the webhook and the held deliveries, or those that were held a moment ago.
    BeginRelease {
        late: bool,
    },
    /// release writes the pace, then dies or sends.
    EndRelease {
        dies: bool,
    },
    /// This many seconds pass.
    Wait(u8),
    /// From now on the endpoint is up (true) or down (false).
    Endpoint(bool),
    Disable,
    Enable,
    ChangeUrl,
    AskForProbe,
    /// The customer asks for a retry of one of the deliveries.
    Retry(u8),
    /// The customer asks for a resend, unless one is under way.
    Resend,
    StopResend,
}

/// The guards against stranded deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A delivery held by a dispatcher that read an older circuit sets a closed circuit recovering.
    HeldRecovers,
    /// release writes only if the circuit is the one that it read.
    PaceCondition,
    /// A drain ends after two searches that found nothing, and not after one.
    TwoSearches,
    /// release writes only if the resend is the one that it read.
    ResendCondition,
    /// A change of the status or the URL makes the webhook due for release.
    ActionTime,
}

struct Job {
    message: Message,
    meaning: Meaning,
    begun: Timestamp,
}

pub(crate) struct Service {
    pub(crate) now: Timestamp,
    pub(crate) settings: Settings,
    schedule: Schedule,
    pub(crate) without: Option<Guard>,
    /// As the table stores it.
    pub(crate) webhook: Webhook,
    pub(crate) stored: BTreeMap<EventId, Delivery>,
    /// The held deliveries before the last write.
    pub(crate) held_before: BTreeSet<EventId>,
    /// Each message, with the time from which it can be received.
    pub(crate) queue: Vec<(Timestamp, Message)>,
    jobs: Vec<Job>,
    stream: Vec<Recorded>,
    last_batch: Vec<Recorded>,
    pub(crate) run: Option<Run>,
    is_up: bool,
    deliveries: u64,
}

const TIMEOUT: Duration = Duration::from_secs(30);

impl Service {
    pub(crate) fn new(without: Option<Guard>) -> Self {
        let account = AccountId::parse("acct_1").expect("is an account");
        let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
        Self {
            now: "2026-01-02T00:00:00Z".parse().expect("is a time"),
            settings: Settings {
                failures: 3,
                events: 2,
                dispatcher_timeout: TIMEOUT,
                drain_start: 2,
                drain_per_minute: 8,
                ..Settings::default()
            },
            schedule: "60,600,3600,3600,3600,3600,3600,3600,3600,3600,3600,3600".parse().expect("is a schedule"),
            without,
            webhook: Webhook::new(account, WebhookId(1), url, events, Secret::generate()),
            stored: BTreeMap::new(),
            held_before: BTreeSet::new(),
            queue: Vec::new(),
            jobs: Vec::new(),
            stream: Vec::new(),
            last_batch: Vec::new(),
            run: None,
            is_up: true,
            deliveries: 0,
        }
    }

    /// Takes these steps. Then the endpoint is up and the webhook enabled, and time passes. Fails if something is
    /// stranded.
    pub(crate) fn take(mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps {
            self.after(*step);
        }
        self.settle()
    }

    fn after(&mut self, step: Step) {
        match step {
            Step::NewDelivery => {
                let message = self.new_delivery();
                self.queue.push((self.now, message));
            }
            Step::NewHeldDelivery if self.webhook.circuit() == Circuit::Open => {
                let message = self.new_delivery();
                let delivery = Delivery::pending(&message).expect("the message has a payload");
                let meaning = Meaning::Record { delivery, change: Change::Held };
                self.jobs.push(Job { message, meaning, begun: self.now });
            }
            Step::NewHeldDelivery => {}
            Step::Receive(which) => self.receive(which.into()),
            Step::Finish(which) => self.finish(which.into()),
            Step::Fold { records, repeats } => self.fold(records.into(), repeats),
            Step::BeginRelease { late } => self.begin_release(late),
            Step::EndRelease { dies } => self.end_release(dies),
            Step::Wait(seconds) => self.wait(Duration::from_secs(seconds.into())),
            Step::Endpoint(is_up) => self.is_up = is_up,
            Step::Disable => self.change(Status::Disabled),
            Step::Enable => self.change(Status::Active),
            Step::ChangeUrl => self.raise_epoch(),
            Step::Retry(which) => self.retry(which.into()),
            Step::AskForProbe => {
                self.webhook.probe_asked_at = Some(self.now);
                self.webhook.action_at = Some(self.now);
            }
            Step::Resend => self.begin_resend(),
            Step::StopResend => self.webhook.resend = None,
        }
    }

    fn settle(&mut self) -> Result<(), String> {
        self.is_up = true;
        self.change(Status::Active);
        for _ in 0..1_000 {
            self.end_release(false);
            while self.queue.iter().any(|(at, _)| *at <= self.now) {
                self.receive(0);
            }
            while !self.jobs.is_empty() {
                self.finish(0);
            }
            while !self.stream.is_empty() {
                self.fold(100, false);
            }
            self.begin_release(false);
            self.end_release(false);
            let is_idle = self.queue.is_empty() && self.webhook.action_at.is_none();
            if is_idle {
                break;
            }
            self.wait(Duration::from_mins(1));
        }
        let left: Vec<_> = self.stored.values().filter(|delivery| !delivery.state.is_finished()).collect();
        if let Some(delivery) = left.first() {
            let (count, state) = (left.len(), delivery.state);
            return Err(format!(
                "{count} deliveries are left, the first {state:?}; {:?}, {:?}",
                self.webhook.health(),
                self.webhook.pace()
            ));
        }
        // The webhook is never deleted and no event is gone. Without this check, a cancelled delivery would count as over.
        if let Some(delivery) = self.stored.values().find(|delivery| delivery.state == State::Cancelled) {
            return Err(format!("a delivery is cancelled: {:?}", delivery.reason));
        }
        if self.webhook.resend.as_ref().is_some_and(|resend| resend.finished_at.is_none()) {
            return Err(format!("a resend is left: {:?}", self.webhook.resend));
        }
        match self.webhook.circuit() {
            Circuit::Closed if self.webhook.is_active() => Ok(()),
            circuit => {
                Err(format!("the circuit stays {circuit:?}: {:?}, {:?}", self.webhook.health(), self.webhook.pace()))
            }
        }
    }

    fn new_delivery(&mut self) -> Message {
        self.deliveries += 1;
        let id = EventId::first_at(self.now + Duration::from_millis(self.deliveries));
        let message = serde_json::json!({
            "account_id": "acct_1", "webhook_id": 1, "event_id": id, "event": "job.completed",
            "payload": { "task_id": "t", "body": "{}" }, "round": 0, "attempt": 1,
        });
        serde_json::from_value(message).expect("is a message")
    }

    fn retry(&mut self, which: usize) {
        if self.webhook.is_active() && !self.stored.is_empty() {
            let delivery = self.stored.values().nth(which % self.stored.len()).expect("there are so many");
            self.queue.push((self.now, delivery.retried(&self.webhook)));
        }
    }

    /// The same as `Webhooks::begin_resend`.
    fn begin_resend(&mut self) {
        if self.webhook.resend.as_ref().is_none_or(|resend| resend.finished_at.is_some()) {
            let asked = ResendRequest::new(Timestamp::UNIX_EPOCH, None, vec![ResendStatus::Failed], self.now);
            self.webhook.resend = Some(asked.expect("is a request").begin(self.now));
            self.webhook.action_at = Some(self.now);
        }
    }

    fn receive(&mut self, which: usize) {
        let ready: Vec<_> = (0..self.queue.len()).filter(|at| self.queue[*at].0 <= self.now).collect();
        if ready.is_empty() {
            return;
        }
        let (_, mut message) = self.queue.remove(ready[which % ready.len()]);
        // The dispatcher reads the event of a message without a payload.
        message.payload.get_or_insert_with(|| Payload { task_id: "t".into(), body: "{}".into() });
        let stored = self.stored.get(&message.event_id).cloned();
        let look = Look { received_before: false, consistent: true, erased: false };
        let meaning = delivery::step(&message, stored, Some(self.webhook.clone()), look);
        self.jobs.push(Job { message, meaning, begun: self.now });
    }

    fn finish(&mut self, which: usize) {
        if self.jobs.is_empty() {
            return;
        }
        let Job { message, meaning, .. } = self.jobs.remove(which % self.jobs.len());
        let (read, change) = match meaning {
            Meaning::Record { delivery, change } => (delivery, change),
            Meaning::Attempt { delivery, webhook, .. } => {
                let change = self.attempt(&delivery, &webhook);
                (delivery, change)
            }
            Meaning::Done | Meaning::FollowUp(_) | Meaning::LookAgain => return,
        };
        let version = |stored: Option<&Delivery>| stored.map_or(0, |stored| stored.version);
        let stored = self.stored.get(&message.event_id);
        let base = if version(stored) == read.version { Some(read) } else { stored.cloned() };
        if let Some(write) = delivery::record(&message, base, &change) {
            self.store(write, &change);
        }
    }

    fn attempt(&self, delivery: &Delivery, webhook: &Webhook) -> Change {
        let http_status = if self.is_up { 204 } else { 500 };
        let outcome = Outcome::Http { http_status, response: String::new(), redirect: None };
        let earlier_tries = delivery.tries;
        let circumstances = Circumstances { earlier_tries, now: self.now, jitter: 0.0, retry_after: Duration::ZERO };
        Change::Attempted(Made {
            verdict: self.schedule.verdict(&outcome, circumstances),
            attempt: Attempt { started_at: self.now, duration_ms: 0, resent: false, outcome, answer: None },
            epoch: webhook.epoch,
            wait: None,
            last_success: None,
            watch: !self.is_up || !webhook.is_spotless(),
        })
    }

    fn store(&mut self, Write { delivery, mark, watch, .. }: Write, change: &Change) {
        self.held_before = self.held();
        if let (Some(due), true) = (delivery.next_attempt_at, mark.is_some()) {
            self.queue.push((due, delivery.follow_up()));
        }
        if watch {
            let attempts = mark.into_iter().filter_map(|mark| {
                let Change::Attempted(Made { attempt, .. }) = change else { return None };
                Some(RecordedAttempt {
                    event_id: delivery.id.clone(),
                    round: mark.round,
                    number: mark.number,
                    epoch: mark.epoch,
                    probe: mark.probe,
                    wait: None,
                    last_success: None,
                    exhausted: false,
                    attempt: attempt.clone(),
                })
            });
            let recorded = Recorded { attempts: attempts.collect(), held: delivery.state == State::Held };
            self.stream.push(recorded);
        }
        let delivery = Delivery { version: delivery.version + 1, ..delivery };
        self.stored.insert(delivery.id.clone(), delivery);
    }

    pub(crate) fn held(&self) -> BTreeSet<EventId> {
        let held = self.stored.values().filter(|delivery| delivery.state == State::Held);
        held.map(|delivery| delivery.id.clone()).collect()
    }

    /// The same as `Webhooks::set_health`.
    fn fold(&mut self, records: usize, repeats: bool) {
        let batch = if repeats {
            self.last_batch.clone()
        } else {
            let records = records.min(self.stream.len());
            self.stream.drain(..records).collect()
        };
        let together = Recorded {
            attempts: batch.iter().flat_map(|recorded| recorded.attempts.clone()).collect(),
            held: batch.iter().any(|recorded| recorded.held) && self.without != Some(Guard::HeldRecovers),
        };
        self.last_batch = batch;
        if let Some(health) = self.webhook.health_after(&together, &self.settings) {
            let generation_changed = health.generation != self.webhook.health().generation;
            self.webhook.stored_health = health;
            if generation_changed {
                self.webhook.action_at = self.webhook.next_action(&self.settings, self.now);
            }
        }
    }

    /// Seconds pass. No dispatcher and no run of release takes longer than it may.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        for at in (0..self.jobs.len()).rev() {
            if self.jobs[at].begun + TIMEOUT <= end {
                self.finish(at);
            }
        }
        self.now = end;
        if self.run.as_ref().is_some_and(|run| run.begun + Duration::from_mins(1) <= self.now) {
            self.end_release(true);
        }
    }

    fn change(&mut self, status: Status) {
        if self.webhook.status() == status {
            return;
        }
        self.webhook.status = status;
        self.raise_epoch();
        if status == Status::Disabled {
            self.webhook.action_at = None;
        }
    }

    fn raise_epoch(&mut self) {
        self.webhook.epoch += 1;
        if self.without != Some(Guard::ActionTime) {
            self.webhook.action_at = Some(self.now);
        }
    }
}
