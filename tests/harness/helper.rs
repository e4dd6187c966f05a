//! Helper processes that run to their end while the stack comes up: pip, cargo, the deployment, the operator's command.
//!
//! They are recorded while they run, so that Ctrl-C in a slow step leaves no process behind.

use std::{
    io::{self, Write as _},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::process::{Pid, Signal, kill_process};

/// The helpers that are running. `None` once they have been stopped: then none may start any more.
static RUNNING: Mutex<Option<Vec<Pid>>> = Mutex::new(Some(Vec::new()));

/// Runs a helper to its end and returns its output. Its standard error goes where the command says.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    let mut child = start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let pid = Pid::from_child(&child);
    // A helper that ends without reading its input has its own reason: its exit status says so.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
    let output = child.wait_with_output();
    if let Some(running) = lock().as_mut() {
        running.retain(|other| *other != pid);
    }
    output
}

fn start(command: &mut Command) -> io::Result<Child> {
    // The lock is held during the start: a helper either starts before `stop_helpers` and is stopped by it, or does
    // not start.
    let mut running = lock();
    let running = running.as_mut().ok_or(io::ErrorKind::Interrupted)?;
    let child = command.spawn()?;
    running.push(Pid::from_child(&child));
    Ok(child)
}

/// Ends the helpers that are running and lets no other start. Call it just before this process ends.
pub fn stop_helpers() {
    for pid in lock().take().unwrap_or_default() {
        // The helper may have ended by itself a moment ago.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// The last line that a helper wrote to standard error. By convention it says what went wrong.
pub(crate) fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    match text.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(line) => line.to_owned(),
        None => format!("it ended with {} and did not say why", output.status),
    }
}

fn lock() -> MutexGuard<'static, Option<Vec<Pid>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
