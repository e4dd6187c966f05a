//! Erases what deliveries store of an event: that it is still to be sent, and what endpoints answered, which may quote
//! it.

use std::time::Duration;

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::AttributeValue};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Deliveries, DeliveryName, WriteResult,
    answers::own_key,
    by_event::webhooks_of,
    item::{answers_of, partition, shard_name},
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    delivery::{Delivery, Message, Write},
    event::{Event, Payload},
    names::{AccountId, WebhookId},
    store::{
        shards::SHARDS,
        statements::{self, Written, statement},
    },
    webhook::Webhook,
};

/// How many deliveries of an event, or answers to one, are erased at the same time.
const AT_ONCE: usize = 8;
/// How many times a delivery is read and written, because the dispatcher stored it in between or the table was busy.
const ROUNDS: u32 = 8;

const ERASING: &str = "erase a delivery";

impl Deliveries {
    /// Erases the deliveries of an event that is erased itself. Those to the webhooks that it was sent to are finished
    /// also if nothing is stored of them, so that the dispatcher makes no attempt for a message on the queue. Those to
    /// the account's other webhooks are erased if they exist. May be repeated, and must be if it fails.
    pub async fn erase(&self, event: &Event, webhooks: &[Webhook], expires_at: i64) -> Result<(), AwsError> {
        let erasing = webhooks_of(event, webhooks).into_iter().map(|id| {
            let name = (&event.account_id, id, &event.id);
            self.erase_one(name, unsent(event, id), expires_at)
        });
        stream::iter(erasing).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Erases a delivery if it is stored, whether or not its event is. May be repeated.
    pub async fn erase_stored(&self, name: DeliveryName<'_>, expires_at: i64) -> Result<(), AwsError> {
        self.erase_one(name, None, expires_at).await
    }

    /// Erases a delivery. `unsent` is the delivery if nothing is stored.
    async fn erase_one(
        &self,
        name: DeliveryName<'_>,
        unsent: Option<Delivery>,
        expires_at: i64,
    ) -> Result<(), AwsError> {
        let (account, webhook, id) = name;
        let mut stored = self.find(account, webhook, id).await?;
        let mut problem = None;
        for round in 0..ROUNDS {
            let Some(delivery) = erased(stored, unsent.as_ref()) else {
                // Last, because until then the dispatcher may add an answer.
                return self.delete_answers(name).await;
            };
            let write = Write { delivery, mark: None, watch: false, adds_attempt: false };
            stored = match self.record(&[&write], expires_at).await.pop() {
                Some(WriteResult::Superseded(stored)) => stored,
                Some(WriteResult::Failed(err)) => return Err(err),
                Some(WriteResult::Busy(err)) => {
                    problem = Some(err);
                    tokio::time::sleep(Duration::from_millis(50 << round)).await;
                    self.find(account, webhook, id).await?
                }
                Some(WriteResult::Done) | None => Some(write.delivery),
            };
        }
        Err(problem.unwrap_or_else(|| AwsError::new(ERASING, "the dispatcher stores it again and again")))
    }

    /// Deletes all answers of a webhook that are stored apart. May be repeated.
    pub async fn delete_all_answers(&self, account: &AccountId, webhook: WebhookId) -> Result<(), AwsError> {
        for shard in 0..SHARDS {
            let partition = answers_of(&shard_name(account, webhook, shard));
            let query = self.client.query().table_name(&self.table).key_condition_expression("webhook = :answers");
            self.delete_found(query.expression_attribute_values(":answers", AttributeValue::S(partition))).await?;
        }
        Ok(())
    }

    async fn delete_answers(&self, name: DeliveryName<'_>) -> Result<(), AwsError> {
        self.delete_found(self.answers(name)).await
    }

    async fn delete_found(&self, query: QueryFluentBuilder) -> Result<(), AwsError> {
        let doing = "delete endpoints' answers";
        let mut pages = query.projection_expression("webhook, id").into_paginator().send();
        while let Some(page) = pages.next().await {
            let keys = page.while_trying_to(doing)?.items.unwrap_or_default();
            let deleting = keys.into_iter().map(async |key| {
                let deleted = self.client.delete_item().table_name(&self.table).set_key(Some(key)).send().await;
                deleted.map(|_| ()).while_trying_to(doing)
            });
            stream::iter(deleting).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        }
        Ok(())
    }

    /// A query of the answers to a delivery that are stored apart.
    pub(super) fn answers(&self, (account, webhook, id): DeliveryName<'_>) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("webhook = :answers AND begins_with(id, :id)")
            .expression_attribute_values(":answers", AttributeValue::S(answers_of(&partition(account, webhook, id))))
            .expression_attribute_values(":id", AttributeValue::S(format!("{id}#")))
    }

    /// Empties the answer that a write has stored apart although the table refused the delivery, because the event was
    /// erased during the attempt.
    pub(super) async fn empty_answer(&self, write: &Write) -> Result<(), AwsError> {
        let Some((webhook, id)) = own_key(&write.delivery) else { return Ok(()) };
        let text = format!(r#"UPDATE "{}" SET "text" = ? WHERE "webhook" = ? AND "id" = ?"#, self.table);
        let parameters = [String::new(), webhook, id].map(AttributeValue::S);
        let emptied = statements::execute(&self.client, vec![statement(text, parameters.into())], ERASING).await?;
        match emptied.into_iter().next() {
            // There is no such answer.
            Some(Written::Done | Written::Refused) => Ok(()),
            Some(Written::Busy(why) | Written::Failed(why)) => Err(AwsError::new(ERASING, why)),
            None => Err(AwsError::new(ERASING, "there was no answer to it")),
        }
    }
}

/// The delivery to a webhook that the event was sent to, as it is before anything is stored.
fn unsent(event: &Event, webhook: WebhookId) -> Option<Delivery> {
    let payload = Some(Payload { task_id: event.task_id.clone(), body: String::new() });
    let message = Message { payload, ..Message::first(event, webhook) };
    event.recipients.sent_to.contains(&webhook).then(|| Delivery::pending(&message)).flatten()
}

/// The delivery as it must be stored; `None` if it is.
fn erased(stored: Option<Delivery>, unsent: Option<&Delivery>) -> Option<Delivery> {
    stored.or_else(|| unsent.cloned())?.erased()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        delivery::{Reason, State},
        event::Completion,
    };

    #[test]
    fn a_delivery_that_is_not_stored_is_finished_for_the_webhooks_that_the_event_was_sent_to() {
        let message = r#"{"account_id":"a","task_id":"t","task_type":"image","status":"completed"}"#;
        let completion = Completion::parse(message, Timestamp::UNIX_EPOCH).unwrap();
        let event = Event { body: None, ..Event::test(&completion, WebhookId(1)) };
        let delivery = erased(None, unsent(&event, WebhookId(1)).as_ref()).unwrap();
        assert_eq!((delivery.state, delivery.reason), (State::Cancelled, Some(Reason::Erased)));
        assert_eq!((delivery.version, delivery.task_id.as_str()), (0, "t"));
        assert_eq!(unsent(&event, WebhookId(2)), None);
        assert_eq!(erased(Some(delivery), unsent(&event, WebhookId(1)).as_ref()), None, "it is erased already");
    }
}
