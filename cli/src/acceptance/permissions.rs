//! The check of IAM: each function's role lacks what it should lack. IAM itself decides, by simulating the role's
//! policies: the stored ones, with whatever was attached by hand.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use reqwest::Url;
use tokio::time::sleep;

use super::{
    outcome::{Outcome, ensure, failed, not_checked},
    signed::{Call, call},
    world::World,
};

/// The roles that a rule is about.
enum Of {
    /// Every role but these.
    AllBut(&'static [&'static str]),
    These(&'static [&'static str]),
}

/// What roles may not do with a resource.
struct Rule {
    /// The output with the name of the table or the URL of the queue; `*` is everything.
    resource: &'static str,
    actions: &'static [&'static str],
    of: Of,
}

const fn rule(resource: &'static str, actions: &'static [&'static str], of: Of) -> Rule {
    Rule { resource, actions, of }
}

const NOBODY: Of = Of::AllBut(&[]);
const CHANGE_TABLE: &[&str] =
    &["dynamodb:Scan", "dynamodb:DeleteTable", "dynamodb:UpdateTable", "dynamodb:PartiQLDelete"];
const CHANGE_QUEUE: &[&str] = &["sqs:PurgeQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes"];
const TAKE: &[&str] = &["sqs:ReceiveMessage", "sqs:DeleteMessage"];

/// The roles without a route of the API.
const BACKGROUND: &[&str] = &["FanOutRole", "DispatcherRole", "ReleaseRole", "CountAttemptsRole", "WatchWebhooksRole"];
const SEES_NO_ACCOUNT: &[&str] = &["OpenapiRole", "ConsoleRole", "NotFoundRole", "ManageKeysRole", "CountAttemptsRole"];
const CHANGES_NO_WEBHOOK: &[&str] = &[
    "FanOutRole",
    "DispatcherRole",
    "CountAttemptsRole",
    "ListWebhooksRole",
    "GetWebhookRole",
    "GetRehearsalRole",
    "GetResendRole",
    "GetStatsRole",
    "ListDeliveriesRole",
    "GetDeliveryRole",
    "ListEventsRole",
    "GetEventRole",
    "DeleteEventRole",
    "OpenapiRole",
    "ConsoleRole",
    "NotFoundRole",
    "ManageKeysRole",
];

/// What the roles must lack. `template.yaml` gives them less than this in most places.
const RULES: &[Rule] = &[
    rule("WebhooksTableName", CHANGE_TABLE, NOBODY),
    rule("EventsTableName", CHANGE_TABLE, NOBODY),
    rule("DeliveriesTableName", CHANGE_TABLE, NOBODY),
    rule("WaitingTableName", CHANGE_TABLE, NOBODY),
    rule("ApiKeysTableName", CHANGE_TABLE, NOBODY),
    rule("UsageTableName", CHANGE_TABLE, NOBODY),
    // Only the platform's backend makes keys.
    rule(
        "ApiKeysTableName",
        &["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:PartiQLInsert"],
        Of::AllBut(&["ManageKeysRole"]),
    ),
    rule("ApiKeysTableName", &["dynamodb:GetItem", "dynamodb:Query"], Of::These(BACKGROUND)),
    // A webhook's URL says where its account's events go, and its secret signs them.
    rule("WebhooksTableName", &["dynamodb:UpdateItem", "dynamodb:PartiQLUpdate"], Of::These(CHANGES_NO_WEBHOOK)),
    rule("WebhooksTableName", &["dynamodb:PutItem", "dynamodb:PartiQLInsert"], Of::AllBut(&["CreateWebhookRole"])),
    rule("WebhooksTableName", &["dynamodb:DeleteItem"], Of::AllBut(&["DeleteWebhookRole"])),
    rule(
        "WebhooksTableName",
        &["dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"],
        Of::These(SEES_NO_ACCOUNT),
    ),
    rule(
        "DeliveriesTableName",
        &["dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"],
        Of::AllBut(&["FanOutRole", "DispatcherRole", "DeleteEventRole"]),
    ),
    rule("EventsTableName", &["dynamodb:PartiQLInsert"], Of::AllBut(&["FanOutRole", "TestWebhookRole"])),
    // Only the job pipeline says that a task has ended.
    rule("CompletionsQueueUrl", &["sqs:SendMessage"], NOBODY),
    rule("CompletionsQueueUrl", TAKE, Of::AllBut(&["FanOutRole"])),
    rule("CompletionsQueueUrl", CHANGE_QUEUE, NOBODY),
    rule("DeliveriesQueueUrl", TAKE, Of::AllBut(&["DispatcherRole"])),
    rule("DeliveriesQueueUrl", CHANGE_QUEUE, NOBODY),
    rule("DeadLetterQueueUrl", TAKE, NOBODY),
    rule("DeadLetterQueueUrl", CHANGE_QUEUE, NOBODY),
    rule(
        "*",
        &[
            "iam:PassRole",
            "iam:CreateAccessKey",
            "sts:AssumeRole",
            "lambda:InvokeFunction",
            "lambda:UpdateFunctionCode",
            "s3:GetObject",
            "secretsmanager:GetSecretValue",
            "ssm:GetParameter",
            "kms:CreateGrant",
            "logs:FilterLogEvents",
        ],
        NOBODY,
    ),
];

/// What roles may do: if the simulation says no to these as well, its other answers show nothing.
const ALLOWED: [(&str, &str, &str); 3] = [
    ("DispatcherRole", "DeliveriesQueueUrl", "sqs:SendMessage"),
    ("FanOutRole", "WebhooksTableName", "dynamodb:Query"),
    ("ListWebhooksRole", "ApiKeysTableName", "dynamodb:GetItem"),
];

/// How many simulations are made at the same time. IAM refuses more than a few a second.
const AT_ONCE: usize = 3;
const TRIES: u32 = 20;

pub(super) async fn permissions(world: &World) -> Outcome {
    let account = Simulated::new(world)?;
    for (role, resource, action) in ALLOWED {
        let may = account.may(role, world.resource(role).unwrap_or_default(), resource, &[action]).await?;
        let found = || format!("IAM says that {role} may not call {action}, which it needs");
        ensure(
            !may.is_empty(),
            found,
            "deploy the template again, and look for a boundary or an organization's policy",
        )?;
    }
    let roles = world.resources("Role");
    let mut questions = Vec::new();
    for resource in resources() {
        for (role, name) in &roles {
            let actions: Vec<&str> = RULES
                .iter()
                .filter(|rule| rule.is_about(role, resource))
                .flat_map(|rule| rule.actions)
                .copied()
                .collect();
            if !actions.is_empty() {
                questions.push((*role, *name, resource, actions));
            }
        }
    }
    let count: usize = questions.iter().map(|(.., actions)| actions.len()).sum();
    let asked = questions.iter().map(|(role, name, resource, actions)| account.may(role, name, resource, actions));
    let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    let mut excess = Vec::new();
    for ((role, _, resource, _), may) in questions.iter().zip(answers) {
        excess.extend(may?.into_iter().map(|action| format!("{role} may call {action} on {resource}")));
    }
    if !excess.is_empty() {
        return failed(
            excess.join("; "),
            "somebody has widened a role or attached a policy: deploy the template again, and detach it",
        );
    }
    Ok(format!("{} roles lack each of {count} permissions that they should lack", roles.len()))
}

/// The resources of the rules, each once.
fn resources() -> Vec<&'static str> {
    let mut resources: Vec<_> = RULES.iter().map(|rule| rule.resource).collect();
    resources.sort_unstable();
    resources.dedup();
    resources
}

impl Rule {
    fn is_about(&self, role: &str, resource: &str) -> bool {
        self.resource == resource
            && match self.of {
                Of::AllBut(roles) => !roles.contains(&role),
                Of::These(roles) => roles.contains(&role),
            }
    }
}

/// The account whose roles are simulated, as ARNs name it.
struct Simulated<'a> {
    world: &'a World,
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    /// IAM's host and region in this partition.
    iam: (&'static str, &'static str),
}

impl<'a> Simulated<'a> {
    fn new(world: &'a World) -> Outcome<Self> {
        let mut parts = world.stack.id.split(':').skip(1);
        let [partition, _, region, account] = std::array::from_fn(|_| parts.next().unwrap_or_default());
        let iam = match partition {
            "aws" => ("iam.amazonaws.com", "us-east-1"),
            "aws-cn" => ("iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            "aws-us-gov" => ("iam.us-gov.amazonaws.com", "us-gov-west-1"),
            _ => {
                return not_checked(
                    format!("the address of IAM in the partition {partition:?} is not known"),
                    "tell us",
                );
            }
        };
        Ok(Self { world, partition, region, account, iam })
    }

    /// The ARN of the table or the queue that an output names.
    fn arn(&self, output: &str) -> Outcome<String> {
        let Self { partition, region, account, .. } = self;
        if output == "*" {
            return Ok("*".into());
        }
        let value = self.world.stack.output(output)?;
        let name = value.rsplit('/').next().unwrap_or(value);
        Ok(if output.ends_with("TableName") {
            format!("arn:{partition}:dynamodb:{region}:{account}:table/{name}")
        } else {
            format!("arn:{partition}:sqs:{region}:{account}:{name}")
        })
    }

    /// Which of these actions a role may call on a resource.
    async fn may(&self, role: &str, name: &str, resource: &str, actions: &[&str]) -> Outcome<Vec<String>> {
        let (partition, account) = (self.partition, self.account);
        let mut fields = vec![
            ("Action".to_owned(), "SimulatePrincipalPolicy".to_owned()),
            ("Version".to_owned(), "2010-05-08".to_owned()),
            ("PolicySourceArn".to_owned(), format!("arn:{partition}:iam::{account}:role/{name}")),
            ("ResourceArns.member.1".to_owned(), self.arn(resource)?),
        ];
        let numbered = actions.iter().enumerate();
        fields.extend(numbered.map(|(at, action)| (format!("ActionNames.member.{}", at + 1), (*action).to_owned())));
        let form = Url::parse_with_params("https://iam/", &fields)?;
        let (host, region) = self.iam;
        let simulate = Call {
            service: "iam",
            region,
            host,
            path: "/",
            content_type: "application/x-www-form-urlencoded",
            body: form.query().unwrap_or_default().to_owned(),
        };
        for _ in 0..TRIES {
            match call(&self.world.stack.aws, &self.world.client, &simulate).await? {
                (200, answer) => return allowed(&answer, actions.len(), role),
                (403, _) => {
                    return not_checked("your credentials may not simulate policies", "iam:SimulatePrincipalPolicy");
                }
                (_, answer) if answer.contains("Throttling") => sleep(Duration::from_secs(1)).await,
                (status, answer) => return failed(format!("IAM answered {status}: {answer}"), "try again"),
            }
        }
        not_checked("IAM takes no more simulations", "try again later with --only permissions")
    }
}

/// The allowed actions of an answer. Fails unless it has a decision for each action.
fn allowed(answer: &str, count: usize, role: &str) -> Outcome<Vec<String>> {
    let element = |text: &str, name: &str| -> Option<String> {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    };
    let decided: Vec<_> = answer
        .split("<EvalActionName>")
        .skip(1)
        .filter_map(|part| Some((part.split('<').next()?.to_owned(), element(part, "EvalDecision")?)))
        .collect();
    let found = || format!("IAM decided about {} of {count} actions of {role}", decided.len());
    ensure(decided.len() == count, found, "report this as a bug")?;
    Ok(decided.into_iter().filter(|(_, decision)| decision == "allowed").map(|(action, _)| action).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of AWS's own example of an answer.
    const ANSWER: &str = "<EvaluationResults><member><MatchedStatements/><EvalResourceName>*</EvalResourceName>\
        <EvalActionName>sqs:SendMessage</EvalActionName><EvalDecision>implicitDeny</EvalDecision></member>\
        <member><EvalActionName>sqs:ReceiveMessage</EvalActionName><EvalDecision>allowed</EvalDecision></member>";

    #[test]
    fn an_answer_says_which_actions_are_allowed_and_has_to_decide_about_each() {
        assert_eq!(allowed(ANSWER, 2, "Role").unwrap(), ["sqs:ReceiveMessage"]);
        assert!(allowed(ANSWER, 3, "Role").is_err());
    }
}
