//! Our deliveries against the official Standard Webhooks libraries for Rust, Python and Node, and against Svix's own
//! libraries for Python and Node.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    iter,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use harness::{Customer, Producer, Received, SOON, node_modules, python_environment, skipped, workspace};
use nano_webhooks::{signature, webhook::Secret};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::{RECEIVER, STACK, key_for};

/// Each program reads `[{secret, is_text, headers, body}]` and prints `{library: [accepted]}`. It passes a text
/// secret to the libraries as bytes, as `docs/verifying.md` says.
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
const requests = JSON.parse(require('fs').readFileSync(0, 'utf8'));

const verdicts = ({ Webhook, WebhookVerificationError }) => requests.map(({ secret, is_text, headers, body }) => {
  try {
    new Webhook(secret, is_text ? { format: 'raw' } : {}).verify(Buffer.from(body, 'hex'), headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
});
console.log(JSON.stringify({
  'standardwebhooks in Node': verdicts(require('standardwebhooks')),
  'svix in Node': verdicts(require('svix')),
}));
";

/// Whether each library accepts a delivery, once for each secret.
fn verdicts(webhook: &Received, secrets: &[&str]) -> BTreeMap<String, Vec<bool>> {
    let headers: BTreeMap<&str, &str> =
        webhook.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let requests = secrets.iter().map(|secret| request(secret, &headers, &webhook.body));
    let rust = |secret: &&str| {
        let library = if is_text(secret) { Webhook::from_bytes((*secret).into()) } else { Webhook::new(secret) };
        library.unwrap().verify(&webhook.body, &webhook.headers).is_ok()
    };
    let mut verdicts = verdicts_in_python_and_node(&requests.collect());
    verdicts.insert("standardwebhooks in Rust".to_owned(), secrets.iter().map(rust).collect());
    verdicts
}

fn request(secret: &str, headers: &BTreeMap<&str, &str>, body: &[u8]) -> Value {
    json!({ "secret": secret, "is_text": is_text(secret), "headers": headers, "body": hex::encode(body) })
}

/// Whether each library accepts each of these requests.
fn verdicts_in_python_and_node(requests: &Value) -> BTreeMap<String, Vec<bool>> {
    let requests = requests.to_string();
    let manifests = workspace().join("tests/receivers");
    let target = workspace().join("target/receivers");
    let python = python_environment(&target.join("python"), &manifests.join("requirements.txt"), &|_| ()).unwrap();
    let mut verdicts = run(Command::new(python).args(["-c", PYTHON]), &requests);
    if Command::new("npm").arg("--version").stdout(Stdio::null()).status().is_ok() {
        let modules = node_modules(&target.join("node"), &manifests).unwrap();
        verdicts.extend(run(Command::new("node").args(["-e", NODE]).env("NODE_PATH", modules), &requests));
    } else {
        skipped("Node's standardwebhooks and svix, since npm is not installed");
    }
    verdicts
}

/// Whether a secret is used as text. The libraries themselves decode secrets with `whsec_` as base64, as they should.
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

/// Asserts for each secret whether every library accepts the delivery.
fn expect(webhook: &Received, when: &str, expected: &[(&str, bool)]) {
    let (secrets, expected): (Vec<&str>, Vec<bool>) = expected.iter().copied().unzip();
    for (library, verdicts) in verdicts(webhook, &secrets) {
        assert_eq!(verdicts, expected, "{library}, {when}");
    }
}

/// A webhook in its own account, with its own path of the receiver.
struct Endpoint {
    account: &'static str,
    customer: Customer,
    path: String,
    /// The secret that the service made or that the test gave.
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

    /// Sends a completion and returns the webhook that arrives.
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

    /// Rotates the secret and returns the new one.
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

/// The name of a kind of secret, and a function that makes a random one.
type Kind = (&'static str, fn(&mut fastrand::Rng) -> String);

/// All kinds of secrets that the service or a customer could make.
const KINDS: &[Kind] = &[
    ("made by the service", |_| Secret::generate().reveal().to_owned()),
    ("base64 with its padding", |random| format!("whsec_{}", STANDARD.encode(bytes(random)))),
    ("base64 without its padding", |random| format!("whsec_{}", STANDARD_NO_PAD.encode(bytes(random)))),
    ("random letters, so that bits are left over", |random| {
        // A library does not decode a text whose length is one more than a multiple of four.
        let length = 4 * random.usize(1..40) + [0, 2, 3][random.usize(..3)];
        format!("whsec_{}", letters(random, length))
    }),
    ("random letters with padding", |random| {
        let length = 4 * random.usize(1..40) + random.usize(2..4);
        format!("whsec_{}{}", letters(random, length), "=".repeat(4 - length % 4))
    }),
    ("a text", |random| {
        let length = random.usize(8..256);
        iter::repeat_with(|| char::from(random.u8(b'!'..=b'~'))).take(length).collect()
    }),
];

fn bytes(random: &mut fastrand::Rng) -> Vec<u8> {
    let length = random.usize(4..64);
    iter::repeat_with(|| random.u8(..)).take(length).collect()
}

fn letters(random: &mut fastrand::Rng, length: usize) -> String {
    iter::repeat_with(|| random.alphanumeric()).take(length).collect()
}

/// The code that signs deliveries makes the headers, without a stack: the tests above check that headers arrive
/// unchanged.
#[test]
fn every_library_decodes_50_random_secrets_of_each_kind_as_we_do() {
    const EACH: usize = 50;
    let (body, at) = (r#"{"event":"job.completed"}"#, jiff::Timestamp::now().as_second());
    let mut random = fastrand::Rng::with_seed(14);
    let secrets = KINDS.iter().flat_map(|(kind, make)| {
        let secrets: Vec<_> = iter::repeat_with(|| (*kind, make(&mut random))).take(EACH).collect();
        secrets
    });
    let secrets: Vec<(&str, String)> = secrets.collect();
    let requests = secrets.iter().map(|(kind, secret)| {
        let parsed = Secret::parse(secret).unwrap_or_else(|refusal| panic!("{kind}: {secret}: {refusal}"));
        let (timestamp, signature) =
            (at.to_string(), signature::standard_webhooks_signature(&parsed, "msg_1", at, body));
        let headers = [("webhook-id", "msg_1"), ("webhook-timestamp", &timestamp), ("webhook-signature", &signature)];
        request(secret, &headers.into(), body.as_bytes())
    });
    for (library, verdicts) in verdicts_in_python_and_node(&requests.collect()) {
        assert_eq!(verdicts.len(), EACH * KINDS.len());
        for ((kind, secret), accepted) in secrets.iter().zip(verdicts) {
            assert!(accepted, "{library}, {kind}: {secret}");
        }
    }
}

/// Rust's library refuses leftover bits, which Python's and Node's ignore: it gets the same bytes in their canonical
/// base64.
#[test]
fn the_library_signs_the_vectors_as_they_are_published() {
    let vectors = fs::read_to_string(workspace().join("docs/signature-vectors.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_str(&vectors).unwrap();
    assert!(vectors.len() > 15, "there are {} vectors", vectors.len());
    for vector in vectors {
        let text = |field: &str| vector[field].as_str().unwrap();
        let previous = vector["previous_secrets"].as_array().unwrap().iter();
        let secrets = [text("secret")].into_iter().chain(vector["next_secret"].as_str());
        let secrets = secrets.chain(previous.map(|secret| secret.as_str().unwrap()));
        let sign = |secret: &str| {
            let library = match secret {
                "whsec_aB3dE5fG7hJ9kL1mN3pQ5r" => Webhook::new("whsec_aB3dE5fG7hJ9kL1mN3pQ5g=="),
                "whsec_QUJDREVGR0hJSktMTU5PUB==" => Webhook::new("whsec_QUJDREVGR0hJSktMTU5PUA=="),
                text if is_text(text) => Webhook::from_bytes(text.into()),
                encoded => Webhook::new(encoded),
            };
            let library = library.unwrap();
            library.sign(text("id"), vector["timestamp"].as_i64().unwrap(), text("body").as_bytes()).unwrap()
        };
        let signatures: Vec<String> = secrets.map(sign).collect();
        assert_eq!(signatures.join(" "), vector["headers"]["webhook-signature"], "{}", text("name"));
    }
}
