//! Compares `docs/deploying/github-roles.yaml` with `template.yaml`: the role that CloudFormation takes can create, read,
//! change and delete each resource of the stack, and has no action that no resource needs and no name of another stack.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use harness::expand;
use serde_json::{Value, json};

use super::{
    ALARM, EVENT_SOURCE, FUNCTION, LOG_GROUP, MANAGED_POLICY, PERMISSION, QUEUE, QUEUE_POLICY, ROLE, RULE, TABLE,
    TEMPLATE,
};

static ROLES: LazyLock<Value> = LazyLock::new(|| {
    expand("docs/deploying/github-roles.yaml", &json!({})).unwrap_or_else(|failure| panic!("{failure}"))
});

const STACK: &str = "hooks";

/// What CloudFormation calls for each kind of resource: `handlers.*.permissions` in the kind's schema, for the properties
/// that the template sets. <https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html>
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn calls(kind: &str) -> &'static [&'static str] {
    match kind {
        FUNCTION => &[
            "lambda:CreateFunction",
            "lambda:GetFunction",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
            "lambda:PutFunctionConcurrency",
            "lambda:DeleteFunctionConcurrency",
            "lambda:DeleteFunction",
            "lambda:ListTags",
            "lambda:TagResource",
            "lambda:UntagResource",
            "lambda:GetFunctionConfiguration",
            "lambda:GetFunctionCodeSigningConfig",
            "lambda:GetFunctionRecursionConfig",
            "lambda:GetRuntimeManagementConfig",
        ],
        PERMISSION => &["lambda:AddPermission", "lambda:GetPolicy", "lambda:RemovePermission"],
        EVENT_SOURCE => &[
            "lambda:CreateEventSourceMapping",
            "lambda:GetEventSourceMapping",
            "lambda:UpdateEventSourceMapping",
            "lambda:DeleteEventSourceMapping",
        ],
        ROLE => &[
            "iam:CreateRole",
            "iam:GetRole",
            "iam:UpdateAssumeRolePolicy",
            "iam:DeleteRole",
            "iam:PutRolePolicy",
            "iam:GetRolePolicy",
            "iam:ListRolePolicies",
            "iam:DeleteRolePolicy",
            "iam:AttachRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:DetachRolePolicy",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:PassRole",
        ],
        MANAGED_POLICY => &[
            "iam:CreatePolicy",
            "iam:GetPolicy",
            "iam:CreatePolicyVersion",
            "iam:GetPolicyVersion",
            "iam:ListPolicyVersions",
            "iam:DeletePolicyVersion",
            "iam:DeletePolicy",
            "iam:TagPolicy",
            "iam:UntagPolicy",
        ],
        TABLE => &[
            "dynamodb:CreateTable",
            "dynamodb:DescribeTable",
            "dynamodb:UpdateTable",
            "dynamodb:DeleteTable",
            "dynamodb:DescribeTimeToLive",
            "dynamodb:UpdateTimeToLive",
            "dynamodb:DescribeContinuousBackups",
            "dynamodb:UpdateContinuousBackups",
            "dynamodb:DescribeContributorInsights",
            "dynamodb:DescribeKinesisStreamingDestination",
            "dynamodb:GetResourcePolicy",
            "dynamodb:ListTagsOfResource",
            "dynamodb:TagResource",
            "dynamodb:UntagResource",
        ],
        QUEUE => &[
            "sqs:CreateQueue",
            "sqs:GetQueueUrl",
            "sqs:GetQueueAttributes",
            "sqs:SetQueueAttributes",
            "sqs:DeleteQueue",
            "sqs:ListQueueTags",
            "sqs:TagQueue",
            "sqs:UntagQueue",
        ],
        QUEUE_POLICY => &["sqs:GetQueueAttributes", "sqs:SetQueueAttributes"],
        LOG_GROUP => &[
            "logs:CreateLogGroup",
            "logs:PutRetentionPolicy",
            "logs:DeleteRetentionPolicy",
            "logs:DeleteLogGroup",
            "logs:ListTagsForResource",
            "logs:TagResource",
            "logs:UntagResource",
        ],
        ALARM => &[
            "cloudwatch:PutMetricAlarm",
            "cloudwatch:DeleteAlarms",
            "cloudwatch:ListTagsForResource",
            "cloudwatch:TagResource",
            "cloudwatch:UntagResource",
        ],
        "AWS::CloudWatch::Dashboard" => {
            &["cloudwatch:PutDashboard", "cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards"]
        }
        RULE => &[
            "events:PutRule",
            "events:DescribeRule",
            "events:DeleteRule",
            "events:PutTargets",
            "events:ListTargetsByRule",
            "events:RemoveTargets",
            "events:ListTagsForResource",
            "events:TagResource",
            "events:UntagResource",
        ],
        "AWS::ApiGatewayV2::Api"
        | "AWS::ApiGatewayV2::ApiMapping"
        | "AWS::ApiGatewayV2::DomainName"
        | "AWS::ApiGatewayV2::Stage" => {
            &["apigateway:POST", "apigateway:GET", "apigateway:PATCH", "apigateway:PUT", "apigateway:DELETE"]
        }
        kind => panic!("the roles of docs/deploying/github-roles.yaml do not know {kind}"),
    }
}

/// Actions that are not about a resource of the stack: descriptions, the delivery of access logs, and the code.
const OTHERS: [&str; 13] = [
    "cloudwatch:DescribeAlarms",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "s3:GetObject",
];

#[test]
fn cloudformations_role_may_do_what_each_resource_needs() {
    let mut kinds = BTreeSet::new();
    for (id, resource) in TEMPLATE["Resources"].as_object().unwrap() {
        let kind = resource["Type"].as_str().unwrap();
        kinds.insert(kind);
        for call in calls(kind) {
            for arn in arns(kind, id, &resource["Properties"], STACK) {
                assert!(allows(call, &arn), "{id} ({kind}): {call} on {arn}");
            }
        }
    }
    assert!(kinds.len() > 15, "{kinds:?}");
}

#[test]
fn cloudformations_role_may_do_nothing_to_another_stack() {
    // An API, its domain and a trigger have ids, by which no policy can tell whose they are.
    let without_names = |kind: &str| kind.starts_with("AWS::ApiGatewayV2") || kind == EVENT_SOURCE;
    for (id, resource) in TEMPLATE["Resources"].as_object().unwrap() {
        let kind = resource["Type"].as_str().unwrap();
        for call in calls(kind).iter().filter(|_| !without_names(kind)) {
            for arn in arns(kind, id, &resource["Properties"], "another-hooks") {
                assert!(!allows(call, &arn), "{id} ({kind}): {call} on {arn}");
            }
        }
    }
}

#[test]
fn cloudformations_role_has_no_action_that_no_resource_needs() {
    let resources = TEMPLATE["Resources"].as_object().unwrap().values();
    let mut needed: BTreeSet<_> =
        resources.flat_map(|resource| calls(resource["Type"].as_str().unwrap())).copied().collect();
    needed.extend(OTHERS);
    let allowed: BTreeSet<_> = statements().flat_map(|statement| texts(&statement["Action"])).collect();
    assert_eq!(allowed.iter().map(String::as_str).collect::<BTreeSet<_>>(), needed);
}

#[test]
fn a_role_can_only_be_passed_on_to_one_service_and_the_workflow_only_by_one_environment() {
    let passes = ["WorkflowRole", "CloudFormationRole"].map(|role| {
        let statements =
            ROLES["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].as_array();
        let passes = statements.unwrap().iter().filter(|it| texts(&it["Action"]).contains(&"iam:PassRole".to_owned()));
        passes.map(|it| it["Condition"]["StringEquals"]["iam:PassedToService"].as_str().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(passes, [["cloudformation.amazonaws.com"], ["lambda.amazonaws.com"]]);
    let trust = &ROLES["Resources"]["WorkflowRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"];
    let subject = &trust[0]["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]["Fn::Sub"];
    assert_eq!(subject, "repo:${Repository}:environment:${Environment}");
    assert_eq!(trust.as_array().unwrap().len(), 1);
}

fn statements() -> impl Iterator<Item = &'static Value> {
    let policies = &ROLES["Resources"]["CloudFormationRole"]["Properties"]["Policies"];
    assert_eq!(policies.as_array().unwrap().len(), 1);
    policies[0]["PolicyDocument"]["Statement"].as_array().unwrap().iter()
}

/// Whether a statement allows an action on a resource.
fn allows(action: &str, arn: &str) -> bool {
    statements().any(|statement| {
        assert_eq!(statement["Effect"], "Allow");
        texts(&statement["Action"]).iter().any(|allowed| allowed == action)
            && texts(&statement["Resource"]).iter().any(|pattern| matches(pattern, arn))
    })
}

/// A text or a list of texts, with pseudo-parameters filled in.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        value => vec![filled(value, STACK)],
    }
}

fn filled(value: &Value, stack: &str) -> String {
    let substituted = &value["Fn::Sub"];
    let text = value.as_str().or(substituted.as_str()).or(substituted[0].as_str());
    let text = text.map_or_else(|| (value["Ref"] == "AWS::StackName").then_some("${AWS::StackName}"), Some);
    let values = BTreeMap::from([
        ("${AWS::Partition}", "aws"),
        ("${AWS::Region}", "eu-central-1"),
        ("${AWS::AccountId}", "111122223333"),
        ("${AWS::StackName}", stack),
        ("${StackName}", stack),
        ("${WebhooksTableSuffix}", "-20260102T030405Z"),
        ("${EventsTableSuffix}", ""),
        ("${DeliveriesTableSuffix}", ""),
        ("${ApiKeysTableSuffix}", ""),
    ]);
    let text = text.unwrap_or_else(|| panic!("{value} is no text")).to_owned();
    values.iter().fold(text, |text, (name, value)| text.replace(name, value))
}

/// Whether a pattern with `*` for any characters matches, as IAM compares ARNs.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => {
            let Some(tail) = text.strip_prefix(start) else { return false };
            (0..=tail.len()).any(|skipped| tail.is_char_boundary(skipped) && matches(rest, &tail[skipped..]))
        }
    }
}

/// The ARNs on which CloudFormation calls something for a resource.
fn arns(kind: &str, id: &str, properties: &Value, stack: &str) -> Vec<String> {
    // The name that CloudFormation makes if the template gives none.
    let generated = || format!("{stack}-{id}-1A2B3C4D5E6F");
    let named = |property: &str| properties.get(property).map_or_else(generated, |name| filled(name, stack));
    let regional = |service: &str, rest: &str| format!("arn:aws:{service}:eu-central-1:111122223333:{rest}");
    let global = |service: &str, rest: &str| format!("arn:aws:{service}::111122223333:{rest}");
    let api = |path: &str| format!("arn:aws:apigateway:eu-central-1::{path}");
    vec![match kind {
        FUNCTION => regional("lambda", &format!("function:{}", named("FunctionName"))),
        PERMISSION => regional("lambda", &format!("function:{stack}-AnyFunction-1A2B3C4D5E6F")),
        EVENT_SOURCE => regional("lambda", "event-source-mapping:6b1c7c6e-0000-4000-8000-000000000000"),
        ROLE => global("iam", &format!("role/{}", named("RoleName"))),
        MANAGED_POLICY => global("iam", &format!("policy/{}", named("ManagedPolicyName"))),
        TABLE => regional("dynamodb", &format!("table/{}", named("TableName"))),
        QUEUE => regional("sqs", &named("QueueName")),
        QUEUE_POLICY => regional("sqs", &format!("{stack}-completions")),
        LOG_GROUP => regional("logs", &format!("log-group:{}:*", named("LogGroupName"))),
        ALARM => regional("cloudwatch", &format!("alarm:{}", named("AlarmName"))),
        "AWS::CloudWatch::Dashboard" => global("cloudwatch", &format!("dashboard/{}", named("DashboardName"))),
        RULE => {
            let on_a_bus = properties.get("EventBusName").is_some();
            let bus = if on_a_bus { "pipeline/" } else { "" };
            regional("events", &format!("rule/{bus}{}", named("Name")))
        }
        "AWS::ApiGatewayV2::Api" => return vec![api("/apis"), api("/apis/a1b2c3")],
        "AWS::ApiGatewayV2::Stage" => api("/apis/a1b2c3/stages/$default"),
        "AWS::ApiGatewayV2::DomainName" => return vec![api("/domainnames"), api("/domainnames/hooks.example.com")],
        "AWS::ApiGatewayV2::ApiMapping" => api("/domainnames/hooks.example.com/apimappings/a1b2c3"),
        kind => panic!("{kind} has no ARN here"),
    }]
}
