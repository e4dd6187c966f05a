//! Reads the dispatchers' records from the deliveries table's stream, folds them into each webhook's health, and
//! notifies the operator. No other function writes health. The fold accepts records in any order and any number of
//! times, so if any part of a batch fails, the whole batch is read again. See
//! `docs/decisions/0027-the-circuit-is-a-fold.md`.

mod notifier;
mod watcher;

use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    aws,
    bus::Bus,
    config,
    store::{Changes, Deliveries, Webhooks},
    telemetry::{self, metrics::Recorder},
};

use crate::{notifier::Notifier, watcher::Watcher};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let bus = Some(config::text("NOTIFY_BUS_NAME")?).filter(|name| !name.is_empty());
    let watcher = Watcher {
        webhooks: Webhooks::from_env(&aws)?,
        settings: config::circuit_settings()?,
        notifier: bus
            .map(|name| {
                Ok::<_, config::ConfigError>(Notifier {
                    bus: Bus::new(&aws, name),
                    deliveries: Deliveries::from_env(&aws)?,
                    stack: config::text("STACK_NAME")?,
                    patience: config::seconds("NOTIFY_FAILING_AFTER_SECONDS")?,
                    has_failed: AtomicBool::default(),
                })
            })
            .transpose()?,
    };
    let recorder = Recorder::from_env()?;
    let handler = service_fn(async |event: LambdaEvent<Changes>| {
        let (metrics, result) = watcher.handle(event.payload).await;
        recorder.write(&metrics, Timestamp::now());
        result
    });
    lambda_runtime::run(handler).await
}
