//! Sends what has waited. Each minute: the attempts that are due, and those whose message got lost; probes of endpoints that
//! are down, and held deliveries of those that are back.
//!
//! A run works until nothing is left or its time is over, and the next one goes on from where it stopped. What it remembers
//! is in the tables, and written on condition that it is what the run has read. So a run that dies is made good by the next
//! one. Runs do not overlap, because a run ends before the next minute. If the schedule starts two at once nevertheless, both
//! may send the same messages, and then the dispatcher may make an attempt twice, as when SQS delivers a message twice.

mod run;
mod waits;
mod webhooks;

use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    aws::AwsError,
    config,
    queue::Queue,
    store::{Deliveries, Waiting, Webhooks},
    telemetry::{self, metrics::Recorder},
    webhook::Settings,
};
use serde_json::Value;

use crate::run::{Done, Run};

/// What a run works with.
struct Release {
    waiting: Waiting,
    deliveries: Deliveries,
    webhooks: Webhooks,
    queue: Queue,
    settings: Settings,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let aws = config::aws()?;
    let release = Release {
        waiting: Waiting::from_env(&aws)?,
        deliveries: Deliveries::from_env(&aws)?,
        webhooks: Webhooks::from_env(&aws)?,
        queue: Queue::from_env(&aws, "DELIVERIES_QUEUE_URL")?,
        settings: config::circuit_settings()?,
    };
    let recorder = Recorder::from_env()?;
    // What the schedule sends says nothing that a run needs to know.
    let handler = service_fn(async |event: LambdaEvent<Value>| {
        let run = Run::until(event.context.deadline());
        let done =
            release.run(run).await.inspect_err(|err| tracing::error!(cause = telemetry::chain(err), "no run"))?;
        recorder.write(done.metrics(), Timestamp::now());
        Ok::<_, lambda_runtime::Error>(())
    });
    lambda_runtime::run(handler).await
}

impl Release {
    /// One run. Fails if it could not even begin; what goes wrong later is logged, counted and left to the next run.
    async fn run(&self, run: Run) -> Result<Done, AwsError> {
        let cursors = self.waiting.cursors().await?;
        let (released, swept, acted) =
            tokio::join!(self.release(&cursors, run), self.sweep(&cursors, run), self.webhooks(run));
        Ok(released.and(swept).and(acted))
    }
}
