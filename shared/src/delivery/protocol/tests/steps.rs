//! Tests of [`step`].

use super::*;

fn is_attempt(step: &Step) -> bool {
    matches!(step, Step::Attempt { .. })
}

#[track_caller]
fn assert_done(step: &Step) {
    assert!(matches!(step, Step::Done), "{step:?}");
}

#[track_caller]
fn assert_looks_again(step: &Step) {
    assert!(matches!(step, Step::LookAgain), "{step:?}");
}

/// The delivery's state and the change of a step that records without an attempt.
#[track_caller]
fn recorded(step: Step) -> (State, Change) {
    match step {
        Step::Record { delivery, change } => (delivery.state, change),
        step => panic!("{step:?}"),
    }
}

#[test]
fn a_new_delivery_is_attempted_after_one_look() {
    match step(&first(), None, Some(webhook()), GLANCE) {
        Step::Attempt { delivery, claim, .. } => {
            assert_eq!((delivery.state, delivery.tries, delivery.version), (State::Pending, 0, 0));
            assert_eq!((delivery.task_id.as_str(), claim), ("t", false));
        }
        step => panic!("{step:?}"),
    }
}

#[test]
fn the_attempt_that_a_delivery_waits_for_is_made() {
    for (state, tries) in [(State::Pending, 0), (State::Retrying, 2), (State::Held, 0), (State::Held, 3)] {
        match step(&asking(0, tries + 1), Some(stored(state, 0, tries)), Some(webhook()), LOOK) {
            Step::Attempt { delivery, claim, .. } => assert_eq!((delivery.task_id.as_str(), claim), ("t", false)),
            step => panic!("{state:?}: {step:?}"),
        }
    }
}

#[test]
fn a_message_of_an_older_round_is_done() {
    for state in State::STORED {
        for message in [asking(0, 1), asking(0, 4), Message { probe: Some(1), ..asking(0, 1) }] {
            assert_done(&step(&message, Some(stored(state, 1, 1)), Some(webhook()), GLANCE));
        }
    }
}

#[test]
fn a_message_of_a_finished_round_is_done() {
    for state in State::STORED.into_iter().filter(|state| state.is_finished()) {
        for attempt in 1..4 {
            assert_done(&step(&asking(0, attempt), Some(stored(state, 0, 2)), Some(webhook()), LOOK_AGAIN));
        }
    }
}

#[test]
fn a_message_of_a_newer_round_begins_it_whatever_became_of_the_last() {
    for state in State::STORED {
        match step(&asking(1, 1), Some(stored(state, 0, 3)), Some(webhook()), LOOK) {
            Step::Attempt { delivery, .. } => {
                assert_eq!((delivery.round, delivery.state, delivery.tries), (1, State::Pending, 0), "{state:?}");
                assert_eq!((delivery.attempts.len(), delivery.version), (3, 3), "{state:?}");
                assert_eq!(delivery.next_attempt_at, None, "{state:?}");
            }
            step => panic!("{state:?}: {step:?}"),
        }
    }
}

#[test]
fn a_message_for_an_earlier_attempt_is_done() {
    assert_done(&step(&asking(0, 1), Some(stored(State::Retrying, 0, 2)), Some(webhook()), LOOK_AGAIN));
}

#[test]
fn a_repeated_completion_finds_its_attempt_recorded_and_is_done() {
    assert_done(&step(&first(), Some(stored(State::Retrying, 0, 1)), Some(webhook()), GLANCE));
}

#[test]
fn a_message_that_comes_again_after_its_record_has_its_follow_up_sent() {
    match step(&first(), Some(stored(State::Retrying, 0, 1)), Some(webhook()), LOOK_AGAIN) {
        Step::FollowUp(delivery) => assert_eq!(delivery.follow_up(), without_event(asking(0, 2))),
        step => panic!("{step:?}"),
    }
}

#[test]
fn what_is_held_needs_no_follow_up() {
    let held = Delivery { next_attempt_at: None, ..stored(State::Held, 0, 1) };
    assert_done(&step(&first(), Some(held), Some(webhook()), LOOK_AGAIN));
}

#[test]
fn a_message_ahead_of_what_is_stored_is_looked_at_again_and_then_done() {
    let ahead = |look| step(&asking(0, 3), Some(stored(State::Retrying, 0, 1)), Some(webhook()), look);
    assert_looks_again(&ahead(GLANCE));
    assert_done(&ahead(LOOK_AGAIN));
}

#[test]
fn a_message_whose_delivery_and_event_are_no_longer_kept_is_looked_at_again_and_then_done() {
    for message in [without_event(asking(0, 1)), asking(0, 2), without_event(asking(0, 2))] {
        assert_looks_again(&step(&message, None, Some(webhook()), GLANCE));
        assert_done(&step(&message, None, Some(webhook()), LOOK_AGAIN));
    }
}

#[test]
fn a_delivery_whose_event_is_no_longer_kept_is_cancelled_after_a_second_look() {
    for state in [State::Pending, State::Retrying, State::Held] {
        let step = |look| step(&without_event(asking(0, 2)), Some(stored(state, 0, 1)), Some(webhook()), look);
        assert_looks_again(&step(GLANCE));
        assert_eq!(recorded(step(LOOK)).1, Change::Cancelled(Reason::Expired), "{state:?}");
    }
}

#[test]
fn a_delivery_whose_event_was_erased_is_cancelled_after_a_second_look() {
    for webhook in [webhook(), disabled(), open()] {
        let step = |look| {
            let delivery = Some(stored(State::Retrying, 0, 1));
            step(&without_event(asking(0, 2)), delivery, Some(webhook.clone()), Look { erased: true, ..look })
        };
        assert_looks_again(&step(GLANCE));
        assert_eq!(recorded(step(LOOK)).1, Change::Cancelled(Reason::Erased));
    }
}

#[test]
fn a_retry_that_comes_after_the_erasure_leaves_the_delivery_as_it_ended() {
    for state in [State::Delivered, State::Failed, State::Cancelled] {
        let erased = stored(state, 0, 1).erased();
        let look = Look { erased: true, ..LOOK };
        assert_done(&step(&without_event(asking(1, 1)), erased, Some(webhook()), look));
    }
}

#[test]
fn a_callback_to_another_origin_does_not_wait_for_the_circuit() {
    let to = |url: &str| Message { callback_url: Some(url.into()), ..first() };
    let step = |message: &Message, webhook| step(message, None, Some(webhook), LOOK);
    let elsewhere = to("https://jobs.example.net/");
    assert!(matches!(step(&elsewhere, open()), Step::Attempt { .. }));
    assert_eq!(recorded(step(&elsewhere, disabled())).1, Change::Held);
    assert_eq!(recorded(step(&to("https://a.example.com/job"), open())).1, Change::Held, "its own origin");
}

#[test]
fn a_deleted_webhooks_delivery_is_cancelled_after_a_second_look() {
    assert_looks_again(&step(&first(), None, None, GLANCE));
    let waiting = [None, Some(stored(State::Retrying, 0, 0)), Some(stored(State::Held, 0, 0))];
    for delivery in waiting {
        assert_eq!(recorded(step(&first(), delivery, None, LOOK)).1, Change::Cancelled(Reason::Deleted));
    }
}

#[test]
fn a_disabled_webhooks_delivery_is_held_after_a_second_look() {
    assert_looks_again(&step(&first(), None, Some(disabled()), GLANCE));
    assert_eq!(recorded(step(&first(), None, Some(disabled()), LOOK)), (State::Pending, Change::Held));
    let message = Message { probe: Some(1), ..asking(0, 2) };
    let of_probe = step(&message, Some(stored(State::Retrying, 0, 1)), Some(disabled()), LOOK);
    assert_eq!(recorded(of_probe), (State::Retrying, Change::Held), "a probe is made of an active webhook only");
}

#[test]
fn while_the_circuit_is_open_new_deliveries_and_retries_are_held_after_a_second_look() {
    assert_looks_again(&step(&first(), None, Some(open()), GLANCE));
    assert_eq!(recorded(step(&first(), None, Some(open()), LOOK)), (State::Pending, Change::Held));
    let retry = step(&asking(0, 2), Some(stored(State::Retrying, 0, 1)), Some(open()), LOOK);
    assert_eq!(recorded(retry), (State::Retrying, Change::Held));
}

#[test]
fn what_is_held_already_stays_held() {
    for webhook in [open(), disabled()] {
        assert_looks_again(&step(&asking(0, 2), Some(stored(State::Held, 0, 1)), Some(webhook.clone()), GLANCE));
        assert_done(&step(&asking(0, 2), Some(stored(State::Held, 0, 1)), Some(webhook), LOOK));
    }
}

#[test]
fn a_recovering_webhook_is_sent_what_comes() {
    let mut recovering = webhook();
    recovering.stored_health.circuit = Circuit::Recovering;
    assert!(is_attempt(&step(&first(), None, Some(recovering), GLANCE)));
}

#[test]
fn a_probe_is_made_although_the_circuit_is_open() {
    let held = stored(State::Held, 0, 2);
    assert!(is_attempt(&step(&loaded(held.probe()), Some(held), Some(open()), LOOK)));
}

#[test]
fn a_probe_of_another_version_is_looked_at_again_and_then_done() {
    let held = stored(State::Held, 0, 2);
    let newer = Delivery { version: held.version + 1, ..held.clone() };
    assert_looks_again(&step(&held.probe(), Some(newer.clone()), Some(open()), GLANCE));
    assert_done(&step(&held.probe(), Some(newer), Some(open()), LOOK_AGAIN));
}

#[test]
fn a_probe_that_begins_a_round_begins_it_on_top_of_any_version() {
    let failed = stored(State::Failed, 0, 2);
    let probe = loaded(failed.retried(&open()));
    let merged = Delivery { state: State::Delivered, version: failed.version + 1, ..failed };
    assert!(is_attempt(&step(&probe, Some(merged), Some(open()), LOOK)));
}

#[test]
fn a_message_that_was_received_before_claims_its_attempt() {
    let claims = |message: &Message, delivery| match step(message, delivery, Some(webhook()), LOOK_AGAIN) {
        Step::Attempt { claim, .. } => claim,
        step => panic!("{step:?}"),
    };
    assert!(claims(&first(), None));
    assert!(claims(&asking(0, 2), Some(stored(State::Retrying, 0, 1))));
    let held = stored(State::Held, 0, 2);
    assert!(claims(&loaded(held.probe()), Some(held)));
}
