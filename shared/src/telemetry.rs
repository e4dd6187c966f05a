//! What operators see of a function: its log lines, here; [`metrics`] for the dashboard and the alarms; and [`trace`]s.
//!
//! On AWS a log line is one JSON object. `docs/logs.md` lists the lines and their fields, which operators' queries rely on.

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

/// The finest level that there is, whatever the environment says. Below it the runtime and the SDK log requests as they
/// are, with API keys and secrets.
const FINEST: LevelFilter = LevelFilter::INFO;

/// Sends the logs to standard output, in the format of `AWS_LAMBDA_LOG_FORMAT` and from the level of `LOG_LEVEL` on. Call it
/// first.
///
/// The runtime has a subscriber of its own, but that one heeds `RUST_LOG`, too. And the level is not Lambda's own setting:
/// Lambda would then drop the records of [`metrics`], which have none.
pub fn init() {
    let variable = |name| env::var(name).unwrap_or_default();
    let level = level(&variable("LOG_LEVEL"));
    let lines = subscriber::fmt().with_max_level(level).with_target(false);
    if variable("AWS_LAMBDA_LOG_FORMAT").eq_ignore_ascii_case("json") {
        // With their time: Lambda takes a line that has none for one of level INFO, whatever it says, and filters by that.
        // Flat, so that a query names a field by its name alone; and without the runtime's span, which is half of a line.
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    } else {
        lines.without_time().init();
    }
}

/// Writes lines of level INFO, where that is logged at all: each a JSON object, whatever the format, with a `timestamp` and a
/// `level` of its own. They go out together, because a call of the system for each would be a thirtieth of what a delivery
/// costs. Lines that cannot be written are lost: there is nowhere to say so.
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

/// The level of this name, but none finer than [`FINEST`], which is also the level of no name.
fn level(name: &str) -> LevelFilter {
    if name.is_empty() { FINEST } else { name.parse().map_or(FINEST, |level: LevelFilter| level.min(FINEST)) }
}

/// An error and everything that caused it, on one line.
pub fn chain(err: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(err), |cause| (*cause).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
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
