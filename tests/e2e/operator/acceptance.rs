//! The command `acceptance`: it passes a good stack with exactly the permissions that its document lists, names what is
//! broken, and leaves nothing behind.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, Uri},
};
use harness::{Aws, Options, SOON, Said, Stack, http_client};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{
    ask, json_of,
    permissions::{User, permissions},
};
use crate::{RECEIVER, folder_of_this_run};

fn start(name: &str) -> Stack {
    let soon = json!({ "Environment": { "Variables": { "LONGEST_DELAY_SECONDS": "5" } } });
    let options = Options {
        folder: folder_of_this_run().join(name),
        // A limit that a check can reach. The traces go nowhere: the log has their ids.
        parameters: vec![("RateLimitPerMinute", "60"), ("Tracing", "on")],
        properties: json!({ "DispatcherFunction": soon }),
        metrics: true,
        schedules_every_seconds: Some(2),
        ..Options::default()
    };
    Stack::start(&options, &|_| {}).unwrap()
}

/// The names of the checks in this state, sorted.
fn in_state(report: &Value, state: &str) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap_or_else(|| panic!("{report}")).iter();
    let mut names: Vec<_> = checks
        .filter(|check| check["state"] == state)
        .map(|check| check["check"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"].as_array().unwrap().iter().find(|check| check["check"] == name).unwrap()
}

#[track_caller]
fn assert_nothing_left(stack: &Stack) {
    let of_a_run = |listed: Value| listed.to_string().contains("acceptance-");
    assert!(!of_a_run(json_of(stack, &["keys", "list"])) && !of_a_run(json_of(stack, &["webhooks", "list"])));
    assert_eq!(json_of(stack, &["dead-letters", "list"]), json!([]));
}

#[test]
fn a_good_stack_passes_with_the_permissions_of_the_document_and_nothing_is_left() {
    let stack = start("acceptance");
    let said = ask(&stack, &["acceptance"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
    assert!(
        said.err.contains("Make 21 checks of nano-webhooks in us-east-1") && said.err.contains("costs nothing here")
    );

    let user = User::new(&stack, &permissions(), "acceptance");
    let said = user.ask(&stack, &["acceptance", "--yes", "--json", "--load", "10", "--for", "5s"]);
    let report = said.json();
    assert_eq!((said.code, &report["passed"]), (Some(0), &json!(true)), "{said:?}");
    assert_eq!(in_state(&report, "failed"), [""; 0]);
    // The emulator has no X-Ray, and the tables have no key of their own.
    assert_eq!(in_state(&report, "not_checked"), ["kms", "traces"], "{report:#}");
    assert!(check(&report, "traces")["found"].as_str().unwrap().contains("logged the trace 1-"), "{report:#}");
    let load = &check(&report, "load")["figures"];
    assert_eq!(
        (&load["loud"]["sent"], &load["loud"]["lost"], &load["quiet"]["lost"]),
        (&json!(50), &json!(0), &json!(0))
    );
    assert!(load["loud"]["first_byte_ms"]["p99"].as_u64() > Some(0), "{load}");
    assert_has_dispatchers_requests(&load["metered"], 0.0);
    assert_eq!(report["removed"]["dead_letters"], 0, "the check has deleted its own");
    assert!(
        report["remains"][0].as_str().unwrap().starts_with("the events and deliveries of the accounts acceptance-")
    );
    assert_nothing_left(&stack);
    assert_is_billed(&stack);
}

/// The stack publishes metrics. So the bill has what CloudWatch metered of the run.
#[track_caller]
fn assert_is_billed(stack: &Stack) {
    let bill = json_of(stack, &["cost"]);
    // Of more than 80 attempts: a busy machine makes larger batches.
    assert_has_dispatchers_requests(&bill, 10.0);
    assert!(
        bill["deliveries_per_usd"].as_f64() > Some(0.0) && bill["dearest"][0]["usd"].as_f64() > Some(0.0),
        "{bill:#}"
    );
}

/// The bill is complete, and has more than this many requests to the dispatcher.
#[track_caller]
fn assert_has_dispatchers_requests(bill: &Value, more_than: f64) {
    assert_eq!(bill["missing"], json!([]), "{bill:#}");
    let lines = bill["lines"].as_array().unwrap();
    let requests = lines.iter().find(|line| line["line"] == "Lambda requests" && line["of"] == "dispatcher");
    assert!(requests.unwrap()["units"].as_f64() > Some(more_than), "{bill:#}");
}

#[tokio::test]
async fn what_is_broken_is_named_and_what_was_made_is_removed() {
    let stack = start("acceptance-broken");
    let aws = stack.aws().unwrap();
    std::thread::scope(|scope| {
        // It waits for most of a minute.
        scope.spawn(|| a_dispatcher_without_its_trigger_delivers_nothing(&stack, &aws));
        a_role_that_may_too_much_is_named(&stack, &aws);
        an_endpoint_that_leads_elsewhere_is_refused(&stack);
    });
    a_tunnel_that_changes_bodies_makes_wrong_signatures(&stack).await;
    what_a_killed_run_left_is_removed(&stack, &aws);
    an_interrupted_run_removes_what_it_made(&stack, &aws);
    assert_nothing_left(&stack);
}

/// Runs one check, which has to fail, and returns it.
fn failed_check(stack: &Stack, name: &str, more: &[&str]) -> Value {
    let said = ask(stack, &[&["acceptance", "--yes", "--json", "--only", name], more].concat());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("1 of 1 checks failed"), "{said:?}");
    let report = said.json();
    assert_eq!((&report["passed"], in_state(&report, "failed")), (&json!(false), vec![name.to_owned()]), "{report:#}");
    assert!(check(&report, name)["advice"].is_string(), "{report:#}");
    check(&report, name).clone()
}

fn physical(aws: &Aws, name: &str) -> String {
    let listed = aws.call("cloudformation", "DescribeStackResources", &json!({ "StackName": Stack::NAME })).unwrap();
    let resources = listed["StackResources"].as_array().unwrap();
    let found = resources.iter().find(|resource| resource["LogicalResourceId"] == name).unwrap();
    found["PhysicalResourceId"].as_str().unwrap().to_owned()
}

fn a_role_that_may_too_much_is_named(stack: &Stack, aws: &Aws) {
    let role = physical(aws, "DispatcherRole");
    let policy = json!({ "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*" }] });
    let attached = json!({ "RoleName": role, "PolicyName": "by-hand" });
    let mut put = attached.clone();
    put["PolicyDocument"] = policy.to_string().into();
    aws.call("iam", "PutRolePolicy", &put).unwrap();
    let found = failed_check(stack, "permissions", &[])["found"].as_str().unwrap().to_owned();
    let expected = ["ApiKeysTableName", "WebhooksTableName"]
        .map(|table| format!("DispatcherRole may call dynamodb:PutItem on {table}"));
    assert_eq!(found, expected.join("; "));
    aws.call("iam", "DeleteRolePolicy", &attached).unwrap();
}

fn an_endpoint_that_leads_elsewhere_is_refused(stack: &Stack) {
    let elsewhere = RECEIVER.url("/acceptance");
    let port = free_port().to_string();
    let said = ask(stack, &["acceptance", "--yes", "--endpoint", &elsewhere, "--port", &port]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("answered 200 and nothing arrived here"), "{said:?}");
    assert_eq!(ask(stack, &["acceptance", "--yes", "--endpoint", "https://10.0.0.1/"]).code, Some(2));
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Forwards requests to a port of this machine. It adds a space to the bodies of signed ones, as a tunnel could that
/// writes JSON again.
async fn tunnel(port: u16) -> String {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = format!("http://127.0.0.1:{port}");
    let routes = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let path = uri.path().strip_prefix("/behind/the/tunnel").unwrap_or_default().to_owned();
        forward(format!("{target}{path}"), headers, body.to_vec())
    });
    tokio::spawn(async { axum::serve(listener, routes).await });
    format!("http://{address}/behind/the/tunnel")
}

async fn forward(url: String, headers: HeaderMap, mut body: Vec<u8>) -> StatusCode {
    if headers.contains_key("x-nano-signature") {
        body.push(b' ');
    }
    let mut request = http_client().post(url).body(body);
    for (name, value) in &headers {
        let is_ours = name.as_str().starts_with("x-nano-") || name.as_str().starts_with("webhook-");
        request = if is_ours { request.header(name, value) } else { request };
    }
    request.send().await.map_or(StatusCode::BAD_GATEWAY, |reply| reply.status())
}

async fn a_tunnel_that_changes_bodies_makes_wrong_signatures(stack: &Stack) {
    let port = free_port();
    let url = tunnel(port).await;
    let mut command = stack.operator_command().unwrap();
    let arguments = ["acceptance", "--yes", "--json", "--only", "signatures", "--endpoint", &url, "--port"];
    command.args(arguments).arg(port.to_string());
    let said = Said::from(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap());
    assert_eq!(said.code, Some(1), "{said:?}");
    let report = said.json();
    let found = &check(&report, "signatures")["found"];
    assert_eq!(found, "X-Nano-Signature is wrong: the request was signed with another secret or changed on its way");
    assert!(check(&report, "signatures")["advice"].as_str().unwrap().contains("such as a tunnel"), "{report:#}");
}

fn what_a_killed_run_left_is_removed(stack: &Stack, aws: &Aws) {
    let (account, customer) = ("acceptance-0123abcd-resend", "acceptance-of-a-customer");
    ask(stack, &["keys", "create", "--account", account]);
    ask(stack, &["keys", "create", "--account", customer]);
    let queue = &stack.dead_letter_queue_url;
    for of in [account, customer] {
        let letter =
            json!({ "QueueUrl": queue, "MessageBody": json!({ "account_id": of, "task_id": "t" }).to_string() });
        aws.call("sqs", "SendMessage", &letter).unwrap();
    }
    let said = ask(stack, &["acceptance", "--clean-up"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains(&format!("Remove the keys, webhooks and dead letters of {account}?")), "{said:?}");
    let removed = json_of(stack, &["acceptance", "--clean-up", "--yes"]);
    assert_eq!((&removed["keys"], &removed["dead_letters"]), (&json!(1), &json!(1)));
    let kept = json_of(stack, &["keys", "list"]);
    assert_eq!((kept.as_array().unwrap().len(), &kept[0]["account_id"]), (1, &json!(customer)), "{kept}");
    ask(stack, &["accounts", "erase", customer, "--yes"]);
    let purged = json_of(stack, &["dead-letters", "purge", "--all", "--yes"]);
    assert_eq!(purged["deleted"].as_array().map(Vec::len), Some(1), "the customer's: {purged}");
}

fn switch(aws: &Aws, trigger: &str, on: bool) {
    let uuid = physical(aws, trigger);
    aws.call("lambda", "UpdateEventSourceMapping", &json!({ "UUID": uuid, "Enabled": on })).unwrap();
}

fn an_interrupted_run_removes_what_it_made(stack: &Stack, aws: &Aws) {
    // Without fan-out, the dead letter that the run makes appears only after it was interrupted.
    switch(aws, "FanOutFunctionCompletions", false);
    let mut command = stack.operator_command().unwrap();
    let checks = ["--only", "dead-letter-and-redrive", "--only", "create-to-delivered"];
    command.args(["acceptance", "--yes"]).args(checks).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let start = Instant::now();
    let sent = || {
        let asked =
            json!({ "QueueUrl": stack.completions_queue_url, "AttributeNames": ["ApproximateNumberOfMessages"] });
        aws.call("sqs", "GetQueueAttributes", &asked).unwrap()["Attributes"]["ApproximateNumberOfMessages"].take()
    };
    // Each check sends one message, create-to-delivered after it has registered its webhook.
    while sent() != "2" {
        assert!(start.elapsed() < SOON, "it sends two messages");
        std::thread::sleep(Duration::from_millis(100));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    switch(aws, "FanOutFunctionCompletions", true);
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(130), "{said:?}");
    assert!(said.err.contains("Removed: accounts ") && said.err.contains("dead letters 1."), "{said:?}");
    assert!(!json_of(stack, &["webhooks", "list"]).to_string().contains("acceptance-"));
}

fn a_dispatcher_without_its_trigger_delivers_nothing(stack: &Stack, aws: &Aws) {
    switch(aws, "DispatcherFunctionDeliveries", false);
    let failed = failed_check(stack, "create-to-delivered", &[]);
    assert!(failed["found"].as_str().unwrap().starts_with("0 of 1 requests arrived within "), "{failed}");
    let advice = failed["advice"].as_str().unwrap();
    assert!(advice.contains("`doctor` says whether a function's trigger is disabled"), "{advice}");
    switch(aws, "DispatcherFunctionDeliveries", true);
}
