//! `nano-webhooks doctor`: checks a deployed stack. Prints one line for each check, and what to do if it fails.

mod api;
mod concurrency;
mod delivery;
mod logs;
mod queues;
mod receiver;
mod report;
mod sources;
mod tables;

use clap::Args;
use nano_webhooks::{
    egress::{Policy, TargetUrl},
    names::AccountId,
    store::KeyRecord,
};

use self::report::{DEPLOY_AGAIN, Report};
use crate::{failure::Failure, stack::Stack};

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Doctor {
    /// Your own endpoint that answers 2xx, for the test delivery; the local stack needs none
    #[arg(long)]
    endpoint: Option<String>,
    /// Make no test delivery, and write nothing to the stack
    #[arg(long, conflicts_with = "endpoint")]
    read_only: bool,
    /// The API's address, if it is not the one in the stack's outputs
    #[arg(long, env = "NANO_API_URL", hide_env_values = true)]
    api_url: Option<String>,
}

const HELP: &str = "\
Examples:
  nano-webhooks doctor --endpoint https://httpbin.example.com/status/200
  nano-webhooks doctor --read-only --json

The test delivery is a completion of the account nano-webhooks-doctor, with its own webhook and key, which are deleted
afterwards. Without --endpoint its webhook has a URL that may not be called: this shows that a completion gets as far as
the history, and sends no request. Run only one doctor at a time.

Exit code 4 if a check fails.";

/// The account of the doctor's test delivery, webhook and key.
const ACCOUNT: &str = "nano-webhooks-doctor";

impl Doctor {
    pub(crate) async fn run(self, stack: &str, local: bool, json: bool) -> Result<(), Failure> {
        let mut report = Report::new(stack, json);
        let stack = match Stack::find(stack, local).await {
            Ok(stack) => stack,
            Err(failure) => {
                let advice = match failure {
                    Failure::NotFound(_) => "name the stack with --stack, or deploy it",
                    _ => {
                        "are AWS_REGION and your credentials those of the stack? They need cloudformation:DescribeStacks"
                    }
                };
                report.failed("stack", failure.text().unwrap_or_default(), advice)?;
                return report.end();
            }
        };
        let endpoint = self.endpoint.as_deref().map(|url| endpoint(&stack, url)).transpose()?;
        let is_whole = check_stack(&mut report, &stack)?;
        tables::check(&mut report, &stack).await?;
        queues::check(&mut report, &stack).await?;
        concurrency::check(&mut report, &stack).await?;
        sources::check(&mut report, &stack).await?;
        logs::check(&mut report, &stack).await?;
        let api_url = self.api_url.as_deref().map_or_else(|| stack.api_url(), Ok);
        let api = match api_url {
            Ok(url) => api::check(&mut report, url).await?,
            Err(_) => None,
        };
        if is_whole && !self.read_only {
            delivery::check(&mut report, &stack, api.as_ref(), endpoint).await?;
        } else if !self.read_only {
            report.unknown("test delivery", "was not tried: an output is missing", None)?;
        }
        report.end()
    }
}

/// Parses `--endpoint`. Fails if this stack may not call it.
pub(crate) fn endpoint(stack: &Stack, url: &str) -> Result<TargetUrl, Failure> {
    let local = stack.parameter("EgressPolicy") == Some("local");
    let policy = if local { Policy::local() } else { Policy::strict() };
    TargetUrl::parse(url, &policy).map_err(|err| Failure::Wrong(format!("--endpoint may not be called: {err}")))
}

const OUTPUTS: [&str; 10] = [
    "ApiUrl",
    "CompletionsQueueUrl",
    "DeliveriesQueueUrl",
    "DeadLetterQueueUrl",
    "WebhooksTableName",
    "EventsTableName",
    "DeliveriesTableName",
    "ApiKeysTableName",
    "UsageTableName",
    "WaitingTableName",
];

/// Checks the stack's status and outputs. Returns whether all outputs are there.
fn check_stack(report: &mut Report, stack: &Stack) -> Result<bool, Failure> {
    let region = stack.aws.region().map_or("no region", |region| region.as_ref());
    let found = format!("{} is {} in {region}", stack.name, stack.status);
    if stack.status.ends_with("_COMPLETE") && !stack.status.contains("ROLLBACK") && !stack.status.starts_with("DELETE")
    {
        report.passed("stack", &found)?;
    } else {
        report.failed("stack", &found, "its events in CloudFormation say what went wrong; deploy it again")?;
    }
    let missing: Vec<&str> = OUTPUTS.into_iter().filter(|name| stack.output(name).is_err()).collect();
    if missing.is_empty() {
        report.passed("outputs", "all there")?;
    } else {
        report.failed("outputs", &format!("{} missing", missing.join(", ")), DEPLOY_AGAIN)?;
    }
    Ok(missing.is_empty())
}

fn account() -> AccountId {
    AccountId::parse(ACCOUNT).expect("is one")
}

/// The keys of this doctor, and those that an earlier one left.
async fn keys(stack: &Stack) -> Result<Vec<KeyRecord>, Failure> {
    Ok(stack.api_keys()?.list_of(&account()).await?)
}
