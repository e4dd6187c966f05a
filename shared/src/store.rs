//! The tables, one submodule each. This is the only module that knows DynamoDB.

mod api_keys;
mod batch_get;
mod conditional;
mod deflate;
mod deliveries;
mod digest;
mod events;
mod merge;
mod rehearsals;
mod shards;
mod statements;
mod usage;
mod waiting;
mod webhooks;

pub use api_keys::{ApiKeys, CreatedKey, ImportSummary, KeyRecord, KeyView, ListedKey};
pub use deliveries::{Changes, Deliveries, DeliveryName, Filter, Page, Stored, Tables, WriteResult, expires_at};
pub use events::{EventFilter, EventPage, Events, InsertResult};
pub use merge::End;
pub use rehearsals::{RehearsalBegun, Rehearsals, StepClaim};
pub use usage::{Allowance, Limits, Usage};
pub use waiting::{Cursor, Cursors, Due, Pass, Shard, Wait, Waiting};
pub use webhooks::{
    ACTION_SHARDS, BeginResult, Claim, ClaimResult, CreateError, Created, KeyedRequest, Noted, StoredReply, Webhooks,
};
