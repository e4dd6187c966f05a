//! Probes endpoints that are down, and sends held deliveries to endpoints that are back.
//!
//! Pure functions in `nano_webhooks::webhook` decide what to do. A run writes the new pace before it sends anything,
//! so of two runs at the same time only one sends. Deliveries that a run did not send because it died are still held,
//! and a later run finds them.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{
    aws::AwsError,
    delivery::{Delivery, State},
    names::{AccountId, DeliveryId, WebhookId},
    store::{ACTION_SHARDS, End},
    telemetry,
    webhook::{Action, Drained, Search, Webhook, between},
};

use crate::{
    Release,
    run::{Done, Failure, Run},
};

/// The most webhooks of one index shard that a run handles.
const MOST: usize = 2_000;
/// How many webhooks a run handles at the same time.
const AT_ONCE: usize = 16;
/// How many deliveries are read and sent in one go.
const PART: usize = 500;
/// How far back a run looks for the webhook's own rate. The endpoint may have been down for days, without attempts.
const A_WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Release {
    /// Probes or drains the webhooks whose next action is due.
    pub(crate) async fn webhooks(&self, run: Run) -> Done {
        let shards = (0..ACTION_SHARDS).map(|shard| self.webhooks.due(shard, run.now, MOST));
        let found = futures_util::future::join_all(shards).await;
        let mut done = Done::default();
        let mut names = Vec::new();
        for found in found {
            match found {
                Ok(found) => names.extend(found),
                Err(err) => done.fault(&err, "webhooks whose turn it is could not be looked for"),
            }
        }
        let each = stream::iter(&names).map(async |(account, id)| {
            let mut done = Done::default();
            if run.has_time()
                && let Err(err) = self.act(account, *id, run, &mut done).await
            {
                let cause = telemetry::chain(&err);
                tracing::error!(
                    account_id = account.as_str(),
                    webhook_id = id.0,
                    cause,
                    "a webhook has to wait a minute"
                );
                done.faults += 1;
            }
            done
        });
        each.buffer_unordered(AT_ONCE).fold(done, async |sum, done| sum.and(done)).await
    }

    async fn act(&self, account: &AccountId, id: WebhookId, run: Run, done: &mut Done) -> Result<(), Failure> {
        // The index is eventually consistent, so the webhook itself decides.
        let Some(webhook) = self.webhooks.find(account, id).await? else { return Ok(()) };
        match webhook.action(&self.settings, run.now) {
            Action::Wait => {
                if webhook.action_at.is_some_and(|at| at <= run.now) {
                    self.webhooks.set_pace(&webhook, webhook.same_pace(), &self.settings, run.now).await?;
                }
                Ok(())
            }
            Action::Probe => self.probe(&webhook, run, done).await,
            Action::Drain(search) => self.drain(&webhook, &search, run, done).await,
        }
    }

    /// Sends held deliveries as probes. If nothing is held, the circuit is recovering.
    async fn probe(&self, webhook: &Webhook, run: Run, done: &mut Done) -> Result<(), Failure> {
        let picked = self.to_probe_with(webhook).await?;
        if picked.is_empty() {
            self.webhooks.set_pace(webhook, webhook.settled(run.now), &self.settings, run.now).await?;
            return Ok(());
        }
        let picked = webhook.probe_with(picked, &self.settings, run.now);
        // A probe names a version of its delivery, so this read must be consistent.
        let held = self.held(webhook, &picked, true, done).await?;
        if held.is_empty() {
            // The index is behind the table. The next run, a minute later, finds the right state.
            return Ok(());
        }
        if self.webhooks.set_pace(webhook, webhook.probing(&self.settings, run.now), &self.settings, run.now).await? {
            let probes: Vec<_> = held.iter().map(Delivery::probe).collect();
            self.send(probes.iter().map(|probe| (probe, Duration::ZERO)).collect(), run).await?;
            done.probes += probes.len();
        }
        Ok(())
    }

    /// The oldest held delivery, the newest, and one between them.
    async fn to_probe_with(&self, webhook: &Webhook) -> Result<Vec<DeliveryId>, AwsError> {
        let Webhook { account_id, id, .. } = webhook;
        let one = async |from, range| self.deliveries.held(account_id, *id, from, range, 1).await;
        let mut picked = one(End::Oldest, (None, None)).await?;
        picked.extend(one(End::Newest, (None, None)).await?);
        if let [oldest, newest] = picked.as_slice()
            && let Some(from) = between(oldest, newest, fastrand::f64())
        {
            picked.extend(one(End::Oldest, (Some(&from), None)).await?);
        }
        picked.sort_unstable();
        picked.dedup();
        Ok(picked)
    }

    /// Sends held deliveries at the webhook's pace.
    async fn drain(&self, webhook: &Webhook, search: &Search, run: Run, done: &mut Done) -> Result<(), Failure> {
        let range = (search.after.as_ref(), search.before.as_ref());
        let from = |end| self.deliveries.held(&webhook.account_id, webhook.id, end, range, search.most);
        let (oldest, newest) = tokio::try_join!(from(End::Oldest), from(End::Newest))?;
        let own_per_minute = if search.begins { self.own_per_minute(webhook, run.now).await? } else { 0 };
        let Drained { pace, send } = webhook.drained(&oldest, &newest, own_per_minute, &self.settings, run.now);
        if !self.webhooks.set_pace(webhook, pace, &self.settings, run.now).await? {
            return Ok(());
        }
        for part in send.chunks(PART) {
            let delays: HashMap<_, _> = part.iter().map(|(id, delay)| (id, *delay)).collect();
            let ids: Vec<_> = part.iter().map(|(id, _)| id.clone()).collect();
            let held = self.held(webhook, &ids, false, done).await?;
            let messages: Vec<_> = held.iter().map(|delivery| (delivery.follow_up(), delays[&delivery.id])).collect();
            self.send(messages.iter().map(|(message, delay)| (message, *delay)).collect(), run).await?;
            done.drained += messages.len();
        }
        Ok(())
    }

    /// Those of these deliveries that are held. Skips deliveries that cannot be read.
    async fn held(
        &self,
        webhook: &Webhook,
        ids: &[DeliveryId],
        consistent: bool,
        done: &mut Done,
    ) -> Result<Vec<Delivery>, AwsError> {
        let names: Vec<_> = ids.iter().map(|id| (&webhook.account_id, webhook.id, id)).collect();
        let mut held = Vec::new();
        for found in self.deliveries.find_all(&names, consistent).await? {
            match found {
                Ok(found) => held.extend(found.filter(|delivery| delivery.state == State::Held)),
                Err(err) => done.fault(&err, "a held delivery cannot be read"),
            }
        }
        Ok(held)
    }

    /// The webhook's deliveries per minute in the busiest hour of the last week.
    async fn own_per_minute(&self, webhook: &Webhook, now: Timestamp) -> Result<u32, AwsError> {
        let hours = self.deliveries.hours(&webhook.account_id, webhook.id, now - A_WEEK).await?;
        let busiest = hours.values().map(|tally| tally.deliveries).max().unwrap_or_default();
        Ok(u32::try_from(busiest / 60).unwrap_or(u32::MAX))
    }
}
