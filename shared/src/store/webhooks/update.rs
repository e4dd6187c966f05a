//! A conditional update of one webhook's item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{self, AttributeValue, TransactWriteItem};

use super::{Item, Webhooks, key};
use crate::names::{AccountId, WebhookId};
pub(super) use crate::store::conditional::Updated;

/// A conditional update of one item.
pub(super) struct Update {
    pub(super) expression: String,
    pub(super) condition: String,
    pub(super) values: Vec<(&'static str, AttributeValue)>,
}

pub(super) const EXISTS: &str = "attribute_exists(id)";

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
            .set_expression_attribute_values((!values.is_empty()).then_some(values));
        Updated::by(update).await
    }
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}
