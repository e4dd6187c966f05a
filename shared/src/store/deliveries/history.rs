//! Lists a webhook's deliveries, newest first, page by page; finds those that are held; and reads several by their
//! ids.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;

use super::{
    Deliveries, DeliveryItem, Item,
    item::{ListedItem, index_key, partition, shard_name},
    key, parsed,
};
use crate::{
    aws::AwsError,
    delivery::{Delivery, Listed, State},
    names::{AccountId, EventId, EventType, WebhookId},
    store::{
        batch_get::{Reading, batch_get, name_of},
        merge::End,
        shards::{Next, Range, Shards, at_once, filtered, shards_of},
    },
};

/// The index of the deliveries that are not `delivered`, by state. It contains only their keys.
const BY_STATE: &str = "by-state";
/// The attributes of a delivery that a list shows.
const ATTRIBUTES: &str = "webhook, id, event, task_id, #state, reason, attempts, dropped, next_attempt_at";
/// The most items that one query reads when it filters.
const LOOKED_AT: i32 = 50;
/// The same if it reads one partition only, because it looks for a task.
const LOOKED_AT_FOR_A_TASK: i32 = 1_000;
/// How many times a page queries each partition. Then the page ends early, and the next one continues there.
const ROUNDS: usize = 5;

/// Which deliveries to list.
#[derive(Debug, Clone, Default)]
pub struct Filter<'a> {
    /// Only deliveries in this state.
    pub state: Option<State>,
    pub event: Option<EventType>,
    pub task_id: Option<&'a str>,
    /// Only deliveries of a later event than this.
    pub above: Option<&'a EventId>,
    /// Only deliveries of an earlier event than this: the one with which the last page ended. It is an id and not a
    /// position, so that new deliveries shift nothing.
    pub below: Option<&'a EventId>,
    /// The most deliveries on a page.
    pub limit: usize,
}

/// A page of deliveries, newest first.
#[derive(Debug)]
pub struct Page {
    /// At most as many as were asked for.
    pub deliveries: Vec<Listed>,
    /// The [`Filter::below`] of the next page, if there may be one.
    pub next: Option<EventId>,
}

/// A delivery's name: account, webhook and id.
pub type DeliveryName<'a> = (&'a AccountId, WebhookId, &'a EventId);

impl Deliveries {
    /// Lists a webhook's deliveries. The cost grows with the page and not with the history: an index has the
    /// deliveries of each state except `delivered`. Everything else is found by a filter on the table, which looks at a
    /// bounded number of deliveries; [`Page::next`] then continues the search.
    pub async fn list(&self, account: &AccountId, webhook: WebhookId, filter: &Filter<'_>) -> Result<Page, AwsError> {
        let indexed = filter.state.filter(|state| *state != State::Delivered);
        let keys = partition_keys(account, webhook, filter.task_id, indexed);
        let range = Range { from: End::Newest, above: filter.above, below: filter.below, rounds: ROUNDS };
        let (found, next) = match indexed {
            Some(_) => {
                let query = || self.by_state().limit(at_once(filter.limit + 1));
                Shards::new("listed_as", keys, range, query).page(filter.limit).await?
            }
            None => Shards::new("webhook", keys, range, || self.filtered(filter)).page(filter.limit).await?,
        };
        let mut deliveries: Vec<_> = match indexed {
            Some(_) => self.listed(account, webhook, found.iter().map(|(id, _)| id)).await?,
            None => found.into_iter().map(|(_, item)| listed(item)).collect::<Result<_, _>>()?,
        };
        // The index is eventually consistent, and knows only the state.
        deliveries.retain(|listed| filter.has(listed));
        Ok(Page { deliveries, next })
    }

    /// A query of the table for what a list shows.
    fn filtered(&self, filter: &Filter<'_>) -> QueryFluentBuilder {
        let wanted = [
            ("#state", filter.state.map(|state| state.to_string())),
            ("event", filter.event.map(|event| event.to_string())),
            ("task_id", filter.task_id.map(str::to_owned)),
        ];
        let looked_at = if filter.task_id.is_some() { LOOKED_AT_FOR_A_TASK } else { LOOKED_AT };
        let query = self.client.query().table_name(&self.table);
        let query = query.projection_expression(ATTRIBUTES).expression_attribute_names("#state", "state");
        filtered(query, wanted, filter.limit, Some(looked_at))
    }

    fn by_state(&self) -> QueryFluentBuilder {
        self.client.query().table_name(&self.table).index_name(BY_STATE).projection_expression("id")
    }

    /// Reads these deliveries for a list, newest first.
    async fn listed(
        &self,
        account: &AccountId,
        webhook: WebhookId,
        ids: impl Iterator<Item = &EventId>,
    ) -> Result<Vec<Listed>, AwsError> {
        let keys: Vec<_> = ids.map(|id| key(account, webhook, id)).collect();
        let items = batch_get(&self.client, &self.table, "webhook", keys, Reading::Some(ATTRIBUTES)).await?;
        let mut listed = items.into_iter().map(listed).collect::<Result<Vec<_>, _>>()?;
        listed.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(listed)
    }

    /// Returns the ids of a webhook's held deliveries, at most `limit`, from either end, between two ids if they are
    /// given. The read is eventually consistent.
    pub async fn held(
        &self,
        account: &AccountId,
        webhook: WebhookId,
        from: End,
        (above, below): (Option<&EventId>, Option<&EventId>),
        limit: usize,
    ) -> Result<Vec<EventId>, AwsError> {
        self.ids(account, webhook, State::Held, Range { from, above, below, rounds: usize::MAX }, limit).await
    }

    /// Returns the ids of a webhook's deliveries in a state that the index has. The read is eventually consistent.
    async fn ids(
        &self,
        account: &AccountId,
        webhook: WebhookId,
        state: State,
        range: Range<'_>,
        limit: usize,
    ) -> Result<Vec<EventId>, AwsError> {
        let keys = partition_keys(account, webhook, None, Some(state));
        let query = || self.by_state().limit(at_once(limit));
        let mut shards = Shards::new("listed_as", keys, range, query);
        let mut ids = Vec::new();
        while ids.len() < limit
            && let Next::One(id, _) = shards.next().await?
        {
            ids.push(id);
        }
        Ok(ids)
    }

    /// Reads deliveries by their names, and returns them in the same order: `None` if nothing is stored. A delivery
    /// that cannot be parsed fails alone. An eventually consistent read costs half, and may return an older state.
    pub async fn find_all(
        &self,
        names: &[DeliveryName<'_>],
        consistent: bool,
    ) -> Result<Vec<Result<Option<Delivery>, AwsError>>, AwsError> {
        let keys = names.iter().map(|(account, webhook, id)| key(account, *webhook, id)).collect();
        let items = batch_get(&self.client, &self.table, "webhook", keys, Reading::Whole { consistent }).await?;
        let items: HashMap<_, _> =
            items.into_iter().filter_map(|item| Some((name_of(&item, "webhook")?, item))).collect();
        let found = names.iter().map(|(account, webhook, id)| {
            let item = items.get(&(partition(account, *webhook, id), id.to_string())).cloned();
            let item: Option<DeliveryItem> = item.map(parsed).transpose()?;
            Ok(item.map(|item| item.delivery(account, *webhook)))
        });
        Ok(found.collect())
    }
}

impl Filter<'_> {
    fn has(&self, listed: &Listed) -> bool {
        self.state.is_none_or(|state| state == listed.state)
            && self.event.is_none_or(|event| event == listed.event)
            && self.task_id.is_none_or(|task| task == listed.task_id)
    }
}

/// The keys of a webhook's partitions: of the table, or of the index. A task's deliveries are all in one.
fn partition_keys(account: &AccountId, webhook: WebhookId, task: Option<&str>, indexed: Option<State>) -> Vec<String> {
    let names = shards_of(account, task).into_iter().map(|shard| shard_name(account, webhook, shard));
    match indexed {
        Some(state) => names.filter_map(|name| index_key(&name, state)).collect(),
        None => names.collect(),
    }
}

fn listed(item: Item) -> Result<Listed, AwsError> {
    parsed::<ListedItem>(item).map(Listed::from)
}
