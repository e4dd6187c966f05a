//! Counts attempts for the webhooks' statistics: reads the dispatcher's records from the deliveries table's stream,
//! and adds them to the webhooks' hours. See `docs/decisions/0020-statistics-come-from-the-stream.md`.

use std::{
    pin::pin,
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt as _, stream};
use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    aws,
    store::{Changes, Deliveries},
    telemetry,
};
use tokio::time::{Instant, timeout_at};

/// How many hours are written at the same time.
const AT_ONCE: usize = 20;

/// The time a function needs to answer. If it times out, it gets the batch again, and counts it again.
const TIME_TO_ANSWER: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let deliveries = Deliveries::from_env(&aws::config()?)?;
    let handler = service_fn(async |event: LambdaEvent<Changes>| {
        let LambdaEvent { payload, context } = event;
        handle(&deliveries, payload, context.deadline()).await
    });
    lambda_runtime::run(handler).await
}

/// Adds a batch to the statistics. Fails, so that the batch is read again, only if nothing could be added. If a part
/// could not be added, it is missing from the statistics: another try would count the rest twice.
async fn handle(deliveries: &Deliveries, changes: Changes, deadline: SystemTime) -> Result<(), lambda_runtime::Error> {
    let remaining = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    let deadline = Instant::now() + remaining.saturating_sub(TIME_TO_ANSWER);
    let tallies = changes.tallies();
    let hours = tallies.len();
    let adding = stream::iter(tallies).map(async |(hour, tally)| deliveries.add_to_hour(&hour, &tally).await);
    let mut adding = pin!(adding.buffer_unordered(AT_ONCE));
    let (mut added, mut cause) = (0, "the time ran out".to_owned());
    while let Ok(Some(result)) = timeout_at(deadline, adding.next()).await {
        match result {
            Ok(()) => added += 1,
            Err(err) => cause = telemetry::chain(&err),
        }
    }
    if added < hours {
        tracing::warn!(hours = hours - added, cause, "attempts are not in the statistics");
    }
    if added == 0 && hours > 0 { Err("no attempt could be counted".into()) } else { Ok(()) }
}
