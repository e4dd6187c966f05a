//! How recorded attempts change a webhook's health, rule by rule and in any order, and what release does with it:
//! `shared/src/webhook/health.rs` and `pace.rs`.

#[path = "health/any_order.rs"]
mod any_order;
#[path = "health/pace.rs"]
mod pace;
#[path = "health/records.rs"]
mod records;

use std::time::Duration;

use nano_webhooks::webhook::{Circuit, Health, Pace, Settings, Settled, Status, Webhook};

use crate::records::{after, after_held, attempt, failure, failures, open, second, start, success, webhook};

const DAY: u64 = 86_400;

fn reason(webhook: &Webhook) -> Option<String> {
    webhook.health().disabled.map(|disabled| disabled.reason)
}

#[test]
fn ten_failures_of_ten_deliveries_open_the_circuit_and_nine_do_not() {
    let nine = after(&webhook(), failures(1..=9));
    assert_eq!((nine.circuit(), nine.health().consecutive_failures), (Circuit::Closed, 9));
    let ten = after(&nine, failures(10..=10));
    assert_eq!((ten.circuit(), ten.health().consecutive_failures), (Circuit::Open, 10));
    assert_eq!(ten.health().failing_since, Some(second(1)));
    assert_eq!(ten.health().opened_at, Some(second(10)));
}

#[test]
fn failures_of_four_deliveries_never_open_the_circuit_and_of_five_do() {
    let of = |deliveries| after(&webhook(), (1..=40).map(|at| failure(at % deliveries, at)).collect());
    assert_eq!(of(4).circuit(), Circuit::Closed);
    assert_eq!(of(5).circuit(), Circuit::Open);
}

#[test]
fn a_delivery_that_failed_long_before_the_last_ten_counts_as_one_of_the_five() {
    let rare = failures([1]);
    let frequent = (2..=40).map(|at| failure(100 + at % 4, at));
    assert_eq!(after(&webhook(), rare.into_iter().chain(frequent).collect()).circuit(), Circuit::Open);
}

#[test]
fn a_success_begins_the_count_afresh() {
    let webhook = after(&webhook(), failures(1..=9));
    let webhook = after(&webhook, vec![success(10, 10)]);
    let health = webhook.health();
    assert_eq!((health.consecutive_failures, health.failing_since, health.failures.len()), (0, None, 0));
    assert_eq!(health.last_failed_at, Some(second(9)));
    assert_eq!(after(&webhook, failures(11..=19)).circuit(), Circuit::Closed);
}

#[test]
fn a_failure_that_began_before_a_success_was_answered_counts_for_nothing() {
    let mut slow = success(1, 1);
    slow.attempt.duration_ms = 5_000;
    let webhook = after(&webhook(), vec![slow]);
    let webhook = after(&webhook, failures(2..=6));
    assert_eq!(webhook.health().consecutive_failures, 0);
    assert_eq!(after(&webhook, failures(7..=7)).health().consecutive_failures, 1);
}

#[test]
fn successes_that_nobody_reported_are_known_from_the_failures_among_them() {
    let mut failures = failures(1..=50);
    for failure in &mut failures[5..] {
        failure.last_success = Some(failure.attempt.started_at - Duration::from_millis(500));
    }
    let webhook = after(&webhook(), failures);
    assert_eq!((webhook.circuit(), webhook.health().consecutive_failures), (Circuit::Closed, 1));
}

#[test]
fn a_minute_of_retry_after_opens_the_circuit_at_once_unless_a_later_attempt_has_succeeded() {
    let mut busy = attempt(1, 1, 429);
    busy.wait = Some(Duration::from_mins(1));
    let webhook = after(&webhook(), vec![busy.clone()]);
    assert_eq!((webhook.circuit(), webhook.health().consecutive_failures), (Circuit::Open, 1));
    assert_eq!(webhook.next_action(&Settings::default(), start()), Some(second(61)));
    let later = after(&records::webhook(), vec![busy, success(2, 2)]);
    assert_eq!(later.circuit(), Circuit::Closed);
}

#[test]
fn what_the_receiver_has_asked_for_holds_however_many_failures_follow() {
    let mut busy = attempt(1, 1, 429);
    busy.wait = Some(Duration::from_mins(1));
    let more = (2..=40).map(|at| failure(at % 3 + 1, at));
    let webhook = after(&webhook(), vec![busy]);
    assert_eq!(after(&webhook, more.collect()).circuit(), Circuit::Open);
}

#[test]
fn retry_after_keeps_the_circuit_from_being_probed_for_an_hour_at_most() {
    let mut busy = attempt(1, 0, 503);
    busy.wait = Some(Duration::from_hours(6));
    let webhook = after(&webhook(), vec![busy]);
    assert_eq!(webhook.next_action(&Settings::default(), start()), Some(second(3_600)));
}

#[test]
fn a_success_of_an_open_circuit_leads_to_recovering_and_never_to_closed() {
    let webhook = after(&open(), vec![success(11, 11)]);
    assert_eq!(webhook.circuit(), Circuit::Recovering);
    assert_eq!(webhook.health().opened_at, None);
    assert!(!webhook.is_spotless());
    assert_eq!(after(&webhook, vec![success(12, 12)]).circuit(), Circuit::Recovering);
}

#[test]
fn a_recovering_circuit_opens_again_after_ten_failures() {
    let recovering = after(&open(), vec![success(11, 11)]);
    let again = after(&recovering, failures(12..=21));
    assert_eq!((again.circuit(), again.health().opened_at), (Circuit::Open, Some(second(21))));
    assert!(again.health().generation > recovering.health().generation);
}

#[test]
fn a_410_disables_at_once_and_is_one_failure() {
    let gone = after(&webhook(), vec![attempt(1, 1, 410)]);
    assert_eq!(reason(&gone).as_deref(), Some("the endpoint answered 410 Gone"));
    assert_eq!((gone.health().consecutive_failures, gone.health().failing_since), (1, Some(second(1))));
    assert_eq!((gone.is_active(), gone.status()), (false, Status::Disabled));
}

#[test]
fn a_success_that_began_after_a_410_undoes_it_and_what_was_held_meanwhile_is_not_stranded() {
    let gone = after(&webhook(), vec![attempt(1, 1, 410)]);
    let back = after(&gone, vec![success(2, 2)]);
    assert_eq!((back.is_active(), back.circuit()), (true, Circuit::Recovering));
    let the_other_way = after(&after(&webhook(), vec![success(2, 2)]), vec![attempt(1, 1, 410)]);
    assert!(the_other_way.is_active());
}

#[test]
fn a_probe_that_fails_after_five_days_disables_and_nothing_else_does() {
    let (open, too_late) = (open(), 10 + 5 * DAY);
    let probe = |at| {
        let mut probe = failure(1, at);
        probe.probe = true;
        probe
    };
    assert_eq!(reason(&after(&open, vec![probe(too_late - 1)])), None);
    assert_eq!(reason(&after(&open, vec![failure(1, too_late)])), None);
    let disabled = after(&open, vec![probe(too_late)]);
    assert_eq!(reason(&disabled).as_deref(), Some("every attempt failed for 5 days"));
}

#[test]
fn eight_failures_six_days_ago_and_one_today_leave_a_quiet_webhook_active() {
    let webhook = after(&webhook(), (0..8).map(|at| failure(1, at)).collect());
    let webhook = after(&webhook, vec![failure(2, 6 * DAY)]);
    assert_eq!((webhook.is_active(), webhook.circuit()), (true, Circuit::Closed));
}

#[test]
fn what_was_held_of_a_closed_circuit_sets_recovering_unless_the_webhook_is_disabled() {
    assert_eq!(after_held(&webhook()).circuit(), Circuit::Recovering);
    assert_eq!(after_held(&open()).circuit(), Circuit::Open);
    let disabled = Webhook { status: Status::Disabled, ..webhook() };
    assert_eq!(after_held(&disabled).circuit(), Circuit::Closed);
    let gone = after(&webhook(), vec![attempt(1, 1, 410)]);
    assert_eq!(after_held(&gone).circuit(), Circuit::Closed);
}

#[test]
fn another_epoch_voids_failures_and_disabling_and_leads_to_recovering() {
    let gone = after(&open(), vec![attempt(1, 11, 410)]);
    let changed = Webhook { epoch: 1, ..gone };
    let Health { circuit, failures, failing_since, disabled, .. } = changed.health();
    assert_eq!((circuit, failures.len(), failing_since, disabled), (Circuit::Recovering, 0, None, None));
    let stale = after(&changed, failures_of_epoch(0));
    assert_eq!(stale.circuit(), Circuit::Recovering, "attempts at the old URL say nothing about the new one");
    assert_eq!(after(&changed, failures_of_epoch(1)).circuit(), Circuit::Open);
}

fn failures_of_epoch(epoch: u64) -> Vec<nano_webhooks::webhook::RecordedAttempt> {
    let mut failures = failures(20..=29);
    for failure in &mut failures {
        failure.epoch = epoch;
    }
    failures
}

#[test]
fn when_nothing_is_held_an_open_circuit_reads_as_recovering_and_its_failures_count_no_more() {
    let webhook = open();
    let settled = Webhook { stored_pace: webhook.settled(second(100)), ..webhook };
    assert_eq!(settled.circuit(), Circuit::Recovering);
    assert_eq!(settled.health().failing_since, Some(second(1)), "there was no success since");
    let repeated = after(&settled, failures(1..=10));
    assert_eq!(repeated.circuit(), Circuit::Recovering, "a batch that is repeated opens nothing");
    let again = after(&repeated, failures(101..=110));
    assert_eq!((again.circuit(), again.health().consecutive_failures), (Circuit::Open, 20));
}

#[test]
fn what_was_settled_of_one_generation_says_nothing_about_the_next() {
    let webhook = open();
    let settled = Settled { generation: webhook.health().generation, circuit: Circuit::Closed, at: second(100) };
    let stored_pace = Pace { settled: Some(settled), ..Pace::default() };
    let settled = Webhook { stored_pace, ..webhook };
    assert_eq!(settled.circuit(), Circuit::Closed);
    assert_eq!(after_held(&settled).circuit(), Circuit::Recovering);
    assert_eq!(after(&settled, failures(101..=110)).circuit(), Circuit::Open);
}

#[test]
fn a_healthy_webhook_is_spotless_and_a_repeated_batch_costs_no_write() {
    assert!(webhook().is_spotless());
    let failed = after(&webhook(), failures(1..=3));
    assert!(!failed.is_spotless());
    let repeated = nano_webhooks::webhook::Recorded { attempts: failures(1..=3), held: false };
    assert_eq!(failed.health_after(&repeated, &Settings::default()), None);
    assert!(after(&failed, vec![success(4, 4)]).is_spotless());
}
