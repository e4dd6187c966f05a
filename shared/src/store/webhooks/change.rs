//! What is written of a webhook that exists: what its owner changes, and how its deliveries fare.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;

use super::{Item, StoreError, Webhooks, item::PreviousSecretItem, key, webhook};
use crate::webhook::{AccountId, HealthChange, Status, Told, Webhook, WebhookChange, WebhookId};

/// An update of one item, under a condition.
pub(super) struct Update {
    pub(super) expression: String,
    pub(super) condition: String,
    pub(super) values: Vec<(&'static str, AttributeValue)>,
}

pub(super) const EXISTS: &str = "attribute_exists(id)";
const SAME_URL: &str = "#url = :url";
const TOLD_TO_BE_DISABLED: &str = "told = :told";
const ANEW: &str = "failing_since, consecutive_failures";

/// What became of an update.
pub(super) enum Updated {
    /// The item as it is now.
    Done(Item),
    /// The condition does not hold; the item as it was found, if there is one.
    Refused(Option<Item>),
}

impl Updated {
    fn done(self) -> Option<Item> {
        if let Self::Done(item) = self { Some(item) } else { None }
    }
}

/// A webhook whose health was changed.
#[derive(Debug)]
pub struct HealthKept {
    /// As it is then.
    pub webhook: Webhook,
    /// Whether this change did it. Otherwise it was to be disabled, and was so already: perhaps by ourselves, where the
    /// client has repeated a write whose answer was lost.
    pub changed: bool,
}

impl Webhooks {
    /// Changes a webhook; gives it as it is then, or nothing where there is none.
    pub async fn change(
        &self,
        account: &AccountId,
        id: WebhookId,
        change: &WebhookChange,
    ) -> Result<Option<Webhook>, StoreError> {
        let doing = "change a webhook";
        let WebhookChange { url, events, status } = change;
        let (mut set, mut values) = (Vec::new(), Vec::new());
        if let Some(url) = url {
            set.push("#url = :url");
            values.push((":url", text(url.as_str())));
        }
        if let Some(events) = events {
            set.push("events = :events");
            values.push((":events", serde_dynamo::to_attribute_value(events).expect("names are a valid list")));
        }
        if let Some(status) = status {
            set.push("#status = :status");
            values.push((":status", serde_dynamo::to_attribute_value(status).expect("a name is a valid text")));
        }
        let set = format!("SET {}", set.join(", "));
        let mut tries = match (status, url) {
            // Whoever was told that it is disabled is to hear when it works again.
            (Some(Status::Active), _) => vec![
                (format!("{set} REMOVE {ANEW}, disabled_reason"), EXISTS),
                (format!("{set}, told = :enabled REMOVE {ANEW}, disabled_reason"), TOLD_TO_BE_DISABLED),
            ],
            // The same URL again changes nothing: whoever sends all that they know must not restart the webhook's clock.
            (_, Some(_)) => vec![(format!("{set} REMOVE {ANEW}"), EXISTS), (set, SAME_URL)],
            _ => vec![(set, EXISTS)],
        };
        while let Some((expression, condition)) = tries.pop() {
            let mut values = values.clone();
            if condition == TOLD_TO_BE_DISABLED {
                values.extend([(":enabled", told(Told::Enabled)), (":told", told(Told::Disabled))]);
            }
            let update = Update { expression, condition: condition.into(), values };
            let changed = self.update(account, id, update).await.map_err(StoreError::while_trying_to(doing))?;
            if let Some(item) = changed.done() {
                return webhook(item, doing).map(Some);
            }
        }
        Ok(None)
    }

    /// Keeps a rotated webhook's secrets, if it still has the secret that it was rotated from. Says whether it has them now.
    pub async fn replace_secrets(&self, before: &Webhook, rotated: &Webhook) -> Result<bool, StoreError> {
        let previous: Vec<_> = rotated.previous_secrets.iter().map(PreviousSecretItem::from).collect();
        let update = Update {
            expression: "SET secret = :new, previous_secrets = :previous".into(),
            condition: "secret = :old".into(),
            values: vec![
                (":new", text(rotated.secret.reveal())),
                (":previous", serde_dynamo::to_attribute_value(previous).expect("secrets are a valid list")),
                (":old", text(before.secret.reveal())),
            ],
        };
        let replaced = self.update(&before.account_id, before.id, update).await;
        if replaced.map_err(StoreError::while_trying_to("rotate a webhook's secret"))?.done().is_some() {
            return Ok(true);
        }
        // The client repeats a write whose answer was lost, and then it is our own that stands in the way.
        let now = self.find(&before.account_id, before.id).await?;
        Ok(now.is_some_and(|now| now.secret == rotated.secret))
    }

    /// Keeps what an attempt meant for a webhook's health, and gives the webhook as it is then. It changes nothing, and gives
    /// none, where the webhook was deleted meanwhile or has another URL, which had no part in the attempt, and where it is to
    /// be given up and had a success since it was read.
    pub async fn change_health(
        &self,
        webhook: &Webhook,
        change: &HealthChange,
        now: Timestamp,
    ) -> Result<Option<HealthKept>, StoreError> {
        let doing = "keep a webhook's health";
        let disable = "SET #status = :disabled, disabled_reason = :reason";
        let disabled = |reason| vec![(":disabled", text("disabled")), (":reason", text(reason))];
        let (expression, condition, mut values) = match change {
            HealthChange::Recovered => (format!("REMOVE {ANEW}"), SAME_URL, vec![]),
            HealthChange::Failed => (
                "SET failing_since = if_not_exists(failing_since, :now) ADD consecutive_failures :one".into(),
                SAME_URL,
                vec![(":now", text(&now.to_string())), (":one", AttributeValue::N("1".into()))],
            ),
            HealthChange::Gone { reason } => (disable.into(), "#url = :url AND #status <> :disabled", disabled(reason)),
            HealthChange::GivenUp { reason, since } => {
                let since = (":since", text(&since.to_string()));
                let condition = "#url = :url AND #status <> :disabled AND failing_since = :since";
                (disable.into(), condition, [disabled(reason), vec![since]].concat())
            }
        };
        values.push((":url", text(&webhook.url)));
        let update = Update { expression, condition: condition.into(), values };
        let kept = self.update(&webhook.account_id, webhook.id, update).await;
        let (found, changed) = match kept.map_err(StoreError::while_trying_to(doing))? {
            Updated::Done(item) => (Some(item), true),
            Updated::Refused(item) => (item.filter(|_| change.disables()), false),
        };
        let Some(found) = found.map(|item| self::webhook(item, doing)).transpose()? else { return Ok(None) };
        let applies = changed || (found.is_given_up() && found.url == webhook.url);
        Ok(applies.then_some(HealthKept { webhook: found, changed }))
    }

    pub(super) async fn update(
        &self,
        account: &AccountId,
        id: WebhookId,
        Update { expression, condition, values }: Update,
    ) -> Result<Updated, aws_sdk_dynamodb::Error> {
        // Two of the names are words of DynamoDB's own; a name that neither expression uses is refused.
        let names = [("#status", "status"), ("#url", "url")].into_iter();
        let names = names.filter(|(name, _)| expression.contains(name) || condition.contains(name));
        let names: HashMap<_, _> = names.map(|(name, attribute)| (name.to_owned(), attribute.to_owned())).collect();
        let values: HashMap<_, _> = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(account, id)))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names((!names.is_empty()).then_some(names))
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(updated) => Ok(Updated::Done(updated.attributes.unwrap_or_default())),
            Err(err) => match err.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Updated::Refused(refused.item.clone()))
                }
                _ => Err(err.into()),
            },
        }
    }
}

pub(super) fn told(told: Told) -> AttributeValue {
    serde_dynamo::to_attribute_value(told).expect("a name is a valid text")
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
