//! The changes that a webhook's owner makes.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Webhooks,
    action::{ACTION, SET_ACTION, action_values},
    item::{PreviousSecretItem, header_values},
    update::{EXISTS, Update, Updated, text},
    webhook,
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    names::{AccountId, WebhookId},
    request::Edit,
    webhook::{Status, Webhook, WebhookChange},
};

/// True if the service has disabled the webhook: then the status `active` is a change, too.
const DISABLED_BY_SERVICE: &str = "(attribute_exists(health.disabled) AND health.epoch = epoch)";

/// How many times a change is tried if others change the same webhook at the same time.
const ROUNDS: u32 = 5;

impl Webhooks {
    /// Changes a webhook and returns the updated one, or `None` if it does not exist.
    ///
    /// A new URL or status raises the webhook's epoch, as does the status `active` if the service has disabled it.
    /// `release` then looks at it now, or no longer if the change sets `disabled`. The same values again do not raise
    /// the epoch: a client that always sends every field must not reset the webhook's health.
    pub async fn change(
        &self,
        account: &AccountId,
        id: WebhookId,
        change: &WebhookChange,
        now: Timestamp,
    ) -> Result<Option<Webhook>, AwsError> {
        let doing = "change a webhook";
        let parts = Parts::new(change, now);
        let changed = parts.changed.join(" OR ");
        let one = (":one", AttributeValue::N("1".into()));
        let raised = if change.status == Some(Status::Disabled) {
            let values = [parts.values.clone(), vec![one]].concat();
            let since = "disabled_at = if_not_exists(disabled_at, :updated)";
            (format!("{} ADD epoch :one", parts.expression(Some(since), Some(ACTION))), values)
        } else {
            let values = [parts.values.clone(), vec![one], action_values(account, id, now)].concat();
            let no_longer = (change.status == Some(Status::Active)).then_some("disabled_at");
            (format!("{} ADD epoch :one", parts.expression(Some(SET_ACTION), no_longer)), values)
        };
        let (raising, raising_values) = raised;
        let unchanged = parts.expression(None, None);
        let tries = if changed.is_empty() {
            vec![(unchanged, EXISTS.to_owned(), parts.values)]
        } else {
            vec![
                (raising, format!("{EXISTS} AND ({changed})"), raising_values),
                (unchanged, format!("{EXISTS} AND NOT ({changed})"), parts.values),
            ]
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
        let mut set = "SET secret = :new, previous_secrets = :previous".to_owned();
        if let Some(at) = changed.updated_at {
            set += ", updated_at = :updated";
            values.push((":updated", text(&at.to_string())));
        }
        let expression = set + switch;
        // A switch that another request makes now does not change `secret`. Without this condition it would be lost.
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

/// The parts of the expression that makes a change.
struct Parts {
    set: Vec<String>,
    remove: Vec<&'static str>,
    values: Vec<(&'static str, AttributeValue)>,
    /// Each holds if the change is one that raises the epoch.
    changed: Vec<&'static str>,
}

impl Parts {
    fn new(change: &WebhookChange, now: Timestamp) -> Self {
        let WebhookChange {
            url,
            events,
            status,
            callback_hosts,
            description,
            headers,
            max_per_minute,
            metadata,
            task_types,
        } = change;
        let mut parts = Self { set: Vec::new(), remove: Vec::new(), values: Vec::new(), changed: Vec::new() };
        parts.set("updated_at", ":updated", &now);
        if let Some(url) = url {
            parts.set("#url", ":url", &url.as_str());
            parts.changed.push("#url <> :url");
        }
        if let Some(events) = events {
            parts.set("events", ":events", events);
        }
        if let Some(hosts) = callback_hosts {
            parts.set("callback_hosts", ":hosts", hosts);
        }
        if let Some(status) = status {
            parts.set("#status", ":status", status);
            parts.changed.push("#status <> :status");
            parts.changed.extend((*status == Status::Active).then_some(DISABLED_BY_SERVICE));
        }
        parts.edit("description", ":description", description.as_ref());
        let headers = headers.as_ref().map(|edit| edit.as_ref().map(header_values));
        parts.edit("headers", ":headers", headers.as_ref());
        parts.edit("max_per_minute", ":max_per_minute", max_per_minute.as_ref());
        parts.edit("metadata", ":metadata", metadata.as_ref());
        parts.edit("task_types", ":task_types", task_types.as_ref());
        parts
    }

    fn set(&mut self, name: &'static str, placeholder: &'static str, value: &impl Serialize) {
        self.set.push(format!("{name} = {placeholder}"));
        let value = serde_dynamo::to_attribute_value(value).expect("a valid field is a valid attribute");
        self.values.push((placeholder, value));
    }

    fn edit(&mut self, name: &'static str, placeholder: &'static str, edit: Option<&Edit<impl Serialize>>) {
        match edit {
            Some(Edit::Set(value)) => self.set(name, placeholder, value),
            Some(Edit::Remove) => self.remove.push(name),
            None => {}
        }
    }

    /// The update expression, which also sets and removes these attributes.
    fn expression(&self, set: Option<&str>, remove: Option<&str>) -> String {
        let set: Vec<_> = self.set.iter().map(String::as_str).chain(set).collect();
        let remove: Vec<_> = self.remove.iter().copied().chain(remove).collect();
        // An expression has at most one clause of each kind.
        let remove = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
        format!("SET {}{remove}", set.join(", "))
    }
}
