//! A conditional update of one item: the updated item, or the one for which the condition did not hold.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Error,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};

type Item = HashMap<String, AttributeValue>;

/// The result of a conditional update.
pub(super) enum Updated {
    /// The updated item.
    Done(Item),
    /// The condition did not hold. Contains the stored item, if there is one.
    Refused(Option<Item>),
}

impl Updated {
    /// Makes the update. Fails only if the call fails, not if the condition does not hold.
    pub(super) async fn by(update: UpdateItemFluentBuilder) -> Result<Self, Error> {
        let update = update
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        // In a box, because the call is large, and would make its callers so.
        match Box::pin(update.send()).await {
            Ok(updated) => Ok(Self::Done(updated.attributes.unwrap_or_default())),
            Err(err) => match err.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Self::Refused(refused.item.clone()))
                }
                _ => Err(err.into()),
            },
        }
    }

    pub(super) fn done(self) -> Option<Item> {
        if let Self::Done(item) = self { Some(item) } else { None }
    }
}
