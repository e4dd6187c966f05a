//! What cannot be tested everywhere.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write as _},
    sync::{Mutex, PoisonError},
};

/// Set where nothing may be skipped.
const FORBIDDEN: &str = "NOTHING_SKIPPED";

/// Says once what this machine cannot test, past the test runner, which shows nothing of a test that passes. Panics where
/// the environment has `NOTHING_SKIPPED`.
pub fn skipped(what: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    assert!(env::var_os(FORBIDDEN).is_none(), "{FORBIDDEN} is set, and this would be: {what}");
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned()) {
        // Where it cannot be said, the test has still done what it could.
        let _ = writeln!(io::stderr(), "SKIPPED: {what}");
    }
}
