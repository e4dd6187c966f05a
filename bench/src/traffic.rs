//! The input of the functions: accounts with webhooks, completions, and the events that SQS and Lambda make of
//! messages.
//!
//! Delivery messages are not made here: the real fan-out makes them, so they have today's form.

use std::{
    collections::HashSet,
    time::{SystemTime, UNIX_EPOCH},
};

use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::{
    dynamodb::Table,
    failure::{Failure, Result, check},
    lambda::Done,
    sqs::{Sent, message_id},
    world::{Functions, World},
};

/// The most messages in one batch.
pub(crate) const BATCH: usize = 10;
pub(crate) const WEBHOOKS_TABLE: &str = "nano-webhooks-webhooks";
pub(crate) const EVENTS_TABLE: &str = "nano-webhooks-events";
pub(crate) const DELIVERIES_TABLE: &str = "nano-webhooks-deliveries";
pub(crate) const WAITING_TABLE: &str = "nano-webhooks-waiting";
/// Every webhook's secret; the bare loop signs with it.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The id of the account with this number.
pub(crate) fn account(number: usize) -> String {
    format!("acct_{number:06}")
}

/// Registers webhooks of an account, numbered from 1, all with the same URL.
pub(crate) fn register(world: &World, account: &str, webhooks: usize, url: &str) -> Result<()> {
    for id in 1..=webhooks {
        load(world, WEBHOOKS_TABLE, webhook(account, id, url).to_string())?;
    }
    let counter = json!({"account_id": {"S": account}, "id": {"N": "0"}, "last_id": {"N": webhooks.to_string()}});
    load(world, WEBHOOKS_TABLE, counter.to_string())
}

/// A webhook's item in the table.
pub(crate) fn webhook(account: &str, id: usize, url: &str) -> Value {
    json!({
        "account_id": {"S": account},
        "id": {"N": id.to_string()},
        "url": {"S": url},
        "events": {"L": [{"S": "job.completed"}, {"S": "job.failed"}]},
        "status": {"S": "active"},
        "epoch": {"N": "0"},
        "secret": {"S": SECRET},
    })
}

/// Puts an item into a table without counting it.
pub(crate) fn load(world: &World, table: &str, item: String) -> Result<()> {
    let mut dynamodb = world.dynamodb();
    let table = dynamodb.tables.get_mut(table).ok_or_else(|| Failure::new(format!("there is no table {table}")))?;
    table.load(item).map_err(Failure::to("fill a table"))
}

/// Prose, of which every completion has another part as its prompt. Bodies are stored deflated, and one letter again
/// and again would deflate to nothing.
const PROSE: &str = include_str!("../../LICENSE");

/// A message for the completions queue, from which fan-out makes a body of `body_bytes`, or of the least possible
/// size.
pub(crate) fn completion(number: usize, account: &str, body_bytes: usize) -> Sent {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let image = format!("https://cdn.example.com/{:032x}.png", random.u128(..));
    let prose = PROSE.chars().filter(|c| c.is_ascii_alphanumeric() || *c == ' ').cycle();
    let prose = prose.skip(random.usize(..PROSE.len() / 2));
    let make = |padding: usize| {
        json!({
            "account_id": account,
            "task_id": format!("task_{number:08}"),
            "task_type": "image",
            "status": "completed",
            "data": {"url": image, "credits_charged": 6, "prompt": prose.clone().take(padding).collect::<String>()},
            "timestamp": "2026-01-02T03:04:05Z",
        })
    };
    // The body has the event's name in place of the account's id.
    let (gone, new) = (format!(r#""account_id":"{account}""#).len(), r#""event":"job.completed""#.len());
    let padding = (body_bytes + gone).saturating_sub(make(0).to_string().len() + new);
    Sent { body: make(padding).to_string(), group: None, attributes: Value::Null, system_attributes: Value::Null }
}

/// The event that Lambda makes of a batch of messages.
pub(crate) fn sqs_event(messages: &[Sent]) -> Bytes {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
    let records = messages.iter().zip(0..).map(|(message, number)| {
        let mut attributes = json!({
            "ApproximateReceiveCount": "1",
            "SentTimestamp": now,
            "SenderId": "AROAEXAMPLE",
            "ApproximateFirstReceiveTimestamp": now,
        });
        if let Some(group) = &message.group {
            attributes["MessageGroupId"] = json!(group);
        }
        for (name, value) in message.system_attributes.as_object().into_iter().flatten() {
            attributes[name] = value["StringValue"].clone();
        }
        let own = message.attributes.as_object().into_iter().flatten().map(|(name, value)| {
            (name.clone(), json!({"stringValue": value["StringValue"], "dataType": value["DataType"]}))
        });
        json!({
            "messageId": message_id(number),
            "receiptHandle": "A".repeat(180),
            "body": message.body,
            "attributes": attributes,
            "messageAttributes": Value::Object(own.collect()),
            "md5OfBody": "0".repeat(32),
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:nano-webhooks-deliveries",
            "awsRegion": "us-east-1",
        })
    });
    json!({"Records": records.collect::<Vec<_>>()}).to_string().into()
}

/// Lambda's events for messages, in batches of `batch`.
pub(crate) fn events(messages: &[Sent], batch: usize) -> Vec<Bytes> {
    messages.chunks(batch).map(sqs_event).collect()
}

/// The largest event that Lambda hands over, in bytes.
const LARGEST_EVENT: usize = 6_000_000;

/// The items of a table, each with the length of its JSON text in bytes.
pub(crate) fn items(world: &World, table: &str) -> Vec<(Value, usize)> {
    let dynamodb = world.dynamodb();
    let texts = dynamodb.tables.get(table).into_iter().flat_map(Table::texts);
    texts.map(|text| (serde_json::from_str(text).unwrap_or_default(), text.len())).collect()
}

/// Lambda's events for the stream records of each delivery's last attempt, at most `batch` in each event.
pub(crate) fn attempts(world: &World, batch: usize) -> Vec<Bytes> {
    let dynamodb = world.dynamodb();
    let items = dynamodb.tables.get(DELIVERIES_TABLE).into_iter().flat_map(Table::texts);
    let items = items.filter(|item| item.contains(r#""attempted":"#));
    let records = items.map(|item| {
        format!(
            r#"{{"eventID":"{id}","eventName":"INSERT","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1","dynamodb":{{"ApproximateCreationDateTime":1767323045,"NewImage":{item},"SequenceNumber":"{id}","SizeBytes":{size},"StreamViewType":"NEW_IMAGE"}},"eventSourceARN":"arn:aws:dynamodb:us-east-1:123456789012:table/{DELIVERIES_TABLE}/stream/2026-01-02T03:04:05.000"}}"#,
            id = "0".repeat(32),
            size = item.len(),
        )
    });
    let mut events: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for record in records {
        bytes += record.len() + 1;
        match events.last_mut() {
            Some(event) if event.len() < batch && bytes < LARGEST_EVENT => event.push(record),
            _ => {
                bytes = record.len();
                events.push(vec![record]);
            }
        }
    }
    events.into_iter().map(|records| format!(r#"{{"Records":[{}]}}"#, records.join(",")).into()).collect()
}

/// Runs completions through the real fan-out; returns its messages and its peak memory in MiB.
pub(crate) fn fan_out(world: &World, functions: &Functions, completions: &[Sent]) -> Result<(Vec<Sent>, f64)> {
    let peak_rss_mib = work_off(world, functions, "fan-out", events(completions, BATCH))?;
    let mut sqs = world.sqs();
    sqs.forget_usage();
    Ok((std::mem::take(&mut sqs.sent), peak_rss_mib))
}

/// Runs events through one process of a function; returns its peak memory in MiB. Fails if it reports a batch item
/// failure.
pub(crate) fn work_off(world: &World, functions: &Functions, name: &str, events: Vec<Bytes>) -> Result<f64> {
    let sandbox = world.start(functions, name, false)?;
    let count = events.len();
    world.lambda.queue(events);
    let answers = world.lambda.answers(count).map_err(|err| said(&err, &sandbox.log.last_words()))?;
    check_done(&answers)?;
    let peak_rss_mib = sandbox.peak_rss_mib()?;
    world.lambda.wait_until_asked_by(1)?;
    drop(sandbox);
    world.lambda.wait_until_nobody_asks()?;
    Ok(peak_rss_mib)
}

/// A failure, with the last lines of the function's log.
pub(crate) fn said(err: &Failure, last_words: &str) -> Failure {
    Failure::new(format!("{err}\nIts last lines:\n{last_words}"))
}

/// Fails if a function gave messages back. An empty answer means that none was, as for Lambda.
pub(crate) fn check_done(answers: &[Done]) -> Result<()> {
    for done in answers {
        let answer: Value = serde_json::from_slice(&done.body).map_err(Failure::to("read an answer"))?;
        let is_done = answer.is_null() || answer["batchItemFailures"].as_array().is_some_and(Vec::is_empty);
        check(is_done, || format!("messages were given back: {answer}"))?;
    }
    Ok(())
}

/// Fails unless the statistics have exactly this number of attempts.
pub(crate) fn check_counted(world: &World, attempts: usize) -> Result<()> {
    let dynamodb = world.dynamodb();
    let items = dynamodb.tables.get(DELIVERIES_TABLE).into_iter().flat_map(Table::texts);
    let count = |text| {
        let item: Value = serde_json::from_str(text).ok()?;
        let of = |name: &str| item[name]["N"].as_str()?.parse::<usize>().ok();
        Some(of("deliveries")? + of("failures")?)
    };
    let counted: usize = items.filter_map(count).sum();
    check(counted == attempts, || format!("of {attempts} attempts {counted} were counted"))
}

/// The names of deliveries, webhook and event, from their messages. No two accounts have an event of the same id.
pub(crate) fn deliveries(messages: &[Sent]) -> Result<HashSet<(u64, String)>> {
    let names = messages.iter().map(|message| {
        let message: Value = serde_json::from_str(&message.body).unwrap_or_default();
        let name = message["webhook_id"].as_u64().zip(message["event_id"].as_str().map(str::to_owned));
        name.ok_or_else(|| Failure::new(format!("fan-out sent what is not a delivery: {message}")))
    });
    names.collect()
}

/// Fails unless the events table has exactly this number of events.
pub(crate) fn check_stored(world: &World, events: usize) -> Result<()> {
    let stored = world.dynamodb().tables.get(EVENTS_TABLE).map_or(0, |table| table.texts().count());
    check(stored == events, || format!("of {events} events {stored} were stored"))
}

/// Fails unless each of these deliveries, of an event each, arrived exactly once and is in the history.
pub(crate) fn check_delivered(world: &World, messages: &[Sent]) -> Result<()> {
    world.check_calls()?;
    let ids: HashSet<_> = deliveries(messages)?.into_iter().map(|(_, id)| id).collect();
    check(ids.len() == messages.len(), || format!("{} messages are {} deliveries", messages.len(), ids.len()))?;
    let heard = world.heard();
    let arrived = ids.iter().filter(|id| heard.deliveries.get(*id) == Some(&1)).count();
    check(arrived == ids.len() && heard.deliveries.len() == ids.len(), || {
        format!("of {} deliveries {arrived} arrived once, of {} that arrived", ids.len(), heard.deliveries.len())
    })?;
    let dynamodb = world.dynamodb();
    let table = dynamodb.tables.get(DELIVERIES_TABLE).ok_or_else(|| Failure::new("there is no history"))?;
    let recorded = table.texts().filter_map(|text| {
        let item: Value = serde_json::from_str(text).ok()?;
        ids.get(item["id"]["S"].as_str()?)
    });
    let recorded = recorded.collect::<HashSet<_>>().len();
    check(recorded == ids.len(), || format!("of {} deliveries {recorded} were recorded", ids.len()))
}
