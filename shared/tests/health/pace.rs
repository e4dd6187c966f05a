//! What release does: probes and drains.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use nano_webhooks::{
    names::EventId,
    webhook::{Action, Circuit, Drained, Pace, Recorded, Search, Settings, Status, Webhook, between},
};

use crate::records::{after, attempt, delivery, failures, open, second, success, webhook};

fn settings() -> Settings {
    Settings::default()
}

fn with(webhook: &Webhook, pace: Pace) -> Webhook {
    assert!(pace.version > webhook.stored_pace.version);
    Webhook { stored_pace: pace, ..webhook.clone() }
}

/// The webhook after a probe in this second that has no answer yet.
fn probed(webhook: &Webhook, at: u64) -> Webhook {
    assert_eq!(webhook.action(&settings(), second(at)), Action::Probe);
    with(webhook, webhook.probing(&settings(), second(at)))
}

fn next(webhook: &Webhook) -> Option<Timestamp> {
    webhook.next_action(&settings(), second(0))
}

fn recovering() -> Webhook {
    after(&open(), vec![success(11, 11)])
}

/// A table of held deliveries, and what a run of release does with it.
struct Table(BTreeSet<EventId>);

impl Table {
    fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self(numbers.into_iter().map(delivery).collect())
    }

    fn search(&self, search: &Search) -> (Vec<EventId>, Vec<EventId>) {
        let is_range = search.after.as_ref().zip(search.before.as_ref()).is_none_or(|(after, before)| after < before);
        assert!(is_range, "DynamoDB refuses a range that ends before it begins: {search:?}");
        let inside = |id: &&EventId| {
            search.after.as_ref().is_none_or(|after| *id > after) && search.before.as_ref().is_none_or(|it| *id < it)
        };
        let oldest = self.0.iter().filter(inside).take(search.most).cloned().collect();
        (oldest, self.0.iter().rev().filter(inside).take(search.most).cloned().collect())
    }

    /// Makes one run at this second. Deliveries that are sent are no longer held, and the webhook has its new pace.
    fn run(&mut self, webhook: &mut Webhook, at: u64) -> Vec<(EventId, Duration)> {
        let Action::Drain(search) = webhook.action(&settings(), second(at)) else { return Vec::new() };
        let (oldest, newest) = self.search(&search);
        let Drained { pace, send, .. } = webhook.drained(&oldest, &newest, 0, &settings(), second(at));
        *webhook = with(webhook, pace);
        self.0.retain(|id| send.iter().all(|(sent, _)| sent != id));
        send
    }
}

#[test]
fn probes_come_after_1_2_5_10_30_and_then_every_60_minutes() {
    let mut webhook = open();
    let mut at = 10;
    for minutes in [1, 2, 5, 10, 30, 60, 60, 60] {
        assert_eq!(next(&webhook), Some(second(at + minutes * 60)), "{minutes}");
        at += minutes * 60;
        webhook = probed(&webhook, at);
    }
}

#[test]
fn a_probe_that_is_not_due_is_not_made_and_of_two_runs_at_the_same_time_one_makes_it() {
    let webhook = open();
    assert_eq!(webhook.action(&settings(), second(69)), Action::Wait);
    let first = probed(&webhook, 70);
    assert_eq!(first.action(&settings(), second(70)), Action::Wait);
    assert_eq!(
        webhook.probing(&settings(), second(70)).version,
        first.stored_pace.version,
        "the store takes one of them"
    );
}

#[test]
fn a_probe_that_is_asked_for_comes_now_and_makes_no_later_one_later() {
    let webhook = probed(&probed(&open(), 70), 190);
    let asked = Webhook { probe_asked_at: Some(second(200)), ..webhook };
    assert_eq!(next(&asked), Some(second(200)));
    let webhook = probed(&asked, 201);
    assert_eq!(next(&webhook), Some(second(201 + 300)), "the third wait, from this one on");
}

#[test]
fn a_failing_probe_that_asks_for_more_time_gets_it() {
    let webhook = probed(&open(), 70);
    let mut busy = attempt(1, 71, 503);
    busy.wait = Some(Duration::from_mins(10));
    assert_eq!(next(&after(&webhook, vec![busy])), Some(second(671)));
}

#[test]
fn opening_again_keeps_the_step_and_closing_resets_it() {
    let webhook = probed(&probed(&open(), 70), 190);
    let again = after(&after(&webhook, vec![success(11, 200)]), failures(201..=210));
    assert_eq!(next(&again), Some(second(210 + 300)));

    let mut closed = after(&webhook, vec![success(11, 200)]);
    let mut nothing = Table::of([]);
    nothing.run(&mut closed, 201);
    nothing.run(&mut closed, 291);
    assert_eq!(closed.circuit(), Circuit::Closed);
    assert_eq!(next(&after(&closed, failures(301..=310))), Some(second(310 + 60)));
}

#[test]
fn a_receiver_that_says_when_it_is_back_is_probed_then_whatever_the_step() {
    let recovering = after(&probed(&probed(&open(), 70), 190), vec![success(11, 200)]);
    let mut busy = attempt(12, 201, 429);
    busy.wait = Some(Duration::from_mins(1));
    assert_eq!(next(&after(&recovering, vec![busy])), Some(second(261)));
}

#[test]
fn the_pace_of_another_epoch_is_void() {
    let webhook = probed(&probed(&open(), 70), 190);
    assert_eq!(webhook.pace().probes, 2);
    let changed = Webhook { epoch: 1, ..webhook };
    assert_eq!((changed.pace().probes, changed.pace().probed_at), (0, None));
}

#[test]
fn nothing_held_to_probe_with_leads_to_a_drain() {
    let webhook = open();
    let settled = with(&webhook, webhook.settled(second(70)));
    assert_eq!(settled.circuit(), Circuit::Recovering);
    assert!(matches!(settled.action(&settings(), second(70)), Action::Drain(Search { begins: true, .. })));
}

#[test]
fn a_webhook_that_gets_nothing_is_neither_probed_nor_drained() {
    for webhook in [open(), recovering()] {
        let by_its_owner = Webhook { status: Status::Disabled, ..webhook.clone() };
        let by_the_service = after(&webhook, vec![attempt(12, 12, 410)]);
        for webhook in [by_its_owner, by_the_service] {
            assert_eq!((next(&webhook), webhook.action(&settings(), second(9_999))), (None, Action::Wait));
        }
    }
    assert_eq!(next(&webhook()), None);
}

#[test]
fn a_drain_takes_the_oldest_and_the_newest_in_turn() {
    let (mut webhook, mut table) = (recovering(), Table::of(0..1_000));
    let sent = table.run(&mut webhook, 20);
    assert_eq!(sent.len(), 30);
    let numbers = [0, 999, 1, 998, 2, 997].map(delivery);
    assert_eq!(sent.iter().map(|(id, _)| id.clone()).take(6).collect::<Vec<_>>(), numbers);
}

/// SQS delays by whole seconds from when a message is sent. A thousand messages that are sent within half a second
/// with the same delay arrive within half a second, and every customer's deliveries queue behind them.
#[test]
fn a_drains_deliveries_are_spread_over_the_minute_and_so_are_those_that_are_sent_one_after_another() {
    let (mut webhook, mut table) = (recovering(), Table::of(0..1_000));
    for minute in 0..5 {
        let sent = table.run(&mut webhook, 20 + minute * 60);
        for together in sent.chunks(30) {
            let mut delays: Vec<_> = together.iter().map(|(_, delay)| delay.as_secs()).collect();
            delays.sort_unstable();
            let gaps = delays.windows(2).map(|pair| pair[1] - pair[0]).max();
            assert!(together.len() < 30 || (delays[0] <= 4 && gaps <= Some(4) && delays[29] >= 56), "{delays:?}");
        }
    }
}

#[test]
fn a_drain_doubles_each_minute_up_to_the_setting_and_not_while_the_endpoint_fails() {
    let (mut webhook, mut table) = (recovering(), Table::of(0..30_000));
    let mut sent = Vec::new();
    for minute in 0..10 {
        if minute == 2 {
            webhook = after(&webhook, failures(140..=140));
        } else if minute == 4 {
            webhook = after(&webhook, vec![success(1, 240)]);
        }
        sent.push(table.run(&mut webhook, 20 + minute * 60).len());
    }
    assert_eq!(sent, [30, 60, 60, 60, 120, 240, 480, 960, 1_920, 3_840]);
    assert_eq!(table.run(&mut webhook, 620).len(), 6_000);
    assert_eq!(table.run(&mut webhook, 680).len(), 6_000);
}

#[test]
fn a_webhook_that_had_more_traffic_drains_as_fast_as_it_had_it() {
    let webhook = recovering();
    let Drained { pace, .. } = webhook.drained(&[delivery(1)], &[delivery(1)], 60_000, &settings(), second(20));
    assert_eq!(pace.drain.unwrap().most, 60_000);
}

#[test]
fn two_runs_in_the_same_minute_send_one_minutes_worth() {
    let (mut webhook, mut table) = (recovering(), Table::of(0..1_000));
    assert_eq!(table.run(&mut webhook, 20).len(), 30);
    assert_eq!(table.run(&mut webhook, 60).len(), 0);
}

#[test]
fn everything_is_sent_once_and_then_the_circuit_closes() {
    let (mut webhook, mut table) = (recovering(), Table::of(0..5_000));
    let mut sent = BTreeSet::new();
    let mut at = 20;
    while webhook.circuit() == Circuit::Recovering {
        for (id, delay) in table.run(&mut webhook, at) {
            assert!(delay < Duration::from_mins(1));
            assert!(sent.insert(id), "it was sent twice");
        }
        at += 60;
        assert!(at < 20 + 20 * 60, "it does not end");
    }
    assert_eq!(sent.len(), 5_000);
    assert_eq!(next(&webhook), None);
}

#[test]
fn a_circuit_closes_after_two_empty_searches_further_apart_than_a_dispatcher_and_a_minute() {
    let (mut webhook, mut table) = (recovering(), Table::of([]));
    table.run(&mut webhook, 20);
    table.run(&mut webhook, 109);
    assert_eq!(webhook.circuit(), Circuit::Recovering);
    table.run(&mut webhook, 110);
    assert_eq!(webhook.circuit(), Circuit::Closed);
}

#[test]
fn what_a_slow_dispatcher_holds_between_two_searches_is_sent() {
    let (mut webhook, mut table) = (recovering(), Table::of([]));
    table.run(&mut webhook, 20);
    table.0.insert(delivery(5));
    assert_eq!(table.run(&mut webhook, 110).len(), 1);
    assert_eq!(webhook.circuit(), Circuit::Recovering);
    table.run(&mut webhook, 260);
    table.run(&mut webhook, 349);
    assert_eq!(webhook.circuit(), Circuit::Recovering, "the count of empty searches begins afresh");
    table.run(&mut webhook, 350);
    assert_eq!(webhook.circuit(), Circuit::Closed);
}

#[test]
fn what_is_held_behind_the_search_is_found_by_the_next_pass() {
    let (mut webhook, mut table) = (recovering(), Table::of(100..200));
    table.run(&mut webhook, 20);
    table.0.insert(delivery(1));
    let mut at = 80;
    while !table.0.is_empty() {
        table.run(&mut webhook, at);
        at += 60;
        assert!(at < 1_000, "it is stranded");
    }
}

#[test]
fn a_circuit_that_opens_again_begins_its_next_drain_slowly() {
    let (mut webhook, mut table) = (recovering(), Table::of(0..10_000));
    for minute in 0..4 {
        table.run(&mut webhook, 20 + minute * 60);
    }
    let webhook = after(&webhook, failures(300..=309));
    assert_eq!(webhook.circuit(), Circuit::Open);
    let mut webhook = after(&webhook, vec![success(1, 400)]);
    assert_eq!(table.run(&mut webhook, 401).len(), 30);
}

#[test]
fn a_drain_of_any_size_sends_everything_once_and_closes_the_circuit() {
    for held in 0..=400 {
        let (mut webhook, mut table, mut at, mut sent) = (recovering(), Table::of(0..held), 20, 0);
        while webhook.circuit() == Circuit::Recovering {
            sent += table.run(&mut webhook, at).len();
            at += 30;
            assert!(at < 7_200, "{held} are held, {sent} were sent");
        }
        assert_eq!((sent as u64, table.0.len(), webhook.circuit()), (held, 0, Circuit::Closed), "{held}");
    }
}

#[test]
fn the_first_probe_is_made_with_three_deliveries_and_each_later_one_with_another_one() {
    let mut webhook = open();
    let found = || vec!["oldest", "between", "newest"];
    let mut picked = Vec::new();
    for _ in 0..4 {
        let due = next(&webhook).unwrap();
        picked.push(webhook.probe_with(found(), &settings(), due));
        webhook = with(&webhook, webhook.probing(&settings(), due));
    }
    assert_eq!(picked, [found(), vec!["between"], vec!["newest"], vec!["oldest"]]);

    let before_it_is_due = next(&webhook).unwrap() - Duration::from_secs(1);
    let asked = Webhook { probe_asked_at: Some(before_it_is_due), ..webhook.clone() };
    assert_eq!(asked.probe_with(found(), &settings(), before_it_is_due), found());
    assert_eq!(webhook.probe_with(vec!["last"], &settings(), next(&webhook).unwrap()), ["last"]);
}

#[test]
fn the_probe_between_is_between() {
    assert_eq!(between(&delivery(0), &delivery(100), 0.5), Some(delivery(50)));
    assert_eq!(between(&delivery(7), &delivery(7), 0.5), None);
    assert_eq!(between(&delivery(0), &delivery(100), 0.0), None);
}

#[test]
fn a_webhook_that_was_enabled_closes_when_nothing_is_held_although_nothing_was_recorded_since() {
    let mut webhook = Webhook { epoch: 1, ..webhook() };
    assert_eq!(webhook.circuit(), Circuit::Recovering);
    let mut table = Table::of([]);
    table.run(&mut webhook, 0);
    table.run(&mut webhook, 100);
    assert_eq!((webhook.circuit(), next(&webhook)), (Circuit::Closed, None));
}

/// A webhook with a limit of 40 requests a minute, after the dispatcher has held some deliveries.
fn limited() -> Webhook {
    let webhook = Webhook { max_per_minute: Some(40), ..webhook() };
    let held = Recorded { attempts: Vec::new(), held: true };
    let health = webhook.health_after(&held, &settings()).expect("a held delivery changes it");
    assert_eq!(health.circuit, Circuit::Recovering);
    Webhook { stored_health: health, ..webhook }
}

/// The seconds in which the deliveries of a run in this second are attempted.
fn seconds_of(send: &[(EventId, Duration)], at: u64) -> (u64, u64) {
    let seconds: Vec<_> = send.iter().map(|(_, delay)| at + delay.as_secs()).collect();
    (*seconds.iter().min().expect("some are sent"), *seconds.iter().max().expect("some are sent"))
}

#[test]
fn a_limited_webhook_gets_its_limit_in_each_minute_of_utc() {
    let (mut webhook, mut table) = (limited(), Table::of(1..=100));
    let minute = second(0).as_second() % 60;
    assert_eq!(minute, 0, "second 0 begins a minute");
    let first = table.run(&mut webhook, 25);
    assert_eq!((first.len(), seconds_of(&first, 25).0, seconds_of(&first, 25).1 / 60), (40, 60, 1));
    assert!(table.run(&mut webhook, 59).is_empty(), "once a minute");
    let second = table.run(&mut webhook, 60);
    assert_eq!((second.len(), seconds_of(&second, 60).0, seconds_of(&second, 60).1 / 60), (40, 120, 2));
    assert_eq!(table.run(&mut webhook, 125).len(), 20);
}

#[test]
fn a_limited_webhook_that_was_down_is_not_sent_its_limit_at_once() {
    let open = Webhook { max_per_minute: Some(40), ..probed(&open(), 70) };
    let mut webhook = after(&open, vec![success(71, 71)]);
    let mut table = Table::of(1..=1_000);
    let counts = [80, 140, 200].map(|at| table.run(&mut webhook, at).len());
    assert_eq!(counts, [30, 40, 40]);
}
