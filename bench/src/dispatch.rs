//! `dispatch`: what a delivery costs the dispatcher, compared with a loop that only signs and posts.

use serde_json::json;

use crate::{
    failure::{Failure, Result},
    limit::{self, Target},
    receiver::Manner,
    report::{Report, median, ms, rounded, table},
    row,
    traffic::{BATCH, account, check_delivered, completion, events, fan_out, register},
    workers::Workers,
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
#[derive(Clone, Copy)]
struct Variant {
    name: &'static str,
    manner: Manner,
    tls: bool,
    /// How many messages are in a batch.
    batch: usize,
    /// How many accounts, with a webhook each, the deliveries are for, in turn.
    accounts: usize,
    /// The size of a body in bytes, if it is not that of the options.
    body_bytes: Option<usize>,
}

const PLAIN: Variant = Variant {
    name: "HTTP, keep-alive",
    manner: Manner::Keep,
    tls: false,
    batch: BATCH,
    accounts: BATCH,
    body_bytes: None,
};

const VARIANTS: [Variant; 10] = [
    PLAIN,
    Variant { name: "in batches of 3", batch: 3, ..PLAIN },
    Variant { name: "in batches of 1", batch: 1, ..PLAIN },
    Variant { name: "to one webhook", accounts: 1, ..PLAIN },
    Variant { name: "answered after 100 ms", manner: Manner::Slow, ..PLAIN },
    Variant { name: "answered after 100 ms, in batches of 1", manner: Manner::Slow, batch: 1, ..PLAIN },
    Variant {
        name: "2 KiB, answered with 400 bytes after 100 ms",
        manner: Manner::Talks,
        body_bytes: Some(2_048),
        ..PLAIN
    },
    Variant { name: "HTTP, new connections", manner: Manner::Close, ..PLAIN },
    Variant { name: "TLS, keep-alive", tls: true, ..PLAIN },
    Variant { name: "TLS, new connections", manner: Manner::Close, tls: true, ..PLAIN },
];

/// With a receiver that takes 100 ms, this many processes keep the processor busy enough, and this part of the
/// deliveries is sent.
const SLOW_SANDBOXES: usize = 20;
const SLOW_PART: usize = 10;

/// The figures of one run.
struct Run {
    cpu_ms: f64,
    peak_rss_mib: f64,
    limit_cpu_ms: f64,
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
    let mut rows = vec![row!["", "CPU ms", "limit CPU ms", "ratio", "peak RSS MiB"]];
    let mut figures = Vec::new();
    for (variant, runs) in variants.iter().zip(&runs) {
        let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure));
        let figure = json!({
            "variant": variant.name,
            "cpu_ms_per_delivery": rounded(of(|run| run.cpu_ms), 4),
            "limit_cpu_ms_per_delivery": rounded(of(|run| run.limit_cpu_ms), 4),
            "ratio_to_limit": rounded(of(|run| run.cpu_ms / run.limit_cpu_ms), 2),
            "peak_rss_mib": rounded(of(|run| run.peak_rss_mib), 1),
        });
        rows.push(row![
            variant.name,
            figure["cpu_ms_per_delivery"],
            figure["limit_cpu_ms_per_delivery"],
            figure["ratio_to_limit"],
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
    let Variant { manner, tls, batch, accounts, body_bytes, .. } = *variant;
    let is_slow = matches!(manner, Manner::Slow | Manner::Talks);
    let (deliveries, sandboxes) = if is_slow {
        ((options.deliveries / SLOW_PART).next_multiple_of(BATCH), SLOW_SANDBOXES)
    } else {
        (options.deliveries, options.sandboxes)
    };
    let world = World::new(functions)?;
    let url = manner.url(&world.receiver(tls));
    for number in 0..accounts {
        register(&world, &account(number), 1, &url)?;
    }
    // The first messages warm the processes up; each process gets some.
    let warm_up = (deliveries / 10).next_multiple_of(BATCH);
    let completions: Vec<_> = (0..deliveries + warm_up)
        .map(|number| completion(number, &account(number % accounts), body_bytes.unwrap_or(options.body_bytes)))
        .collect();
    let (messages, _) = fan_out(&world, functions, &completions)?;
    let dispatchers = Workers::start(&world, functions, "dispatcher", sandboxes, tls)?;
    dispatchers.handle(events(&messages[..warm_up], batch))?;
    let used = dispatchers.handle(events(&messages[warm_up..], batch))?;
    check_delivered(&world, &messages)?;
    let limit = limit::run(target(&world, manner, tls)?, deliveries, limit::AT_ONCE)?;
    Ok(Run {
        cpu_ms: used / deliveries as f64,
        peak_rss_mib: dispatchers.peak_rss_mib()?,
        limit_cpu_ms: ms(limit) / deliveries as f64,
    })
}

/// The request that the bare loop repeats: the last one that the receiver got.
pub(crate) fn target(world: &World, manner: Manner, tls: bool) -> Result<Target> {
    let sample = world.heard().last.clone().ok_or_else(|| Failure::new("nothing was received"))?;
    let port = world.receiver(tls).rsplit(':').next().and_then(|port| port.parse().ok());
    Ok(Target {
        port: port.ok_or_else(|| Failure::new("the receiver has no port"))?,
        authority: tls.then(|| world.authority_der.clone()),
        new_connections: manner == Manner::Close,
        sample,
    })
}
