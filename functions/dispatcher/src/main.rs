//! Delivers: takes a batch of delivery messages, attempts those that are due, records each outcome, and gives back to
//! the queue what is to be tried again, hidden until it is due.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    config,
    delivery::{self, Delivery, DeliveryId, Message, Outcome, Step},
    queue::{self, Queue, SqsBatchResponse, SqsEvent, SqsMessage},
    retry::{self, Circumstances, Schedule, Verdict},
    sender::{Exchange, Sender},
    stats::{self, Tally},
    store::{Deliveries, RecordError, StoreError, Stored, Webhooks},
    telemetry,
    webhook::{AccountId, HealthChange, Webhook, WebhookId},
};
use tokio::time::{timeout, timeout_at};

/// What a function needs after its last attempt to record the outcomes and answer.
const TIME_TO_FINISH: Duration = Duration::from_secs(3);

/// How long the statistics of a batch may take, of [`TIME_TO_FINISH`]. They are worth less than the batch's answer.
const TIME_FOR_STATISTICS: Duration = Duration::from_secs(2);

/// What the attempts of a batch came to, for each webhook and hour.
type Tallies = RefCell<HashMap<(AccountId, WebhookId, Timestamp), Tally>>;

struct Dispatcher {
    webhooks: Webhooks,
    deliveries: Deliveries,
    queue: Queue,
    sender: Sender,
    schedule: Schedule,
    patience: Duration,
    retention_days: u32,
}

/// Why a message stays on the queue.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error("the next attempt is due at {0}")]
    NotDue(Timestamp),
    #[error("what is known of it could not be read")]
    NotRead(#[from] StoreError),
    #[error("the outcome was not recorded")]
    NotRecorded(#[from] RecordError),
    #[error("the batch's time ran out")]
    OutOfTime,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let aws = config::aws().await;
    let own_hosts = config::text("OWN_HOSTS")?;
    let own_hosts = own_hosts.split(',').filter(|host| !host.is_empty()).map(str::to_owned);
    let dispatcher = Dispatcher {
        webhooks: Webhooks::new(&aws, config::text("WEBHOOKS_TABLE")?),
        deliveries: Deliveries::new(&aws, config::text("DELIVERIES_TABLE")?),
        queue: Queue::new(&aws, config::text("DELIVERIES_QUEUE_URL")?),
        sender: Sender::new(config::egress_policy()?.with_own_hosts(own_hosts)),
        schedule: config::parsed("RETRY_SCHEDULE_SECONDS")?,
        patience: config::seconds("DISABLE_AFTER_SECONDS")?,
        retention_days: config::parsed("HISTORY_RETENTION_DAYS")?,
    };
    let handler = service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deadline = event.context.deadline();
        Ok::<_, lambda_runtime::Error>(dispatcher.handle(&event.payload, deadline).await)
    });
    lambda_runtime::run(handler).await
}

impl Dispatcher {
    async fn handle(&self, event: &SqsEvent, deadline: SystemTime) -> SqsBatchResponse {
        let remaining = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let deadline = tokio::time::Instant::now() + remaining.saturating_sub(TIME_TO_FINISH);

        let (records, messages, mut given_back) = readable(event);
        let stored = timeout_at(deadline, self.deliveries.read(&self.webhooks, &messages)).await;
        let stored = match stored.map_err(|_| Unfinished::OutOfTime).and_then(|read| Ok(read?)) {
            Ok(stored) => stored,
            Err(err) => {
                tracing::error!(cause = telemetry::chain(&err), "the whole batch goes back to the queue");
                given_back.extend(records);
                return queue::give_back(given_back);
            }
        };
        let tallies = Tallies::default();
        let taken = records.into_iter().zip(messages).zip(stored).map(async |((record, message), stored)| {
            let taken = timeout_at(deadline, self.take(record, message, stored, &tallies)).await;
            let unfinished = taken.unwrap_or(Err(Unfinished::OutOfTime)).err()?;
            if !matches!(unfinished, Unfinished::NotDue(_)) {
                let cause = telemetry::chain(&unfinished);
                tracing::error!(message_id = record.message_id, cause, "a delivery goes back to the queue");
            }
            Some(record)
        });
        given_back.extend(join_all(taken).await.into_iter().flatten());
        self.count(tallies.into_inner()).await;
        queue::give_back(given_back)
    }

    async fn take(
        &self,
        record: &SqsMessage,
        message: Message,
        stored: Result<Stored, StoreError>,
        tallies: &Tallies,
    ) -> Result<(), Unfinished> {
        let Stored { delivery, webhook } = stored?;
        let due = match delivery::step(message, delivery, webhook, Timestamp::now()) {
            Step::Finished => return Ok(()),
            Step::Cancel(delivery) => return self.record(&delivery).await,
            Step::Wait(due) => due,
            Step::Send(delivery, webhook) => match self.attempt(delivery, &webhook, tallies).await? {
                Verdict::RetryAt(due) => due,
                Verdict::Delivered | Verdict::Failed => return Ok(()),
            },
        };
        self.hide(record, due).await;
        Err(Unfinished::NotDue(due))
    }

    async fn attempt(&self, delivery: Delivery, webhook: &Webhook, tallies: &Tallies) -> Result<Verdict, Unfinished> {
        let Exchange { attempt, retry_after } = self.sender.attempt(webhook, &delivery.message).await;
        let now = Timestamp::now();
        let retry_after = retry_after.map_or(Duration::ZERO, |value| retry::retry_after(&value, now));
        let circumstances = Circumstances { earlier_tries: delivery.tries, now, jitter: jitter(), retry_after };
        let verdict = self.schedule.verdict(&attempt.outcome, circumstances);
        let health = webhook.health_after(&attempt.outcome, now, self.patience);
        let delivery = delivery.after(attempt, verdict);
        log(&delivery);
        // Neither waits for the other: a 410 counts at once even where the record fails.
        let (recorded, ()) = tokio::join!(self.record(&delivery), self.change_health(webhook, health, now));
        recorded?;
        if let Some(attempt) = delivery.attempts.last() {
            let hour = (webhook.account_id.clone(), webhook.id, stats::hour_of(attempt.started_at));
            tallies.borrow_mut().entry(hour).or_default().add(attempt);
        }
        Ok(verdict)
    }

    async fn record(&self, delivery: &Delivery) -> Result<(), Unfinished> {
        Ok(self.deliveries.record(delivery, expires_at(Timestamp::now(), self.retention_days)).await?)
    }

    /// Where this fails the change is lost, until the next attempt makes it again: to fail the delivery for it would send the
    /// webhook once more.
    async fn change_health(&self, webhook: &Webhook, change: Option<HealthChange>, now: Timestamp) {
        let Some(change) = change else { return };
        if let HealthChange::Gone { reason } | HealthChange::GivenUp { reason, .. } = &change {
            tracing::warn!(account_id = %webhook.account_id, webhook_id = webhook.id.0, reason, "disabling a webhook");
        }
        if let Err(err) = self.webhooks.change_health(webhook, &change, now).await {
            tracing::error!(cause = telemetry::chain(&err), "a webhook's health was not kept");
        }
    }

    /// Where this fails the attempts are missing from the statistics, and from nothing else.
    async fn count(&self, tallies: HashMap<(AccountId, WebhookId, Timestamp), Tally>) {
        let added = tallies.iter().map(|((account, webhook, hour), tally)| {
            timeout(TIME_FOR_STATISTICS, self.deliveries.add_to_hour(account, *webhook, *hour, tally))
        });
        for added in join_all(added).await {
            let failure = added
                .map_or(Some("it took too long".to_owned()), |added| added.err().map(|err| telemetry::chain(&err)));
            if let Some(cause) = failure {
                tracing::warn!(cause, "attempts are missing from a webhook's statistics");
            }
        }
    }

    /// Where this fails the message comes back after the queue's own timeout: if that is too early, it is hidden again.
    async fn hide(&self, record: &SqsMessage, due: Timestamp) {
        let wait = Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default();
        if let Err(err) = self.queue.hide(record, wait).await {
            tracing::warn!(message_id = record.message_id, cause = telemetry::chain(&err), "comes back too early");
        }
    }
}

/// The messages of a batch that are to be worked on, beside the records that they came in, and the records that are to go
/// back because nothing can be read in them.
fn readable(event: &SqsEvent) -> (Vec<&SqsMessage>, Vec<Message>, Vec<&SqsMessage>) {
    let (mut records, mut messages, mut unreadable, mut seen) = (Vec::new(), Vec::new(), Vec::new(), HashSet::new());
    for record in &event.records {
        match serde_json::from_str::<Message>(record.body.as_deref().unwrap_or_default()) {
            // A round that stands twice in the batch is attempted once. Its first message alone is kept alive.
            Ok(message) if !seen.insert(round(&message)) => {}
            Ok(message) => {
                records.push(record);
                messages.push(message);
            }
            Err(err) => {
                tracing::error!(message_id = record.message_id, %err, "a message is no delivery");
                unreadable.push(record);
            }
        }
    }
    (records, messages, unreadable)
}

/// What two messages have in common that ask for the same attempts. An id alone is not enough: one account's message must
/// not be taken for another's, whoever wrote it.
fn round(message: &Message) -> (AccountId, WebhookId, DeliveryId, u32) {
    let Message { account_id, webhook_id, delivery_id, round, .. } = message;
    (account_id.clone(), *webhook_id, delivery_id.clone(), *round)
}

/// When a delivery that is recorded now may be forgotten, in Unix seconds.
fn expires_at(now: Timestamp, retention_days: u32) -> i64 {
    now.as_second() + i64::from(retention_days) * 86_400
}

/// From 0 up to 1.
fn jitter() -> f64 {
    f64::from(getrandom::u32().unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

/// One line for each attempt.
fn log(delivery: &Delivery) {
    let Delivery { message, state, attempts, next_attempt_at, .. } = delivery;
    let Some(attempt) = attempts.last() else { return };
    let http_status = if let Outcome::Http { http_status, .. } = attempt.outcome { Some(http_status) } else { None };
    tracing::info!(
        delivery_id = %message.delivery_id,
        account_id = %message.account_id,
        webhook_id = message.webhook_id.0,
        attempt = attempts.len(),
        outcome = attempt.outcome.phase(),
        http_status,
        duration_ms = attempt.duration_ms,
        resent = attempt.resent,
        ?state,
        next_attempt_at = next_attempt_at.map(tracing::field::display),
        "attempt"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_not_taken_for_the_repetition_that_stands_before_it() {
        let mut event: SqsEvent = serde_json::from_str(include_str!("../../../events/dispatcher.json")).unwrap();
        let repetition = event.records[0].clone();
        let mut retry = repetition.clone();
        retry.body = retry.body.map(|body| body.replace(r#""round": 0"#, r#""round": 1"#));
        event.records.extend([repetition, retry]);
        let rounds: Vec<u32> = readable(&event).1.iter().map(|message| message.round).collect();
        assert_eq!(rounds, [0, 1]);
    }

    #[test]
    fn a_message_is_not_taken_for_another_accounts_or_another_webhooks() {
        let mut event: SqsEvent = serde_json::from_str(include_str!("../../../events/dispatcher.json")).unwrap();
        for (own, forged) in [(r#""acct_demo""#, r#""acct_forger""#), (r#""webhook_id": 1"#, r#""webhook_id": 2"#)] {
            let mut record = event.records[0].clone();
            record.body = record.body.map(|body| body.replace(own, forged));
            event.records.push(record);
        }
        assert_eq!(readable(&event).1.len(), 3);
    }

    #[test]
    fn a_delivery_is_kept_for_its_days_after_the_last_record() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let end: Timestamp = "2026-02-01T03:04:05Z".parse().unwrap();
        assert_eq!(expires_at(now, 30), end.as_second());
    }

    #[test]
    fn the_sample_event_holds_a_delivery() {
        let event: SqsEvent = serde_json::from_str(include_str!("../../../events/dispatcher.json")).unwrap();
        for record in &event.records {
            let message: Message = serde_json::from_str(record.body.as_deref().unwrap()).unwrap();
            assert_eq!(message.account_id.as_str(), "acct_demo");
        }
    }
}
