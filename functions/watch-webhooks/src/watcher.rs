//! Folds the records of a batch into the health of each webhook.

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use nano_webhooks::{
    names::{AccountId, WebhookId},
    store::{Changes, Webhooks},
    telemetry::{
        self,
        metrics::{Metric, Metrics},
    },
    webhook::{Circuit, Health, Notification, Recorded, Settings, Webhook},
};

use crate::notifier::Notifier;

type Error = lambda_runtime::Error;

/// How many webhooks are handled at the same time.
const AT_ONCE: usize = 20;

/// How often a webhook's health is folded, if another batch changes it at the same time, before the batch fails.
const ROUNDS: u32 = 10;

pub(crate) struct Watcher {
    pub(crate) webhooks: Webhooks,
    pub(crate) settings: Settings,
    /// `None` if the operator has set no event bus.
    pub(crate) notifier: Option<Notifier>,
}

/// A webhook before and after the fold of a batch.
struct Watched {
    before: Webhook,
    after: Webhook,
    /// The notification that this invocation has to send.
    due: Option<Notification>,
}

impl Watcher {
    /// Works on a batch. Fails if the health of any webhook could not be stored: Lambda then reads the batch again.
    pub(crate) async fn handle(&self, changes: Changes) -> (Metrics, Result<(), Error>) {
        self.notifier.iter().for_each(Notifier::begin);
        let watching = stream::iter(changes.recorded()).map(async |((account, id), recorded)| {
            self.watch(&account, id, &recorded).await.inspect_err(|err| {
                let (account_id, webhook_id, cause) = (account.as_str(), id.0, telemetry::chain(err.as_ref()));
                tracing::error!(
                    account_id,
                    webhook_id,
                    cause,
                    "a webhook's health was not stored; the batch comes again"
                );
            })
        });
        let watched: Vec<_> = watching.buffer_unordered(AT_ONCE).collect().await;
        let mut metrics = Metrics::default();
        for watched in watched.iter().flatten().flatten() {
            watched.count(&mut metrics);
        }
        let failed = watched.iter().filter(|watched| watched.is_err()).count();
        metrics.count(Metric::Faults, failed);
        let result = if failed == 0 { Ok(()) } else { Err("the health of some webhooks was not stored".into()) };
        (metrics, result)
    }

    /// Folds the records of one webhook, and sends the notifications that are due. Returns `None` if the webhook was
    /// deleted.
    async fn watch(&self, account: &AccountId, id: WebhookId, recorded: &Recorded) -> Result<Option<Watched>, Error> {
        let Some(watched) = self.store(account, id, recorded).await? else { return Ok(None) };
        watched.log();
        if let Some(notifier) = &self.notifier {
            notifier.exhausted(&watched.after, recorded).await;
            let mut due = watched.due.map(|due| (due, watched.after.clone()));
            while let Some((notification, webhook)) = due.take() {
                if notifier.notify(&webhook, notification, recorded).await {
                    due = self.store_notified(notifier, &webhook, notification).await?;
                }
            }
        }
        Ok(Some(watched))
    }

    /// Folds the records into the stored health and stores the result. Reads and folds again if another batch has
    /// changed the health meanwhile, and fails after [`ROUNDS`] times. Returns `None` if the webhook was deleted.
    async fn store(&self, account: &AccountId, id: WebhookId, recorded: &Recorded) -> Result<Option<Watched>, Error> {
        let now = Timestamp::now();
        for _ in 0..ROUNDS {
            let Some(before) = self.webhooks.find(account, id).await? else { return Ok(None) };
            let watched = self.fold(before, recorded, now);
            let Watched { before, after, .. } = &watched;
            let health = after.stored_health.clone();
            if health == before.stored_health || self.webhooks.set_health(before, health, &self.settings, now).await? {
                return Ok(Some(watched));
            }
        }
        Err("other batches changed it each time".into())
    }

    fn fold(&self, before: Webhook, recorded: &Recorded, now: Timestamp) -> Watched {
        let stored_health =
            before.health_after(recorded, &self.settings).unwrap_or_else(|| before.stored_health.clone());
        let mut after = Webhook { stored_health, ..before.clone() };
        // The client repeats a write whose response was lost. The stored health then already says that this
        // invocation is sending the notification.
        let begun = after.health().notifying.filter(|begun| begun.since == now).map(|begun| begun.notification);
        let due = begun.or_else(|| after.notification(self.notifier.as_ref()?.patience, now));
        if let Some(due) = due.filter(|_| begun.is_none()) {
            after.stored_health = after.health().notifying(due, now);
        }
        Watched { before, after, due }
    }

    /// Stores that a notification was sent, and returns the next one if one has become due: no other invocation sends
    /// it while the first is being sent.
    async fn store_notified(
        &self,
        notifier: &Notifier,
        webhook: &Webhook,
        sent: Notification,
    ) -> Result<Option<(Notification, Webhook)>, Error> {
        for _ in 0..ROUNDS {
            let now = Timestamp::now();
            let Some(before) = self.webhooks.find(&webhook.account_id, webhook.id).await? else { return Ok(None) };
            let mut after = Webhook { stored_health: before.health().notified(sent), ..before.clone() };
            let next = after.notification(notifier.patience, now);
            if let Some(next) = next {
                after.stored_health = after.stored_health.notifying(next, now);
            }
            if self.webhooks.set_health(&before, after.stored_health.clone(), &self.settings, now).await? {
                return Ok(next.map(|next| (next, after)));
            }
        }
        Err("other batches changed it each time".into())
    }
}

impl Watched {
    fn healths(&self) -> (Health, Health) {
        (self.before.health(), self.after.health())
    }

    fn count(&self, metrics: &mut Metrics) {
        let (before, after) = self.healths();
        let opened = after.circuit == Circuit::Open && before.circuit != Circuit::Open;
        let disabled = after.disabled.is_some() && before.disabled.is_none();
        metrics.count(Metric::CircuitsOpened, usize::from(opened));
        metrics.count(Metric::WebhooksDisabled, usize::from(disabled));
    }

    fn log(&self) {
        let (before, after) = self.healths();
        let (account_id, webhook_id) = (self.after.account_id.as_str(), self.after.id.0);
        if after.circuit != before.circuit {
            let (from, to) = (before.circuit, after.circuit);
            tracing::warn!(account_id, webhook_id, %from, %to, "a webhook's circuit has changed");
        }
        if let (None, Some(disabled)) = (before.disabled, after.disabled) {
            tracing::warn!(account_id, webhook_id, reason = disabled.reason, "a webhook is disabled");
        }
    }
}
