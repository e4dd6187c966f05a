//! What is written of a webhook that exists: what its owner changes, and how its deliveries fare.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue},
};
use jiff::Timestamp;

use super::{Item, StoreError, Webhooks, item::PreviousSecretItem, key, webhook};
use crate::webhook::{AccountId, HealthChange, News, Status, Told, Webhook, WebhookChange, WebhookId};

/// An update of one item, under a condition.
struct Update {
    expression: String,
    condition: &'static str,
    values: Vec<(&'static str, AttributeValue)>,
}

const EXISTS: &str = "attribute_exists(id)";
const SAME_URL: &str = "#url = :url";
const TOLD_TO_BE_DISABLED: &str = "told = :told";
const ANEW: &str = "failing_since, consecutive_failures";

const CLAIM_FAILING: &str = "attribute_exists(failing_since) \
    AND (attribute_not_exists(told) OR told = :enabled) \
    AND (attribute_not_exists(telling_until) OR telling_until < :now)";
const CLAIM_DISABLED: &str = "#status = :disabled AND (attribute_not_exists(told) OR told <> :told) \
    AND (attribute_not_exists(telling_until) OR telling_until < :now)";
const CLAIM_RECOVERED: &str = "attribute_exists(told) AND attribute_not_exists(failing_since) \
    AND (attribute_not_exists(telling_until) OR telling_until < :now)";

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
            let update = Update { expression, condition, values };
            let changed = self.update(account, id, update).await.map_err(StoreError::while_trying_to(doing))?;
            if let Some(item) = changed {
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
            condition: "secret = :old",
            values: vec![
                (":new", text(rotated.secret.reveal())),
                (":previous", serde_dynamo::to_attribute_value(previous).expect("secrets are a valid list")),
                (":old", text(before.secret.reveal())),
            ],
        };
        let replaced = self.update(&before.account_id, before.id, update).await;
        if replaced.map_err(StoreError::while_trying_to("rotate a webhook's secret"))?.is_some() {
            return Ok(true);
        }
        // The client repeats a write whose answer was lost, and then it is our own that stands in the way.
        let now = self.find(&before.account_id, before.id).await?;
        Ok(now.is_some_and(|now| now.secret == rotated.secret))
    }

    /// Keeps what an attempt meant for a webhook's health, and gives the webhook as it is then. It changes nothing, and gives
    /// none, where the webhook was deleted meanwhile or has another URL, which had no part in the attempt; where it is to be
    /// disabled and is so already; and where it is to be given up and had a success since it was read.
    pub async fn change_health(
        &self,
        webhook: &Webhook,
        change: &HealthChange,
        now: Timestamp,
    ) -> Result<Option<Webhook>, StoreError> {
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
        let update = Update { expression, condition, values };
        let kept = self.update(&webhook.account_id, webhook.id, update).await;
        kept.map_err(StoreError::while_trying_to(doing))?.map(|item| self::webhook(item, doing)).transpose()
    }

    /// Takes it upon the caller to tell news of a webhook. False where it is no news any more, or where somebody else has
    /// taken it upon them and still has until then.
    pub async fn claim_news(
        &self,
        webhook: &Webhook,
        news: News,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let time = |at: Timestamp| AttributeValue::N(at.as_second().to_string());
        let mut values = vec![(":now", time(now)), (":until", time(until))];
        let condition = match news {
            News::Failing => {
                values.push((":enabled", told(Told::Enabled)));
                CLAIM_FAILING
            }
            News::Disabled => {
                values.extend([(":disabled", text("disabled")), (":told", told(Told::Disabled))]);
                CLAIM_DISABLED
            }
            News::Recovered => CLAIM_RECOVERED,
        };
        let update = Update { expression: "SET telling_until = :until".into(), condition, values };
        let claimed = self.update(&webhook.account_id, webhook.id, update).await;
        Ok(claimed.map_err(StoreError::while_trying_to("claim a webhook's news"))?.is_some())
    }

    /// Remembers that news of a webhook was told.
    pub async fn news_told(&self, webhook: &Webhook, news: News) -> Result<(), StoreError> {
        let (expression, values) = match news.told() {
            Some(state) => ("SET told = :told REMOVE telling_until", vec![(":told", told(state))]),
            None => ("REMOVE told, telling_until", vec![]),
        };
        let update = Update { expression: expression.into(), condition: EXISTS, values };
        let remembered = self.update(&webhook.account_id, webhook.id, update).await;
        remembered.map_err(StoreError::while_trying_to("remember what was told of a webhook"))?;
        Ok(())
    }

    /// The item as it is after the update; nothing where the condition did not hold.
    async fn update(
        &self,
        account: &AccountId,
        id: WebhookId,
        Update { expression, condition, values }: Update,
    ) -> Result<Option<Item>, aws_sdk_dynamodb::Error> {
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
            .return_values(ReturnValue::AllNew);
        match update.send().await {
            Ok(updated) => Ok(Some(updated.attributes.unwrap_or_default())),
            Err(err) => match err.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(err.into()),
            },
        }
    }
}

fn told(told: Told) -> AttributeValue {
    serde_dynamo::to_attribute_value(told).expect("a name is a valid text")
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
