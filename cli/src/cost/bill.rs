//! The bill: units times prices, line by line.

use nano_webhooks::prices;
use serde_json::{Value, json};

use super::{
    figures::{Figures, Metric, QUEUES},
    parts::{Missing, Parts, Table},
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

/// The lines for what was used.
pub(super) const USED: [&str; 9] = [SQS, POLLING, LAMBDA, GB_SECONDS, READS, WRITES, LOGS, LOGS_KEPT, API];
/// The lines that need CloudWatch's figures.
pub(super) const METERED: [&str; 10] = [SQS, POLLING, LAMBDA, GB_SECONDS, READS, WRITES, LOGS, LOGS_KEPT, API, METRICS];

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
        self.lines.iter().filter(|line| is_meant(line)).map(|line| line.usd).sum()
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

#[cfg(test)]
pub(super) mod tests {
    use nano_webhooks::stats::Month;

    use super::{
        super::parts::{Function, Settings},
        *,
    };

    /// A stack of two functions and two tables, and a million deliveries in full batches in a month that is over.
    pub(in crate::cost) fn bill() -> Bill {
        let (parts, figures) = million();
        Bill { lines: lines(&parts, &figures, &over()), missing: Vec::new() }
    }

    fn over() -> Period {
        period("2026-01-01T00:00:00Z", "2027-03-01T00:00:00Z")
    }

    /// November 2026, of a stack that was created at this time.
    fn period(created: &str, now: &str) -> Period {
        Period::new(Month::parse("2026-11").unwrap(), created.parse().unwrap(), now.parse().unwrap())
    }

    fn million() -> (Parts, Figures) {
        let function = |name: &str, megabytes| Function {
            name: name.to_owned(),
            physical: format!("s-{name}-X"),
            gigabytes: Some(megabytes / 1024.0),
            is_arm: true,
        };
        let table = |name, indexes| Table {
            name,
            physical: format!("s-{name}"),
            indexes,
            bytes: Some((2e9, 3e9)),
            has_backups: true,
        };
        let parts = Parts {
            stack: "s".into(),
            functions: vec![function("fan-out", 256.0), function("dispatcher", 128.0)],
            tables: vec![table("events", &[]), table("deliveries", &["by-state"])],
            logs: vec![("dispatcher".into(), "g".into())],
            api: Some("a".into()),
            alarm_metrics: 22,
            settings: Settings { log_days: 30, history_days: 30, is_arm: true, ..Settings::default() },
        };
        let mut figures = Figures::default();
        let mut set = |metric, sum| figures.add(metric, &[sum]);
        for queue in ["completions", "deliveries"] {
            set(Metric::queue("NumberOfMessagesSent", "s", queue), 1e6);
            set(Metric::queue("NumberOfMessagesReceived", "s", queue), 1e6);
            set(Metric::queue("NumberOfEmptyReceives", "s", queue), 650_000.0);
        }
        for (name, duration) in [("fan-out", 20.0), ("dispatcher", 128.0)] {
            set(Metric::function("Invocations", &format!("s-{name}-X")), 1e5);
            set(Metric::function("Duration", &format!("s-{name}-X")), 1e5 * duration);
        }
        set(Metric::table("ConsumedWriteCapacityUnits", "s-events", None), 1e6);
        set(Metric::table("ConsumedWriteCapacityUnits", "s-deliveries", None), 1.1e6);
        set(Metric::table("ConsumedWriteCapacityUnits", "s-deliveries", Some("by-state")), 1e5);
        set(Metric::log("IncomingBytes", "g"), 3e8);
        set(Metric::log("IncomingLogEvents", "g"), 1e6);
        set(Metric::api("Count", "a"), 5e5);
        let own = Metric::own("s").next().unwrap();
        figures.add(own, &[1.0; 360]);
        (parts, figures)
    }

    /// The units and the dollars of a line.
    fn of(bill: &Bill, line: &str, of: &str) -> (f64, f64) {
        let found = bill.lines.iter().find(|found| found.name == line && found.of == of);
        let found = found.unwrap_or_else(|| panic!("{line} {of}: {:#?}", bill.lines));
        let rounded = |number: f64| (number * 1e4).round() / 1e4;
        (rounded(found.units), rounded(found.usd))
    }

    #[test]
    fn each_line_is_its_units_times_its_price() {
        let bill = bill();
        // A million sends; a hundred thousand receives and deletions.
        assert_eq!(of(&bill, SQS, "completions"), (1.2e6, 0.48));
        // Two hundred thousand sends at most, as many receives and deletions; fair queues cost a quarter more.
        assert_eq!(of(&bill, SQS, "deliveries"), (4e5, 0.2));
        assert_eq!(of(&bill, POLLING, "deliveries"), (6.5e5, 0.26));
        assert_eq!(of(&bill, LAMBDA, "dispatcher"), (1e5, 0.02));
        // 100,000 times 128 ms with an eighth of a GB.
        assert_eq!(of(&bill, GB_SECONDS, "dispatcher"), (1600.0, 0.0213));
        assert_eq!(of(&bill, WRITES, "events"), (1e6, 0.625));
        assert_eq!(of(&bill, WRITES, "deliveries by-state"), (1e5, 0.0625));
        // With its index; backups without.
        assert_eq!(of(&bill, STORED, "deliveries"), (3.0, 0.75));
        assert_eq!(of(&bill, BACKUPS, "deliveries"), (2.0, 0.4));
        // 300 bytes and 26 for each of a million lines.
        assert_eq!(of(&bill, LOGS, "dispatcher"), (0.326, 0.163));
        assert_eq!(of(&bill, LOGS_KEPT, "dispatcher"), (0.0489, 0.0015));
        assert_eq!(of(&bill, API, ""), (5e5, 0.5));
        // 360 of November's 720 hours.
        assert_eq!(of(&bill, METRICS, ""), (0.5, 0.15));
        assert_eq!(of(&bill, "alarms' metrics, months", ""), (22.0, 2.2));
        assert_eq!(of(&bill, "dashboard, months", ""), (1.0, 3.0));
        let sum: f64 = bill.lines.iter().map(|line| line.usd).sum();
        assert!((bill.usd() - sum).abs() < 1e-9);
    }

    #[test]
    fn messages_in_batches_of_one_are_a_request_each_and_large_ones_several() {
        let (parts, mut figures) = million();
        figures.add(Metric::function("Invocations", "s-fan-out-X"), &[9e5]);
        figures.add(Metric::function("Invocations", "s-dispatcher-X"), &[9e5]);
        let requests = |figures: &Figures| {
            let lines = queues(&parts, figures);
            lines.iter().filter(|line| line.name == SQS).map(|line| line.units).sum::<f64>()
        };
        assert!((requests(&figures) - 6e6).abs() < 1.0, "{}", requests(&figures));
        figures.add(Metric::queue("SentMessageSize", "s", "completions"), &[2e6 * SQS_CHUNK]);
        assert!((requests(&figures) - 8e6).abs() < 1.0, "{}", requests(&figures));
    }

    #[test]
    fn an_x86_function_costs_a_quarter_more() {
        let (mut parts, figures) = million();
        parts.functions[1].is_arm = false;
        let bill = Bill { lines: functions(&parts, &figures), missing: Vec::new() };
        assert_eq!(of(&bill, GB_SECONDS, "dispatcher"), (1600.0, 0.0267));
    }

    #[test]
    fn what_is_billed_by_the_month_is_billed_as_far_as_the_month_has_passed() {
        let (parts, _) = million();
        let half = period("2026-01-01T00:00:00Z", "2026-11-16T00:00:00Z");
        assert_eq!(half.until, "2026-11-16T00:00:00Z".parse().unwrap());
        let bill = Bill { lines: lines(&parts, &Figures::default(), &half), missing: Vec::new() };
        assert_eq!(of(&bill, "dashboard, months", ""), (0.5, 1.5));
        assert_eq!(of(&bill, STORED, "events"), (1.5, 0.375));
        assert!(bill.lines.iter().all(|line| !METERED.contains(&line.name)), "no units, no line");
        assert!(over().is_over() && over().until == over().month.ends() && !half.is_over());
    }

    #[test]
    fn alarms_and_dashboard_are_billed_since_the_stack_was_created() {
        let (parts, _) = million();
        let dashboard = |created| {
            let period = period(created, "2026-11-16T00:00:00Z");
            let bill = Bill { lines: lines(&parts, &Figures::default(), &period), missing: Vec::new() };
            bill.lines.iter().find(|line| line.name == "dashboard, months").map_or(0.0, |line| line.units)
        };
        assert!((dashboard("2026-11-13T00:00:00Z") - 0.1).abs() < 1e-9);
        assert!(dashboard("2026-12-01T00:00:00Z") < 1e-9, "the month before there was a stack costs nothing");
    }
}
