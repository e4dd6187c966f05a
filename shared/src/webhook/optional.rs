//! The fields of a webhook that a customer may leave out, except for its secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CallbackHost, StaticHeaders, TaskTypes};

/// The most characters of a description.
pub const MAX_DESCRIPTION: usize = 256;

/// The largest `max_per_minute`. release sends what is held, and can do so for many webhooks at this pace.
pub const MOST_PER_MINUTE: u32 = 6_000;

/// A customer's own values about a webhook, such as who looks after it: at most [`Metadata::MAX_BYTES`] as JSON. The
/// service only stores and returns them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

impl Metadata {
    /// The most bytes of all names and values together, as JSON text.
    pub const MAX_BYTES: usize = 4_096;

    /// Makes the metadata of values that were checked.
    pub(super) const fn checked(values: BTreeMap<String, String>) -> Self {
        Self(values)
    }

    /// The names and values, sorted by name.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// What a request to register a webhook says about these fields; `None` is a field that it leaves out.
#[derive(Debug, Clone, Default)]
pub struct OptionalFields {
    /// The hosts that callbacks may have, besides the origin of `url`.
    pub callback_hosts: Option<Vec<CallbackHost>>,
    /// What the customer calls the webhook: at most [`MAX_DESCRIPTION`] characters.
    pub description: Option<String>,
    /// The headers of each request, besides those of the service.
    pub headers: Option<StaticHeaders>,
    /// The most requests to the endpoint in a minute; `None` means no limit.
    pub max_per_minute: Option<u32>,
    /// The customer's own values.
    pub metadata: Option<Metadata>,
    /// The task types to deliver; `None` means all.
    pub task_types: Option<TaskTypes>,
}
