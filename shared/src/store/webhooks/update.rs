//! A conditional update of one webhook's item.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{self, AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};

use super::{Item, Webhooks, key};
use crate::names::{AccountId, WebhookId};

/// A conditional update of one item.
pub(super) struct Update {
    pub(super) expression: String,
    pub(super) condition: String,
    pub(super) values: Vec<(&'static str, AttributeValue)>,
}

pub(super) const EXISTS: &str = "attribute_exists(id)";

/// The result of a conditional update.
pub(super) enum Updated {
    /// The updated item.
    Done(Item),
    /// The condition did not hold. Contains the stored item, if there is one.
    Refused(Option<Item>),
}

impl Update {
    /// The same update as a part of a transaction. Its expressions must not contain reserved words.
    pub(super) fn in_transaction(self, table: &str, key: Item) -> TransactWriteItem {
        let values = self.values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let update = types::Update::builder()
            .table_name(table)
            .set_key(Some(key))
            .update_expression(self.expression)
            .condition_expression(self.condition)
            .set_expression_attribute_values(Some(values));
        TransactWriteItem::builder().update(update.build().expect("has its fields")).build()
    }
}

impl Updated {
    pub(super) fn done(self) -> Option<Item> {
        if let Self::Done(item) = self { Some(item) } else { None }
    }
}

impl Webhooks {
    /// Updates a webhook's item if the condition holds.
    pub(super) async fn update(
        &self,
        account: &AccountId,
        id: WebhookId,
        update: Update,
    ) -> Result<Updated, aws_sdk_dynamodb::Error> {
        self.update_item(key(account, id), update).await
    }

    /// Updates the item with this key if the condition holds.
    pub(super) async fn update_item(
        &self,
        key: Item,
        Update { expression, condition, values }: Update,
    ) -> Result<Updated, aws_sdk_dynamodb::Error> {
        // These are reserved words in DynamoDB, and it refuses a name that neither expression uses.
        let names = [("#status", "status"), ("#url", "url"), ("#position", "position")].into_iter();
        let names = names.filter(|(name, _)| expression.contains(name) || condition.contains(name));
        let names: HashMap<_, _> = names.map(|(name, attribute)| (name.to_owned(), attribute.to_owned())).collect();
        let values: HashMap<_, _> = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
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

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
