//! The whole stack under production's rules, in its own internet.

use std::time::{Duration, Instant};

use harness::{Customer, Options, Producer, Stack, operators_command, prepare};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::internet::{Internet, answer, in_own_internet};

const SOON: Duration = Duration::from_mins(1);
/// Runs a test against its own stack.
fn with_stack(test: impl AsyncFnOnce(&Internet, &Stack, Customer)) {
    prepare(&|step| eprintln!("{step} …")).unwrap();
    operators_command().unwrap();
    in_own_internet(|internet| {
        let parameters = vec![("EgressPolicy", "strict")];
        let options = Options { folder: internet.folder.join("stack"), parameters, ..Options::default() };
        let stack = Stack::start(&options, &|_| {}).unwrap();
        let customer = Customer::new(&stack, &stack.create_api_key("acct_egress").unwrap());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(internet, &stack, customer));
        let secrets = stack.used_secrets();
        let log = stack.end().unwrap();
        assert!(!log.is_empty() && secrets.iter().any(|secret| secret.starts_with("sk-")));
        assert!(secrets.iter().all(|secret| !log.contains(secret)), "a key or a secret is in a log:\n{log}");
    });
}

async fn register(customer: &Customer, url: &str) -> (u16, Value) {
    let webhook = json!({ "url": url, "events": ["job.completed"] });
    let reply = customer.post("/api/v1/webhooks", &webhook).await.unwrap();
    (reply.status, reply.json())
}

async fn complete(stack: &Stack, task: &str) {
    let completion =
        json!({ "account_id": "acct_egress", "task_id": task, "task_type": "image", "status": "completed" });
    Producer::new(stack).send(completion).await.unwrap();
}

/// Waits until webhook 1 has a delivery in this state, and returns it with all its fields.
async fn delivery(customer: &Customer, status: &str) -> Value {
    let path = "/api/v1/webhooks/1/deliveries";
    let start = Instant::now();
    loop {
        let listed = customer.get(&format!("{path}?status={status}")).await.unwrap().json();
        if let Some(id) = listed["data"]["deliveries"][0]["id"].as_str() {
            return customer.get(&format!("{path}/{id}")).await.unwrap().json()["data"].take();
        }
        assert!(start.elapsed() < SOON, "no delivery is {status}: {}", customer.get(path).await.unwrap().text);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until the endpoint has received this many requests.
async fn wait_until_heard(internet: &Internet, requests: usize) {
    let start = Instant::now();
    while internet.heard("/") < requests {
        assert!(start.elapsed() < SOON, "{} requests", internet.heard("/"));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[test]
fn a_host_that_turns_private_for_a_moment_loses_nothing_and_the_history_does_not_say_where_it_pointed() {
    with_stack(async |internet, stack, customer| {
        internet.names.on("hook.example.com", &["93.184.215.14"]);
        internet.receiver.on("/", [answer("200 OK", "connection: close\r\n")]);
        assert_eq!(register(&customer, "https://hook.example.com/").await.0, 201);
        complete(stack, "task_1").await;
        assert_eq!(delivery(&customer, "delivered").await["attempts"][0]["http_status"], 200);

        internet.names.on("hook.example.com", &["169.254.169.254"]);
        complete(stack, "task_2").await;
        let waits = delivery(&customer, "retrying").await;
        let attempt = &waits["attempts"][0];
        assert_eq!(attempt["outcome"], "blocked");
        assert_eq!(attempt["message"], "the URL cannot be called: the host has an address that is not public");
        assert!(!waits.to_string().contains("169.254"), "{waits}");
        assert_eq!((internet.heard("/"), internet.receiver.connections()), (1, 1));

        internet.names.on("hook.example.com", &["93.184.215.14"]);
        wait_until_heard(internet, 2).await;
        assert_eq!((internet.heard("/"), internet.receiver.connections()), (2, 2));
    });
}

#[test]
fn every_shared_case_that_no_name_server_decides_is_refused_for_a_new_webhook_and_an_old_one() {
    with_stack(async |internet, _, customer| {
        assert_eq!(register(&customer, "https://hook.example.com/").await.0, 201);
        let cases: Vec<Value> = serde_json::from_str(crate::shared_cases::CASES).unwrap();
        let refused = cases.iter().filter(|case| case["expect"] == "reject" && !case["dns"].is_array());
        let mut tried = 0;
        for case in refused {
            let (id, url) = (&case["id"], case["url"].as_str().unwrap());
            let changed = Some(json!({ "url": url }).to_string());
            let changed = customer.send(Method::PATCH, "/api/v1/webhooks/1", changed).await.unwrap();
            for (status, reply) in [register(&customer, url).await, (changed.status, changed.json())] {
                assert_eq!((status, &reply["error"]["code"]), (400, &json!("invalid_request")), "{id}: {reply}");
            }
            tried += 1;
        }
        assert_eq!(tried, 89);
        assert!(internet.names.asked().is_empty(), "{:?}", internet.names.asked());
    });
}
