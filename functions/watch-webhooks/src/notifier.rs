//! Notifies the operator of webhooks that are failing, disabled or recovered, and of deliveries that used up their
//! schedule.
//!
//! A notification that cannot be sent does not stop the stream: otherwise a bus that does not exist would keep every
//! circuit from opening. The stored health says that the notification was not sent, and a later record of the webhook
//! sends it.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use nano_webhooks::{
    aws::AwsError,
    bus::Bus,
    store::Deliveries,
    telemetry,
    webhook::{EXHAUSTED, Notification, Recorded, RecordedAttempt, Webhook},
};
use tokio::time::timeout;

const NOTIFYING: &str = "notify the operator";
/// How long sending one notification may take.
const TIME_TO_SEND: Duration = Duration::from_secs(5);

/// How many notifications of a webhook are sent at the same time.
const AT_ONCE: usize = 10;

pub(crate) struct Notifier {
    pub(crate) bus: Bus,
    pub(crate) deliveries: Deliveries,
    pub(crate) stack: String,
    /// How long every attempt of a webhook must have failed before the operator is notified.
    pub(crate) patience: Duration,
    /// Whether the bus refused a notification of this batch, or did not answer. Then no other of the batch is sent:
    /// each could take as long.
    pub(crate) has_failed: AtomicBool,
}

impl Notifier {
    /// Starts a batch: the bus is tried again.
    pub(crate) fn begin(&self) {
        self.has_failed.store(false, Relaxed);
    }

    /// Sends a notification about a webhook. Returns whether the bus accepted it.
    pub(crate) async fn notify(&self, webhook: &Webhook, notification: Notification, recorded: &Recorded) -> bool {
        let held = if notification == Notification::Recovered { self.held(webhook).await } else { None };
        let last = recorded.attempts.iter().max_by_key(|attempt| attempt.attempt.started_at);
        self.send(webhook, notification.name(), last, held).await
    }

    /// Sends one notification for each delivery of the batch that used up its schedule. A batch that is read again
    /// sends them again.
    pub(crate) async fn exhausted(&self, webhook: &Webhook, recorded: &Recorded) {
        let exhausted = recorded.attempts.iter().filter(|attempt| attempt.exhausted);
        let sending = stream::iter(exhausted).map(async |last| self.send(webhook, EXHAUSTED, Some(last), None).await);
        sending.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    }

    /// How many deliveries are held. `None` if that cannot be read: the notification is then sent without it.
    async fn held(&self, webhook: &Webhook) -> Option<usize> {
        let held = self.deliveries.held_of(webhook).await;
        held.inspect_err(|err| tracing::warn!(cause = telemetry::chain(err), "what is held was not counted")).ok()
    }

    async fn send(
        &self,
        webhook: &Webhook,
        name: &'static str,
        last: Option<&RecordedAttempt>,
        held: Option<usize>,
    ) -> bool {
        let notice = webhook.notice(&self.stack, last, held);
        let sent = if self.has_failed.load(Relaxed) {
            Err(AwsError::new(NOTIFYING, "the bus did not take another one just before"))
        } else {
            let sent = timeout(TIME_TO_SEND, self.bus.put(name, &notice)).await;
            sent.unwrap_or_else(|_| Err(AwsError::new(NOTIFYING, "it took too long")))
        };
        if let Err(err) = &sent {
            self.has_failed.store(true, Relaxed);
            let (account_id, webhook_id, cause) = (webhook.account_id.as_str(), webhook.id.0, telemetry::chain(err));
            tracing::error!(account_id, webhook_id, notification = name, cause, "the operator was not notified");
        }
        sent.is_ok()
    }
}
