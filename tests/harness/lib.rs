//! The local stack as a library: the real template and the real functions on an emulator of AWS, on this machine.
//!
//! `cargo local` shows it to a person; the end-to-end tests test it. Both start it with [`Stack::start`] and then use
//! it only as the outside world does:
//!
//! - a [`Customer`] calls the HTTP API with a key,
//! - a [`Producer`] puts completions on the queue,
//! - a [`Receiver`] is the endpoint that the webhooks arrive at,
//! - a [`Hostile`] receiver is an endpoint that misbehaves,
//! - [`signature`] is the receiver's own check of what arrived; it shares no code with the service.
//!
//! [`Faults`] between the functions and the emulator and [`Stack::kill`] simulate failures. [`Aws`] shows what the
//! operator sees in the account.
//!
//! [`python_environment`] and [`node_modules`] install what customers run. If something is not installed, the test
//! that needs it is [`skipped`].
//!
//! The stack starts in four steps, one module each: [`python`] makes a virtual environment, [`programs`] has cargo
//! build the functions, [`emulator`] runs MiniStack, [`deploy`] deploys the template to it. An [`Account`] is the first
//! three, for a test that deploys by itself. All of them block the
//! thread: they wait for other processes, and a test binary shares one stack between many asynchronous runtimes.

mod account;
mod aws;
mod certificates;
mod customer;
mod dead_letter;
mod deploy;
mod emulator;
mod environment;
mod failure;
mod faults;
mod helper;
mod hostile;
mod http;
mod node;
mod operator;
mod options;
mod processes;
mod producer;
mod python;
mod receiver;
mod schema;
mod secrets;
pub mod signature;
mod skipped;
mod stack;

pub use account::{Account, operators_command, prepare, release};
pub use aws::Aws;
pub use certificates::Certificate;
pub use customer::{Customer, Reply};
pub use dead_letter::DeadLetter;
pub use deploy::{expand, expand_template};
pub use failure::Failure;
pub use faults::{Counts, Fault, Faults};
pub use helper::stop_helpers;
pub use hostile::{Behaviour, Heard, Hostile};
pub use http::http_client;
pub use node::modules as node_modules;
pub use operator::Said;
pub use options::{Before, Options};
pub use producer::Producer;
pub use programs::workspace;
pub use python::environment as python_environment;
pub use receiver::{Answer, Received, Receiver};
pub use schema::{Schema, producers_python};
pub use skipped::skipped;
pub use stack::{ApiKey, Stack};

/// Longer than anything takes, even on a busy machine: only a failing test waits this long.
pub const SOON: std::time::Duration = std::time::Duration::from_mins(3);
