//! The bill: units times prices, line by line.

#[cfg(test)]
pub(super) mod tests;

use nano_webhooks::prices;
use serde_json::{Value, json};

use super::{
    figures::{Figures, Metric, QUEUES},
    parts::{ALARMS, Missing, Parts, STORAGE, Table},
    period::Period,
};

const MILLION: f64 = 1e6;
/// SQS bills each begun 64 KiB of a request's payload as a request.
const SQS_CHUNK: f64 = 65_536.0;
const DAYS_A_MONTH: f64 = 30.0;

const SQS: &str = "SQS requests";
const POLLING: &str = "SQS polling";
const LAMBDA: &str = "Lambda requests";
pub(super) const GB_SECONDS: &str = "Lambda GB-seconds";
const READS: &str = "DynamoDB read units";
const WRITES: &str = "DynamoDB write units";
const LOGS: &str = "logs, GB taken in";
pub(super) const LOGS_KEPT: &str = "logs kept, GB-months";
const API: &str = "API requests";
const METRICS: &str = "metrics, months";
/// The storage of tables with their indexes, and their backups.
pub(super) const STORED: &str = "DynamoDB GB-months";
pub(super) const BACKUPS: &str = "backups, GB-months";

/// The lines that need CloudWatch's figures.
pub(super) const METERED: [&str; 10] = [SQS, POLLING, LAMBDA, GB_SECONDS, READS, WRITES, LOGS, LOGS_KEPT, API, METRICS];
/// What can be missing only from the bill of a month.
pub(super) const BY_THE_MONTH: [&str; 3] = [ALARMS, STORAGE, METRICS];

/// What a line grows with. The bill is shared out by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basis {
    /// Deliveries that ended.
    Deliveries,
    Attempts,
    /// Attempts that failed.
    Failures,
    /// How long attempts took.
    Time,
    /// The bytes that were recorded of attempts.
    Bytes,
    /// Nothing that an account's deliveries change: what the stack costs idle, and requests to the API.
    Fixed,
}

/// A line of the bill.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    /// The function, table or queue; empty for a line of the whole stack.
    pub(crate) of: String,
    pub(crate) units: f64,
    pub(crate) usd: f64,
    pub(crate) basis: Basis,
}

/// The lines, and those that could not be read.
pub(crate) struct Bill {
    pub(crate) lines: Vec<Line>,
    pub(crate) missing: Vec<Missing>,
}

impl Bill {
    /// The dollars of all lines.
    pub(crate) fn usd(&self) -> f64 {
        self.usd_of(|_| true)
    }

    /// The dollars of some lines.
    pub(super) fn usd_of(&self, is_meant: impl Fn(&Line) -> bool) -> f64 {
        // Not `sum`, which is -0.0 of nothing.
        self.lines.iter().filter(|line| is_meant(line)).fold(0.0, |all, line| all + line.usd)
    }

    /// The lines that are missing for the same reason, together.
    pub(crate) fn missing_by_reason(&self) -> Vec<(&str, Vec<&str>)> {
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        for Missing { line, why } in &self.missing {
            match reasons.iter_mut().find(|(reason, _)| reason == why) {
                Some((_, lines)) => lines.push(line),
                None => reasons.push((why, vec![line])),
            }
        }
        reasons
    }

    /// The lines, their sum, and what is missing, for programs. The sum is null if no line could be read.
    pub(crate) fn json(&self) -> Value {
        let lines = self.lines.iter().map(|Line { name: line, of, units, usd, .. }| {
            let of = (!of.is_empty()).then_some(of);
            json!({ "line": line, "of": of, "units": units, "usd": usd })
        });
        let missing = self.missing.iter().map(|Missing { line, why }| json!({ "line": line, "why": why }));
        let usd = (self.is_complete() || !self.lines.is_empty()).then(|| self.usd());
        json!({ "lines": lines.collect::<Vec<_>>(), "usd": usd, "missing": missing.collect::<Vec<_>>() })
    }

    /// Whether every line could be read.
    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

/// The lines of a month that have units.
pub(super) fn lines(parts: &Parts, figures: &Figures, period: &Period) -> Vec<Line> {
    let by_the_month = storage(&parts.tables, period).into_iter().chain(around(parts, figures, period));
    used(parts, figures).into_iter().chain(by_the_month.filter(|line| line.units > 0.0)).collect()
}

/// The lines for what was used, those that have units: all but storage, alarms, the dashboard and metrics.
pub(super) fn used(parts: &Parts, figures: &Figures) -> Vec<Line> {
    let requests = parts.api.as_ref().map_or(0.0, |api| figures.sum(&Metric::api("Count", api)));
    let lines = [
        queues(parts, figures),
        functions(parts, figures),
        units_of_tables(parts, figures),
        logs(parts, figures),
        vec![line(API, "", requests, prices::API_MILLION / MILLION, Basis::Fixed)],
    ];
    lines.into_iter().flatten().filter(|line| line.units > 0.0).collect()
}

fn line(line: &'static str, of: &str, units: f64, price: f64, basis: Basis) -> Line {
    Line { name: line, of: of.to_owned(), units, usd: units * price, basis }
}

/// CloudWatch counts messages; SQS bills requests. Lambda receives each batch with one request and deletes it with one. Of a
/// completion, each is taken as sent by itself. fan-out sends the deliveries of a batch together, ten in a request.
fn queues(parts: &Parts, figures: &Figures) -> Vec<Line> {
    let invocations = |name: &str| {
        let function = parts.functions.iter().find(|function| function.name == name);
        function.map_or(0.0, |function| figures.sum(&Metric::function("Invocations", &function.physical)))
    };
    let lines = QUEUES.into_iter().flat_map(|queue| {
        let sum = |name| figures.sum(&Metric::queue(name, &parts.stack, queue));
        let (sent, received) = (sum("NumberOfMessagesSent"), sum("NumberOfMessagesReceived"));
        let chunks = sum("SentMessageSize") / SQS_CHUNK;
        let (sends, polls, basis) = match queue {
            "completions" => (sent, invocations("fan-out").min(received), Basis::Deliveries),
            "deliveries" => (
                sent.min(sent / 10.0 + invocations("fan-out")),
                invocations("dispatcher").min(received),
                Basis::Attempts,
            ),
            _ => (sent, received, Basis::Fixed),
        };
        let requests = sends.max(chunks) + polls.max(chunks * received / sent.max(1.0)) + polls;
        let fair = if queue == "deliveries" { prices::SQS_FAIR_MILLION } else { 0.0 };
        [
            line(SQS, queue, requests, (prices::SQS_MILLION + fair) / MILLION, basis),
            line(POLLING, queue, sum("NumberOfEmptyReceives"), prices::SQS_MILLION / MILLION, Basis::Fixed),
        ]
    });
    lines.collect()
}

/// What a function's requests and logs grow with.
fn basis_of(function: &str) -> Basis {
    match function {
        "fan-out" => Basis::Deliveries,
        "dispatcher" | "count-attempts" => Basis::Attempts,
        "watch-webhooks" => Basis::Failures,
        _ => Basis::Fixed,
    }
}

fn functions(parts: &Parts, figures: &Figures) -> Vec<Line> {
    let lines = parts.functions.iter().flat_map(|function| {
        let sum = |name| figures.sum(&Metric::function(name, &function.physical));
        let basis = basis_of(&function.name);
        let gb_seconds = function.gigabytes.unwrap_or_default() * sum("Duration") / 1_000.0;
        let price = if function.is_arm { prices::LAMBDA_GB_SECOND } else { prices::LAMBDA_X86_GB_SECOND };
        let time = if function.name == "dispatcher" { Basis::Time } else { basis };
        [
            line(LAMBDA, &function.name, sum("Invocations"), prices::LAMBDA_MILLION / MILLION, basis),
            line(GB_SECONDS, &function.name, gb_seconds, price, time),
        ]
    });
    lines.collect()
}

/// What the reads and the writes of a table or its index grow with. release reads the waiting table and the index by-action
/// every minute, whatever happens.
fn basis_of_units(table: &str, index: Option<&str>) -> (Basis, Basis) {
    match (table, index) {
        ("webhooks", None) => (Basis::Deliveries, Basis::Failures),
        ("webhooks" | "waiting", _) => (Basis::Fixed, Basis::Failures),
        ("events", _) => (Basis::Deliveries, Basis::Deliveries),
        ("deliveries", None) => (Basis::Attempts, Basis::Attempts),
        ("deliveries", Some(_)) => (Basis::Failures, Basis::Failures),
        _ => (Basis::Fixed, Basis::Fixed),
    }
}

fn units_of_tables(parts: &Parts, figures: &Figures) -> Vec<Line> {
    let mut lines = Vec::new();
    for table in &parts.tables {
        for index in [None].into_iter().chain(table.indexes.iter().copied().map(Some)) {
            let of = index.map_or_else(|| table.name.to_owned(), |index| format!("{} {index}", table.name));
            let sum = |name| figures.sum(&Metric::table(name, &table.physical, index));
            let (reads, writes) = basis_of_units(table.name, index);
            let (read, write) = (sum("ConsumedReadCapacityUnits"), sum("ConsumedWriteCapacityUnits"));
            lines.push(line(READS, &of, read, prices::DYNAMODB_READ_MILLION / MILLION, reads));
            lines.push(line(WRITES, &of, write, prices::DYNAMODB_WRITE_MILLION / MILLION, writes));
        }
    }
    lines
}

/// The tables at their present size, for the part of the month that has passed.
fn storage(tables: &[Table], period: &Period) -> Vec<Line> {
    let lines = tables.iter().flat_map(|table| {
        let (own, whole) = table.bytes.unwrap_or_default();
        let basis = match table.name {
            "events" => Basis::Deliveries,
            "deliveries" => Basis::Bytes,
            _ => Basis::Fixed,
        };
        let months = |bytes: f64| bytes / 1e9 * period.passed;
        let backed_up = if table.has_backups { own } else { 0.0 };
        [
            line(STORED, table.name, months(whole), prices::DYNAMODB_GB_MONTH, basis),
            line(BACKUPS, table.name, months(backed_up), prices::DYNAMODB_BACKUP_GB_MONTH, basis),
        ]
    });
    lines.collect()
}

/// Logs when they are taken in, and for as long as they are kept.
fn logs(parts: &Parts, figures: &Figures) -> Vec<Line> {
    let kept = f64::from(parts.settings.log_days) / DAYS_A_MONTH * prices::LOGS_COMPRESSION;
    let lines = parts.logs.iter().flat_map(|(function, group)| {
        let sum = |name| figures.sum(&Metric::log(name, group));
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let gigabytes = (sum("IncomingBytes") + sum("IncomingLogEvents") * prices::LOG_LINE_BYTES as f64) / 1e9;
        let basis = basis_of(function);
        [
            line(LOGS, function, gigabytes, prices::LOGS_GB, basis),
            line(LOGS_KEPT, function, gigabytes * kept, prices::LOGS_GB_MONTH, basis),
        ]
    });
    lines.collect()
}

/// Metrics, alarms and the dashboard, which are billed by the month.
fn around(parts: &Parts, figures: &Figures, period: &Period) -> Vec<Line> {
    #[expect(clippy::cast_precision_loss, reason = "there are not that many alarms")]
    let alarm_metrics = parts.alarm_metrics as f64 * period.with_stack;
    vec![
        line(METRICS, "", figures.own_hours() / period.hours, prices::METRIC_MONTH, Basis::Fixed),
        line("alarms' metrics, months", "", alarm_metrics, prices::ALARM_METRIC_MONTH, Basis::Fixed),
        line("dashboard, months", "", period.with_stack, prices::DASHBOARD_MONTH, Basis::Fixed),
    ]
}
