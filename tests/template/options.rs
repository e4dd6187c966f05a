//! The parts of the template that exist only if an operator asks for them. They allow no more access than the rest.

use serde_json::{Value, json};

use crate::{FUNCTION, MANAGED_POLICY, QUEUE, QUEUE_POLICY, ROLE, RULE, TABLE, TEMPLATE, kind, of_kind, role_of};

#[test]
fn what_can_open_a_door_is_there_only_under_its_option() {
    let resources = TEMPLATE["Resources"].as_object().unwrap();
    let conditional: Vec<_> =
        resources.iter().filter_map(|(name, it)| Some((name.as_str(), it["Condition"].as_str()?))).collect();
    let expected = [
        ("ApiLogs", "LogsApiRequests"),
        ("CompletionsRule", "HasCompletionsBus"),
        ("CompletionsRuleAlarm", "HasCompletionsBus"),
        ("CustomDomain", "HasDomain"),
        ("CustomDomainMapping", "HasDomain"),
        ("NotificationsPolicy", "SendsNotifications"),
        ("NotificationsRule", "HasNotificationsTopic"),
        ("NotificationsRuleAlarm", "HasNotificationsTopic"),
        ("TablesKeyPolicy", "HasKmsKey"),
        ("VpcPolicy", "IsInVpc"),
    ];
    assert_eq!(conditional, expected);
    // Another test covers the queues' policies, and another the policy for traces, which exists even while Tracing is
    // off.
    let doors = [MANAGED_POLICY, RULE];
    let is_schedule = |it: &Value| it["Properties"].get("ScheduleExpression").is_some();
    let doors = resources.iter().filter(|(name, _)| doors.contains(&kind(name)) && *name != "TracingPolicy");
    for (name, _) in doors.filter(|(_, it)| !is_schedule(it)) {
        assert!(expected.iter().any(|(known, _)| known == name), "{name} has no condition");
    }
}

/// Another test covers the tables' key.
#[test]
fn an_option_allows_exactly_what_it_needs_to_the_roles_that_need_it() {
    let bus = json!({ "Fn::Sub": ["arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${Bus}",
        { "Bus": { "Fn::If": ["HasNotificationsBus", { "Ref": "NotificationsEventBusName" }, "default"] } }] });
    let interfaces = json!([
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses"
    ]);
    let this_stacks_functions = json!({ "Fn::Sub":
        "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${AWS::StackName}-*" });
    let watcher = json!([{ "Ref": "WatchWebhooksRole" }]);
    let expected = [
        (
            "NotificationsPolicy",
            watcher,
            json!([
            { "Effect": "Allow", "Action": "events:PutEvents", "Resource": bus }]),
        ),
        (
            "TracingPolicy",
            Value::Null,
            json!([
            { "Effect": "Allow", "Action": ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "Resource": "*" }]),
        ),
        (
            "VpcPolicy",
            Value::Null,
            json!([
            { "Effect": "Allow", "Action": interfaces, "Resource": "*" },
            { "Effect": "Deny", "Action": interfaces, "Resource": "*",
                "Condition": { "ArnLike": { "lambda:SourceFunctionArn": this_stacks_functions } } }]),
        ),
    ];
    let others = of_kind(MANAGED_POLICY).filter(|(name, _)| *name != "TablesKeyPolicy");
    let others: Vec<_> =
        others.map(|(name, it)| (name, it["Roles"].clone(), it["PolicyDocument"]["Statement"].clone())).collect();
    assert_eq!(others, expected);

    // The policy is attached in the role and does not name the role, so that CloudFormation creates or changes the
    // function after the policy.
    let traced = json!([{ "Ref": "TracingPolicy" }]);
    let in_the_vpc = json!({ "Fn::If": ["IsInVpc", [{ "Ref": "TracingPolicy" }, { "Ref": "VpcPolicy" }], traced] });
    for (name, role) in of_kind(ROLE) {
        let function = of_kind(FUNCTION).find(|(_, function)| role_of(function) == name).unwrap().1;
        let expected = match name {
            "DispatcherRole" => &in_the_vpc,
            _ if function["TracingConfig"].is_object() => &traced,
            _ => &Value::Null,
        };
        assert_eq!(&role["ManagedPolicyArns"], expected, "{name}");
    }
}

#[test]
fn a_rule_sends_only_to_our_queue_to_release_or_to_the_operators_topic() {
    let queue = |name: &str| json!({ "Fn::GetAtt": [name, "Arn"] });
    let expected = [
        (
            "CompletionsRule",
            json!([{ "Id": "completions", "Arn": queue("CompletionsQueue"),
            "DeadLetterConfig": { "Arn": queue("DeadLetterQueue") } }]),
        ),
        (
            "NotificationsRule",
            json!([{ "Id": "topic", "Arn": { "Ref": "NotificationsTopicArn" },
            "DeadLetterConfig": { "Arn": queue("DeadLetterQueue") } }]),
        ),
        (
            "ReleaseFunctionEveryMinute",
            json!([{ "Id": "ReleaseFunctionEveryMinuteLambdaTarget", "Arn": queue("ReleaseFunction") }]),
        ),
    ];
    let rules: Vec<_> = of_kind(RULE).map(|(name, rule)| (name, rule["Targets"].clone())).collect();
    assert_eq!(rules, expected);
}

/// Each queue has one policy: a second one for the same queue would replace the first.
#[test]
fn nobody_but_the_rules_and_the_operators_producers_is_let_into_a_queue_and_nobody_without_tls() {
    let arn = |name: &str| json!({ "Fn::GetAtt": [name, "Arn"] });
    let tls_only = |queue: &str| {
        json!({ "Effect": "Deny", "Action": "sqs:*", "Principal": "*", "Resource": arn(queue),
            "Condition": { "Bool": { "aws:SecureTransport": "false" } } })
    };
    let under =
        |condition: &str, statement: Value| json!({ "Fn::If": [condition, statement, { "Ref": "AWS::NoValue" }] });
    let rule = |condition: &str, rule: &str, queue: &str| {
        under(
            condition,
            json!({ "Effect": "Allow", "Action": "sqs:SendMessage",
            "Principal": { "Service": "events.amazonaws.com" }, "Resource": arn(queue),
            "Condition": { "ArnEquals": { "aws:SourceArn": arn(rule) } } }),
        )
    };
    let producers = under(
        "HasForeignProducers",
        json!({ "Effect": "Allow",
        "Action": ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"],
        "Principal": { "AWS": { "Fn::Split": [",", { "Ref": "ProducerPrincipals" }] } },
        "Resource": arn("CompletionsQueue") }),
    );
    let (completions, dead_letters) = ("CompletionsQueue", "DeadLetterQueue");
    let expected = [
        (
            completions,
            json!([tls_only(completions), producers, rule("HasCompletionsBus", "CompletionsRule", completions)]),
        ),
        (
            dead_letters,
            json!([
                tls_only(dead_letters),
                rule("HasCompletionsBus", "CompletionsRule", dead_letters),
                rule("HasNotificationsTopic", "NotificationsRule", dead_letters)
            ]),
        ),
        ("DeliveriesQueue", json!([tls_only("DeliveriesQueue")])),
    ];
    let policies = of_kind(QUEUE_POLICY).map(|(_, policy)| {
        let [queue] = policy["Queues"].as_array().unwrap().as_slice() else { panic!("one queue: {policy}") };
        (queue["Ref"].as_str().unwrap(), policy["PolicyDocument"]["Statement"].clone())
    });
    assert_eq!(policies.collect::<Vec<_>>(), expected);
}

/// The emulator does not apply these settings, so no other test would notice if they were missing.
#[test]
fn the_functions_take_their_network_and_their_reserve_from_the_parameters() {
    let split = |parameter: &str| json!({ "Fn::Split": [",", { "Ref": parameter }] });
    let network = json!({ "SubnetIds": split("SubnetIds"), "SecurityGroupIds": split("SecurityGroupIds") });
    let none = json!({ "Ref": "AWS::NoValue" });
    let dispatcher = &TEMPLATE["Resources"]["DispatcherFunction"]["Properties"];
    assert_eq!(dispatcher["VpcConfig"], json!({ "Fn::If": ["IsInVpc", network, none] }));
    for (function, condition, parameter) in [
        ("FanOutFunction", "FanOutIsReserved", "FanOutReservedConcurrency"),
        ("DispatcherFunction", "DispatcherIsReserved", "DispatcherReservedConcurrency"),
    ] {
        let reserve = &TEMPLATE["Resources"][function]["Properties"]["ReservedConcurrentExecutions"];
        assert_eq!(*reserve, json!({ "Fn::If": [condition, { "Ref": parameter }, none] }), "{function}");
    }
}

#[test]
fn what_has_data_is_kept_when_the_stack_is_deleted_or_it_is_replaced() {
    for name in [TABLE, QUEUE].into_iter().flat_map(of_kind).map(|(name, _)| name) {
        let resource = &TEMPLATE["Resources"][name];
        // A first deployment that fails deletes its empty resources, so that it can be tried again.
        assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{name}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{name}");
    }
}
