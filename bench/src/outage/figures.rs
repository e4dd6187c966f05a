//! The figures of a simulation, as they are printed.

use serde_json::{Value, json};

use super::{
    Ms,
    measure::{Bill, Durations},
    scenario::{HOUR, MINUTE, Scenario},
    simulation::Measured,
};
use crate::{report::rounded, row};

/// How much a drain may send in a minute, unless the webhook had more traffic.
const BOUND_PER_MINUTE: f64 = 6_000.0;

/// The figures of a scenario with endpoints that are down.
pub(super) struct Outage<'a> {
    name: &'a str,
    scenario: &'a Scenario,
    measured: &'a Measured,
}

impl<'a> Outage<'a> {
    pub(super) fn new(name: &'a str, scenario: &'a Scenario, measured: &'a Measured) -> Self {
        Self { name, scenario, measured }
    }

    pub(super) fn lost(&self) -> (&str, i64) {
        (self.name, self.measured.lost())
    }

    /// When the endpoints were down.
    fn down(&self) -> std::ops::Range<Ms> {
        self.scenario.spans[0]..self.scenario.spans[2]
    }

    /// Write units and dollars, each during the outage, and for the same length at the rate before.
    fn bills(&self) -> [(f64, f64); 2] {
        let down = self.down();
        let of = |at: usize| self.measured.bills.get(at).copied().unwrap_or(self.measured.bill);
        let during = of(2) - of(0);
        let scale = (down.end - down.start) as f64 / down.start as f64;
        let units = |bill: Bill| bill.writes as f64;
        [(units(during), units(of(0)) * scale), (during.dollars(), of(0).dollars() * scale)]
    }

    /// Dollars per million events: from the outage's beginning to the simulation's end, and before the outage.
    fn per_million(&self) -> (f64, f64) {
        let Measured { bill, bills, fates, arrived_before, .. } = self.measured;
        let arrived: u64 = fates.iter().map(|fates| fates.arrived).sum();
        let before = bills.first().copied().unwrap_or_default();
        let million = |dollars: f64, events: u64| dollars / events as f64 * 1e6;
        (million((*bill - before).dollars(), arrived - arrived_before), million(before.dollars(), *arrived_before))
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        [self.delays(), self.drain(), self.costs(), self.counts()].concat()
    }

    /// How long the queue was, and how long the accounts without an outage waited.
    fn delays(&self) -> Vec<(&'static str, String)> {
        let spans = &self.measured.fates[1].latencies;
        vec![
            ("most messages in flight", self.measured.most_in_flight.to_string()),
            ("longest queue", self.measured.longest_queue.to_string()),
            ("quiet accounts before, p50 and p99 in ms", percentiles(&spans[0])),
            ("the same during the outage", percentiles(&spans[2])),
            ("the same after it", percentiles(&spans[3])),
            ("p99 during beside before", ratio(&spans[2], &spans[0])),
            ("p99 after beside before", ratio(&spans[3], &spans[0])),
        ]
    }

    /// What the circuit held, and how it was sent after the outage.
    fn drain(&self) -> Vec<(&'static str, String)> {
        let dead = &self.measured.fates[0];
        let greatest = self.measured.drained.values().max().copied().unwrap_or_default();
        let minutes = |time: Ms| format!("{:.1}", time as f64 / MINUTE as f64);
        let (recovered, held) = self.measured.recovered.unwrap_or_default();
        let flow = &self.scenario.flows[0];
        let bound = BOUND_PER_MINUTE.max(flow.per_second * 60.0) * f64::from(flow.webhooks);
        let drained = self.measured.drained_at.saturating_sub(recovered);
        let if_held = |text: String| if held == 0 { "-".to_owned() } else { text };
        let draining = dead.latencies.last().expect("there is one for drains");
        vec![
            ("attempts in vain", dead.in_vain.to_string()),
            ("probes of these", self.measured.probes.to_string()),
            ("most deliveries held", self.measured.most_held.to_string()),
            (
                "minutes until the first circuit or the last recovers",
                minutes(recovered.saturating_sub(self.down().end)),
            ),
            ("drain, minutes", if_held(minutes(drained))),
            (
                "beside held at the bound",
                if_held(format!("{:.2}", drained as f64 / (held as f64 / bound * MINUTE as f64))),
            ),
            ("most that a drain sent in a minute", greatest.to_string()),
            ("that webhook's live events before, p50 and p99 in ms", percentiles(&dead.latencies[0])),
            ("the same while it drains", percentiles(draining)),
            ("p99 beside before", ratio(draining, &dead.latencies[0])),
        ]
    }

    fn costs(&self) -> Vec<(&'static str, String)> {
        let [(units, usual_units), (dollars, usual_dollars)] = self.bills();
        let (after_all, usually) = self.per_million();
        let million = |count: f64| format!("{:.2}", count / 1e6);
        vec![
            ("millions of write units during the outage", million(units)),
            ("without an outage", million(usual_units)),
            ("dollars during the outage", format!("{dollars:.2}")),
            ("without an outage ", format!("{usual_dollars:.2}")),
            ("ratio", format!("{:.2}", dollars / usual_dollars)),
            ("dollars per million events, drain included", format!("{after_all:.2}")),
            ("without an outage  ", format!("{usually:.2}")),
            ("ratio ", format!("{:.2}", after_all / usually)),
        ]
    }

    fn counts(&self) -> Vec<(&'static str, String)> {
        let [dead, quiet] = [0, 1].map(|at| self.measured.fates[at].failed);
        vec![
            ("writes throttled", self.measured.throttled.to_string()),
            ("messages given back", self.measured.given_back.to_string()),
            ("circuits opened while well", self.measured.openings.to_string()),
            ("hours simulated", format!("{:.1}", self.measured.ended_at as f64 / HOUR as f64)),
            ("schedules used up", (dead + quiet).to_string()),
            ("lost", self.measured.lost().to_string()),
        ]
    }

    pub(super) fn json(&self) -> Value {
        let figures = self.rows().into_iter().map(|(name, value)| (name.trim().to_owned(), Value::from(value)));
        json!({"scenario": self.name, "figures": figures.collect::<serde_json::Map<_, _>>()})
    }
}

/// The median and the 99th percentile.
fn percentiles(durations: &Durations) -> String {
    let of = |share| durations.percentile(share).map_or("-".to_owned(), |duration| duration.to_string());
    format!("{}, {}", of(0.5), of(0.99))
}

/// How many times the 99th percentile of others this one is.
fn ratio(of: &Durations, to: &Durations) -> String {
    match (of.percentile(0.99), to.percentile(0.99)) {
        (Some(of), Some(to)) => format!("{:.2}", of as f64 / to as f64),
        _ => "-".to_owned(),
    }
}

/// A table with one column for each scenario.
pub(super) fn outages(outages: &[Outage<'_>]) -> Vec<Vec<String>> {
    in_columns(&outages.iter().map(|outage| (outage.name, outage.rows())).collect::<Vec<_>>())
}

/// The figures of a scenario with single failures, or an outage of ten minutes.
pub(super) struct Healthy<'a> {
    name: &'a str,
    measured: &'a Measured,
}

impl<'a> Healthy<'a> {
    pub(super) fn new(name: &'a str, measured: &'a Measured) -> Self {
        Self { name, measured }
    }

    pub(super) fn lost(&self) -> (&str, i64) {
        (self.name, self.measured.lost())
    }

    /// The longest time that the circuit was open while the endpoint was healthy, in seconds.
    fn longest_open(&self) -> f64 {
        rounded(self.measured.longest_open as f64 / 1_000.0, 1)
    }

    pub(super) fn json(&self) -> Value {
        let Measured { openings, left, .. } = self.measured;
        json!({
            "scenario": self.name,
            "opened_while_well": openings,
            "longest_open_seconds": self.longest_open(),
            "left_held": left.held,
            "left_waiting": left.waiting,
            "circuits_left_open": left.open,
        })
    }
}

/// A table with one row for each scenario.
pub(super) fn healthy(scenarios: &[Healthy<'_>]) -> Vec<Vec<String>> {
    let head = row!["", "opened while well", "open for, s", "left held", "left waiting", "left not closed", "used up"];
    let rows = scenarios.iter().map(|scenario| {
        let Measured { openings, left, fates, .. } = scenario.measured;
        row![scenario.name, openings, scenario.longest_open(), left.held, left.waiting, left.open, fates[0].failed]
    });
    std::iter::once(head).chain(rows).collect()
}

/// The figures of a scenario with a webhook that has `max_per_minute`.
pub(super) struct Limited<'a> {
    name: &'a str,
    scenario: &'a Scenario,
    measured: &'a Measured,
}

impl<'a> Limited<'a> {
    pub(super) fn new(name: &'a str, scenario: &'a Scenario, measured: &'a Measured) -> Self {
        Self { name, scenario, measured }
    }

    pub(super) fn lost(&self) -> (&str, i64) {
        (self.name, self.measured.lost())
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let Measured { limited, quota_writes, bill, fates, left, ended_at, .. } = self.measured;
        let limit = self.scenario.flows[0].max_per_minute.unwrap_or_default();
        let most = limited.values().max().copied().unwrap_or_default();
        let events = fates[0].arrived as f64;
        vec![
            ("limit a minute", limit.to_string()),
            ("most requests in a minute", most.to_string()),
            ("on average", format!("{:.0}", events / limited.len() as f64)),
            ("write units that count them, for a delivery", format!("{:.3}", *quota_writes as f64 / events)),
            ("all write units, for a delivery", format!("{:.2}", bill.writes as f64 / events)),
            ("dollars per million deliveries", format!("{:.2}", bill.dollars() / events * 1e6)),
            ("hours until all were sent", format!("{:.1}", *ended_at as f64 / HOUR as f64)),
            ("left held", left.held.to_string()),
            ("lost", self.measured.lost().to_string()),
        ]
    }

    pub(super) fn json(&self) -> Value {
        let figures = self.rows().into_iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
        json!({"scenario": self.name, "figures": figures.collect::<serde_json::Map<_, _>>()})
    }
}

/// A table with one column for each scenario.
pub(super) fn limited(scenarios: &[Limited<'_>]) -> Vec<Vec<String>> {
    in_columns(&scenarios.iter().map(|scenario| (scenario.name, scenario.rows())).collect::<Vec<_>>())
}

/// A table with one column for each scenario, which all have the same rows.
fn in_columns(scenarios: &[(&str, Vec<(&'static str, String)>)]) -> Vec<Vec<String>> {
    let mut rows = vec![row![""]];
    rows[0].extend(scenarios.iter().map(|(name, _)| (*name).to_owned()));
    for at in 0..scenarios.first().map_or(0, |(_, column)| column.len()) {
        let mut row = row![scenarios[0].1[at].0.trim()];
        row.extend(scenarios.iter().map(|(_, column)| column[at].1.clone()));
        rows.push(row);
    }
    rows
}
