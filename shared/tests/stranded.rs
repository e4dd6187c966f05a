//! No held delivery and no resend is stranded: whatever the interleaving of attempts, holds, stream batches, release's
//! runs, resends and changes of the webhook, in the end every delivery is delivered, every resend that was not stopped is
//! done, and the circuit is closed.
//!
//! `stranded/service.rs` simulates the service around one webhook, with the library's own decisions: the protocol,
//! the fold of the webhook's health, and release's probes, drains and resends. Each test removes one guard against
//! stranded deliveries and resends, or none.

#[path = "stranded/release.rs"]
mod release;
#[path = "stranded/service.rs"]
mod service;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::service::{Guard, Service, Step};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::NewDelivery),
        3 => Just(Step::NewHeldDelivery),
        10 => any::<u8>().prop_map(Step::Receive),
        10 => any::<u8>().prop_map(Step::Finish),
        5 => (1_u8..20, any::<bool>()).prop_map(|(records, repeats)| Step::Fold { records, repeats }),
        4 => any::<bool>().prop_map(|late| Step::BeginRelease { late }),
        4 => any::<bool>().prop_map(|dies| Step::EndRelease { dies }),
        5 => (1_u8..120).prop_map(Step::Wait),
        2 => any::<bool>().prop_map(Step::Endpoint),
        1 => Just(Step::Disable),
        2 => Just(Step::Enable),
        1 => Just(Step::ChangeUrl),
        1 => Just(Step::AskForProbe),
        2 => any::<u8>().prop_map(Step::Retry),
        2 => Just(Step::Resend),
        1 => Just(Step::StopResend),
    ];
    vec(step, 0..300)
}

/// Runs many random journeys, the same ones each time. Returns the error of the first that strands a delivery.
fn stranded_without(guard: Option<Guard>, journeys: u32) -> Option<String> {
    // A counterexample for a removed guard need not be short: its existence is enough.
    let max_shrink_iters = if guard.is_none() { 10_000 } else { 0 };
    let config = Config { cases: journeys, max_shrink_iters, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let stranded = runner.run(&steps(), |steps| Service::new(guard).take(&steps).map_err(TestCaseError::fail));
    stranded.err().map(|stranded| stranded.to_string())
}

#[test]
fn in_the_end_everything_that_was_held_is_delivered() {
    if let Some(stranded) = stranded_without(None, 150) {
        panic!("{stranded}");
    }
}

/// The customer asks for a retry of a delivered delivery while the circuit is open. That message waits on the queue
/// until the circuit has closed. Then the attempt fails, and its delivery is held.
#[test]
fn without_the_holds_that_set_a_closed_circuit_recovering_a_probe_that_comes_late_is_stranded() {
    use Step::{AskForProbe, BeginRelease, EndRelease, Endpoint, Finish, Fold, NewDelivery, Receive, Retry, Wait};
    let delivery = [NewDelivery, Receive(0), Finish(0)];
    let release = [BeginRelease { late: false }, EndRelease { dies: false }, Wait(100)];
    let fold = Fold { records: 9, repeats: false };
    let journey = [
        delivery.as_slice(),
        &[Endpoint(false)],
        &delivery.repeat(3),
        &[fold, Retry(0), AskForProbe],
        &release.repeat(5),
        // The three other deliveries' next attempts are before it in the queue.
        &[Receive(3), Finish(0), fold],
    ];
    let journey = journey.concat();
    assert_eq!(Service::new(None).take(&journey), Ok(()));
    assert!(Service::new(Some(Guard::HeldRecovers)).take(&journey).is_err());
}

#[test]
fn without_the_condition_on_what_release_has_read_something_is_stranded() {
    assert_is_stranded_without(Guard::PaceCondition);
}

#[test]
fn with_one_search_that_found_nothing_a_drain_ends_too_early_and_something_is_stranded() {
    assert_is_stranded_without(Guard::TwoSearches);
}

/// release finds that nothing is to be done. Before it writes that, the customer asks for a resend.
#[test]
fn without_the_condition_on_the_resend_that_release_has_read_a_new_one_is_stranded() {
    use Step::{BeginRelease, EndRelease, Resend, StopResend, Wait};
    let journey =
        [Resend, StopResend, Wait(1), BeginRelease { late: false }, Resend, EndRelease { dies: false }, Wait(100)];
    assert_eq!(Service::new(None).take(&journey), Ok(()));
    assert!(Service::new(Some(Guard::ResendCondition)).take(&journey).is_err());
}

#[test]
fn without_the_time_that_a_change_sets_something_is_stranded() {
    assert_is_stranded_without(Guard::ActionTime);
}

fn assert_is_stranded_without(guard: Guard) {
    assert!(stranded_without(Some(guard), 2_000).is_some(), "{guard:?} is missed");
}
