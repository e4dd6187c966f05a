//! The bill: what a run will cost, from the units that it is going to use; and what the stack cost meanwhile, from the
//! units that AWS metered.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use nano_webhooks::prices;
use tokio::time::sleep;

use super::{outcome::Outcome, world::World};
use crate::cost::{self, Bill};

/// What one delivery uses if every batch has one message, as `bench -- cost` counts it: docs/performance.md.
const SQS_REQUESTS: f64 = 6.0;
const FAIR_REQUESTS: f64 = 3.0;
const INVOCATIONS: f64 = 2.0;
const GB_SECONDS: f64 = 0.026;
const READ_UNITS: f64 = 2.0;
const WRITE_UNITS: f64 = 2.0;
/// The bytes of its log lines, including what AWS bills on top of each line.
const LOG_BYTES: f64 = 976.0;
/// The bytes of its event and its delivery.
const STORED_BYTES: f64 = 680.0;
/// An API request: its function, and the key with its usage.
const REQUEST_GB_SECONDS: f64 = 0.005;
const REQUEST_READ_UNITS: f64 = 2.0;
const REQUEST_WRITE_UNITS: f64 = 1.0;

/// How long CloudWatch takes to show the figures of the last minute.
const LATE: Duration = Duration::from_mins(3);
const MILLION: f64 = 1e6;

/// What a run is going to do.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Work {
    pub(super) deliveries: f64,
    pub(super) api_requests: f64,
    pub(super) metrics: f64,
}

impl Work {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            deliveries: self.deliveries + other.deliveries,
            api_requests: self.api_requests + other.api_requests,
            metrics: self.metrics + other.metrics,
        }
    }

    /// What it costs, in dollars, in us-east-1, on arm64 and without free tiers. Some reads of the tables and queues by the
    /// command itself are not counted.
    pub(super) fn dollars(self) -> f64 {
        let delivery = (SQS_REQUESTS * prices::SQS_MILLION
            + FAIR_REQUESTS * prices::SQS_FAIR_MILLION
            + INVOCATIONS * prices::LAMBDA_MILLION
            + READ_UNITS * prices::DYNAMODB_READ_MILLION
            + WRITE_UNITS * prices::DYNAMODB_WRITE_MILLION)
            / MILLION
            + GB_SECONDS * prices::LAMBDA_GB_SECOND
            + LOG_BYTES / 1e9 * prices::LOGS_GB
            + STORED_BYTES / 1e9 * (prices::DYNAMODB_GB_MONTH + prices::DYNAMODB_BACKUP_GB_MONTH);
        let request = (prices::API_MILLION
            + prices::LAMBDA_MILLION
            + REQUEST_READ_UNITS * prices::DYNAMODB_READ_MILLION
            + REQUEST_WRITE_UNITS * prices::DYNAMODB_WRITE_MILLION)
            / MILLION
            + REQUEST_GB_SECONDS * prices::LAMBDA_GB_SECOND;
        self.deliveries * delivery + self.api_requests * request + self.metrics / 1000.0 * prices::METRICS_THOUSAND
    }
}

/// Returns what the stack used since `began`. Other traffic of the stack is included.
pub(super) async fn metered(world: &World, began: Timestamp) -> Outcome<Bill> {
    if !world.is_local() {
        sleep(LATE).await;
    }
    Ok(cost::used_since(&world.stack, began).await?)
}

/// The metered bill in words.
pub(super) fn words(metered: &Bill) -> String {
    let mut lines = BTreeMap::new();
    for line in &metered.lines {
        *lines.entry(line.name).or_insert(0.0) += line.units;
    }
    let lines = lines.into_iter().map(|(line, units)| format!("{line} {}", cost::number(units)));
    let missing = metered.missing_by_reason().into_iter();
    let missing = missing.map(|(reason, lines)| format!("not metered: {} ({reason})", lines.join(", ")));
    let details = lines.chain(missing).collect::<Vec<_>>().join("; ");
    if metered.lines.is_empty() {
        return if details.is_empty() { "nothing was used".into() } else { details };
    }
    let cents = metered.usd() * 100.0;
    let about = if metered.missing.is_empty() { "about" } else { "at least" };
    format!("{about} {cents:.2} cents, without storage, alarms, the dashboard and metrics ({details})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{
        bill::{Basis, Line},
        parts::Missing,
    };

    #[test]
    fn a_million_deliveries_cost_what_the_instruments_measured() {
        let dollars = Work { deliveries: 1e6, ..Work::default() }.dollars();
        assert!((5.5..6.2).contains(&dollars), "docs/performance.md has 5.76 for batches of one: {dollars}");
    }

    #[test]
    fn a_metered_bill_adds_up_each_line_and_gives_each_reason_once() {
        let line = |name, units, usd| Line { name, of: String::new(), units, usd, basis: Basis::Fixed };
        let missing = |why: &str| Missing { line: "a line".into(), why: why.into() };
        let bill = |lines, missing| words(&Bill { lines, missing });
        assert_eq!(
            bill(vec![line("writes", 1e6, 0.5), line("writes", 1e6, 0.5), line("logs", 0.000_055, 0.0)], vec![]),
            "about 100.00 cents, without storage, alarms, the dashboard and metrics (logs 0.000055; writes 2000000)"
        );
        let reasons = vec![missing("denied"), missing("late"), missing("denied")];
        assert_eq!(
            bill(vec![line("writes", 1e6, 0.5)], reasons),
            "at least 50.00 cents, without storage, alarms, the dashboard and metrics (writes 1000000; \
             not metered: a line, a line (denied); not metered: a line (late))"
        );
        assert_eq!(bill(vec![], vec![missing("late")]), "not metered: a line (late)");
        assert_eq!(bill(vec![], vec![]), "nothing was used");
    }
}
