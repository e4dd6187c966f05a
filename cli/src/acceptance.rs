//! `nano-webhooks acceptance`: shows on a deployed stack, from outside, what the end-to-end tests show on the local one.
//!
//! Each check makes accounts of its own, plays their customer, job pipeline and endpoint, and looks at what arrives. All
//! checks are made at the same time; the load comes after them. At the end, also after a failure or Ctrl-C, everything
//! that can be removed is removed.

mod access;
mod account;
mod bill;
mod check;
mod clean_up;
mod dead_letter;
mod delivering;
mod failing;
mod load;
mod observed;
mod outcome;
mod permissions;
mod receiver;
mod report;
mod signature;
mod signed;
mod world;

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum as _};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use jiff::SignedDuration;

use self::{bill::Work, check::Check, load::Load, receiver::Receiver, report::Report, world::World};
use crate::{doctor, failure::Failure, stack::Stack, terminal};

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Acceptance {
    /// The public https URL of a tunnel to this machine's port --port; the local stack needs none
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The port on 127.0.0.1 to which the endpoint forwards
    #[arg(long, default_value_t = 8787, requires = "endpoint")]
    port: u16,
    /// The API's address, if it is not the one in the stack's outputs
    #[arg(long, value_name = "URL", env = "NANO_API_URL", hide_env_values = true)]
    api_url: Option<String>,
    /// Make only these checks
    #[arg(long, value_name = "CHECK", value_enum, hide_possible_values = true)]
    only: Vec<Check>,
    /// Make also the checks that take more than five minutes
    #[arg(long)]
    long: bool,
    /// Afterwards send this many completions a second
    #[arg(long, value_name = "RATE", requires = "length", value_parser = clap::value_parser!(u32).range(1..=500))]
    load: Option<u32>,
    /// For how long: 14d at most
    #[arg(long = "for", id = "length", value_name = "10m", requires = "load", value_parser = load::length)]
    length: Option<SignedDuration>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
    /// Only remove what killed runs have left
    #[arg(long, conflicts_with_all = ["endpoint", "only", "long", "load"])]
    clean_up: bool,
}

const HELP: &str = "\
Examples:
  nano-webhooks --local acceptance
  nano-webhooks --stack nano-webhooks-test acceptance --endpoint https://abc.tunnel.example.com
  nano-webhooks --stack nano-webhooks-test acceptance --endpoint https://abc.tunnel.example.com --load 50 --for 10m
  nano-webhooks acceptance --only throttling --only permissions --yes --json

The checks: create-to-delivered, signatures, repeated-completion, redelivered-message, conflicting-records, callback,
retry-by-delayed-message, retry-by-due-time (with --long), held-and-drained, resend, dead-letter-and-redrive, statistics,
repeated-request, keys-refused, isolation, throttling, permissions, metrics, traces, kms, load (with --load).

The command listens on 127.0.0.1, and the stack has to reach it: --endpoint names a tunnel to the port. Without one, the
checks that need an endpoint are not made. It makes accounts named acceptance-…, and removes their webhooks and keys at the
end. For a minute there are dead letters, so the alarm for dead letters may sound.

Exit code 1 if a check fails.";

impl Acceptance {
    pub(crate) async fn run(self, stack: Stack, json: bool) -> Result<(), Failure> {
        if self.clean_up {
            return or_ctrl_c(Box::pin(clean_up::clean_up_after_others(&stack, self.yes, json))).await;
        }
        let endpoint = self.endpoint.as_deref().map(|url| doctor::endpoint(&stack, url)).transpose()?;
        let checks = if self.only.is_empty() { Check::value_variants().to_vec() } else { self.only.clone() };
        let load = self.load();
        let works = checks.iter().map(|check| check.work(&stack, load));
        let work = works.fold(Work::default(), Work::and);
        let run = World::name();
        let dollars = if stack.calls_this_machine() { 0.0 } else { work.dollars() };
        terminal::confirm(self.yes, &self.question(&stack, &run, dollars, checks.len())).await?;

        let receiver = match &endpoint {
            Some(url) => Some(Receiver::start(self.port, Some(url.as_str()), &run).await?),
            None if stack.calls_this_machine() => Some(Receiver::start(0, None, &run).await?),
            None => None,
        };
        let mut report = Report::new(&stack.name, &run, dollars, json);
        let api_url = self.api_url.as_deref().map_or_else(|| stack.api_url(), Ok)?.to_owned();
        let world = or_ctrl_c(async {
            let world = World::new(stack, (run, api_url), receiver, self.long).await?;
            if endpoint.is_some() {
                world.check_endpoint().await?;
            }
            Ok(world)
        });
        let world = world.await?;
        let made = or_ctrl_c(Box::pin(make(&world, &checks, load, &mut report))).await;
        let removed = or_ctrl_c(Box::pin(clean_up::clean_up(&world))).await;
        let was_removed = removed.is_ok();
        // After Ctrl-C the report has the checks that had ended by then.
        match (made, report.end(removed, world.server_errors.get())) {
            (Ok(()), ended) => ended,
            (Err(failure), ended) => {
                if let Some(what) = ended.err().filter(|_| !was_removed).as_ref().and_then(Failure::text) {
                    terminal::note(what);
                }
                Err(failure)
            }
        }
    }

    fn load(&self) -> Option<Load> {
        let (rate, length) = self.load.zip(self.length)?;
        Some(Load { rate, length: Duration::from_secs(length.as_secs().unsigned_abs()) })
    }

    fn question(&self, stack: &Stack, run: &str, dollars: f64, checks: usize) -> String {
        let load = self.load().map_or(Duration::ZERO, |load| load.length + Duration::from_mins(4));
        let long = if self.long { Duration::from_mins(25) } else { Duration::from_mins(5) };
        let minutes = (long + load).as_secs() / 60;
        let region = stack.aws.region().map_or("no region", |region| region.as_ref());
        let cents = dollars * 100.0;
        let cost =
            if dollars == 0.0 { "costs nothing here".to_owned() } else { format!("costs about {cents:.2} cents") };
        format!(
            "Make {checks} checks of {} in {region}, with new accounts {run}-…? It takes up to {minutes} minutes and {cost}; \
             the alarm for dead letters may sound.",
            stack.name
        )
    }
}

/// Returns what the future returns, or [`Failure::Interrupted`] if Ctrl-C comes first.
async fn or_ctrl_c<T>(working: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        worked = working => worked,
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    }
}

/// Makes the checks, all at the same time, and then the load.
async fn make(world: &World, checks: &[Check], load: Option<Load>, report: &mut Report) -> Result<(), Failure> {
    for is_first in [true, false] {
        let chosen = checks.iter().copied().filter(|check| check.is_first() == is_first);
        let mut making: FuturesUnordered<_> = chosen
            .map(async |check| {
                let start = Instant::now();
                (check, check.make(world, load).await, start.elapsed())
            })
            .collect();
        while let Some((check, outcome, took)) = making.next().await {
            report.add(check, outcome, took)?;
        }
    }
    Ok(())
}
