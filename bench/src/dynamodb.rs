//! Plays DynamoDB: answers the calls that the functions make, from memory, and counts what each would cost.
//!
//! It is not the emulator of the end-to-end tests, which is too slow: an instrument would measure the emulator. A
//! call takes about 20 µs here.
//!
//! It has what the instruments' runs send, and each part is here because one of them needs it:
//!
//! - `size` and `table`, because the bill is made of the sizes of items and of their entries in indexes;
//! - `GetItem`, `Query` and `BatchGetItem`: the functions read keys, webhooks, events, deliveries and what waits;
//! - `BatchExecuteStatement` with `partiql`: fan-out stores a batch's events, and the dispatcher records a batch; so they
//!   also make the history that other functions read;
//! - `UpdateItem` with `expression` and `evaluate`: the API counts a key's requests, changes webhooks, begins a rehearsal and
//!   erases an event, count-attempts counts attempts, watch-webhooks and release store health, pace and cursors;
//! - `DeleteItem` and `TransactWriteItems`: the API deletes and creates a webhook;
//! - `BatchWriteItem`: the dispatcher lets a delivery wait.
//!
//! Anything else is refused, down to single members of requests, and an instrument that had a call refused fails: a
//! guess would be in the bill.

mod evaluate;
mod expression;
mod partiql;
mod size;
mod table;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
};

use serde_json::{Map, Value, json};

pub(crate) use self::table::{Index, Keys, Table};
use self::{
    expression::Reader,
    table::{Asked, Change, Write, key_in, projected},
};

/// An item's attributes: `{"name": {"S": "text"}}`.
pub(crate) type Item = Map<String, Value>;

/// What calls have used, in the units of the bill.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    /// Half read request units: one for each 4 KiB of an eventually consistent read, two of a strongly consistent one.
    pub(crate) half_read_units: u64,
    /// Write request units, indexes included.
    pub(crate) write_units: u64,
    /// The size of the items that were read, in bytes.
    pub(crate) bytes_read: u64,
}

impl Usage {
    fn read(&mut self, bytes: usize, consistent: bool) {
        self.half_read_units += size::units(bytes, 4096) * if consistent { 2 } else { 1 };
        self.bytes_read += bytes as u64;
    }
}

/// Why a call, or one of several writes, was refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    kind: &'static str,
    message: String,
    item: Option<Item>,
    /// For a transaction: the reason for each of its items.
    reasons: Vec<&'static str>,
}

impl Refusal {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), item: None, reasons: Vec::new() }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    fn condition(item: Option<Item>) -> Self {
        Self { item, ..Self::new("ConditionalCheckFailedException", "The conditional request failed") }
    }

    fn duplicate() -> Self {
        Self::new("DuplicateItemException", "Duplicate primary key exists in table")
    }

    /// The error code of one of several writes, which differs from that of a single one.
    fn code(&self) -> &'static str {
        match self.kind {
            "ConditionalCheckFailedException" => "ConditionalCheckFailed",
            "DuplicateItemException" => "DuplicateItem",
            _ => "ValidationError",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// The tables and the calls that were made.
#[derive(Default)]
pub(crate) struct DynamoDb {
    pub(crate) tables: HashMap<String, Table>,
    /// How often each operation was called.
    pub(crate) calls: BTreeMap<String, u64>,
    /// Calls that were refused as invalid or unknown; an instrument that has any fails.
    pub(crate) refused: Vec<String>,
}

impl DynamoDb {
    /// Answers a call; returns the HTTP status and the body.
    pub(crate) fn call(&mut self, operation: &str, body: &[u8]) -> (u16, String) {
        *self.calls.entry(operation.to_owned()).or_default() += 1;
        let request: Result<Item, _> = serde_json::from_slice(body);
        let answer = request.map_err(|err| Refusal::invalid(err.to_string()));
        match answer.and_then(|request| self.answer(operation, request)) {
            Ok(answer) => (200, answer),
            Err(refusal) => {
                if refusal.kind == "ValidationException" {
                    self.refused.push(format!("{operation}: {refusal}"));
                }
                let kind = format!("com.amazonaws.dynamodb.v20120810#{}", refusal.kind);
                let mut answer = json!({"__type": kind, "message": refusal.message});
                if let Some(item) = refusal.item {
                    answer["Item"] = Value::Object(item);
                }
                if !refusal.reasons.is_empty() {
                    let reasons = refusal.reasons.iter().map(|code| json!({"Code": code}));
                    answer["CancellationReasons"] = reasons.collect();
                }
                (400, answer.to_string())
            }
        }
    }

    /// What the calls have used, all tables together.
    pub(crate) fn usage(&self) -> Usage {
        self.tables.values().fold(Usage::default(), |sum, Table { usage, .. }| Usage {
            half_read_units: sum.half_read_units + usage.half_read_units,
            write_units: sum.write_units + usage.write_units,
            bytes_read: sum.bytes_read + usage.bytes_read,
        })
    }

    /// Resets the usage and the counts of calls.
    pub(crate) fn forget_usage(&mut self) {
        self.calls.clear();
        for table in self.tables.values_mut() {
            table.usage = Usage::default();
        }
    }

    fn answer(&mut self, operation: &str, mut request: Item) -> Result<String, Refusal> {
        match operation {
            "GetItem" => {
                refuse_others(&request, &["TableName", "Key", "ConsistentRead"])?;
                let table = self.table(&text(&request, "TableName")?)?;
                let key = key_in(&table.keys, object(&request, "Key")?)?;
                let item = table.read(&key, is_set(&request, "ConsistentRead"));
                Ok(item.map_or_else(|| "{}".into(), |item| format!(r#"{{"Item":{item}}}"#)))
            }
            "Query" => self.query(&request),
            "BatchGetItem" => self.batch_get(&request),
            "UpdateItem" | "DeleteItem" => {
                let returns = request.remove("ReturnValues").unwrap_or_else(|| "NONE".into());
                let shows =
                    request.remove("ReturnValuesOnConditionCheckFailure").is_some_and(|shows| shows == "ALL_OLD");
                let (table, write) = self.write_of(operation, &mut request)?;
                let (old, new) = self
                    .table(&table)?
                    .write(write, 1)
                    .map_err(|refusal| Refusal { item: refusal.item.clone().filter(|_| shows), ..refusal })?;
                let returned = match returns.as_str() {
                    Some("ALL_NEW") => new,
                    Some("ALL_OLD") => old,
                    Some("NONE") => None,
                    _ => return Err(Refusal::invalid(format!("ReturnValues {returns} is not known here"))),
                };
                Ok(returned.map_or_else(|| "{}".into(), |item| json!({"Attributes": item}).to_string()))
            }
            "BatchWriteItem" => self.batch_write(&request),
            "TransactWriteItems" => self.transact_write(&request),
            "BatchExecuteStatement" => self.batch_statements(&request),
            _ => Err(Refusal::invalid(format!("{operation} is not known here"))),
        }
    }

    fn table(&mut self, name: &str) -> Result<&mut Table, Refusal> {
        self.tables.get_mut(name).ok_or_else(|| Refusal::invalid(format!("there is no table {name}")))
    }

    fn query(&mut self, request: &Item) -> Result<String, Refusal> {
        let names = ["ExpressionAttributeNames", "ExpressionAttributeValues", "ScanIndexForward", "Limit"];
        let more = ["TableName", "IndexName", "KeyConditionExpression", "FilterExpression", "ProjectionExpression"];
        refuse_others(request, &[&names[..], &more, &["ConsistentRead"]].concat())?;
        let asked = Asked {
            index: request.get("IndexName").and_then(Value::as_str),
            ranges: expression(request, "KeyConditionExpression", Reader::ranges)?.unwrap_or_default(),
            filter: expression(request, "FilterExpression", Reader::condition)?,
            projection: expression(request, "ProjectionExpression", Reader::names)?,
            forward: request.get("ScanIndexForward") != Some(&Value::Bool(false)),
            limit: request
                .get("Limit")
                .and_then(Value::as_u64)
                .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            consistent: is_set(request, "ConsistentRead"),
        };
        let (items, last) = self.table(&text(request, "TableName")?)?.query(&asked)?;
        let last = last.map_or_else(String::new, |last| format!(r#","LastEvaluatedKey":{}"#, Value::Object(last)));
        Ok(format!(r#"{{"Items":[{}],"Count":{}{last}}}"#, items.join(","), items.len()))
    }

    fn batch_get(&mut self, request: &Item) -> Result<String, Refusal> {
        refuse_others(request, &["RequestItems"])?;
        let mut answer = r#"{"Responses":{"#.to_owned();
        for (at, (name, asked)) in object(request, "RequestItems")?.iter().enumerate() {
            let asked = asked.as_object().ok_or_else(|| Refusal::invalid("keys of a table are missing"))?;
            refuse_others(asked, &["Keys", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"])?;
            let projection = expression(asked, "ProjectionExpression", Reader::names)?;
            let _ = write!(answer, "{}{}:[", if at == 0 { "" } else { "," }, json!(name));
            let table = self.table(name)?;
            let mut separator = "";
            for key in list(asked.get("Keys")).iter().filter_map(Value::as_object) {
                let key = key_in(&table.keys, key)?;
                let Some(item) = table.read(&key, is_set(asked, "ConsistentRead")) else { continue };
                let _ = match &projection {
                    None => write!(answer, "{separator}{item}"),
                    Some(names) => {
                        let item: Item = serde_json::from_str(item).expect("what is stored was written from an item");
                        write!(answer, "{separator}{}", projected(&item, names))
                    }
                };
                separator = ",";
            }
            answer.push(']');
        }
        answer.push_str(r#"},"UnprocessedKeys":{}}"#);
        Ok(answer)
    }

    fn batch_write(&mut self, request: &Item) -> Result<String, Refusal> {
        refuse_others(request, &["RequestItems"])?;
        for (name, writes) in object(request, "RequestItems")? {
            for write in list(Some(writes)) {
                let item = write["PutRequest"]["Item"].as_object();
                let item = item.ok_or_else(|| Refusal::invalid("a write of a batch that is no put"))?.clone();
                let table = self.table(name)?;
                let key = key_in(&table.keys, &item)?;
                table.write(Write { key, change: Change::Put(item), condition: None, is_insert: false }, 1)?;
            }
        }
        Ok(r#"{"UnprocessedItems":{}}"#.into())
    }

    /// Makes all writes or none, at twice the price.
    fn transact_write(&mut self, request: &Item) -> Result<String, Refusal> {
        refuse_others(request, &["TransactItems", "ClientRequestToken"])?;
        let mut writes = Vec::new();
        for item in list(request.get("TransactItems")) {
            let item = item.as_object().and_then(|item| item.iter().next());
            let Some((kind, Value::Object(request))) = item else { return Err(Refusal::invalid("no item")) };
            writes.push(self.write_of(&format!("{kind}Item"), &mut request.clone())?);
        }
        let mut reasons = Vec::new();
        for (table, write) in &writes {
            reasons.push(self.table(table)?.check(write).err().map_or("None", |refusal| refusal.code()));
        }
        if reasons.iter().any(|reason| *reason != "None") {
            let refusal = Refusal::new("TransactionCanceledException", "Transaction cancelled");
            return Err(Refusal { reasons, ..refusal });
        }
        for (table, write) in writes {
            self.table(&table)?.write(write, 2)?;
        }
        Ok("{}".into())
    }

    fn batch_statements(&mut self, request: &Item) -> Result<String, Refusal> {
        refuse_others(request, &["Statements"])?;
        let statements = list(request.get("Statements"));
        if statements.is_empty() || statements.len() > 25 {
            return Err(Refusal::invalid("a batch has 1 to 25 statements"));
        }
        let mut answers = Vec::new();
        for statement in statements {
            let statement = statement.as_object().ok_or_else(|| Refusal::invalid("no statement"))?;
            let (name, write) = self.statement(statement)?;
            answers.push(match self.table(&name)?.write(write, 1) {
                Ok(_) => json!({"TableName": name}),
                Err(refusal) if refusal.kind == "ValidationException" => return Err(refusal),
                Err(refusal) => {
                    json!({"TableName": name, "Error": {"Code": refusal.code(), "Message": refusal.message}})
                }
            });
        }
        Ok(json!({"Responses": answers}).to_string())
    }

    fn statement(&self, request: &Item) -> Result<(String, Write), Refusal> {
        refuse_others(request, &["Statement", "Parameters"])?;
        partiql::statement(&text(request, "Statement")?, list(request.get("Parameters")), |name| {
            let table = self.tables.get(name).ok_or_else(|| Refusal::invalid(format!("there is no table {name}")))?;
            Ok(table.keys.clone())
        })
    }

    /// The table's name and the write that a request, or one item of a transaction, asks for.
    fn write_of(&mut self, operation: &str, request: &mut Item) -> Result<(String, Write), Refusal> {
        let names = ["ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"];
        refuse_others(request, &[&["TableName", "Key", "Item", "UpdateExpression"], &names[..]].concat())?;
        let name = text(request, "TableName")?;
        let item = request.remove(if operation == "PutItem" { "Item" } else { "Key" });
        let Some(Value::Object(item)) = item else { return Err(Refusal::invalid("a write without its item or key")) };
        let key = key_in(&self.table(&name)?.keys, &item)?;
        let change = match operation {
            "PutItem" => Change::Put(item),
            "DeleteItem" => Change::Delete,
            "UpdateItem" => {
                let actions = expression(request, "UpdateExpression", Reader::actions)?;
                Change::Update(actions.unwrap_or_default(), item)
            }
            other => return Err(Refusal::invalid(format!("{other} is not known here"))),
        };
        let condition = expression(request, "ConditionExpression", Reader::condition)?;
        Ok((name, Write { key, change, condition, is_insert: false }))
    }
}

/// Parses the expression in this member of a request; returns `None` if the request has no such member.
fn expression<'a, T>(
    request: &'a Item,
    member: &str,
    parse: impl FnOnce(&mut Reader<'a>) -> Result<T, Refusal>,
) -> Result<Option<T>, Refusal> {
    let Some(text) = request.get(member).and_then(Value::as_str) else { return Ok(None) };
    let mut reader = Reader::of_expression(text, request)?;
    let parsed = parse(&mut reader)?;
    reader.end()?;
    Ok(Some(parsed))
}

/// Refuses a request with other members than these: one that is ignored could change the bill.
fn refuse_others(request: &Item, known: &[&str]) -> Result<(), Refusal> {
    match request.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Refusal::invalid(format!("{name} is not known here"))),
    }
}

fn text(request: &Item, name: &str) -> Result<String, Refusal> {
    let text = request.get(name).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| Refusal::invalid(format!("{name} is missing")))
}

fn object<'a>(request: &'a Item, name: &str) -> Result<&'a Item, Refusal> {
    request.get(name).and_then(Value::as_object).ok_or_else(|| Refusal::invalid(format!("{name} is missing")))
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn is_set(request: &Item, name: &str) -> bool {
    request.get(name) == Some(&Value::Bool(true))
}
