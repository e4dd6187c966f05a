//! The end-to-end tests: one module for each flow, all against one shared stack.
//!
//! A test uses the stack only as a customer, a producer or a receiver would. Each test has its own account, so that
//! tests can run at the same time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod alarms;
mod api;
mod bytes;
mod callback;
mod changes;
mod circuit;
mod clients;
mod console;
mod delivery;
mod deploying;
mod deployments;
mod disabling;
mod events;
mod faults;
mod fields;
mod fuzz;
mod history;
mod hostile;
mod isolation;
mod listen;
mod mailbox;
mod manage_keys;
mod max_per_minute;
mod observed;
mod operator;
mod outage;
mod producers;
mod receivers;
mod recovering;
mod recovery;
mod rehearsal;
mod release;
mod repeated;
mod resend;
mod retry_after;
mod rotation;
mod runbook;
mod running;
mod secrets;
mod slow_table;
mod standard_webhooks;
mod static_headers;
mod stats;
mod throttling;
mod upgrades;

use std::{fs, path::PathBuf, sync::LazyLock};

use harness::{ApiKey, Options, Receiver, Stack, workspace};
use rustix::process::{Pid, test_kill_process};

/// The stack under test. It starts with the first test that needs it and ends with the process.
static STACK: LazyLock<Stack> = LazyLock::new(|| {
    let options = Options { folder: folder_of_this_run(), schedules_every_seconds: Some(2), ..Options::default() };
    Stack::start(&options, &|step| eprintln!("{step} …")).unwrap_or_else(|failure| panic!("{failure}"))
});

/// The receiver that all tests share; each test uses its own paths.
static RECEIVER: LazyLock<Receiver> = LazyLock::new(|| Receiver::start().unwrap_or_else(|failure| panic!("{failure}")));

/// A key for a test's account.
fn key_for(account_id: &str) -> ApiKey {
    STACK.create_api_key(account_id).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Returns `target/e2e/<process id>`, so that two runs at the same time use different folders. Removes the folders of
/// runs that have ended.
fn folder_of_this_run() -> PathBuf {
    let runs = workspace().join("target/e2e");
    for run in fs::read_dir(&runs).into_iter().flatten().flatten() {
        let process = run.file_name().to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
        if process.is_none_or(|process| test_kill_process(process).is_err()) {
            let _ = fs::remove_dir_all(run.path());
        }
    }
    runs.join(std::process::id().to_string())
}
