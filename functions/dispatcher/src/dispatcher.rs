//! The way of a batch: read what is known, attempt what is due, record it, and say what stays on the queue.

use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use jiff::Timestamp;
use nano_webhooks::{
    delivery::{self, Delivery, Message, Step},
    queue::{self, Queue, SqsBatchResponse, SqsEvent, SqsMessage},
    retry::{self, Circumstances, Schedule, Verdict},
    sender::{Exchange, Sender},
    store::{Deliveries, HealthKept, RecordError, StoreError, Stored, Webhooks},
    telemetry::{
        self,
        metrics::{Metric, Recorder},
        trace::{self, Tracer},
    },
    webhook::{HealthChange, Webhook},
};
use tokio::time::{Instant, timeout_at};

use crate::{
    batch::{Attempted, Unfinished, Work, Worked, are_new, readable},
    observed::{self, Observed},
    teller::Teller,
};

/// What a function needs after its last attempt to record the outcomes and answer.
const TIME_TO_FINISH: Duration = Duration::from_secs(3);

/// How long recording may go on when the time for attempts is over, of [`TIME_TO_FINISH`]: what was cut off at the last moment
/// is recorded, and not made again.
const TIME_TO_SETTLE: Duration = Duration::from_secs(1);

/// How long an attempt that has ended waits for others to be recorded with it. When all of a batch have ended none waits.
const TIME_TO_GATHER: Duration = Duration::from_millis(250);

/// The most that are recorded together: a batch.
const TOGETHER: usize = 10;

pub(crate) struct Dispatcher {
    pub(crate) webhooks: Webhooks,
    pub(crate) deliveries: Deliveries,
    pub(crate) queue: Queue,
    pub(crate) sender: Sender,
    pub(crate) schedule: Schedule,
    /// How long a webhook may do nothing but fail.
    pub(crate) patience: Duration,
    pub(crate) retention_days: u32,
    pub(crate) tracer: Tracer,
    pub(crate) send_traceparent: bool,
    pub(crate) recorder: Recorder,
    pub(crate) teller: Teller,
}

impl Dispatcher {
    /// Works on a batch until `deadline`, the end of the function's time; `trace` is the invocation's trace header.
    pub(crate) async fn handle(&self, event: &SqsEvent, deadline: SystemTime, trace: Option<&str>) -> SqsBatchResponse {
        let remaining = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let deadline = Instant::now() + remaining.saturating_sub(TIME_TO_FINISH);

        let observed = Observed::default();
        let (records, messages, mut given_back) = readable(event);
        observed.count(Metric::Faults, given_back.len());
        let read = self.deliveries.read(&self.webhooks, &messages, are_new(&records, &messages));
        let read = timeout_at(deadline, read).await;
        match read.map_err(|_| Unfinished::OutOfTime).and_then(|read| Ok(read?)) {
            Ok(stored) => {
                let worked = records.into_iter().zip(messages).zip(stored).map(async |((record, message), stored)| {
                    let step = self.tracer.begin(queue::trace_header(record), trace, Timestamp::now());
                    let (work, untold) = self.work(message, stored, step, &observed, deadline).await;
                    Worked { record, work, untold }
                });
                let worked = worked.collect::<FuturesUnordered<_>>();
                let settled = tokio_stream::StreamExt::chunks_timeout(worked, TOGETHER, TIME_TO_GATHER)
                    .map(|worked| self.settle_in_time(worked, &observed, deadline))
                    .buffer_unordered(TOGETHER);
                given_back.extend(settled.collect::<Vec<_>>().await.into_iter().flatten());
            }
            Err(err) => {
                tracing::error!(cause = telemetry::chain(&err), "the whole batch goes back to the queue");
                observed.count(Metric::Faults, records.len());
                given_back.extend(records);
            }
        }
        self.recorder.write(observed.into_metrics(), Timestamp::now());
        queue::give_back(given_back)
    }

    /// What a message comes to, and its webhook where that was disabled and nobody was told.
    async fn work(
        &self,
        message: Message,
        stored: Result<Stored, StoreError>,
        step: Option<trace::Step>,
        observed: &Observed,
        deadline: Instant,
    ) -> (Result<Work, Unfinished>, Option<Webhook>) {
        let Stored { delivery, webhook } = match stored {
            Ok(stored) => stored,
            Err(err) => return (Err(err.into()), None),
        };
        let untold = webhook.as_ref().filter(|webhook| self.teller.is_on() && webhook.is_given_up()).cloned();
        let queued_at = message.queued_at.filter(|_| delivery.is_none());
        let work = match delivery::step(message, delivery, webhook, Timestamp::now()) {
            Step::Finished => Ok(Work::Nothing),
            Step::Cancel(delivery) => Ok(Work::Cancelled(delivery)),
            Step::Wait(due) => Ok(Work::Wait(due)),
            Step::Send(delivery, webhook) => {
                let attempt = self.attempt(delivery, webhook, queued_at, step, observed);
                let attempted = timeout_at(deadline, attempt).await;
                attempted.map(|attempted| Work::Attempted(Box::new(attempted))).map_err(|_| Unfinished::OutOfTime)
            }
        };
        (work, untold)
    }

    async fn attempt(
        &self,
        delivery: Delivery,
        webhook: Webhook,
        queued_at: Option<Timestamp>,
        step: Option<trace::Step>,
        observed: &Observed,
    ) -> Attempted {
        let traceparent = step.as_ref().filter(|_| self.send_traceparent).map(trace::Step::traceparent);
        let exchange = self.sender.attempt(&webhook, &delivery.message, traceparent.as_deref()).await;
        let Exchange { attempt, retry_after, sent_at } = exchange;
        let now = Timestamp::now();
        let retry_after = retry_after.map_or(Duration::ZERO, |value| retry::retry_after(&value, now));
        let circumstances = Circumstances { earlier_tries: delivery.tries, now, jitter: jitter(), retry_after };
        let verdict = self.schedule.verdict(&attempt.outcome, circumstances);
        let delivery = delivery.after(attempt, verdict);
        let attempted = Attempted { delivery, webhook, verdict, sent_at, ended_at: now, queued_at, step };
        observed::trace(&self.tracer, &attempted);
        observed.attempted(&attempted);
        attempted
    }

    /// The records that stay on the queue.
    async fn settle_in_time<'a>(
        &self,
        worked: Vec<Worked<'a>>,
        observed: &Observed,
        deadline: Instant,
    ) -> Vec<&'a SqsMessage> {
        let records: Vec<_> = worked.iter().map(|worked| worked.record).collect();
        let unfinished = match timeout_at(deadline + TIME_TO_SETTLE, self.settle(worked, observed)).await {
            Ok(unfinished) => unfinished,
            Err(_) => records.into_iter().map(|record| (record, Unfinished::OutOfTime)).collect(),
        };
        for (record, why) in &unfinished {
            if !matches!(why, Unfinished::NotDue(_)) {
                observed.count(Metric::Faults, 1);
                let cause = telemetry::chain(why);
                tracing::error!(message_id = record.message_id, cause, "a delivery goes back to the queue");
            }
        }
        unfinished.into_iter().map(|(record, _)| record).collect()
    }

    /// Records what became of some messages, and does what follows from it.
    async fn settle<'a>(&self, worked: Vec<Worked<'a>>, observed: &Observed) -> Vec<(&'a SqsMessage, Unfinished)> {
        observed::log(worked.iter().filter_map(Worked::attempted));
        // Neither waits for the other: a 410 counts at once even where the record fails.
        let (recorded, told) = tokio::join!(
            self.record(&worked),
            join_all(worked.iter().map(|worked| self.consequences(worked, observed)))
        );

        let mut recorded = recorded.into_iter();
        let mut unfinished = Vec::new();
        for (Worked { record, work, .. }, told) in worked.into_iter().zip(told) {
            let done = work.and_then(|work| {
                if let Some(delivery) = work.delivery() {
                    recorded.next().expect("a result for each delivery")?;
                    observed.recorded(delivery);
                }
                match work {
                    Work::Wait(due) => return Err(Unfinished::NotDue(due)),
                    Work::Attempted(attempted) => {
                        if let Verdict::RetryAt(due) = attempted.verdict {
                            return Err(Unfinished::NotDue(due));
                        }
                    }
                    Work::Nothing | Work::Cancelled(_) => {}
                }
                if told { Ok(()) } else { Err(Unfinished::NotTold) }
            });
            unfinished.extend(done.err().map(|why| (record, why)));
        }
        self.hide(&unfinished).await;
        unfinished
    }

    /// In the order of what there is to record.
    async fn record(&self, worked: &[Worked<'_>]) -> Vec<Result<(), RecordError>> {
        let work = worked.iter().filter_map(|worked| worked.work.as_ref().ok());
        let deliveries: Vec<_> = work.filter_map(Work::delivery).collect();
        self.deliveries.record(&deliveries, expires_at(Timestamp::now(), self.retention_days)).await
    }

    /// Keeps what an attempt means for its webhook's health, and tells the operator where that is news. False where they
    /// should have been told and were not.
    async fn consequences(&self, worked: &Worked<'_>, observed: &Observed) -> bool {
        if let Some(webhook) = &worked.untold {
            return self.teller.tell(webhook, None, Timestamp::now()).await;
        }
        let Some(Attempted { delivery, webhook, ended_at, .. }) = worked.attempted() else { return true };
        let Some(attempt) = delivery.attempts.last() else { return true };
        let change = webhook.health_after(&attempt.outcome, *ended_at, self.patience);
        let changed = match &change {
            // The usual case, which costs no write.
            None => webhook.health.told.is_some().then(|| webhook.clone()),
            Some(change) => match self.change_health(webhook, change, *ended_at, observed).await {
                Ok(changed) => changed,
                // It may have been disabled all the same: whoever gets the message again sees.
                Err(_) => return !(self.teller.is_on() && change.disables()),
            },
        };
        let Some(webhook) = changed else { return true };
        self.teller.tell(&webhook, Some((&delivery.message.delivery_id, attempt)), *ended_at).await
    }

    /// Gives the webhook as it is then. Where this fails the change is lost, until the next attempt makes it again: to fail
    /// the delivery for it would send the webhook once more.
    async fn change_health(
        &self,
        webhook: &Webhook,
        change: &HealthChange,
        now: Timestamp,
        observed: &Observed,
    ) -> Result<Option<Webhook>, StoreError> {
        let kept = self.webhooks.change_health(webhook, change, now).await.inspect_err(|err| {
            tracing::error!(cause = telemetry::chain(err), "a webhook's health was not kept");
        })?;
        let Some(HealthKept { webhook, changed }) = kept else { return Ok(None) };
        if let (true, HealthChange::Gone { reason } | HealthChange::GivenUp { reason, .. }) = (changed, change) {
            let (account_id, webhook_id) = (webhook.account_id.as_str(), webhook.id.0);
            tracing::warn!(account_id, webhook_id, reason, "a webhook is disabled");
            observed.count(Metric::WebhooksDisabled, 1);
        }
        Ok(Some(webhook))
    }

    /// Hides what is not due. What is not hidden comes back after the queue's own timeout: if that is too early, it is hidden
    /// again.
    async fn hide(&self, unfinished: &[(&SqsMessage, Unfinished)]) {
        let now = Timestamp::now();
        let waits: Vec<_> = unfinished
            .iter()
            .filter_map(|(record, why)| match why {
                Unfinished::NotDue(due) => {
                    Some((*record, Duration::try_from(due.duration_since(now)).unwrap_or_default()))
                }
                _ => None,
            })
            .collect();
        self.queue.hide(&waits).await;
    }
}

/// When a delivery that is recorded now may be forgotten, in Unix seconds.
fn expires_at(now: Timestamp, retention_days: u32) -> i64 {
    now.as_second() + i64::from(retention_days) * 86_400
}

/// From 0 up to 1.
fn jitter() -> f64 {
    f64::from(getrandom::u32().unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_kept_for_its_days_after_the_last_record() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let end: Timestamp = "2026-02-01T03:04:05Z".parse().unwrap();
        assert_eq!(expires_at(now, 30), end.as_second());
    }
}
