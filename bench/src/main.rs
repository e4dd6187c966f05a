//! Instruments: they measure what a delivery and a request cost, how soon a cold function answers, the bill of a million
//! deliveries, how all of that grows, and how an outage affects other accounts.
//!
//! Each runs the real functions, built as they are deployed, against imitations of its own: a [Lambda](lambda::Lambda)
//! that hands them events, a [DynamoDB](dynamodb::DynamoDb) and an [SQS](sqs::Sqs) that count the calls, and a
//! [receiver]. `docs/performance.md` says what each measures, and has the figures.
//!
//! An instrument fails if it cannot show that the work was done: it prints no figure of deliveries that did not
//! arrive.

#![expect(clippy::cast_precision_loss, reason = "a figure is printed with a few of its digits")]

mod api;
mod binaries;
mod cold_start;
mod cores;
mod cost;
mod dispatch;
mod dynamodb;
mod failure;
mod fan_out;
mod growth;
mod history;
mod http;
mod lambda;
mod limit;
mod outage;
mod path;
mod receiver;
mod release;
mod report;
mod sandbox;
mod sqs;
mod template;
#[cfg(all(test, target_os = "linux"))]
mod tests;
mod traffic;
mod workers;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    binaries::{HELLO, Profile},
    failure::Result,
    report::Report,
    world::Functions,
};

/// Measures the functions on this machine.
#[derive(Parser)]
struct Command {
    #[command(subcommand)]
    instrument: Instrument,
    /// Print one JSON object and nothing else.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Instrument {
    /// What a delivery costs the dispatcher, compared with a loop that only signs and posts.
    Dispatch {
        /// How many deliveries each run makes.
        #[arg(long, default_value_t = 20_000)]
        deliveries: usize,
        /// How many runs to take the medians of.
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// How many dispatchers share the processor.
        #[arg(long, default_value_t = 2)]
        sandboxes: usize,
        /// The size of a body, in bytes.
        #[arg(long, default_value_t = 300)]
        body_bytes: usize,
        /// Measure only HTTP with keep-alive.
        #[arg(long)]
        headline: bool,
    },
    /// What a completion costs fan-out, by the number of webhooks that it goes to.
    FanOut {
        /// How many deliveries each run makes.
        #[arg(long, default_value_t = 20_000)]
        deliveries: usize,
        /// How many runs to take the medians of.
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// How many processes share the processor.
        #[arg(long, default_value_t = 2)]
        sandboxes: usize,
    },
    /// What an event costs on its whole way, compared with a loop that only signs and posts.
    Path {
        /// How many events each run sends.
        #[arg(long, default_value_t = 5_000)]
        events: usize,
        /// How many runs to take the medians of.
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// How many processes of a function share the processor.
        #[arg(long, default_value_t = 2)]
        sandboxes: usize,
        /// Measure only batches of this size: 10, 3 or 1.
        #[arg(long)]
        batch: Option<usize>,
    },
    /// How long each function takes from process start to its first request for an event, and to its first answer.
    ColdStart {
        /// Build and measure only these functions of the API.
        functions: Vec<String>,
        /// How many starts of each function to take the medians of.
        #[arg(long, default_value_t = 30)]
        runs: usize,
    },
    /// What a request costs each function of the API when it is warm.
    Api {
        /// Build and measure only these functions.
        functions: Vec<String>,
        /// How many requests each function gets.
        #[arg(long, default_value_t = 2000)]
        requests: usize,
    },
    /// The bill of a million deliveries, line by line.
    Cost {
        /// How many completions are sent.
        #[arg(long, default_value_t = 10_000)]
        completions: usize,
    },
    /// How much one run of release sends, and what a run costs that finds nothing due.
    Release {
        /// How many attempts are due.
        #[arg(long, default_value_t = 100_000)]
        due: usize,
        /// How many runs to take the medians of.
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
    /// How an endpoint that is down affects the other accounts: a simulation of days, with the library's decisions.
    Outage {
        /// How long an outage lasts, in minutes, unless the scenario has a length of its own.
        #[arg(long, default_value_t = 1_440)]
        minutes: u64,
        /// Scales the busy account's events, the million accounts, and the rates of the healthy scenarios (at least
        /// 0.1); 1 is full size.
        #[arg(long, default_value_t = 1.0)]
        scale: f64,
        /// Run only scenarios whose names contain this.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// What lists, a look-up, a search, fan-out and memory cost as history, accounts and payloads grow.
    Growth {
        /// How many requests, and completions, each figure is measured with.
        #[arg(long, default_value_t = 2000)]
        requests: usize,
    },
}

fn main() -> ExitCode {
    let command = Command::parse();
    match run(&command) {
        Ok(report) => {
            let figures = if command.json { report.json.to_string() } else { report.text };
            #[expect(clippy::print_stdout, reason = "this is where the figures are shown")]
            {
                println!("{figures}");
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<Report> {
    let functions = match &command.instrument {
        Instrument::Outage { minutes, scale, only } => {
            return outage::run(&outage::Options { minutes: *minutes, scale: *scale, only: only.clone() });
        }
        Instrument::FanOut { .. } => Functions::build(&["fan-out"], Profile::Release)?,
        Instrument::Dispatch { .. } => Functions::build(&["fan-out", "dispatcher"], Profile::Release)?,
        Instrument::Path { .. } => Functions::build(&["fan-out", "dispatcher", "count-attempts"], Profile::Release)?,
        Instrument::Cost { .. } => {
            let names = ["fan-out", "dispatcher", "count-attempts", "watch-webhooks"];
            Functions::build(&names, Profile::Release)?
        }
        Instrument::Release { .. } => Functions::build(&["release"], Profile::Release)?,
        Instrument::Growth { .. } => {
            let names = ["fan-out", "dispatcher", "count-attempts", "list-deliveries", "list-events", "get-event"];
            Functions::build(&names, Profile::Release)?
        }
        Instrument::ColdStart { functions, .. } | Instrument::Api { functions, .. } if !functions.is_empty() => {
            let named: Vec<&str> = functions.iter().map(String::as_str).collect();
            // The first three make the history that the others read.
            Functions::build(
                &[&["fan-out", "dispatcher", "count-attempts", HELLO], named.as_slice()].concat(),
                Profile::Release,
            )?
        }
        Instrument::ColdStart { .. } | Instrument::Api { .. } => Functions::build(&[], Profile::Release)?,
    };
    // After the build: cargo may use all processors.
    cores::leave_the_functions_alone()?;
    match command.instrument {
        Instrument::Dispatch { deliveries, runs, sandboxes, body_bytes, headline } => {
            let options = dispatch::Options { deliveries, runs, sandboxes, body_bytes, headline };
            dispatch::run(&functions, &options)
        }
        Instrument::FanOut { deliveries, runs, sandboxes } => {
            fan_out::run(&functions, &fan_out::Options { deliveries, runs, sandboxes, largest: fan_out::LARGEST })
        }
        Instrument::Path { events, runs, sandboxes, batch } => {
            path::run(&functions, &path::Options { events, runs, sandboxes, batch })
        }
        Instrument::Cost { completions } => cost::run(&functions, completions, true),
        Instrument::Release { due, runs } => release::run(&functions, &release::Options { due, runs }),
        Instrument::Growth { requests } => {
            let (histories, accounts) = (vec![100, 10_000, 1_000_000], vec![10, 1000, 100_000]);
            growth::run(
                &functions,
                &growth::Options { histories, accounts, requests, batches: 20, bodies_kib: growth::BODIES_KIB },
            )
        }
        Instrument::Outage { .. } => unreachable!("it needs no functions"),
        Instrument::ColdStart { runs, .. } => cold_start::run(&functions, runs, true),
        Instrument::Api { requests, .. } => api::run(&functions, requests),
    }
}
