//! The fields of a request's body, parsed one by one, so that each refusal names its field and the fix.

use std::{collections::BTreeMap, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    CallbackHost, Edit, Invalid, InvalidCallbackHost, MAX_DESCRIPTION, MOST_PER_MINUTE, Metadata, Secret, Status,
    Subscription, TaskTypes,
    invalid::{kind, shortened, wrong_type},
    subscription,
};
use crate::{
    canonical_json::{self, Error as JsonError},
    egress::{Policy, TargetUrl},
    names::{EventType, MAX_TASK_TYPE, sized},
};

/// The fields of a body that is an object. Every name is known and occurs once. Types are checked when a field is
/// taken, so that the message can name the field.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Parses a body that may have the fields `names`. `expected` describes the body in error messages.
    pub(super) fn parse(body: &[u8], names: &[&str], expected: &str) -> Result<Self, Invalid> {
        let text = str::from_utf8(body).map_err(|_| Invalid::request("the body is not UTF-8"))?;
        if text.trim_ascii().is_empty() {
            return Err(Invalid::request(format!("the body is empty; send {expected}")));
        }
        let value = canonical_json::parse(text).map_err(|err| match err {
            JsonError::Syntax { .. } => Invalid::request(format!("the body is {err}")),
            err => Invalid::request(format!("the body cannot be read: {err}")),
        })?;
        if value.is_encoded_twice() {
            let problem = "the body is a string that holds JSON: it was encoded twice; send the object itself";
            return Err(Invalid::request(problem));
        }
        // Parsed again, because the other parser keeps only one of two fields with the same name.
        let Ok(Self(fields)) = serde_json::from_str(text) else {
            return Err(Invalid::request(format!("the body must be {expected}, not {}", value.kind())));
        };
        for (at, (name, _)) in fields.iter().enumerate() {
            let quoted = || shortened(&Value::String(name.clone()));
            if !names.contains(&name.as_str()) {
                return Err(Invalid::field(name, format!("there is no field {}; send {expected}", quoted())));
            }
            if fields[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(Invalid::field(name, format!("the field {} is there twice; send it once", quoted())));
            }
        }
        Ok(Self(fields))
    }

    /// The same as [`Fields::parse`], for a body that may be empty.
    pub(super) fn parse_optional(body: &[u8], names: &[&str], expected: &str) -> Result<Self, Invalid> {
        Self::parse(if body.trim_ascii().is_empty() { b"{}" } else { body }, names, expected)
    }

    /// Removes and returns a field. A `null` counts as missing.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(field, _)| field == name)?;
        Some(self.0.swap_remove(at).1).filter(|value| !value.is_null())
    }

    /// Removes a field and returns its change: a `null` removes what is stored. Returns `None` if the field is missing.
    pub(super) fn take_edit<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&Value) -> Result<T, Invalid>,
    ) -> Result<Option<Edit<T>>, Invalid> {
        let Some(at) = self.0.iter().position(|(field, _)| field == name) else { return Ok(None) };
        match self.0.swap_remove(at).1 {
            Value::Null => Ok(Some(Edit::Remove)),
            value => parse(&value).map(|value| Some(Edit::Set(value))),
        }
    }

    /// Removes and returns a required field. Fails if it is missing or `null`.
    pub(super) fn take_required(&mut self, name: &str) -> Result<Value, Invalid> {
        self.take(name).ok_or_else(|| Invalid::field(name, format!("{name} is required")))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Fields(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

pub(super) fn url(value: &Value, policy: &Policy) -> Result<TargetUrl, Invalid> {
    let url = value.as_str().ok_or_else(|| wrong_type("url", "a string", value))?;
    TargetUrl::parse(url, policy).map_err(|err| Invalid::field("url", err.to_string()))
}

pub(super) fn secret(value: Value) -> Result<Secret, Invalid> {
    match value {
        Value::String(text) => Secret::parse(&Zeroizing::new(text)),
        other => Err(wrong_type("secret_key", "a string", &other)),
    }
}

pub(super) fn status(value: &Value) -> Result<Status, Invalid> {
    let wrong = || Invalid::field("status", format!("status is {}; expected active or disabled", shortened(value)));
    value.as_str().and_then(|name| name.parse().ok()).ok_or_else(wrong)
}

/// Parses an event type. `shown` is where it stands, such as `events[1]`, and `field` the field that contains it.
pub(super) fn event(field: &str, shown: &str, value: &Value) -> Result<EventType, Invalid> {
    let wrong = || {
        let names = EventType::names();
        Invalid::field(field, format!("{shown} is {}; expected one of {names}", shortened(value)))
    };
    value.as_str().and_then(|name| name.parse().ok()).ok_or_else(wrong)
}

pub(super) fn events(value: &Value) -> Result<Subscription, Invalid> {
    const FIELD: &str = "events";
    let names = EventType::names();
    let wrong = |message: String| Invalid::field(FIELD, message);
    let Value::Array(items) = value else {
        return Err(wrong_type(FIELD, &format!("an array of event names ({names})"), value));
    };
    if items.is_empty() {
        return Err(wrong(format!("events must not be empty; choose from {names}, or send [\"*\"] for all")));
    }
    if let Some(at) = items.iter().position(|item| item == subscription::ALL) {
        let problem = "is \"*\", which means all events: send [\"*\"] alone, or name the events";
        return if items.len() == 1 { Ok(Subscription::All) } else { Err(wrong(format!("events[{at}] {problem}"))) };
    }
    let mut events = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let event = event(FIELD, &format!("events[{at}]"), item)?;
        if events.contains(&event) {
            return Err(wrong(format!("events[{at}] repeats \"{event}\"; name each event once")));
        }
        events.push(event);
    }
    Ok(events.into())
}

pub(super) fn description(value: &Value) -> Result<String, Invalid> {
    const FIELD: &str = "description";
    let text = value.as_str().ok_or_else(|| wrong_type(FIELD, "a string", value))?;
    match text.chars().count() {
        ..=MAX_DESCRIPTION => Ok(text.to_owned()),
        length => {
            Err(Invalid::field(FIELD, format!("description has {length} characters; the limit is {MAX_DESCRIPTION}")))
        }
    }
}

pub(super) fn metadata(value: &Value) -> Result<Metadata, Invalid> {
    const FIELD: &str = "metadata";
    let wrong = |message: String| Invalid::field(FIELD, message);
    let Value::Object(members) = value else {
        return Err(wrong_type(FIELD, "an object with strings as values", value));
    };
    let mut values = BTreeMap::new();
    for (name, value) in members {
        let shown = shortened(&Value::String(name.clone()));
        // DynamoDB refuses an empty name.
        if name.is_empty() {
            return Err(wrong("metadata has a member without a name; give each value a name".into()));
        }
        let Value::String(text) = value else {
            return Err(wrong(format!("metadata[{shown}] is {}; expected a string", kind(value))));
        };
        values.insert(name.clone(), text.clone());
    }
    match value.to_string().len() {
        ..=Metadata::MAX_BYTES => Ok(Metadata::checked(values)),
        size => Err(wrong(format!("metadata is {size} bytes of JSON; the limit is {}", Metadata::MAX_BYTES))),
    }
}

pub(super) fn task_types(value: &Value) -> Result<TaskTypes, Invalid> {
    const FIELD: &str = "task_types";
    let wrong = |message: String| Invalid::field(FIELD, message);
    let Value::Array(items) = value else { return Err(wrong_type(FIELD, "an array of task types", value)) };
    if items.is_empty() {
        return Err(wrong("task_types must not be empty; for all task types send null, or leave it out".into()));
    }
    if items.len() > TaskTypes::MOST {
        return Err(wrong(format!("task_types has {} entries; the limit is {}", items.len(), TaskTypes::MOST)));
    }
    let mut names = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let name = item.as_str().and_then(|name| sized(name, MAX_TASK_TYPE)).ok_or_else(|| {
            let found = shortened(item);
            wrong(format!("task_types[{at}] is {found}; expected a string of 1 to {MAX_TASK_TYPE} characters"))
        })?;
        if names.contains(&name) {
            return Err(wrong(format!("task_types[{at}] repeats {}; name each task type once", shortened(item))));
        }
        names.push(name);
    }
    Ok(TaskTypes::checked(names))
}

/// A whole number that is not negative. JSON has one kind of number: where JavaScript writes 60, Python may write 60.0.
pub(super) fn whole_number(value: &Value) -> Option<u64> {
    value.as_f64().and_then(|number| number.to_string().parse().ok())
}

pub(super) fn max_per_minute(value: &Value) -> Result<u32, Invalid> {
    const FIELD: &str = "max_per_minute";
    let wrong = || {
        let (found, most) = (shortened(value), MOST_PER_MINUTE);
        Invalid::field(FIELD, format!("max_per_minute is {found}; expected a whole number from 1 to {most}"))
    };
    let number = whole_number(value).and_then(|number| number.try_into().ok());
    number.filter(|number| (1..=MOST_PER_MINUTE).contains(number)).ok_or_else(wrong)
}

/// The most hosts that a webhook may allow for callbacks.
const MAX_CALLBACK_HOSTS: usize = 20;

pub(super) fn callback_hosts(value: &Value) -> Result<Vec<CallbackHost>, Invalid> {
    const FIELD: &str = "callback_hosts";
    let wrong = |message: String| Invalid::field(FIELD, message);
    let Value::Array(items) = value else { return Err(wrong_type(FIELD, "an array of host names", value)) };
    if items.len() > MAX_CALLBACK_HOSTS {
        let count = items.len();
        return Err(wrong(format!("callback_hosts has {count} entries; the limit is {MAX_CALLBACK_HOSTS}")));
    }
    let mut hosts = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let host = item.as_str().ok_or(InvalidCallbackHost::Form).and_then(CallbackHost::parse);
        let host = host.map_err(|err| wrong(format!("callback_hosts[{at}] is {}; {err}", shortened(item))))?;
        if hosts.contains(&host) {
            return Err(wrong(format!("callback_hosts[{at}] repeats \"{}\"; name each host once", host.as_str())));
        }
        hosts.push(host);
    }
    Ok(hosts)
}
