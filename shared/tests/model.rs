//! The delivery protocol, checked over every order of what can happen to one delivery.
//!
//! A message is sent, received, attempted, recorded, given back; dispatchers die in between, two of them hold the same
//! delivery, messages come twice or early, the webhook is disabled, enabled, deleted, the customer asks for a retry once
//! more. All decisions are the library's own functions; SQS, the table and the order in which the functions do things are
//! modelled in `model/protocol.rs`. What must hold is in `model/claims.rs`.
//!
//! It is a plain breadth-first search: what makes it useful is that it visits everything within its bounds.

#[path = "model/claims.rs"]
mod claims;
#[path = "model/protocol.rs"]
mod protocol;
#[path = "model/search.rs"]
mod search;
#[path = "model/world.rs"]
mod world;

use std::time::Instant;

use nano_webhooks::{
    delivery::Message,
    webhook::{AccountId, EventType, Health, Secret, Status, Webhook, WebhookId},
};

use crate::{
    claims::Claim,
    search::{Explored, explore},
    world::{Bounds, Guard, Setting},
};

fn setting(bounds: Bounds, without: Option<Guard>) -> Setting {
    let message: Message = serde_json::from_str(
        r#"{"account_id":"a","webhook_id":1,"delivery_id":"01KDYAK3482WAV4DVEFM6KBDXQ","event":"job.completed","body":"","round":0}"#,
    )
    .expect("is a message");
    let webhook = Webhook {
        account_id: AccountId::parse("a").expect("is an account"),
        id: WebhookId(1),
        url: "https://a.example.com/".into(),
        events: vec![EventType::JobCompleted],
        status: Status::Active,
        secret: Secret::generate(),
        health: Health::default(),
    };
    let schedule = "5".parse().expect("is a schedule");
    Setting { message, webhook, schedule, schedule_attempts: 2, max_receives: 4, bounds, without }
}

/// Every claim holds in every world within the bounds.
fn holds(faults: u8, clicks: u8, switches: u8) -> Explored {
    let bounds = Bounds { faults, clicks, switches };
    let begun = Instant::now();
    let explored = explore(&setting(bounds, None)).unwrap_or_else(|counterexample| panic!("{counterexample:?}"));
    eprintln!("{bounds:?}: {explored}, in {:.1?}", begun.elapsed());
    assert!(explored.quiet > 0, "the search ends somewhere");
    explored
}

/// The claim that breaks first without a guard.
fn broken_without(guard: Guard, faults: u8, clicks: u8, switches: u8) -> Claim {
    let bounds = Bounds { faults, clicks, switches };
    let counterexample = explore(&setting(bounds, Some(guard))).expect_err("the guard is missed");
    eprintln!("without {guard:?}, {counterexample:?}");
    counterexample.broken
}

#[test]
fn without_faults_every_delivery_is_finished_and_none_is_a_dead_letter() {
    assert_eq!(holds(0, 0, 0).dead, 0);
}

#[test]
fn retries_survive_a_webhook_that_comes_and_goes() {
    assert_eq!(holds(0, 2, 2).dead, 0);
}

#[test]
fn two_faults_and_a_retry_lose_nothing() {
    assert!(holds(2, 1, 0).dead > 0, "faults lead to dead letters");
}

#[test]
fn a_fault_and_two_retries_lose_nothing() {
    holds(1, 2, 0);
}

#[test]
fn a_fault_and_a_retry_survive_a_webhook_that_is_disabled() {
    holds(1, 1, 1);
}

/// Minutes, and gigabytes.
#[test]
#[ignore = "takes minutes: cargo test --release -p nano-webhooks --test model -- --ignored"]
fn more_of_everything_loses_nothing() {
    holds(3, 1, 0);
    holds(3, 0, 1);
    holds(2, 1, 1);
    holds(1, 2, 1);
    holds(2, 2, 0);
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
