//! The simulation: a virtual clock, the queue, and the events in the order of their times.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque},
};

use nano_webhooks::{
    names::{AccountId, EventType, WebhookId},
    retry::Schedule,
    webhook::{Circuit, Secret, Settings, Webhook},
};

use super::{
    Ms, at,
    hook::Hook,
    measure::{Bill, Durations, Fates},
    ms,
    parts::{Asked, Event, STREAM_SHARDS, Sent, Shard, Slot, Stored, Written},
    scenario::{MINUTE, Scenario},
    table::Bucket,
};

/// The most messages in flight: at this number SQS hands out none.
const MOST_IN_FLIGHT: usize = 120_000;

/// How many partitions the waiting table has.
const WAITING_SHARDS: usize = 16;

/// The template's schedule.
const SCHEDULE: &str = "5,300,1800,7200,18000,36000,36000";

/// What decides a write: what was asked for, the stored delivery and, for a success, whether watch-webhooks has to
/// see it, and the epoch.
type Writing = (Asked, Option<Stored>, Option<(bool, u64)>);

/// Up to this many webhooks of a flow are kept from the beginning; of a larger flow, a webhook from its first write
/// on.
const FEW: u32 = 1_000;

pub(super) struct Simulation<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) settings: Settings,
    pub(super) schedule: Schedule,
    pub(super) random: fastrand::Rng,
    pub(super) now: Ms,
    events: BinaryHeap<Reverse<(Ms, u64, Event)>>,
    event: u64,
    /// The time and the number of each flow's next event.
    arrivals: Vec<(Ms, u64)>,
    first_hooks: Vec<u32>,
    /// The webhook that stands for all of which nothing was stored yet.
    new_hook: Webhook,
    pub(super) hooks: Vec<Option<Box<Hook>>>,
    pub(super) queue: VecDeque<Sent>,
    pub(super) delayed: BTreeMap<Ms, Vec<Sent>>,
    pub(super) waiting: BTreeMap<Ms, Vec<Sent>>,
    pub(super) waiting_shards: [Bucket; WAITING_SHARDS],
    pub(super) bells: BTreeSet<(Ms, u32)>,
    /// How much of a webhook's `max_per_minute` was taken, by minute.
    pub(super) quotas: HashMap<(u32, i64), u32>,
    pub(super) in_flight: usize,
    pub(super) slots: Vec<Slot>,
    pub(super) idle: Vec<usize>,
    pub(super) shards: [Shard; STREAM_SHARDS],
    /// What the library has decided to write.
    pub(super) written: HashMap<Writing, Option<Written>>,
    pub(super) measured: Measured,
}

/// The figures of a simulation.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) bill: Bill,
    /// The bill at the end of each span.
    pub(super) bills: Vec<Bill>,
    pub(super) fates: Vec<Fates>,
    pub(super) most_in_flight: usize,
    pub(super) longest_queue: usize,
    pub(super) throttled: u64,
    /// How many messages went back to the queue.
    pub(super) given_back: u64,
    pub(super) probes: u64,
    /// How many requests webhooks with `max_per_minute` got, by minute, and how many writes counted them.
    pub(super) limited: BTreeMap<i64, u64>,
    pub(super) quota_writes: u64,
    /// How many deliveries drains have sent, by minute.
    pub(super) drained: BTreeMap<Ms, u64>,
    /// When the last circuit with held deliveries began to recover, and how many deliveries were held then.
    pub(super) recovered: Option<(Ms, u64)>,
    /// When a held delivery last got another state.
    pub(super) drained_at: Ms,
    pub(super) most_held: u64,
    /// How many deliveries are held now.
    pub(super) held: u64,
    /// How many circuits were opened although their endpoint was healthy, and the longest time that one of them was
    /// open.
    pub(super) openings: u64,
    pub(super) longest_open: Ms,
    pub(super) ended_at: Ms,
    /// How many events came in the first span.
    pub(super) arrived_before: u64,
    pub(super) left: Left,
}

/// What is unfinished when a simulation ends.
#[derive(Default)]
pub(super) struct Left {
    pub(super) held: u64,
    /// Deliveries that wait for their next attempt.
    pub(super) waiting: u64,
    /// Circuits that are not closed.
    pub(super) open: u64,
}

impl Measured {
    /// How many events are neither finished nor held nor waiting.
    pub(super) fn lost(&self) -> i64 {
        let sum = |of: fn(&Fates) -> u64| self.fates.iter().map(of).sum::<u64>().cast_signed();
        sum(|fates| fates.arrived)
            - sum(|fates| fates.delivered + fates.failed)
            - (self.left.held + self.left.waiting).cast_signed()
    }
}

impl<'a> Simulation<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        let mut first_hooks = vec![0];
        first_hooks.extend(scenario.flows.iter().scan(0, |sum, flow| {
            *sum += flow.webhooks;
            Some(*sum)
        }));
        let count = first_hooks.pop().expect("is not empty") as usize;
        let account = AccountId::parse("acct_1").expect("is an account");
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("is a secret");
        let url = "https://example.com/webhooks".to_owned();
        let new_hook = Webhook::new(account, WebhookId(1), url, vec![EventType::JobCompleted], secret);
        let spans = scenario.spans.len() + 2;
        let fates = Fates { latencies: vec![Durations::default(); spans], ..Fates::default() };
        let mut simulation = Self {
            scenario,
            settings: Settings::default(),
            schedule: SCHEDULE.parse().expect("is a schedule"),
            random: fastrand::Rng::with_seed(1),
            now: 0,
            events: BinaryHeap::new(),
            event: 0,
            arrivals: scenario.flows.iter().map(|flow| (flow.sends.start, 0)).collect(),
            first_hooks,
            new_hook,
            hooks: std::iter::repeat_with(|| None).take(count).collect(),
            queue: VecDeque::new(),
            delayed: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_shards: Default::default(),
            bells: BTreeSet::new(),
            quotas: HashMap::new(),
            in_flight: 0,
            slots: std::iter::repeat_with(Slot::default).take(scenario.dispatchers).collect(),
            idle: (0..scenario.dispatchers).collect(),
            shards: Default::default(),
            written: HashMap::new(),
            measured: Measured { fates: vec![fates; scenario.flows.len()], ..Measured::default() },
        };
        for (at, flow) in scenario.flows.iter().enumerate().filter(|(_, flow)| flow.webhooks <= FEW) {
            let first = simulation.first_hooks[at];
            for hook in first..first + flow.webhooks {
                simulation.hook(hook).webhook.max_per_minute = flow.max_per_minute;
            }
        }
        simulation.schedule_event(MINUTE / 2, Event::Release);
        simulation
    }

    /// Runs until nothing is left to do, or until the scenario's end.
    pub(super) fn run(mut self) -> Measured {
        while let Some(next) = self.next().filter(|next| *next < self.scenario.until) {
            self.now = next;
            let spans_over = self.scenario.spans.partition_point(|end| *end <= next);
            while self.measured.bills.len() < spans_over {
                if self.measured.bills.is_empty() {
                    self.measured.arrived_before = self.measured.fates.iter().map(|fates| fates.arrived).sum();
                }
                self.measured.bills.push(self.measured.bill);
            }
            self.arrive();
            while let Some(due) = self.delayed.first_entry().filter(|due| *due.key() <= next) {
                self.queue.extend(due.remove());
            }
            while self.events.peek().is_some_and(|Reverse((time, ..))| *time <= next) {
                match self.events.pop().expect("was peeked at").0.2 {
                    Event::Record(slot) => self.record(slot),
                    Event::Free(slot) => self.free(slot),
                    Event::Watch(shard) => self.watch(shard),
                    Event::Release => {
                        self.release();
                        if !self.is_done() {
                            self.schedule_event(next + MINUTE, Event::Release);
                        }
                    }
                }
            }
            self.measured.longest_queue = self.measured.longest_queue.max(self.queue.len());
            while !self.queue.is_empty() && self.in_flight < MOST_IN_FLIGHT {
                let Some(slot) = self.idle.pop() else { break };
                self.receive(slot);
            }
        }
        self.measured.ended_at = self.now;
        for hook in self.hooks.iter().flatten() {
            let (held, waiting) = hook.unfinished();
            self.measured.left.held += held;
            self.measured.left.waiting += waiting;
            self.measured.left.open += u64::from(hook.circuit != Circuit::Closed);
        }
        self.measured
    }

    fn next(&self) -> Option<Ms> {
        let flows = self.arrivals.iter().zip(&self.scenario.flows);
        let arrival = flows.filter(|((time, _), flow)| flow.sends.contains(time)).map(|((time, _), _)| *time).min();
        let delayed = self.delayed.first_key_value().map(|(time, _)| *time);
        let event = self.events.peek().map(|Reverse((time, ..))| *time);
        [arrival, delayed, event].into_iter().flatten().min()
    }

    /// Whether nothing will happen any more: no event, message or entry is left, and no bell is set.
    fn is_done(&self) -> bool {
        let flows = self.arrivals.iter().zip(&self.scenario.flows);
        let is_over = flows.into_iter().all(|((time, _), flow)| !flow.sends.contains(time));
        is_over && self.events.is_empty() && self.delayed.is_empty() && self.waiting.is_empty() && self.bells.is_empty()
    }

    pub(super) fn schedule_event(&mut self, time: Ms, event: Event) {
        self.event += 1;
        self.events.push(Reverse((time, self.event, event)));
    }

    /// Makes the flows' events that are due. They come at random, at the flow's rate on average.
    fn arrive(&mut self) {
        for (at, flow) in self.scenario.flows.iter().enumerate() {
            let (mut time, mut number) = self.arrivals[at];
            while time <= self.now && flow.sends.contains(&time) {
                let webhooks = u64::from(flow.webhooks);
                let small = |number| u32::try_from(number).expect("a webhook has fewer than 2^32 deliveries");
                let hook = self.first_hooks[at] + small(number % webhooks);
                let asked = Asked { attempt: 1, probe: None, has_payload: true, again: false };
                let sent = Sent { hook, number: small(number / webhooks), time, asked };
                let is_held = self.hold(sent);
                if !is_held {
                    self.queue.push_back(sent);
                }
                self.measured.fates[at].arrived += 1;
                self.measured.bill.fan_out(!is_held);
                let rate = flow.per_second * f64::from(flow.webhooks) / 1_000.0;
                number += 1;
                time += self.until_next(rate);
            }
            self.arrivals[at] = (time, number);
        }
    }

    /// The time between two events of a Poisson process, in whole milliseconds.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number of milliseconds")]
    fn until_next(&mut self, per_ms: f64) -> Ms {
        let wait = -self.random.f64().max(1e-12).ln() / per_ms + self.random.f64() - 0.5;
        wait.round().max(0.0) as Ms
    }

    pub(super) fn flow_of(&self, hook: u32) -> usize {
        self.first_hooks.partition_point(|first| *first <= hook) - 1
    }

    pub(super) fn webhook(&self, hook: u32) -> Webhook {
        self.hooks[hook as usize].as_ref().map_or_else(|| self.new_hook.clone(), |hook| hook.webhook.clone())
    }

    pub(super) fn hook(&mut self, hook: u32) -> &mut Hook {
        let new = &self.new_hook;
        self.hooks[hook as usize].get_or_insert_with(|| Box::new(Hook::new(new.clone())))
    }

    /// Stores a webhook, and notes whether its circuit opened or closed.
    pub(super) fn store_webhook(&mut self, number: u32, webhook: Webhook) {
        let now = self.now;
        let hook = self.hook(number);
        let before = hook.circuit;
        let (old, new) = (hook.webhook.action_at, webhook.action_at);
        hook.circuit = webhook.circuit();
        hook.webhook = webhook;
        hook.decided.clear();
        let (after, held) = (hook.circuit, hook.unfinished().0);
        if let Some(old) = old {
            self.bells.remove(&(ms(old), number));
        }
        if let Some(new) = new {
            self.bells.insert((ms(new), number));
        }
        let is_well = !self.scenario.flows[self.flow_of(number)].endpoint.down.contains(&now);
        let is_open = |circuit| circuit == Circuit::Open;
        if !is_open(before) && is_open(after) {
            self.measured.openings += u64::from(is_well);
            self.hook(number).opened_well = is_well.then_some(now);
        } else if is_open(before) && !is_open(after) {
            let open = self.hook(number).opened_well.map_or(0, |opened| now - opened);
            self.measured.longest_open = self.measured.longest_open.max(open);
            if held > 0 {
                self.measured.recovered = Some((now, self.measured.held));
            }
        }
    }

    /// Sets the time of the webhook's next action, after a change.
    pub(super) fn ring(&self, webhook: &mut Webhook) {
        webhook.action_at = webhook.next_action(&self.settings, at(self.now));
    }

    /// The index of the scenario's span that a time is in. Attempts of a drain count in one more span, the last.
    pub(super) fn span(&self, time: Ms) -> usize {
        self.scenario.spans.partition_point(|end| *end <= time)
    }
}
