//! Lists a webhook's deliveries, newest first, page by page; finds those that are held; and reads several by their
//! ids.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::{
    Deliveries, DeliveryItem, Item,
    item::{ListedItem, SHARDS, partition},
    key,
    merge::End,
    parsed,
    shards::{ATTRIBUTES, Asked, Next, Shards},
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    delivery::{Delivery, Listed, State},
    names::{AccountId, DeliveryId, WebhookId},
};

/// The most items that one query reads when it filters for `delivered`.
const LOOKED_AT: usize = 50;
/// How many times a page queries each partition. Then the page ends early, and the next one continues there.
const ROUNDS: usize = 5;
/// How many items DynamoDB reads in one call.
const BATCH: usize = 100;
/// How many times a read is repeated for items that DynamoDB left out because it was busy, or because they were more
/// than 16 MB.
const READ_ROUNDS: u32 = 5;

const READING: &str = "read a webhook's deliveries";

/// Which deliveries to list.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Only deliveries in this state.
    pub state: Option<State>,
    /// Only deliveries older than this one, with which the last page ended. It is an id and not a position, so that
    /// new deliveries shift nothing.
    pub before: Option<DeliveryId>,
    /// The most deliveries on a page.
    pub limit: usize,
}

/// A page of deliveries, newest first.
#[derive(Debug)]
pub struct Page {
    /// At most as many as were asked for.
    pub deliveries: Vec<Listed>,
    /// The [`Filter::before`] of the next page, if there may be one.
    pub next: Option<DeliveryId>,
}

/// A delivery's name: account, webhook and id.
pub type DeliveryName<'a> = (&'a AccountId, WebhookId, &'a DeliveryId);

impl Deliveries {
    /// Lists a webhook's deliveries. The cost grows with the page and not with the history: an index has the
    /// deliveries of each state except `delivered`. Deliveries that were delivered are most of a history; a filter
    /// on the table finds them.
    pub async fn list(&self, account: &AccountId, webhook: WebhookId, filter: &Filter) -> Result<Page, AwsError> {
        let indexed = filter.state.filter(|state| *state != State::Delivered);
        let picked = filter.state.filter(|_| indexed.is_none());
        let at_once = if picked.is_some() { LOOKED_AT } else { at_once(filter.limit + 1) };
        let before = filter.before.as_ref();
        let asked = Asked { indexed, picked, above: None, below: before, from: End::Newest, at_once, rounds: ROUNDS };
        let mut shards = Shards::new(self, account, webhook, asked);
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            match shards.next().await? {
                // One delivery more than the page takes: there is a next page.
                Next::One(..) if found.len() == filter.limit => {
                    next = found.last().map(|(id, _): &(DeliveryId, Item)| id.clone());
                    break;
                }
                Next::One(id, item) => found.push((id, item)),
                Next::End => break,
                Next::Later(id) => {
                    next = Some(id);
                    break;
                }
            }
        }
        let deliveries = match indexed {
            Some(state) => self.listed(account, webhook, found.iter().map(|(id, _)| id), state).await?,
            None => found.into_iter().map(|(_, item)| listed(item)).collect::<Result<_, _>>()?,
        };
        Ok(Page { deliveries, next })
    }

    /// Reads these deliveries for a list, and leaves out those that are no longer in this state: the index is
    /// eventually consistent.
    async fn listed(
        &self,
        account: &AccountId,
        webhook: WebhookId,
        ids: impl Iterator<Item = &DeliveryId>,
        state: State,
    ) -> Result<Vec<Listed>, AwsError> {
        let keys: Vec<_> = ids.map(|id| key(account, webhook, id)).collect();
        let items = self.read_by_key(keys, Reading::ForAList).await?;
        let mut listed = items.into_iter().map(listed).collect::<Result<Vec<_>, _>>()?;
        listed.retain(|listed| listed.state == state);
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
        (above, below): (Option<&DeliveryId>, Option<&DeliveryId>),
        limit: usize,
    ) -> Result<Vec<DeliveryId>, AwsError> {
        let indexed = Some(State::Held);
        let asked = Asked { indexed, picked: None, above, below, from, at_once: at_once(limit), rounds: usize::MAX };
        let mut shards = Shards::new(self, account, webhook, asked);
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
        let items = self.read_by_key(keys, Reading::Whole { consistent }).await?;
        let items: HashMap<_, _> = items.into_iter().filter_map(|item| Some((name_of(&item)?, item))).collect();
        let found = names.iter().map(|(account, webhook, id)| {
            let item = items.get(&(partition(account, *webhook, id), id.to_string())).cloned();
            let item: Option<DeliveryItem> = item.map(parsed).transpose()?;
            Ok(item.map(|item| item.delivery(account, *webhook)))
        });
        Ok(found.collect())
    }

    /// Reads items by their keys, in any order.
    async fn read_by_key(&self, mut keys: Vec<Item>, reading: Reading) -> Result<Vec<Item>, AwsError> {
        // DynamoDB refuses a batch that names an item twice.
        let mut seen = HashSet::new();
        keys.retain(|key| seen.insert(name_of(key)));
        let mut items = Vec::with_capacity(keys.len());
        for part in keys.chunks(BATCH) {
            let request = KeysAndAttributes::builder().set_keys(Some(part.to_vec()));
            let request = match reading {
                Reading::Whole { consistent } => request.consistent_read(consistent),
                Reading::ForAList => {
                    request.projection_expression(ATTRIBUTES).expression_attribute_names("#state", "state")
                }
            };
            let mut unread = HashMap::from([(self.table.clone(), request.build().expect("has its keys"))]);
            for round in 0.. {
                let answer = self.client.batch_get_item().set_request_items(Some(unread)).send().await;
                let answer = answer.while_trying_to(READING)?;
                items.extend(answer.responses.unwrap_or_default().into_values().flatten());
                unread = answer.unprocessed_keys.unwrap_or_default();
                if unread.is_empty() {
                    break;
                }
                if round == READ_ROUNDS {
                    return Err(AwsError::new(READING, "the table left part of the batch unread"));
                }
                tokio::time::sleep(Duration::from_millis(50 << round)).await;
            }
        }
        Ok(items)
    }
}

/// Which attributes of items to read, and how.
#[derive(Clone, Copy)]
enum Reading {
    Whole { consistent: bool },
    ForAList,
}

fn listed(item: Item) -> Result<Listed, AwsError> {
    parsed::<ListedItem>(item).map(Listed::from)
}

/// The key of an item: partition and id.
fn name_of(item: &Item) -> Option<(String, String)> {
    Some((item.get("webhook")?.as_s().ok()?.clone(), item.get("id")?.as_s().ok()?.clone()))
}

/// How many items of each partition to read first, so that it is seldom necessary to query one again.
fn at_once(limit: usize) -> usize {
    let shards = usize::from(SHARDS);
    limit / shards + limit / (2 * shards) + 3
}
