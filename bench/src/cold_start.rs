//! `cold-start`: how long a process takes from its start to its first request for an event, and to its answer, for
//! every function and for one that does nothing.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::{
    api,
    binaries::HELLO,
    failure::{Failure, Result, check},
    receiver::Manner,
    report::{Report, median, ms, rounded, table},
    row,
    traffic::{account, check_done, completion, fan_out, register, said, sqs_event},
    world::{Functions, World},
};

#[derive(Default)]
struct Starts {
    first_asked_ms: Vec<f64>,
    first_reply_ms: Vec<f64>,
    rss_mib: Vec<f64>,
}

/// Starts every function `runs` times, in turn. `with_sizes` also zips the binaries, to report their sizes.
pub(crate) fn run(functions: &Functions, runs: usize, with_sizes: bool) -> Result<Report> {
    let world = World::new(functions)?;
    let names: Vec<&str> = functions.built().map(|function| function.name.as_str()).chain([HELLO]).collect();
    register(&world, &account(0), 1, &Manner::Keep.url(&world.receiver(false)))?;
    let (deliveries, _) =
        fan_out(&world, functions, &(0..=runs).map(|at| completion(at, &account(0), 300)).collect::<Vec<_>>())?;
    let requests = api::Requests::new(&world, functions, (runs + 1) * names.len())?;

    let mut starts: BTreeMap<&str, Starts> = BTreeMap::new();
    // The first round is not counted: it loads the binaries into memory.
    for round in 0..=runs {
        for (at, name) in names.iter().enumerate() {
            let event = match *name {
                // manage-keys refuses that: the table of keys cannot be written here.
                HELLO | "manage-keys" => Bytes::from_static(b"{}"),
                "fan-out" => sqs_event(&[completion(round, &account(0), 300)]),
                "dispatcher" => sqs_event(&deliveries[round..=round]),
                "count-attempts" => Bytes::from_static(include_bytes!("../../events/count-attempts.json")),
                "watch-webhooks" => Bytes::from_static(include_bytes!("../../events/watch-webhooks.json")),
                "release" => Bytes::from_static(include_bytes!("../../events/release.json")),
                // Each request is of its own account: another function may have changed a shared one.
                name => requests.event(name, round * names.len() + at)?,
            };
            let start = start(&world, functions, name, event)?;
            if round > 0 {
                let starts = starts.entry(name).or_default();
                starts.first_asked_ms.push(start.0);
                starts.first_reply_ms.push(start.1);
                starts.rss_mib.push(start.2);
            }
        }
    }
    world.check_calls()?;
    report(functions, &names, &starts, (runs, with_sizes))
}

/// Milliseconds to the first request for an event and to the first answer, and the peak memory in MiB.
fn start(world: &World, functions: &Functions, name: &str, event: Bytes) -> Result<(f64, f64, f64)> {
    world.lambda.queue([event]);
    let sandbox = world.start(functions, name, false)?;
    let answers = world.lambda.answers(1).map_err(|err| said(&err, &sandbox.log.last_words()))?;
    let asked = world.lambda.first_asked().ok_or_else(|| Failure::new("it answered without having asked"))?;
    match name {
        HELLO => {}
        "fan-out" | "dispatcher" | "count-attempts" | "watch-webhooks" | "release" => check_done(&answers)?,
        "manage-keys" => {
            check(answers[0].body.starts_with(br#"{"success":false"#), || {
                "it accepted a request without an action".into()
            })?;
        }
        _ => api::check_answer(name, &answers[0])?,
    }
    let figures = (ms(asked - sandbox.started), ms(answers[0].at - sandbox.started), sandbox.peak_rss_mib()?);
    drop(sandbox);
    world.lambda.wait_until_nobody_asks()?;
    Ok(figures)
}

fn report(
    functions: &Functions,
    names: &[&str],
    starts: &BTreeMap<&str, Starts>,
    (runs, with_sizes): (usize, bool),
) -> Result<Report> {
    let of = |name: &str, figure: fn(&Starts) -> &Vec<f64>| {
        rounded(starts.get(name).map_or(f64::NAN, |starts| median(figure(starts).iter().copied())), 2)
    };
    let hello_ms = of(HELLO, |starts| &starts.first_asked_ms);
    let mut rows =
        vec![row!["", "first /next ms", "over hello ms", "first reply ms", "RSS MiB", "binary MB", "zip MB"]];
    let mut figures = serde_json::Map::new();
    for name in names {
        let binary = functions.binary(name)?;
        let binary_bytes = fs::metadata(binary).map_err(Failure::to("read a binary"))?.len();
        let zip_bytes = with_sizes.then(|| zip_bytes(binary)).transpose()?;
        let figure = json!({
            "ms": of(name, |starts| &starts.first_asked_ms),
            "hello_ms": hello_ms,
            "first_reply_ms": of(name, |starts| &starts.first_reply_ms),
            "rss_mib": of(name, |starts| &starts.rss_mib),
            "binary_bytes": binary_bytes,
            "zip_bytes": zip_bytes,
        });
        rows.push(row![
            name,
            figure["ms"],
            rounded(figure["ms"].as_f64().unwrap_or_default() - hello_ms, 2),
            figure["first_reply_ms"],
            figure["rss_mib"],
            rounded(binary_bytes as f64 / 1e6, 2),
            zip_bytes.map_or(f64::NAN, |bytes| rounded(bytes as f64 / 1e6, 2)),
        ]);
        figures.insert((*name).to_owned(), figure);
    }
    let text = format!("Medians of {runs} starts each, taken in turn\n\n{}", table(&rows));
    Ok(Report { json: Value::Object(figures), text })
}

/// The size in bytes of the zip file that is uploaded, deflated as by `sam build`.
fn zip_bytes(binary: &Path) -> Result<u64> {
    const ZIP: &str = "import io, sys, zipfile
buffer = io.BytesIO()
with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.write(sys.stdin.readline().strip(), 'bootstrap')
print(len(buffer.getvalue()))";
    let doing = "zip a binary with Python's zipfile";
    let mut python = Command::new("python3")
        .args(["-c", ZIP])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Failure::to(doing))?;
    if let Some(mut input) = python.stdin.take() {
        writeln!(input, "{}", binary.display()).map_err(Failure::to(doing))?;
    }
    let output = python.wait_with_output().map_err(Failure::to(doing))?;
    check(output.status.success(), || format!("could not {doing}"))?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(Failure::to(doing))
}
