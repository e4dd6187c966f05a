//! The resend that is stored with a webhook.

use jiff::Timestamp;

use super::{
    Webhooks,
    action::{SET_ACTION, action_values, map, number},
    update::{EXISTS, Update, Updated, text},
    webhook,
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    names::{AccountId, WebhookId},
    webhook::{Resend, ResendRequest, Settings, Webhook},
};

/// How many times a resend is stored, if another one ends or begins at the same moment.
const ROUNDS: u32 = 3;

/// The result of a request for a resend.
#[derive(Debug)]
pub enum BeginResult {
    /// The webhook with its resend, which has begun now, or which an identical request has begun before.
    Now(Box<Webhook>),
    /// Another resend is under way.
    Busy,
    /// The webhook is disabled.
    Disabled(Box<Webhook>),
    NoWebhook,
}

impl Webhooks {
    /// Begins a resend, unless one is under way or the webhook is disabled. See [`ResendRequest::repeats`] for a request
    /// that was only repeated.
    pub async fn begin_resend(
        &self,
        account: &AccountId,
        id: WebhookId,
        asked: &ResendRequest,
        now: Timestamp,
    ) -> Result<BeginResult, AwsError> {
        for _ in 0..ROUNDS {
            let Some(webhook) = self.find(account, id).await? else { return Ok(BeginResult::NoWebhook) };
            if webhook.resend.as_ref().is_some_and(|resend| asked.repeats(resend, now)) {
                return Ok(BeginResult::Now(Box::new(webhook)));
            }
            if webhook.resend.as_ref().is_some_and(|resend| resend.finished_at.is_none()) {
                return Ok(BeginResult::Busy);
            }
            if !webhook.is_active() {
                return Ok(BeginResult::Disabled(Box::new(webhook)));
            }
            let resend = asked.clone().begin(now);
            if self.store_resend(&webhook, &resend).await? {
                return Ok(BeginResult::Now(Box::new(Webhook { resend: Some(resend), ..webhook })));
            }
        }
        Ok(BeginResult::Busy)
    }

    /// Stores a resend that begins now, unless one is under way. Returns whether it was stored.
    async fn store_resend(&self, webhook: &Webhook, resend: &Resend) -> Result<bool, AwsError> {
        let Webhook { account_id, id, .. } = webhook;
        let mut values = action_values(account_id, *id, resend.started_at);
        values.push((":resend", map(resend)));
        let condition = format!("{EXISTS} AND (attribute_not_exists(resend) OR attribute_exists(resend.finished_at))");
        let update = Update { expression: format!("SET resend = :resend, {SET_ACTION}"), condition, values };
        let updated = self.update(account_id, *id, update).await;
        Ok(updated.while_trying_to("begin a resend")?.done().is_some())
    }

    /// Removes a webhook's resend, which stops it. Returns whether there was one. `release` finds no work for it any
    /// more, and removes the webhook's time in the index.
    pub async fn stop_resend(&self, account: &AccountId, id: WebhookId) -> Result<bool, AwsError> {
        let condition = "attribute_exists(resend)".to_owned();
        let update = Update { expression: "REMOVE resend".into(), condition, values: Vec::new() };
        let updated = self.update(account, id, update).await;
        Ok(updated.while_trying_to("stop a resend")?.done().is_some())
    }

    /// Stores how far a resend has come, and when `release` has to look at the webhook again. Returns `false`,
    /// changing nothing, if the resend was stopped, if another run has advanced it, or if the circuit, the status or the
    /// URL is no longer the one that was `read`.
    pub async fn advance_resend(
        &self,
        read: &Webhook,
        resend: &Resend,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let doing = "store how far a resend has come";
        let Some(before) = &read.resend else { return Ok(false) };
        let after = Webhook { resend: Some(resend.clone()), ..read.clone() };
        let condition = "epoch = :epoch AND attribute_not_exists(resend.finished_at)".to_owned();
        let values = vec![(":resend", map(resend)), (":epoch", number(read.epoch))];
        let mut update = Update { expression: "SET resend = :resend".into(), condition, values };
        update.unless_changed(read);
        if let Some(position) = &before.position {
            update.condition += " AND resend.#position = :position";
            update.values.push((":position", text(position.as_str())));
        } else {
            update.condition += " AND attribute_not_exists(resend.#position)";
        }
        update.act_at(&after, after.next_action(settings, now));
        match self.update(&read.account_id, read.id, update).await.while_trying_to(doing)? {
            Updated::Done(_) => Ok(true),
            // The SDK repeats a write whose answer was lost. Then our own first write makes the condition fail.
            Updated::Refused(Some(found)) => Ok(webhook(found, doing)?.resend.as_ref() == Some(resend)),
            Updated::Refused(None) => Ok(false),
        }
    }
}
