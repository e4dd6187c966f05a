//! Which events a webhook subscribes to: by the event's type, and by the task's type.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::names::EventType;

/// The event types that a webhook subscribes to. As JSON it is an array: `["*"]`, or names of event types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subscription {
    /// Every event type, also those that later versions add: `["*"]`.
    All,
    /// These event types, in the customer's order: at least one, no repeats.
    Only(Vec<EventType>),
}

/// How a request and a reply write [`Subscription::All`].
pub(super) const ALL: &str = "*";

impl Subscription {
    /// Whether it includes an event type.
    pub fn includes(&self, event: EventType) -> bool {
        match self {
            Self::All => true,
            Self::Only(events) => events.contains(&event),
        }
    }

    /// The first event type of the list; `None` for `["*"]`.
    pub fn first(&self) -> Option<EventType> {
        match self {
            Self::All => None,
            Self::Only(events) => events.first().copied(),
        }
    }

    /// The names as the customer wrote them.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::All => vec![ALL.to_owned()],
            Self::Only(events) => events.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<Vec<EventType>> for Subscription {
    fn from(events: Vec<EventType>) -> Self {
        Self::Only(events)
    }
}

impl Serialize for Subscription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.names().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Subscription {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        if names == [ALL] {
            return Ok(Self::All);
        }
        let events = names.iter().map(|name| name.parse()).collect::<Result<_, _>>();
        events.map(Self::Only).map_err(|err: serde::de::value::Error| D::Error::custom(err))
    }
}

/// The task types that a webhook takes: 1 to [`TaskTypes::MOST`], each once, of 1 to
/// [`MAX_TASK_TYPE`](crate::names::MAX_TASK_TYPE) characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskTypes(Vec<String>);

/// How many task types a message lists.
const NAMED: usize = 5;

impl TaskTypes {
    /// The most task types that a webhook may name.
    pub const MOST: usize = 50;

    /// Wraps names that the caller has checked.
    pub(super) const fn checked(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Whether the list has this task type. Case matters.
    pub fn includes(&self, task_type: &str) -> bool {
        self.0.iter().any(|name| name == task_type)
    }
}

impl fmt::Display for TaskTypes {
    /// The names for a sentence; of a long list only the first few.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = &self.0[..self.0.len().min(NAMED)];
        f.write_str(&named.join(", "))?;
        match self.0.len() - named.len() {
            0 => Ok(()),
            others => write!(f, " and {others} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_includes_every_event_type_and_is_kept_as_it_is() {
        let all: Subscription = serde_json::from_value(json!(["*"])).unwrap();
        assert_eq!(all, Subscription::All);
        assert!(EventType::ALL.into_iter().all(|event| all.includes(event)));
        assert_eq!(serde_json::to_value(&all).unwrap(), json!(["*"]));
    }

    #[test]
    fn names_include_themselves_alone_and_keep_their_order() {
        let failed = Subscription::from(vec![EventType::JobFailed]);
        assert!(failed.includes(EventType::JobFailed) && !failed.includes(EventType::JobCompleted));
        let both = json!(["job.failed", "job.completed"]);
        let stored: Subscription = serde_json::from_value(both.clone()).unwrap();
        assert_eq!(serde_json::to_value(&stored).unwrap(), both);
        assert!(serde_json::from_value::<Subscription>(json!(["job.done"])).is_err());
    }

    #[test]
    fn a_sentence_names_five_task_types_and_counts_the_others() {
        let types = |count: usize| TaskTypes((1..=count).map(|number| format!("t{number}")).collect()).to_string();
        assert_eq!(types(1), "t1");
        assert_eq!(types(5), "t1, t2, t3, t4, t5");
        assert_eq!(types(50), "t1, t2, t3, t4, t5 and 45 more");
    }
}
