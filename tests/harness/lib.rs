//! The local stack as a library: the real template and the real functions on an emulator of AWS, on this machine.
//!
//! `cargo local` shows it to a person, the end-to-end tests put it under test. Both start it with [`Stack::start`] and
//! then talk to it only as the outside world does:
//!
//! - a [`Customer`] calls the HTTP API with a key,
//! - a [`Producer`] puts completions on the queue,
//! - a [`Receiver`] is the endpoint that the webhooks arrive at,
//! - a [`Hostile`] receiver is an endpoint that does what it should not,
//! - [`signature`] is the receiver's own check of what arrived; it shares no code with the service.
//!
//! For bad days there are [`Faults`] between the functions and the emulator, and [`Stack::kill`]. What the operator sees of
//! all that is in the account: [`Aws`].
//!
//! What customers run comes from [`python_environment`] and [`node_modules`]. Where something is not installed, the test that
//! needs it is [`skipped`].
//!
//! Bringing the stack up takes four steps, a module each: [`python`] makes a virtual environment, [`binaries`] has cargo
//! build the functions, [`emulator`] runs MiniStack, [`deploy`] puts the template on it. All of them block the thread:
//! they wait for other processes, and a test binary shares one stack between many asynchronous runtimes.

mod aws;
mod binaries;
mod certificates;
mod customer;
mod deploy;
mod emulator;
mod failure;
mod faults;
mod helper;
mod hostile;
mod node;
mod operator;
mod processes;
mod producer;
mod python;
mod receiver;
mod schema;
mod secrets;
pub mod signature;
mod skipped;
mod stack;

pub use aws::Aws;
pub use certificates::Certificate;
pub use customer::{Customer, Reply, http_client};
pub use deploy::expand_template;
pub use failure::Failure;
pub use faults::{Counts, Fault, Faults};
pub use helper::stop_helpers;
pub use hostile::{Behaviour, Heard, Hostile};
pub use node::modules as node_modules;
pub use operator::Said;
pub use producer::{DeadLetter, Producer};
pub use python::environment as python_environment;
pub use receiver::{Answer, Received, Receiver};
pub use schema::{Schema, producers_python};
pub use skipped::skipped;
pub use stack::{ApiKey, Before, Options, Stack, prepare, workspace};

/// Longer than anything takes, also on a machine that has other things to do: only a test that fails waits for so long.
pub const SOON: std::time::Duration = std::time::Duration::from_mins(3);
