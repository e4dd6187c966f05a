//! Which hosts the sender calls and which it refuses, in an internet that the test controls.
//!
//! The real sender, in the probe's process or in the whole local stack, resolves names through the system's resolver.
//! The test answers the look-ups, and it also answers at every address: so every call that the sender allows is
//! delivered, and only the sender can have refused a call that is not delivered.
//!
//! Traces leave the function too: they go to X-Ray's daemon, at an address outside the function's own network.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod internet;
mod look_ups;
mod name_server;
mod rebinding;
mod shared_cases;
mod stack;
mod traces;
