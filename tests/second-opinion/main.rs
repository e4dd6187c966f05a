//! The library's tables and queues on other implementations than the local stack's emulator: DynamoDB by `dynoxide`, SQS
//! by `moto`. A call that two implementations take alike is less likely to be a mistake that ours forgives.
//!
//! The tables and queues have the template's properties. Only `nano_webhooks::store` and `queue` are tested: a whole stack
//! needs the streams and triggers of one emulator. `docs/local.md` lists where the implementations differ, and who is right
//! by AWS's documentation.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod dynamodb;
mod moto;
mod queue;
mod store;
