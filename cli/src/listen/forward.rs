//! Posts events to the local server, as a delivery would arrive at it.

use std::time::Duration;

use nano_webhooks::{
    attempt::Attempt,
    delivery::{Delivery, Message},
    egress::{Policy, TargetUrl},
    event::Payload,
    names::{AccountId, EventId, EventType, WebhookId},
    sender::Sender,
    webhook::{Secret, Webhook},
};

/// What a receiver has in production.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The local server. Its requests are made by the service's own sender, so headers, signatures and time limits are
/// those of a real delivery.
pub(super) struct Forward {
    sender: Sender,
    webhook: Webhook,
}

impl Forward {
    /// Posts to this URL, and signs with this secret.
    pub(super) fn new(url: &TargetUrl, secret: Secret) -> Self {
        let (account, events) = (AccountId::parse("listen").expect("is one"), EventType::ALL.to_vec());
        let webhook = Webhook::new(account, WebhookId(1), url.as_str().to_owned(), events, secret);
        Self { sender: Sender::new(policy(), TIMEOUT), webhook }
    }

    /// Posts an event. What the server does with it is in the attempt's outcome.
    pub(super) async fn post(&self, id: &EventId, event: EventType, body: &str) -> Attempt {
        // Only the record of a delivery needs the task's id, and nothing is recorded.
        let payload = Payload { task_id: String::new(), body: body.to_owned() };
        let message = Message {
            account_id: self.webhook.account_id.clone(),
            webhook_id: self.webhook.id,
            event_id: id.clone(),
            event,
            payload: Some(payload),
            callback_url: None,
            round: 0,
            attempt: 1,
            probe: None,
            resend: None,
            queued_at: None,
        };
        let delivery = Delivery::pending(&message).expect("the message has a payload");
        self.sender.attempt(&self.webhook, &delivery, body, None).await.attempt
    }
}

/// Parses `--forward-to`, for clap.
pub(super) fn target(text: &str) -> Result<TargetUrl, String> {
    TargetUrl::parse(text, &policy()).map_err(|err| err.to_string())
}

/// Plain http, any port, and this machine.
const fn policy() -> Policy {
    Policy::local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_this_machine_is_a_target_with_and_without_tls() {
        for url in
            ["http://localhost:3000/webhook", "http://127.0.0.1/", "https://[::1]:8443/a?b=c", "http://app.localhost"]
        {
            assert_eq!(target(url).unwrap().as_str(), url);
        }
        for url in ["localhost:3000", "3000", "ftp://localhost/", "", "http://"] {
            assert!(target(url).is_err(), "{url}");
        }
    }
}
