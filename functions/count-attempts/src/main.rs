//! Counts attempts for the webhooks' statistics: reads from the deliveries table's stream what the dispatcher recorded, and
//! adds it to the webhooks' hours. See `docs/decisions/0020-statistics-come-from-the-stream.md`.

use std::{
    pin::pin,
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt as _, stream};
use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    config,
    store::{Changes, Deliveries},
    telemetry,
};
use tokio::time::{Instant, timeout_at};

/// How many hours are added to at the same time.
const AT_ONCE: usize = 20;

/// What a function needs to answer. One that has not by the end of its time gets the batch again, and counts it again.
const TIME_TO_ANSWER: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let deliveries = Deliveries::from_env(&config::aws()?)?;
    let handler = service_fn(async |event: LambdaEvent<Changes>| {
        let LambdaEvent { payload, context } = event;
        handle(&deliveries, payload, context.deadline()).await
    });
    lambda_runtime::run(handler).await
}

/// Where nothing could be added the batch comes again. Where a part could not be, that is missing: to try again would count
/// the rest twice.
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
