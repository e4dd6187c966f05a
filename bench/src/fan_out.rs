//! `fan-out`: what a completion costs, by the number of webhooks that it goes to.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    failure::{Result, check},
    lambda::PROCESSOR_MIB,
    receiver::Manner,
    report::{Report, median, rounded, table},
    row,
    sandbox::Sandbox,
    traffic::{BATCH, account, check_done, check_stored, completion, deliveries, events, register, said},
    world::{Functions, World},
};

/// The largest body that the service accepts, in bytes.
pub(crate) const LARGEST: usize = 256 * 1024;

#[derive(Clone, Copy)]
struct Case {
    webhooks: usize,
    body_bytes: usize,
}

impl Case {
    const fn new(webhooks: usize, body_bytes: usize) -> Self {
        Self { webhooks, body_bytes }
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
    per_second: f64,
    cpu_ms: f64,
    peak_rss_mib: f64,
}

/// Measures every case in every run.
pub(crate) fn run(functions: &Functions, options: &Options) -> Result<Report> {
    let memory_mb = functions.function("fan-out")?.memory_mb;
    let cases = [Case::new(1, 300), Case::new(5, 300), Case::new(50, 300), Case::new(50, options.largest)];
    let mut runs: Vec<Vec<Run>> = cases.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.runs {
        for (case, runs) in cases.into_iter().zip(&mut runs) {
            runs.push(measure(functions, options, case)?);
        }
    }
    let mut rows = vec![row![
        "webhooks",
        "body bytes",
        "completions/s",
        "CPU ms",
        "CPU ms per delivery",
        "s a batch has of its share",
        "peak RSS MiB"
    ]];
    let mut figures = Vec::new();
    for (Case { webhooks, body_bytes }, runs) in cases.into_iter().zip(&runs) {
        let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure));
        let cpu_ms = of(|run| run.cpu_ms);
        let figure = json!({
            "webhooks": webhooks,
            "body_bytes": body_bytes,
            "completions_per_second": of(|run| run.per_second).round(),
            "cpu_ms_per_completion": rounded(cpu_ms, 4),
            "cpu_ms_per_delivery": rounded(cpu_ms / webhooks as f64, 4),
            "seconds_of_its_share": rounded(cpu_ms * BATCH as f64 / 1000.0 * PROCESSOR_MIB / memory_mb as f64, 3),
            "peak_rss_mib": rounded(of(|run| run.peak_rss_mib), 1),
        });
        rows.push(row![
            webhooks,
            body_bytes,
            figure["completions_per_second"],
            figure["cpu_ms_per_completion"],
            figure["cpu_ms_per_delivery"],
            figure["seconds_of_its_share"],
            figure["peak_rss_mib"],
        ]);
        figures.push(figure);
    }
    let text = format!(
        "Completions in batches of {BATCH}, each of another account; medians of {} runs; {} processes on one processor. A \
         batch's share of a processor is that of {memory_mb} MiB\n\n{}",
        options.runs,
        options.sandboxes,
        table(&rows)
    );
    Ok(Report { json: json!({"webhooks": figures}), text })
}

fn measure(functions: &Functions, options: &Options, case: Case) -> Result<Run> {
    let Case { webhooks, body_bytes } = case;
    let world = World::new(functions)?;
    for number in 0..BATCH {
        register(&world, &account(number), webhooks, &Manner::Keep.url(&world.receiver(false)))?;
    }
    let count = case.completions(options.deliveries);
    let warm_up = (count / 10).next_multiple_of(BATCH) * options.sandboxes;
    let completions: Vec<_> =
        (0..count + warm_up).map(|number| completion(number, &account(number % BATCH), body_bytes)).collect();
    let sandboxes: Vec<_> =
        (0..options.sandboxes).map(|_| world.start(functions, "fan-out", false)).collect::<Result<_>>()?;
    let words = || sandboxes.iter().map(|sandbox| sandbox.log.last_words()).collect::<Vec<_>>().join("\n");
    let send = |completions| {
        let events = events(completions, BATCH);
        let (count, clock) = (events.len(), Instant::now());
        world.lambda.queue(events);
        let answers = world.lambda.answers(count).map_err(|err| said(&err, &words()))?;
        check_done(&answers).map_err(|err| said(&err, &words()))?;
        Ok(answers.iter().map(|done| done.at).max().unwrap_or(clock) - clock)
    };
    let cpu_ms = || sandboxes.iter().map(Sandbox::cpu_ms).sum::<Result<f64>>();

    send(&completions[..warm_up])?;
    let before = cpu_ms()?;
    let wall: Duration = send(&completions[warm_up..])?;
    let used = cpu_ms()? - before;

    world.check_calls()?;
    let made = deliveries(&world.sqs().sent)?.len();
    let expected = (count + warm_up) * webhooks;
    check(made == expected, || format!("{made} deliveries were queued in place of {expected}"))?;
    check_stored(&world, count + warm_up)?;
    let peaks = sandboxes.iter().map(Sandbox::peak_rss_mib).collect::<Result<Vec<_>>>()?;
    Ok(Run {
        per_second: count as f64 / wall.as_secs_f64(),
        cpu_ms: used / count as f64,
        peak_rss_mib: peaks.into_iter().fold(0.0, f64::max),
    })
}
