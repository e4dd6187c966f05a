//! The sparse index `by-action`: the webhooks that `release` has to look at, sorted by the time when it has to.
//!
//! A write that makes work for `release` also sets the webhook's time in the index: the API's change of the URL or the
//! status, a request for a probe or a resend, and watch-webhooks' change of the circuit. `release` sets the next time or
//! removes it, but only if no such write was made since it read the webhook. watch-webhooks removes it only if the
//! webhook is disabled: then `release` has nothing to do until the webhook is enabled.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    Webhooks,
    update::{EXISTS, Update, Updated, text},
    webhook,
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    names::{AccountId, WebhookId},
    webhook::{Health, Pace, Settings, Webhook},
};

const INDEX: &str = "by-action";

/// How many partition keys the index is spread over. [`Webhooks::due`] reads one of them.
pub const ACTION_SHARDS: u8 = 8;

pub(super) const SET_ACTION: &str = "action_shard = :shard, action_at = :action";
/// The attributes that [`SET_ACTION`] sets.
pub(super) const ACTION: &str = "action_shard, action_at";

impl Webhooks {
    /// Returns the webhooks of a shard, below [`ACTION_SHARDS`], that `release` has to look at by `now`: those that
    /// have waited longest first, and at most `most`. The index is eventually consistent, so read each webhook before
    /// you act on it.
    pub async fn due(&self, shard: u8, now: Timestamp, most: usize) -> Result<Vec<(AccountId, WebhookId)>, AwsError> {
        #[derive(serde::Deserialize)]
        struct Key {
            account_id: AccountId,
            id: WebhookId,
        }
        let doing = "look for webhooks that are due";
        let pages = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("action_shard = :shard AND action_at <= :now")
            .expression_attribute_values(":shard", AttributeValue::N(shard.to_string()))
            .expression_attribute_values(":now", time(now))
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .into_paginator()
            .items();
        let mut items = pages.send();
        let mut due = Vec::new();
        while due.len() < most
            && let Some(item) = items.next().await
        {
            let item = item.while_trying_to(doing)?;
            let Key { account_id, id } = serde_dynamo::from_item(item).while_trying_to(doing)?;
            due.push((account_id, id));
        }
        Ok(due)
    }

    /// Stores a webhook's new health, if its health and epoch are still those that were `read`. Returns whether it
    /// was stored. If the generation has changed, the same write sets or removes the time at which `release` has
    /// to look at the webhook.
    pub async fn set_health(
        &self,
        read: &Webhook,
        health: Health,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let generation_changed = health.generation != read.health().generation;
        let after = Webhook { stored_health: health, ..read.clone() };
        let mut update = Update {
            expression: "SET health = :health".into(),
            condition: format!("epoch = :epoch AND {}", unchanged("health", read.stored_health.version)),
            values: vec![(":health", map(&after.stored_health)), (":epoch", number(read.epoch))],
        };
        update.values.extend(version(read.stored_health.version));
        if generation_changed {
            update.act_at(&after, after.next_action(settings, now));
        }
        let updated = self.update(&read.account_id, read.id, update).await;
        Ok(updated.while_trying_to("store a webhook's health")?.done().is_some())
    }

    /// Stores `release`'s new pace of a webhook, and when `release` has to look at it again. Returns `false`,
    /// changing nothing, if another run was first, or if the circuit, the status, the URL, the request for a probe or
    /// the resend is no longer the one that was `read`.
    pub async fn set_pace(
        &self,
        read: &Webhook,
        pace: Pace,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let doing = "store how far release has come with a webhook";
        let after = Webhook { stored_pace: pace, ..read.clone() };
        let mut update = Update {
            expression: "SET pace = :pace".into(),
            condition: format!("epoch = :epoch AND {}", unchanged("pace", read.stored_pace.version)),
            values: vec![(":pace", map(&after.stored_pace)), (":epoch", number(read.epoch))],
        };
        update.values.extend(version(read.stored_pace.version));
        update.unless_changed(read);
        update.act_at(&after, after.next_action(settings, now));
        let updated = self.update(&read.account_id, read.id, update).await.while_trying_to(doing)?;
        match updated {
            Updated::Done(_) => Ok(true),
            // The SDK repeats a write whose answer was lost. Then our own first write makes the condition fail.
            Updated::Refused(Some(found)) => Ok(webhook(found, doing)?.stored_pace == after.stored_pace),
            Updated::Refused(None) => Ok(false),
        }
    }

    /// Requests a probe of a webhook now. Returns `false` if the webhook does not exist.
    pub async fn ask_for_probe(&self, account: &AccountId, id: WebhookId, now: Timestamp) -> Result<bool, AwsError> {
        let mut values = action_values(account, id, now);
        values.push((":now", time(now)));
        let expression = format!("SET probe_asked_at = :now, {SET_ACTION}");
        let update = Update { expression, condition: EXISTS.into(), values };
        let updated = self.update(account, id, update).await;
        Ok(updated.while_trying_to("ask for a probe")?.done().is_some())
    }
}

impl Update {
    pub(super) fn act_at(&mut self, webhook: &Webhook, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.expression = format!("{}, {SET_ACTION}", self.expression);
            self.values.extend(action_values(&webhook.account_id, webhook.id, at));
        } else {
            self.expression = format!("{} REMOVE {ACTION}", self.expression);
        }
    }

    /// Adds the condition that the circuit, the request for a probe and the resend are those that were read. Without
    /// it, `release` could remove the time that a new request has just set.
    pub(super) fn unless_changed(&mut self, read: &Webhook) {
        let Health { version, epoch, generation, .. } = &read.stored_health;
        if *version == 0 {
            self.condition += " AND attribute_not_exists(health)";
        } else {
            self.condition += " AND health.epoch = :of AND health.generation = :generation";
            self.values.extend([(":of", number(*epoch)), (":generation", number(*generation))]);
        }
        if let Some(resend) = &read.resend {
            self.condition += " AND resend.id = :resend_id";
            self.values.push((":resend_id", text(&resend.id)));
        } else {
            self.condition += " AND attribute_not_exists(resend)";
        }
        if let Some(asked_at) = read.probe_asked_at {
            self.condition += " AND probe_asked_at = :asked";
            self.values.push((":asked", time(asked_at)));
        } else {
            self.condition += " AND attribute_not_exists(probe_asked_at)";
        }
    }
}

/// The condition that a map still has the version that was read.
fn unchanged(name: &str, version: u64) -> String {
    if version == 0 { format!("attribute_not_exists({name})") } else { format!("{name}.version = :version") }
}

fn version(version: u64) -> Option<(&'static str, AttributeValue)> {
    (version > 0).then(|| (":version", number(version)))
}

/// The values of [`SET_ACTION`].
pub(super) fn action_values(account: &AccountId, id: WebhookId, at: Timestamp) -> Vec<(&'static str, AttributeValue)> {
    let hash = Sha256::digest(format!("{account}#{id}"));
    vec![(":shard", number((hash[0] % ACTION_SHARDS).into())), (":action", time(at))]
}

/// Formats a time as text of constant length, so that the texts sort like the times.
fn time(at: Timestamp) -> AttributeValue {
    AttributeValue::S(format!("{at:.3}"))
}

pub(super) fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn map(value: &impl Serialize) -> AttributeValue {
    AttributeValue::M(serde_dynamo::to_item::<_, HashMap<_, _>>(value).expect("its fields are valid attributes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_texts() {
        let texts: Vec<_> = ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.123456789Z"]
            .map(|at| time(at.parse().unwrap()).as_s().unwrap().clone())
            .into();
        assert_eq!(texts, ["2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05.100Z", "2026-01-02T03:04:05.123Z"]);
    }
}
