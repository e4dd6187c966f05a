//! `release`: how much one run sends. One run puts all due attempts on the queue; then another finds nothing due, as
//! most runs do.

use std::time::Duration;

use hyper::body::Bytes;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    failure::{Result, check},
    history::id,
    lambda::PROCESSOR_MIB,
    report::{Report, median, ms, rounded, table},
    row,
    traffic::{WAITING_TABLE, account, deliveries, load, said},
    world::{Functions, World},
};

const SHARDS: usize = 16;
/// How many accounts the attempts are for.
const ACCOUNTS: usize = 100;
/// How many attempts are due, and how often to measure.
pub(crate) struct Options {
    pub(crate) due: usize,
    pub(crate) runs: usize,
}

/// The figures of one run.
struct Run {
    seconds: f64,
    cpu_ms: f64,
    peak_rss_mib: f64,
    read_units: f64,
    write_units: f64,
    calls: u64,
}

/// Measures a run with due attempts and one without, `runs` times.
pub(crate) fn run(functions: &Functions, options: &Options) -> Result<Report> {
    let memory_mb = functions.function("release")?.memory_mb;
    let (mut busy, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..options.runs {
        let (one, other) = measure(functions, options.due)?;
        busy.push(one);
        idle.push(other);
    }
    let mut rows =
        vec![row!["due", "wall s", "CPU ms", "s of its share", "read units", "write units", "calls", "peak RSS MiB"]];
    let mut figures = Vec::new();
    for (due, runs) in [(options.due, &busy), (0, &idle)] {
        let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure));
        let cpu_ms = of(|run| run.cpu_ms);
        let figure = json!({
            "due": due,
            "seconds": rounded(of(|run| run.seconds), 2),
            "cpu_ms": rounded(cpu_ms, 1),
            "seconds_of_its_share": rounded(cpu_ms / 1000.0 * PROCESSOR_MIB / memory_mb as f64, 2),
            "read_units": of(|run| run.read_units),
            "write_units": of(|run| run.write_units),
            "calls": of(|run| run.calls as f64),
            "peak_rss_mib": rounded(of(|run| run.peak_rss_mib), 1),
        });
        rows.push(row![
            due,
            figure["seconds"],
            figure["cpu_ms"],
            figure["seconds_of_its_share"],
            figure["read_units"],
            figure["write_units"],
            figure["calls"],
            figure["peak_rss_mib"],
        ]);
        figures.push(figure);
    }
    let text = format!(
        "One run of release; medians of {} runs. Its share of a processor is that of {memory_mb} MiB\n\n{}",
        options.runs,
        table(&rows)
    );
    Ok(Report { json: json!({"release": figures}), text })
}

fn measure(functions: &Functions, due: usize) -> Result<(Run, Run)> {
    let world = World::new(functions)?;
    fill(&world, due)?;
    let sandbox = world.start(functions, "release", false)?;
    let schedule = Bytes::from_static(include_bytes!("../../events/release.json"));
    let run = || {
        world.dynamodb().forget_usage();
        world.sqs().forget_usage();
        let before = sandbox.cpu_ms()?;
        world.lambda.queue([schedule.clone()]);
        let answers = world.lambda.answers(1).map_err(|err| said(&err, &sandbox.log.last_words()))?;
        let (dynamodb, sqs) = (world.dynamodb(), world.sqs());
        let usage = dynamodb.usage();
        Ok(Run {
            seconds: ms(answers.first().map_or(Duration::ZERO, |done| done.duration)) / 1000.0,
            cpu_ms: sandbox.cpu_ms()? - before,
            peak_rss_mib: sandbox.peak_rss_mib()?,
            read_units: usage.half_read_units as f64 / 2.0,
            write_units: usage.write_units as f64,
            calls: dynamodb.calls.values().sum::<u64>() + sqs.calls.values().sum::<u64>(),
        })
    };
    let busy = run()?;
    world.check_calls()?;
    let sent = deliveries(&world.sqs().sent)?.len();
    check(sent == due, || {
        format!("{sent} attempts were put on the queue in place of {due}: {}", sandbox.log.last_words())
    })?;
    let idle = run()?;
    check(world.sqs().sent.len() == due, || "the next run sent something again".to_owned())?;
    Ok((busy, idle))
}

/// Adds attempts to the waiting table that are due within the last minute. Each has an item of its own, which is the
/// expensive case: those of a batch share one.
fn fill(world: &World, due: usize) -> Result<()> {
    let from = Timestamp::now() - Duration::from_mins(1);
    for number in 0..due {
        let (account, id) = (account(number % ACCOUNTS), id(number as u64));
        let at = from + Duration::from_millis((number * 59_000 / due) as u64);
        let item = json!({
            "shard": {"S": (number % SHARDS).to_string()},
            "due": {"S": format!("{at:.3}#{number}")},
            "attempts": {"L": [{"S": format!("{account}#1#{id}#job.completed#0#2")}]},
            "expires_at": {"N": (at.as_second() + 172_800).to_string()},
        });
        load(world, WAITING_TABLE, item.to_string())?;
    }
    Ok(())
}
