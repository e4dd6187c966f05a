//! A URL that registration refuses is also refused at every send, for the same reason, because the rules get stricter
//! and a stored URL does not change. The test binary `egress` of `tests/`, which has a name server, covers the
//! addresses of names.

use std::{sync::LazyLock, time::Duration};

use nano_webhooks::{
    attempt::Outcome,
    delivery::{Delivery, Message},
    egress::{Policy, TargetUrl, UrlError},
    names::{AccountId, EventType, WebhookId},
    sender::Sender,
    webhook::{Secret, Webhook},
};
use serde_json::json;

/// A caller with production's policy.
pub(crate) static STRICT: LazyLock<Caller> = LazyLock::new(|| Caller::new(Policy::strict()));

/// A policy, and the sender that follows it.
pub(crate) struct Caller {
    policy: Policy,
    sender: Sender,
}

impl Caller {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { sender: Sender::new(policy.clone(), Duration::from_secs(10)), policy }
    }

    /// Returns why a webhook cannot be on this URL, at registration or later.
    pub(crate) fn refusal(&self, url: &str) -> UrlError {
        let error = match TargetUrl::parse(url, &self.policy) {
            Ok(target) => panic!("{url} was accepted: {target:?}"),
            Err(error) => error,
        };
        let blocked = Outcome::Blocked { detail: error.to_string(), resolved: false }.shortened();
        assert_eq!(self.attempt(url), blocked, "{url}");
        error
    }

    fn attempt(&self, url: &str) -> Outcome {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime without options");
        runtime.block_on(self.sender.attempt(&webhook(url), &delivery(), "{}", None)).attempt.outcome
    }
}

fn webhook(url: &str) -> Webhook {
    let account = AccountId::parse("acct_egress").expect("an account");
    let secret = Secret::parse("a-secret-of-the-tests").expect("a secret");
    Webhook::new(account, WebhookId(1), url.to_owned(), vec![EventType::JobCompleted], secret)
}

fn delivery() -> Delivery {
    let message = json!({ "account_id": "acct_egress", "webhook_id": 1, "event_id": "01KDYAK3482WAV4DVEFM6KBDXQ",
        "event": "job.completed", "payload": { "task_id": "t", "body": "{}" }, "round": 0, "attempt": 1 });
    let message: Message = serde_json::from_value(message).expect("a message");
    Delivery::pending(&message).expect("it has a body")
}
