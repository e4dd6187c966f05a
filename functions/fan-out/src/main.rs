//! Turns each completion into one delivery message per webhook that subscribed to it. It writes nothing: the message is
//! the delivery's only home until its first attempt.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    config,
    delivery::Message,
    event::Completion,
    queue::{self, Queue, SqsBatchResponse, SqsEvent, SqsMessage},
    store::Webhooks,
    telemetry::{
        self,
        metrics::{Metric, Metrics, Recorder},
        trace::{Step, Tracer},
    },
    webhook::{AccountId, Webhook},
};
use serde_json::json;

struct FanOut {
    webhooks: Webhooks,
    deliveries: Queue,
    dead_letters: Queue,
    tracer: Tracer,
    recorder: Recorder,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let aws = config::aws()?;
    let fan_out = FanOut {
        webhooks: Webhooks::new(&aws, config::text("WEBHOOKS_TABLE")?),
        deliveries: Queue::new(&aws, config::text("DELIVERIES_QUEUE_URL")?),
        dead_letters: Queue::new(&aws, config::text("DEAD_LETTER_QUEUE_URL")?),
        tracer: Tracer::from_env()?,
        recorder: Recorder::from_env()?,
    };
    let handler = service_fn(async |event: LambdaEvent<SqsEvent>| {
        let LambdaEvent { payload, context } = event;
        Ok::<_, lambda_runtime::Error>(fan_out.handle(&payload, context.xray_trace_id.as_deref()).await)
    });
    lambda_runtime::run(handler).await
}

impl FanOut {
    /// Works on a batch; `trace` is the invocation's trace header.
    async fn handle(&self, event: &SqsEvent, trace: Option<&str>) -> SqsBatchResponse {
        let began = Timestamp::now();
        let steps: Vec<Option<Step>> =
            event.records.iter().map(|it| self.tracer.begin(queue::trace_header(it), trace, began)).collect();
        let parsed = join_all(event.records.iter().map(|record| self.parse(record))).await;
        let completions: Vec<(usize, &Completion)> =
            parsed.iter().enumerate().filter_map(|(at, parsed)| Some((at, parsed.as_ref().ok()?.as_ref()?))).collect();
        let webhooks = self.webhooks_of(completions.iter().map(|(_, completion)| &completion.account_id)).await;

        let unread = completions.iter().filter(|(_, completion)| !webhooks.contains_key(&completion.account_id));
        let mut failed: HashSet<usize> = unread.map(|(at, _)| *at).collect();
        failed.extend(parsed.iter().enumerate().filter_map(|(at, parsed)| parsed.is_err().then_some(at)));

        // A completion that stands twice in the batch makes one message; if that is refused, its first copy stays on
        // the queue for it.
        let mut made = HashSet::new();
        let messages = completions.iter().flat_map(|(at, completion)| {
            let webhooks = webhooks.get(&completion.account_id).into_iter().flatten();
            let wanting = webhooks.filter(|webhook| webhook.wants(completion.event));
            let (queued_at, step) = (queue::sent_at(&event.records[*at]), steps[*at].as_ref());
            wanting.map(move |webhook| {
                let message = Message { queued_at, ..Message::new(completion, webhook) };
                (*at, message, step.map(Step::next))
            })
        });
        let refused =
            self.deliveries.send(messages.filter(|(_, message, _)| made.insert(message.delivery_id.clone()))).await;

        let mut metrics = Metrics::default();
        metrics.count(Metric::DeliveriesQueued, made.len().saturating_sub(refused.len()));
        failed.extend(refused);
        metrics.count(Metric::Completions, completions.len());
        metrics.count(Metric::DeadLetters, parsed.iter().filter(|parsed| matches!(parsed, Ok(None))).count());
        metrics.count(Metric::Faults, failed.len());
        let sent = completions.iter().filter_map(|(at, _)| queue::sent_at(&event.records[*at]));
        sent.for_each(|sent_at| metrics.measure_since(Metric::AgeAtFanOut, sent_at, began));
        self.recorder.write(metrics, Timestamp::now());
        self.trace(&completions, &steps);
        queue::give_back(failed.into_iter().map(|at| &event.records[at]))
    }

    fn trace(&self, completions: &[(usize, &Completion)], steps: &[Option<Step>]) {
        let now = Timestamp::now();
        for (at, completion) in completions {
            let Some(step) = &steps[*at] else { continue };
            let about = json!({ "account_id": completion.account_id, "task_id": completion.task_id });
            self.tracer.end(step, "nano-webhooks fan-out", now, &about, None);
        }
    }

    /// The completion in a message; none where the message is no completion and now is a dead letter. It fails when the
    /// dead-letter queue does: the message is then given back, since nothing may be dropped.
    async fn parse(&self, record: &SqsMessage) -> Result<Option<Completion>, queue::QueueError> {
        let sent_at = queue::sent_at(record).unwrap_or_default();
        let rejection = match Completion::parse(record.body.as_deref().unwrap_or_default(), sent_at) {
            Ok(completion) => return Ok(Some(completion)),
            Err(rejection) => rejection.to_string(),
        };
        tracing::warn!(message_id = record.message_id, reason = rejection, "a message is no completion");
        self.dead_letters.dead_letter(record, &rejection).await.inspect_err(|err| {
            tracing::error!(message_id = record.message_id, cause = telemetry::chain(err), "a dead letter was refused");
        })?;
        Ok(None)
    }

    /// The webhooks of each account; an account whose webhooks could not be read is left out.
    async fn webhooks_of<'a>(
        &self,
        accounts: impl Iterator<Item = &'a AccountId>,
    ) -> HashMap<&'a AccountId, Vec<Webhook>> {
        let accounts: HashSet<_> = accounts.collect();
        let read = join_all(accounts.into_iter().map(async |account| match self.webhooks.list(account).await {
            Ok(webhooks) => Some((account, webhooks)),
            Err(err) => {
                tracing::error!(%account, cause = telemetry::chain(&err), "an account's completions stay on the queue");
                None
            }
        }));
        read.await.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_event_holds_completions() {
        let event: SqsEvent = serde_json::from_str(include_str!("../../../events/fan-out.json")).unwrap();
        assert_eq!(event.records.len(), 2, "one bare, one in an EventBridge envelope");
        for record in &event.records {
            let sent_at = queue::sent_at(record).unwrap();
            let completion = Completion::parse(record.body.as_deref().unwrap(), sent_at).unwrap();
            assert_eq!(completion.account_id.as_str(), "acct_demo");
        }
    }
}
