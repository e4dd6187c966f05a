//! An event as it is stored: a completion, and the webhooks that it goes to.

use jiff::Timestamp;

use super::Completion;
use crate::{
    egress::Policy,
    names::{AccountId, EventId, EventType, WebhookId},
    webhook::{Callback, Webhook},
};

/// An event of an account. It is stored once, before it is sent to any webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub account_id: AccountId,
    pub id: EventId,
    pub event: EventType,
    /// See [`Completion::task_id`].
    pub task_id: String,
    pub task_type: String,
    /// The body that each webhook gets, byte for byte. `None` if the customer erased it.
    pub body: Option<String>,
    pub recipients: Recipients,
    /// The URL that the job's submitter asked for, and which webhook calls it.
    pub callback: Option<Callback>,
    /// Whether it is a test event, which goes to the tested webhook alone.
    pub is_test: bool,
    /// When the customer erased it. It is then not sent any more, even if the completion is repeated.
    pub erased_at: Option<Timestamp>,
}

/// The webhooks that an account had when the event arrived, by what happened to the event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipients {
    /// The event was sent to these, or is about to be.
    pub sent_to: Vec<WebhookId>,
    /// These were disabled.
    pub disabled: Vec<WebhookId>,
    /// These do not subscribe to the event type.
    pub unsubscribed: Vec<WebhookId>,
    /// These subscribe to the event type, and take other task types only.
    pub other_type: Vec<WebhookId>,
}

/// What a message needs of an event for an attempt.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Payload {
    pub task_id: String,
    /// The body to send, byte for byte.
    pub body: String,
}

impl Event {
    /// The event of a completion, for an account with these webhooks. A `callback_url` must be one that `policy` allows.
    pub fn new(completion: &Completion, webhooks: &[Webhook], policy: &Policy) -> Self {
        let choose = |url: &String| Callback::choose(url, completion.event, &completion.task_type, webhooks, policy);
        Self { callback: completion.callback_url.as_ref().map(choose), ..Self::without_callback(completion, webhooks) }
    }

    fn without_callback(completion: &Completion, webhooks: &[Webhook]) -> Self {
        Self {
            account_id: completion.account_id.clone(),
            id: completion.event_id(),
            event: completion.event,
            task_id: completion.task_id.clone(),
            task_type: completion.task_type.clone(),
            body: Some(completion.body.clone()),
            recipients: Recipients::of(webhooks, completion),
            callback: None,
            is_test: false,
            erased_at: None,
        }
    }

    /// A test event, which goes to one webhook whatever that subscribes to.
    pub fn test(completion: &Completion, webhook: WebhookId) -> Self {
        let recipients = Recipients { sent_to: vec![webhook], ..Recipients::default() };
        Self { recipients, is_test: true, ..Self::without_callback(completion, &[]) }
    }

    /// The URL that is called for this webhook, if the job's submitter asked for one and the webhook allows it.
    pub fn callback_for(&self, webhook: WebhookId) -> Option<&str> {
        self.callback.as_ref()?.url_for(webhook)
    }

    /// The part that an attempt needs; `None` if the event was erased.
    pub fn payload(&self) -> Option<Payload> {
        Some(Payload { task_id: self.task_id.clone(), body: self.body.clone()? })
    }
}

impl Recipients {
    /// Whether the account had no webhook, and none was added since.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// The webhooks of all lists.
    pub fn all(&self) -> impl Iterator<Item = WebhookId> {
        let Self { sent_to, disabled, unsubscribed, other_type } = self;
        [sent_to, disabled, unsubscribed, other_type].into_iter().flatten().copied()
    }

    fn of(webhooks: &[Webhook], completion: &Completion) -> Self {
        let mut recipients = Self::default();
        for webhook in webhooks {
            let which = if !webhook.events.includes(completion.event) {
                &mut recipients.unsubscribed
            } else if !webhook.takes(&completion.task_type) {
                &mut recipients.other_type
            } else if webhook.is_active() {
                &mut recipients.sent_to
            } else {
                &mut recipients.disabled
            };
            which.push(webhook.id);
        }
        recipients
    }
}
