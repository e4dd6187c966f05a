//! The template with every option on, and with every option off, which is the stack that the other tests share.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use harness::{Answer, ApiKey, Aws, Customer, Failure, Options, Producer, SOON, Stack, expand_template, http_client};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, folder_of_this_run, mailbox::Mailbox};

const HOST: &str = "hooks.example.com";
const ACCOUNT: &str = "000000000000";
/// The CDN's secrets while one replaces the other.
const OLD_AND_NEW: &str = "an-old-secret-of-the-cdns,the-new-secret-of-the-cdns";
const OLD: &str = "an-old-secret-of-the-cdns";
const NEW: &str = "the-new-secret-of-the-cdns";
const VERIFY: &str = "x-origin-verify";

/// Creates the operator's own resources, which exist before the stack: buses, topics, a VPC, a certificate, a key.
fn before(aws: &Aws) -> Result<Vec<(&'static str, String)>, Failure> {
    let id = |answer: Value, path: &str| answer.pointer(path).and_then(Value::as_str).unwrap().to_owned();
    for bus in ["pipeline", "owners"] {
        aws.call("events", "CreateEventBus", &json!({ "Name": bus }))?;
    }
    let vpc = id(aws.call("ec2", "CreateVpc", &json!({ "CidrBlock": "10.9.0.0/16" }))?, "/Vpc/VpcId");
    let mut subnets = Vec::new();
    for block in ["10.9.1.0/24", "10.9.2.0/24"] {
        let subnet = json!({ "VpcId": vpc, "CidrBlock": block });
        subnets.push(id(aws.call("ec2", "CreateSubnet", &subnet)?, "/Subnet/SubnetId"));
    }
    let group = json!({ "VpcId": vpc, "GroupName": "webhooks", "Description": "What webhooks are sent through" });
    let certificate = aws.call("acm", "RequestCertificate", &json!({ "DomainName": HOST }))?;
    let key = aws.call("kms", "CreateKey", &json!({}))?;
    Ok(vec![
        ("AlarmTopicArn", Mailbox::subscribe(aws, "alarms", &[])?),
        ("QuietAlarmTopicArn", Mailbox::subscribe(aws, "quiet-alarms", &[])?),
        ("NotificationsTopicArn", Mailbox::subscribe(aws, "owners", &["events.amazonaws.com"])?),
        ("SubnetIds", subnets.join(",")),
        ("SecurityGroupIds", id(aws.call("ec2", "CreateSecurityGroup", &group)?, "/GroupId")),
        ("CertificateArn", id(certificate, "/CertificateArn")),
        ("KmsKeyArn", id(key, "/KeyMetadata/Arn")),
    ])
}

fn everything_on() -> Options {
    Options {
        folder: folder_of_this_run().join("deployments"),
        before: Some(before),
        parameters: vec![
            ("NotificationsEventBusName", "owners"),
            ("NotifyFailingAfterSeconds", "1"),
            ("ProducerPrincipals", "111122223333,arn:aws:iam::444455556666:role/pipeline"),
            ("CompletionsEventBusName", "pipeline"),
            ("OriginVerifySecrets", OLD_AND_NEW),
            ("ApiAccessLogs", "on"),
            ("DomainName", HOST),
            ("ConsoleAccentColor", "#1d4ed8"),
            ("ConsoleFrameAncestors", "https://dashboard.example.com"),
            ("DeletionProtection", "on"),
            ("WebhooksTableSuffix", "-20260102T030405Z"),
            ("EventsTableSuffix", "-20260102T030405Z"),
            ("DeliveriesTableSuffix", "-20260102T030405Z"),
            ("ApiKeysTableSuffix", "-20260102T030405Z"),
            ("Tracing", "on"),
            ("SendTraceparent", "on"),
            ("FanOutReservedConcurrency", "5"),
            ("DispatcherReservedConcurrency", "50"),
        ],
        ..Options::default()
    }
}

/// One stack for all options, because a stack takes long to start.
#[tokio::test]
async fn with_every_option_on_the_stack_comes_up_and_each_option_does_what_it_says() {
    let stack = Stack::start(&everything_on(), &|_| {}).unwrap();
    let aws = stack.aws().unwrap();
    every_option_is_on(&aws);
    let key = stack.create_api_key("acct_deployed").unwrap();
    only_what_comes_through_the_cdn_reaches_the_api(&stack, &key).await;
    the_operator_has_to_name_the_cdn(&stack);
    let customer = Customer::new(&stack, &key).with_header(VERIFY, NEW);
    an_event_on_the_bus_becomes_a_webhook(&aws, &customer).await;
    what_the_rule_cannot_deliver_is_a_dead_letter(&aws);
    the_host_name_leads_to_the_api(&stack, &aws).await;
    the_owner_of_a_failing_webhook_is_notified(&stack, &aws, &customer).await;
    what_an_option_needs_its_functions_may_do(&aws);
    every_alarm_tells_its_topic(&aws);
    what_has_data_outlives_the_stack(&stack, &aws).await;
}

#[test]
fn with_every_option_off_there_is_nothing_of_them() {
    let template = expand_template().unwrap();
    let conditional = template["Resources"].as_object().unwrap().iter().filter(|(_, it)| it["Condition"].is_string());
    let conditional: BTreeSet<_> = conditional.map(|(name, _)| name.as_str()).collect();
    assert!(conditional.contains("CompletionsRule") && conditional.len() > 7, "{conditional:?}");
    let made = resources(&STACK.aws().unwrap());
    let made = made.iter().map(|it| it["LogicalResourceId"].as_str().unwrap());
    assert_eq!(made.filter(|name| conditional.contains(name)).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn half_of_an_option_is_refused_before_anything_is_made() {
    let aws = STACK.aws().unwrap();
    let cases = [
        ("DomainName", HOST, "DomainName needs CertificateArn"),
        ("CertificateArn", "arn:aws:acm:us-east-1:000000000000:certificate/1", "CertificateArn needs DomainName"),
        ("SubnetIds", "subnet-1", "SubnetIds needs SecurityGroupIds"),
        ("SecurityGroupIds", "sg-1", "SecurityGroupIds needs SubnetIds"),
        ("AlarmTopicArn", "my-topic", "must be the ARN of an SNS topic"),
        ("ProducerPrincipals", "*", "must be account ids"),
        ("OriginVerifySecrets", "too-short", "must be one secret"),
        ("ConsoleName", " Acme", "must be 1 to 40 characters"),
        ("ConsoleAccentColor", "red", "must be a colour"),
        ("ConsoleFrameAncestors", "*", "must be origins"),
        ("ConsoleFrameAncestors", "http://dashboard.example.com", "must be origins"),
        ("ConsoleFrameAncestors", "https://a.example.com; script-src *", "must be origins"),
    ];
    for (parameter, value, reason) in cases {
        let failure = aws.call(
            "cloudformation",
            "CreateStack",
            &json!({
                "StackName": "half",
                "TemplateURL": format!("{}/code/template.json", STACK.endpoint()),
                "Parameters": [{ "ParameterKey": parameter, "ParameterValue": value }],
                "Capabilities": ["CAPABILITY_IAM"],
            }),
        );
        let failure = failure.expect_err(parameter).to_string();
        assert!(failure.contains(reason), "{parameter}: {failure}");
    }
}

/// No parameter that is empty or off by default has its default in this stack.
fn every_option_is_on(aws: &Aws) {
    let stacks = aws.call("cloudformation", "DescribeStacks", &json!({ "StackName": Stack::NAME })).unwrap();
    let given: BTreeSet<_> =
        stacks["Stacks"][0]["Parameters"].as_array().unwrap().iter().map(Value::to_string).collect();
    for (name, parameter) in expand_template().unwrap()["Parameters"].as_object().unwrap() {
        let default = parameter["Default"].as_str().unwrap_or("not an option");
        let as_by_default = json!({ "ParameterKey": name, "ParameterValue": default }).to_string();
        let is_off = ["", "off"].contains(&default) && given.contains(&as_by_default);
        assert!(!is_off, "{name} is off");
    }
}

/// Past the CDN neither a link to the console nor the doctor's key would work.
fn the_operator_has_to_name_the_cdn(stack: &Stack) {
    let link = stack.ask_operator(&["console-link", "--account", "acct_deployed"], "").unwrap();
    assert!(link.code == Some(2) && link.err.contains("it answers 401"), "{link:?}");
    let doctor = stack.ask_operator(&["doctor", "--read-only", "--json"], "").unwrap().json();
    let api = doctor["checks"].as_array().unwrap().iter().find(|check| check["check"] == "api").unwrap();
    assert_eq!(api["found"], "it takes only requests that come through your CDN", "{doctor}");
}

/// Checks routes that need a key and routes that do not.
async fn only_what_comes_through_the_cdn_reaches_the_api(stack: &Stack, key: &ApiKey) {
    let customer = Customer::new(stack, key);
    for path in ["/api/v1/webhooks", "/openapi.yaml", "/console"] {
        for wrong in
            [[].as_slice(), &[(VERIFY, "")], &[(VERIFY, OLD_AND_NEW)], &[(VERIFY, "the-new-secret-of-the-cdnz")]]
        {
            let reply = customer.send_with(Method::GET, path, None, wrong).await.unwrap();
            let refusal = r#"{"success":false,"error":{"code":"unauthorized","message":"Invalid or missing API key"}}"#;
            assert_eq!((reply.status, reply.text.as_str()), (401, refusal), "{path} {wrong:?}");
        }
        for secret in [OLD, NEW] {
            let reply = customer.send_with(Method::GET, path, None, &[(VERIFY, secret)]).await.unwrap();
            assert_eq!(reply.status, 200, "{path} {secret}");
        }
    }
}

async fn an_event_on_the_bus_becomes_a_webhook(aws: &Aws, customer: &Customer) {
    let webhook = json!({ "url": RECEIVER.url("/from_the_bus"), "events": ["job.completed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    let entry = |kind: &str, task: &str| {
        let detail =
            json!({ "account_id": "acct_deployed", "task_id": task, "task_type": "image", "status": "completed" });
        json!({ "EventBusName": "pipeline", "Source": "jobs", "DetailType": kind, "Detail": detail.to_string() })
    };
    let entries = [entry("TaskStarted", "task_started"), entry("TaskCompleted", "task_completed")];
    let put = aws.call("events", "PutEvents", &json!({ "Entries": entries })).unwrap();
    assert_eq!(put["FailedEntryCount"], 0, "{put}");
    let received = RECEIVER.wait_for("/from_the_bus", 1, SOON).await.unwrap();
    assert_eq!(received[0].json()["task_id"], "task_completed");
    assert!(received[0].header("traceparent").is_some(), "{:?}", received[0].headers);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(RECEIVER.received("/from_the_bus").len(), 1, "the other event is not a completion");
}

fn what_the_rule_cannot_deliver_is_a_dead_letter(aws: &Aws) {
    let rules = aws.call("events", "ListRules", &json!({ "EventBusName": "pipeline" })).unwrap();
    let rule = json!({ "EventBusName": "pipeline", "Rule": rules["Rules"][0]["Name"] });
    let targets = aws.call("events", "ListTargetsByRule", &rule).unwrap();
    let queue = |name: &str| format!("arn:aws:sqs:us-east-1:{ACCOUNT}:nano-webhooks-{name}");
    assert_eq!(targets["Targets"].as_array().unwrap().len(), 1);
    assert_eq!(targets["Targets"][0]["Arn"], queue("completions"));
    assert_eq!(targets["Targets"][0]["DeadLetterConfig"]["Arn"], queue("dead-letters"));
    for name in ["completions", "dead-letters"] {
        let url = aws.call("sqs", "GetQueueUrl", &json!({ "QueueName": format!("nano-webhooks-{name}") })).unwrap();
        let wanted = json!({ "QueueUrl": url["QueueUrl"], "AttributeNames": ["Policy"] });
        let attributes = aws.call("sqs", "GetQueueAttributes", &wanted).unwrap();
        let policy: Value = serde_json::from_str(attributes["Attributes"]["Policy"].as_str().unwrap()).unwrap();
        let statements = policy["Statement"].as_array().unwrap();
        let rule = &rules["Rules"][0]["Arn"];
        assert!(statements.iter().any(|it| it["Condition"]["ArnEquals"]["aws:SourceArn"] == *rule), "{policy}");
        let principals = json!({ "AWS": ["111122223333", "arn:aws:iam::444455556666:role/pipeline"] });
        let producers = statements.iter().filter(|it| it["Principal"] == principals);
        assert_eq!(producers.count(), usize::from(name == "completions"), "{policy}");
    }
    let notifications = json!({ "EventBusName": "owners", "Rule": "nano-webhooks-notifications" });
    let targets = aws.call("events", "ListTargetsByRule", &notifications).unwrap();
    assert_eq!(targets["Targets"][0]["DeadLetterConfig"]["Arn"], queue("dead-letters"), "{targets}");
}

async fn the_host_name_leads_to_the_api(stack: &Stack, aws: &Aws) {
    let domain = aws.call("apigatewayv2", "GetDomainName", &json!({ "DomainName": HOST })).unwrap();
    let mappings = aws.call("apigatewayv2", "GetApiMappings", &json!({ "DomainName": HOST })).unwrap();
    let api = stack.api_url.rsplit('/').next().unwrap();
    assert_eq!((&mappings["Items"][0]["ApiId"], &mappings["Items"][0]["Stage"]), (&json!(api), &json!("$default")));

    let request = http_client().get(format!("{}/openapi.yaml", stack.endpoint())).header("host", HOST);
    let request = request.header(VERIFY, NEW);
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 200);
    assert!(reply.text().await.unwrap().starts_with("openapi: 3"));

    let outputs = outputs(aws);
    let output = |name: &str| outputs.iter().find(|it| it["OutputKey"] == name).unwrap()["OutputValue"].clone();
    assert_eq!(output("ApiUrl"), format!("https://{HOST}"));
    assert_eq!(output("ConsoleUrl"), format!("https://{HOST}/console"));
    assert_eq!(output("DomainTarget"), domain["DomainNameConfigurations"][0]["ApiGatewayDomainName"]);
    assert_eq!(output("DomainTargetZoneId"), domain["DomainNameConfigurations"][0]["HostedZoneId"]);

    let own_hosts = configuration(aws, "DispatcherFunction")["Environment"]["Variables"]["OWN_HOSTS"].clone();
    assert!(own_hosts.as_str().unwrap().ends_with(&format!(",{HOST}")), "{own_hosts}");
}

/// Follows a notification from watch-webhooks over the bus to the topic.
async fn the_owner_of_a_failing_webhook_is_notified(stack: &Stack, aws: &Aws, customer: &Customer) {
    RECEIVER.answer("/owner_is_notified", vec![Answer::status(500); 20]);
    let webhook = json!({ "url": RECEIVER.url("/owner_is_notified"), "events": ["job.failed"] });
    assert_eq!(customer.post("/api/v1/webhooks", &webhook).await.unwrap().status, 201);
    let completion = json!({ "account_id": "acct_deployed", "task_id": "task_failed", "task_type": "image",
        "status": "failed" });
    Producer::new(stack).send(completion).await.unwrap();
    let mailbox = Mailbox::default();
    let mail = mailbox.wait_for(aws, |mail| mail["detail-type"] == "webhook.failing").await;
    assert_eq!((&mail["source"], &mail["detail"]["stack"]), (&json!("nano-webhooks"), &json!(Stack::NAME)), "{mail}");
    assert_eq!(mail["detail"]["url"], RECEIVER.url("/owner_is_notified"));
}

fn what_an_option_needs_its_functions_may_do(aws: &Aws) {
    for function in ["FanOutFunction", "DispatcherFunction"] {
        assert_eq!(configuration(aws, function)["TracingConfig"]["Mode"], "Active", "{function}");
    }
    let policies = [
        ("DispatcherRole", ["TablesKeyPolicy", "TracingPolicy", "VpcPolicy"].as_slice()),
        ("WatchWebhooksRole", &["NotificationsPolicy", "TablesKeyPolicy"]),
    ];
    for (role, policies) in policies {
        let role = json!({ "RoleName": physical(aws, role) });
        let attached = aws.call("iam", "ListAttachedRolePolicies", &role).unwrap();
        let mut attached: Vec<_> =
            attached["AttachedPolicies"].as_array().unwrap().iter().map(|it| &it["PolicyArn"]).collect();
        let mut expected: Vec<_> = policies.iter().map(|name| json!(physical(aws, name))).collect();
        attached.sort_by_key(ToString::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(attached, expected.iter().collect::<Vec<_>>(), "{role}");
    }
}

fn every_alarm_tells_its_topic(aws: &Aws) {
    let alarms = aws.call("cloudwatch", "DescribeAlarms", &json!({})).unwrap();
    let alarms = alarms["MetricAlarms"].as_array().unwrap();
    assert!(alarms.len() >= 12, "{alarms:?}");
    let topic = |name: &str| json!([format!("arn:aws:sns:us-east-1:{ACCOUNT}:{name}")]);
    let (mut paged, mut quiet) = (0, 0);
    for alarm in alarms {
        assert_eq!(alarm["AlarmActions"], alarm["OKActions"], "{alarm}");
        paged += usize::from(alarm["AlarmActions"] == topic("alarms"));
        quiet += usize::from(alarm["AlarmActions"] == topic("quiet-alarms"));
    }
    assert_eq!((paged, quiet), (alarms.len() - 2, 2));
    let dashboard = aws.call("cloudwatch", "GetDashboard", &json!({ "DashboardName": Stack::NAME })).unwrap();
    let body: Value = serde_json::from_str(dashboard["DashboardBody"].as_str().unwrap()).unwrap();
    let shown = body["widgets"][0]["properties"]["alarms"].as_array().unwrap();
    assert_eq!(shown.len(), alarms.len());
    assert!(alarms.iter().all(|alarm| shown.contains(&alarm["AlarmArn"])), "{shown:?}");
}

async fn what_has_data_outlives_the_stack(stack: &Stack, aws: &Aws) {
    aws.call("cloudformation", "DeleteStack", &json!({ "StackName": Stack::NAME })).unwrap();
    let start = Instant::now();
    while aws.call("cloudformation", "DescribeStacks", &json!({ "StackName": Stack::NAME })).is_ok() {
        assert!(start.elapsed() < SOON, "{:?}", resources(aws));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let named = |names: &[&str]| -> BTreeSet<_> { names.iter().map(|name| format!("nano-webhooks-{name}")).collect() };
    let tables = aws.call("dynamodb", "ListTables", &json!({})).unwrap();
    let tables: BTreeSet<_> =
        tables["TableNames"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().into()).collect();
    let restored = ["api-keys", "deliveries", "events", "webhooks"].map(|name| format!("{name}-20260102T030405Z"));
    let mut expected = named(&restored.each_ref().map(String::as_str));
    expected.extend(named(&["usage", "waiting"]));
    assert_eq!(tables, expected);
    for table in tables {
        let refused = aws.call("dynamodb", "DeleteTable", &json!({ "TableName": table })).unwrap_err().to_string();
        assert!(refused.contains("protected against deletion"), "{table}: {refused}");
    }
    let queues = aws.call("sqs", "ListQueues", &json!({ "QueueNamePrefix": "nano-webhooks" })).unwrap();
    let queues = queues["QueueUrls"].as_array().unwrap().iter();
    let queues: BTreeSet<_> = queues.map(|url| url.as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(queues, named(&["completions", "dead-letters", "deliveries"]));
    let functions = aws.call("lambda", "ListFunctions", &json!({})).unwrap();
    assert_eq!(functions["Functions"], json!([]), "{}", stack.log().unwrap());
}

fn outputs(aws: &Aws) -> Vec<Value> {
    let stacks = aws.call("cloudformation", "DescribeStacks", &json!({ "StackName": Stack::NAME })).unwrap();
    stacks["Stacks"][0]["Outputs"].as_array().unwrap().clone()
}

fn resources(aws: &Aws) -> Vec<Value> {
    let made = aws.call("cloudformation", "DescribeStackResources", &json!({ "StackName": Stack::NAME }));
    made.unwrap()["StackResources"].as_array().unwrap().clone()
}

fn physical(aws: &Aws, resource: &str) -> String {
    let made = resources(aws);
    let made = made.iter().find(|it| it["LogicalResourceId"] == resource);
    made.unwrap_or_else(|| panic!("there is no {resource}"))["PhysicalResourceId"].as_str().unwrap().to_owned()
}

fn configuration(aws: &Aws, function: &str) -> Value {
    let function = json!({ "FunctionName": physical(aws, function) });
    aws.call("lambda", "GetFunctionConfiguration", &function).unwrap()
}
