//! Limits what `template.yaml` may contain. The tests read the template after the SAM transform, so that they also
//! see what the transform adds.
//!
//! The end-to-end tests enforce the policies and so show that each role allows enough. These tests show that it
//! allows no more.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod alarms;
mod deploy_role;
mod options;
mod parameters;

use std::{collections::BTreeSet, fs, sync::LazyLock};

use harness::{expand_template, workspace};
use serde_json::{Value, json};

static TEMPLATE: LazyLock<Value> = LazyLock::new(|| expand_template().unwrap_or_else(|failure| panic!("{failure}")));

/// Every kind of resource in the stack. Another kind can open an access path of its own, as a function's URL or a
/// queue's policy does, and may need a test here before it is added.
const KINDS: [&str; 16] = [
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CloudWatch::Dashboard",
    ALARM,
    RULE,
    QUEUE_POLICY,
    TABLE,
    MANAGED_POLICY,
    ROLE,
    EVENT_SOURCE,
    FUNCTION,
    PERMISSION,
    LOG_GROUP,
    QUEUE,
];
const ALARM: &str = "AWS::CloudWatch::Alarm";
const RULE: &str = "AWS::Events::Rule";
const QUEUE_POLICY: &str = "AWS::SQS::QueuePolicy";
const TABLE: &str = "AWS::DynamoDB::Table";
const MANAGED_POLICY: &str = "AWS::IAM::ManagedPolicy";
const ROLE: &str = "AWS::IAM::Role";
const EVENT_SOURCE: &str = "AWS::Lambda::EventSourceMapping";
const FUNCTION: &str = "AWS::Lambda::Function";
const PERMISSION: &str = "AWS::Lambda::Permission";
const LOG_GROUP: &str = "AWS::Logs::LogGroup";
const QUEUE: &str = "AWS::SQS::Queue";
/// A part of a table, not a resource of the template.
const STREAM: &str = "AWS::DynamoDB::Stream";

/// All actions that roles may have, and the kind of resource of each. Deliberately missing: scans, and every action
/// that changes or deletes the resource itself.
const ACTIONS: [(&str, &str); 20] = [
    (LOG_GROUP, "logs:CreateLogStream"),
    (LOG_GROUP, "logs:PutLogEvents"),
    (TABLE, "dynamodb:BatchGetItem"),
    (TABLE, "dynamodb:BatchWriteItem"),
    (TABLE, "dynamodb:DeleteItem"),
    (TABLE, "dynamodb:GetItem"),
    (TABLE, "dynamodb:PartiQLInsert"),
    (TABLE, "dynamodb:PartiQLUpdate"),
    (TABLE, "dynamodb:PutItem"),
    (TABLE, "dynamodb:Query"),
    (TABLE, "dynamodb:UpdateItem"),
    (STREAM, "dynamodb:DescribeStream"),
    (STREAM, "dynamodb:GetRecords"),
    (STREAM, "dynamodb:GetShardIterator"),
    (STREAM, "dynamodb:ListStreams"),
    (QUEUE, "sqs:ChangeMessageVisibility"),
    (QUEUE, "sqs:DeleteMessage"),
    (QUEUE, "sqs:GetQueueAttributes"),
    (QUEUE, "sqs:ReceiveMessage"),
    (QUEUE, "sqs:SendMessage"),
];

#[test]
fn the_stack_is_made_of_known_kinds_of_things() {
    let resources = TEMPLATE["Resources"].as_object().unwrap();
    let unknown = resources.iter().filter(|(_, resource)| !KINDS.contains(&resource["Type"].as_str().unwrap()));
    assert_eq!(
        unknown.map(|(name, resource)| format!("{name} is a {}", resource["Type"])).collect::<Vec<_>>(),
        [""; 0]
    );
}

#[test]
fn every_function_has_a_role_of_its_own_that_nobody_else_can_take() {
    let roles: Vec<_> = of_kind(FUNCTION).map(|(_, function)| role_of(function)).collect();
    assert_eq!(sorted(&roles), sorted(&of_kind(ROLE).map(|(name, _)| name).collect::<Vec<_>>()));
    for (name, role) in of_kind(ROLE) {
        let taken_by_lambda = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": { "Service": "lambda.amazonaws.com" },
            }],
        });
        assert_eq!(role["AssumeRolePolicyDocument"], taken_by_lambda, "{name}");
        for policy in list(&role["ManagedPolicyArns"]["Fn::If"][1]).chain(list(&role["ManagedPolicyArns"])) {
            let known = reference(policy).is_some_and(|policy| kind(policy) == MANAGED_POLICY);
            assert!(known || policy.get("Fn::If").is_some(), "{name} has policies that are not in this template");
        }
    }
}

#[test]
fn every_function_and_the_api_write_to_log_groups_of_their_own_that_forget() {
    let mut groups: Vec<_> = of_kind(FUNCTION).map(|(_, function)| log_group_of(function)).collect();
    groups.push("ApiLogs");
    assert_eq!(sorted(&groups), sorted(&of_kind(LOG_GROUP).map(|(name, _)| name).collect::<Vec<_>>()));
    for (name, group) in of_kind(LOG_GROUP) {
        assert_eq!(group["RetentionInDays"], json!({ "Ref": "LogRetentionDays" }), "{name}");
    }
}

#[test]
fn a_role_allows_exact_actions_on_exact_things_of_this_stack() {
    for (role, properties) in of_kind(ROLE) {
        for statement in statements(properties) {
            assert_eq!(statement["Effect"], "Allow", "{role}");
            let keys: Vec<_> = statement.as_object().unwrap().keys().collect();
            assert_eq!(sorted(&keys), ["Action", "Effect", "Resource"], "{role}");
            for thing in list(&statement["Resource"]) {
                let name = own(thing).unwrap_or_else(|| panic!("{role} reaches outside this stack: {thing}"));
                for action in list(&statement["Action"]) {
                    let kind = if thing["Fn::GetAtt"][1] == "StreamArn" { STREAM } else { kind(name) };
                    let known = (kind, action.as_str().unwrap());
                    assert!(ACTIONS.contains(&known), "{role} may do {action} to {name}");
                }
            }
        }
    }
}

#[test]
fn no_function_but_manage_keys_writes_an_api_key() {
    for (role, properties) in of_kind(ROLE).filter(|(role, _)| *role != "ManageKeysRole") {
        let about_keys = |it: &&'static Value| list(&it["Resource"]).any(|thing| own(thing) == Some("ApiKeysTable"));
        for statement in statements(properties).filter(about_keys) {
            assert_eq!(list(&statement["Action"]).collect::<Vec<_>>(), ["dynamodb:GetItem"], "{role}");
        }
    }
}

#[test]
fn a_role_reaches_only_what_its_function_is_configured_with() {
    for (name, function) in of_kind(FUNCTION) {
        let variables = function["Environment"]["Variables"].as_object();
        let mut configured: BTreeSet<_> =
            variables.into_iter().flat_map(|all| all.values()).filter_map(reference).collect();
        configured.insert(log_group_of(function));
        configured.extend(event_sources().filter(|(caller, _)| *caller == name).map(|(_, source)| source));
        let role = statements(&TEMPLATE["Resources"][role_of(function)]["Properties"]);
        let reached = role.flat_map(|statement| list(&statement["Resource"])).filter_map(own);
        let unexpected: Vec<_> = reached.filter(|thing| !configured.contains(thing)).collect();
        assert_eq!(unexpected, [""; 0], "the role of {name}");
    }
}

#[test]
fn every_table_can_be_restored_and_protected_and_takes_the_operators_key() {
    for (name, table) in of_kind(TABLE) {
        // Entries of the waiting table have no value after their time; the template says more.
        let is_restorable = name != "WaitingTable";
        let recovery = &table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
        assert_eq!(*recovery == true, is_restorable, "{name}");
        assert_eq!(table["DeletionProtectionEnabled"], json!({ "Fn::If": ["IsProtected", true, false] }), "{name}");
        let with_key = json!({ "SSEEnabled": true, "SSEType": "KMS", "KMSMasterKeyId": { "Ref": "KmsKeyArn" } });
        let encryption = json!({ "Fn::If": ["HasKmsKey", with_key, { "SSEEnabled": false }] });
        assert_eq!(table["SSESpecification"], encryption, "{name}");
    }
}

#[test]
fn the_operators_key_is_there_for_the_roles_that_use_a_table_and_through_dynamodb_alone() {
    let policy = &TEMPLATE["Resources"]["TablesKeyPolicy"]["Properties"];
    assert_eq!(TEMPLATE["Resources"]["TablesKeyPolicy"]["Condition"], "HasKmsKey");
    let allowed = json!([{
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": { "Ref": "KmsKeyArn" },
        "Condition": { "StringEquals": { "kms:ViaService": { "Fn::Sub": "dynamodb.${AWS::Region}.amazonaws.com" } } },
    }]);
    assert_eq!(policy["PolicyDocument"]["Statement"], allowed);
    assert!(policy.get("Users").is_none() && policy.get("Groups").is_none(), "it is for roles");

    let uses_a_table = |role| {
        let reached = statements(role).flat_map(|statement| list(&statement["Resource"])).filter_map(own);
        reached.map(kind).any(|kind| kind == TABLE)
    };
    let users: Vec<_> = of_kind(ROLE).filter(|(_, role)| uses_a_table(role)).map(|(name, _)| name).collect();
    let listed: Vec<_> = list(&policy["Roles"]).filter_map(reference).collect();
    assert_eq!(sorted(&listed), sorted(&users));
}

#[test]
fn every_queue_is_encrypted() {
    for (name, queue) in of_kind(QUEUE) {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{name}");
    }
}

#[test]
fn every_function_of_the_workspace_is_deployed_and_has_a_route_a_source_or_a_schedule_except_manage_keys() {
    // A route is a binary of the package `api`, and every other function is a package of its own.
    let packages = names_in("functions").into_iter().filter(|name| name != "api");
    let binaries: Vec<_> = packages.chain(names_in("functions/api/src/bin")).collect();
    let binary = |name| TEMPLATE["Resources"][name]["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap();
    let deployed: Vec<_> = of_kind(FUNCTION).map(|(name, _)| binary(name)).collect();
    assert_eq!(sorted(&deployed), sorted(&binaries));

    let sources = event_sources().map(|(function, _)| function);
    let called: BTreeSet<_> =
        routes().into_iter().chain(sources).chain(schedules().map(|(function, _)| function)).collect();
    let others = of_kind(FUNCTION).map(|(name, _)| name).filter(|name| *name != "ManageKeysFunction");
    assert_eq!(called, others.collect());
}

#[test]
fn only_this_stacks_api_and_its_schedule_may_call_a_function() {
    for (name, permission) in of_kind(PERMISSION) {
        assert_eq!(permission["Action"], "lambda:InvokeFunction", "{name}");
        if permission["Principal"] == "events.amazonaws.com" {
            let rule = own(&permission["SourceArn"]).unwrap();
            assert_eq!(
                schedules().collect::<Vec<_>>(),
                [(reference(&permission["FunctionName"]).unwrap(), rule)],
                "{name}"
            );
            continue;
        }
        assert_eq!(permission["Principal"], "apigateway.amazonaws.com", "{name}");
        let source = &permission["SourceArn"]["Fn::Sub"];
        assert!(source[0].as_str().unwrap().contains(":${__ApiId__}/"), "{name}");
        assert_eq!(source[1]["__ApiId__"], json!({ "Ref": "HttpApi" }), "{name}");
    }
}

/// The emulator applies none of these settings, so no other test would notice if they were missing.
#[test]
fn the_api_is_throttled_and_has_one_way_in_and_its_access_log_is_an_option() {
    let (_, api) = of_kind("AWS::ApiGatewayV2::Api").next().unwrap();
    let disabled = json!({ "Fn::If": ["HasDomain", true, false] });
    let endpoint = &api["Body"]["servers"][0]["x-amazon-apigateway-endpoint-configuration"];
    assert_eq!(endpoint["disableExecuteApiEndpoint"], disabled, "{endpoint}");
    let (_, stage) = of_kind("AWS::ApiGatewayV2::Stage").next().unwrap();
    let throttle = json!({ "ThrottlingRateLimit": { "Ref": "ApiRequestsPerSecond" },
        "ThrottlingBurstLimit": { "Ref": "ApiBurst" } });
    assert_eq!(stage["DefaultRouteSettings"], throttle);
    let log = &stage["AccessLogSettings"]["Fn::If"];
    assert_eq!((&log[0], &log[2]), (&json!("LogsApiRequests"), &json!({ "Ref": "AWS::NoValue" })));
    assert_eq!(log[1]["DestinationArn"], json!({ "Fn::GetAtt": ["ApiLogs", "Arn"] }));
    let line: Value = serde_json::from_str(log[1]["Format"].as_str().unwrap()).unwrap();
    assert!(line.as_object().unwrap().values().all(|value| value.as_str().unwrap().starts_with("$context.")));
}

#[test]
fn the_cdns_secret_is_shown_to_nobody_and_asked_for_by_every_function_of_the_api() {
    assert_eq!(TEMPLATE["Parameters"]["OriginVerifySecrets"]["NoEcho"], true);
    for name in routes() {
        let variables = &TEMPLATE["Resources"][name]["Properties"]["Environment"]["Variables"];
        assert_eq!(variables["ORIGIN_VERIFY_SECRETS"], json!({ "Ref": "OriginVerifySecrets" }), "{name}");
    }
    assert!(!TEMPLATE["Outputs"].to_string().contains("OriginVerifySecrets"));
}

/// The resources of a kind, with their properties.
fn of_kind(wanted: &str) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let resources = TEMPLATE["Resources"].as_object().unwrap().iter();
    resources
        .filter(move |(_, resource)| resource["Type"] == wanted)
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
}

fn kind(name: &str) -> &'static str {
    TEMPLATE["Resources"][name]["Type"].as_str().unwrap_or_default()
}

fn role_of(function: &'static Value) -> &'static str {
    own(&function["Role"]).unwrap()
}

fn log_group_of(function: &'static Value) -> &'static str {
    reference(&function["LoggingConfig"]["LogGroup"]).unwrap()
}

/// All statements of a role's policies.
fn statements(role: &'static Value) -> impl Iterator<Item = &'static Value> {
    list(&role["Policies"]).flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
}

/// The names of what is in a folder of the workspace, without `.rs`.
fn names_in(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(workspace().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.trim_end_matches(".rs").to_owned()).collect()
}

/// The functions that the API's routes call.
fn routes() -> Vec<&'static str> {
    let (_, api) = of_kind("AWS::ApiGatewayV2::Api").next().unwrap();
    let operations =
        api["Body"]["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
    let addresses = operations.map(|it| it["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"].as_str().unwrap());
    addresses.map(|address| address.split("/functions/${").nth(1).unwrap().split(".Arn}").next().unwrap()).collect()
}

/// The functions that queues and streams call, each with its queue or its table.
fn event_sources() -> impl Iterator<Item = (&'static str, &'static str)> {
    of_kind(EVENT_SOURCE).map(|(_, it)| (reference(&it["FunctionName"]).unwrap(), own(&it["EventSourceArn"]).unwrap()))
}

/// The functions that a scheduled rule calls, each with its rule.
fn schedules() -> impl Iterator<Item = (&'static str, &'static str)> {
    let scheduled = of_kind(RULE).filter(|(_, rule)| rule.get("ScheduleExpression").is_some());
    scheduled.flat_map(|(name, rule)| list(&rule["Targets"]).map(move |it| (own(&it["Arn"]).unwrap(), name)))
}

/// The resource of this stack that an ARN names; the ARN may also be that of its index or its stream. `None` for a
/// pattern and for resources outside the stack.
fn own(arn: &'static Value) -> Option<&'static str> {
    let name = if let Some(text) = arn["Fn::Sub"].as_str() {
        let (table, index) = text.strip_prefix("${")?.split_once(".Arn}/index/")?;
        let indexes = list(&TEMPLATE["Resources"][table]["Properties"]["GlobalSecondaryIndexes"]);
        indexes.map(|it| &it["IndexName"]).any(|name| name == index).then_some(table)
    } else {
        arn["Fn::GetAtt"][0]
            .as_str()
            .filter(|_| ["Arn", "StreamArn"].contains(&arn["Fn::GetAtt"][1].as_str().unwrap_or_default()))
    };
    name.filter(|name| !kind(name).is_empty())
}

fn reference(value: &'static Value) -> Option<&'static str> {
    value["Ref"].as_str()
}

/// The elements of a value for which the template's language accepts one thing or a list.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    let one = (!value.is_array() && !value.is_null()).then_some(value);
    value.as_array().into_iter().flatten().chain(one)
}

fn sorted<T: AsRef<str>>(names: &[T]) -> Vec<&str> {
    let mut names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
    names.sort_unstable();
    names
}
