//! A new secret for a webhook, while the old one goes on signing beside it.
//!
//! A receiver cannot change its secret at the same instant as the service does. During the overlap both sign, and the
//! receiver accepts whichever it knows.

use std::time::Duration;

use jiff::{Timestamp, Unit};
use serde_json::Value;

use super::{
    Secret, Webhook,
    fields::{self, Fields, Invalid},
};

/// How many previous secrets may sign at a time. Several do where a webhook is rotated again during an overlap: by a client
/// that repeats its request, for one, and so has not seen the secret that it made.
const MOST_PREVIOUS: usize = 3;

const DEFAULT_OVERLAP: u64 = 86_400;
const LONGEST_OVERLAP: u64 = 7 * 86_400;

/// A valid request to rotate a webhook's secret.
#[derive(Debug)]
pub struct Rotation {
    /// The customer's own new secret; where it is missing the service makes one.
    pub secret: Option<Secret>,
    /// For how long the old one goes on signing: 0 to 7 days. With 0 all older ones stop within a second, as after a leak.
    pub overlap: Duration,
}

/// A secret that was replaced, and signs until its overlap ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousSecret {
    /// The secret.
    pub secret: Secret,
    /// Until when it signs.
    pub expires_at: Timestamp,
}

/// There are as many previous secrets as there may be; the first of them ends at this time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{MOST_PREVIOUS} previous secrets are still signing, the first until {0:.0}; wait until then, or send overlap_seconds 0 to end them all now"
)]
pub struct TooManyPrevious(pub Timestamp);

impl Rotation {
    /// Parses the body of `POST /api/v1/webhooks/{id}/rotate-secret`, which may be empty. A `null` counts as a missing
    /// field.
    pub fn parse(body: &[u8]) -> Result<Self, Invalid> {
        let expected = "nothing, or a JSON object with, if you like, secret_key and overlap_seconds";
        let mut fields = Fields::parse_optional(body, &["secret_key", "overlap_seconds"], expected)?;
        let overlap = fields.take("overlap_seconds").map_or(Ok(DEFAULT_OVERLAP), |value| overlap(&value))?;
        let secret = fields.take("secret_key").map(fields::secret).transpose()?;
        Ok(Self { secret, overlap: Duration::from_secs(overlap) })
    }
}

fn overlap(value: &Value) -> Result<u64, Invalid> {
    let wrong = || {
        let found = fields::shortened(value);
        Invalid(format!("overlap_seconds is {found}; expected a whole number from 0 to {LONGEST_OVERLAP}"))
    };
    // JSON has one kind of number: where JavaScript writes 3600, Python may write 3600.0.
    let seconds = value.as_f64().and_then(|seconds| seconds.to_string().parse().ok());
    seconds.filter(|seconds| *seconds <= LONGEST_OVERLAP).ok_or_else(wrong)
}

impl Webhook {
    /// The webhook with a new secret, its present one among the previous ones until the overlap ends.
    pub fn rotated(&self, secret: Secret, overlap: Duration, now: Timestamp) -> Result<Self, TooManyPrevious> {
        let mut previous_secrets = Vec::new();
        if !overlap.is_zero() {
            previous_secrets.push(PreviousSecret { secret: self.secret.clone(), expires_at: whole(now + overlap) });
            previous_secrets.extend(self.previous_secrets_at(now).cloned());
        }
        if previous_secrets.len() > MOST_PREVIOUS {
            let ends = self.previous_secrets_at(now).map(|previous| previous.expires_at);
            return Err(TooManyPrevious(ends.min().unwrap_or(now)));
        }
        Ok(Self { secret, previous_secrets, ..self.clone() })
    }

    /// The previous secrets that still sign, the newest first.
    pub fn previous_secrets_at(&self, now: Timestamp) -> impl Iterator<Item = &PreviousSecret> {
        self.previous_secrets.iter().filter(move |previous| previous.expires_at > now)
    }
}

/// A time as a customer reads it: to the second.
fn whole(time: Timestamp) -> Timestamp {
    time.round(Unit::Second).expect("rounding to seconds stays in range")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{AccountId, EventType, WebhookId};

    const HOUR: Duration = Duration::from_hours(1);

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::parse(text).unwrap()
    }

    fn webhook() -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let url = "https://a.example.com/".into();
        Webhook::new(account, WebhookId(1), url, vec![EventType::JobCompleted], secret("secret-0"))
    }

    fn previous(webhook: &Webhook, now: Timestamp) -> Vec<&str> {
        webhook.previous_secrets_at(now).map(|previous| previous.secret.reveal()).collect()
    }

    #[test]
    fn the_old_secret_signs_until_the_overlap_ends() {
        let rotated = webhook().rotated(secret("secret-1"), HOUR, now()).unwrap();
        assert_eq!(rotated.secret.reveal(), "secret-1");
        assert_eq!(previous(&rotated, now() + HOUR - Duration::from_secs(1)), ["secret-0"]);
        assert!(previous(&rotated, now() + HOUR).is_empty());
    }

    #[test]
    fn rotating_again_keeps_those_that_are_still_needed_and_no_others() {
        let once = webhook().rotated(secret("secret-1"), HOUR, now()).unwrap();
        let twice = once.rotated(secret("secret-2"), HOUR, now()).unwrap();
        assert_eq!(previous(&twice, now()), ["secret-1", "secret-0"]);
        let later = twice.rotated(secret("secret-3"), HOUR, now() + HOUR).unwrap();
        assert_eq!(later.previous_secrets.len(), 1);
        assert_eq!(previous(&later, now() + HOUR), ["secret-2"]);
    }

    #[test]
    fn an_overlap_ends_with_a_whole_second() {
        let rotated = webhook().rotated(secret("secret-1"), HOUR, now() + Duration::from_nanos(499_999_999)).unwrap();
        assert_eq!(rotated.previous_secrets[0].expires_at, now() + HOUR);
    }

    #[test]
    fn without_an_overlap_all_older_secrets_stop_at_once() {
        let rotated = webhook().rotated(secret("secret-1"), HOUR, now()).unwrap();
        let leaked = rotated.rotated(secret("secret-2"), Duration::ZERO, now()).unwrap();
        assert!(leaked.previous_secrets.is_empty());
    }

    #[test]
    fn no_secret_that_still_signs_is_dropped_for_a_fourth() {
        let mut webhook = webhook();
        for number in 1..=3 {
            webhook = webhook.rotated(secret(&format!("secret-{number}")), HOUR * number, now()).unwrap();
        }
        assert_eq!(webhook.rotated(secret("secret-4"), HOUR, now()).unwrap_err(), TooManyPrevious(now() + HOUR));
        assert!(webhook.rotated(secret("secret-4"), Duration::ZERO, now()).is_ok());
        assert!(webhook.rotated(secret("secret-4"), HOUR, now() + HOUR).is_ok());
    }

    #[test]
    fn a_request_may_be_empty_and_says_what_is_wrong_with_it() {
        for body in ["", " ", "{}", r#"{"secret_key":null,"overlap_seconds":null}"#] {
            let rotation = Rotation::parse(body.as_bytes()).unwrap();
            assert!(rotation.secret.is_none());
            assert_eq!(rotation.overlap, Duration::from_hours(24));
        }
        for week in [r#"{"overlap_seconds":604800}"#, r#"{"overlap_seconds":604800.0}"#] {
            assert_eq!(Rotation::parse(week.as_bytes()).unwrap().overlap, Duration::from_hours(7 * 24));
        }
        for wrong in ["-1", "604801", "1.5", "\"60\"", "true"] {
            let refusal = Rotation::parse(format!(r#"{{"overlap_seconds":{wrong}}}"#).as_bytes()).unwrap_err().0;
            assert_eq!(refusal, format!("overlap_seconds is {wrong}; expected a whole number from 0 to 604800"));
        }
        let refusal = Rotation::parse(br#"{"secret_key":"short"}"#).unwrap_err().0;
        assert!(refusal.starts_with("secret_key must be 8 to 256"), "{refusal}");
    }
}
