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

#[test]
fn a_bill_without_a_line_has_no_sum_if_something_is_missing() {
    let usd = |missing| Bill { lines: Vec::new(), missing }.json()["usd"].to_string();
    assert_eq!(usd(Vec::new()), "0.0");
    assert_eq!(usd(vec![Missing { line: SQS.into(), why: "late".into() }]), "null");
}
