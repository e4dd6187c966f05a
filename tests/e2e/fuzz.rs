//! Sends malformed requests to the real functions: through the HTTP API, and as events through Lambda's Invoke, so
//! that requests reach them that the emulator's gateway would refuse.
//!
//! Whatever the request, the reply is the API's own and comes in time, and no function panics. The test prints its
//! seed; `NANO_FUZZ_SEED` sets it. Each case depends only on the seed and its number.

mod client;
mod events;
mod requests;
mod values;

use std::{collections::BTreeMap, env, future::Future, pin::pin, time::Duration};

use fastrand::Rng;
use futures_util::{StreamExt as _, stream};
use harness::{Customer, Failure, Producer, SOON};
use serde_json::{Value, json};
use tokio::time::timeout;

use self::{client::Answer, events::Functions, requests::Request, values::Known};
use crate::{RECEIVER, STACK, key_for};

const CASES: u64 = 500;
const AT_A_TIME: usize = 6;

#[tokio::test]
async fn any_http_request_gets_a_reply_of_the_api() {
    let known = known("acct_fuzz_http").await;
    run("http", async |mut rng| {
        let request = Request::random(&mut rng, &known);
        let said = request.to_string();
        let answer = timeout(SOON, request.send(&STACK.api_url)).await;
        (said, answer.map_or(Err(Failure::late("no answer in time").to_string()), |answer| judge(&answer?)))
    })
    .await;
}

#[tokio::test]
async fn any_event_of_api_gateway_gets_a_reply_of_the_api() {
    let known = known("acct_fuzz_events").await;
    let functions = Functions::of(&STACK).await;
    run("events", async |mut rng| {
        let (function, event) = functions.random_event(&mut rng, &known);
        let said = format!("{function} {}", shortened(&event.to_string()));
        let answer = timeout(SOON, functions.invoke(function, &event)).await;
        (said, answer.map_or(Err(Failure::late("no answer in time").to_string()), |answer| judge(&answer?)))
    })
    .await;
}

/// `lambda_http` built a URL from these headers and the query, and panicked if the result was not a URL.
#[tokio::test]
async fn what_is_no_url_is_no_concern_of_the_api() {
    let known = known("acct_fuzz_url").await;
    let cases: [(&str, &[(&str, &str)]); 5] = [
        ("/api/v1/webhooks?x=<>", &[]),
        ("/api/v1/webhooks?x=\"{}|\\^`", &[]),
        ("/api/v1/webhooks", &[("host", "a:99999")]),
        ("/api/v1/webhooks", &[("host", "a b")]),
        ("/api/v1/webhooks", &[("x-forwarded-proto", "%%")]),
    ];
    for (path, headers) in cases {
        let mut request = Request::get(path, &known);
        request.headers.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
        // The route has no parameter `x`, and its reply says so.
        let expected = if path.contains('?') { 400 } else { 200 };
        assert_eq!(request.send(&STACK.api_url).await.map(|answer| answer.status), Ok(expected), "{request}");
    }
}

/// The runtime refuses an event that is not from an HTTP API, and the gateway would then answer with its own text. No
/// client can send these events: API Gateway writes those fields itself and refuses headers that RFC 9110 forbids.
/// The function keeps running.
#[tokio::test]
async fn what_only_a_broken_gateway_could_send_is_refused_by_the_runtime() {
    let known = known("acct_fuzz_broken").await;
    let functions = Functions::of(&STACK).await;
    let cases: [(&str, Value); 8] = [
        ("/requestContext", Value::Null),
        ("/requestContext/http/method", json!("NO METHOD")),
        ("/headers", json!({ "a b": "c" })),
        ("/headers", json!({ "x-a": "\u{7f}" })),
        ("/headers", json!({ "x-a": "\n" })),
        ("/body", json!({})),
        ("/pathParameters", json!({ "id": 1 })),
        ("/rawPath", json!(1)),
    ];
    let whole = functions.event("get-webhook", &known);
    for (field, value) in cases {
        let mut event = whole.clone();
        *event.pointer_mut(field).unwrap() = value;
        let refused = functions.invoke("get-webhook", &event).await;
        assert!(refused.as_ref().is_err_and(|error| error.starts_with("FunctionError")), "{field}: {refused:?}");
        assert_eq!(functions.invoke("get-webhook", &whole).await.map(|answer| answer.status), Ok(200));
    }
}

/// An account with a webhook and a delivery, so that not every request ends with a 404.
async fn known(account: &str) -> Known {
    let key = key_for(account);
    let customer = Customer::new(&STACK, &key);
    let path = format!("/fuzz/{account}");
    let webhook = json!({ "url": RECEIVER.url(&path), "events": ["job.completed"], "secret_key": "your-secret-key" });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    let completion =
        json!({ "account_id": account, "task_id": "task_fuzz", "task_type": "image", "status": "completed" });
    Producer::new(&STACK).send(completion).await.unwrap();
    let arrived = RECEIVER.wait_for(&path, 1, Duration::from_secs(30)).await.unwrap();
    Known { key: key.key, delivery: arrived[0].header("webhook-id").unwrap().to_owned() }
}

/// Runs every case, and panics with all failures.
async fn run<F: Future<Output = (String, Result<u16, String>)>>(name: &str, case: impl Fn(Rng) -> F) {
    let seed = env::var("NANO_FUZZ_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    let cases = stream::iter(0..CASES).map(|number| case(Rng::with_seed(seed.wrapping_add(number))));
    let (mut statuses, mut problems) = (BTreeMap::<u16, u32>::new(), Vec::new());
    let mut done = pin!(cases.buffer_unordered(AT_A_TIME));
    while let Some((said, judged)) = done.next().await {
        match judged {
            Ok(status) => *statuses.entry(status).or_default() += 1,
            Err(problem) => problems.push(format!("{problem}\n    of {said}")),
        }
    }
    eprintln!("{CASES} cases ({name}, NANO_FUZZ_SEED={seed}): {statuses:?}");
    assert!(
        problems.is_empty(),
        "{} of {CASES} cases ({name}, NANO_FUZZ_SEED={seed}):\n{}",
        problems.len(),
        problems.join("\n")
    );
    let log = STACK.log().unwrap();
    let panic = log.lines().find(|line| line.contains("panicked at"));
    assert_eq!(panic, None, "a function panicked: see the stack's logs");
}

/// Words of serde's error messages, which no customer would understand.
const WORDS_OF_A_PARSER: &[&str] =
    &[" at line ", " column ", "expected value", "invalid type", "unknown field `", "struct "];

/// Returns the status of a reply that the API may send: not a 5xx, in the envelope, with a request id. Otherwise
/// returns what is wrong.
fn judge(answer: &Answer) -> Result<u16, String> {
    let wrong = |what: &str| Err(format!("{what}: {answer}"));
    if answer.header("x-request-id").is_none_or(str::is_empty) {
        return wrong("no x-request-id");
    }
    // A file of the public routes. No other reply may be cached.
    if answer.status == 200 && answer.header("cache-control").is_some() {
        return Ok(200);
    }
    // The redirect from a path that a person may type to find the console.
    if answer.status == 307 && answer.header("location").is_some_and(|to| to.ends_with("console")) {
        return Ok(307);
    }
    if answer.header("content-type") != Some("application/json") {
        return wrong("not JSON by its content type");
    }
    if answer.body.is_empty() && answer.to_head {
        return Ok(answer.status);
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let fields: Vec<_> = body.as_object().into_iter().flat_map(|fields| fields.keys()).collect();
    let code = match answer.status {
        200..=202 if body["success"] == true && fields == ["data", "success"] => return Ok(answer.status),
        400 => "invalid_request",
        401 => "unauthorized",
        404 => "not_found",
        409 => "conflict",
        413 => "payload_too_large",
        // A webhook is rehearsed once a minute.
        429 => "rate_limited",
        _ => return wrong("not a status of the API, or not its body"),
    };
    let message = body["error"]["message"].as_str().unwrap_or_default();
    let in_envelope = body["success"] == false && fields == ["error", "success"] && body["error"]["code"] == code;
    if !in_envelope || message.is_empty() {
        return wrong("not in the envelope");
    }
    if let Some(word) = WORDS_OF_A_PARSER.iter().find(|word| message.contains(**word)) {
        return wrong(&format!("{word:?} in a message"));
    }
    // A message may quote the request, but must not grow with it.
    if message.len() > 20_000 { wrong("a long message") } else { Ok(answer.status) }
}

fn shortened(said: &str) -> String {
    said.chars().take(400).collect()
}
