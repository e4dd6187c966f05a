//! A release is deployed, upgraded and rolled back with the operator's command and the release's files alone: no
//! compiler, no SAM, nothing on the path.

mod cdk;
mod workflow;

use std::{fs, path::Path, process::Command};

use harness::{Account, ApiKey, Customer, Options, SOON, Said, Stack, release, workspace};
use serde_json::{Value, json};
use workflow::Roles;

use crate::{RECEIVER, folder_of_this_run};

const ACCOUNT: &str = "acct_of_a_release";
/// What this machine needs to differ from a real account.
const SETTINGS: &str = r#"{"EgressPolicy": "local", "RetryScheduleSeconds": "1,1,2", "FanOutMaximumConcurrency": 5}"#;

/// Runs the operator's command in the account, where no program can be found.
fn ask(account: &Account, arguments: &[&str]) -> Said {
    let mut command = account.operator_command().unwrap();
    Said::from(command.env("PATH", "/nowhere").args(arguments).output().unwrap())
}

fn deploy(account: &Account, dist: &Path, version: &str, more: &[&str]) -> Said {
    let deploy = ["deploy", "--from", dist.to_str().unwrap(), "--version", version];
    ask(account, &[&deploy, more].concat())
}

fn stack_of(account: &Account) -> Option<Value> {
    let described =
        account.aws().unwrap().call("cloudformation", "DescribeStacks", &json!({ "StackName": Stack::NAME }));
    let stack = described.ok()?["Stacks"][0].clone();
    (stack["StackStatus"] != "DELETE_COMPLETE").then_some(stack)
}

fn output(account: &Account, name: &str) -> String {
    let stack = stack_of(account).unwrap();
    let outputs = stack["Outputs"].as_array().unwrap();
    outputs.iter().find(|it| it["OutputKey"] == name).unwrap()["OutputValue"].as_str().unwrap().to_owned()
}

fn parameter(account: &Account, name: &str) -> String {
    let stack = stack_of(account).unwrap();
    let parameters = stack["Parameters"].as_array().unwrap();
    parameters.iter().find(|it| it["ParameterKey"] == name).unwrap()["ParameterValue"].as_str().unwrap().to_owned()
}

/// The address of each function's code.
fn code(account: &Account) -> Vec<String> {
    let template = account.aws().unwrap().call("cloudformation", "GetTemplate", &json!({ "StackName": Stack::NAME }));
    let template = template.unwrap();
    let body = &template["TemplateBody"];
    let body: Value = body.as_str().map_or_else(|| body.clone(), |text| serde_json::from_str(text).unwrap());
    let resources = body["Resources"].as_object().unwrap().values();
    resources.filter_map(|it| it["Properties"]["Code"]["S3Key"]["Fn::Sub"].as_str().map(str::to_owned)).collect()
}

#[track_caller]
fn succeeded(said: &Said) {
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[track_caller]
fn refused(said: &Said, code: i32, words: &str) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert!(said.err.contains(words), "{said:?}");
}

/// One account for the whole story, because each takes long to open.
#[tokio::test]
async fn a_release_is_deployed_upgraded_and_rolled_back_without_a_compiler() {
    let options = Options { folder: folder_of_this_run().join("deploying"), ..Options::default() };
    let account = Account::open(&options, &|_| {}).unwrap();
    let [first, second] = ["0.1.0", "0.2.0"].map(|version| options.folder.join(version));
    release(&first, "0.1.0", None).unwrap();
    release(&second, "0.2.0", Some(&first)).unwrap();
    nothing_is_created_without_a_yes(&account, &first);
    nothing_wrong_is_uploaded(&account, &first);
    let key = the_first_deployment_makes_a_key(&account, &first);
    an_upgrade_keeps_the_parameters(&account, &second);
    the_same_version_again_changes_nothing(&account, &second);
    another_build_of_a_version_is_refused(&account, &first);
    a_rollback_deploys_the_version_before(&account);

    let stack = Stack::deployed_in(account).unwrap();
    let key = stack.known_key(ACCOUNT, &key);
    an_event_is_delivered(&stack, &key).await;
}

fn nothing_is_created_without_a_yes(account: &Account, dist: &Path) {
    refused(&ask(account, &["rollback", "--yes"]), 3, "there is no stack nano-webhooks");
    let said = deploy(account, dist, "0.1.0", &[]);
    refused(&said, 2, "Create the stack nano-webhooks in us-east-1 of account 000000000000 to 0.1.0?");
    assert!(said.err.contains("× AWS::Lambda::Function"), "{said:?}");
    assert!(stack_of(account).is_none(), "an empty stack is left");

    let mut asks = account.operator_command().unwrap();
    asks.args(["deploy", "--version", "0.1.0", "--from"]).arg(dist);
    let mut on_a_terminal = Command::new("python3");
    on_a_terminal.arg(workspace().join("tests/e2e/deploying/ctrl_c.py")).arg(asks.get_program()).args(asks.get_args());
    on_a_terminal.env_clear().envs(asks.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let said = Said::from(on_a_terminal.output().unwrap());
    assert!(said.code == Some(130) && said.out.contains("you did not confirm"), "{said:?}");
    assert!(stack_of(account).is_none(), "an empty stack is left");
}

fn nothing_wrong_is_uploaded(account: &Account, dist: &Path) {
    refused(&deploy(account, dist, "0.3.0", &["--yes"]), 2, "the files are those of version 0.1.0, not 0.3.0");
    refused(&deploy(account, &dist.join("nowhere"), "0.1.0", &["--yes"]), 3, "--from names the folder");
    let unknown = ["--yes", "--set", "LogRetentionDay=7"];
    refused(&deploy(account, dist, "0.1.0", &unknown), 2, "no parameter LogRetentionDay");
    refused(&deploy(account, dist, "0.1.0", &["--yes", "--set", "CodeBucket=other"]), 2, "say --bucket");
    let rejected = ["--yes", "--set", "LogRetentionDays=8"];
    refused(&deploy(account, dist, "0.1.0", &rejected), 2, "LogRetentionDays must be 1 or 3 or ");
    let rejected = ["--yes", "--set", "RetryScheduleSeconds=soon"];
    refused(&deploy(account, dist, "0.1.0", &rejected), 1, "RetryScheduleSeconds");
    let too_long = "a-name-of-more-characters-than-the-names-of-rules-take";
    refused(&deploy(account, dist, "0.1.0", &["--yes", "--stack", too_long]), 2, "at most 50 characters");
    assert!(stack_of(account).is_none(), "an empty stack is left");
}

fn the_first_deployment_makes_a_key(account: &Account, dist: &Path) -> String {
    let settings = dist.with_file_name("settings.json");
    fs::write(&settings, SETTINGS).unwrap();
    let more = ["--parameters", settings.to_str().unwrap(), "--account", ACCOUNT, "--yes", "--json"];
    let said = deploy(account, dist, "0.1.0", &more);
    succeeded(&said);
    let report = said.json();
    assert_eq!((&report["version"], &report["changed"]), (&json!("0.1.0"), &json!(true)));
    assert_eq!((output(account, "Version").as_str(), output(account, "PreviousVersion").as_str()), ("0.1.0", "-"));
    assert_eq!(parameter(account, "EgressPolicy"), "local");
    refused(&ask(account, &["rollback", "--yes"]), 3, "no version before this one");
    report["key"]["key"].as_str().unwrap().to_owned()
}

fn an_upgrade_keeps_the_parameters(account: &Account, dist: &Path) {
    let said = deploy(account, dist, "0.2.0", &["--set", "LogRetentionDays=90"]);
    refused(&said, 2, "Change the stack nano-webhooks in us-east-1 of account 000000000000 to 0.2.0?");
    assert!(said.err.contains("  Modify   29 × AWS::Lambda::Function"), "{said:?}");
    assert!(
        said.err.contains("LogRetentionDays: 90 (before: 30)\n") && !said.err.contains("PreviousVersion:"),
        "{said:?}"
    );
    assert!(!said.err.contains("Careful"), "{said:?}");
    assert_eq!(output(account, "Version"), "0.1.0");

    let said = by_a_workflow(
        account,
        &["deploy", "--from", dist.to_str().unwrap(), "--version", "0.2.0", "--yes", "--account", "acct_late"],
    );
    succeeded(&said);
    assert!(said.err.contains("No key was made for acct_late, because the stack was there before."), "{said:?}");
    assert!(said.err.contains("The stack nano-webhooks is 0.2.0 now.") && said.out.is_empty(), "{said:?}");
    assert_eq!((output(account, "Version").as_str(), output(account, "PreviousVersion").as_str()), ("0.2.0", "0.1.0"));
    let kept = ["EgressPolicy", "RetryScheduleSeconds", "LogRetentionDays"].map(|name| parameter(account, name));
    assert_eq!(kept, ["local", "1,1,2", "90"]);
    assert!(code(account).iter().all(|key| key.starts_with("${CodePrefix}0.2.0/")), "{:?}", code(account));
}

/// Runs the command as a GitHub workflow does: with the role that it takes by OIDC, and the other one for CloudFormation.
fn by_a_workflow(account: &Account, arguments: &[&str]) -> Said {
    let roles = Roles::deploy(account);
    let stranger = roles.assume(account, "another-environment").unwrap_err().to_string();
    assert!(stranger.contains("Not authorized"), "{stranger}");
    let mut command = account.operator_command().unwrap();
    command.env("PATH", "/nowhere").envs(roles.assume(account, "production").unwrap());
    command.args(arguments).args(["--set", "LogRetentionDays=90", "--role-arn", &roles.cloudformation]);
    Said::from(command.output().unwrap())
}

fn the_same_version_again_changes_nothing(account: &Account, dist: &Path) {
    let said = deploy(account, dist, "0.2.0", &["--yes"]);
    succeeded(&said);
    assert!(said.err.contains("0 of them are new") && said.err.contains("nothing has changed"), "{said:?}");
    assert_eq!(output(account, "PreviousVersion"), "0.1.0");

    // As the AWS CLI has uploaded it, without a digest.
    let (bucket, key) = ("nano-webhooks-000000000000-us-east-1", "nano-webhooks/0.2.0/fan-out-arm64.zip");
    let copy = json!({ "Bucket": bucket, "Key": key, "CopySource": format!("{bucket}/{key}"), "MetadataDirective": "REPLACE" });
    let aws = account.aws().unwrap();
    aws.call("s3", "CopyObject", &copy).unwrap();
    let head = aws.call("s3", "HeadObject", &json!({ "Bucket": bucket, "Key": key })).unwrap();
    assert_eq!(head["Metadata"], json!({}), "{head}");
    let said = deploy(account, dist, "0.2.0", &["--yes"]);
    succeeded(&said);
    assert!(said.err.contains("0 of them are new"), "{said:?}");
}

fn another_build_of_a_version_is_refused(account: &Account, dist: &Path) {
    let other = dist.with_file_name("dist-other");
    fs::create_dir_all(&other).unwrap();
    for file in fs::read_dir(dist).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), other.join(file.file_name())).unwrap();
    }
    fs::write(other.join("fan-out-arm64.zip"), "another build").unwrap();
    // Its digest is the one of the file that was there.
    let digests = fs::read_to_string(other.join("SHA256SUMS")).unwrap();
    let line = digests.lines().find(|line| line.ends_with("  fan-out-arm64.zip")).unwrap();
    let digest = "7f2a6ab5f0eb5ad8a0a4ae4b6d0c1d8aa5e02cf1f4ec5a37a1bb7c9ac0b5dd5c";
    let changed = digests.replace(line, &format!("{digest}  fan-out-arm64.zip"));
    fs::write(other.join("SHA256SUMS"), changed).unwrap();
    refused(&deploy(account, &other, "0.1.0", &["--yes"]), 1, "has another build of 0.1.0");
    let elsewhere = ["--yes", "--bucket", "another-bucket"];
    refused(
        &deploy(account, &other, "0.1.0", &elsewhere),
        1,
        "fan-out-arm64.zip is not the file that SHA256SUMS lists",
    );
    assert_eq!(output(account, "Version"), "0.2.0");
}

fn a_rollback_deploys_the_version_before(account: &Account) {
    refused(&ask(account, &["rollback"]), 2, "to 0.1.0?");
    let said = ask(account, &["rollback", "--yes"]);
    succeeded(&said);
    assert_eq!((output(account, "Version").as_str(), output(account, "PreviousVersion").as_str()), ("0.1.0", "0.2.0"));
    assert_eq!(parameter(account, "LogRetentionDays"), "90");
    assert!(code(account).iter().all(|key| key.starts_with("${CodePrefix}0.1.0/")), "{:?}", code(account));
}

/// The key of the first deployment still opens the API, and the functions run.
async fn an_event_is_delivered(stack: &Stack, key: &ApiKey) {
    let customer = Customer::new(stack, key);
    let webhook = json!({ "url": RECEIVER.url("/of_a_release"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    let completion = json!({ "account_id": ACCOUNT, "task_id": "task_1", "task_type": "image", "status": "completed" });
    stack.operator(&["completions", "send", &completion.to_string()]).unwrap();
    let received = RECEIVER.wait_for("/of_a_release", 1, SOON).await.unwrap();
    assert_eq!(received[0].json()["task_id"], "task_1");
}
