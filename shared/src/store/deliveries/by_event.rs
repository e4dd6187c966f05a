//! Reads the deliveries of events to all their webhooks.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Deliveries, DeliveryName, Item, item::partition, key, parsed};
use crate::{
    aws::AwsError,
    delivery::{Delivery, EventSummary, State},
    event::Event,
    names::WebhookId,
    store::batch_get::{BATCH, Reading, batch_get, name_of},
    webhook::Webhook,
};

/// How many calls read states at the same time.
const CALLS: usize = 8;

impl Deliveries {
    /// Returns the stored deliveries of an event: to the webhooks that it was sent to, and to the webhooks that the
    /// account has now. The read is consistent.
    pub async fn of_event(&self, event: &Event, webhooks: &[Webhook]) -> Result<Vec<Delivery>, AwsError> {
        let webhooks = webhooks_of(event, webhooks);
        let names: Vec<_> = webhooks.into_iter().map(|webhook| (&event.account_id, webhook, &event.id)).collect();
        self.find_all(&names, true).await?.into_iter().filter_map(Result::transpose).collect()
    }

    /// Adds to each event the states of its deliveries, for a list.
    pub async fn summaries(&self, events: Vec<Event>) -> Result<Vec<EventSummary>, AwsError> {
        let sent = events.iter().flat_map(|event| event.recipients.sent_to.iter().map(move |id| (event, *id)));
        let names: Vec<_> = sent.map(|(event, webhook)| (&event.account_id, webhook, &event.id)).collect();
        let mut states = self.states(&names).await?.into_iter();
        let summary = |event: Event| {
            let count = event.recipients.sent_to.len();
            EventSummary::new(event, states.by_ref().take(count))
        };
        Ok(events.into_iter().map(summary).collect())
    }

    /// Returns the states of deliveries in the order of their names: `None` if nothing is stored. Reads only the
    /// states, eventually consistently.
    async fn states(&self, names: &[DeliveryName<'_>]) -> Result<Vec<Option<State>>, AwsError> {
        let keys: Vec<Item> = names.iter().map(|(account, webhook, id)| key(account, *webhook, id)).collect();
        let parts: Vec<_> = keys.chunks(BATCH).map(<[_]>::to_vec).collect();
        let reads = parts.into_iter().map(|part| self.states_of(part));
        let found: Vec<HashMap<_, _>> = stream::iter(reads).buffer_unordered(CALLS).try_collect().await?;
        let states: HashMap<_, _> = found.into_iter().flatten().collect();
        let state = |(account, webhook, id): &DeliveryName<'_>| {
            states.get(&(partition(account, *webhook, id), id.to_string())).copied()
        };
        Ok(names.iter().map(state).collect())
    }

    async fn states_of(&self, keys: Vec<Item>) -> Result<HashMap<(String, String), State>, AwsError> {
        let reading = Reading::Some("webhook, id, #state");
        let items = batch_get(&self.client, &self.table, "webhook", keys, reading).await?;
        let named = items.into_iter().filter_map(|item| Some((name_of(&item, "webhook")?, item)));
        named.map(|(name, item)| Ok((name, parsed::<StateItem>(item)?.state))).collect()
    }
}

#[derive(serde::Deserialize)]
struct StateItem {
    state: State,
}

/// The webhooks that may have a delivery of the event.
pub(super) fn webhooks_of(event: &Event, webhooks: &[Webhook]) -> Vec<WebhookId> {
    let present = webhooks.iter().map(|webhook| webhook.id);
    let mut ids: Vec<_> = event.recipients.sent_to.iter().copied().chain(present).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
