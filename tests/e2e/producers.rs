//! The producers of `docs/producers/`, run as an operator would run them: with the policy that is shown beside them,
//! and through a network in which calls and parts of batches fail.

pub(crate) mod programs;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};

use harness::{Customer, Fault, Faults, SOON, Schema, workspace};
use serde_json::{Value, json};

use self::programs::{Program, aws, environment_of_a_producer};
use crate::{RECEIVER, STACK, key_for};

/// Several batches, so that every kind of failure affects one.
const TASKS: usize = 45;

/// The completions that a pipeline has to send, one per line. Some are so large that no batch can hold ten of them.
fn completions(account: &str) -> Vec<Value> {
    let completion = |task: usize| {
        let large = if (10..18).contains(&task) { "x".repeat(200_000) } else { String::new() };
        let status = if task.is_multiple_of(5) { "failed" } else { "completed" };
        // For the receiver it is the same path.
        let callback_url = task.is_multiple_of(3).then(|| RECEIVER.url(&format!("/{account}?task={task}")));
        json!({ "account_id": account, "task_id": format!("task_{task}"), "task_type": "image", "status": status,
            "data": { "n": task, "text": "é 😀 \u{FFFE}\u{7f}\n\" \\", "large": large },
            "timestamp": format!("2024-12-23T10:00:{task:02}Z"), "callback_url": callback_url })
    };
    (0..TASKS).map(completion).collect()
}

async fn customer_with_webhook(account: &str) -> Customer {
    let customer = Customer::new(&STACK, &key_for(account));
    let webhook = json!({ "url": RECEIVER.url(&format!("/{account}")), "events": ["job.completed", "job.failed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    customer
}

/// Waits for a webhook for each completion, and compares it with the completion.
async fn each_arrives(account: &str, completions: &[Value]) {
    let start = Instant::now();
    let mut expected: BTreeMap<&str, &Value> =
        completions.iter().map(|completion| (completion["task_id"].as_str().unwrap(), completion)).collect();
    while !expected.is_empty() {
        for received in RECEIVER.received(&format!("/{account}")) {
            let body = received.json();
            let Some(sent) = expected.remove(body["task_id"].as_str().unwrap()) else { continue };
            let event = format!("job.{}", sent["status"].as_str().unwrap());
            assert_eq!(body["event"], event);
            for field in ["task_type", "status", "data", "timestamp"] {
                assert_eq!(body[field], sent[field], "{field}");
            }
        }
        assert!(start.elapsed() < SOON, "{account} did not receive {:?}", expected.keys());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How many events the customer has received.
async fn deliveries(customer: &Customer) -> usize {
    let reply = customer.get("/api/v1/webhooks/1/deliveries?limit=100").await.unwrap().json();
    let deliveries = reply["data"]["deliveries"].as_array().unwrap().clone();
    deliveries.iter().map(|delivery| delivery["id"].to_string()).collect::<BTreeSet<_>>().len()
}

/// Runs a producer through a network that loses many of its calls: one set of tasks after another, until a single run
/// sends a whole set although a batch failed in part. If the program did not send the failed part again, a task is
/// missing. It then sends the same set once more, as after a crash.
async fn tells_of_every_task_once(name: &str, seed: u64) {
    let Some(program) = Program::named(name) else { return };
    let faults = Faults::start(seed).unwrap();
    let endpoint = faults.before(STACK.endpoint()).to_owned();
    faults.take_down();
    // The proxy does not understand EventBridge's answers: it fails whole calls only.
    let met = |faults: &Faults| {
        let counts = faults.counts().faults;
        if name == "eventbridge.py" { counts.values().sum() } else { counts.get(&Fault::Partial).copied().unwrap_or(0) }
    };
    for set in 1.. {
        assert!(set < 12, "{name} never sent a set in one run that met such a fault: {:?}", faults.counts());
        let account = format!("acct_by_{name}_{set}");
        let customer = customer_with_webhook(&account).await;
        let completions = completions(&account);
        faults.set_rate(0.5);
        let (before, mut runs) = (met(&faults), 1);
        while let Err(failure) = program.run(&endpoint, &completions) {
            assert!(runs < 10, "{name} still fails after {runs} runs: {failure}");
            runs += 1;
        }
        let is_telling = runs == 1 && met(&faults) > before;
        each_arrives(&account, &completions).await;
        if is_telling {
            faults.set_rate(0.0);
            program.run(&endpoint, &completions).unwrap();
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(
                deliveries(&customer).await,
                TASKS,
                "{name}: a completion is one event, however often it is sent"
            );
            break;
        }
    }

    let schema = Schema::read(&workspace().join("docs/completion.schema.json")).unwrap();
    let entries = entries(&faults);
    // A rule of EventBridge has one group for all of its events, or none.
    for entry in entries.iter().filter(|_| name != "eventbridge.py") {
        let completion: Value = serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!(entry["MessageGroupId"], completion["account_id"], "{name} sends in the account's group");
    }
    let text = |entry: &Value| entry.get("MessageBody").or(entry.get("Detail")).unwrap().as_str().unwrap().to_owned();
    let messages: Vec<String> = entries.iter().map(text).collect();
    assert!(messages.len() >= 2 * TASKS);
    assert!(messages.iter().all(|message| message.is_ascii()), "{name} sends ASCII");
    assert!(messages.iter().any(|message| message.contains("?task=3")), "{name} passes callback_url on");
    for (message, complaint) in messages.iter().zip(schema.complaints(&messages).unwrap()) {
        assert_eq!(complaint, None, "{name} sends {message}");
    }
}

/// The entries of all batches that a producer sent.
fn entries(faults: &Faults) -> Vec<Value> {
    let calls = faults.taken_down().into_iter().filter(|(operation, _)| operation != "ReceiveMessage");
    let calls = calls.map(|(_, body)| serde_json::from_str::<Value>(&body).unwrap());
    calls.flat_map(|call| call["Entries"].as_array().unwrap().clone()).collect()
}

#[tokio::test]
async fn the_python_program_tells_of_every_task_once() {
    tells_of_every_task_once("python.py", 6).await;
}

#[tokio::test]
async fn the_node_program_tells_of_every_task_once() {
    tells_of_every_task_once("node.js", 2).await;
}

#[tokio::test]
async fn the_rust_program_tells_of_every_task_once() {
    tells_of_every_task_once("rust.rs", 3).await;
}

#[tokio::test]
async fn the_aws_cli_script_tells_of_every_task_once() {
    tells_of_every_task_once("aws-cli.sh", 4).await;
}

#[tokio::test]
async fn an_eventbridge_bus_tells_of_every_task_once() {
    aws(&["rule", "jobs", programs::COMPLETIONS_ARN], "").unwrap();
    tells_of_every_task_once("eventbridge.py", 5).await;
}

#[tokio::test]
async fn a_completion_without_a_timestamp_is_sent_by_no_program() {
    let mut completions = completions("acct_untimed");
    completions[TASKS - 1].as_object_mut().unwrap().remove("timestamp");
    for name in programs::names() {
        let Some(program) = Program::named(&name) else { continue };
        let faults = Faults::start(0).unwrap();
        let endpoint = faults.before(STACK.endpoint()).to_owned();
        let failure = program.run(&endpoint, &completions).unwrap_err();
        assert!(failure.contains("no timestamp"), "{name}: {failure}");
        assert_eq!(faults.counts().calls.len(), 0, "{name} sends nothing before it has read everything");
    }
}

#[tokio::test]
async fn a_producer_with_the_policy_that_is_shown_may_do_nothing_but_send() {
    let denied = programs::aws_as(environment_of_a_producer(), &["receive", &STACK.completions_queue_url], "");
    assert!(denied.as_ref().is_err_and(|failure| failure.contains("AccessDenied")), "{denied:?}");
}

#[tokio::test]
async fn the_state_machine_tells_how_its_job_ended() {
    let account = "acct_by_state_machine";
    customer_with_webhook(account).await;
    let machine = aws(&["machine", &STACK.completions_queue_url], "").unwrap();
    let arn = machine["arn"].as_str().unwrap();
    let outcomes = [
        ("drawn", "completed", json!({ "url": "https://cdn.example.com/image.png", "credits_charged": 6 })),
        // The emulator's name for the exception; AWS reports its own name, ValueError.
        ("refused", "failed", json!({ "error": "Runtime.HandlerError" })),
    ];
    for (prompt, status, data) in outcomes {
        let mut input = json!({ "account_id": account, "task_id": prompt, "task_type": "image", "prompt": prompt });
        // The other job's submitter asked for no callback.
        let path = if prompt == "drawn" { format!("/{account}/{prompt}") } else { format!("/{account}") };
        if prompt == "drawn" {
            input["callback_url"] = RECEIVER.url(&path).into();
        }
        let ended = aws(&["run", arn], &input.to_string()).unwrap();
        assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        let arrived = async || loop {
            let received = RECEIVER.received(&path);
            if let Some(webhook) = received.iter().find(|webhook| webhook.json()["task_id"] == prompt) {
                break webhook.json();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let body = tokio::time::timeout(SOON, arrived()).await.unwrap_or_else(|_| panic!("no webhook of {prompt}"));
        assert_eq!((&body["status"], &body["data"]), (&json!(status), &data));
        let ended_at: jiff::Timestamp = body["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(jiff::Timestamp::now().duration_since(ended_at) < jiff::SignedDuration::from_mins(5), "{ended_at}");
    }
}

#[test]
fn the_guide_shows_every_producer_as_it_is() {
    let guide = fs::read_to_string(workspace().join("docs/producers.md")).unwrap();
    for file in fs::read_dir(workspace().join("docs/producers")).unwrap() {
        let path = file.unwrap().path();
        let (name, text) = (path.file_name().unwrap().to_str().unwrap(), fs::read_to_string(&path).unwrap());
        assert!(guide.contains(&format!("(producers/{name})")), "docs/producers.md has no link to {name}");
        assert!(guide.contains(&format!("\n{text}```\n")), "docs/producers.md does not show {name} as it is");
    }
}
