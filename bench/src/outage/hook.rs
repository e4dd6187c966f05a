//! A webhook of the simulation, and its deliveries in a few bytes each.
//!
//! The library's functions take whole deliveries. A million held deliveries that are alike are kept as one bit each;
//! [`Hook`] keeps the unusual ones as a [`Stored`], from which [`delivery`] makes a whole one.

use std::collections::HashMap;

use nano_webhooks::{
    delivery::{Delivery, Message, State},
    event::Payload,
    names::{EventId, EventType},
    webhook::{Circuit, Webhook},
};
use ulid::Ulid;

use super::{
    Ms, at, ms,
    parts::{Asked, Decided, Stored},
    table::Bucket,
};

/// How many partitions a webhook's deliveries are spread over.
pub(super) const SHARDS: usize = 8;

/// A webhook with its stored deliveries.
pub(super) struct Hook {
    pub(super) webhook: Webhook,
    /// All unfinished deliveries, except those that were held on arrival and have not changed since: they are in
    /// `held` alone.
    unusual: HashMap<u32, Stored>,
    held: Bits,
    /// The write capacity of each partition, of the table and of its index.
    pub(super) table: [Bucket; SHARDS],
    pub(super) index: [Bucket; SHARDS],
    /// How many attempts were recorded in each hour.
    pub(super) hours: Vec<u32>,
    /// The minute of the last attempt: count-attempts writes once for each minute.
    minute: Option<Ms>,
    /// The library's decisions since the webhook was last stored.
    pub(super) decided: HashMap<(Asked, Option<Stored>, bool), Decided>,
    /// The circuit that the library last returned.
    pub(super) circuit: Circuit,
    /// When the circuit was opened although the endpoint was healthy.
    pub(super) opened_well: Option<Ms>,
}

impl Hook {
    pub(super) fn new(webhook: Webhook) -> Self {
        Self {
            circuit: webhook.circuit(),
            webhook,
            unusual: HashMap::new(),
            held: Bits::default(),
            table: Default::default(),
            index: Default::default(),
            hours: Vec::new(),
            minute: None,
            decided: HashMap::new(),
            opened_well: None,
        }
    }

    /// What is stored of a delivery. `None` before it is stored, and again when it is finished: then only repeated
    /// messages ask for it. They have no payload and change nothing either way.
    pub(super) fn stored(&self, number: u32) -> Option<Stored> {
        let unusual = self.unusual.get(&number).copied();
        unusual.or_else(|| self.held.contains(number).then_some(Stored::HELD))
    }

    pub(super) fn store(&mut self, number: u32, stored: Stored) {
        if stored.state == State::Held {
            self.held.insert(number);
        } else {
            self.held.remove(number);
        }
        if stored.state.is_finished() || stored == Stored::HELD {
            self.unusual.remove(&number);
        } else {
            self.unusual.insert(number, stored);
        }
    }

    /// How many deliveries are held, and how many wait for their next attempt.
    pub(super) fn unfinished(&self) -> (u64, u64) {
        let held_too = self.unusual.values().filter(|stored| stored.state == State::Held).count();
        (self.held.count, (self.unusual.len() - held_too) as u64)
    }

    /// Up to `most` held deliveries between two numbers, both excluded: the oldest ones or the newest ones.
    pub(super) fn held(&self, after: Option<u32>, before: Option<u32>, most: usize, oldest: bool) -> Vec<u32> {
        let from = after.map_or(0, |after| after + 1);
        let to = before.unwrap_or(u32::MAX);
        if oldest {
            self.held.ascending(from, to).take(most).collect()
        } else {
            self.held.descending(from, to).take(most).collect()
        }
    }

    /// The attempts per minute in the busiest hour.
    pub(super) fn own_per_minute(&self) -> u32 {
        self.hours.iter().max().copied().unwrap_or_default() / 60
    }

    /// Counts attempts, and returns whether they are the first of their minute.
    pub(super) fn recorded(&mut self, now: Ms, attempts: u32) -> bool {
        let hour = usize::try_from(now / 3_600_000).expect("a simulation has few hours");
        self.hours.resize(self.hours.len().max(hour + 1), 0);
        self.hours[hour] += attempts;
        attempts > 0 && self.minute.replace(now / 60_000) != Some(now / 60_000)
    }
}

/// The id of the delivery with this number, of a webhook that has one every `period` milliseconds.
pub(super) fn event_id(number: u32, period: f64) -> EventId {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time")]
    let ended_at = ms_of_epoch((f64::from(number) * period) as Ms);
    let id = Ulid::from_parts(ended_at, number.into()).to_string();
    serde_json::from_value(id.into()).expect("is a ULID")
}

/// The number of a delivery, from its id.
pub(super) fn number(id: &EventId) -> u32 {
    let ulid: Ulid = id.as_str().parse().expect("is a ULID");
    u32::try_from(ulid.random()).expect("was made of a number")
}

/// The first number at or after the time of this id.
pub(super) fn number_at(id: &EventId, period: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number")]
    let number = (ms(id.ended_at()) as f64 / period).ceil() as u32;
    number
}

fn ms_of_epoch(time: Ms) -> u64 {
    u64::try_from(at(time).as_millisecond()).expect("after 1970")
}

/// A message in the form that the library's functions take.
///
/// If a message comes without a payload, the dispatcher takes that of the event. A finished delivery is no longer
/// stored here: its messages get none, so that they change nothing.
pub(super) fn message(webhook: &Webhook, id: EventId, asked: Asked, stored: Option<Stored>) -> Message {
    let payload = || Payload { task_id: String::new(), body: String::new() };
    Message {
        account_id: webhook.account_id.clone(),
        webhook_id: webhook.id,
        event_id: id,
        event: EventType::JobCompleted,
        payload: (asked.has_payload || stored.is_some()).then(payload),
        callback_url: None,
        round: 0,
        attempt: asked.attempt,
        probe: asked.probe,
        resend: None,
        queued_at: None,
    }
}

/// A stored delivery in the form that the library's functions take. Of the attempts they use only the number,
/// `tries`.
pub(super) fn delivery(webhook: &Webhook, id: EventId, stored: Stored) -> Delivery {
    let Stored { state, tries, version, next_attempt_at, .. } = stored;
    Delivery {
        account_id: webhook.account_id.clone(),
        webhook_id: webhook.id,
        id,
        event: EventType::JobCompleted,
        task_id: String::new(),
        callback_url: None,
        round: 0,
        state,
        reason: None,
        resend: None,
        attempts: Vec::new(),
        dropped: 0,
        tries,
        next_attempt_at,
        version,
    }
}

fn number_in(word: usize, bit: u32) -> u32 {
    u32::try_from(word).expect("is made of a number") * 64 + bit
}

/// A set of numbers; most of them are in it for some time.
#[derive(Default)]
struct Bits {
    words: Vec<u64>,
    count: u64,
    /// No word before this one has a bit.
    first: usize,
}

impl Bits {
    fn place(number: u32) -> (usize, u64) {
        (number as usize / 64, 1 << (number % 64))
    }

    fn contains(&self, number: u32) -> bool {
        let (word, bit) = Self::place(number);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    fn insert(&mut self, number: u32) {
        let (word, bit) = Self::place(number);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.count += u64::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
        self.first = self.first.min(word);
    }

    fn remove(&mut self, number: u32) {
        let (word, bit) = Self::place(number);
        let Some(bits) = self.words.get_mut(word) else { return };
        self.count -= u64::from(*bits & bit != 0);
        *bits &= !bit;
        while self.words.get(self.first) == Some(&0) {
            self.first += 1;
        }
    }

    fn ascending(&self, from: u32, to: u32) -> impl Iterator<Item = u32> {
        let first = self.first.max(from as usize / 64);
        let words = self.words.iter().enumerate().skip(first).filter(|(_, bits)| **bits != 0);
        let numbers = words
            .flat_map(|(word, bits)| (0..64).filter(move |at| bits >> at & 1 == 1).map(move |at| number_in(word, at)));
        numbers.skip_while(move |number| *number < from).take_while(move |number| *number < to)
    }

    fn descending(&self, from: u32, to: u32) -> impl Iterator<Item = u32> {
        let last = self.words.len().min(to as usize / 64 + 1);
        let words = self.words[..last].iter().enumerate().skip(self.first).rev().filter(|(_, bits)| **bits != 0);
        let numbers = words.flat_map(|(word, bits)| {
            (0..64).rev().filter(move |at| bits >> at & 1 == 1).map(move |at| number_in(word, at))
        });
        numbers.skip_while(move |number| *number >= to).take_while(move |number| *number >= from)
    }
}
