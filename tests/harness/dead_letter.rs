//! A dead letter, as the operator finds it.

use aws_sdk_sqs::types::Message;

/// A message that could not be processed.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The message's body, unchanged.
    pub body: String,
    /// Why the service refused it; `None` if SQS moved it here after too many receives.
    pub reason: Option<String>,
}

impl DeadLetter {
    pub(crate) fn read(message: &Message) -> Self {
        let attributes = message.message_attributes();
        let reason = attributes.and_then(|attributes| attributes.get("reason")?.string_value());
        Self { body: message.body().unwrap_or_default().to_owned(), reason: reason.map(str::to_owned) }
    }
}
