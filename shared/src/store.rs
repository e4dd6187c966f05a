//! The tables, one submodule each. This is the only module that knows DynamoDB.

mod api_keys;
mod deliveries;
mod usage;
mod waiting;
mod webhooks;

pub use api_keys::{ApiKeys, KeyRecord};
pub use deliveries::{Changes, Deliveries, DeliveryName, End, Filter, Page, Stored, WriteResult, expires_at};
pub use usage::{Allowance, Limits, Usage};
pub use waiting::{Cursor, Cursors, Due, Pass, Shard, Wait, Waiting};
pub use webhooks::{ACTION_SHARDS, CreateError, Created, Idempotency, Webhooks};
