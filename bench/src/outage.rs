//! `outage`: how an endpoint that is down affects the other accounts, in a simulation of days.
//!
//! The library's own functions decide, with a virtual clock, what a message means, what is recorded, when an attempt
//! is due, when a circuit opens, what is probed and what drains. SQS, Lambda, DynamoDB and its stream are models;
//! `docs/performance.md` describes them. Every figure is counted in the run.

mod decide;
mod dispatcher;
mod figures;
mod hook;
mod limit;
mod measure;
mod parts;
mod release;
mod scenario;
mod simulation;
mod stream;
mod table;

use std::thread;

use jiff::Timestamp;
use serde_json::json;

use self::{
    figures::{Healthy, Limited, Outage},
    scenario::{Endpoint, Flow, HOUR, MINUTE, Manner, SECOND, Scenario},
    simulation::Simulation,
};
use crate::{
    failure::{Failure, Result},
    report::{Report, table},
};

/// A time or a duration in milliseconds; times are since the simulation began.
type Ms = u64;

/// The beginning of every simulation, in milliseconds of Unix time.
const BEGIN: i64 = 1_767_312_000_000;

fn at(time: Ms) -> Timestamp {
    let time = BEGIN + i64::try_from(time).expect("a simulation ends within a year");
    Timestamp::from_millisecond(time).expect("is within jiff's range")
}

fn ms(time: Timestamp) -> Ms {
    Ms::try_from(time.as_millisecond() - BEGIN).unwrap_or_default()
}

/// What to simulate.
pub(crate) struct Options {
    /// How many minutes an outage lasts, unless the scenario has a length of its own.
    pub(crate) minutes: u64,
    /// Scales the busy account's events, the million accounts, and the rates of the healthy scenarios (at least 0.1);
    /// 1 is full size.
    pub(crate) scale: f64,
    /// Run only scenarios whose names contain this.
    pub(crate) only: String,
}

/// Runs the scenarios. Fails if a delivery is lost.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let is_wanted = |name: &str| name.contains(&options.only);
    let outages: Vec<_> = outages(options).into_iter().filter(|(name, _)| is_wanted(name)).collect();
    let healthy: Vec<_> = healthy(options).into_iter().filter(|(name, _)| is_wanted(name)).collect();
    let limited: Vec<_> = limited().into_iter().filter(|(name, _)| is_wanted(name)).collect();
    let simulate = |scenarios: &[(&'static str, Scenario)]| {
        thread::scope(|scope| {
            let runs: Vec<_> =
                scenarios.iter().map(|(_, scenario)| scope.spawn(|| Simulation::new(scenario).run())).collect();
            let measured = runs.into_iter().map(|run| run.join().map_err(|_| Failure::new("a simulation has failed")));
            measured.collect::<Result<Vec<_>>>()
        })
    };
    let measured = simulate(&outages)?;
    let figures: Vec<_> = outages.iter().zip(&measured).map(|((name, it), of)| Outage::new(name, it, of)).collect();
    let measured = simulate(&healthy)?;
    let healthy: Vec<_> = healthy.iter().zip(&measured).map(|((name, _), of)| Healthy::new(name, of)).collect();
    let measured = simulate(&limited)?;
    let limited: Vec<_> = limited.iter().zip(&measured).map(|((name, it), of)| Limited::new(name, it, of)).collect();
    let lost = figures.iter().map(Outage::lost).chain(healthy.iter().map(Healthy::lost));
    for (name, lost) in lost.chain(limited.iter().map(Limited::lost)) {
        crate::failure::check(lost == 0, || format!("{name}: {lost} deliveries were lost"))?;
    }
    let tables = [figures::outages(&figures), figures::healthy(&healthy), figures::limited(&limited)];
    let text = tables.map(|rows| table(&rows)).join("\n");
    let json = json!({
        "outages": figures.iter().map(Outage::json).collect::<Vec<_>>(),
        "healthy": healthy.iter().map(Healthy::json).collect::<Vec<_>>(),
        "limited": limited.iter().map(Limited::json).collect::<Vec<_>>(),
    });
    Ok(Report { json, text })
}

/// The scenarios with endpoints that are down. The first four also have 100 accounts with an event a second each and
/// healthy endpoints; the others have a million accounts, of which 1 % are down.
fn outages(options: &Options) -> Vec<(&'static str, Scenario)> {
    let (before, down) = (HOUR.min(options.minutes * MINUTE), options.minutes * MINUTE);
    let up = before + down;
    // A probe may find the endpoint back only after an hour. The drain, at the webhook's own rate, then takes as long
    // as the outage.
    let until = up + HOUR + down + down / 10 + HOUR / 2;
    let scale = |count: f64| (count * options.scale).ceil();
    let quiet =
        || Flow { webhooks: 100, per_second: 1.0, sends: 0..until, endpoint: Endpoint::well(), max_per_minute: None };
    let beside = |flow| scenario(vec![flow, quiet()], vec![before, before + 15 * SECOND, up]);
    let busy = |when_down| {
        let endpoint = Endpoint::down(when_down, before..up);
        beside(Flow { webhooks: 1, per_second: scale(1_000.0), sends: 0..until, endpoint, max_per_minute: None })
    };
    let asks = Endpoint::down(Manner::AsksToWait { seconds: 21_600 }, 0..before + 6 * HOUR.min(down));
    let completions = before..before + 2 * MINUTE;
    let fails = Manner::Fails { share: 0.05, status: 500, retry_after: 0 };
    let many = |when_down, dispatchers| {
        let flow = |webhooks: f64, endpoint| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a million")]
            let webhooks = scale(webhooks) as u32;
            Flow { webhooks, per_second: 1.0 / 3_600.0, sends: 0..until, endpoint, max_per_minute: None }
        };
        let flows = vec![flow(10_000.0, Endpoint::down(when_down, before..up)), flow(990_000.0, Endpoint::well())];
        Scenario { dispatchers, ..scenario(flows, vec![before, before + 15 * SECOND, up]) }
    };
    vec![
        ("refuses", busy(Manner::Refuses)),
        ("hangs 10 s", busy(Manner::Hangs)),
        ("5 % fail", busy(fails)),
        (
            "50 ask to wait",
            beside(Flow { webhooks: 50, per_second: 20.0, sends: completions, endpoint: asks, max_per_minute: None }),
        ),
        ("1 % refuse", many(Manner::Refuses, 50)),
        ("1 % hang", many(Manner::Hangs, 50)),
        ("1 % hang, 150 dispatchers", many(Manner::Hangs, 150)),
    ]
}

fn scenario(flows: Vec<Flow>, spans: Vec<Ms>) -> Scenario {
    Scenario { flows, spans, until: 30 * 24 * HOUR, dispatchers: 50, repeats_batches: false, late_shard: 0 }
}

/// The scenarios with single failures, or an outage of ten minutes.
fn healthy(options: &Options) -> Vec<(&'static str, Scenario)> {
    let of = |per_second: f64, hours, endpoint| {
        let flow = Flow { webhooks: 1, per_second, sends: 0..hours * HOUR, endpoint, max_per_minute: None };
        scenario(vec![flow], vec![])
    };
    let rate = |per_second: f64| per_second * options.scale.max(0.1);
    let fails = |share, status, retry_after| Endpoint::usually(Manner::Fails { share, status, retry_after });
    let down = || Endpoint::down(Manner::Refuses, 10 * MINUTE..20 * MINUTE);
    let poison = |count, endpoint| {
        // With `down()` they fail shortly before the outage, so they are the oldest that are held.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of a delivery")]
        let first = (rate(2.0) * 575.0) as u32;
        Endpoint { poison: first..first + count, ..endpoint }
    };
    // Longer than the retry schedule, 28 hours.
    let hours = 34;
    let late = |repeats_batches, endpoint| Scenario {
        repeats_batches,
        late_shard: if repeats_batches { 0 } else { 20 * SECOND },
        ..of(rate(100.0), 1, endpoint)
    };
    vec![
        ("one poison payload", of(rate(2.0), hours, poison(1, Endpoint::well()))),
        ("ten at the front of a drain", of(rate(2.0), hours, poison(10, down()))),
        ("1 of 1,000 is 429 with Retry-After: 1", of(rate(1_000.0), 1, fails(0.001, 429, 1))),
        ("5 % fail, batches repeated", late(true, fails(0.05, 500, 0))),
        ("5 % fail, a shard 20 s late", late(false, fails(0.05, 500, 0))),
        ("down 10 minutes, batches repeated", late(true, down())),
        ("down 10 minutes, a shard 20 s late", late(false, down())),
    ]
}

/// The scenarios with one webhook that has `max_per_minute`, and an hour of events: ten times as many as it may get, or a
/// little fewer.
fn limited() -> Vec<(&'static str, Scenario)> {
    let of = |limit: u32, share: f64| {
        let per_second = f64::from(limit) / 60.0 * share;
        let max_per_minute = Some(limit);
        let flow = Flow { webhooks: 1, per_second, sends: 0..HOUR, endpoint: Endpoint::well(), max_per_minute };
        scenario(vec![flow], vec![HOUR])
    };
    vec![
        ("limit 60, ten times as many", of(60, 10.0)),
        ("limit 600, ten times as many", of(600, 10.0)),
        ("limit 6,000, ten times as many", of(6_000, 10.0)),
        ("limit 600, nine tenths", of(600, 0.9)),
        ("limit 6,000, nine tenths", of(6_000, 0.9)),
    ]
}
