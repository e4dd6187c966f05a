//! `dispatch`: what a delivery costs the dispatcher, compared with a loop that only signs and posts.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    failure::{Failure, Result},
    limit,
    receiver::Manner,
    report::{Report, median, ms, rounded, table},
    row,
    sandbox::Sandbox,
    traffic::{BATCH, account, check_delivered, check_done, completion, events, fan_out, register, said},
    world::{Functions, World},
};

/// What to send, and how often.
pub(crate) struct Options {
    pub(crate) deliveries: usize,
    pub(crate) runs: usize,
    /// How many processes share the functions' processor; with one, it would be idle while a batch waits for answers.
    pub(crate) sandboxes: usize,
    pub(crate) body_bytes: usize,
    /// Whether to measure only the first variant.
    pub(crate) headline: bool,
}

/// One way in which deliveries are made.
struct Variant {
    name: &'static str,
    manner: Manner,
    tls: bool,
    /// How many accounts, with a webhook each, the deliveries of a batch are for.
    accounts: usize,
}

const VARIANTS: [Variant; 5] = [
    Variant { name: "HTTP, keep-alive", manner: Manner::Keep, tls: false, accounts: BATCH },
    Variant { name: "the same, to one webhook", manner: Manner::Keep, tls: false, accounts: 1 },
    Variant { name: "HTTP, new connections", manner: Manner::Close, tls: false, accounts: BATCH },
    Variant { name: "TLS, keep-alive", manner: Manner::Keep, tls: true, accounts: BATCH },
    Variant { name: "TLS, new connections", manner: Manner::Close, tls: true, accounts: BATCH },
];

/// The figures of one run.
struct Run {
    per_second: f64,
    cpu_ms: f64,
    peak_rss_mib: f64,
    limit_cpu_ms: f64,
    limit_per_second: f64,
}

/// Measures every variant in every run.
pub(crate) fn run(functions: &Functions, options: &Options) -> Result<Report> {
    let variants = if options.headline { &VARIANTS[..1] } else { &VARIANTS };
    let mut runs: Vec<Vec<Run>> = variants.iter().map(|_| Vec::new()).collect();
    // Interleaved, because the machine's speed changes over time.
    for _ in 0..options.runs {
        for (variant, runs) in variants.iter().zip(&mut runs) {
            runs.push(measure(functions, options, variant)?);
        }
    }
    let mut rows = vec![row!["", "deliveries/s", "CPU ms", "limit CPU ms", "ratio", "limit/s", "peak RSS MiB"]];
    let mut figures = Vec::new();
    for (variant, runs) in variants.iter().zip(&runs) {
        let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure));
        let ratio = median(runs.iter().map(|run| run.cpu_ms / run.limit_cpu_ms));
        let figure = json!({
            "variant": variant.name,
            "deliveries_per_second": of(|run| run.per_second).round(),
            "cpu_ms_per_delivery": rounded(of(|run| run.cpu_ms), 4),
            "limit_cpu_ms_per_delivery": rounded(of(|run| run.limit_cpu_ms), 4),
            "ratio_to_limit": rounded(ratio, 2),
            "limit_per_second": of(|run| run.limit_per_second).round(),
            "peak_rss_mib": rounded(of(|run| run.peak_rss_mib), 1),
        });
        rows.push(row![
            variant.name,
            figure["deliveries_per_second"],
            figure["cpu_ms_per_delivery"],
            figure["limit_cpu_ms_per_delivery"],
            figure["ratio_to_limit"],
            figure["limit_per_second"],
            figure["peak_rss_mib"],
        ]);
        figures.push(figure);
    }
    let mut json = figures[0].clone();
    json["variants"] = json!(figures);
    let text = format!(
        "{} deliveries of {} bytes in batches of {BATCH}; medians of {} runs; {} processes on one processor\n\n{}",
        options.deliveries,
        options.body_bytes,
        options.runs,
        options.sandboxes,
        table(&rows)
    );
    Ok(Report { json, text })
}

fn measure(functions: &Functions, options: &Options, variant: &Variant) -> Result<Run> {
    let world = World::new(functions)?;
    let url = variant.manner.url(&world.receiver(variant.tls));
    for number in 0..variant.accounts {
        register(&world, &account(number), 1, &url)?;
    }
    // The first messages warm the processes up; each process gets some.
    let warm_up = (options.deliveries / 10).next_multiple_of(BATCH);
    let completions: Vec<_> = (0..options.deliveries + warm_up)
        .map(|number| completion(number, &account(number % variant.accounts), options.body_bytes))
        .collect();
    let (messages, _) = fan_out(&world, functions, &completions)?;
    let sandboxes: Vec<_> =
        (0..options.sandboxes).map(|_| world.start(functions, "dispatcher", variant.tls)).collect::<Result<_>>()?;
    let words = || sandboxes.iter().map(|sandbox| sandbox.log.last_words()).collect::<Vec<_>>().join("\n");
    let send = |messages| {
        let events = events(messages, BATCH);
        let (count, clock) = (events.len(), Instant::now());
        world.lambda.queue(events);
        let answers = world.lambda.answers(count).map_err(|err| said(&err, &words()))?;
        let last = answers.iter().map(|done| done.at).max().unwrap_or(clock);
        check_done(&answers).map_err(|err| said(&err, &words()))?;
        Ok::<Duration, Failure>(last - clock)
    };
    let cpu_ms = || sandboxes.iter().map(Sandbox::cpu_ms).sum::<Result<f64>>();

    send(&messages[..warm_up])?;
    let before = cpu_ms()?;
    let wall = send(&messages[warm_up..])?;
    let used = cpu_ms()? - before;
    check_delivered(&world, &messages)?;
    let peaks = sandboxes.iter().map(Sandbox::peak_rss_mib).collect::<Result<Vec<_>>>()?;

    let sample = world.heard().last.clone().ok_or_else(|| Failure::new("nothing was received"))?;
    let port = world.receiver(variant.tls).rsplit(':').next().and_then(|port| port.parse().ok());
    let target = limit::Target {
        port: port.ok_or_else(|| Failure::new("the receiver has no port"))?,
        authority: variant.tls.then(|| world.authority_der.clone()),
        new_connections: variant.manner == Manner::Close,
        sample,
    };
    let limit = limit::run(target, options.deliveries)?;
    let count = options.deliveries as f64;
    Ok(Run {
        per_second: count / wall.as_secs_f64(),
        cpu_ms: used / count,
        peak_rss_mib: peaks.into_iter().fold(0.0, f64::max),
        limit_cpu_ms: ms(limit.cpu) / count,
        limit_per_second: count / limit.wall.as_secs_f64(),
    })
}
