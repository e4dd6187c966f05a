//! The tables, one submodule each. This is the only module that knows DynamoDB.

mod api_keys;
mod deliveries;
mod usage;
mod waiting;
mod webhooks;

use std::error::Error as StdError;

pub use api_keys::{ApiKeys, KeyRecord};
pub use deliveries::{Changes, Deliveries, DeliveryName, End, Filter, Page, Recorded, Stored, expires_at};
pub use usage::{Allowance, Limits, Usage};
pub use waiting::{Cursor, Cursors, Due, Pass, Shard, Wait, Waiting};
pub use webhooks::{ACTION_SHARDS, CreateError, Created, Idempotency, Webhooks};

/// A table could not be read or written. It is our fault, never the customer's.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing}")]
pub struct StoreError {
    doing: &'static str,
    source: Box<dyn StdError + Send + Sync>,
}

impl StoreError {
    /// For `map_err`: wraps an error, and says what we were doing.
    fn while_trying_to<E: Into<Box<dyn StdError + Send + Sync>>>(doing: &'static str) -> impl Fn(E) -> Self + Copy {
        move |source| Self { doing, source: source.into() }
    }
}
