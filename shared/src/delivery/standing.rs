//! An event as the API shows it to a customer: where it stands with each webhook, or why nothing was sent there.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Delivery, Reason, State};
use crate::{
    event::{Event, Recipients},
    names::{EventId, EventType, WebhookId},
    reply_time::ReplyTime,
    webhook::{Callback, Webhook},
};

/// An event in a list.
#[derive(Debug, Serialize)]
pub struct EventSummary {
    #[serde(flatten)]
    about: About,
    webhooks: Vec<Sent>,
}

/// What every reply says about an event.
#[derive(Debug, Serialize)]
struct About {
    id: EventId,
    event: EventType,
    task_id: String,
    task_type: String,
    /// When the task ended.
    timestamp: ReplyTime,
    erased_at: Option<ReplyTime>,
}

#[derive(Debug, Serialize)]
struct Sent {
    id: WebhookId,
    status: State,
}

impl EventSummary {
    /// An event, with the states of its deliveries in the order of its recipients. `None` is a delivery of which
    /// nothing is recorded yet.
    pub fn new(event: Event, states: impl IntoIterator<Item = Option<State>>) -> Self {
        let sent = event.recipients.sent_to.iter().zip(states);
        let webhooks = sent.map(|(id, state)| Sent { id: *id, status: state.unwrap_or(State::Pending) }).collect();
        Self { about: event.into(), webhooks }
    }

    /// The event's id.
    pub fn id(&self) -> &EventId {
        &self.about.id
    }

    /// Whether an endpoint accepted it.
    pub fn is_delivered(&self) -> bool {
        self.webhooks.iter().any(|sent| sent.status == State::Delivered)
    }
}

impl From<Event> for About {
    fn from(event: Event) -> Self {
        Self {
            timestamp: event.id.ended_at().into(),
            id: event.id,
            event: event.event,
            task_id: event.task_id,
            task_type: event.task_type,
            erased_at: event.erased_at.map(ReplyTime::from),
        }
    }
}

/// One event with its payload and its way to each webhook.
#[derive(Debug, Serialize)]
pub struct EventDetails {
    #[serde(flatten)]
    about: About,
    /// The body that was signed and sent, byte for byte; `None` (null) if the event was erased.
    payload: Option<Box<RawValue>>,
    /// The URL that the job's submitter asked for.
    callback_url: Option<String>,
    /// Which webhook's delivery goes to that URL, or why none does.
    callback: Option<String>,
    /// Why no webhook could get it.
    reason: Option<&'static str>,
    webhooks: Vec<Standing>,
}

impl EventDetails {
    /// An event, with the account's present webhooks and the event's stored deliveries.
    pub fn new(mut event: Event, webhooks: &[Webhook], deliveries: &[Delivery]) -> Self {
        let (body, callback) = (event.body.take(), event.callback.take());
        Self {
            payload: body.map(|body| RawValue::from_string(body).expect("the body was made by canonical_json")),
            callback_url: callback.as_ref().map(|callback| callback.url().to_owned()),
            callback: callback.as_ref().map(Callback::sentence),
            reason: event.recipients.is_empty().then_some("the account had no webhook"),
            webhooks: standings(&event, webhooks, deliveries),
            about: event.into(),
        }
    }
}

/// Where an event stands with a webhook.
#[derive(Debug, Serialize)]
struct Standing {
    id: WebhookId,
    /// `None` (null) if the webhook was deleted.
    url: Option<String>,
    status: Status,
    /// Why nothing was sent, or why nothing more will be.
    reason: Option<String>,
    attempt_count: usize,
    next_attempt_at: Option<ReplyTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Sent(State),
    NotSent,
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sent(state) => state.serialize(serializer),
            Self::NotSent => serializer.serialize_str("not_sent"),
        }
    }
}

/// The account's present webhooks and the deleted ones that it had when the event arrived, in the order of their numbers.
fn standings(event: &Event, webhooks: &[Webhook], deliveries: &[Delivery]) -> Vec<Standing> {
    let sent_to = &event.recipients.sent_to;
    let mut ids: Vec<_> = webhooks.iter().map(|webhook| webhook.id).chain(event.recipients.all()).collect();
    ids.sort_unstable();
    ids.dedup();
    let standing = |id| {
        let webhook = webhooks.iter().find(|webhook| webhook.id == id);
        let delivery = deliveries.iter().find(|delivery| delivery.webhook_id == id);
        let unstored = || if event.erased_at.is_some() { State::Cancelled } else { State::Pending };
        let state = delivery.map(|delivery| delivery.state).or(sent_to.contains(&id).then(unstored));
        Standing {
            id,
            url: webhook.map(|webhook| webhook.url.clone()),
            status: state.map_or(Status::NotSent, Status::Sent),
            reason: match state {
                Some(state) => {
                    let reason = delivery.map_or(Some(Reason::Erased), |delivery| delivery.reason);
                    why_it_ends(id, state, reason, webhook.is_none())
                }
                None => Some(
                    webhook.map_or_else(|| because_of(id, Reason::Deleted), |webhook| why_not_sent(event, webhook)),
                ),
            },
            attempt_count: delivery.map_or(0, Delivery::attempt_count),
            next_attempt_at: delivery.and_then(|delivery| delivery.next_attempt_at).map(ReplyTime::from),
        }
    };
    ids.into_iter().map(standing).collect()
}

/// Why no attempt follows, although no endpoint has decided that.
fn why_it_ends(id: WebhookId, state: State, reason: Option<Reason>, is_deleted: bool) -> Option<String> {
    match state {
        State::Delivered | State::Failed => None,
        State::Cancelled => reason.map(|reason| because_of(id, reason)),
        State::Pending | State::Retrying | State::Held => is_deleted.then(|| because_of(id, Reason::Deleted)),
    }
}

fn because_of(id: WebhookId, reason: Reason) -> String {
    match reason {
        Reason::Deleted => format!("webhook {id} was deleted"),
        Reason::Erased => "the event was erased".to_owned(),
        Reason::Expired => "the event was no longer kept when it was its turn".to_owned(),
    }
}

/// Why an event was not sent to a webhook that the account has now.
fn why_not_sent(event: &Event, webhook: &Webhook) -> String {
    let Recipients { sent_to, disabled, unsubscribed, other_type } = &event.recipients;
    let id = webhook.id;
    let types = webhook.task_types.as_ref().filter(|types| !types.includes(&event.task_type));
    if disabled.contains(&id) {
        format!("webhook {id} was disabled")
    } else if unsubscribed.contains(&id) && webhook.events.includes(event.event) {
        format!("webhook {id} did not subscribe to {} then", event.event)
    } else if unsubscribed.contains(&id) {
        format!("webhook {id} subscribes to {} only", webhook.events.names().join(", "))
    } else if other_type.contains(&id) {
        types.map_or_else(
            || format!("webhook {id} did not take task_type {} then", event.task_type),
            |types| format!("webhook {id} takes task_type {types} only"),
        )
    } else if let Some(tested) = sent_to.first().filter(|_| event.is_test) {
        format!("the event is a test of webhook {tested}")
    } else {
        format!("webhook {id} was created later")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{delivery::Message, egress::Policy, event::Completion, names::AccountId, webhook::Secret};

    const FAILED: &[EventType] = &[EventType::JobFailed];
    const BOTH: &[EventType] = &EventType::ALL;

    fn completion() -> Completion {
        let message = r#"{"account_id":"a","task_id":"t","task_type":"image","status":"completed",
            "timestamp":"2026-01-02T03:04:05Z"}"#;
        Completion::parse(message, jiff::Timestamp::UNIX_EPOCH).unwrap()
    }

    fn webhook(id: u64, events: &[EventType]) -> Webhook {
        let account = AccountId::parse("a").unwrap();
        let url = format!("https://{id}.example.com/");
        Webhook::new(account, WebhookId(id), url, events.to_vec(), Secret::parse("your-secret-key").unwrap())
    }

    fn event(webhooks: &[Webhook]) -> Event {
        Event::new(&completion(), webhooks, &Policy::strict())
    }

    fn delivery(event: &Event, webhook: u64, state: State, reason: Option<Reason>) -> Delivery {
        let message = Message { payload: event.payload(), ..Message::first(event, WebhookId(webhook)) };
        Delivery { state, reason, ..Delivery::pending(&message).unwrap() }
    }

    /// Number, status and reason of each webhook.
    fn shown(event: Event, webhooks: &[Webhook], deliveries: &[Delivery]) -> Value {
        let details = serde_json::to_value(EventDetails::new(event, webhooks, deliveries)).unwrap();
        let webhooks = details["webhooks"].as_array().unwrap().iter();
        webhooks.map(|it| json!([it["id"], it["status"], it["reason"]])).collect()
    }

    #[test]
    fn each_webhook_that_got_nothing_has_the_reason() {
        let disabled = Webhook { status: crate::webhook::Status::Disabled, ..webhook(2, BOTH) };
        let then = [webhook(1, BOTH), disabled, webhook(3, FAILED), webhook(5, FAILED)];
        let now = [&then[..3], &[webhook(4, BOTH), webhook(5, BOTH)]].concat();
        let expected = json!([
            [1, "pending", null],
            [2, "not_sent", "webhook 2 was disabled"],
            [3, "not_sent", "webhook 3 subscribes to job.failed only"],
            [4, "not_sent", "webhook 4 was created later"],
            [5, "not_sent", "webhook 5 did not subscribe to job.completed then"],
        ]);
        assert_eq!(shown(event(&then), &now, &[]), expected);
    }

    #[test]
    fn a_webhook_that_takes_other_task_types_says_which() {
        let taking = |types: Value, webhook| Webhook { task_types: serde_json::from_value(types).unwrap(), ..webhook };
        let then = [
            taking(json!(["image"]), webhook(1, BOTH)),
            taking(json!(["video", "audio"]), webhook(2, BOTH)),
            taking(json!(["video"]), webhook(3, BOTH)),
            taking(json!(["video"]), webhook(4, FAILED)),
        ];
        let now = [&then[..2], &[webhook(3, BOTH)], &then[3..]].concat();
        let expected = json!([
            [1, "pending", null],
            [2, "not_sent", "webhook 2 takes task_type video, audio only"],
            [3, "not_sent", "webhook 3 did not take task_type image then"],
            [4, "not_sent", "webhook 4 subscribes to job.failed only"],
        ]);
        assert_eq!(shown(event(&then), &now, &[]), expected);
    }

    #[test]
    fn a_webhook_that_subscribes_to_all_events_gets_them() {
        let all = Webhook { events: crate::webhook::Subscription::All, ..webhook(1, BOTH) };
        assert_eq!(shown(event(&[all]), &[webhook(1, BOTH)], &[]), json!([[1, "pending", null]]));
    }

    #[test]
    fn a_test_event_was_for_one_webhook_alone() {
        let event = Event::test(&completion(), WebhookId(1));
        let expected = json!([[1, "pending", null], [2, "not_sent", "the event is a test of webhook 1"]]);
        assert_eq!(shown(event, &[webhook(1, FAILED), webhook(2, BOTH)], &[]), expected);
    }

    #[test]
    fn a_delivery_that_ended_without_an_endpoints_answer_has_the_reason() {
        let all: Vec<_> = (1..=6).map(|id| webhook(id, BOTH)).collect();
        let event = event(&all);
        let deliveries = [
            delivery(&event, 1, State::Delivered, Some(Reason::Erased)),
            delivery(&event, 2, State::Cancelled, Some(Reason::Erased)),
            delivery(&event, 3, State::Cancelled, Some(Reason::Expired)),
            delivery(&event, 4, State::Cancelled, Some(Reason::Deleted)),
            delivery(&event, 5, State::Failed, None),
            delivery(&event, 6, State::Held, None),
        ];
        let expected = json!([
            [1, "delivered", null],
            [2, "cancelled", "the event was erased"],
            [3, "cancelled", "the event was no longer kept when it was its turn"],
            [4, "cancelled", "webhook 4 was deleted"],
            [5, "failed", null],
            [6, "held", "webhook 6 was deleted"],
        ]);
        assert_eq!(shown(event, &all[..3], &deliveries), expected);
    }

    #[test]
    fn an_account_without_a_webhook_is_the_reason_until_one_gets_the_event() {
        let reason = |event| serde_json::to_value(EventDetails::new(event, &[], &[])).unwrap()["reason"].take();
        assert_eq!(reason(event(&[])), "the account had no webhook");
        assert_eq!(reason(event(&[webhook(1, FAILED)])), Value::Null);
        let mut later = event(&[]);
        later.recipients.sent_to.push(WebhookId(1));
        assert_eq!(reason(later), Value::Null);
    }

    #[test]
    fn a_reply_has_the_documented_fields_and_the_payload_byte_for_byte() {
        let body = completion().body;
        let reply = serde_json::to_string(&EventDetails::new(event(&[webhook(1, BOTH)]), &[], &[])).unwrap();
        let id = completion().event_id();
        let expected = format!(
            r#"{{"id":"{id}","event":"job.completed","task_id":"t","task_type":"image","timestamp":"2026-01-02T03:04:05.000Z","erased_at":null,"payload":{body},"callback_url":null,"callback":null,"reason":null,"webhooks":[{{"id":1,"url":null,"status":"pending","reason":"webhook 1 was deleted","attempt_count":0,"next_attempt_at":null}}]}}"#
        );
        assert_eq!(reply, expected);
    }

    #[test]
    fn a_listed_event_shows_the_webhooks_that_it_was_sent_to() {
        let all = [webhook(1, BOTH), webhook(2, FAILED), webhook(3, BOTH)];
        let summary = EventSummary::new(event(&all), [Some(State::Failed), None]);
        assert!(!summary.is_delivered());
        let webhooks = serde_json::to_value(&summary).unwrap()["webhooks"].take();
        assert_eq!(webhooks, json!([{ "id": 1, "status": "failed" }, { "id": 3, "status": "pending" }]));
        assert!(EventSummary::new(event(&all), [None, Some(State::Delivered)]).is_delivered());
    }
}
