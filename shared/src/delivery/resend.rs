//! Which message a resend sends for an event.

use super::{Delivery, Message, State};
use crate::{
    event::Event,
    webhook::{Resend, ResendStatus, Webhook},
};

impl Delivery {
    /// Whether this resend has begun a round of it, or has sent it for the first time.
    pub fn is_sent_by(&self, resend: &Resend) -> bool {
        self.resend.as_ref() == Some(&resend.id)
    }
}

impl Message {
    /// The message with which a resend sends an event to its webhook. Returns `None` if the event is not among those
    /// that the customer asked for, if it was erased, if its delivery is not finished (it is then sent anyway), or if
    /// this resend has sent it before.
    pub fn resent(event: &Event, delivery: Option<&Delivery>, webhook: &Webhook, resend: &Resend) -> Option<Self> {
        let asks_for = |status| resend.statuses.contains(&status);
        let message = match delivery {
            Some(delivery) if delivery.is_sent_by(resend) => return None,
            Some(delivery) => {
                let is_asked_for = match delivery.state {
                    State::Failed => asks_for(ResendStatus::Failed),
                    State::Cancelled => asks_for(ResendStatus::Cancelled),
                    State::Delivered => asks_for(ResendStatus::Delivered),
                    State::Pending | State::Retrying | State::Held => false,
                };
                is_asked_for.then(|| delivery.retried(webhook))?
            }
            None => {
                // If the event was sent to the webhook, the first attempt is under way.
                let is_missed = !event.is_test
                    && webhook.subscribes_to(event.event, &event.task_type)
                    && !event.recipients.sent_to.contains(&webhook.id);
                (is_missed && asks_for(ResendStatus::Missed)).then(|| Self::first(event, webhook.id))?
            }
        };
        event.erased_at.is_none().then(|| Self { resend: Some(resend.id.clone()), ..message })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        delivery::{Look, Reason, Step, step},
        egress::Policy,
        event::{Completion, Payload},
        names::{AccountId, EventType, WebhookId},
        webhook::{ResendRequest, Secret, Status},
    };

    fn webhook() -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let url = "https://a.example.com/".into();
        Webhook::new(account, WebhookId(1), url, vec![EventType::JobCompleted], Secret::generate())
    }

    fn event(webhooks: &[Webhook]) -> Event {
        let completion = r#"{"account_id":"acct_1","task_id":"t","task_type":"image","status":"completed","timestamp":"2026-01-02T03:04:05Z"}"#;
        let completion = Completion::parse(completion, Timestamp::UNIX_EPOCH).unwrap();
        Event::new(&completion, webhooks, &Policy::strict())
    }

    fn resend(statuses: &str) -> Resend {
        let body = format!(r#"{{"since":"2026-01-01T00:00:00Z","statuses":[{statuses}]}}"#);
        let now = "2026-01-03T00:00:00Z".parse().unwrap();
        ResendRequest::parse(body.as_bytes(), now).unwrap().begin(now)
    }

    fn stored(state: State) -> Delivery {
        let event = event(&[webhook()]);
        let message = Message { payload: event.payload(), ..Message::first(&event, WebhookId(1)) };
        Delivery { state, tries: 3, version: 3, ..Delivery::pending(&message).unwrap() }
    }

    #[test]
    fn each_status_picks_its_own_deliveries_and_none_that_is_not_finished() {
        let names =
            [("\"failed\"", State::Failed), ("\"cancelled\"", State::Cancelled), ("\"delivered\"", State::Delivered)];
        for (name, picked) in names {
            for state in State::STORED {
                let message = Message::resent(&event(&[webhook()]), Some(&stored(state)), &webhook(), &resend(name));
                assert_eq!(message.map(|message| message.round), (state == picked).then_some(1), "{name} {state:?}");
            }
        }
    }

    #[test]
    fn an_event_is_missed_if_it_was_not_sent_to_the_webhook_and_the_webhook_wants_it_now() {
        let missed = |event: &Event, webhook: &Webhook| {
            Message::resent(event, None, webhook, &resend("\"missed\"")).map(|message| (message.round, message.attempt))
        };
        let disabled = Webhook { status: Status::Disabled, ..webhook() };
        assert_eq!(missed(&event(&[]), &webhook()), Some((0, 1)), "the webhook is younger");
        assert_eq!(missed(&event(&[disabled]), &webhook()), Some((0, 1)), "it was disabled");
        assert_eq!(missed(&event(&[webhook()]), &webhook()), None, "its first attempt is under way");
        let other = Webhook { events: vec![EventType::JobFailed].into(), ..webhook() };
        assert_eq!(missed(&event(&[]), &other), None, "it does not subscribe to it");
        let video = Webhook { task_types: serde_json::from_str(r#"["video"]"#).unwrap(), ..webhook() };
        assert_eq!(missed(&event(&[]), &video), None, "it takes other task types");
        let image = Webhook { task_types: serde_json::from_str(r#"["image"]"#).unwrap(), ..webhook() };
        assert_eq!(missed(&event(&[video]), &image), Some((0, 1)), "it takes the type since");
        assert_eq!(missed(&Event { is_test: true, ..event(&[]) }, &webhook()), None, "it was a test of another");
        assert_eq!(missed(&Event { erased_at: Some(Timestamp::UNIX_EPOCH), ..event(&[]) }, &webhook()), None);
    }

    #[test]
    fn what_a_run_that_died_has_sent_begins_no_second_round() {
        let resend = resend("\"failed\"");
        let payload = || Some(Payload { task_id: "t".into(), body: "{}".into() });
        let look = Look { received_before: false, consistent: true, erased: false };
        let decide = |message: &Message, stored: &Delivery| step(message, Some(stored.clone()), Some(webhook()), look);

        let failed = stored(State::Failed);
        let message = Message::resent(&event(&[webhook()]), Some(&failed), &webhook(), &resend).unwrap();
        let message = Message { payload: payload(), ..message };
        let Step::Attempt { delivery, .. } = decide(&message, &failed) else { panic!("it is attempted") };
        assert_eq!((delivery.round, delivery.resend.as_ref()), (1, Some(&resend.id)));

        let failed_again = Delivery { state: State::Failed, tries: 1, version: 4, reason: None::<Reason>, ..delivery };
        assert_eq!(Message::resent(&event(&[webhook()]), Some(&failed_again), &webhook(), &resend), None);
        let late = Message { payload: payload(), resend: Some(resend.id.clone()), ..failed_again.retried(&webhook()) };
        assert!(matches!(decide(&late, &failed_again), Step::Done));
        let by_hand = Message { resend: None, ..late };
        assert!(matches!(decide(&by_hand, &failed_again), Step::Attempt { .. }));
    }
}
