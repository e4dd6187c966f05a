//! Tests of [`record`], also after another dispatcher has recorded something.

use super::*;

fn statuses(delivery: &Delivery) -> Vec<u16> {
    delivery.attempts.iter().filter_map(|attempt| attempt.outcome.http_status()).collect()
}

#[test]
fn a_failure_is_recorded_with_what_it_was_made_for() {
    let change = Change::Attempted(Made {
        attempt: attempt(503),
        verdict: Verdict::RetryAt(LATER),
        epoch: 7,
        wait: Some(90),
        last_success: Some(NOW),
        watch: true,
    });
    let Write { delivery, mark, watch, .. } =
        record(&asking(0, 2), Some(stored(State::Retrying, 0, 1)), &change).unwrap();
    assert_eq!((delivery.state, delivery.tries, delivery.next_attempt_at), (State::Retrying, 2, Some(LATER)));
    assert_eq!((statuses(&delivery), delivery.version), (vec![503, 503], 1), "the version is the one that was read");
    let mark = mark.unwrap();
    assert_eq!((mark.round, mark.number, mark.epoch, mark.probe), (0, 2, 7, false));
    assert_eq!((mark.wait, mark.last_success, watch), (Some(90), Some(NOW), true));
}

#[test]
fn a_success_and_a_last_failure_finish_the_delivery() {
    for (change, state) in [(succeeded(), State::Delivered), (made(410, Verdict::Failed), State::Failed)] {
        let Write { delivery, mark, .. } = record(&asking(0, 2), Some(stored(State::Retrying, 0, 1)), &change).unwrap();
        assert_eq!((delivery.state, delivery.tries, delivery.next_attempt_at), (state, 2, None));
        assert!(mark.is_some());
    }
}

#[test]
fn what_was_held_is_retrying_once_it_was_attempted() {
    let Write { delivery, .. } = record(&asking(0, 3), Some(stored(State::Held, 0, 2)), &failed()).unwrap();
    assert_eq!((delivery.state, delivery.tries, delivery.next_attempt_at), (State::Retrying, 3, Some(LATER)));
}

#[test]
fn a_failed_probe_leaves_the_delivery_held_and_uses_up_none_of_the_schedule() {
    for change in [failed(), made(503, Verdict::Failed)] {
        for state in [State::Pending, State::Retrying, State::Held] {
            let before = stored(state, 0, 2);
            let Write { delivery, mark, watch, .. } = record(&before.probe(), Some(before), &change).unwrap();
            assert_eq!((delivery.state, delivery.tries, delivery.next_attempt_at), (State::Held, 2, None), "{state:?}");
            assert_eq!(statuses(&delivery).len(), 3, "{state:?}");
            assert!(mark.is_some_and(|mark| mark.probe) && watch, "{state:?}");
        }
    }
}

#[test]
fn a_probe_that_succeeds_delivers() {
    let held = stored(State::Held, 0, 2);
    let Write { delivery, .. } = record(&held.probe(), Some(held), &succeeded()).unwrap();
    assert_eq!(delivery.state, State::Delivered);
}

#[test]
fn each_probe_of_an_attempt_is_marked_with_another_number() {
    let number = |held: &Delivery| record(&held.probe(), Some(held.clone()), &failed()).unwrap().mark.unwrap().number;
    let held = stored(State::Held, 0, 2);
    let probed = Delivery { version: held.version + 1, ..held.clone() };
    assert_ne!(number(&held), number(&probed));
}

#[test]
fn a_success_whose_attempt_another_dispatcher_recorded_as_failed_is_merged() {
    for state in [State::Retrying, State::Held, State::Failed, State::Cancelled] {
        let Write { delivery, mark, watch, .. } = record(&first(), Some(stored(state, 0, 1)), &succeeded()).unwrap();
        assert_eq!((delivery.state, delivery.next_attempt_at), (State::Delivered, None), "{state:?}");
        assert_eq!((statuses(&delivery), delivery.tries), (vec![503, 204], 1), "{state:?}");
        assert!(mark.is_none() && !watch, "statistics and health have counted this attempt");
    }
}

#[test]
fn a_success_of_an_older_round_is_added_and_leaves_the_newer_round_as_it_is() {
    for state in [State::Pending, State::Retrying, State::Held, State::Failed, State::Cancelled] {
        let newer = stored(state, 1, 1);
        let Write { delivery, mark, .. } = record(&asking(0, 1), Some(newer.clone()), &succeeded()).unwrap();
        assert_eq!(statuses(&delivery), [503, 204], "{state:?}");
        assert_eq!(Delivery { attempts: newer.attempts.clone(), ..delivery }, newer, "{state:?}");
        assert!(mark.is_none(), "{state:?}");
    }
}

#[test]
fn a_failure_that_came_too_late_is_not_recorded() {
    for change in [failed(), made(410, Verdict::Failed)] {
        for superseding in
            [stored(State::Retrying, 0, 1), stored(State::Delivered, 0, 1), stored(State::Retrying, 1, 0)]
        {
            assert_eq!(record(&first(), Some(superseding), &change), None);
        }
    }
}

#[test]
fn an_attempt_that_was_claimed_or_held_meanwhile_is_recorded_on_top_of_that() {
    for state in [State::Pending, State::Held] {
        let changed = Delivery { version: 5, ..stored(state, 0, 0) };
        let Write { delivery, mark, .. } = record(&first(), Some(changed), &failed()).unwrap();
        assert_eq!((delivery.state, delivery.tries, delivery.version), (State::Retrying, 1, 5));
        assert_eq!(mark.unwrap().number, 6);
    }
}

#[test]
fn a_hold_is_watched_and_marks_no_attempt() {
    let Write { delivery, mark, watch, .. } = record(&first(), None, &Change::Held).unwrap();
    assert_eq!((delivery.state, delivery.tries, delivery.version), (State::Held, 0, 0));
    assert!(mark.is_none() && watch);
}

#[test]
fn a_superseded_hold_is_made_again_if_the_delivery_still_waits_for_that_attempt() {
    let held = |stored| record(&asking(0, 2), Some(stored), &Change::Held).map(|write| write.delivery);
    let claimed = Delivery { version: 9, ..stored(State::Retrying, 0, 1) };
    let delivery = held(claimed).unwrap();
    assert_eq!((delivery.state, delivery.next_attempt_at, delivery.version), (State::Held, None, 9));
    for other in [stored(State::Held, 0, 1), stored(State::Retrying, 0, 2), stored(State::Delivered, 0, 2)] {
        assert_eq!(held(other), None);
    }
    assert_eq!(held(stored(State::Retrying, 1, 1)), None, "a newer round has begun");
}

#[test]
fn a_round_that_begins_while_the_circuit_is_open_is_held() {
    let Write { delivery, .. } = record(&asking(1, 1), Some(stored(State::Failed, 0, 3)), &Change::Held).unwrap();
    assert_eq!((delivery.round, delivery.state, delivery.tries, delivery.version), (1, State::Held, 0, 3));
}

#[test]
fn cancelling_finishes_whatever_is_unfinished_and_nothing_else() {
    let cancelled =
        |delivery| record(&first(), delivery, &Change::Cancelled(Reason::Deleted)).map(|write| write.delivery.state);
    assert_eq!(cancelled(None), Some(State::Cancelled));
    for state in State::STORED {
        let expected = (!state.is_finished()).then_some(State::Cancelled);
        assert_eq!(cancelled(Some(stored(state, 0, 0))), expected, "{state:?}");
    }
    assert_eq!(cancelled(Some(stored(State::Retrying, 1, 1))), None, "a newer round has begun");
}

#[test]
fn a_claim_changes_nothing_but_the_version() {
    let waiting = stored(State::Retrying, 0, 1);
    let Write { delivery, mark, watch, .. } = record(&asking(0, 2), Some(waiting.clone()), &Change::Claimed).unwrap();
    assert_eq!((delivery, mark, watch), (waiting, None, false));
}

#[test]
fn a_claim_stores_a_delivery_of_which_nothing_is_stored() {
    let delivery = record(&first(), None, &Change::Claimed).unwrap().delivery;
    assert_eq!((delivery.state, delivery.task_id.as_str(), delivery.version), (State::Pending, "t", 0));
}

#[test]
fn a_claimed_probe_is_held_so_that_a_drain_finds_it() {
    for state in [State::Pending, State::Retrying, State::Held] {
        let waiting = stored(state, 0, 1);
        let Write { delivery, watch, .. } = record(&waiting.probe(), Some(waiting), &Change::Claimed).unwrap();
        assert_eq!((delivery.state, delivery.next_attempt_at, watch), (State::Held, None, true), "{state:?}");
    }
}

#[test]
fn an_attempt_that_is_recorded_cannot_be_claimed() {
    for made in [stored(State::Retrying, 0, 1), stored(State::Delivered, 0, 1), stored(State::Pending, 1, 0)] {
        assert_eq!(record(&first(), Some(made), &Change::Claimed), None);
    }
}

#[test]
fn of_a_delivery_that_is_no_longer_kept_only_a_success_is_recorded() {
    for change in [failed(), Change::Held, Change::Claimed] {
        assert_eq!(record(&asking(0, 2), None, &change), None);
    }
    assert_eq!(record(&asking(0, 2), None, &succeeded()).unwrap().delivery.state, State::Delivered);
}

#[test]
fn what_a_receiver_answers_after_its_event_was_erased_is_not_recorded() {
    let erased = stored(State::Retrying, 0, 1).erased().unwrap();
    let Change::Attempted(mut made) = succeeded() else { unreachable!() };
    made.attempt.outcome = Outcome::Http { http_status: 200, response: "you sent: secret".into(), redirect: None };
    let delivery = record(&asking(0, 2), Some(erased), &Change::Attempted(made)).unwrap().delivery;
    assert_eq!(delivery.attempts.last(), Some(&attempt(200)));
}

#[test]
fn what_receivers_answered_before_the_erasure_goes_when_the_dispatcher_cancels_the_delivery_first() {
    let mut delivery = stored(State::Retrying, 0, 1);
    let outcome = Outcome::Http { http_status: 503, response: "you sent: secret".into(), redirect: None };
    delivery.attempts = vec![Attempt { outcome, ..attempt(503) }];
    let cancelled = record(&asking(0, 2), Some(delivery), &Change::Cancelled(Reason::Erased)).unwrap().delivery;
    assert_eq!(cancelled.attempts, [attempt(503)]);
    assert_eq!(cancelled.erased(), None, "so the erasure itself finds nothing to do");
}

#[test]
fn of_a_round_that_was_decided_before_the_erasure_only_a_success_is_recorded_after_it() {
    for state in [State::Delivered, State::Failed, State::Cancelled] {
        let erased = || stored(state, 0, 1).erased();
        for change in [failed(), Change::Held, Change::Claimed, Change::Cancelled(Reason::Erased)] {
            assert_eq!(record(&asking(1, 1), erased(), &change), None, "{state:?} {change:?}");
        }
        let delivery = record(&asking(1, 1), erased(), &succeeded()).unwrap().delivery;
        assert_eq!((delivery.round, delivery.state), (1, State::Delivered), "{state:?}");
    }
}

#[test]
fn a_write_is_known_again_after_another_dispatcher_has_added_its_own_attempt() {
    let at = |millisecond| Timestamp::from_millisecond(millisecond).unwrap();
    let made = |attempt| match succeeded() {
        Change::Attempted(made) => Change::Attempted(Made { attempt, ..made }),
        other => other,
    };
    let [own, other, late] = [1, 2, 3].map(|millisecond| Attempt { started_at: at(millisecond), ..attempt(204) });
    let write = record(&first(), Some(stored(State::Pending, 0, 0)), &made(own)).unwrap();
    let first_stored = Delivery { version: write.delivery.version + 1, ..write.delivery.clone() };
    assert!(write.is_stored_in(&first_stored));

    let merged = record(&first(), Some(first_stored.clone()), &made(other)).unwrap();
    assert!(!merged.is_stored_in(&first_stored));
    let both_stored = Delivery { version: merged.delivery.version + 1, ..merged.delivery.clone() };
    assert!(write.is_stored_in(&both_stored) && merged.is_stored_in(&both_stored));

    let third = record(&first(), Some(both_stored.clone()), &made(late)).unwrap();
    assert!(!third.is_stored_in(&both_stored));
}

#[test]
fn a_claim_is_not_known_again_because_another_dispatchers_looks_the_same() {
    let waiting = stored(State::Retrying, 0, 1);
    let claim = || record(&asking(0, 2), Some(waiting.clone()), &Change::Claimed).unwrap();
    assert_eq!(claim(), claim());
    assert!(!claim().is_stored_in(&Delivery { version: waiting.version + 1, ..waiting.clone() }));
}
