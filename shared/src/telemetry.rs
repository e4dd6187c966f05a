//! Logs, metrics and traces of a function: its log lines are here, the dashboard's and the alarms' numbers in
//! [`metrics`], traces in [`trace`].
//!
//! On AWS a log line is one JSON object. `docs/logs.md` lists the lines and their fields; operators' queries rely on
//! them.

pub mod attempt_line;
pub mod metrics;
pub mod trace;

use std::{
    env,
    error::Error,
    io::{self, Write as _},
};

use lambda_runtime::tracing::subscriber::{self, filter::LevelFilter};
use serde::Serialize;
use tracing::Level;

/// The finest level that is logged, whatever the environment says. At finer levels the runtime and the SDK log whole
/// requests, with API keys and secrets.
const FINEST: LevelFilter = LevelFilter::INFO;

/// Sends the logs to standard output, in the format of `AWS_LAMBDA_LOG_FORMAT` and at the level of `LOG_LEVEL`. Call
/// it first.
///
/// The runtime's own subscriber is not used because it also reads `RUST_LOG`. Lambda's own log level setting is not
/// used because Lambda would then drop the records of [`metrics`], which have no level.
pub fn init() {
    let variable = |name| env::var(name).unwrap_or_default();
    let level = level(&variable("LOG_LEVEL"));
    let lines = subscriber::fmt().with_max_level(level).with_target(false);
    if variable("AWS_LAMBDA_LOG_FORMAT").eq_ignore_ascii_case("json") {
        // With a time: Lambda treats a line without one as level INFO, whatever it says, and filters by that. Flat,
        // so that a query can name a field directly. Without the runtime's span, which would be half of each line.
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    } else {
        lines.without_time().init();
    }
}

/// Writes lines of level INFO, if that level is logged. Each is a JSON object, in every format, with its own
/// `timestamp` and `level`. All are written in one system call: one call for each line would be a thirtieth of a
/// delivery's cost. Lines that cannot be written are lost, since there is nowhere to report that.
pub fn write(lines: impl Iterator<Item = impl Serialize>) {
    if !tracing::enabled!(Level::INFO) {
        return;
    }
    let mut text = Vec::new();
    for line in lines {
        let _ = serde_json::to_writer(&mut text, &line);
        text.push(b'\n');
    }
    let _ = io::stdout().write_all(&text);
}

/// Parses a level's name. Returns [`FINEST`] for an unknown name and for any finer level.
fn level(name: &str) -> LevelFilter {
    if name.is_empty() { FINEST } else { name.parse().map_or(FINEST, |level: LevelFilter| level.min(FINEST)) }
}

/// Joins an error and all its causes on one line. A text that comes twice in a row is written once: the SDK says an answer
/// that it has a type for twice.
pub fn chain(err: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(err), |cause| (*cause).source());
    let mut causes: Vec<_> = causes.map(ToString::to_string).collect();
    causes.dedup();
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_level_is_finer_than_info() {
        for name in ["INFO", "DEBUG", "TRACE", "debug", "5", "FATAL", "nano_webhooks=trace", ""] {
            assert_eq!(level(name), LevelFilter::INFO, "{name}");
        }
        assert_eq!(level("WARN"), LevelFilter::WARN);
        assert_eq!(level("ERROR"), LevelFilter::ERROR);
    }
}
