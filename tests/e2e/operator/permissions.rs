//! The permissions that `docs/cli.md` lists for each command are enough: the emulator enforces policies as AWS does.

use std::fs;

use harness::{Options, Said, Stack, workspace};
use serde_json::{Value, json};

use super::{completion, json_of, register};
use crate::{RECEIVER, folder_of_this_run};

const ACCOUNT: &str = "acct_op_permissions";
/// The option that names the account.
const OF: [&str; 2] = ["--account", ACCOUNT];

/// A user with the permissions of one row of the document's table, of the row `everything`, and of the row to which that one refers.
pub(crate) struct User {
    key: Value,
}

impl User {
    pub(crate) fn new(stack: &Stack, table: &[(String, Vec<String>)], row: &str) -> Self {
        let of = |row: &str| table.iter().find(|(name, _)| name == row).unwrap_or_else(|| panic!("{row}")).1.clone();
        let base = match row.split(' ').next() {
            Some("doctor") => Some("doctor --read-only"),
            Some("tables") => Some("deploy`, `rollback"),
            _ => None,
        };
        let actions: Vec<String> = ["everything"].into_iter().chain(base).chain([row]).flat_map(of).collect();
        let name = row.replace([' ', ','], "");
        let call = |operation, parameters| stack.aws().unwrap().call("iam", operation, &parameters).unwrap();
        call("CreateUser", json!({ "UserName": name }));
        let policy = json!({ "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }] });
        call("PutUserPolicy", json!({ "UserName": name, "PolicyName": "row", "PolicyDocument": policy.to_string() }));
        Self { key: call("CreateAccessKey", json!({ "UserName": name }))["AccessKey"].take() }
    }

    pub(crate) fn ask(&self, stack: &Stack, arguments: &[&str]) -> Said {
        let mut command = stack.operator_command().unwrap();
        command.env("AWS_ACCESS_KEY_ID", self.key["AccessKeyId"].as_str().unwrap());
        command.env("AWS_SECRET_ACCESS_KEY", self.key["SecretAccessKey"].as_str().unwrap());
        command.args(arguments).output().unwrap().into()
    }

    #[track_caller]
    fn assert_may(&self, stack: &Stack, commands: &[&[&str]]) {
        for arguments in commands {
            let said = self.ask(stack, arguments);
            assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        }
    }
}

/// The rows of the document's last table: the command, and its actions with their service.
pub(crate) fn permissions() -> Vec<(String, Vec<String>)> {
    let document = fs::read_to_string(workspace().join("docs/cli.md")).unwrap();
    let table = document.split("## What it may do").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | ")).skip(1);
    rows.map(|(name, actions)| {
        let mut service = "";
        // The names of other commands have no capital letter.
        let names = actions.split('`').skip(1).step_by(2).filter(|name| name.contains(char::is_uppercase));
        let actions = names.map(|name| match name.split_once(':') {
            Some((of, _)) => {
                service = of;
                name.to_owned()
            }
            None => format!("{service}:{name}"),
        });
        (name.trim_matches('`').to_owned(), actions.collect())
    })
    .collect()
}

#[tokio::test]
async fn each_command_needs_no_more_than_the_document_says() {
    let options = Options { folder: folder_of_this_run().join("permissions"), ..Options::default() };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    register(&stack, ACCOUNT).await;
    let table = permissions();
    let user = |row: &str| User::new(&stack, &table, row);

    may_do_nothing(&stack, &user("everything"));
    may_manage_keys(&stack, &user("keys"), &user("keys list"));
    user("console-link").assert_may(&stack, &[&["console-link", "--account", "acct_op_linked"]]);
    user("completions send").assert_may(&stack, &[&["completions", "send", &completion(ACCOUNT, "task_1")]]);
    RECEIVER.wait_for("/acct_op_permissions", 1, super::SOON).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    may_see_and_send_again(&stack, &user("deliveries"), &user("events"));
    user("webhooks").assert_may(
        &stack,
        &[
            &["webhooks", "list"],
            &["webhooks", "list", OF[0], OF[1]],
            &["webhooks", "show", "1", OF[0], OF[1]],
            &["webhooks", "disable", "--yes", "1", OF[0], OF[1]],
            &["webhooks", "show", "1", OF[0], OF[1]],
            &["webhooks", "enable", "1", OF[0], OF[1]],
        ],
    );
    user("doctor --read-only").assert_may(&stack, &[&["doctor", "--read-only"]]);
    user("doctor").assert_may(&stack, &[&["doctor"]]);
    may_empty_the_dead_letters(&stack, &user("dead-letters")).await;
    user("accounts erase").assert_may(&stack, &[&["accounts", "erase", "--yes", ACCOUNT]]);
}

fn may_do_nothing(stack: &Stack, user: &User) {
    let said = user.ask(stack, &["webhooks", "list"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("AccessDenied"), "{said:?}");
    let said = user.ask(stack, &["doctor", "--read-only"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    for call in ["dynamodb:DescribeTable", "sqs:GetQueueAttributes", "logs:FilterLogEvents"] {
        assert!(said.out.contains(&format!("→ your credentials need {call}")), "{}", said.out);
    }
}

fn may_manage_keys(stack: &Stack, keys: &User, list: &User) {
    let of_one = ["keys", "list", "--account", "acct_op_leaving"];
    keys.assert_may(stack, &[&["keys", "create", "--account", "acct_op_leaving"], &of_one]);
    let file = folder_of_this_run().join("permitted.ndjson");
    let line = json!({ "key_hash": "0".repeat(64), "account_id": "acct_op_permitted", "id": "1" });
    fs::write(&file, line.to_string()).unwrap();
    keys.assert_may(stack, &[&["keys", "import", "--file", file.to_str().unwrap()]]);
    assert!(keys.ask(stack, &["keys", "list"]).err.contains("AccessDenied"), "only `keys list` may scan");
    list.assert_may(stack, &[&["keys", "list"]]);
    let leaving = json_of(stack, &["keys", "list", "--account", "acct_op_leaving"]);
    keys.assert_may(stack, &[&["keys", "revoke", "--yes", leaving[0]["id"].as_str().unwrap()]]);
}

fn may_see_and_send_again(stack: &Stack, deliveries: &User, events: &User) {
    let listed = json_of(stack, &["deliveries", "list", "--account", ACCOUNT]);
    let delivery = listed["deliveries"][0]["id"].as_str().unwrap();
    deliveries.assert_may(
        stack,
        &[
            &["deliveries", "list", OF[0], OF[1]],
            &["deliveries", "list", "--status", "failed", OF[0], OF[1]],
            &["deliveries", "show", delivery, OF[0], OF[1]],
            &["deliveries", "retry", delivery, OF[0], OF[1]],
            &["deliveries", "flush", "--yes", "--webhook", "1", OF[0], OF[1]],
            &["deliveries", "resend", "--yes", "--since", "1h", "--status", "failed", "--webhook", "1", OF[0], OF[1]],
            &["deliveries", "resend", "--progress", "--webhook", "1", OF[0], OF[1]],
            &["deliveries", "resend", "--stop", "--webhook", "1", OF[0], OF[1]],
        ],
    );
    events.assert_may(
        stack,
        &[
            &["events", "list", OF[0], OF[1]],
            &["events", "list", "--task-id", "task_1", OF[0], OF[1]],
            &["events", "show", delivery, OF[0], OF[1]],
        ],
    );
}

async fn may_empty_the_dead_letters(stack: &Stack, letters: &User) {
    let producer = harness::Producer::new(stack);
    producer.forge_dead_letter(completion(ACCOUNT, "task_2"), None).await.unwrap();
    letters.assert_may(stack, &[&["dead-letters", "list"], &["dead-letters", "redrive", "--all"]]);
    RECEIVER.wait_for("/acct_op_permissions", 3, super::SOON).await.unwrap();
    producer.forge_dead_letter("malformed", Some("it is not JSON")).await.unwrap();
    letters.assert_may(stack, &[&["dead-letters", "purge", "--all", "--yes"]]);
    assert_eq!(json_of(stack, &["dead-letters", "list"]), json!([]));
}
