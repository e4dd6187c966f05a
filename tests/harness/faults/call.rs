//! A function's call to AWS, as far as the fault injector understands it: DynamoDB and SQS in their JSON protocols.

use std::{io, iter};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Method},
};
use fastrand::Rng;
use hyper::{Request, body::Incoming};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// A call that has not been forwarded yet.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The part of a batch that was left out. The answer must report it to the caller.
pub(super) enum LeftOut {
    /// The ids of entries that were not sent.
    Entries(Vec<Value>),
    /// The keys that were not read, by table, with the table's other settings in the request.
    Keys(Map<String, Value>),
    /// The places of the statements that were not executed.
    Statements(Vec<usize>),
    /// The writes that were not executed, by table.
    Writes(Map<String, Value>),
}

impl Call {
    pub(super) async fn read(request: Request<Incoming>) -> io::Result<Self> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.map_err(io::Error::other)?;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { method: parts.method, path, headers: parts.headers, body })
    }

    /// The operation's name, such as `PutItem` or `SendMessageBatch`.
    pub(super) fn operation(&self) -> &str {
        self.target().rsplit('.').next().unwrap_or_default()
    }

    /// Whether this is a client's repetition of a call that failed.
    pub(super) fn is_repeated(&self) -> bool {
        let request = self.header("amz-sdk-request");
        request.starts_with("attempt=") && !request.starts_with("attempt=1;")
    }

    pub(super) fn is_batch(&self) -> bool {
        matches!(self.operation(), "SendMessageBatch" | "BatchGetItem" | "BatchExecuteStatement" | "BatchWriteItem")
    }

    /// Whether the call is a batch that reads some table eventually consistently.
    pub(super) fn may_lag(&self) -> bool {
        !self.inconsistent_tables().is_empty()
    }

    /// The tables that a batch reads eventually consistently.
    fn inconsistent_tables(&self) -> Vec<String> {
        if self.operation() != "BatchGetItem" {
            return Vec::new();
        }
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let tables = body["RequestItems"].as_object().into_iter().flatten();
        tables.filter(|(_, table)| table["ConsistentRead"] != true).map(|(name, _)| name.clone()).collect()
    }

    /// Returns a function that removes items from the answer to such a read: all items of the table with the given
    /// name, or, without a name, a random part of each table's.
    pub(super) fn lag(&self) -> impl FnOnce(&[u8], Option<&str>, &mut Rng) -> Bytes + use<> {
        let tables = self.inconsistent_tables();
        move |answer, lagging, rng| {
            let mut answer: Value = serde_json::from_slice(answer).unwrap_or_default();
            for table in tables {
                let Some(items) = answer["Responses"][&table].as_array_mut() else { continue };
                match lagging {
                    Some(name) if table.ends_with(name) => items.clear(),
                    Some(_) => {}
                    None => items.retain(|_| rng.bool()),
                }
            }
            answer.to_string().into()
        }
    }

    pub(super) fn has(&self, text: &str) -> bool {
        self.body.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// The error code with which the call's service throttles a caller.
    pub(super) fn throttled(&self) -> &'static str {
        if self.target().starts_with("DynamoDB") {
            "ProvisionedThroughputExceededException"
        } else {
            "RequestThrottled"
        }
    }

    /// Takes a random part of a batch, at least one entry, out of the call. Returns `None` if the call is no such
    /// batch.
    pub(super) fn leave_out(&mut self, rng: &mut Rng) -> Option<LeftOut> {
        let mut body: Value = serde_json::from_slice(&self.body).ok()?;
        let left_out = match self.operation() {
            "SendMessageBatch" => LeftOut::entries(body["Entries"].as_array_mut()?, rng),
            "BatchGetItem" => LeftOut::keys(body["RequestItems"].as_object_mut()?, rng),
            "BatchExecuteStatement" => LeftOut::statements(body["Statements"].as_array_mut()?, rng),
            "BatchWriteItem" => LeftOut::writes(body["RequestItems"].as_object_mut()?, rng),
            _ => return None,
        };
        self.replace_body(&body);
        Some(left_out)
    }

    /// Takes the statements at these places out of the call.
    pub(super) fn leave_out_statements(&mut self, places: Vec<usize>) -> LeftOut {
        let mut body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        if let Some(statements) = body["Statements"].as_array_mut() {
            let mut at = 0..;
            statements.retain(|_| !at.next().is_some_and(|at| places.contains(&at)));
        }
        self.replace_body(&body);
        LeftOut::Statements(places)
    }

    /// For each statement of a batch: the partition that it writes to, if the name of its table ends in `table`.
    pub(super) fn partitions(&self, table: &str) -> Vec<Option<String>> {
        if self.operation() != "BatchExecuteStatement" {
            return Vec::new();
        }
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let statements = body["Statements"].as_array().cloned().unwrap_or_default();
        statements.iter().map(|statement| partition(statement, table)).collect()
    }

    /// Whether a batch has no entries left.
    pub(super) fn is_empty(&self) -> bool {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["Entries"].as_array().is_some_and(Vec::is_empty)
            || body["Statements"].as_array().is_some_and(Vec::is_empty)
            || body["RequestItems"].as_object().is_some_and(Map::is_empty)
    }

    /// Replaces the body and keeps the function's signature valid. The emulator takes the signed hash from this
    /// header if there is one; spaces at the end, which JSON ignores, keep the signed length.
    fn replace_body(&mut self, body: &Value) {
        let signed = HeaderValue::try_from(hex::encode(Sha256::digest(&self.body))).expect("digits are a valid header");
        self.headers.insert(HeaderName::from_static("x-amz-content-sha256"), signed);
        let mut text = body.to_string();
        text.extend(iter::repeat_n(' ', self.body.len().saturating_sub(text.len())));
        self.body = text.into();
    }

    fn target(&self) -> &str {
        self.header("x-amz-target")
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl LeftOut {
    fn entries(entries: &mut Vec<Value>, rng: &mut Rng) -> Self {
        Self::Entries(take_some(entries, rng).iter().map(|entry| entry["Id"].clone()).collect())
    }

    fn keys(tables: &mut Map<String, Value>, rng: &mut Rng) -> Self {
        let mut left_out = Map::new();
        for (name, table) in tables.iter_mut() {
            let mut rest = table.clone();
            if let Some(keys) = table["Keys"].as_array_mut() {
                rest["Keys"] = take_some(keys, rng).into();
                left_out.insert(name.clone(), rest);
            }
        }
        tables.retain(|_, table| table["Keys"] != json!([]));
        Self::Keys(left_out)
    }

    fn writes(tables: &mut Map<String, Value>, rng: &mut Rng) -> Self {
        let writes = tables
            .iter_mut()
            .filter_map(|(name, writes)| Some((name.clone(), take_some(writes.as_array_mut()?, rng).into())));
        let left_out = writes.collect();
        tables.retain(|_, writes| *writes != json!([]));
        Self::Writes(left_out)
    }

    fn statements(statements: &mut Vec<Value>, rng: &mut Rng) -> Self {
        let mut numbered: Vec<Value> = (0..statements.len()).map(Value::from).collect();
        let taken = take_some(&mut numbered, rng);
        let taken: Vec<usize> = taken.iter().filter_map(|at| usize::try_from(at.as_u64()?).ok()).collect();
        let mut at = 0..;
        statements.retain(|_| !at.next().is_some_and(|at| taken.contains(&at)));
        Self::Statements(taken)
    }

    /// Adds to an answer what was left out of the batch, in the form in which AWS reports it.
    pub(super) fn confess(self, answer: &[u8]) -> Bytes {
        let mut answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        match self {
            Self::Entries(ids) => {
                let failed = ids.into_iter().map(|id| {
                    json!({ "Id": id, "SenderFault": false, "Code": "InternalError", "Message": "injected by the tests" })
                });
                let before = answer["Failed"].as_array().cloned().unwrap_or_default();
                answer["Failed"] = before.into_iter().chain(failed).collect();
            }
            Self::Keys(tables) => answer["UnprocessedKeys"] = tables.into(),
            Self::Writes(tables) => answer["UnprocessedItems"] = tables.into(),
            Self::Statements(places) => {
                let mut responses = answer["Responses"].as_array().cloned().unwrap_or_default();
                let error = json!({ "Error": { "Code": "ThrottlingError", "Message": "injected by the tests" } });
                // In ascending order, so that each error lands at its own statement's place.
                for place in places {
                    responses.insert(place, error.clone());
                }
                answer["Responses"] = responses.into();
            }
        }
        answer.to_string().into()
    }
}

/// The partition key of a statement as the product writes it: an `INSERT` names its attributes in order, and the
/// condition of an `UPDATE` ends with partition key, sort key and version.
fn partition(statement: &Value, table: &str) -> Option<String> {
    let text = statement["Statement"].as_str()?;
    if !text.split('"').nth(1)?.ends_with(table) {
        return None;
    }
    let parameters = statement["Parameters"].as_array()?;
    let at = if text.starts_with("INSERT") {
        text.split('\'').skip(1).step_by(2).position(|name| name == "webhook")?
    } else {
        parameters.len().checked_sub(3)?
    };
    parameters.get(at)?["S"].as_str().map(str::to_owned)
}

/// Takes a random part, at least one element, out of a list that is not empty.
fn take_some(list: &mut Vec<Value>, rng: &mut Rng) -> Vec<Value> {
    let certain = rng.usize(..list.len());
    let mut at = 0..;
    let (taken, kept) = std::mem::take(list).into_iter().partition(|_| at.next() == Some(certain) || rng.bool());
    *list = kept;
    taken
}
