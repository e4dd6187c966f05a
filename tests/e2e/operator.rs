//! The operator's command: everything that it can do, once, with the real binary against a real stack.

mod acceptance;
mod cost;
mod dead_letters;
mod doctor;
mod erase;
mod events;
mod held;
mod keys;
pub(crate) mod permissions;
mod resend;
mod tail;

use std::{fs, time::Duration};

use harness::{Answer, Customer, Producer, SOON, Said, Stack, workspace};
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, folder_of_this_run, key_for};

fn ask(stack: &Stack, arguments: &[&str]) -> Said {
    stack.ask_operator(arguments, "").unwrap()
}

/// The JSON that a command prints with `--json`. Panics if the command fails.
fn json_of(stack: &Stack, arguments: &[&str]) -> Value {
    let said = ask(stack, &[arguments, &["--json"]].concat());
    assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
    assert!(!said.json().is_null(), "{arguments:?} prints no JSON: {said:?}");
    said.json()
}

/// Asserts that a command failed with this exit code, printed these words to standard error, and nothing to standard
/// output.
#[track_caller]
fn assert_refused(said: &Said, code: i32, words: &str) {
    assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{said:?}");
    assert!(said.err.contains(words), "{said:?}");
}

/// Registers webhook 1 of an account, at the path of the account's name.
async fn register(stack: &Stack, account: &str) -> Customer {
    let customer = Customer::new(stack, &stack.create_api_key(account).unwrap());
    let webhook = json!({ "url": RECEIVER.url(&format!("/{account}")), "events": ["job.completed", "job.failed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    customer
}

fn completion(account: &str, task: &str) -> String {
    json!({ "account_id": account, "task_id": task, "task_type": "image", "status": "completed" }).to_string()
}

#[tokio::test]
async fn a_completion_comes_from_the_command_line_from_standard_input_or_from_a_file() {
    register(&STACK, "acct_op_send").await;
    let folder = folder_of_this_run();
    let file = folder.join("completion.json");
    fs::create_dir_all(&folder).unwrap();
    fs::write(&file, completion("acct_op_send", "from_file")).unwrap();
    let file = format!("@{}", file.display());
    let bare = completion("acct_op_send", "bare");
    for (argument, input) in [(bare.as_str(), ""), ("-", &completion("acct_op_send", "stdin")), (&file, "")] {
        let said = STACK.ask_operator(&["completions", "send", argument, "--json"], input).unwrap();
        assert!(said.json()["message_id"].is_string(), "{said:?}");
    }
    let received = RECEIVER.wait_for("/acct_op_send", 3, SOON).await.unwrap();
    let mut tasks: Vec<_> = received.iter().map(|webhook| webhook.json()["task_id"].to_string()).collect();
    tasks.sort();
    assert_eq!(tasks, [r#""bare""#, r#""from_file""#, r#""stdin""#]);
}

#[tokio::test]
async fn a_completion_arrives_with_characters_that_sqs_refuses_and_the_command_warns_of_rounded_integers() {
    register(&STACK, "acct_op_odd").await;
    let plain = |data: &str| {
        format!(
            r#"{{"account_id":"acct_op_odd","task_id":"t","task_type":"image","status":"completed","data":{data}}}"#
        )
    };
    let said = ask(&STACK, &["completions", "send", &plain("\"\u{fffe}\u{ffff} é 😀\"")]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    let received = RECEIVER.wait_for("/acct_op_odd", 1, SOON).await.unwrap();
    assert_eq!(received[0].json()["data"], "\u{fffe}\u{ffff} é 😀");

    let seeds = plain(r#"{"seed":6687881544318117707,"other":9007199254740993,"kept":"6687881544318117707","n":7}"#);
    let said = ask(&STACK, &["completions", "send", &seeds]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.starts_with("warning: 2 of the integers in data are beyond 2^53"), "{said:?}");
    let received = RECEIVER.wait_for("/acct_op_odd", 2, SOON).await.unwrap();
    assert!(String::from_utf8_lossy(&received[1].body).contains(r#""seed":6687881544318118000,"#));

    // Text that is not JSON has no escapes: SQS takes it unchanged or refuses it.
    assert_eq!(ask(&STACK, &["completions", "send", "--unchecked", "{\u{fffe}"]).code, Some(1));
}

#[tokio::test]
async fn what_is_no_completion_is_sent_only_if_nobody_is_to_check_it() {
    let wrong = r#"{"account_id":"acct_op_unchecked","task_id":"op_unchecked"}"#;
    assert_refused(&ask(&STACK, &["completions", "send", wrong]), 2, "task_type is missing");
    let said = ask(&STACK, &["completions", "send", "--unchecked", wrong]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let letter = Producer::new(&STACK).wait_for_dead_letter("op_unchecked", SOON).await.unwrap();
    assert_eq!(letter.reason.as_deref(), Some("task_type is missing"));
    assert_refused(&ask(&STACK, &["completions", "send", "@/no/such/file"]), 2, "/no/such/file");
}

#[test]
fn a_key_is_revoked_only_when_somebody_says_yes() {
    let key = json_of(&STACK, &["keys", "create", "--account", "acct_op_keys"]);
    let id = key["id"].as_str().unwrap();
    assert_refused(&ask(&STACK, &["keys", "revoke", id]), 2, "say --yes");
    let list = || json_of(&STACK, &["keys", "list", "--account", "acct_op_keys"])[0]["revoked_at"].clone();
    assert_eq!(list(), Value::Null);
    assert!(json_of(&STACK, &["keys", "revoke", id, "--yes"])["revoked_at"].is_string());
    assert!(list().is_string());
    assert_refused(&ask(&STACK, &["keys", "revoke", id, "--yes"]), 1, "revoked already");
    assert_refused(&ask(&STACK, &["keys", "revoke", "key_0", "--yes"]), 3, "no key key_0");
    let table = ask(&STACK, &["keys", "list", "--account", "acct_op_keys"]).out;
    assert!(table.starts_with("ID") && table.contains(id) && !table.contains(key["key"].as_str().unwrap()), "{table}");
}

#[tokio::test]
async fn a_webhook_is_listed_shown_disabled_and_enabled_and_its_secret_is_not_shown() {
    let account = "acct_op_webhooks";
    let customer = Customer::new(&STACK, &key_for(account));
    let url = RECEIVER.url("/acct_op_webhooks");
    let webhook = json!({ "url": url, "events": ["job.completed"], "secret_key": "op-webhooks-secret" });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    RECEIVER.answer("/acct_op_webhooks", [Answer::status(410)]);
    assert_eq!(customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap().status, 202);
    RECEIVER.wait_for("/acct_op_webhooks", 1, SOON).await.unwrap();

    let named = ["--account", account];
    let disabled = async || {
        for _ in 0..100 {
            let disabled = json_of(&STACK, &["webhooks", "list", "--disabled", "--account", account]);
            if disabled[0]["status"] == "disabled" {
                return disabled;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the 410 disabled nothing")
    };
    assert_eq!(disabled().await[0]["disabled_reason"], "the endpoint answered 410 Gone");
    let said = ask(&STACK, &[&["webhooks", "show", "1"], named.as_slice()].concat()).out;
    assert!(said.contains("disabled: the endpoint answered 410 Gone") && said.contains(&url), "{said}");
    let enabled = json_of(&STACK, &["webhooks", "enable", "1", "--account", account]);
    assert_eq!((&enabled["status"], &enabled["disabled_reason"]), (&json!("active"), &Value::Null));

    let disable = ["webhooks", "disable", "1", "--account", account];
    assert_refused(&ask(&STACK, &disable), 2, "say --yes");
    assert_eq!(json_of(&STACK, &["webhooks", "show", "1", "--account", account])["status"], "active");
    let said = ask(&STACK, &[&disable, ["--yes"].as_slice()].concat());
    assert_eq!(
        (said.code, customer.get("/api/v1/webhooks/1").await.unwrap().json()["data"]["status"].clone()),
        (Some(0), json!("disabled"))
    );

    let everybodys = ask(&STACK, &["webhooks", "list"]).out + &json_of(&STACK, &["webhooks", "list"]).to_string();
    assert!(
        everybodys.contains(account) && !everybodys.contains("op-webhooks-secret") && !everybodys.contains("whsec_")
    );
    for missing in ["show", "enable"] {
        let said = ask(&STACK, &[&["webhooks", missing, "7"], named.as_slice()].concat());
        assert_refused(&said, 3, "acct_op_webhooks has no webhook 7");
    }
}

#[tokio::test]
async fn a_failed_delivery_is_found_shown_and_retried() {
    let account = "acct_op_deliveries";
    let customer = register(&STACK, account).await;
    let refusal = Answer { body: "\u{9b}2J\u{1b}[2J no".into(), ..Answer::status(400) };
    RECEIVER.answer("/acct_op_deliveries", vec![refusal; 8]);
    assert_eq!(customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap().status, 202);
    let list = ["deliveries", "list", "--account", account, "--status"];
    let first_in = async |state: &str| {
        for _ in 0..600 {
            let listed = json_of(&STACK, &[list.as_slice(), &[state]].concat());
            if let Some(id) = listed["deliveries"][0]["id"].as_str() {
                return id.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no delivery is {state}")
    };
    let trying = first_in("retrying").await;
    let retry = ["deliveries", "retry", "--account", account];
    assert_eq!(json_of(&STACK, &[retry.as_slice(), &[&trying]].concat())["retried"], json!([trying]));
    let failed = first_in("failed").await;
    let table = ask(&STACK, &["deliveries", "list", "--account", account]).out;
    assert!(table.contains(&failed) && table.contains("the endpoint answered 400"), "{table}");

    let shown = ask(&STACK, &["deliveries", "show", &failed, "--account", account]).out;
    assert_eq!(shown.matches("the endpoint answered 400").count(), 8, "{shown}");
    assert!(!shown.chars().any(|char| char.is_control() && char != '\n'), "{shown:?}");
    let whole = json_of(&STACK, &["deliveries", "show", &failed, "--account", account, "--webhook", "1"]);
    assert_eq!((whole["attempts"].as_array().unwrap().len(), &whole["webhook_id"]), (8, &json!(1)));

    let all = [retry.as_slice(), &["--failed", "--since", "1h"]].concat();
    assert_refused(&ask(&STACK, &all), 2, "Retry what failed of acct_op_deliveries, 1 in all?");
    assert_eq!(json_of(&STACK, &[all.as_slice(), &["--yes"]].concat())["retried"], json!([failed]));
    assert_eq!(first_in("delivered").await, failed);
    assert_eq!(json_of(&STACK, &[retry.as_slice(), &[&failed]].concat())["retried"], json!([failed]));
    RECEIVER.wait_for("/acct_op_deliveries", 10, SOON).await.unwrap();

    let nowhere = "01KDYAK3482WAV4DVEFM6KBDXQ";
    assert_refused(&ask(&STACK, &[retry.as_slice(), &[nowhere]].concat()), 3, nowhere);
    ask(&STACK, &["webhooks", "disable", "1", "--account", account, "--yes"]);
    assert_refused(&ask(&STACK, &[retry.as_slice(), &[&failed]].concat()), 1, "is disabled");
}

/// Each list in a document has the columns that the command prints.
#[tokio::test]
async fn the_documents_show_each_list_with_its_columns() {
    let account = "acct_op_columns";
    register(&STACK, account).await;
    ask(&STACK, &["completions", "send", &completion(account, "task_1")]);
    RECEIVER.wait_for("/acct_op_columns", 1, SOON).await.unwrap();
    let documents =
        ["docs/cli.md", "docs/deploying.md"].map(|path| fs::read_to_string(workspace().join(path)).unwrap());
    for what in ["webhooks", "events", "deliveries", "keys"] {
        let mut printed = String::new();
        for _ in 0..100 {
            printed = ask(&STACK, &[what, "list", "--account", account]).out;
            if !printed.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(!printed.is_empty(), "{what} list prints nothing");
        let columns: Vec<_> = printed.lines().next().unwrap_or_default().split_whitespace().collect();
        let command = format!("$ nano-webhooks {what} list");
        let lines: Vec<_> = documents.iter().flat_map(|text| text.lines()).collect();
        let shown: Vec<_> = lines.windows(2).filter(|pair| pair[0].starts_with(&command)).map(|pair| pair[1]).collect();
        assert!(!shown.is_empty(), "no document shows `{command}`");
        for line in shown {
            assert_eq!(line.split_whitespace().collect::<Vec<_>>(), columns, "{command}");
        }
    }
}

#[tokio::test]
async fn a_list_of_all_webhooks_goes_on_where_it_ended_and_leaves_nothing_out() {
    let account = "acct_op_pages";
    let customer = register(&STACK, account).await;
    let second = json!({ "url": RECEIVER.url("/acct_op_pages/2"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &second).await.unwrap().status, 201);
    for task in 0..5 {
        ask(&STACK, &["completions", "send", &completion(account, &format!("task_{task}"))]);
    }
    RECEIVER.wait_for("/acct_op_pages", 5, SOON).await.unwrap();
    RECEIVER.wait_for("/acct_op_pages/2", 5, SOON).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (mut found, mut before) = (Vec::new(), Value::Null);
    for _ in 0..5 {
        let mut list = vec!["deliveries", "list", "--account", account, "--limit", "3"];
        list.extend(before.as_str().map(|id| ["--before", id]).into_iter().flatten());
        let page = json_of(&STACK, &list);
        let rows = page["deliveries"].as_array().unwrap().iter();
        found.extend(rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row["webhook_id"].as_u64().unwrap())));
        before = page["next_before"].clone();
        if before.is_null() {
            break;
        }
    }
    assert!(before.is_null(), "it ends");
    assert!(found.is_sorted_by(|(one, _), (other, _)| one >= other), "newest first: {found:?}");
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 10, "none twice, and none left out");

    for command in ["show", "retry"] {
        let said = ask(&STACK, &["deliveries", command, &found[0].0, "--account", account]);
        assert_refused(&said, 2, "was sent to the webhooks 1 and 2: say which with --webhook");
    }
}

#[test]
fn the_exit_code_says_what_kind_of_failure_it_is() {
    assert_refused(&ask(&STACK, &["--stack", "no-such-stack", "keys", "list"]), 3, "there is no stack no-such-stack");
    assert_refused(&ask(&STACK, &["keys", "destroy"]), 2, "unrecognized subcommand");
    assert_refused(&ask(&STACK, &["webhooks", "show", "one", "--account", "a"]), 2, "expected a webhook's number");
    let mut command = STACK.operator_command().unwrap();
    let by_name = command.env("NANO_WEBHOOKS_STACK", "another-stack").args(["keys", "list"]).output().unwrap();
    assert_eq!(by_name.status.code(), Some(3), "{by_name:?}");
}
