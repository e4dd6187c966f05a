//! Malformed events: the samples from `events/`, changed in ways in which API Gateway could send them.

use std::{collections::BTreeMap, fs};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fastrand::Rng;
use harness::{Stack, workspace};
use serde_json::{Map, Value, json};

use super::{
    client::{Answer, exchange},
    values::{Known, body, odd_text, one, webhook_id},
};

/// The emulator reads the access key from this header and accepts any signature.
const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0";

/// The functions of the HTTP API, with a sample event for each.
pub(super) struct Functions {
    address: String,
    /// By crate: the function's deployed name, and its sample event.
    functions: BTreeMap<String, (String, Value)>,
}

impl Functions {
    pub(super) async fn of(stack: &Stack) -> Self {
        let address = stack.endpoint().trim_start_matches("http://").to_owned();
        let head = format!(
            "GET /2015-03-31/functions/ HTTP/1.1\r\nhost: {address}\r\nauthorization: {SIGNED}\r\nconnection: close\r\n\r\n"
        );
        let listed = exchange(&address, head.as_bytes(), b"").await.unwrap();
        let listed: Value = serde_json::from_slice(&listed.body).unwrap();
        let names: Vec<_> =
            listed["Functions"].as_array().unwrap().iter().map(|one| one["FunctionName"].as_str().unwrap()).collect();
        let samples = fs::read_dir(workspace().join("events")).unwrap().map(|entry| entry.unwrap().path());
        let functions = samples.filter_map(|sample| {
            let event: Value = serde_json::from_slice(&fs::read(&sample).unwrap()).unwrap();
            let name = sample.file_stem().unwrap().to_str().unwrap().to_owned();
            let deployed = format!("-{}function-", name.replace('-', ""));
            let deployed = names.iter().find(|other| other.to_lowercase().contains(&deployed))?;
            event.get("routeKey").is_some().then(|| (name, ((*deployed).to_owned(), event)))
        });
        let functions: BTreeMap<_, _> = functions.collect();
        assert!(functions.len() >= 9, "{:?}", functions.keys());
        Self { address, functions }
    }

    /// A function's sample event, with the key and the delivery of an existing account.
    pub(super) fn event(&self, function: &str, known: &Known) -> Value {
        let mut event = self.functions[function].1.clone();
        if event["headers"].get("authorization").is_some() {
            event["headers"]["authorization"] = json!(format!("Bearer {}", known.key));
        }
        if function == "delete-webhook" {
            // Webhook 1 stays: without it every later request would end with a 404.
            event["pathParameters"]["id"] = json!("2");
        }
        // The event of webhook 1 stays, too.
        if function != "delete-event"
            && let Some(id) = event.pointer_mut("/pathParameters/event_id")
        {
            *id = json!(known.delivery);
        }
        for field in ["body", "pathParameters"] {
            event.as_object_mut().unwrap().entry(field).or_insert_with(Value::default);
        }
        event
    }

    /// A random function, and an event that API Gateway could send it.
    pub(super) fn random_event(&self, rng: &mut Rng, known: &Known) -> (&str, Value) {
        let names: Vec<_> = self.functions.keys().collect();
        let function = one(rng, &names);
        let mut event = self.event(function, known);
        for _ in 0..rng.u8(1..5) {
            change(rng, event.as_object_mut().unwrap());
        }
        (function, event)
    }

    /// Calls a function with an event through Lambda. Fails if the function returned no reply.
    pub(super) async fn invoke(&self, function: &str, event: &Value) -> Result<Answer, String> {
        let (Self { address, functions }, event) = (self, event.to_string());
        let (deployed, _) = &functions[function];
        let head = format!(
            "POST /2015-03-31/functions/{deployed}/invocations HTTP/1.1\r\nhost: {address}\r\nauthorization: {SIGNED}\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n",
            event.len()
        );
        let answer = exchange(address, head.as_bytes(), event.as_bytes()).await?;
        if answer.header("x-amz-function-error").is_some() {
            return Err(format!("FunctionError: {answer}"));
        }
        let reply: Value = serde_json::from_slice(&answer.body).map_err(|_| format!("not a reply: {answer}"))?;
        let status = reply["statusCode"].as_u64().and_then(|status| status.try_into().ok());
        let headers = reply["headers"].as_object().into_iter().flatten();
        Ok(Answer {
            status: status.ok_or_else(|| format!("no status: {answer}"))?,
            headers: headers
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            body: reply["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
            to_head: false,
        })
    }
}

fn change(rng: &mut Rng, event: &mut Map<String, Value>) {
    let right = event.get("body").and_then(Value::as_str).unwrap_or_default().to_owned();
    match rng.u8(..12) {
        0 => set(event, "headers", one(rng, &[json!({}), Value::Null])),
        1..3 => {
            let name =
                one(rng, &["content-type", "idempotency-key", "host", "x-forwarded-proto", "cookie", "authorization"]);
            let odd = odd_text(rng, 60);
            let value = one(rng, &[odd, "x".repeat(10_000), String::new(), "a,a".to_owned()]);
            if let Some(headers) = event["headers"].as_object_mut() {
                headers.insert(name.to_owned(), json!(value));
            }
        }
        3..5 => {
            set(event, "body", json!(STANDARD.encode(body(rng, &right))));
            set(event, "isBase64Encoded", json!(true));
        }
        5 => {
            set(event, "body", json!(String::from_utf8_lossy(&body(rng, &right))));
            set(event, "isBase64Encoded", json!(false));
        }
        6 => {
            set(event, "rawQueryString", json!(odd_text(rng, 60)));
            set(
                event,
                "queryStringParameters",
                json!({ odd_text(rng, 10): odd_text(rng, 20), "limit": odd_text(rng, 3) }),
            );
        }
        7 => {
            let parameters = json!({ "id": webhook_id(rng), "event_id": odd_text(rng, 40) });
            set(event, "pathParameters", one(rng, &[parameters, json!({}), Value::Null]));
        }
        8 => set(event, "rawPath", json!(format!("/{}", odd_text(rng, 80)))),
        9 => {
            let context = event["requestContext"].as_object_mut().unwrap();
            let field =
                one(rng, &["domainName", "domainPrefix", "requestId", "stage", "time", "authorizer", "authentication"]);
            context.insert(field.to_owned(), Value::Null);
        }
        10 => {
            event["requestContext"]["http"]["userAgent"] = json!(odd_text(rng, 200));
            event["requestContext"]["http"]["sourceIp"] = json!(one(rng, &["2001:db8::1", "192.0.2.1"]));
            event["requestContext"]["domainName"] = json!("webhooks.your-domain.com");
        }
        _ => {
            let field = one(
                rng,
                &["cookies", "stageVariables", "pathParameters", "queryStringParameters", "body", "rawQueryString"],
            );
            if rng.bool() {
                event.remove(field);
            } else {
                set(event, field, Value::Null);
            }
            set(event, "somethingNew", json!({ "a": [1] }));
        }
    }
}

fn set(event: &mut Map<String, Value>, field: &str, value: Value) {
    event.insert(field.to_owned(), value);
}
