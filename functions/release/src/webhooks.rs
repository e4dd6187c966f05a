//! Probes endpoints that are down, and sends held deliveries to endpoints that are back. Then it continues resends.
//!
//! Pure functions in `nano_webhooks::webhook` decide what to do. A run writes the new pace before it sends probes or held
//! deliveries, so of two runs at the same time only one sends. Deliveries that a run did not send because it died are
//! still held, and a later run finds them.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{
    aws::AwsError,
    delivery::{Delivery, State},
    names::{AccountId, EventId, WebhookId},
    store::{ACTION_SHARDS, End},
    webhook::{Action, Drained, Search, Webhook, between},
};

use crate::{
    Release,
    run::{Done, Failure, Run},
};

/// The most webhooks of one index shard that a run handles.
const MOST: usize = 2_000;
/// How many webhooks a run handles at the same time.
pub(crate) const AT_ONCE: usize = 16;
/// How many deliveries are read and sent in one go.
const PART: usize = 500;
/// How far back a run looks for the webhook's own rate. The endpoint may have been down for days, without attempts.
const A_WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Release {
    /// Does what the webhooks need whose next action is due. Resends come last, because a single one can take a whole
    /// run, and must not delay other webhooks' probes and held deliveries.
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
            let acted = if run.has_time() { self.act(account, *id, run, &mut done).await } else { Ok(None) };
            let resend = acted.unwrap_or_else(|err| {
                done.webhook_fault(account, *id, &err);
                None
            });
            (done, resend)
        });
        let sum = async |(sum, mut resends): (Done, Vec<Webhook>), (done, resend): (Done, Option<Webhook>)| {
            resends.extend(resend);
            (sum.and(done), resends)
        };
        let (done, resends) = each.buffer_unordered(AT_ONCE).fold((done, Vec::new()), sum).await;
        done.and(self.resends(resends, run).await)
    }

    /// Does what a webhook needs. Returns the webhook if that is to continue its resend.
    async fn act(
        &self,
        account: &AccountId,
        id: WebhookId,
        run: Run,
        done: &mut Done,
    ) -> Result<Option<Webhook>, Failure> {
        // The index is eventually consistent, so the webhook itself decides.
        let Some(webhook) = self.webhooks.find(account, id).await? else { return Ok(None) };
        match webhook.action(&self.settings, run.now) {
            Action::Wait => {
                if webhook.action_at.is_some_and(|at| at <= run.now) {
                    self.webhooks.set_pace(&webhook, webhook.same_pace(), &self.settings, run.now).await?;
                }
            }
            Action::Resend => return Ok(Some(webhook)),
            Action::Probe => self.probe(&webhook, run, done).await?,
            Action::Drain(search) => self.drain(&webhook, &search, run, done).await?,
        }
        Ok(None)
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
            // A callback to another origin does not wait for the circuit, and says nothing about the endpoint.
            let message = |held: &Delivery| {
                if held.calls_elsewhere(webhook) { held.follow_up() } else { held.probe() }
            };
            let probes: Vec<_> = held.iter().map(message).collect();
            self.send(probes.iter().map(|probe| (probe, Duration::ZERO)).collect(), run).await?;
            done.probes += probes.len();
        }
        Ok(())
    }

    /// The oldest held delivery, the newest, and one between them.
    async fn to_probe_with(&self, webhook: &Webhook) -> Result<Vec<EventId>, AwsError> {
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
        let drained = webhook.drained(&oldest, &newest, own_per_minute, &self.settings, run.now);
        let Drained { pace, begins, send } = drained;
        if !self.has_quota(webhook, begins, send.len()).await? {
            // Another run has used the quota, or the minute has begun meanwhile and dispatchers have. The next run tries
            // again.
            return Ok(());
        }
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

    /// Takes this many requests out of the webhook's quota for a minute. Returns whether it had that many.
    async fn has_quota(&self, webhook: &Webhook, begins: Timestamp, count: usize) -> Result<bool, AwsError> {
        let wanted = u32::try_from(count).unwrap_or(u32::MAX);
        let Some(limit) = webhook.max_per_minute.filter(|_| wanted > 0) else { return Ok(true) };
        let Webhook { account_id, id, .. } = webhook;
        Ok(self.waiting.take_quota((account_id, *id), begins, wanted, limit).await? == wanted)
    }

    /// Those of these deliveries that are held. Skips deliveries that cannot be read.
    async fn held(
        &self,
        webhook: &Webhook,
        ids: &[EventId],
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
