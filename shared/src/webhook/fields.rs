//! The fields of the requests about webhooks, parsed one by one.

use std::collections::BTreeMap;

use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    CallbackHost, InvalidCallbackHost, MAX_DESCRIPTION, MOST_PER_MINUTE, Metadata, Secret, Status, Subscription,
    TaskTypes, subscription,
};
use crate::{
    egress::{Policy, TargetUrl},
    names::{EventType, MAX_TASK_TYPE, sized},
    request::{Invalid, kind, shortened, whole_number, wrong_type},
};

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
