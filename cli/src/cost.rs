//! `nano-webhooks cost`: what a stack costs in a month, line by line, what its accounts have of that, and what another
//! setting would change.
//!
//! [`parts`] reads what the stack is made of, [`figures`] what CloudWatch has metered of it, and the store what each account
//! used. The rest is arithmetic: [`bill`], [`shares`], [`changes`]. What cannot be read is named, and the rest is shown all
//! the same.

pub(crate) mod bill;
mod changes;
mod figures;
pub(crate) mod parts;
mod period;
mod report;
mod shares;

use clap::Args;
use jiff::Timestamp;
use nano_webhooks::stats::{Month, Units};

pub(crate) use self::{bill::Bill, report::number};
use self::{
    figures::{Figures, Metric, Span},
    parts::{Missing, Parts},
    period::Period,
    report::Report,
};
use crate::{
    failure::{Failure, Unanswered},
    stack::Stack,
    terminal,
};

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Cost {
    /// The month, in UTC; without it, the present one so far
    #[arg(long, value_name = "2026-11", value_parser = month)]
    month: Option<Month>,
}

const HELP: &str = "\
Units are those that AWS has metered: CloudWatch's figures, the sizes of the tables, and what count-attempts has added up for
each account. Prices are the list prices of us-east-1, without free tiers, discounts and tax. It is not the invoice: that has
your region's prices, and what AWS does not meter for one stack, such as traffic.

CloudWatch bills one run as some 200 metrics, $0.002. Nothing is written.

Examples:
  nano-webhooks cost
  nano-webhooks cost --month 2026-10
  nano-webhooks cost --json";

impl Cost {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        let now = Timestamp::now();
        let month = self.month.unwrap_or_else(|| Month::of(now));
        if month > Month::of(now) {
            return Err(Failure::Wrong(format!("{month} has not begun")));
        }
        let period = Period::new(month, stack.created, now);
        let mut missing = Vec::new();
        let parts = Parts::read(stack, &mut missing).await?;
        let metrics: Vec<_> = Metric::own(&stack.name).chain(figures::metrics(&parts)).collect();
        let figures = read_figures(stack, &metrics, Span::of(&period), &mut missing).await;
        let accounts = match stack.deliveries()?.month(month).await {
            Ok(accounts) => accounts,
            Err(err) => {
                let unanswered = Unanswered::of("dynamodb:Query on the deliveries table", &err);
                missing.push(Missing::unanswered("accounts", &unanswered));
                Vec::new()
            }
        };
        let mut together = Units::default();
        for (_, units) in &accounts {
            together += *units;
        }
        let bill = Bill { lines: bill::lines(&parts, &figures, &period), missing };
        let report = Report {
            stack,
            period,
            dearest: shares::dearest(&bill, &accounts, &together),
            changes: changes::changes(&bill, &parts.settings, &together),
            accounts: accounts.len(),
            bill,
            together,
            unmetered: parts.settings.unmetered,
        };
        if json { terminal::json(&report.json()) } else { report.print() }
    }
}

/// The bill of a stack for what was used since a time in the last 15 days, without storage, alarms, the dashboard and
/// metrics.
pub(crate) async fn used_since(stack: &Stack, from: Timestamp) -> Result<Bill, Failure> {
    let mut missing = Vec::new();
    let parts = Parts::read(stack, &mut missing).await?;
    let figures = read_figures(stack, &figures::metrics(&parts), Span::since(from), &mut missing).await;
    missing.retain(|missing| !bill::BY_THE_MONTH.contains(&missing.line.as_str()));
    Ok(Bill { lines: bill::used(&parts, &figures), missing })
}

/// Reads what CloudWatch has metered. If it has no figures or does not answer, adds the lines to `missing`.
async fn read_figures(stack: &Stack, metrics: &[Metric], span: Span, missing: &mut Vec<Missing>) -> Figures {
    match Figures::read(stack, metrics, span).await {
        Ok(figures) => {
            if figures.is_empty() {
                let why = "CloudWatch has no figures: the stack did not exist at that time, or the time is more than 15 months \
                           ago, or the figures are late, or this is the local stack";
                missing.extend(bill::METERED.map(|line| Missing { line: line.to_owned(), why: why.to_owned() }));
            }
            figures
        }
        Err(err) => {
            let unanswered = Unanswered::new("cloudwatch:GetMetricData", &err);
            missing.extend(bill::METERED.map(|line| Missing::unanswered(line, &unanswered)));
            Figures::default()
        }
    }
}

/// Parses `--month`, for clap.
fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).ok_or_else(|| "expected a year and a month, such as 2026-11".to_owned())
}
