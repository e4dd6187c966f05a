//! What the operator is told of a webhook, so that they can write to its owner: that it is failing, that the service has
//! disabled it, that it works again. Once for each change.
//!
//! What was told last is part of the webhook ([`Health::told`]), and what is to be told follows from it and from how the
//! webhook is: [`Webhook::news`]. So a dispatcher that dies before it has told leaves it to the next one that looks.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AccountId, EventType, Health, Status, Webhook, WebhookId};
use crate::delivery::{Attempt, DeliveryId};

/// What was told last of a webhook that has news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// That it is failing.
    Failing,
    /// That the service has disabled it.
    Disabled,
    /// The same, and its owner has made it active since.
    Enabled,
}

/// What is to be told of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It has been failing for long.
    Failing,
    /// The service has disabled it.
    Disabled,
    /// It was told to be failing or disabled, and has taken a delivery since.
    Recovered,
}

impl News {
    /// The event's name, as `detail-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failing => "webhook.failing",
            Self::Disabled => "webhook.disabled",
            Self::Recovered => "webhook.recovered",
        }
    }

    /// What is to be remembered once it is told.
    pub fn told(self) -> Option<Told> {
        match self {
            Self::Failing => Some(Told::Failing),
            Self::Disabled => Some(Told::Disabled),
            Self::Recovered => None,
        }
    }
}

impl Webhook {
    /// Whether the service has disabled it, and not its owner.
    pub fn is_given_up(&self) -> bool {
        self.status == Status::Disabled && self.health.disabled_reason.is_some()
    }

    /// What there is to tell of the webhook as it is after an attempt, or as it was found where there was none. `patience`
    /// is how long it must have been failing to be news.
    pub fn news(&self, attempt: Option<&Attempt>, now: Timestamp, patience: Duration) -> Option<News> {
        let Health { failing_since, told, .. } = &self.health;
        let failing = |since: &Timestamp| Duration::try_from(now.duration_since(*since)).is_ok_and(|it| it >= patience);
        if self.is_given_up() {
            (*told != Some(Told::Disabled)).then_some(News::Disabled)
        } else if attempt.is_some_and(|attempt| attempt.outcome.is_success()) {
            told.map(|_| News::Recovered)
        } else if self.is_active() && failing_since.as_ref().is_some_and(failing) {
            matches!(told, None | Some(Told::Enabled)).then_some(News::Failing)
        } else {
            None
        }
    }

    /// What the operator is told, with what is needed to write to the webhook's owner. No secret is in it.
    pub fn notice<'a>(&'a self, stack: &'a str, last: Option<(&'a DeliveryId, &'a Attempt)>) -> Notice<'a> {
        let Health { failing_since, consecutive_failures, disabled_reason, .. } = &self.health;
        Notice {
            stack,
            account_id: &self.account_id,
            webhook_id: self.id,
            url: &self.url,
            events: &self.events,
            status: self.status,
            failing_since: *failing_since,
            consecutive_failures: *consecutive_failures,
            disabled_reason: disabled_reason.as_deref(),
            last_attempt: last.map(|(delivery_id, attempt)| LastAttempt {
                delivery_id,
                started_at: attempt.started_at,
                outcome: attempt.outcome.phase(),
                http_status: attempt.outcome.http_status(),
                message: attempt.explanation(),
            }),
        }
    }
}

/// An event's `detail`.
#[derive(Debug, Serialize)]
pub struct Notice<'a> {
    stack: &'a str,
    account_id: &'a AccountId,
    webhook_id: WebhookId,
    url: &'a str,
    events: &'a [EventType],
    status: Status,
    failing_since: Option<Timestamp>,
    consecutive_failures: u64,
    disabled_reason: Option<&'a str>,
    /// The attempt that made it news; null where a dispatcher died before it could tell and another one tells.
    last_attempt: Option<LastAttempt<'a>>,
}

#[derive(Debug, Serialize)]
struct LastAttempt<'a> {
    delivery_id: &'a DeliveryId,
    started_at: Timestamp,
    outcome: &'static str,
    http_status: Option<u16>,
    /// What happened, in a sentence.
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{delivery::Outcome, webhook::Secret};

    const PATIENCE: Duration = Duration::from_hours(1);

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn webhook(status: Status, health: Health) -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
        Webhook { status, health, ..Webhook::new(account, WebhookId(1), url, events, Secret::generate()) }
    }

    fn attempt(http_status: u16) -> Attempt {
        let outcome = Outcome::Http { http_status, response: String::new() };
        Attempt { started_at: now(), duration_ms: 1, resent: false, outcome, answer: None }
    }

    fn news(webhook: &Webhook, http_status: u16) -> Option<News> {
        webhook.news(Some(&attempt(http_status)), now(), PATIENCE)
    }

    #[test]
    fn an_hour_of_failures_is_news_once() {
        let failing =
            |since, told| webhook(Status::Active, Health { failing_since: Some(since), told, ..Health::default() });
        let an_hour_ago = now() - PATIENCE;
        assert_eq!(news(&failing(an_hour_ago, None), 500), Some(News::Failing));
        assert_eq!(news(&failing(an_hour_ago, Some(Told::Enabled)), 500), Some(News::Failing));
        assert_eq!(news(&failing(an_hour_ago, Some(Told::Failing)), 500), None);
        assert_eq!(news(&failing(an_hour_ago + Duration::from_secs(1), None), 500), None);
    }

    #[test]
    fn what_the_service_disables_is_news_once_also_where_nobody_came_to_tell_it() {
        let disabled = |told| {
            let disabled_reason = Some("the endpoint answered 410 Gone".to_owned());
            webhook(Status::Disabled, Health { disabled_reason, told, ..Health::default() })
        };
        assert_eq!(news(&disabled(None), 410), Some(News::Disabled));
        assert_eq!(news(&disabled(Some(Told::Failing)), 410), Some(News::Disabled));
        assert_eq!(disabled(Some(Told::Enabled)).news(None, now(), PATIENCE), Some(News::Disabled));
        assert_eq!(disabled(Some(Told::Disabled)).news(None, now(), PATIENCE), None);
    }

    #[test]
    fn what_its_owner_disables_is_no_news() {
        let disabled = webhook(Status::Disabled, Health { failing_since: Some(now() - PATIENCE), ..Health::default() });
        assert_eq!(disabled.news(None, now(), PATIENCE), None);
    }

    #[test]
    fn a_success_is_news_where_something_else_was_told_before() {
        for told in [Told::Failing, Told::Disabled, Told::Enabled] {
            let webhook = webhook(Status::Active, Health { told: Some(told), ..Health::default() });
            assert_eq!(news(&webhook, 200), Some(News::Recovered));
            assert_eq!(webhook.news(None, now(), PATIENCE), None, "it has taken nothing yet");
        }
        assert_eq!(news(&webhook(Status::Active, Health::default()), 200), None);
    }

    #[test]
    fn a_notice_has_what_a_mail_to_the_owner_needs_and_no_secret() {
        let webhook = webhook(Status::Active, Health { failing_since: Some(now()), ..Health::default() });
        let (id, attempt) = (DeliveryId::parse("01KDYAK3482WAV4DVEFM6KBDXQ").unwrap(), attempt(503));
        let notice = serde_json::to_value(webhook.notice("stage", Some((&id, &attempt)))).unwrap();
        assert_eq!(notice["url"], "https://a.example.com/");
        assert_eq!(notice["last_attempt"]["message"], "the endpoint answered 503");
        assert_eq!(notice["failing_since"], "2026-01-02T03:04:05Z");
        assert!(!notice.to_string().contains(webhook.secret.reveal()));
    }
}
