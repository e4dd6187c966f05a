//! How to start a stack.

use std::{net::SocketAddr, path::PathBuf};

use serde_json::Value;

use crate::{Aws, Failure, Faults};

/// Prepares the account before the deployment, as an operator would; returns parameters of the template, by name.
pub type Before = fn(&Aws) -> Result<Vec<(&'static str, String)>, Failure>;

/// How to start a stack.
#[derive(Default)]
pub struct Options {
    /// The emulator's port on 127.0.0.1; `None` for any free one.
    pub port: Option<u16>,
    /// The folder for the emulator's log and temporary files. Only one stack at a time may use it.
    pub folder: PathBuf,
    /// The proxy through which the functions call the emulator, if a test makes their calls fail.
    pub faults: Option<Faults>,
    /// Parameters of the template, in addition to those of every local stack.
    pub parameters: Vec<(&'static str, &'static str)>,
    /// Creates what must exist before the stack, and returns the parameters that name it.
    pub before: Option<Before>,
    /// Whether the emulator publishes metrics and evaluates alarms as CloudWatch does.
    pub metrics: bool,
    /// How many seconds apart scheduled rules run. `None`: as often as the template says, every minute for release.
    pub schedules_every_seconds: Option<u32>,
    /// The address to which the functions send their traces; on AWS, X-Ray's daemon beside each function.
    pub trace_daemon: Option<SocketAddr>,
    /// Properties of resources that replace the template's: `{resource: {property: value}}`.
    pub properties: Value,
}
