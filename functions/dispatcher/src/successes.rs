//! The last successes that this dispatcher has seen. watch-webhooks does not see the successes of a healthy webhook,
//! so the record of each failure carries the time of the last success. Without it, 50 failures among 1,000 successes
//! would look like 50 failures in a row.

use std::{cell::RefCell, collections::HashMap};

use jiff::Timestamp;
use nano_webhooks::{
    names::{AccountId, WebhookId},
    webhook::Webhook,
};

/// The most webhooks that are remembered. Beyond that all are forgotten, which costs a healthy webhook some writes.
const REMEMBERED: usize = 1000;

#[derive(Debug, Default)]
pub(crate) struct Successes(RefCell<HashMap<(AccountId, WebhookId, u64), Timestamp>>);

impl Successes {
    /// Remembers a success by the time at which it ended, and returns `None`. For a failure (`success` is `None`),
    /// returns when the last success ended; `None` if none is remembered.
    pub(crate) fn last(&self, webhook: &Webhook, success: Option<Timestamp>) -> Option<Timestamp> {
        let mut seen = self.0.borrow_mut();
        let key = (webhook.account_id.clone(), webhook.id, webhook.epoch);
        let Some(ended_at) = success else { return seen.get(&key).copied() };
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(key, ended_at);
        None
    }
}

#[cfg(test)]
mod tests {
    use nano_webhooks::{names::EventType, webhook::Secret};

    use super::*;

    #[test]
    fn a_failure_names_the_last_success_of_its_own_webhook_and_epoch() {
        let webhook = |id| {
            let account = AccountId::parse("acct_1").unwrap();
            let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
            Webhook::new(account, WebhookId(id), url, events, Secret::generate())
        };
        let (successes, now) = (Successes::default(), Timestamp::UNIX_EPOCH);
        assert_eq!(successes.last(&webhook(1), None), None);
        assert_eq!(successes.last(&webhook(1), Some(now)), None);
        assert_eq!(successes.last(&webhook(1), None), Some(now));
        assert_eq!(successes.last(&webhook(2), None), None);
        assert_eq!(successes.last(&Webhook { epoch: 1, ..webhook(1) }, None), None);
    }

    #[test]
    fn no_more_than_a_thousand_webhooks_are_remembered() {
        let successes = Successes::default();
        let account = AccountId::parse("acct_1").unwrap();
        let webhook = Webhook::new(account, WebhookId(1), String::new(), Vec::new(), Secret::generate());
        for epoch in 0..2_500 {
            successes.last(&Webhook { epoch, ..webhook.clone() }, Some(Timestamp::UNIX_EPOCH));
        }
        assert!(successes.0.borrow().len() <= REMEMBERED);
    }
}
