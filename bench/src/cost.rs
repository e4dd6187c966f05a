//! `cost`: the bill of a million deliveries. Completions go through the real fan-out and the real dispatcher, and the
//! endpoints count every unit that the bill would count.
//!
//! The rest is calculated: the job pipeline sends its completions in batches as large as the measured ones, Lambda
//! receives each batch in one request and deletes it in another, and hands all attempts to count-attempts as those of
//! one minute.

mod failing;

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

use hyper::body::Bytes;
use nano_webhooks::prices;
use serde_json::json;

use self::failing::Failing;
use crate::{
    dynamodb::Table,
    failure::{Result, check},
    lambda::{Done, PROCESSOR_MIB},
    receiver::Manner,
    report::{Report, percentile, rounded, table},
    row,
    sandbox::Sandbox,
    sqs::{Sent, billed},
    traffic::{
        DELIVERIES_TABLE, EVENTS_TABLE, account, attempts, check_counted, check_delivered, check_done, check_stored,
        completion, events, register, said,
    },
    world::{Functions, World},
};

/// How many days the history and the logs are kept, by the template's defaults.
const DAYS_KEPT: f64 = 30.0;
const DAYS_A_MONTH: f64 = 30.0;

/// One column of the table: a way in which a million deliveries are made.
struct Scenario {
    name: &'static str,
    /// The name of its sum in the JSON.
    key: &'static str,
    way: Way,
}

enum Way {
    Delivered(Delivered),
    /// Eight attempts each, none of which succeeds.
    Failing(Failing),
}

struct Delivered {
    /// How many messages are in a batch.
    batch: usize,
    /// How many accounts with one webhook the completions come from, in turn. All attempts count as those of one minute,
    /// so their number for each account is that for each webhook and minute.
    accounts: usize,
    /// How many processes share the work, because each waits 100 ms for the receiver. More of them would also wait
    /// for each other, which they do not on Lambda, and the durations would be too long.
    sandboxes: usize,
    body_bytes: usize,
    manner: Manner,
}

const FULL: Delivered = Delivered { batch: 10, accounts: 100, sandboxes: 4, body_bytes: 300, manner: Manner::Slow };

/// More accounts than completions: one attempt for each webhook and minute.
const ONE_EACH: usize = usize::MAX;

const SCENARIOS: [Scenario; 11] = [
    Scenario { name: "batches of 10", key: "usd_per_million_full", way: Way::Delivered(FULL) },
    Scenario {
        name: "the same, 1 attempt per webhook and minute",
        key: "usd_per_million_full_one_each",
        way: Way::Delivered(Delivered { accounts: ONE_EACH, ..FULL }),
    },
    Scenario {
        name: "the same, one account",
        key: "usd_per_million_full_one_account",
        way: Way::Delivered(Delivered { accounts: 1, ..FULL }),
    },
    Scenario {
        name: "batches of 1",
        key: "usd_per_million_single",
        way: Way::Delivered(Delivered { batch: 1, sandboxes: 20, ..FULL }),
    },
    Scenario {
        name: "batches of 1, 1 attempt per webhook and minute",
        key: "usd_per_million_single_one_each",
        way: Way::Delivered(Delivered { batch: 1, accounts: ONE_EACH, sandboxes: 20, ..FULL }),
    },
    Scenario {
        name: "realistic: 2 KiB, answered with 400 bytes",
        key: "usd_per_million_realistic",
        way: Way::Delivered(Delivered { body_bytes: 2_048, manner: Manner::Talks, ..FULL }),
    },
    Scenario {
        name: "8 refused",
        key: "usd_per_million_refused",
        way: Way::Failing(Failing { manner: Manner::Refuses, sandboxes: 2 }),
    },
    Scenario {
        name: "8 answered 500, 1 KiB with another id and time",
        key: "usd_per_million_500",
        way: Way::Failing(Failing { manner: Manner::Fails, sandboxes: 4 }),
    },
    Scenario {
        name: "8 answered 500, the same 1 KiB",
        key: "usd_per_million_500_alike",
        way: Way::Failing(Failing { manner: Manner::FailsAlike, sandboxes: 4 }),
    },
    Scenario {
        name: "8 answered 500, 1 KiB of random letters",
        key: "usd_per_million_500_random",
        way: Way::Failing(Failing { manner: Manner::FailsAtRandom, sandboxes: 4 }),
    },
    Scenario {
        name: "8 without answer",
        key: "usd_per_million_hanging",
        way: Way::Failing(Failing { manner: Manner::Hangs, sandboxes: 10 }),
    },
];

/// The most deliveries in a scenario that fails: each has eight attempts, so fewer are enough.
const FAILING: usize = 1_000;
/// The most deliveries in the scenario that hangs: each attempt takes ten seconds.
const HANGING: usize = 100;

/// The units of the bill that were used.
#[derive(Default)]
struct Used {
    deliveries: u64,
    sqs: u64,
    sqs_fair: u64,
    invocations: u64,
    gb_seconds: f64,
    log_bytes: u64,
    log_lines: u64,
    half_read_units: u64,
    /// Write units of all tables.
    write_units: u64,
    events: Kept,
    history: Kept,
    /// The median duration of an invocation in milliseconds, by function.
    durations: BTreeMap<&'static str, f64>,
}

/// What a table whose items are kept costs.
#[derive(Default)]
struct Kept {
    write_units: u64,
    stored_bytes: u64,
}

/// Runs all scenarios, with this number of completions. Without `with_hanging` it leaves out the last one, which
/// takes a minute and a half.
pub(crate) fn run(functions: &Functions, completions: usize, with_hanging: bool) -> Result<Report> {
    let scenarios = if with_hanging { &SCENARIOS[..] } else { &SCENARIOS[..SCENARIOS.len() - 1] };
    let used =
        scenarios.iter().map(|scenario| measure(functions, completions, scenario)).collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = lines(&used[0]).into_iter().map(|(name, ..)| name).collect();
    let mut rows = vec![row!["dollars per million deliveries"]];
    rows[0].extend(scenarios.iter().map(|scenario| scenario.name.to_owned()));
    let mut figures = Vec::new();
    for (at, name) in names.into_iter().enumerate() {
        let mut figure = json!({"line": name});
        let mut cells = row![name];
        for (scenario, used) in scenarios.iter().zip(&used) {
            let (_, units, dollars) = lines(used)[at];
            let per_delivery = units / used.deliveries as f64;
            figure[scenario.key] = json!(rounded(per_delivery * dollars * 1e6, 4));
            figure[format!("{}_units_per_delivery", scenario.key)] = json!(rounded(per_delivery, 4));
            cells.push(format!("{:.3}", per_delivery * dollars * 1e6));
        }
        figures.push(figure);
        rows.push(cells);
    }
    let mut json = json!({"lines": figures});
    let mut sums = row!["together"];
    for (scenario, used) in scenarios.iter().zip(&used) {
        let sum: f64 = lines(used).iter().map(|(_, units, dollars)| units * dollars).sum();
        let sum = sum / used.deliveries as f64 * 1e6;
        json[scenario.key] = json!(rounded(sum, 3));
        sums.push(format!("{sum:.3}"));
    }
    rows.push(sums);
    let durations = scenarios.iter().zip(&used).map(|(scenario, used)| {
        let of = used.durations.iter().map(|(name, duration)| format!("{name} {duration:.1} ms"));
        let stored = |kept: &Kept| (kept.stored_bytes as f64 / used.deliveries as f64).round();
        format!(
            "{}: an event and its delivery are stored as {} and {} bytes; median durations: {}\n",
            scenario.name,
            stored(&used.events),
            stored(&used.history),
            of.collect::<Vec<_>>().join(", ")
        )
    });
    let text = format!(
        "{completions} completions, one webhook each, a receiver that takes 100 ms; us-east-1, arm64. {} attempts per \
         webhook and minute, where a column does not say otherwise\n\n{}\n{}",
        completions.div_ceil(FULL.accounts),
        table(&rows),
        durations.collect::<String>()
    );
    Ok(Report { json, text })
}

/// The lines of the bill: a name, how many units were used, and the dollars for one.
fn lines(used: &Used) -> Vec<(&'static str, f64, f64)> {
    let gb = |bytes: f64| bytes / 1e9;
    let logged = gb((used.log_bytes + used.log_lines * prices::LOG_LINE_BYTES) as f64);
    let stored = |kept: &Kept| gb(kept.stored_bytes as f64) * DAYS_KEPT / DAYS_A_MONTH;
    let (events, history) = (stored(&used.events), stored(&used.history));
    let million = 1e-6;
    let write = prices::DYNAMODB_WRITE_MILLION * million;
    let other_writes = used.write_units - used.events.write_units - used.history.write_units;
    vec![
        ("SQS requests", used.sqs as f64, prices::SQS_MILLION * million),
        ("SQS fair queue", used.sqs_fair as f64, prices::SQS_FAIR_MILLION * million),
        ("Lambda invocations", used.invocations as f64, prices::LAMBDA_MILLION * million),
        ("Lambda GB-seconds", used.gb_seconds, prices::LAMBDA_GB_SECOND),
        ("DynamoDB read units", used.half_read_units as f64 / 2.0, prices::DYNAMODB_READ_MILLION * million),
        ("write units, events", used.events.write_units as f64, write),
        ("write units, history", used.history.write_units as f64, write),
        ("write units, other tables", other_writes as f64, write),
        ("events, 30 days, GB-months", events, prices::DYNAMODB_GB_MONTH),
        ("their backups, GB-months", events, prices::DYNAMODB_BACKUP_GB_MONTH),
        ("history, 30 days, GB-months", history, prices::DYNAMODB_GB_MONTH),
        ("its backups, GB-months", history, prices::DYNAMODB_BACKUP_GB_MONTH),
        ("logs taken in, GB", logged, prices::LOGS_GB),
        (
            "logs kept 30 days, GB-months",
            logged * prices::LOGS_COMPRESSION * DAYS_KEPT / DAYS_A_MONTH,
            prices::LOGS_GB_MONTH,
        ),
    ]
}

fn measure(functions: &Functions, completions: usize, scenario: &Scenario) -> Result<Used> {
    match &scenario.way {
        Way::Delivered(delivered) => measure_delivered(functions, completions, delivered),
        Way::Failing(failing) => {
            let most = if failing.manner == Manner::Hangs { HANGING } else { FAILING };
            failing::measure(functions, completions.min(most), failing)
        }
    }
}

fn measure_delivered(functions: &Functions, completions: usize, delivered: &Delivered) -> Result<Used> {
    let Delivered { batch, accounts, sandboxes, body_bytes, manner } = *delivered;
    let world = World::new(functions)?;
    let accounts = accounts.min(completions);
    for number in 0..accounts {
        register(&world, &account(number), 1, &manner.url(&world.receiver(false)))?;
    }
    let completions: Vec<_> =
        (0..completions).map(|number| completion(number, &account(number % accounts), body_bytes)).collect();
    let mut used = Used { deliveries: completions.len() as u64, ..Used::default() };
    let messages = used.fan_out(&world, functions, &completions, batch)?;
    used.poll(&messages, batch, messages.iter().any(|message| message.group.is_some()));
    used.invoke(&world, functions, ("dispatcher", sandboxes), events(&messages, batch))?;
    check_delivered(&world, &messages)?;
    let attempts = attempts(&world, functions.function("count-attempts")?.batch);
    used.invoke(&world, functions, ("count-attempts", 1), attempts)?;
    check_counted(&world, messages.len())?;
    used.take(&world);
    Ok(used)
}

impl Used {
    /// Sends completions through fan-out in batches of `batch`, and returns its messages.
    fn fan_out(
        &mut self,
        world: &World,
        functions: &Functions,
        completions: &[Sent],
        batch: usize,
    ) -> Result<Vec<Sent>> {
        for batch in completions.chunks(batch) {
            self.sqs += billed(bytes(batch));
        }
        self.poll(completions, batch, false);
        self.invoke(world, functions, ("fan-out", 2), events(completions, batch))?;
        let messages = std::mem::take(&mut world.sqs().sent);
        check(messages.len() == completions.len(), || {
            format!("{} deliveries came of {} completions", messages.len(), completions.len())
        })?;
        check_stored(world, completions.len())?;
        Ok(messages)
    }

    /// Adds what the queues and tables have counted.
    fn take(&mut self, world: &World) {
        let sqs = world.sqs();
        self.sqs += sqs.billed;
        self.sqs_fair += sqs.billed_fair;
        let dynamodb = world.dynamodb();
        let usage = dynamodb.usage();
        self.half_read_units += usage.half_read_units;
        self.write_units = usage.write_units;
        let kept = |table: &Table| Kept { write_units: table.usage.write_units, stored_bytes: table.stored_bytes() };
        self.events = dynamodb.tables.get(EVENTS_TABLE).map(kept).unwrap_or_default();
        self.history = dynamodb.tables.get(DELIVERIES_TABLE).map(kept).unwrap_or_default();
    }

    /// Counts the requests of Lambda's poller, which receives each batch with one request and deletes it with one.
    fn poll(&mut self, messages: &[Sent], batch: usize, fair: bool) {
        for batch in messages.chunks(batch) {
            let requests = billed(bytes(batch)) + 1;
            self.sqs += requests;
            self.sqs_fair += if fair { requests } else { 0 };
        }
    }

    fn invoke(
        &mut self,
        world: &World,
        functions: &Functions,
        (name, sandboxes): (&'static str, usize),
        events: Vec<Bytes>,
    ) -> Result<()> {
        let sandboxes: Vec<_> =
            (0..sandboxes).map(|_| world.start(functions, name, false)).collect::<Result<Vec<_>>>()?;
        let count = events.len();
        world.lambda.queue(events);
        let words = || sandboxes.iter().map(|sandbox| sandbox.log.last_words()).collect::<Vec<_>>().join("\n");
        let answers = world.lambda.answers(count).map_err(|err| said(&err, &words()))?;
        check_done(&answers).map_err(|err| said(&err, &words()))?;
        let memory_mb = functions.function(name)?.memory_mb as f64;
        let cpu_ms = sandboxes.iter().map(Sandbox::cpu_ms).sum::<Result<f64>>()? / count as f64;
        let waited_ms = cpu_ms * (PROCESSOR_MIB / memory_mb - 1.0).max(0.0);
        let milliseconds = |done: &Done| (done.duration.as_secs_f64() * 1000.0 + waited_ms).ceil();
        let gb = memory_mb / 1024.0;
        self.invocations += count as u64;
        self.gb_seconds += answers.iter().map(milliseconds).sum::<f64>() / 1000.0 * gb;
        self.durations.insert(name, percentile(answers.iter().map(milliseconds), 0.5));
        world.lambda.wait_until_asked_by(sandboxes.len())?;
        for sandbox in sandboxes {
            let log = sandbox.end();
            self.log_bytes += log.bytes.load(Relaxed);
            self.log_lines += log.lines.load(Relaxed);
        }
        world.lambda.wait_until_nobody_asks()
    }
}

fn bytes(messages: &[Sent]) -> usize {
    messages.iter().map(|message| message.body.len()).sum()
}

/// For a test: the write units of a delivery in this scenario, in all tables.
#[cfg(test)]
pub(crate) fn write_units(report: &serde_json::Value, key: &str) -> f64 {
    let lines = report["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let writes = lines.iter().filter(|line| line["line"].as_str().is_some_and(|name| name.starts_with("write units")));
    writes.filter_map(|line| line[format!("{key}_units_per_delivery")].as_f64()).sum()
}

/// For a test: the sum of the lines and the reported sum, for each scenario that was run.
#[cfg(test)]
pub(crate) fn sums(report: &serde_json::Value) -> Vec<(f64, f64)> {
    let lines = report["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |key: &str| {
        let sum = lines.iter().filter_map(|line| line[key].as_f64()).sum();
        (sum, report[key].as_f64().unwrap_or_default())
    };
    SCENARIOS.iter().map(|scenario| of(scenario.key)).filter(|(_, sum)| *sum > 0.0).collect()
}
