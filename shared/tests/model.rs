//! The delivery protocol, checked over every order of what can happen to one delivery.
//!
//! A message is sent, received, attempted, recorded, given back; dispatchers die in between, two of them hold the same
//! delivery, messages come twice or early, the webhook is disabled, enabled, deleted, the customer asks for a retry once
//! more. All decisions are the library's own functions; SQS, the table and the order in which the functions do things are
//! modelled in `model/protocol.rs`. What must hold is in `model/claims.rs`.
//!
//! It is a plain breadth-first search that visits everything within its bounds, and what it finds is the shortest story.
//! Nothing here depends on how long anything takes; the end-to-end tests see to that.

#[path = "model/claims.rs"]
mod claims;
#[path = "model/events.rs"]
mod events;
#[path = "model/protocol.rs"]
mod protocol;
#[path = "model/search.rs"]
mod search;
#[path = "model/setting.rs"]
mod setting;
#[path = "model/world.rs"]
mod world;

use std::time::Instant;

use crate::{
    claims::Claim,
    search::{Explored, explore},
    setting::{Guard, Setting},
    world::Bounds,
};

/// Every claim holds in every world within the bounds.
fn holds(faults: u8, clicks: u8, switches: u8) -> Explored {
    let bounds = Bounds { faults, clicks, switches };
    let begun = Instant::now();
    let explored = explore(&Setting::new(bounds, None)).unwrap_or_else(|counterexample| panic!("{counterexample:?}"));
    eprintln!("{bounds:?}: {explored}, in {:.1?}", begun.elapsed());
    assert!(explored.quiet > 0, "the search ends somewhere");
    explored
}

/// The claim that breaks first without a guard.
fn broken_without(guard: Guard, faults: u8, clicks: u8, switches: u8) -> Claim {
    let bounds = Bounds { faults, clicks, switches };
    let counterexample = explore(&Setting::new(bounds, Some(guard))).expect_err("the guard is missed");
    eprintln!("without {guard:?}, {counterexample:?}");
    counterexample.broken
}

#[test]
fn without_faults_every_delivery_is_finished_and_none_is_a_dead_letter() {
    assert_eq!(holds(0, 0, 0).dead, 0);
}

#[test]
fn two_retries_survive_a_webhook_that_comes_and_goes() {
    holds(0, 1, 2);
    holds(0, 2, 1);
}

#[test]
fn two_faults_lose_nothing() {
    assert!(holds(2, 0, 0).dead > 0, "faults lead to dead letters");
}

#[test]
fn a_fault_and_a_retry_survive_a_webhook_that_is_disabled() {
    holds(1, 1, 1);
}

#[test]
#[ignore = "takes a minute or two: cargo test -p nano-webhooks --test model -- --ignored --nocapture"]
fn more_of_everything_loses_nothing() {
    holds(1, 2, 0);
    holds(0, 2, 2);
    holds(2, 1, 0);
    holds(2, 0, 1);
    holds(3, 0, 0);
}

#[test]
fn a_message_that_leaves_before_its_outcome_is_recorded_is_lost() {
    assert_eq!(broken_without(Guard::RecordBeforeAck, 1, 0, 0), Claim::NothingIsLost);
}

#[test]
fn a_message_that_is_not_given_back_is_lost() {
    assert_eq!(broken_without(Guard::GiveBack, 0, 0, 0), Claim::NothingIsLost);
}

#[test]
fn a_message_whose_record_was_refused_is_lost_if_it_leaves() {
    assert_eq!(broken_without(Guard::GiveBackRefused, 1, 0, 0), Claim::NothingIsLost);
}

#[test]
fn without_versions_dispatchers_overwrite_each_other() {
    assert_eq!(broken_without(Guard::Version, 1, 0, 0), Claim::NoAttemptIsForgotten);
}

#[test]
fn a_retry_of_the_same_round_is_swallowed() {
    assert_eq!(broken_without(Guard::NewRound, 0, 1, 0), Claim::NoRetryIsSwallowed);
}

#[test]
fn a_retry_is_swallowed_beside_an_earlier_message_in_its_batch() {
    assert_eq!(broken_without(Guard::RoundInBatch, 1, 1, 0), Claim::NoRetryIsSwallowed);
}
