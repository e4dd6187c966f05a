//! The changes that a webhook's owner makes.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{
    Webhooks,
    action::{REMOVE_ACTION, SET_ACTION, action_values},
    item::PreviousSecretItem,
    update::{EXISTS, Update, Updated, text},
    webhook,
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    names::{AccountId, WebhookId},
    webhook::{Status, Webhook, WebhookChange},
};

/// Holds for a webhook that the service has disabled: to set its status to `active` is a change, too.
const DISABLED_BY_SERVICE: &str = "(attribute_exists(health.disabled) AND health.epoch = epoch)";

/// How many times a change is tried if others change the same webhook at the same time.
const ROUNDS: u32 = 5;

impl Webhooks {
    /// Changes a webhook and returns the updated one, or `None` if it does not exist.
    ///
    /// A new URL, a new status, and the status `active` for a webhook that the service has disabled raise its epoch.
    /// `release` then looks at it now, or no longer if its status is `disabled`. The same values again do not raise
    /// it: a client that always sends every field must not void the webhook's health.
    pub async fn change(
        &self,
        account: &AccountId,
        id: WebhookId,
        change: &WebhookChange,
        now: Timestamp,
    ) -> Result<Option<Webhook>, AwsError> {
        let doing = "change a webhook";
        let WebhookChange { url, events, status } = change;
        let (mut set, mut values, mut news) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(url) = url {
            set.push("#url = :url");
            values.push((":url", text(url.as_str())));
            news.push("#url <> :url");
        }
        if let Some(events) = events {
            set.push("events = :events");
            values.push((":events", serde_dynamo::to_attribute_value(events).expect("names are a valid list")));
        }
        if let Some(status) = status {
            set.push("#status = :status");
            values.push((":status", serde_dynamo::to_attribute_value(status).expect("a name is a valid text")));
            news.push("#status <> :status");
            news.extend((*status == Status::Active).then_some(DISABLED_BY_SERVICE));
        }
        let (set, news) = (set.join(", "), news.join(" OR "));
        let one = (":one", AttributeValue::N("1".into()));
        let raised = if *status == Some(Status::Disabled) {
            let values = [values.clone(), vec![one]].concat();
            (format!("SET {set} {REMOVE_ACTION} ADD epoch :one"), format!("{EXISTS} AND ({news})"), values)
        } else {
            let values = [values.clone(), vec![one], action_values(account, id, now)].concat();
            (format!("SET {set}, {SET_ACTION} ADD epoch :one"), format!("{EXISTS} AND ({news})"), values)
        };
        let the_same = format!("{EXISTS} AND NOT ({news})");
        let tries = if news.is_empty() {
            vec![(format!("SET {set}"), EXISTS.to_owned(), values)]
        } else {
            vec![raised, (format!("SET {set}"), the_same, values)]
        };
        for (expression, condition, values) in (0..ROUNDS).flat_map(|_| tries.clone()) {
            let update = Update { expression, condition, values };
            match self.update(account, id, update).await.while_trying_to(doing)? {
                Updated::Done(item) => return webhook(item, doing).map(Some),
                Updated::Refused(None) => return Ok(None),
                Updated::Refused(Some(_)) => {}
            }
        }
        Err(AwsError::new(doing, "other requests changed it at the same time"))
    }

    /// Stores a webhook's changed secrets, if its secrets are still those of `before`. Returns whether they are stored now.
    pub async fn replace_secrets(&self, before: &Webhook, changed: &Webhook) -> Result<bool, AwsError> {
        let previous: Vec<_> = changed.previous_secrets.iter().map(PreviousSecretItem::from).collect();
        let mut values = vec![
            (":new", text(changed.secret.reveal())),
            (":previous", serde_dynamo::to_attribute_value(previous).expect("secrets are a valid list")),
            (":old", text(before.secret.reveal())),
        ];
        let switch = if let Some(at) = changed.secret_switches_at {
            values.push((":switch", text(&at.to_string())));
            ", secret_switches_at = :switch"
        } else {
            " REMOVE secret_switches_at"
        };
        let expression = format!("SET secret = :new, previous_secrets = :previous{switch}");
        // A switch that is made at the same time leaves the secret as it is, and must not be lost.
        let not_switched = if let Some(at) = before.secret_switches_at {
            values.push((":before", text(&at.to_string())));
            "secret_switches_at = :before"
        } else {
            "attribute_not_exists(secret_switches_at)"
        };
        let condition = format!("secret = :old AND {not_switched}");
        let update = Update { expression, condition, values };
        let replaced = self.update(&before.account_id, before.id, update).await;
        if replaced.while_trying_to("rotate a webhook's secret")?.done().is_some() {
            return Ok(true);
        }
        // The SDK repeats a write whose answer was lost. Then our own first write makes the condition fail.
        let stored = self.find(&before.account_id, before.id).await?;
        Ok(stored.is_some_and(|stored| {
            stored.secret == changed.secret
                && stored.previous_secrets == changed.previous_secrets
                && stored.secret_switches_at == changed.secret_switches_at
        }))
    }
}
