//! `growth`: checks what must stay the same as the service grows, and what may grow only in proportion.

use serde_json::{Value, json};

use crate::{
    api::{self, Requests},
    failure::{Failure, Result, check},
    history::{Original, number},
    lambda::Done,
    receiver::Manner,
    report::{Report, ms, percentile, rounded, table},
    row,
    traffic::{BATCH, account, check_delivered, check_done, completion, deliveries, events, fan_out, register, said},
    world::{Functions, World},
};

/// The sizes to measure.
pub(crate) struct Options {
    /// How many events an account has, with a delivery each.
    pub(crate) histories: Vec<u64>,
    /// How many accounts there are.
    pub(crate) accounts: Vec<usize>,
    /// How many requests, and completions, each figure is measured with.
    pub(crate) requests: usize,
    /// How many batches of bodies the memory is measured with.
    pub(crate) batches: usize,
    /// The sizes of these bodies, in KiB.
    pub(crate) bodies_kib: [usize; 3],
}

/// The sizes of bodies that are measured, in KiB. The last one is the largest that the service accepts.
pub(crate) const BODIES_KIB: [usize; 3] = [1, 64, 256];

/// A request whose price must not grow with what is kept.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    key: &'static str,
    function: &'static str,
    /// Whether it looks for a task that does not exist, which is the dearest search.
    searches: bool,
}

impl Case {
    const fn new(name: &'static str, key: &'static str, function: &'static str) -> Self {
        Self { name, key, function, searches: false }
    }
}

const CASES: [Case; 4] = [
    Case::new("the newest 20 deliveries", "list_deliveries", "list-deliveries"),
    Case::new("the newest 20 events", "list_events", "list-events"),
    Case::new("an event by its id", "get_event", "get-event"),
    Case { searches: true, ..Case::new("the events of a task", "search_events", "list-events") },
];

/// Measures requests, fan-out and memory.
pub(crate) fn run(functions: &Functions, options: &Options) -> Result<Report> {
    let (history, history_text) = history(functions, options)?;
    let (accounts, accounts_text) = accounts(functions, options)?;
    let (memory, memory_text) = memory(functions, options)?;
    let json = json!({"history": history, "fan_out": accounts, "dispatcher_memory": memory});
    Ok(Report { json, text: [history_text, accounts_text, memory_text].join("\n") })
}

/// Measures requests for what is kept, as it grows.
fn history(functions: &Functions, options: &Options) -> Result<(Value, String)> {
    let world = World::new(functions)?;
    let original = Original::new(&world, functions, 300)?;
    let requests = Requests::new(&world, functions, 1)?;
    let mut rows =
        vec![row!["", "events kept", "CPU ms", "p50 ms", "read units", "bytes read", "looked at, of the newest"]];
    let (mut figures, mut stored) = (json!({}), api::HISTORY);
    for count in options.histories.iter().copied() {
        original.copy(&world, &account(0), stored..count)?;
        stored = count;
        for case in CASES {
            let figure = ask(&world, functions, &requests, (case, count, options.requests))?;
            rows.push(row![
                case.name,
                count,
                figure["cpu_ms"],
                figure["p50_ms"],
                figure["read_units"],
                figure["bytes_read"],
                figure["looked_at"],
            ]);
            let of = figures.as_object_mut().map(|figures| figures.entry(case.key).or_insert(json!([])));
            of.and_then(Value::as_array_mut).into_iter().for_each(|of| of.push(figure.clone()));
        }
    }
    world.check_calls()?;
    rows.sort_by_key(|row| CASES.iter().position(|case| case.name == row[0]));
    Ok((figures, format!("Requests of one account, with the key and its count\n\n{}", table(&rows))))
}

/// Sends a request many times, after a tenth as a warm-up. A search is sent a hundredth as often: it reads megabytes.
fn ask(
    world: &World,
    functions: &Functions,
    requests: &Requests,
    (case, kept, count): (Case, u64, usize),
) -> Result<Value> {
    let count = if case.searches { count.div_ceil(100) } else { count };
    let sandbox = world.start(functions, case.function, false)?;
    let send = |count: usize| {
        let event = || if case.searches { requests.search(0) } else { requests.event(case.function, 0) };
        world.lambda.queue((0..count).map(|_| event()).collect::<Result<Vec<_>>>()?);
        world.lambda.answers(count).map_err(|err| said(&err, &sandbox.log.last_words()))
    };
    send(count.div_ceil(10))?;
    world.dynamodb().forget_usage();
    let before = sandbox.cpu_ms()?;
    let answers = send(count)?;
    let cpu_ms = (sandbox.cpu_ms()? - before) / count as f64;
    let mut looked_at = None;
    for done in &answers {
        looked_at = case.looked_at(done, kept)?;
    }
    let usage = world.dynamodb().usage();
    world.lambda.wait_until_asked_by(1)?;
    drop(sandbox);
    world.lambda.wait_until_nobody_asks()?;
    Ok(json!({
        "history": kept,
        "cpu_ms": rounded(cpu_ms, 3),
        "p50_ms": rounded(percentile(answers.iter().map(|done| ms(done.duration)), 0.5), 2),
        "read_units": rounded(usage.half_read_units as f64 / 2.0 / count as f64, 2),
        "bytes_read": usage.bytes_read / count as u64,
        "looked_at": looked_at,
    }))
}

impl Case {
    /// Fails unless the answer has what was asked for. Returns how many of the newest events the search of a list has
    /// passed.
    fn looked_at(self, done: &Done, kept: u64) -> Result<Option<u64>> {
        api::check_answer(self.function, done)?;
        let answer: Value = serde_json::from_slice(&done.body).unwrap_or_default();
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default();
        let data = &body["data"];
        if self.function == "get-event" {
            return check(data["payload"].is_object(), || format!("no event: {data}")).map(|()| None);
        }
        let shown: usize =
            ["deliveries", "events"].into_iter().filter_map(|name| data[name].as_array()).map(Vec::len).sum();
        let expected = if self.searches { 0 } else { 20 };
        check(shown == expected, || format!("{shown} were listed in place of {expected}"))?;
        let last = data["next_cursor"].as_str().map_or(Some(0), number);
        Ok(last.map(|last| kept - last))
    }
}

/// Measures fan-out with completions from more and more accounts.
fn accounts(functions: &Functions, options: &Options) -> Result<(Vec<Value>, String)> {
    let world = World::new(functions)?;
    let sandbox = world.start(functions, "fan-out", false)?;
    let mut rows = vec![row!["accounts", "CPU ms per completion", "read units per completion"]];
    let (mut figures, mut registered, mut number) = (Vec::new(), 0, 0);
    let mut send = |accounts: usize, count: usize| {
        // The step has no common factor with these numbers, so the accounts of a batch are far from each other.
        let of = |number: usize| account(number * 7919 % accounts);
        let completions: Vec<_> = (number..number + count).map(|number| completion(number, &of(number), 300)).collect();
        number += count;
        let events = events(&completions, BATCH);
        let batches = events.len();
        world.lambda.queue(events);
        let answers = world.lambda.answers(batches).map_err(|err| said(&err, &sandbox.log.last_words()))?;
        check_done(&answers)?;
        let made = deliveries(&std::mem::take(&mut world.sqs().sent))?.len();
        check(made == count, || format!("{made} deliveries were queued in place of {count}"))
    };
    for count in options.accounts.iter().copied() {
        for number in registered..count {
            register(&world, &account(number), 1, &Manner::Keep.url(&world.receiver(false)))?;
        }
        registered = count;
        send(count, options.requests.div_ceil(10))?;
        world.dynamodb().forget_usage();
        let before = sandbox.cpu_ms()?;
        send(count, options.requests)?;
        let cpu_ms = (sandbox.cpu_ms()? - before) / options.requests as f64;
        let units = world.dynamodb().usage().half_read_units as f64 / 2.0 / options.requests as f64;
        rows.push(row![count, rounded(cpu_ms, 3), rounded(units, 2)]);
        figures.push(json!({
            "accounts": count,
            "cpu_ms_per_completion": rounded(cpu_ms, 3),
            "read_units_per_completion": rounded(units, 2),
        }));
    }
    world.check_calls()?;
    Ok((figures, format!("Fan-out as accounts grow, a webhook each\n\n{}", table(&rows))))
}

/// Measures the peak memory with batches of ten bodies.
fn memory(functions: &Functions, &Options { batches, bodies_kib, .. }: &Options) -> Result<(Vec<Value>, String)> {
    let mut rows = vec![row!["body KiB", "dispatcher peak RSS MiB", "fan-out peak RSS MiB"]];
    let mut figures = Vec::new();
    for kib in bodies_kib {
        let world = World::new(functions)?;
        for number in 0..BATCH {
            register(&world, &account(number), 1, &Manner::Keep.url(&world.receiver(false)))?;
        }
        let completions: Vec<_> =
            (0..BATCH * batches).map(|number| completion(number, &account(number % BATCH), kib * 1024)).collect();
        let (messages, fan_out_mib) = fan_out(&world, functions, &completions)?;
        let sandbox = world.start(functions, "dispatcher", false)?;
        world.lambda.queue(events(&messages, BATCH));
        let answers = world.lambda.answers(batches).map_err(|err| said(&err, &sandbox.log.last_words()))?;
        check_done(&answers)?;
        check_delivered(&world, &messages)?;
        let body = world.heard().last.as_ref().map_or(0, |(_, _, body)| body.len());
        check(body == kib * 1024, || format!("a body has {body} bytes in place of {kib} KiB"))?;
        let dispatcher_mib = sandbox.peak_rss_mib()?;
        rows.push(row![kib, rounded(dispatcher_mib, 1), rounded(fan_out_mib, 1)]);
        figures.push(json!({
            "body_kib": kib,
            "peak_rss_mib": rounded(dispatcher_mib, 1),
            "fan_out_peak_rss_mib": rounded(fan_out_mib, 1),
        }));
    }
    if figures.is_empty() {
        return Err(Failure::new("no body was sent"));
    }
    Ok((figures, format!("Memory with {BATCH} bodies in flight, after {batches} batches\n\n{}", table(&rows))))
}
