//! Whom the sender calls, and whom it does not, in an internet that is the test's own.
//!
//! The real sender, in the probe's process or in the whole local stack, looks names up through the system's resolver.
//! The name server that answers is the test, and every address that it can answer with is the test too: what the sender
//! lets through is delivered, and what is not delivered was refused by the sender and by nothing else.
//!
//! Traces go out of the function, too: to X-Ray's daemon, at an address beside the function's own network.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod internet;
mod look_ups;
mod name_server;
mod rebinding;
mod shared_cases;
mod stack;
mod traces;
