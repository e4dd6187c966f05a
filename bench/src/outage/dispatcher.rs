//! The dispatchers. Each works on a batch of up to ten messages, which lasts as long as its slowest attempt.
//!
//! The library decides what a message means, what is recorded and when the next attempt is due. It is asked once for
//! the messages of a batch that differ only in the delivery's name.

use std::{mem, time::Duration};

use nano_webhooks::{
    attempt::Attempt,
    delivery::{Change, Made, State},
    retry::Circumstances,
    webhook::{Circuit, RecordedAttempt, minute_of},
};

use super::{
    Ms, at,
    hook::{self, event_id},
    ms,
    parts::{Asked, Decided, Entry, Event, STREAM_SHARDS, Sent, Slot, Stored, Work, Written},
    scenario::{Answer, SECOND},
    simulation::Simulation,
    stream::shard_of,
    table::item_units,
};

const BATCH: usize = 10;
const MEMORY_MB: f64 = 128.0;
/// How long Lambda and the first reads take.
const TO_READ: std::ops::Range<Ms> = 15..25;
const TO_RECORD: std::ops::Range<Ms> = 8..15;
/// How many attempts that failed together share an item of the waiting table.
const ATTEMPTS_OF_AN_ITEM: u32 = 10;
/// The time from a batch's end to the next one's beginning.
const TO_DELETE: Ms = 8;
/// The dispatcher's own limits.
const TIME_TO_GATHER: Ms = 250;
const TIME_FOR_RECORDS: Ms = 29 * SECOND;
const VISIBILITY_TIMEOUT: Ms = 180 * SECOND;
const LONGEST_DELAY: Ms = 900 * SECOND;
const SUCCESSES_REMEMBERED: usize = 1_000;

/// Messages that are alike: the first of them, each delivery's number and when it was sent, and their stored
/// delivery.
type Group = (Sent, Vec<(u32, Ms)>, Option<Stored>);

/// Attempts with the same answer, before the library has decided what follows.
struct Attempted {
    members: Vec<(u32, Ms)>,
    answer: Answer,
}

impl Simulation<'_> {
    /// Receives a batch and decides what to do with each message.
    pub(super) fn receive(&mut self, slot: usize) {
        let batch: Vec<Sent> = self.queue.drain(..self.queue.len().min(BATCH)).collect();
        self.in_flight += batch.len();
        self.measured.most_in_flight = self.measured.most_in_flight.max(self.in_flight);
        self.measured.bill.request(2.0);
        let starts = self.now + self.random.u64(TO_READ);
        let may_read_late = |Asked { attempt, probe, has_payload, again }: Asked| {
            !again && (has_payload || attempt > 1 && probe.is_none())
        };
        let consistent = !batch.iter().all(|sent| may_read_late(sent.asked));
        self.read(&batch, consistent);

        let mut works = Vec::new();
        for (sent, members, stored) in self.groups(&batch) {
            self.act(slot, sent, members, stored, (starts, consistent), &mut works);
        }
        works.sort_by_key(|work| work.ends);
        let last = works.last().map_or(starts, |work| work.ends);
        let mut gathered_by = 0;
        for work in &mut works {
            if work.ends > gathered_by {
                gathered_by = (work.ends + TIME_TO_GATHER).min(last);
            }
            work.at = gathered_by + self.random.u64(TO_RECORD);
        }
        let state = &mut self.slots[slot];
        (state.began, state.received) = (self.now, batch.len());
        state.works = works;
        self.wake(slot, starts);
    }

    /// Groups messages that ask for the same of one webhook, and whose deliveries are stored alike.
    fn groups(&self, batch: &[Sent]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::with_capacity(batch.len());
        for sent in batch {
            let stored = self.hooks[sent.hook as usize].as_ref().and_then(|hook| hook.stored(sent.number));
            let is_alike = |(first, _, like): &&mut Group| {
                (first.hook, first.asked) == (sent.hook, sent.asked) && *like == stored && !sent.asked.again
            };
            match groups.iter_mut().find(is_alike) {
                Some((_, members, _)) => members.push((sent.number, sent.time)),
                None => groups.push((*sent, vec![(sent.number, sent.time)], stored)),
            }
        }
        groups
    }

    /// Holds a delivery if its webhook's circuit is open, as fan-out does. Returns `false` if its message has to be
    /// sent.
    pub(super) fn hold(&mut self, Sent { hook, number, asked, .. }: Sent) -> bool {
        if self.hooks[hook as usize].as_ref().is_none_or(|hook| hook.circuit != Circuit::Open) {
            return false;
        }
        let Some(written) = self.written(hook, number, asked, None, &Change::Held) else { return false };
        let is_stored = self.apply(hook, number, None, &written);
        if is_stored {
            self.enter(shard_of(hook, number), Entry { hook, held: true, attempt: None });
        }
        is_stored
    }

    /// Counts the reads of a batch's deliveries and webhooks, and of the events whose payload no message has.
    fn read(&mut self, batch: &[Sent], consistent: bool) {
        let mut hooks: Vec<_> = batch.iter().map(|sent| sent.hook).collect();
        hooks.sort_unstable();
        hooks.dedup();
        let events = batch.iter().filter(|sent| !sent.asked.has_payload).count();
        self.measured.bill.half_reads += (hooks.len() + batch.len() + events) as u64 * if consistent { 2 } else { 1 };
    }

    fn act(
        &mut self,
        slot: usize,
        sent: Sent,
        members: Vec<(u32, Ms)>,
        stored: Option<Stored>,
        (starts, consistent): (Ms, bool),
        works: &mut Vec<Work>,
    ) {
        let Sent { hook, asked, .. } = sent;
        let work = |change, members, ends| Work { hook, asked, members, change, ends, at: 0, round: 0 };
        let mut decided = self.decided(sent, stored, consistent);
        if matches!(decided, Decided::LookAgain) {
            self.measured.bill.half_reads += 2 + 2 * members.len() as u64;
            decided = self.decided(sent, stored, true);
        }
        match decided {
            Decided::Nothing | Decided::LookAgain => {}
            Decided::FollowUp => works.push(work(None, members, starts)),
            Decided::Record(change) => works.push(work(Some(change), members, starts)),
            Decided::Attempt { claim, earlier_tries, epoch, is_spotless, limit } => {
                let (members, beyond) = self.within_limit(slot, hook, members, limit, starts);
                if !beyond.is_empty() {
                    works.push(work(Some(Change::Held), beyond, starts));
                }
                if members.is_empty() {
                    return;
                }
                if claim {
                    let written = self.written(hook, members[0].0, asked, stored, &Change::Claimed);
                    let Some(written) = written else { return };
                    self.apply(hook, members[0].0, stored, &written);
                }
                for Attempted { members, answer } in self.attempt(hook, &members, asked, starts) {
                    let ends = starts + answer.duration;
                    let watch = !answer.outcome.is_success() || !is_spotless;
                    let made = self.made(slot, hook, earlier_tries, (starts, ends), answer);
                    works.push(work(Some(Change::Attempted(Made { epoch, watch, ..made })), members, ends));
                }
            }
        }
    }

    /// Makes the attempts and counts them. Groups those that succeed after the same time.
    fn attempt(&mut self, hook: u32, members: &[(u32, Ms)], asked: Asked, starts: Ms) -> Vec<Attempted> {
        let flow_number = self.flow_of(hook);
        let flow = &self.scenario.flows[flow_number];
        let is_draining = self.hooks[hook as usize].as_ref().is_some_and(|hook| hook.circuit == Circuit::Recovering);
        let mut attempted: Vec<Attempted> = Vec::new();
        for member in members {
            let answer = flow.endpoint.answer(member.0, starts, &mut self.random);
            let is_success = answer.outcome.is_success();
            let span = if is_draining { self.scenario.spans.len() + 1 } else { self.span(member.1) };
            let fates = &mut self.measured.fates[flow_number];
            fates.attempts += 1;
            if flow.max_per_minute.is_some() {
                *self.measured.limited.entry(minute_of(at(starts))).or_default() += 1;
            }
            fates.in_vain += u64::from(!is_success);
            if is_success && asked.has_payload {
                fates.latencies[span].add(starts + answer.duration - member.1);
            }
            let is_alike = |other: &&mut Attempted| {
                is_success && other.answer.outcome == answer.outcome && other.answer.duration == answer.duration
            };
            match attempted.iter_mut().find(is_alike) {
                Some(other) => other.members.push(*member),
                None => attempted.push(Attempted { members: vec![*member], answer }),
            }
        }
        attempted
    }

    /// The result of an attempt, as the dispatcher would describe it to the library.
    fn made(&mut self, slot: usize, hook: u32, earlier_tries: u32, (starts, ends): (Ms, Ms), answer: Answer) -> Made {
        let Answer { outcome, duration, retry_after } = answer;
        let is_success = outcome.is_success();
        let successes = &mut self.slots[slot].successes;
        if is_success {
            if successes.len() >= SUCCESSES_REMEMBERED {
                successes.clear();
            }
            successes.insert(hook, ends);
        }
        let last_success = successes.get(&hook).filter(|_| !is_success).map(|ended| at(*ended));
        let retry_after = Duration::from_secs(retry_after);
        let circumstances = Circumstances { earlier_tries, now: at(ends), jitter: self.random.f64(), retry_after };
        let asks = matches!(outcome.http_status(), Some(429 | 503)) && retry_after.as_secs() >= 60;
        Made {
            verdict: self.schedule.verdict(&outcome, circumstances),
            epoch: 0,
            wait: asks.then_some(retry_after.as_secs()),
            last_success,
            watch: true,
            attempt: Attempt { started_at: at(starts), duration_ms: duration, resent: false, outcome, answer: None },
        }
    }

    /// Records the changes that are due, and arranges their next attempts.
    pub(super) fn record(&mut self, slot: usize) {
        let works = mem::take(&mut self.slots[slot].works);
        let (due, mut left): (Vec<_>, Vec<_>) = works.into_iter().partition(|work| work.at <= self.now);
        let is_over = self.now >= self.slots[slot].began + TIME_FOR_RECORDS;
        let mut followed_up = 0;
        for work in due {
            if is_over {
                self.give_back(slot, &work);
            } else if let Some(work) = self.settle(work, &mut followed_up) {
                left.push(work);
            }
        }
        self.measured.bill.request((f64::from(followed_up) / 10.0).ceil());
        self.slots[slot].works = left;
        self.wake(slot, self.now);
    }

    /// Schedules the dispatcher's next event.
    fn wake(&mut self, slot: usize, now: Ms) {
        match self.slots[slot].works.iter().map(|work| work.at).min() {
            Some(next) => self.schedule_event(next.max(now), Event::Record(slot)),
            None => self.schedule_event(now + TO_DELETE, Event::Free(slot)),
        }
    }

    pub(super) fn free(&mut self, slot: usize) {
        let Slot { began, received, .. } = self.slots[slot];
        self.in_flight -= received;
        self.measured.bill.invoke(MEMORY_MB, (self.now - TO_DELETE - began) as f64);
        self.idle.push(slot);
    }

    fn give_back(&mut self, slot: usize, work: &Work) {
        let visible = self.slots[slot].began + VISIBILITY_TIMEOUT;
        let asked = Asked { again: true, ..work.asked };
        let messages =
            work.members.iter().map(|(number, sent)| Sent { hook: work.hook, number: *number, time: *sent, asked });
        self.delayed.entry(visible).or_default().extend(messages);
        self.measured.given_back += work.members.len() as u64;
    }

    /// Records the change and arranges the next attempts. Returns the work that the table throttled.
    fn settle(&mut self, work: Work, followed_up: &mut u32) -> Option<Work> {
        let Work { hook, asked, members, change, ends, at, round } = work;
        let flow = self.flow_of(hook);
        let mut watched = Watched::default();
        let mut busy = Vec::new();
        let mut arranged = 0;
        for (number, sent) in members {
            let mut stored = self.hooks[hook as usize].as_ref().and_then(|hook| hook.stored(number));
            if let Some(change) = &change {
                let Some(written) = self.written(hook, number, asked, stored, change) else {
                    self.measured.fates[flow].repeated += u64::from(matches!(change, Change::Attempted(_)));
                    continue;
                };
                if !self.apply(hook, number, stored, &written) {
                    busy.push((number, sent));
                    continue;
                }
                if written.watch {
                    self.put_on_stream(hook, number, &written, change, &mut watched);
                }
                stored = Some(written.new);
            }
            if let Some(Stored { state: State::Retrying, tries, next_attempt_at: Some(due), .. }) = stored {
                self.arrange(hook, number, tries + 1, ms(due), arranged % ATTEMPTS_OF_AN_ITEM == 0);
                arranged += 1;
                *followed_up += u32::from(ms(due) <= self.now + LONGEST_DELAY);
            }
        }
        let at = if busy.is_empty() { at } else { self.now + self.pause(round) };
        (!busy.is_empty()).then(|| Work { hook, asked, members: busy, change, ends, at, round: round + 1 })
    }

    /// The dispatcher's pause before it repeats a write: up to 50 ms, then up to twice as long each time, to 2 s.
    fn pause(&mut self, round: u32) -> Ms {
        let longest = (50 << round.min(5)).min(2_000);
        self.random.u64(longest / 2..=longest)
    }

    /// Stores a delivery. Returns `false` if the table throttles the write.
    fn apply(&mut self, hook: u32, number: u32, old: Option<Stored>, written: &Written) -> bool {
        let new = written.new;
        let units = item_units(new.attempts);
        let attempts = u32::from(written.mark.is_some());
        let (was, is) = (old.map(|old| old.state), Some(new.state).filter(|state| *state != State::Delivered));
        let moves = if was == is { 0 } else { u32::from(was.is_some()) + u32::from(is.is_some()) };
        let (now, flow) = (self.now, self.flow_of(hook));
        // A webhook without a `Hook` needs none for a delivery that succeeds: nothing is kept of it.
        if self.hooks[hook as usize].is_some() || is.is_some() {
            let stored = self.hook(hook);
            let shard = number as usize % hook::SHARDS;
            if !stored.table[shard].has(now, units) || !stored.index[shard].has(now, moves) {
                self.measured.throttled += 1;
                return false;
            }
            stored.table[shard].take(now, units);
            stored.index[shard].take(now, moves);
            let minute = stored.recorded(now, attempts);
            stored.store(number, new);
            self.measured.bill.writes += u64::from(minute);
        } else {
            self.measured.bill.writes += 1;
        }
        let held = |state| state == Some(State::Held);
        match (held(was), held(Some(new.state))) {
            (false, true) => self.measured.held += 1,
            (true, false) => (self.measured.held, self.measured.drained_at) = (self.measured.held - 1, now),
            _ => {}
        }
        self.measured.most_held = self.measured.most_held.max(self.measured.held);
        self.measured.bill.writes += u64::from(units + moves);
        let fates = &mut self.measured.fates[flow];
        fates.delivered += u64::from(new.state == State::Delivered);
        fates.failed += u64::from(new.state == State::Failed);
        true
    }

    /// Puts a record on the stream. Of the records of one piece of work that have no failure, only the first in each
    /// shard.
    fn put_on_stream(&mut self, hook: u32, number: u32, written: &Written, change: &Change, watched: &mut Watched) {
        let shard = shard_of(hook, number);
        let is_failure = matches!(change, Change::Attempted(made) if !made.attempt.outcome.is_success());
        if !is_failure && mem::replace(&mut watched.shards[shard], true) {
            return;
        }
        let attempt = match (written.mark, change) {
            (Some(mark), Change::Attempted(made)) => Some(RecordedAttempt {
                event_id: event_id(number, self.scenario.flows[self.flow_of(hook)].period()),
                round: mark.round,
                number: mark.number,
                epoch: mark.epoch,
                probe: mark.probe,
                wait: mark.wait.map(Duration::from_secs),
                last_success: mark.last_success,
                exhausted: written.new.state == State::Failed && made.attempt.outcome.is_retryable(),
                attempt: made.attempt.clone(),
            }),
            _ => None,
        };
        self.enter(shard, Entry { hook, held: written.new.state == State::Held, attempt });
    }

    /// Arranges the next attempt: by an entry in the waiting table, and by a delayed message if it is due soon. The entry
    /// has a new item, or shares one with others that failed together.
    fn arrange(&mut self, hook: u32, number: u32, attempt: u32, due: Ms, is_new_item: bool) {
        let asked = Asked { attempt, probe: None, has_payload: false, again: false };
        let message = Sent { hook, number, time: due, asked };
        if is_new_item {
            self.measured.bill.writes += 1;
            let shard = &mut self.waiting_shards[number as usize % 16];
            self.measured.throttled += u64::from(!shard.has(self.now, 1));
            shard.take(self.now, 1);
        }
        if due <= self.now + LONGEST_DELAY {
            // An hour later the sweep reads the entry and the delivery.
            self.measured.bill.half_reads += 2;
            self.delayed.entry(due.next_multiple_of(SECOND)).or_default().push(message);
        } else {
            self.waiting.entry(due).or_default().push(message);
        }
    }
}

/// Which of the stream's shards have a record without a failure of this piece of work.
#[derive(Default)]
struct Watched {
    shards: [bool; STREAM_SHARDS],
}
