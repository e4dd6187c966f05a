//! What the service has recorded of deliveries.

use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    error::DisplayErrorContext,
    types::AttributeValue,
};

use crate::{
    Failure, Stack,
    emulator::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY},
};

/// A reader of the deliveries table.
pub struct History {
    client: Client,
    table: String,
}

/// A delivery as it is recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The delivery's id.
    pub id: String,
    /// Where it stands.
    pub status: String,
    /// How many attempts are recorded.
    pub attempts: usize,
}

impl History {
    /// A reader for this stack.
    pub fn new(stack: &Stack) -> Self {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(stack.endpoint())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "local"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self { client: Client::from_conf(config), table: stack.deliveries_table.clone() }
    }

    /// Everything that is recorded of a webhook.
    pub async fn of(&self, account_id: &str, webhook_id: u64) -> Result<Vec<Recorded>, Failure> {
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("webhook = :webhook")
            .expression_attribute_values(":webhook", AttributeValue::S(format!("{account_id}#{webhook_id}")))
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| Failure::new(format!("DynamoDB: {}", DisplayErrorContext(error))))?;
        let text = |value: Option<&AttributeValue>| Some(value?.as_s().ok()?.clone());
        let recorded = items.iter().map(|item| {
            Some(Recorded {
                id: text(item.get("id"))?,
                status: text(item.get("state"))?,
                attempts: item.get("attempts")?.as_l().ok()?.len(),
            })
        });
        recorded.collect::<Option<_>>().ok_or_else(|| Failure::new("a delivery's record is not understood"))
    }
}
