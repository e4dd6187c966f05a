//! Notifications for the operator, who can then write to a webhook's owner: the webhook is failing, the service
//! disabled it, it has recovered, or a delivery has used up its schedule.
//!
//! A webhook's health stores which notification was sent last ([`Health::notified`]); [`Webhook::notification`]
//! derives from it which one is due. watch-webhooks stores that it is sending a notification, sends it, and then
//! stores that it was sent. So if several see the same change, only one sends. If that one dies, or EventBridge does
//! not answer, the notification is still unsent, and a later record of the same webhook sends it.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{Health, Notification, Notifying, RecordedAttempt, Status, Subscription, Webhook};
use crate::{
    attempt::Phase,
    names::{AccountId, EventId, WebhookId},
};

/// The `detail-type` of the event that says that a delivery has used up its schedule.
pub const EXHAUSTED: &str = "webhook.exhausted";

/// How long one sender of a notification has before another may send it: longer than one run of watch-webhooks.
const SENDING: Duration = Duration::from_mins(1);

impl Health {
    /// Returns the health that says that this notification is being sent.
    #[must_use]
    pub fn notifying(self, notification: Notification, since: Timestamp) -> Self {
        Self { version: self.version + 1, notifying: Some(Notifying { notification, since }), ..self }
    }

    /// Returns the health that says that this notification was sent.
    #[must_use]
    pub fn notified(self, notification: Notification) -> Self {
        let notified = Some(notification).filter(|notification| *notification != Notification::Recovered);
        Self { version: self.version + 1, notified, notifying: None, ..self }
    }
}

impl Webhook {
    /// Returns the notification that is due, unless it is being sent already. `patience` is how long every attempt
    /// must have failed.
    pub fn notification(&self, patience: Duration, now: Timestamp) -> Option<Notification> {
        let Health { disabled, failing_since, last_failed_at, succeeded_at, notified, notifying, .. } = self.health();
        let is_being_sent = notifying.is_some_and(|Notifying { since, .. }| {
            Duration::try_from(now.duration_since(since)).is_ok_and(|sending| sending < SENDING)
        });
        // The operator is not notified of a webhook that its owner disabled.
        if is_being_sent || self.status == Status::Disabled {
            return None;
        }
        let is_long = |(since, last): &(Timestamp, Timestamp)| {
            Duration::try_from(last.duration_since(*since)).is_ok_and(|failing| failing >= patience)
        };
        let due = if disabled.is_some() {
            Notification::Disabled
        } else if failing_since.zip(last_failed_at).is_some_and(|times| is_long(&times)) {
            Notification::Failing
        } else if notified.is_some() && succeeded_at.is_some() {
            Notification::Recovered
        } else {
            return None;
        };
        (notified != Some(due)).then_some(due)
    }

    /// The content of a notification. It holds no secret.
    pub fn notice<'a>(&'a self, stack: &'a str, last: Option<&RecordedAttempt>, held: Option<usize>) -> Notice<'a> {
        let Health { failing_since, consecutive_failures, disabled, .. } = self.health();
        Notice {
            stack,
            account_id: &self.account_id,
            webhook_id: self.id,
            url: &self.url,
            events: &self.events,
            status: self.status(),
            failing_since,
            consecutive_failures,
            disabled_reason: disabled.map(|disabled| disabled.reason),
            held,
            last_attempt: last.map(LastAttempt::from),
        }
    }
}

/// The `detail` of a notification's event.
#[derive(Debug, Serialize)]
pub struct Notice<'a> {
    stack: &'a str,
    account_id: &'a AccountId,
    webhook_id: WebhookId,
    url: &'a str,
    events: &'a Subscription,
    status: Status,
    failing_since: Option<Timestamp>,
    consecutive_failures: u64,
    disabled_reason: Option<String>,
    /// How many deliveries are held and will be sent now, at most 1,000. Only in `recovered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<usize>,
    /// The attempt that caused the notification. Null if an earlier watch-webhooks died before it could send it.
    last_attempt: Option<LastAttempt>,
}

#[derive(Debug, Serialize)]
struct LastAttempt {
    event_id: EventId,
    started_at: Timestamp,
    outcome: Phase,
    http_status: Option<u16>,
    /// The outcome as a sentence.
    message: String,
}

impl From<&RecordedAttempt> for LastAttempt {
    fn from(RecordedAttempt { event_id, attempt, .. }: &RecordedAttempt) -> Self {
        Self {
            event_id: event_id.clone(),
            started_at: attempt.started_at,
            outcome: attempt.outcome.phase(),
            http_status: attempt.outcome.http_status(),
            message: attempt.explanation(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attempt::{Attempt, Outcome},
        names::EventType,
        webhook::{Disabled, Secret},
    };

    const HOUR: Duration = Duration::from_hours(1);

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn webhook(health: Health) -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
        Webhook { stored_health: health, ..Webhook::new(account, WebhookId(1), url, events, Secret::generate()) }
    }

    fn failing_for(time: Duration, notified: Option<Notification>) -> Health {
        let (failing_since, last_failed_at) = (Some(now() - time), Some(now()));
        Health { failing_since, last_failed_at, succeeded_at: Some(now() - time - HOUR), notified, ..Health::default() }
    }

    fn disabled(notified: Option<Notification>) -> Health {
        let disabled = Some(Disabled { began_at: now(), reason: "the endpoint answered 410 Gone".into() });
        Health { disabled, notified, ..Health::default() }
    }

    fn due(health: Health) -> Option<Notification> {
        webhook(health).notification(HOUR, now())
    }

    #[test]
    fn an_hour_of_failures_is_sent_once() {
        assert_eq!(due(failing_for(HOUR, None)), Some(Notification::Failing));
        assert_eq!(due(failing_for(HOUR, Some(Notification::Disabled))), Some(Notification::Failing));
        assert_eq!(due(failing_for(HOUR, Some(Notification::Failing))), None);
        assert_eq!(due(failing_for(Duration::from_secs(3_599), None)), None);
    }

    #[test]
    fn that_the_service_disables_it_is_sent_once_and_that_its_owner_does_is_not() {
        assert_eq!(due(disabled(None)), Some(Notification::Disabled));
        assert_eq!(due(disabled(Some(Notification::Failing))), Some(Notification::Disabled));
        assert_eq!(due(disabled(Some(Notification::Disabled))), None);
        let by_its_owner = Webhook { status: Status::Disabled, ..webhook(failing_for(HOUR, None)) };
        assert_eq!(by_its_owner.notification(HOUR, now()), None);
    }

    #[test]
    fn a_success_is_sent_if_something_else_was_sent_before() {
        for notified in [Notification::Failing, Notification::Disabled] {
            let health = Health { succeeded_at: Some(now()), notified: Some(notified), ..Health::default() };
            assert_eq!(due(health.clone()), Some(Notification::Recovered));
            let enabled = Webhook { epoch: 1, ..webhook(health) };
            assert_eq!(enabled.notification(HOUR, now()), None, "it has taken nothing since it was enabled");
        }
        assert_eq!(due(Health { succeeded_at: Some(now()), ..Health::default() }), None);
    }

    #[test]
    fn one_sends_and_another_may_after_a_minute() {
        let sending = disabled(None).notifying(Notification::Disabled, now());
        let webhook = webhook(sending.clone());
        assert_eq!(webhook.notification(HOUR, now() + Duration::from_secs(59)), None);
        assert_eq!(webhook.notification(HOUR, now() + Duration::from_mins(1)), Some(Notification::Disabled));
        assert_eq!(due(sending.notified(Notification::Disabled)), None);
    }

    #[test]
    fn after_recovered_the_webhook_is_spotless() {
        let health = Health { notified: Some(Notification::Failing), ..Health::default() };
        assert!(!webhook(health.clone()).is_spotless());
        assert!(webhook(health.notified(Notification::Recovered)).is_spotless());
    }

    #[test]
    fn a_notice_has_what_a_mail_to_the_owner_needs_and_no_secret() {
        let webhook = webhook(failing_for(HOUR, None));
        let outcome = Outcome::Http { http_status: 503, response: String::new(), redirect: None };
        let last = RecordedAttempt {
            event_id: EventId::parse("01KDYAK3482WAV4DVEFM6KBDXQ").unwrap(),
            round: 0,
            number: 1,
            epoch: 0,
            probe: false,
            wait: None,
            last_success: None,
            exhausted: false,
            attempt: Attempt { started_at: now(), duration_ms: 1, resent: false, outcome, answer: None },
        };
        let notice = serde_json::to_value(webhook.notice("stage", Some(&last), None)).unwrap();
        assert_eq!(notice["url"], "https://a.example.com/");
        assert_eq!(notice["last_attempt"]["message"], "the endpoint answered 503");
        assert_eq!(notice["failing_since"], "2026-01-02T02:04:05Z");
        assert!(!notice.to_string().contains(webhook.secret.reveal()));
    }
}
