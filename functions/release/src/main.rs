//! Runs every minute. It sends the attempts that are due, and those whose message got lost. It probes endpoints that
//! are down, sends held deliveries to endpoints that are back, and continues resends.
//!
//! A run works until nothing is left or its time is over, and the next run continues there. Its state is in the
//! tables, and every change of it is a conditional write, so the next run repeats what a run that died has left. Runs
//! do not overlap, because a run ends before the next minute. If the schedule nevertheless starts two at the same
//! time, both may send the same messages, and the dispatcher may make an attempt twice, as when SQS delivers a
//! message twice.

mod resend;
mod run;
mod waits;
mod webhooks;

use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    aws::{self, AwsError},
    config,
    queue::Queue,
    store::{Deliveries, Events, Waiting, Webhooks},
    telemetry::{self, metrics::Recorder},
    webhook::Settings,
};
use serde_json::Value;

use crate::run::{Done, Run};

/// The tables, the queue and the settings of a run.
struct Release {
    waiting: Waiting,
    deliveries: Deliveries,
    events: Events,
    webhooks: Webhooks,
    queue: Queue,
    settings: Settings,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let release = Release {
        waiting: Waiting::from_env(&aws)?,
        deliveries: Deliveries::from_env(&aws)?,
        events: Events::from_env(&aws)?,
        webhooks: Webhooks::from_env(&aws)?,
        queue: Queue::from_env(&aws, "DELIVERIES_QUEUE_URL")?,
        settings: config::circuit_settings()?,
    };
    let recorder = Recorder::from_env()?;
    // The schedule's event has nothing that a run needs.
    let handler = service_fn(async |event: LambdaEvent<Value>| {
        let run = Run::until(event.context.deadline());
        let done =
            release.run(run).await.inspect_err(|err| tracing::error!(cause = telemetry::chain(err), "no run"))?;
        recorder.write(&done.metrics(), Timestamp::now());
        Ok::<_, lambda_runtime::Error>(())
    });
    lambda_runtime::run(handler).await
}

impl Release {
    /// Does one run. Fails only if the cursors cannot be read. Later failures are logged, counted and left to the
    /// next run.
    async fn run(&self, run: Run) -> Result<Done, AwsError> {
        let cursors = self.waiting.cursors().await?;
        let (released, swept, acted) =
            tokio::join!(self.release(&cursors, run), self.sweep(&cursors, run), self.webhooks(run));
        Ok(released.and(swept).and(acted))
    }
}
