//! Counts attempts for the webhooks' statistics: reads from the deliveries table's stream what the dispatcher recorded, and
//! adds it to the webhooks' hours. See `docs/decisions/0007-hourly-statistics.md`.

use futures_util::{StreamExt as _, stream};
use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    config,
    store::{Changes, Deliveries},
    telemetry,
};

/// How many hours are added to at the same time.
const AT_ONCE: usize = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let deliveries = Deliveries::new(&config::aws()?, config::text("DELIVERIES_TABLE")?);
    let handler = service_fn(async |event: LambdaEvent<Changes>| handle(&deliveries, event.payload).await);
    lambda_runtime::run(handler).await
}

/// Where nothing could be added the batch comes again. Where a part could not be, that is missing: to try again would count
/// the rest twice.
async fn handle(deliveries: &Deliveries, changes: Changes) -> Result<(), lambda_runtime::Error> {
    let tallies = changes.tallies();
    let hours = tallies.len();
    let adding = stream::iter(tallies)
        .map(async |(hour, tally)| deliveries.add_to_hour(&hour, &tally).await)
        .buffer_unordered(AT_ONCE);
    let failures: Vec<_> = adding.filter_map(async |added| added.err()).collect().await;
    for err in &failures {
        tracing::warn!(cause = telemetry::chain(err), "attempts are not in a webhook's statistics");
    }
    if hours > 0 && failures.len() == hours { Err("no attempt could be counted".into()) } else { Ok(()) }
}
