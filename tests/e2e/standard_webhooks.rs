//! Our deliveries against the official Standard Webhooks libraries: of Rust, Python and Node, and Svix's own of Python.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use harness::{Customer, Producer, Received, node_modules, python_environment, skipped, workspace};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::{RECEIVER, STACK, key_for};

const SOON: Duration = Duration::from_secs(30);

/// Each reads `[{secret, is_text, headers, body}]` and prints `{library: [accepted]}`. A secret that is a text goes to
/// the libraries as its bytes, as `docs/verifying.md` has it.
const PYTHON: &str = r#"
import json, sys, standardwebhooks.webhooks, svix.webhooks

def accepts(library, request):
    secret = request["secret"].encode() if request["is_text"] else request["secret"]
    try:
        library.Webhook(secret).verify(bytes.fromhex(request["body"]), request["headers"])
        return True
    except library.WebhookVerificationError:
        return False

libraries = {"standardwebhooks in Python": standardwebhooks.webhooks, "svix in Python": svix.webhooks}
requests = json.load(sys.stdin)
print(json.dumps({name: [accepts(library, each) for each in requests] for name, library in libraries.items()}))
"#;

const NODE: &str = r"
const { Webhook, WebhookVerificationError } = require('standardwebhooks');

const verdicts = JSON.parse(require('fs').readFileSync(0, 'utf8')).map(({ secret, is_text, headers, body }) => {
  try {
    new Webhook(secret, is_text ? { format: 'raw' } : {}).verify(Buffer.from(body, 'hex'), headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
});
console.log(JSON.stringify({ 'standardwebhooks in Node': verdicts }));
";

/// What each library says of a delivery, once for each secret.
fn verdicts(webhook: &Received, secrets: &[&str]) -> BTreeMap<String, Vec<bool>> {
    let headers: BTreeMap<&str, &str> =
        webhook.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let requests = secrets.iter().map(|secret| {
        json!({ "secret": secret, "is_text": is_text(secret), "headers": headers, "body": hex::encode(&webhook.body) })
    });
    let requests = Value::Array(requests.collect()).to_string();

    let manifests = workspace().join("tests/receivers");
    let target = workspace().join("target/receivers");
    let rust = |secret: &&str| {
        let library = if is_text(secret) { Webhook::from_bytes((*secret).into()) } else { Webhook::new(secret) };
        library.unwrap().verify(&webhook.body, &webhook.headers).is_ok()
    };
    let mut verdicts = BTreeMap::from([("standardwebhooks in Rust".to_owned(), secrets.iter().map(rust).collect())]);
    let python = python_environment(&target.join("python"), &manifests.join("requirements.txt"), &|_| ()).unwrap();
    verdicts.extend(run(Command::new(python).args(["-c", PYTHON]), &requests));
    if Command::new("npm").arg("--version").stdout(Stdio::null()).status().is_ok() {
        let modules = node_modules(&target.join("node"), &manifests).unwrap();
        verdicts.extend(run(Command::new("node").args(["-e", NODE]).env("NODE_PATH", modules), &requests));
    } else {
        skipped("Node's standardwebhooks, since npm is not installed");
    }
    verdicts
}

/// True unless the libraries take it for base64 themselves, as they should.
fn is_text(secret: &str) -> bool {
    !secret.starts_with("whsec_")
}

fn run(command: &mut Command, input: &str) -> BTreeMap<String, Vec<bool>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Checks what each library says of a delivery with these secrets.
fn expect(webhook: &Received, when: &str, expected: &[(&str, bool)]) {
    let (secrets, expected): (Vec<&str>, Vec<bool>) = expected.iter().copied().unzip();
    for (library, verdicts) in verdicts(webhook, &secrets) {
        assert_eq!(verdicts, expected, "{library}, {when}");
    }
}

/// A webhook in an account of its own, on a path of the receiver.
struct Endpoint {
    account: &'static str,
    customer: Customer,
    path: String,
    /// As the service made it, or as it was given.
    secret: String,
}

impl Endpoint {
    async fn register(account: &'static str, secret: Option<&str>) -> Self {
        let customer = Customer::new(&STACK, &key_for(account));
        let path = format!("/{account}");
        let mut webhook = json!({ "url": RECEIVER.url(&path), "events": ["job.completed"] });
        if let Some(secret) = secret {
            webhook["secret_key"] = json!(secret);
        }
        let reply = customer.post("/api/v1/webhooks", &webhook).await.unwrap().json();
        let secret = secret.or(reply["data"]["secret_key"].as_str()).unwrap().to_owned();
        Self { account, customer, path, secret }
    }

    /// Has a completion delivered; gives what arrived.
    async fn deliver(&self, task: &str) -> Received {
        let account = self.account;
        let completion = format!(
            r#"{{"account_id":"{account}","task_id":"{task}","task_type":"image","status":"completed","data":{{"prompt":"Zürich 日本語 🍌 \u2028 \"","n":[6.0,1e21,1E-7,-0]}},"timestamp":"2024-12-23T10:00:00Z"}}"#
        );
        Producer::new(&STACK).send(completion).await.unwrap();
        let start = Instant::now();
        let is_it = |webhook: &Received| webhook.body.windows(task.len()).any(|window| window == task.as_bytes());
        loop {
            if let Some(found) = RECEIVER.received(&self.path).into_iter().find(is_it) {
                return found;
            }
            assert!(start.elapsed() < SOON, "{task} was not delivered");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Gives the new secret.
    async fn rotate(&self, request: &Value) -> String {
        let reply = self.customer.post("/api/v1/webhooks/1/rotate-secret", request).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text);
        let made = reply.json()["data"]["secret_key"].take();
        made.as_str().or(request["secret_key"].as_str()).unwrap().to_owned()
    }
}

const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[tokio::test]
async fn every_library_accepts_a_delivery_and_refuses_a_forgery() {
    for (account, secret) in [("acct_library_made", None), ("acct_library_text", Some("your-secret-key"))] {
        let endpoint = Endpoint::register(account, secret).await;
        let webhook = endpoint.deliver("task_1").await;
        let secret = endpoint.secret.as_str();
        expect(&webhook, account, &[(secret, true), (OTHER, false), ("another-text", false)]);

        let body = String::from_utf8(webhook.body.to_vec()).unwrap().replace("task_1", "task_2");
        expect(&Received { body: body.into(), ..webhook.clone() }, "another body", &[(secret, false)]);
        let mut headers = webhook.headers.clone();
        headers.insert("webhook-id", "01JFS70MC0ZZZZZZZZZZZZZZZZ".parse().unwrap());
        expect(&Received { headers, ..webhook.clone() }, "another id", &[(secret, false)]);
        let mut headers = webhook.headers.clone();
        let sooner = webhook.header("webhook-timestamp").unwrap().parse::<u64>().unwrap() - 1;
        headers.insert("webhook-timestamp", sooner.into());
        expect(&Received { headers, ..webhook }, "another time", &[(secret, false)]);
    }
}

#[tokio::test]
async fn every_library_accepts_deliveries_before_during_and_after_a_rotation() {
    let endpoint = Endpoint::register("acct_library_rotated", None).await;
    let old = endpoint.secret.as_str();
    expect(&endpoint.deliver("task_before").await, "before", &[(old, true), (OTHER, false)]);

    let new = endpoint.rotate(&json!({})).await;
    expect(&endpoint.deliver("task_during").await, "during", &[(old, true), (&new, true), (OTHER, false)]);

    let text = endpoint.rotate(&json!({ "secret_key": "a-text-of-ones-own" })).await;
    let during = endpoint.deliver("task_during_two").await;
    expect(&during, "during two", &[(old, true), (&new, true), (&text, true), (OTHER, false)]);

    let newest = endpoint.rotate(&json!({ "overlap_seconds": 0 })).await;
    let ended = endpoint.deliver("task_ended").await;
    expect(&ended, "after an end at once", &[(old, false), (&new, false), (&text, false), (&newest, true)]);

    let last = endpoint.rotate(&json!({ "overlap_seconds": 1 })).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    expect(&endpoint.deliver("task_after").await, "after", &[(&newest, false), (&last, true)]);
}

/// What is no base64 is not for the library of Rust, which takes bytes for it.
#[test]
fn the_library_signs_the_vectors_as_they_are_published() {
    let vectors = fs::read_to_string(workspace().join("docs/signature-vectors.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_str(&vectors).unwrap();
    assert!(vectors.len() > 15, "there are {} vectors", vectors.len());
    for vector in vectors {
        let text = |field: &str| vector[field].as_str().unwrap();
        let previous = vector["previous_secrets"].as_array().unwrap().iter();
        let secrets = [text("secret")].into_iter().chain(previous.map(|secret| secret.as_str().unwrap()));
        let sign = |secret: &str| {
            let library = Webhook::new(secret).ok().filter(|_| !is_text(secret));
            let library = library.or_else(|| Webhook::from_bytes(secret.into()).ok()).unwrap();
            library.sign(text("id"), vector["timestamp"].as_i64().unwrap(), text("body").as_bytes()).unwrap()
        };
        let signatures: Vec<String> = secrets.map(sign).collect();
        assert_eq!(signatures.join(" "), vector["headers"]["webhook-signature"], "{}", text("name"));
    }
}
