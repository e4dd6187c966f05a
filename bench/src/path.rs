//! `path`: what an event costs on its whole way, from the completion to the count of its attempt, in multiples of the
//! bare loop.
//!
//! watch-webhooks gets no event for a delivery that succeeds after no failure, and release runs once a minute whatever
//! is delivered, so neither has a column.

use serde_json::json;

use crate::{
    dispatch,
    failure::{Failure, Result},
    limit,
    receiver::Manner,
    report::{Report, median, ms, rounded, table},
    row,
    traffic::{account, attempts, check_counted, check_delivered, check_stored, completion, events, register},
    workers::Workers,
    world::{Functions, World},
};

/// What to send, and how often.
pub(crate) struct Options {
    pub(crate) events: usize,
    pub(crate) runs: usize,
    /// How many processes of a function share the functions' processor.
    pub(crate) sandboxes: usize,
    /// Whether to measure only batches of this size.
    pub(crate) batch: Option<usize>,
}

/// How many requests the bare loop makes for each event: with one its time is too short to be measured well.
const LOOPS: usize = 4;

/// How many messages are in a batch, and how many events each webhook gets in the minute whose attempts
/// count-attempts gets together.
const CASES: [(usize, usize); 4] = [(10, 100), (3, 100), (1, 100), (1, 1)];
const BODY_BYTES: usize = 300;

/// The processor time of one run, in milliseconds an event.
struct Run {
    fan_out: f64,
    dispatcher: f64,
    count_attempts: f64,
    limit: f64,
    /// The same loop with one request at a time.
    limit_alone: f64,
}

impl Run {
    fn whole(&self) -> f64 {
        self.fan_out + self.dispatcher + self.count_attempts
    }
}

/// A figure's name in a table, its name in the JSON, and how it is taken from a run.
type Column = (&'static str, &'static str, fn(&Run) -> f64);

const COLUMNS: [Column; 10] = [
    ("fan-out ms", "fan_out_ms", |run| run.fan_out),
    ("dispatcher ms", "dispatcher_ms", |run| run.dispatcher),
    ("count-attempts ms", "count_attempts_ms", |run| run.count_attempts),
    ("whole path ms", "whole_path_ms", Run::whole),
    ("bare loop ms", "limit_ms", |run| run.limit),
    ("one at a time ms", "limit_alone_ms", |run| run.limit_alone),
    ("fan-out, multiple", "fan_out", |run| run.fan_out / run.limit),
    ("dispatcher", "dispatcher", |run| run.dispatcher / run.limit),
    ("count-attempts", "count_attempts", |run| run.count_attempts / run.limit),
    ("whole path", "whole_path", |run| run.whole() / run.limit),
];

/// Measures every case in every run.
pub(crate) fn run(functions: &Functions, options: &Options) -> Result<Report> {
    let cases = || CASES.iter().filter(|(batch, _)| options.batch.is_none_or(|only| only == *batch));
    let mut runs: Vec<Vec<Run>> = cases().map(|_| Vec::new()).collect();
    for _ in 0..options.runs {
        for (case, runs) in cases().zip(&mut runs) {
            runs.push(measure(functions, options, *case)?);
        }
    }
    let mut rows = vec![row!["batches of", "events per webhook and minute"]];
    rows[0].extend(COLUMNS.iter().map(|(name, ..)| (*name).to_owned()));
    let mut figures = Vec::new();
    for ((batch, each), runs) in cases().zip(&runs) {
        let mut figure = json!({"batch": batch, "events_per_webhook_and_minute": each});
        let mut cells = row![batch, each];
        for (_, key, of) in COLUMNS {
            figure[key] = json!(rounded(median(runs.iter().map(of)), if key.ends_with("_ms") { 4 } else { 2 }));
            cells.push(figure[key].to_string());
        }
        rows.push(cells);
        figures.push(figure);
    }
    let text = format!(
        "{} events of {BODY_BYTES} bytes, one webhook each, HTTP with keep-alive; medians of {} runs; {} processes of a \
         function on one processor\n\n{}",
        options.events,
        options.runs,
        options.sandboxes,
        table(&rows)
    );
    Ok(Report { json: json!({"path": figures}), text })
}

fn measure(functions: &Functions, options: &Options, (batch, each): (usize, usize)) -> Result<Run> {
    let world = World::new(functions)?;
    let count = options.events;
    let accounts = count.div_ceil(each);
    for number in 0..accounts {
        register(&world, &account(number), 1, &Manner::Keep.url(&world.receiver(false)))?;
    }
    let warm_up = (count / 10).next_multiple_of(batch);
    let completions: Vec<_> =
        (0..count + warm_up).map(|number| completion(number, &account(number % accounts), BODY_BYTES)).collect();

    let fan_outs = Workers::start(&world, functions, "fan-out", options.sandboxes, false)?;
    fan_outs.handle(events(&completions[..warm_up], batch))?;
    let fan_out = fan_outs.handle(events(&completions[warm_up..], batch))?;
    world.lambda.wait_until_asked_by(options.sandboxes)?;
    drop(fan_outs);
    world.lambda.wait_until_nobody_asks()?;
    check_stored(&world, count + warm_up)?;

    let messages = std::mem::take(&mut world.sqs().sent);
    let dispatchers = Workers::start(&world, functions, "dispatcher", options.sandboxes, false)?;
    dispatchers.handle(events(&messages[..warm_up], batch))?;
    let dispatcher = dispatchers.handle(events(&messages[warm_up..], batch))?;
    world.lambda.wait_until_asked_by(options.sandboxes)?;
    drop(dispatchers);
    world.lambda.wait_until_nobody_asks()?;
    check_delivered(&world, &messages)?;
    let bare_loop = |at_once| {
        let took = limit::run(dispatch::target(&world, Manner::Keep, false)?, LOOPS * count, at_once)?;
        Ok::<_, Failure>(ms(took) / (LOOPS * count) as f64)
    };
    let (limit, limit_alone) = (bare_loop(limit::AT_ONCE)?, bare_loop(1)?);

    // The attempts that warmed up are counted too.
    let records = attempts(&world, functions.function("count-attempts")?.batch);
    let counters = Workers::start(&world, functions, "count-attempts", 1, false)?;
    let count_attempts = counters.handle(records)?;
    check_counted(&world, messages.len())?;
    Ok(Run {
        fan_out: fan_out / count as f64,
        dispatcher: dispatcher / count as f64,
        count_attempts: count_attempts / messages.len() as f64,
        limit,
        limit_alone,
    })
}
