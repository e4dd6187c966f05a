//! Why a command did not do what it was asked, and the exit code that says so.

use std::{error::Error, process::ExitCode};

use nano_webhooks::telemetry;

/// What a command ends with, if not with success. The numbers are part of the interface: `--help` lists them.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1: it was tried, and did not work.
    Failed(String),
    /// 2: it was not tried, since what was asked for is wrong or needs a yes.
    Wrong(String),
    /// 3: what was named is not there.
    NotFound(String),
    /// 4: `doctor` found something, and has said what.
    Unhealthy,
    /// 130: Ctrl-C.
    Interrupted,
    /// 0: nobody reads on, as in `… | head`.
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

    /// What went wrong, where that is not said already.
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
