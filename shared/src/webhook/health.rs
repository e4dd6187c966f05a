//! How a webhook fares, and when the service gives it up.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Webhook, news::Told};
use crate::delivery::Outcome;

/// How a webhook's deliveries have fared of late.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// When the first attempt failed of those that have failed without a success between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// How many attempts have failed since then.
    #[serde(default)]
    pub consecutive_failures: u64,
    /// Why the service disabled the webhook, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    /// What its operator was told last of it; nothing where there was no news, or that it works again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

/// What an attempt changes in a webhook's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthChange {
    /// A success after failures: all is forgotten.
    Recovered,
    /// One more failure.
    Failed,
    /// The endpoint said that it is gone: the webhook is disabled.
    Gone {
        /// What the customer is told.
        reason: String,
    },
    /// Nothing but failures for too long: the webhook is disabled, unless it had a success meanwhile.
    GivenUp {
        /// What the customer is told.
        reason: String,
        /// When the failures began.
        since: Timestamp,
    },
}

impl HealthChange {
    /// Whether it disables the webhook.
    pub fn disables(&self) -> bool {
        matches!(self, Self::Gone { .. } | Self::GivenUp { .. })
    }
}

impl Webhook {
    /// What an attempt means for the webhook's health; nothing for a success of a healthy one, so that the usual case
    /// costs no write. `patience` is how long nothing but failures may last.
    ///
    /// An endpoint that takes one delivery now and then is never disabled: each success starts the time anew.
    pub fn health_after(&self, outcome: &Outcome, now: Timestamp, patience: Duration) -> Option<HealthChange> {
        if outcome.is_success() {
            return self.health.failing_since.map(|_| HealthChange::Recovered);
        }
        if matches!(outcome, Outcome::Http { http_status: 410, .. }) {
            return Some(HealthChange::Gone { reason: "the endpoint answered 410 Gone".into() });
        }
        let too_long =
            |since: &Timestamp| Duration::try_from(now.duration_since(*since)).is_ok_and(|failing| failing >= patience);
        Some(match self.health.failing_since.filter(too_long) {
            Some(since) => {
                let reason = format!("every attempt failed for {}", in_words(patience));
                HealthChange::GivenUp { reason, since }
            }
            None => HealthChange::Failed,
        })
    }
}

/// A duration in the largest unit that fits it without a remainder.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit)).unwrap_or((1, "seconds"));
    format!("{} {name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{AccountId, EventType, Secret, WebhookId};

    const PATIENCE: Duration = Duration::from_hours(120);

    fn failing_since(failing_since: Option<Timestamp>) -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
        let webhook = Webhook::new(account, WebhookId(1), url, events, Secret::generate());
        Webhook { health: Health { failing_since, ..Health::default() }, ..webhook }
    }

    fn http(http_status: u16) -> Outcome {
        Outcome::Http { http_status, response: String::new() }
    }

    fn now() -> Timestamp {
        "2026-01-06T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn nothing_but_failures_for_five_days_disables_a_webhook() {
        let five_days_ago = now() - PATIENCE;
        let reason = "every attempt failed for 5 days".into();
        let disabled = HealthChange::GivenUp { reason, since: five_days_ago };
        let after = |since| failing_since(since).health_after(&http(500), now(), PATIENCE);
        assert_eq!(after(Some(five_days_ago)), Some(disabled));
        assert_eq!(after(Some(five_days_ago + Duration::from_secs(1))), Some(HealthChange::Failed));
        assert_eq!(after(None), Some(HealthChange::Failed));
    }

    #[test]
    fn one_success_forgets_the_failures_and_costs_a_healthy_webhook_nothing() {
        let after = |since| failing_since(since).health_after(&http(204), now(), PATIENCE);
        assert_eq!(after(Some(now() - PATIENCE)), Some(HealthChange::Recovered));
        assert_eq!(after(None), None);
    }

    #[test]
    fn a_410_disables_a_webhook_at_once() {
        let after = failing_since(None).health_after(&http(410), now(), PATIENCE);
        assert_eq!(after, Some(HealthChange::Gone { reason: "the endpoint answered 410 Gone".into() }));
    }
}
