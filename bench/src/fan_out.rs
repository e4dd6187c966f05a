//! `fan-out`: what a completion costs, by the number of webhooks that it goes to.

use serde_json::json;

use crate::{
    failure::{Result, check},
    lambda::PROCESSOR_MIB,
    receiver::Manner,
    report::{Report, median, rounded, table},
    row,
    traffic::{BATCH, account, check_stored, completion, deliveries, events, register},
    workers::Workers,
    world::{Functions, World},
};

/// The largest body that the service accepts, in bytes.
pub(crate) const LARGEST: usize = 256 * 1024;

#[derive(Clone, Copy)]
struct Case {
    webhooks: usize,
    body_bytes: usize,
    /// How many completions are in a batch.
    batch: usize,
}

impl Case {
    const fn new(webhooks: usize, batch: usize) -> Self {
        Self { webhooks, body_bytes: 300, batch }
    }

    /// How many completions make this number of deliveries; for large bodies one batch is enough.
    fn completions(self, deliveries: usize) -> usize {
        if self.body_bytes > 1024 { BATCH } else { (deliveries / self.webhooks).next_multiple_of(BATCH) }
    }
}

/// What to send, and how often.
pub(crate) struct Options {
    /// How many deliveries each run makes; the number of completions follows from it.
    pub(crate) deliveries: usize,
    pub(crate) runs: usize,
    pub(crate) sandboxes: usize,
    /// The size of a body in the case of the largest batch, in bytes.
    pub(crate) largest: usize,
}

/// The figures of one run.
struct Run {
    cpu_ms: f64,
    peak_rss_mib: f64,
}

/// Measures every case in every run.
pub(crate) fn run(functions: &Functions, options: &Options) -> Result<Report> {
    let memory_mb = functions.function("fan-out")?.memory_mb;
    let largest = Case { body_bytes: options.largest, ..Case::new(50, BATCH) };
    let cases =
        [Case::new(1, BATCH), Case::new(1, 3), Case::new(1, 1), Case::new(5, BATCH), Case::new(50, BATCH), largest];
    let mut runs: Vec<Vec<Run>> = cases.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.runs {
        for (case, runs) in cases.into_iter().zip(&mut runs) {
            runs.push(measure(functions, options, case)?);
        }
    }
    let mut rows = vec![row![
        "webhooks",
        "batches of",
        "body bytes",
        "CPU ms",
        "CPU ms per delivery",
        "s a batch takes with its share",
        "peak RSS MiB"
    ]];
    let mut figures = Vec::new();
    for (Case { webhooks, body_bytes, batch }, runs) in cases.into_iter().zip(&runs) {
        let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure));
        let cpu_ms = of(|run| run.cpu_ms);
        let figure = json!({
            "webhooks": webhooks,
            "batch": batch,
            "body_bytes": body_bytes,
            "cpu_ms_per_completion": rounded(cpu_ms, 4),
            "cpu_ms_per_delivery": rounded(cpu_ms / webhooks as f64, 4),
            "seconds_of_its_share": rounded(cpu_ms * batch as f64 / 1000.0 * PROCESSOR_MIB / memory_mb as f64, 3),
            "peak_rss_mib": rounded(of(|run| run.peak_rss_mib), 1),
        });
        rows.push(row![
            webhooks,
            batch,
            body_bytes,
            figure["cpu_ms_per_completion"],
            figure["cpu_ms_per_delivery"],
            figure["seconds_of_its_share"],
            figure["peak_rss_mib"],
        ]);
        figures.push(figure);
    }
    let text = format!(
        "Completions, in a batch each of another account; medians of {} runs; {} processes on one processor. A \
         batch's share of a processor is that of {memory_mb} MiB\n\n{}",
        options.runs,
        options.sandboxes,
        table(&rows)
    );
    Ok(Report { json: json!({"webhooks": figures}), text })
}

fn measure(functions: &Functions, options: &Options, case: Case) -> Result<Run> {
    let Case { webhooks, body_bytes, batch } = case;
    let world = World::new(functions)?;
    for number in 0..BATCH {
        register(&world, &account(number), webhooks, &Manner::Keep.url(&world.receiver(false)))?;
    }
    let count = case.completions(options.deliveries);
    let warm_up = (count / 10).next_multiple_of(BATCH) * options.sandboxes;
    let completions: Vec<_> =
        (0..count + warm_up).map(|number| completion(number, &account(number % BATCH), body_bytes)).collect();
    let workers = Workers::start(&world, functions, "fan-out", options.sandboxes, false)?;
    workers.handle(events(&completions[..warm_up], batch))?;
    let used = workers.handle(events(&completions[warm_up..], batch))?;

    world.check_calls()?;
    let made = deliveries(&world.sqs().sent)?.len();
    let expected = (count + warm_up) * webhooks;
    check(made == expected, || format!("{made} deliveries were queued in place of {expected}"))?;
    check_stored(&world, count + warm_up)?;
    Ok(Run { cpu_ms: used / count as f64, peak_rss_mib: workers.peak_rss_mib()? })
}
