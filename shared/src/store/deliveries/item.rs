//! A delivery as it is stored.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    delivery::{Attempt, Delivery, DeliveryId, Message, State},
    webhook::{AccountId, EventType, WebhookId},
};

/// A webhook's name in the deliveries table. No account id can hold the `#`.
pub(super) fn webhook_name(account: &AccountId, webhook: WebhookId) -> String {
    format!("{account}#{webhook}")
}

/// The webhook of such a name.
pub(super) fn webhook_of(name: &str) -> Option<(AccountId, WebhookId)> {
    let (account, webhook) = name.split_once('#')?;
    Some((AccountId::parse(account).ok()?, WebhookId::parse(webhook)?))
}

/// The key of the index by state; none for the state that it leaves out.
pub(super) fn index_key(webhook: &str, state: State) -> Option<String> {
    (state != State::Delivered).then(|| format!("{webhook}#{}", state.as_str()))
}

/// Borrowed where it is written, owned where it is read.
#[derive(Serialize, Deserialize)]
pub(super) struct DeliveryItem<'a> {
    pub(super) webhook: String,
    pub(super) id: Cow<'a, DeliveryId>,
    event: EventType,
    state: State,
    attempts: Cow<'a, [Attempt]>,
    tries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    body: Cow<'a, str>,
    round: u32,
    version: u64,
    /// Unix seconds after which DynamoDB's time to live removes the item.
    expires_at: i64,
    /// The key of the index by state: `account#id#state`, and missing where the state is `delivered`, so that the few
    /// that were not delivered are found without reading the many that were.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_as: Option<String>,
}

impl<'a> DeliveryItem<'a> {
    /// What is not there in every state.
    pub(super) const OPTIONAL: [&'static str; 2] = ["next_attempt_at", "listed_as"];
    /// What no attempt changes.
    pub(super) const UNCHANGING: [&'static str; 2] = ["event", "body"];

    pub(super) fn new(delivery: &'a Delivery, expires_at: i64) -> Self {
        let Delivery { message, state, attempts, tries, next_attempt_at, version } = delivery;
        let webhook = webhook_name(&message.account_id, message.webhook_id);
        Self {
            listed_as: index_key(&webhook, *state),
            webhook,
            id: Cow::Borrowed(&message.delivery_id),
            event: message.event,
            state: *state,
            attempts: Cow::Borrowed(attempts),
            tries: *tries,
            next_attempt_at: *next_attempt_at,
            body: Cow::Borrowed(&message.body),
            round: message.round,
            version: version + 1,
            expires_at,
        }
    }

    /// The delivery, which a message or a request has named: the name is not read back from the key.
    pub(super) fn delivery(self, account_id: &AccountId, webhook_id: WebhookId) -> Delivery {
        let message = Message {
            account_id: account_id.clone(),
            webhook_id,
            delivery_id: self.id.into_owned(),
            event: self.event,
            body: self.body.into_owned(),
            round: self.round,
            queued_at: None,
        };
        Delivery {
            message,
            state: self.state,
            attempts: self.attempts.into_owned(),
            tries: self.tries,
            next_attempt_at: self.next_attempt_at,
            version: self.version,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::delivery::Outcome;

    #[test]
    fn an_item_gives_back_the_delivery_that_it_was_made_of() {
        let at: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let outcomes = [
            Outcome::Blocked { detail: "no".into() },
            Outcome::Timeout,
            Outcome::Http { http_status: 503, response: "busy \u{FFFE}".into() },
        ];
        let message: Message = serde_json::from_str(
            r#"{"account_id":"a","webhook_id":3,"delivery_id":"01","event":"job.failed","body":"{}","round":2}"#,
        )
        .unwrap();
        let delivery = Delivery {
            state: State::Retrying,
            attempts: outcomes.map(|outcome| Attempt { started_at: at, duration_ms: 7, resent: true, outcome }).into(),
            next_attempt_at: Some(at),
            tries: 3,
            version: 3,
            ..Delivery::pending(message.clone())
        };
        let item: HashMap<String, AttributeValue> = serde_dynamo::to_item(DeliveryItem::new(&delivery, 1)).unwrap();
        assert_eq!(item["webhook"], AttributeValue::S("a#3".into()));
        let read: DeliveryItem = serde_dynamo::from_item(item).unwrap();
        assert_eq!(read.delivery(&message.account_id, message.webhook_id), Delivery { version: 4, ..delivery });
    }
}
