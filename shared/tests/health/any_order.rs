//! Any order, any repetition and any cut into batches lead to the same health.

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;
use nano_webhooks::webhook::{Circuit, RecordedAttempt, Webhook};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::records::{after, attempt, webhook};

/// An attempt, with its place in the order and in the batches.
#[derive(Debug, Clone)]
struct Placed {
    attempt: RecordedAttempt,
    place: u64,
    ends_batch: bool,
    repeated_at: Option<Index>,
}

/// Attempts of few deliveries in few seconds, so that conflicts occur: equal times, long attempts, 410 and
/// `Retry-After`.
fn placed(kinds: impl Strategy<Value = u8>) -> impl Strategy<Value = Placed> {
    let attempt = (0_u64..8, 0_u64..40, 0_u64..3_000, kinds, any::<Option<bool>>()).prop_map(
        |(of, at, duration_ms, kind, evidence)| {
            let status = [500, 200, 410, 429][usize::from(kind)];
            let mut attempt = attempt(of, at, status);
            attempt.wait = (kind == 3).then_some(Duration::from_secs(60 + at * 7 % 60));
            attempt.attempt.duration_ms = duration_ms / 500 * 500;
            attempt.last_success = evidence
                .filter(|is| *is && kind != 1 && at % 7 == 0)
                .map(|_| attempt.attempt.started_at - Duration::from_secs(1));
            attempt
        },
    );
    (attempt, any::<u64>(), any::<bool>(), any::<Option<Index>>()).prop_map(
        |(attempt, place, ends_batch, repeated_at)| Placed {
            attempt,
            place,
            ends_batch,
            repeated_at: repeated_at.filter(|_| place % 3 == 0),
        },
    )
}

/// Mostly failures, so that circuits open.
fn kinds() -> impl Strategy<Value = u8> {
    prop_oneof![20 => Just(0), 2 => Just(1), 1 => Just(2), 1 => Just(3)]
}

/// Keeps one attempt of each name: two with the same name would be the same record.
fn named(attempts: impl IntoIterator<Item = RecordedAttempt>) -> Vec<RecordedAttempt> {
    let mut seen = HashSet::new();
    attempts.into_iter().filter(|it| seen.insert((it.event_id.clone(), it.round, it.number))).collect()
}

/// The batches in the shuffled order, with repetitions.
fn batches(placed: &[Placed], attempts: &[RecordedAttempt]) -> Vec<Vec<RecordedAttempt>> {
    let mut shuffled: Vec<_> = placed.iter().filter(|it| attempts.contains(&it.attempt)).collect();
    shuffled.sort_by_key(|placed| placed.place);
    let mut batches = vec![Vec::new()];
    for placed in shuffled {
        let last = batches.last_mut().expect("there is one");
        last.push(placed.attempt.clone());
        if placed.ends_batch {
            batches.push(Vec::new());
        }
    }
    for placed in placed {
        if let Some(index) = &placed.repeated_at {
            let (from, to) = (index.index(batches.len()), index.index(batches.len() + 1));
            let batch = batches[from].clone();
            batches.insert(to.max(from), batch);
        }
    }
    batches
}

/// Everything that decides, which must be the same.
fn decides(webhook: &Webhook) -> impl PartialEq + std::fmt::Debug {
    let health = webhook.health();
    let disabled = health.disabled.map(|disabled| disabled.began_at);
    (health.circuit == Circuit::Open, health.failures, health.succeeded_at, health.last_failed_at, disabled)
}

/// The expected result, computed from all attempts together: since when every attempt fails, and how many did.
fn truth(attempts: &[RecordedAttempt]) -> (Option<Timestamp>, u64) {
    let is_success = |it: &&RecordedAttempt| it.attempt.outcome.is_success();
    let ends = attempts.iter().filter(is_success).map(RecordedAttempt::ended_at);
    let last = ends.chain(attempts.iter().filter_map(|it| it.last_success)).max();
    let failed = attempts.iter().filter(|it| !is_success(it)).map(|it| it.attempt.started_at);
    let since: Vec<_> = failed.filter(|began| Some(*began) > last).collect();
    (since.iter().min().copied(), since.len() as u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn health_does_not_depend_on_order_repetition_or_batches(placed in vec(placed(kinds()), 1..60)) {
        let attempts = named(placed.iter().map(|it| it.attempt.clone()));
        let at_once = after(&webhook(), attempts.clone());
        let mut in_batches = webhook();
        let mut was_open = false;
        for batch in batches(&placed, &attempts) {
            in_batches = after(&in_batches, batch);
            was_open |= in_batches.circuit() == Circuit::Open;
            prop_assert!(!was_open || in_batches.circuit() != Circuit::Closed, "what was held is stranded");
        }
        prop_assert_eq!(decides(&at_once), decides(&in_batches));

        let (since, count) = truth(&attempts);
        prop_assert_eq!((at_once.health().failing_since, at_once.health().consecutive_failures), (since, count));
        let shown = in_batches.health();
        prop_assert!(shown.consecutive_failures <= count, "a failure is never counted twice");
        prop_assert!(shown.consecutive_failures >= count.min(10));
        prop_assert_eq!(shown.failing_since.is_some(), since.is_some());
        prop_assert!(shown.failing_since >= since);
        if attempts.len() <= 10 {
            prop_assert_eq!((shown.failing_since, shown.consecutive_failures), (since, count));
        }
    }
}
