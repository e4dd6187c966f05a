//! The operator's event bus, to which we send notifications. EventBridge rules forward them, for example to a service
//! that writes mails. This is the only module that knows EventBridge.

use aws_sdk_eventbridge::{Client, types::PutEventsRequestEntry};
use serde::Serialize;

use crate::aws::{AwsError, WhileTryingTo as _};

/// The `source` of our events.
const SOURCE: &str = "nano-webhooks";

const PUTTING: &str = "put an event on the bus";

/// An event bus.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    /// The bus of this name, in the stack's own account and region.
    pub fn new(aws: &aws_config::SdkConfig, name: String) -> Self {
        Self { client: Client::new(aws), name }
    }

    /// Puts one event on the bus. Fails if EventBridge refuses the call or the event.
    pub async fn put(&self, detail_type: &str, detail: &impl Serialize) -> Result<(), AwsError> {
        let detail = serde_json::to_string(detail).expect("a detail has string keys and no failing parts");
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(detail_type)
            .detail(detail);
        let answer = self.client.put_events().entries(entry.build()).send().await;
        let answer = answer.while_trying_to(PUTTING)?;
        // The call succeeds even if its one event fails.
        match answer.entries().iter().find_map(|entry| entry.error_code().map(|code| (code, entry.error_message()))) {
            Some((code, message)) => Err(AwsError::new(PUTTING, format!("{code}: {}", message.unwrap_or_default()))),
            None => Ok(()),
        }
    }
}
