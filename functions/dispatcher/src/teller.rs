//! Tells the operator of a webhook that is failing, was disabled, or works again.

use std::time::Duration;

use jiff::Timestamp;
use nano_webhooks::{
    bus::Bus,
    delivery::{Attempt, DeliveryId},
    store::{Claim, Webhooks},
    telemetry,
    webhook::{News, Webhook},
};
use tokio::time::timeout;

/// Whoever has news to tell has this long for it. A dispatcher that dies meanwhile leaves it to the next one, whose message
/// comes back later than this.
const CLAIM: Duration = Duration::from_secs(10);

/// How long telling may take of a batch's time.
const TIME_TO_TELL: Duration = Duration::from_secs(5);

pub(crate) struct Teller {
    /// None where nobody wants to know.
    pub(crate) bus: Option<Bus>,
    pub(crate) webhooks: Webhooks,
    pub(crate) stack: String,
    /// How long a webhook must have been failing to be news.
    pub(crate) patience: Duration,
}

impl Teller {
    pub(crate) fn is_on(&self) -> bool {
        self.bus.is_some()
    }

    /// Tells what there is to tell of a webhook, as it is after an attempt or as it was found. Of those who find the same
    /// news one tells it. False where it was not told and should be: the caller's message is then to come back, and
    /// whoever gets it finds a webhook that was disabled. Other news waits for the webhook's next attempt.
    pub(crate) async fn tell(&self, webhook: &Webhook, last: Option<(&DeliveryId, &Attempt)>, now: Timestamp) -> bool {
        let Some(bus) = &self.bus else { return true };
        let Some(news) = webhook.news(last.map(|(_, attempt)| attempt), now, self.patience) else { return true };
        let told = timeout(TIME_TO_TELL, self.tell_once(bus, webhook, news, last)).await;
        let failure = match told {
            Ok(Ok(())) => return true,
            Ok(Err(err)) => telemetry::chain(err.as_ref()),
            Err(_) => "it took too long".to_owned(),
        };
        let (account_id, webhook_id) = (webhook.account_id.as_str(), webhook.id.0);
        tracing::error!(account_id, webhook_id, news = news.name(), cause = failure, "the operator was not told");
        false
    }

    async fn tell_once(
        &self,
        bus: &Bus,
        webhook: &Webhook,
        news: News,
        last: Option<(&DeliveryId, &Attempt)>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let now = Timestamp::now();
        match self.webhooks.claim_news(webhook, news, now, now + CLAIM).await? {
            Claim::Settled => Ok(()),
            Claim::Busy => Err("something else is being told of it".into()),
            Claim::Ours => {
                bus.put(news.name(), &webhook.notice(&self.stack, last)).await?;
                Ok(self.webhooks.news_told(webhook, news).await?)
            }
        }
    }
}
