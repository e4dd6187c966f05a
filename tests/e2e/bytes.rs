//! The bytes of deliveries, checked by the published page's own verifier in Node.

use std::{
    collections::HashMap,
    fs,
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

use harness::{Customer, Producer, Received, skipped, workspace};
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, key_for};

/// The page's verifier, unchanged, with the code that a customer would add: it parses the body and passes it on.
const VERIFIER: &str = r"
const crypto = require('crypto');

function verifySignature(payload, signature, secret, timestamp) {
  const message = `${timestamp}.${JSON.stringify(payload)}`;
  const expectedSig = crypto
    .createHmac('sha256', secret)
    .update(message)
    .digest('hex');
  return `v1=${expectedSig}` === signature;
}

const requests = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const verdicts = requests.map(({ body, signature, secret, timestamp }) =>
  verifySignature(JSON.parse(Buffer.from(body, 'hex').toString('utf8')), signature, secret, timestamp));
console.log(JSON.stringify(verdicts));
";

#[tokio::test]
async fn the_pages_verifier_accepts_every_corner_of_json() {
    if Command::new("node").arg("--version").stdout(Stdio::null()).status().is_err() {
        skipped("the page's verifier, since node is not installed");
        return;
    }
    let corners = fs::read_to_string(workspace().join("shared/tests/data/json-corners.json")).unwrap();
    let corners: Vec<String> = serde_json::from_str(&corners).unwrap();
    let secret = "the page's verifier takes any text".replace(' ', "_");
    let webhook = json!({ "url": RECEIVER.url("/corners"), "events": ["job.completed"], "secret_key": secret });
    let customer = Customer::new(&STACK, &key_for("acct_corners"));
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);

    let producer = Producer::new(&STACK);
    let message = |(at, data): (usize, &String)| {
        // SQS refuses these two characters but accepts their escapes, so producers must escape them.
        let data = data.replace('\u{FFFE}', "\\ufffe").replace('\u{FFFF}', "\\uffff");
        format!(
            r#"{{"account_id":"acct_corners","task_id":"task_{at}","task_type":"image","status":"completed","data":{data},"timestamp":"2024-12-23T10:00:00Z"}}"#
        )
    };
    producer.send_all(&corners.iter().enumerate().map(message).collect::<Vec<_>>()).await.unwrap();
    let received = RECEIVER.wait_for("/corners", corners.len(), Duration::from_mins(1)).await.unwrap();

    let by_task: HashMap<String, &Received> = received.iter().map(|webhook| (task_of(webhook), webhook)).collect();
    let arrived: Vec<&Received> = (0..corners.len()).map(|at| by_task[&format!("task_{at}")]).collect();
    let verdicts = verify(&arrived, &secret);
    for (corner, verdict) in corners.iter().zip(verdicts) {
        assert!(verdict, "the verifier refuses what arrived for {corner}");
    }
    assert!(!verify(&arrived[..1], "another secret")[0], "the verifier can say no");
}

fn task_of(webhook: &Received) -> String {
    // A minimal parser for a body whose second field is the task id, whatever its data contains.
    let body = String::from_utf8_lossy(&webhook.body);
    body.split('"').nth(7).unwrap().to_owned()
}

fn verify(webhooks: &[&Received], secret: &str) -> Vec<bool> {
    let requests = webhooks.iter().map(|webhook| {
        json!({ "body": hex::encode(&webhook.body), "signature": webhook.header("x-nano-signature"),
            "timestamp": webhook.header("x-nano-timestamp"), "secret": secret })
    });
    let requests = Value::Array(requests.collect()).to_string();
    let mut node =
        Command::new("node").args(["-e", VERIFIER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    node.stdin.take().unwrap().write_all(requests.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}
