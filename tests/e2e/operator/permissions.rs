//! The permissions that `docs/cli.md` lists for each command are enough: the emulator enforces policies as AWS does.

use std::fs;

use harness::{Options, Said, Stack, workspace};
use serde_json::{Value, json};

use super::{completion, json_of, register};
use crate::{RECEIVER, folder_of_this_run};

/// A user with the permissions of one row of the document's table, and those of the row `everything`.
struct User {
    key: Value,
}

impl User {
    fn new(stack: &Stack, table: &[(String, Vec<String>)], row: &str) -> Self {
        let of = |row: &str| table.iter().find(|(name, _)| name == row).unwrap_or_else(|| panic!("{row}")).1.clone();
        let base =
            if row.starts_with("doctor") { vec!["everything", "doctor --read-only"] } else { vec!["everything"] };
        let actions: Vec<String> = base.into_iter().chain([row]).flat_map(of).collect();
        let name = row.replace([' ', ','], "");
        let call = |operation, parameters| stack.aws().unwrap().call("iam", operation, &parameters).unwrap();
        call("CreateUser", json!({ "UserName": name }));
        let policy = json!({ "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }] });
        call("PutUserPolicy", json!({ "UserName": name, "PolicyName": "row", "PolicyDocument": policy.to_string() }));
        Self { key: call("CreateAccessKey", json!({ "UserName": name }))["AccessKey"].take() }
    }

    fn ask(&self, stack: &Stack, arguments: &[&str]) -> Said {
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
fn permissions() -> Vec<(String, Vec<String>)> {
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
    let account = "acct_op_permissions";
    register(&stack, account).await;
    let table = permissions();
    let user = |row| User::new(&stack, &table, row);

    let nobody = user("everything");
    let said = nobody.ask(&stack, &["webhooks", "list"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("AccessDenied"), "{said:?}");
    let said = nobody.ask(&stack, &["doctor", "--read-only"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    for call in ["dynamodb:DescribeTable", "sqs:GetQueueAttributes", "logs:FilterLogEvents"] {
        assert!(said.out.contains(&format!("→ your credentials need {call}")), "{}", said.out);
    }

    let keys = user("keys");
    let of_one = ["keys", "list", "--account", "acct_op_leaving"];
    keys.assert_may(&stack, &[&["keys", "create", "--account", "acct_op_leaving"], &of_one]);
    assert!(keys.ask(&stack, &["keys", "list"]).err.contains("AccessDenied"), "only `keys list` may scan");
    user("keys list").assert_may(&stack, &[&["keys", "list"]]);
    let leaving = json_of(&stack, &["keys", "list", "--account", "acct_op_leaving"]);
    keys.assert_may(&stack, &[&["keys", "revoke", "--yes", leaving[0]["id"].as_str().unwrap()]]);
    user("completions send").assert_may(&stack, &[&["completions", "send", &completion(account, "task_1")]]);
    RECEIVER.wait_for("/acct_op_permissions", 1, super::SOON).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;

    let of = ["--account", account];
    let listed = json_of(&stack, &["deliveries", "list", "--account", account]);
    let delivery = listed["deliveries"][0]["id"].as_str().unwrap();
    user("deliveries").assert_may(
        &stack,
        &[
            &["deliveries", "list", of[0], of[1]],
            &["deliveries", "list", "--status", "failed", of[0], of[1]],
            &["deliveries", "show", delivery, of[0], of[1]],
            &["deliveries", "retry", delivery, of[0], of[1]],
            &["deliveries", "flush", "--yes", "--webhook", "1", of[0], of[1]],
        ],
    );
    user("webhooks").assert_may(
        &stack,
        &[
            &["webhooks", "list"],
            &["webhooks", "list", of[0], of[1]],
            &["webhooks", "show", "1", of[0], of[1]],
            &["webhooks", "disable", "--yes", "1", of[0], of[1]],
            &["webhooks", "show", "1", of[0], of[1]],
            &["webhooks", "enable", "1", of[0], of[1]],
        ],
    );
    user("doctor --read-only").assert_may(&stack, &[&["doctor", "--read-only"]]);
    user("doctor").assert_may(&stack, &[&["doctor"]]);

    let producer = harness::Producer::new(&stack);
    producer.forge_dead_letter(completion(account, "task_2"), None).await.unwrap();
    let letters = user("dead-letters");
    letters.assert_may(&stack, &[&["dead-letters", "list"], &["dead-letters", "redrive", "--all"]]);
    RECEIVER.wait_for("/acct_op_permissions", 3, super::SOON).await.unwrap();
    producer.forge_dead_letter("malformed", Some("it is no JSON")).await.unwrap();
    letters.assert_may(&stack, &[&["dead-letters", "purge", "--all", "--yes"]]);
    assert_eq!(json_of(&stack, &["dead-letters", "list"]), json!([]));
}
