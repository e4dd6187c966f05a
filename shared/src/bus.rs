//! The operator's event bus, to which we send notifications. EventBridge rules forward them, for example to a service
//! that writes mails. This is the only module that knows EventBridge.

use std::error::Error as StdError;

use aws_sdk_eventbridge::{Client, types::PutEventsRequestEntry};
use serde::Serialize;

/// The `source` of our events.
const SOURCE: &str = "nano-webhooks";

/// An event bus.
#[derive(Debug, Clone)]
pub struct Bus {
    client: Client,
    name: String,
}

/// EventBridge did not accept an event.
#[derive(Debug, thiserror::Error)]
#[error("the event bus did not take an event")]
pub struct BusError(#[source] pub Box<dyn StdError + Send + Sync>);

impl Bus {
    /// The bus of this name, in the stack's own account and region.
    pub fn new(aws: &aws_config::SdkConfig, name: String) -> Self {
        Self { client: Client::new(aws), name }
    }

    /// Puts one event on the bus. Fails if EventBridge refuses the call or the event.
    pub async fn put(&self, detail_type: &str, detail: &impl Serialize) -> Result<(), BusError> {
        let detail = serde_json::to_string(detail).expect("a detail has string keys and no failing parts");
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(detail_type)
            .detail(detail);
        let answer = self.client.put_events().entries(entry.build()).send().await;
        let answer = answer.map_err(|err| BusError(err.into()))?;
        // The call succeeds even if its one event fails.
        match answer.entries().iter().find_map(|entry| entry.error_code().map(|code| (code, entry.error_message()))) {
            Some((code, message)) => Err(BusError(format!("{code}: {}", message.unwrap_or_default()).into())),
            None => Ok(()),
        }
    }
}
