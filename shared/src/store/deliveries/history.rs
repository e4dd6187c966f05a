//! A webhook's deliveries, newest first, a page at a time.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    Deliveries, Item, StoreError,
    item::{ListedItem, index_key, webhook_name},
};
use crate::{
    delivery::{DeliveryId, Listed, State},
    webhook::{AccountId, WebhookId},
};

/// The index that holds the deliveries that are not `delivered`, by state.
const BY_STATE: &str = "by-state";
/// How many of the history are looked at in one query for those that were `delivered`.
const LOOKED_AT: usize = 200;
/// How many queries one page may take; then it ends early, and the next one goes on from there.
const QUERIES: usize = 10;

const READING: &str = "read a webhook's history";

/// Which deliveries to list.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those older than this one: where the last page ended. An id and not a position, so that new arrivals move
    /// nothing.
    pub before: Option<DeliveryId>,
    /// How many at most.
    pub limit: usize,
}

/// Some deliveries, newest first.
#[derive(Debug)]
pub struct Page {
    /// At most as many as were asked for.
    pub deliveries: Vec<Listed>,
    /// Where the next page begins, if there may be one: the next [`Filter::before`].
    pub next: Option<DeliveryId>,
}

impl Deliveries {
    /// Lists a webhook's deliveries. What it reads grows with the page and not with the history: the states other than
    /// `delivered` have an index that holds nothing else. Those that were delivered are most of a history, and are picked
    /// out of it.
    pub async fn list(&self, account: &AccountId, webhook: WebhookId, filter: &Filter) -> Result<Page, StoreError> {
        let name = webhook_name(account, webhook);
        let mut page = Page { deliveries: Vec::new(), next: filter.before.clone() };
        for _ in 0..QUERIES {
            let (items, last) = self.query(&name, filter, page.next.as_ref()).await?;
            page.next = last;
            for item in items {
                let listed: ListedItem = serde_dynamo::from_item(item).map_err(StoreError::while_trying_to(READING))?;
                let listed = Listed::from(listed);
                if page.deliveries.len() == filter.limit {
                    page.next = page.deliveries.last().map(|listed| listed.id.clone());
                    return Ok(page);
                }
                page.deliveries.push(listed);
            }
            if page.next.is_none() {
                break;
            }
        }
        Ok(page)
    }

    /// One query, and the id at which it stopped if there is more.
    async fn query(
        &self,
        webhook: &str,
        filter: &Filter,
        before: Option<&DeliveryId>,
    ) -> Result<(Vec<Item>, Option<DeliveryId>), StoreError> {
        let delivered = filter.state == Some(State::Delivered);
        let indexed = filter.state.and_then(|state| index_key(webhook, state));
        let hash = if indexed.is_some() { "listed_as" } else { "webhook" };
        let condition = format!("{hash} = :name{}", if before.is_some() { " AND id < :before" } else { "" });
        // One more than the page takes: whether it is there says whether there is a next page.
        let limit = if delivered { LOOKED_AT } else { filter.limit + 1 };

        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(indexed.is_some().then(|| BY_STATE.to_owned()))
            .key_condition_expression(condition)
            .projection_expression("id, event, #state, attempts, next_attempt_at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":name", AttributeValue::S(indexed.unwrap_or_else(|| webhook.to_owned())))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        if let Some(before) = before {
            query = query.expression_attribute_values(":before", AttributeValue::S(before.to_string()));
        }
        if delivered {
            query = query
                .filter_expression("#state = :state")
                .expression_attribute_values(":state", AttributeValue::S(State::Delivered.as_str().into()));
        }
        let answer = query.send().await.map_err(StoreError::while_trying_to(READING))?;
        let last = answer.last_evaluated_key.and_then(|mut key| key.remove("id"));
        let last = last.map(serde_dynamo::from_attribute_value).transpose();
        Ok((answer.items.unwrap_or_default(), last.map_err(StoreError::while_trying_to(READING))?))
    }
}
