//! The request of a step.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Rehearsal, Step};
use crate::{
    event::Completion,
    names::EventId,
    signature::{self, Signatures},
    webhook::{Secret, Signing, Webhook},
};

/// The event name of [`Step::UnknownEvent`]. No event type will ever have it.
pub const UNKNOWN_EVENT: &str = "rehearsal.unknown_event";

/// How old the timestamp of [`Step::OldTimestamp`] is.
const OLD: Duration = Duration::from_hours(1);

/// What the request of a step consists of, besides what every request has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The `webhook-id`. Only the first step and [`Step::RepeatedId`] have the same.
    pub id: EventId,
    /// `X-Nano-Event`, which is also the body's `event`.
    pub event: String,
    pub body: String,
    /// Unix seconds: what `X-Nano-Timestamp` says, and what is signed.
    pub timestamp: i64,
    pub signatures: Signatures,
}

impl Step {
    /// The request of this step, signed at `now`.
    ///
    /// Nothing in it names the step. Otherwise a receiver could pass the rehearsal by the name and not by the check.
    /// The body of each says `data.rehearsal`, which is signed.
    pub fn request(self, webhook: &Webhook, rehearsal: &Rehearsal, now: Timestamp) -> Request {
        let completion =
            Completion::rehearsed(&webhook.account_id, rehearsal.event, self.number(rehearsal), rehearsal.started_at);
        let (id, event) = (completion.event_id(), rehearsal.event.to_string());
        let (event, body) = if self == Self::UnknownEvent {
            // The body begins with the event.
            (UNKNOWN_EVENT.to_owned(), completion.body.replacen(&event, UNKNOWN_EVENT, 1))
        } else {
            (event, completion.body)
        };
        let timestamp = if self == Self::OldTimestamp { (now - OLD).as_second() } else { now.as_second() };
        let forger = Secret::generate();
        let signing = if self == Self::WrongSignature {
            Signing { current: &forger, next: None, previous: Vec::new() }
        } else {
            // The secrets that are valid now, also for an old timestamp: only the timestamp is to be wrong.
            webhook.signing_at(now)
        };
        let signatures = signature::with(&signing, id.as_str(), timestamp, &body);
        Request { id, event, body, timestamp, signatures }
    }

    /// The number in the name of the step's task. It is the same if the step is made again, and says nothing about the
    /// step.
    fn number(self, rehearsal: &Rehearsal) -> u64 {
        let step = if self == Self::RepeatedId { Self::SignedEvent } else { self };
        let digest = Sha256::digest(format!("{} {}", rehearsal.id, step.name()));
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::names::{AccountId, EventType, WebhookId};

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn webhook() -> Webhook {
        let account = AccountId::parse("acct_1").unwrap();
        let url = "https://a.example.com/hook".to_owned();
        Webhook::new(account, WebhookId(1), url, vec![EventType::JobFailed], Secret::parse("your-secret-key").unwrap())
    }

    fn request(step: Step) -> Request {
        let webhook = webhook();
        step.request(&webhook, &Rehearsal::begin(&webhook, NOW, 7, NOW), NOW)
    }

    fn is_signed(request: &Request) -> bool {
        let secret = Secret::parse("your-secret-key").unwrap();
        request.signatures.nano == signature::nano_signature(&secret, request.timestamp, &request.body)
            && request.signatures.standard_webhooks
                == signature::standard_webhooks_signature(
                    &secret,
                    request.id.as_str(),
                    request.timestamp,
                    &request.body,
                )
    }

    #[test]
    fn only_one_step_has_a_wrong_signature_and_only_one_an_old_timestamp() {
        for step in Step::ALL {
            let request = request(step);
            assert_eq!(is_signed(&request), step != Step::WrongSignature, "{step:?}");
            let age = NOW.as_second() - request.timestamp;
            assert_eq!(age, if step == Step::OldTimestamp { 3_600 } else { 0 }, "{step:?}");
        }
    }

    #[test]
    fn the_first_event_comes_twice_and_the_others_are_events_of_their_own() {
        let ids: Vec<_> = Step::ALL.into_iter().map(|step| request(step).id).collect();
        assert_eq!(ids[0], ids[3]);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4);
        assert_eq!(request(Step::SignedEvent).body, request(Step::RepeatedId).body);
    }

    #[test]
    fn each_body_says_that_it_is_a_rehearsal_and_none_says_which_step() {
        for step in Step::ALL {
            let Request { body, event, .. } = request(step);
            let parsed: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(parsed["data"]["rehearsal"], true, "{body}");
            assert_eq!(parsed["event"], event.as_str(), "{body}");
            assert_eq!(event, if step == Step::UnknownEvent { UNKNOWN_EVENT } else { "job.failed" });
            assert!(!body.contains(step.name()) || step == Step::UnknownEvent, "{body}");
            assert!(parsed["task_id"].as_str().unwrap().starts_with("test_"), "{body}");
        }
    }
}
