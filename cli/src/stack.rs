//! The deployed stack that a command works on. It is found by its name, and its queues and tables by its
//! CloudFormation outputs.

use std::{collections::HashMap, time::Duration};

use aws_config::{SdkConfig, timeout::TimeoutConfig};
use aws_sdk_cloudformation::{
    Client,
    error::{ProvideErrorMetadata as _, SdkError},
    operation::list_stack_resources::ListStackResourcesError,
    primitives::DateTime,
    types::StackResourceSummary,
};
use jiff::Timestamp;
use nano_webhooks::{
    aws,
    queue::{DeadLetters, Queue},
    store::{ApiKeys, Deliveries, Events, Usage, Webhooks},
};

use crate::{
    failure::{self, Failure},
    local::Local,
};

/// A stack, with its outputs and parameters.
pub(crate) struct Stack {
    pub(crate) name: String,
    /// Its ARN.
    pub(crate) id: String,
    pub(crate) aws: SdkConfig,
    /// The stack status in CloudFormation, such as `UPDATE_COMPLETE`.
    pub(crate) status: String,
    /// When it was created.
    pub(crate) created: Timestamp,
    outputs: HashMap<String, String>,
    parameters: HashMap<String, String>,
    /// The local stack's API address, which replaces the output `ApiUrl`; `None` for any other stack.
    api_url: Option<String>,
}

impl Stack {
    /// Finds a stack in the account and region of the environment, or the local stack. Fails if it does not exist.
    pub(crate) async fn find(name: &str, local: bool) -> Result<Self, Failure> {
        let configured = configuration(local).await?;
        let aws = configured.0.clone();
        Self::describe(name, configured).await?.ok_or_else(|| missing_stack(name, &aws))
    }

    /// Finds a stack with this [`configuration`]. Returns `None` if it does not exist.
    pub(crate) async fn describe(
        name: &str,
        (aws, api_url): (SdkConfig, Option<String>),
    ) -> Result<Option<Self>, Failure> {
        let described = match Client::new(&aws).describe_stacks().stack_name(name).send().await {
            Ok(described) => described,
            Err(err) if err.message().is_some_and(|message| message.contains("does not exist")) => return Ok(None),
            Err(err) => {
                return Err(Failure::Failed(format!("could not find the stack {name}: {}", failure::words(&err))));
            }
        };
        let Some(stack) = described.stacks().first() else { return Ok(None) };
        let pair = |key: Option<&str>, value: Option<&str>| Some((key?.to_owned(), value?.to_owned()));
        Ok(Some(Self {
            name: name.to_owned(),
            id: stack.stack_id().unwrap_or_default().to_owned(),
            // CloudFormation always says it.
            created: stack.creation_time().and_then(second).unwrap_or(Timestamp::UNIX_EPOCH),
            status: stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            outputs: stack
                .outputs()
                .iter()
                .filter_map(|output| pair(output.output_key(), output.output_value()))
                .collect(),
            parameters: stack
                .parameters()
                .iter()
                .filter_map(|parameter| pair(parameter.parameter_key(), parameter.parameter_value()))
                .collect(),
            api_url,
            aws,
        }))
    }

    /// Returns the value of a stack output. Fails if the stack does not have it.
    pub(crate) fn output(&self, name: &str) -> Result<&str, Failure> {
        let missing = || {
            Failure::Failed(format!(
                "the stack {} has no output {name}; is it a nano-webhooks stack, deployed from a template as new as this command?",
                self.name
            ))
        };
        self.outputs.get(name).map(String::as_str).ok_or_else(missing)
    }

    /// A parameter's value; `None` if the stack does not have it.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// All parameters: names and values.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The base of the API's URLs.
    pub(crate) fn api_url(&self) -> Result<&str, Failure> {
        self.api_url.as_deref().map_or_else(|| self.output("ApiUrl"), Ok)
    }

    /// Whether the stack's functions run on this machine and may send requests to it.
    pub(crate) fn calls_this_machine(&self) -> bool {
        let endpoint = self.aws.endpoint_url().unwrap_or_default();
        let here = ["http://127.0.0.1:", "http://localhost:"].iter().any(|address| endpoint.starts_with(address));
        here && self.parameter("EgressPolicy") == Some("local")
    }

    /// The stack's resources: the physical id of each, by its id in the template.
    pub(crate) async fn resources(&self) -> Result<HashMap<String, String>, SdkError<ListStackResourcesError>> {
        // Not `DescribeStackResources`, which returns the first hundred.
        let listed =
            Client::new(&self.aws).list_stack_resources().stack_name(&self.name).into_paginator().items().send();
        let listed = listed.collect::<Result<Vec<_>, _>>().await?;
        let pair =
            |resource: StackResourceSummary| Some((resource.logical_resource_id?, resource.physical_resource_id?));
        Ok(listed.into_iter().filter_map(pair).collect())
    }

    /// The name of a function's log group.
    pub(crate) fn log_group(&self, function: &str) -> String {
        format!("/aws/lambda/{}-{function}", self.name)
    }

    pub(crate) fn webhooks(&self) -> Result<Webhooks, Failure> {
        Ok(Webhooks::new(&self.aws, self.output("WebhooksTableName")?.to_owned()))
    }

    pub(crate) fn events(&self) -> Result<Events, Failure> {
        Ok(Events::new(&self.aws, self.output("EventsTableName")?.to_owned()))
    }

    pub(crate) fn deliveries(&self) -> Result<Deliveries, Failure> {
        Ok(Deliveries::new(&self.aws, self.output("DeliveriesTableName")?.to_owned()))
    }

    pub(crate) fn api_keys(&self) -> Result<ApiKeys, Failure> {
        Ok(ApiKeys::new(&self.aws, self.output("ApiKeysTableName")?.to_owned()))
    }

    pub(crate) fn usage(&self) -> Result<Usage, Failure> {
        Ok(Usage::new(&self.aws, self.output("UsageTableName")?.to_owned()))
    }

    pub(crate) fn completions_queue(&self) -> Result<Queue, Failure> {
        Ok(Queue::new(&self.aws, self.output("CompletionsQueueUrl")?.to_owned()))
    }

    pub(crate) fn deliveries_queue(&self) -> Result<Queue, Failure> {
        Ok(Queue::new(&self.aws, self.output("DeliveriesQueueUrl")?.to_owned()))
    }

    pub(crate) fn dead_letters(&self) -> Result<DeadLetters, Failure> {
        Ok(DeadLetters::new(&self.aws, self.output("DeadLetterQueueUrl")?.to_owned()))
    }
}

/// A table as in the template.
pub(crate) struct StackTable {
    /// What its name has after the stack's.
    pub(crate) name: &'static str,
    /// The stack output with its name.
    pub(crate) output: &'static str,
    pub(crate) indexes: &'static [&'static str],
    /// Whether its items expire.
    pub(crate) expires: bool,
    /// Whether it has point-in-time recovery.
    pub(crate) has_backups: bool,
}

impl StackTable {
    const fn new(name: &'static str, output: &'static str, indexes: &'static [&'static str]) -> Self {
        Self { name, output, indexes, expires: true, has_backups: true }
    }
}

pub(crate) const TABLES: [StackTable; 6] = [
    StackTable::new("webhooks", "WebhooksTableName", &["by-action"]),
    StackTable::new("events", "EventsTableName", &[]),
    StackTable::new("deliveries", "DeliveriesTableName", &["by-state"]),
    StackTable { has_backups: false, ..StackTable::new("waiting", "WaitingTableName", &[]) },
    StackTable::new("api-keys", "ApiKeysTableName", &["by-account", "by-id"]),
    StackTable { expires: false, ..StackTable::new("usage", "UsageTableName", &[]) },
];

/// The AWS clients' configuration, from the environment or for the local stack, and the local API's address.
pub(crate) async fn configuration(local: bool) -> Result<(SdkConfig, Option<String>), Failure> {
    let local = local.then(Local::read).transpose()?;
    // An operator's network is slower than a function's.
    let limits = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(20))
        .operation_timeout(Duration::from_mins(1));
    let loader = aws::loader().timeout_config(limits.build());
    let aws = match &local {
        Some(local) => local.configure(loader)?.load().await,
        None => loader.load().await,
    };
    Ok((aws, local.map(|local| local.api_url()).transpose()?))
}

/// Converts a time in an answer of AWS, without fractions of a second.
pub(crate) fn second(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}

/// The failure of a command whose stack does not exist.
pub(crate) fn missing_stack(name: &str, aws: &SdkConfig) -> Failure {
    let region = aws.region().map_or("no region", |region| region.as_ref());
    Failure::NotFound(format!(
        "there is no stack {name} in {region}; --stack names another one, AWS_REGION another region"
    ))
}
