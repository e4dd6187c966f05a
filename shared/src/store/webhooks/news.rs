//! Who tells the news of a webhook: one of those who find it.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::{
    Item, StoreError, Webhooks,
    change::{EXISTS, Update, Updated, text, told},
};
use crate::webhook::{News, Told, Webhook};

/// Whether the caller is to tell news that it has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Tell it.
    Ours,
    /// It was told, or is no news any more, or somebody else is telling it.
    Settled,
    /// Something else is being told of the webhook at this moment. Look again when that is over.
    Busy,
}

const UNCLAIMED: &str = "(attribute_not_exists(telling_until) OR telling_until < :now)";

impl Webhooks {
    /// Takes it upon the caller to tell news of a webhook, until a time in whole seconds.
    pub async fn claim_news(
        &self,
        webhook: &Webhook,
        news: News,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claim, StoreError> {
        let time = |at: Timestamp| AttributeValue::N(at.as_second().to_string());
        // Whose claim it is: the client repeats a write whose answer was lost, and then finds its own.
        let name = format!("{}#{:016x}", news.name(), getrandom::u64().unwrap_or_default());
        let mut values = vec![(":now", time(now)), (":until", time(until)), (":name", text(&name))];
        let is_news = match news {
            News::Failing => {
                values.push((":enabled", told(Told::Enabled)));
                "attribute_exists(failing_since) AND (attribute_not_exists(told) OR told = :enabled)"
            }
            News::Disabled => {
                values.extend([(":disabled", text("disabled")), (":told", told(Told::Disabled))]);
                "#status = :disabled AND (attribute_not_exists(told) OR told <> :told)"
            }
            News::Recovered => "attribute_exists(told) AND attribute_not_exists(failing_since)",
        };
        let update = Update {
            expression: "SET telling = :name, telling_until = :until".into(),
            condition: format!("{is_news} AND {UNCLAIMED}"),
            values,
        };
        let claimed = self.update(&webhook.account_id, webhook.id, update).await;
        match claimed.map_err(StoreError::while_trying_to("claim a webhook's news"))? {
            Updated::Done(_) => Ok(Claim::Ours),
            Updated::Refused(found) => Ok(found.map_or(Claim::Settled, |item| claim_of(&item, &name, news, now))),
        }
    }

    /// Remembers that news of a webhook was told. Of one that its owner has made active meanwhile it is remembered as
    /// [`Webhooks::change`] would have done it.
    pub async fn news_told(&self, webhook: &Webhook, news: News) -> Result<(), StoreError> {
        let remember = async |state: Option<Told>, condition: &str, mut values: Vec<_>| {
            let expression = if state.is_some() {
                "SET told = :told REMOVE telling, telling_until"
            } else {
                "REMOVE told, telling, telling_until"
            };
            values.extend(state.map(|state| (":told", told(state))));
            let update = Update { expression: expression.into(), condition: condition.into(), values };
            let updated = self.update(&webhook.account_id, webhook.id, update).await;
            updated.map_err(StoreError::while_trying_to("remember what was told of a webhook"))
        };
        if news == News::Disabled {
            let disabled = vec![(":disabled", text("disabled"))];
            if let Updated::Refused(_) = remember(news.told(), "#status = :disabled", disabled).await? {
                remember(Some(Told::Enabled), EXISTS, vec![]).await?;
            }
        } else {
            remember(news.told(), EXISTS, vec![]).await?;
        }
        Ok(())
    }
}

/// What a refused claim means, given the item that stood in its way.
fn claim_of(item: &Item, name: &str, news: News, now: Timestamp) -> Claim {
    let until: Option<i64> = item.get("telling_until").and_then(|until| until.as_n().ok()?.parse().ok());
    let telling = item.get("telling").and_then(|telling| telling.as_s().ok());
    match telling.filter(|_| until.is_some_and(|until| until >= now.as_second())) {
        Some(telling) if telling == name => Claim::Ours,
        Some(telling) if telling.split('#').next() != Some(news.name()) => Claim::Busy,
        _ => Claim::Settled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_claim_is_ours_where_its_answer_was_lost_and_waits_where_something_else_is_told() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let item = |telling: &str, until: i64| {
            let until = AttributeValue::N((now.as_second() + until).to_string());
            Item::from([("telling".to_owned(), text(telling)), ("telling_until".to_owned(), until)])
        };
        let claim = |item: &Item| claim_of(item, "webhook.disabled#1", News::Disabled, now);
        assert_eq!(claim(&item("webhook.disabled#1", 10)), Claim::Ours);
        assert_eq!(claim(&item("webhook.disabled#2", 10)), Claim::Settled);
        assert_eq!(claim(&item("webhook.failing#2", 10)), Claim::Busy);
        assert_eq!(claim(&item("webhook.failing#2", -1)), Claim::Settled, "that claim is over, so it is no news");
        assert_eq!(claim(&Item::new()), Claim::Settled);
    }
}
