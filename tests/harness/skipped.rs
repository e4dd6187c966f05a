//! Tests that cannot run on every machine.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
};

/// If this variable is set, no test may be skipped.
const FORBIDDEN: &str = "NOTHING_SKIPPED";

/// Prints once that this machine cannot test `what`. Writes past the test runner, which hides the output of passing
/// tests. Panics if the environment has `NOTHING_SKIPPED`.
pub fn skipped(what: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    assert!(env::var_os(FORBIDDEN).is_none(), "{FORBIDDEN} is set, but this machine would skip: {what}");
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned()) {
        // If it cannot be printed, the test has still done what it could.
        let _ = writeln!(io::stderr(), "SKIPPED: {what}");
    }
}
