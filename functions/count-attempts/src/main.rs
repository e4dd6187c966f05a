//! Counts attempts for the webhooks' statistics and the operator's bill: reads the dispatcher's records from the deliveries
//! table's stream, and adds them to the webhooks' hours and the accounts' months. See
//! `docs/decisions/0020-statistics-come-from-the-stream.md` and `0047-the-bill-is-metered.md`.

use std::{
    pin::pin,
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt as _, stream};
use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    aws::{self, AwsError},
    store::{Changes, Deliveries},
    telemetry,
};
use tokio::time::{Instant, timeout_at};

/// How many items are written at the same time.
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

/// Adds a batch to the statistics. Fails, so that the batch is read again, only if no hour could be added. If a part could
/// not be added, it is missing from the statistics: another try would count the rest twice. For the same reason the months
/// come after the hours: a batch that is read again has added to no month.
async fn handle(deliveries: &Deliveries, changes: Changes, deadline: SystemTime) -> Result<(), lambda_runtime::Error> {
    let remaining = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    let deadline = Instant::now() + remaining.saturating_sub(TIME_TO_ANSWER);
    let (hours, months) = changes.counts();
    let adding = hours.iter().map(|(hour, tally)| deliveries.add_to_hour(hour, tally));
    let (missing, cause) = add(adding, deadline).await;
    if missing > 0 {
        tracing::warn!(hours = missing, cause, "attempts are not in the statistics");
    }
    if missing == hours.len() && missing > 0 {
        return Err("no attempt could be counted".into());
    }
    let adding = months.iter().map(|(month, units)| deliveries.add_to_month(month, units));
    let (missing, cause) = add(adding, deadline).await;
    if missing > 0 {
        tracing::warn!(accounts = missing, cause, "attempts are not in what their accounts used");
    }
    Ok(())
}

/// Makes these writes, until the deadline. Returns how many are missing, and why.
async fn add<W: Future<Output = Result<(), AwsError>>>(
    writes: impl ExactSizeIterator<Item = W>,
    deadline: Instant,
) -> (usize, String) {
    let mut missing = writes.len();
    let mut adding = pin!(stream::iter(writes).buffer_unordered(AT_ONCE));
    let mut cause = "the time ran out".to_owned();
    while let Ok(Some(result)) = timeout_at(deadline, adding.next()).await {
        match result {
            Ok(()) => missing -= 1,
            Err(err) => cause = telemetry::chain(&err),
        }
    }
    (missing, cause)
}
