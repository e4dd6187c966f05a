//! Takes a batch of delivery messages, makes the attempt that each asks for, records the outcomes, and arranges the
//! next attempts. It does not judge endpoints: watch-webhooks does that, from the records that the dispatcher writes.

mod batch;
mod dispatcher;
mod limit;
mod observed;
mod plan;
mod rehearse;
mod settle;
mod successes;
mod used_up;

use std::time::Duration;

use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    aws,
    config::{self, ConfigError},
    queue::{LONGEST_DELAY, Queue, SqsEvent},
    sender::Sender,
    store::{Deliveries, Events, Rehearsals, Waiting, Webhooks},
    telemetry::{self, metrics::Recorder, trace::Tracer},
};

use crate::{dispatcher::Dispatcher, successes::Successes, used_up::UsedUp};

/// A delivery makes many short-lived allocations, for which this allocator is faster than the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The time a function needs besides its attempts: to read the batch before them, and to record and answer after
/// them.
const TIME_BESIDE_ATTEMPTS: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let policy = config::sending_policy()?;
    let dispatcher = Dispatcher {
        webhooks: Webhooks::from_env(&aws)?,
        deliveries: Deliveries::from_env(&aws)?,
        events: Events::from_env(&aws)?,
        waiting: Waiting::from_env(&aws)?,
        rehearsals: Rehearsals::from_env(&aws)?,
        queue: Queue::from_env(&aws, "DELIVERIES_QUEUE_URL")?,
        sender: Sender::new(policy, attempt_timeout()?),
        schedule: config::parsed("RETRY_SCHEDULE_SECONDS")?,
        longest_delay: config::seconds("LONGEST_DELAY_SECONDS")?.min(LONGEST_DELAY),
        retention_days: config::parsed("HISTORY_RETENTION_DAYS")?,
        tracer: Tracer::from_env()?,
        send_traceparent: config::switch("SEND_TRACEPARENT")?,
        recorder: Recorder::from_env()?,
        successes: Successes::default(),
        used_up: UsedUp::default(),
    };
    let handler = service_fn(async |event: LambdaEvent<SqsEvent>| {
        let LambdaEvent { payload, context } = event;
        let response = dispatcher.handle(&payload, context.deadline(), context.xray_trace_id.as_deref()).await;
        Ok::<_, lambda_runtime::Error>(response)
    });
    lambda_runtime::run(handler).await
}

/// Returns how long an attempt may take. Fails if that does not fit into the function's timeout: a message whose
/// attempt always runs out of time would become a dead letter, so the customer would lose a delivery to a wrong
/// parameter.
fn attempt_timeout() -> Result<Duration, ConfigError> {
    let name = "ATTEMPT_TIMEOUT_SECONDS";
    let (attempt, function) = (config::seconds(name)?, config::seconds("FUNCTION_TIMEOUT_SECONDS")?);
    if attempt + TIME_BESIDE_ATTEMPTS <= function {
        return Ok(attempt);
    }
    let most = function.saturating_sub(TIME_BESIDE_ATTEMPTS).as_secs();
    let problem = format!(
        "with DispatcherTimeoutSeconds at {} it can be {most} at most; make AttemptTimeoutSeconds smaller, or that larger",
        function.as_secs()
    );
    Err(ConfigError::Invalid { name, value: attempt.as_secs().to_string(), problem })
}
