//! Checks the delivery protocol in every order of events that can happen to one delivery.
//!
//! Messages are sent, delayed, received, attempted, recorded, given back, lost, duplicated and redriven from the
//! dead-letter queue. Dispatchers die at any point, and two of them work on the delivery at the same time. Reads are
//! late, and the tables refuse writes. The customer asks for a retry, or erases the event. The event expires. The
//! webhook is disabled, enabled and deleted, and its circuit opens and closes at any moment, more freely than any rule
//! about circuits allows. release sends what is due, sweeps what is overdue, probes, and drains held deliveries. The
//! library's own functions make all decisions. `model/protocol.rs` models SQS, the tables and the order in which the
//! functions do things. `model/claims.rs` lists the claims that must hold. Each guard of the protocol is removed once,
//! to see which claim breaks.
//!
//! It is a plain breadth-first search that visits every world within its bounds, so it finds the shortest
//! counterexample. Nothing here depends on durations; the end-to-end tests cover those.

#[path = "model/claims.rs"]
mod claims;
#[path = "model/erasure.rs"]
mod erasure;
#[path = "model/events.rs"]
mod events;
#[path = "model/letter.rs"]
mod letter;
#[path = "model/outside.rs"]
mod outside;
#[path = "model/protocol.rs"]
mod protocol;
#[path = "model/receive.rs"]
mod receive;
#[path = "model/search.rs"]
mod search;
#[path = "model/setting.rs"]
mod setting;
#[path = "model/world.rs"]
mod world;

use std::time::Instant;

use crate::{
    claims::Claim,
    search::explore,
    setting::{Guard, Setting},
    world::{Bounds, Start},
};

const NOTHING: Bounds =
    Bounds { faults: 0, clicks: 0, switches: 0, probes: 0, outages: 0, redrives: 0, erasures: 0, expiries: 0 };
const ERASED: Bounds = Bounds { erasures: 1, ..NOTHING };
const EXPIRED: Bounds = Bounds { expiries: 1, ..NOTHING };

/// Checks that every claim holds in every world within the bounds, both if next attempts are due soon and if they are
/// not. Returns how many worlds have a dead letter.
fn hold(start: Start, bounds: Bounds) -> usize {
    let explored = [false, true].map(|soon| {
        let begun = Instant::now();
        let explored = explore(&Setting { soon, start, ..Setting::new(bounds) });
        let explored = explored.unwrap_or_else(|counterexample| panic!("{counterexample:?}"));
        eprintln!("{start:?}, {bounds:?}, soon: {soon}: {explored}, in {:.1?}", begun.elapsed());
        assert!(explored.ends > 0, "the search ends somewhere");
        explored.dead
    });
    explored.into_iter().sum()
}

/// Returns the first claim that breaks without this guard.
fn broken_without(guard: Guard, start: Start, bounds: Bounds) -> Claim {
    let begun = Instant::now();
    let setting = Setting { start, without: Some(guard), ..Setting::new(bounds) };
    let counterexample = explore(&setting).expect_err("the guard is missed");
    eprintln!("without {guard:?}, in {:.1?}, {counterexample:?}", begun.elapsed());
    counterexample.broken
}

#[test]
fn without_faults_every_delivery_ends_and_none_is_a_dead_letter() {
    assert_eq!(hold(Start::Sent, NOTHING), 0);
}

#[test]
fn two_faults_lose_nothing() {
    hold(Start::Sent, Bounds { faults: 2, ..NOTHING });
    assert!(hold(Start::Retrying, Bounds { faults: 2, redrives: 1, ..NOTHING }) > 0, "faults lead to dead letters");
}

#[test]
fn two_faults_lose_no_retry_that_a_customer_asks_for() {
    for start in [Start::Failed, Start::FailedAndOpen, Start::FailedAndAccepted] {
        hold(start, Bounds { faults: 1, clicks: 1, ..NOTHING });
        hold(start, Bounds { clicks: 2, ..NOTHING });
    }
    hold(Start::FailedAndOpen, Bounds { faults: 2, clicks: 1, ..NOTHING });
}

#[test]
fn what_is_held_is_not_lost_whatever_becomes_of_its_webhook() {
    hold(Start::Held, Bounds { probes: 2, switches: 2, ..NOTHING });
    hold(Start::Held, Bounds { faults: 1, probes: 1, switches: 1, ..NOTHING });
    hold(Start::HeldByFanOut, Bounds { faults: 1, probes: 1, switches: 1, ..NOTHING });
    hold(Start::HeldByFanOut, Bounds { clicks: 1, switches: 2, ..NOTHING });
    hold(Start::FailedAndAccepted, Bounds { clicks: 1, switches: 1, ..NOTHING });
}

#[test]
fn a_webhook_that_comes_and_goes_loses_nothing() {
    hold(Start::Sent, Bounds { switches: 2, probes: 1, ..NOTHING });
    hold(Start::Sent, Bounds { faults: 1, switches: 1, ..NOTHING });
}

#[test]
fn while_the_tables_take_no_writes_an_endpoint_gets_a_delivery_twice_at_most() {
    hold(Start::Sent, Bounds { outages: 1, ..NOTHING });
    hold(Start::Retrying, Bounds { outages: 1, clicks: 1, ..NOTHING });
}

#[test]
fn what_is_erased_is_sent_no_more_and_ends() {
    hold(Start::Sent, Bounds { faults: 1, ..ERASED });
    hold(Start::Sent, Bounds { outages: 1, ..ERASED });
    hold(Start::Retrying, Bounds { faults: 1, ..ERASED });
    hold(Start::Held, Bounds { probes: 1, switches: 1, ..ERASED });
    hold(Start::HeldByFanOut, Bounds { probes: 1, switches: 1, ..ERASED });
    hold(Start::Failed, Bounds { clicks: 1, switches: 1, ..ERASED });
    hold(Start::FailedAndAccepted, Bounds { clicks: 1, ..ERASED });
    hold(Start::FailedAndOpen, Bounds { faults: 1, clicks: 1, ..ERASED });
}

#[test]
fn what_expires_while_it_waits_is_cancelled() {
    hold(Start::Sent, EXPIRED);
    hold(Start::Retrying, Bounds { faults: 1, ..EXPIRED });
    hold(Start::Held, Bounds { probes: 1, switches: 1, ..EXPIRED });
    hold(Start::FailedAndAccepted, Bounds { clicks: 1, ..EXPIRED });
    hold(Start::Retrying, Bounds { faults: 1, erasures: 1, ..EXPIRED });
}

#[test]
#[ignore = "takes minutes: cargo test -p nano-webhooks --test model -- --ignored --nocapture"]
fn more_of_everything_loses_nothing() {
    hold(Start::Sent, Bounds { faults: 3, ..NOTHING });
    hold(Start::Retrying, Bounds { faults: 2, clicks: 1, switches: 1, ..NOTHING });
    hold(Start::Sent, Bounds { faults: 1, outages: 1, redrives: 1, ..NOTHING });
    hold(Start::Sent, Bounds { faults: 1, clicks: 1, switches: 1, probes: 1, ..NOTHING });
    hold(Start::Held, Bounds { faults: 2, switches: 1, probes: 1, ..NOTHING });
    hold(Start::FailedAndAccepted, Bounds { faults: 1, clicks: 1, switches: 1, ..NOTHING });
    hold(Start::Sent, Bounds { faults: 2, erasures: 1, expiries: 1, ..NOTHING });
    hold(Start::FailedAndAccepted, Bounds { faults: 1, clicks: 1, switches: 1, erasures: 1, ..NOTHING });
    hold(Start::Held, Bounds { faults: 1, switches: 1, probes: 1, erasures: 1, expiries: 1, ..NOTHING });
    hold(Start::Retrying, Bounds { faults: 1, redrives: 1, outages: 1, erasures: 1, ..NOTHING });
}

#[test]
fn without_versions_dispatchers_overwrite_each_other() {
    let broken = broken_without(Guard::Version, Start::Sent, Bounds { faults: 1, ..NOTHING });
    assert_eq!(broken, Claim::EveryRequestIsAccountedFor);
}

#[test]
fn without_claims_an_endpoint_gets_a_delivery_repeatedly_while_the_tables_take_no_writes() {
    let broken = broken_without(Guard::Claim, Start::Sent, Bounds { outages: 1, ..NOTHING });
    assert_eq!(broken, Claim::AtMostTwoRequestsInAnOutage);
}

#[test]
fn without_a_second_look_a_new_webhooks_delivery_is_cancelled() {
    let broken = broken_without(Guard::LookAgain, Start::Sent, Bounds { faults: 1, ..NOTHING });
    assert_eq!(broken, Claim::OnlyTheDeletedAreCalledDeleted);
}

#[test]
fn a_superseded_success_that_is_dropped_leaves_what_was_delivered_failed() {
    let broken = broken_without(Guard::MergeSuccess, Start::FailedAndAccepted, NOTHING);
    assert_eq!(broken, Claim::DeliveredMeansAccepted);
}

#[test]
fn a_record_that_is_not_known_again_counts_its_request_twice() {
    let broken = broken_without(Guard::KnowsItsRecord, Start::Sent, Bounds { faults: 1, ..NOTHING });
    assert_eq!(broken, Claim::EveryRequestIsAccountedFor);
}

#[test]
fn a_superseded_hold_that_is_dropped_swallows_a_retry() {
    let bounds = Bounds { clicks: 1, switches: 1, ..NOTHING };
    let broken = broken_without(Guard::RebaseHeld, Start::FailedAndAccepted, bounds);
    assert_eq!(broken, Claim::NoRetryIsSwallowed);
}

#[test]
fn without_its_follow_up_a_delivery_whose_dispatcher_died_waits_for_the_sweep() {
    let broken = broken_without(Guard::FollowUp, Start::Sent, Bounds { faults: 1, ..NOTHING });
    assert_eq!(broken, Claim::OnlyWhatIsLostIsSwept);
}

#[test]
fn without_an_entry_a_delivery_whose_delayed_message_is_lost_is_stranded() {
    let broken = broken_without(Guard::Entry, Start::Sent, Bounds { faults: 1, ..NOTHING });
    assert_eq!(broken, Claim::NothingIsStranded);
}

#[test]
fn without_the_sweep_a_delivery_whose_delayed_message_is_lost_is_stranded() {
    let broken = broken_without(Guard::Sweep, Start::Sent, Bounds { faults: 1, ..NOTHING });
    assert_eq!(broken, Claim::NothingIsStranded);
}

#[test]
fn with_the_entry_after_the_record_a_death_between_them_strands_what_was_received_twice() {
    let broken = broken_without(Guard::EntryFirst, Start::Sent, Bounds { faults: 2, ..NOTHING });
    assert_eq!(broken, Claim::NothingIsStranded);
}

#[test]
fn a_probe_of_any_version_is_made_twice() {
    let broken = broken_without(Guard::ProbeVersion, Start::Held, Bounds { faults: 1, probes: 1, ..NOTHING });
    assert_eq!(broken, Claim::EachProbeIsMadeOnce);
}

#[test]
fn probes_that_count_as_tries_use_up_the_schedule() {
    let broken = broken_without(Guard::ProbeSchedule, Start::Held, Bounds { probes: 1, ..NOTHING });
    assert_eq!(broken, Claim::ProbesUseUpNoSchedule);
}

#[test]
fn a_claimed_probe_that_is_not_held_strands_its_delivery() {
    let broken = broken_without(Guard::ClaimedProbe, Start::FailedAndOpen, Bounds { faults: 2, clicks: 1, ..NOTHING });
    assert_eq!(broken, Claim::NothingIsStranded);
}

#[test]
fn without_the_count_of_attempts_a_repeated_message_makes_its_attempt_again() {
    let broken = broken_without(Guard::Tries, Start::Sent, Bounds { faults: 1, ..NOTHING });
    assert_eq!(broken, Claim::TheRecordedIsNotRepeated);
}

#[test]
fn without_a_look_at_status_and_circuit_an_endpoint_gets_what_should_be_held() {
    for guard in [Guard::Status, Guard::Circuit] {
        let broken = broken_without(guard, Start::Sent, Bounds { switches: 1, ..NOTHING });
        assert_eq!(broken, Claim::NothingIsSentToTheInactive, "{guard:?}");
    }
}

#[test]
fn a_message_that_leaves_before_its_outcome_is_recorded_is_lost() {
    let broken = broken_without(Guard::RecordBeforeAck, Start::Sent, Bounds { faults: 1, ..NOTHING });
    assert_eq!(broken, Claim::NothingIsStranded);
}

#[test]
fn a_retry_of_the_same_round_is_swallowed() {
    let broken = broken_without(Guard::Round, Start::Failed, Bounds { clicks: 1, ..NOTHING });
    assert_eq!(broken, Claim::NoRetryIsSwallowed);
}

#[test]
fn an_attempt_that_a_batch_asks_for_twice_would_be_made_twice() {
    let broken = broken_without(Guard::Dedupe, Start::Sent, Bounds { faults: 1, ..NOTHING });
    assert_eq!(broken, Claim::WithoutCauseNoRequestIsLost);
}

#[test]
fn a_retry_is_swallowed_beside_an_earlier_message_in_its_batch() {
    let broken = broken_without(Guard::DedupeByRound, Start::Failed, Bounds { faults: 1, clicks: 1, ..NOTHING });
    assert_eq!(broken, Claim::NoRetryIsSwallowed);
}

#[test]
fn a_message_that_was_received_before_and_gives_way_to_a_repetition_leaves_no_follow_up() {
    let broken = broken_without(Guard::DedupeKeepsOlder, Start::Sent, Bounds { faults: 2, ..NOTHING });
    assert_eq!(broken, Claim::OnlyWhatIsLostIsSwept);
}

#[test]
fn a_probe_of_a_version_that_has_passed_leaves_no_message_if_it_stands_for_another() {
    let bounds = Bounds { clicks: 2, switches: 1, ..NOTHING };
    let broken = broken_without(Guard::DedupeByProbe, Start::FailedAndAccepted, bounds);
    assert_eq!(broken, Claim::OnlyWhatIsLostIsSwept);
}

#[test]
fn an_erasure_of_the_event_alone_leaves_what_is_on_the_queue_to_be_sent() {
    let broken = broken_without(Guard::EraseDelivery, Start::Sent, ERASED);
    assert_eq!(broken, Claim::NothingIsSentOfTheErased);
}

#[test]
fn while_the_delivery_is_erased_and_not_yet_the_event_a_repeated_completion_sends_it() {
    let broken = broken_without(Guard::TombstoneFirst, Start::Failed, Bounds { faults: 2, ..ERASED });
    assert_eq!(broken, Claim::NothingIsSentOfTheErased);
}

#[test]
fn a_completion_that_is_repeated_after_the_erasure_would_be_sent() {
    let broken = broken_without(Guard::Tombstone, Start::Sent, Bounds { faults: 2, ..ERASED });
    assert_eq!(broken, Claim::NothingIsSentOfTheErased);
}

#[test]
fn a_dispatcher_that_does_not_see_the_erasure_calls_the_event_expired() {
    let broken = broken_without(Guard::SeesErasure, Start::Retrying, ERASED);
    assert_eq!(broken, Claim::OnlyTheExpiredAreCalledExpired);
}

#[test]
fn an_attempt_that_needs_no_body_is_made_without_one() {
    let broken = broken_without(Guard::NeedsBody, Start::Retrying, EXPIRED);
    assert_eq!(broken, Claim::NothingIsSentWithoutABody);
}

#[test]
fn without_a_second_look_a_delivery_is_cancelled_whose_event_was_not_seen() {
    let broken = broken_without(Guard::LookAgainForEvent, Start::Retrying, Bounds { faults: 1, ..NOTHING });
    assert_eq!(broken, Claim::OnlyTheExpiredAreCalledExpired);
}

#[test]
fn a_second_look_that_does_not_read_the_event_sends_what_was_erased() {
    let broken = broken_without(Guard::ReadEventAgain, Start::Retrying, Bounds { faults: 1, ..ERASED });
    assert_eq!(broken, Claim::NothingIsSentWithoutABody);
}

#[test]
fn an_attempt_that_is_recorded_after_the_erasure_brings_an_answer_back() {
    let broken = broken_without(Guard::LaterAnswers, Start::Sent, ERASED);
    assert_eq!(broken, Claim::NoAnswerOutlivesTheErasure);
}

#[test]
fn what_the_dispatcher_cancels_before_the_erasure_comes_to_it_keeps_earlier_answers() {
    let broken = broken_without(Guard::EarlierAnswers, Start::Retrying, ERASED);
    assert_eq!(broken, Claim::NoAnswerOutlivesTheErasure);
}

#[test]
fn an_erased_delivery_that_begins_a_round_is_held_and_does_not_end() {
    let bounds = Bounds { clicks: 1, switches: 1, ..ERASED };
    let broken = broken_without(Guard::ErasureIsFinal, Start::Failed, bounds);
    assert_eq!(broken, Claim::TheErasedIsFinished);
}
