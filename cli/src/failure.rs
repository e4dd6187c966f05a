//! Why a command failed, and its exit code.

use std::{error::Error, process::ExitCode};

use nano_webhooks::telemetry;

/// Why a command ended without success. The exit codes are part of the interface, and `--help` lists them.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit code 1: the command was tried and failed.
    Failed(String),
    /// Exit code 2: the command was not tried, because its arguments are wrong or it needs a confirmation.
    Wrong(String),
    /// Exit code 3: a named object does not exist.
    NotFound(String),
    /// Exit code 4: a check of `doctor` failed. The report has the details.
    Unhealthy,
    /// Exit code 130: interrupted by Ctrl-C.
    Interrupted,
    /// Exit code 0: the reader of standard output has closed it, as in `… | head`.
    Unread,
}

impl Failure {
    /// Returns the exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Wrong(_) => 2,
            Self::NotFound(_) => 3,
            Self::Unhealthy => 4,
            Self::Interrupted => 130,
            Self::Unread => 0,
        })
    }

    /// The error message; `None` if the failure needs none.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Failed(text) | Self::Wrong(text) | Self::NotFound(text) => Some(text),
            Self::Unhealthy | Self::Interrupted | Self::Unread => None,
        }
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(err: E) -> Self {
        Self::Failed(telemetry::chain(&err))
    }
}
