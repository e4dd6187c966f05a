//! Prints the bill, for a person or as JSON.

use std::fmt::Write as _;

use nano_webhooks::{prices, stats::Units};
use serde_json::{Value, json};

use super::{
    bill::{Bill, Line},
    changes::Change,
    period::Period,
    shares::Share,
};
use crate::{failure::Failure, stack::Stack, table::Table, terminal};

/// Everything that is shown.
pub(super) struct Report<'a> {
    pub(super) stack: &'a Stack,
    pub(super) period: Period,
    pub(super) bill: Bill,
    pub(super) together: Units,
    /// How many accounts had attempts.
    pub(super) accounts: usize,
    pub(super) dearest: Vec<Share>,
    pub(super) changes: Vec<Change>,
    pub(super) unmetered: Vec<&'static str>,
}

impl Report<'_> {
    pub(super) fn json(&self) -> Value {
        let accounts = self.dearest.iter().map(|Share { account, units, part, usd }| {
            json!({ "account_id": account, "deliveries": units.deliveries(), "attempts": units.attempts,
                "share": part, "usd": usd })
        });
        let changes = self.changes.iter().map(|Change { setting, from, to, usd, assumption }| {
            json!({ "setting": setting, "from": from, "to": to, "usd": usd, "assumption": assumption })
        });
        let bill = self.bill.json();
        json!({
            "stack": self.stack.name,
            "month": self.period.month.to_string(),
            "until": self.period.until,
            "lines": bill["lines"],
            "usd": bill["usd"],
            "missing": bill["missing"],
            "unmetered": self.unmetered,
            "deliveries": self.together.deliveries(),
            "attempts": self.together.attempts,
            "deliveries_per_usd": self.deliveries_per_usd(),
            "accounts": self.accounts,
            "dearest": accounts.collect::<Vec<_>>(),
            "changes": changes.collect::<Vec<_>>(),
            "prices": { "region": prices::REGION, "as_of": prices::AS_OF },
        })
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        terminal::line(&format!(
            "{} from {:.0} to {:.0}",
            self.stack.name,
            self.period.month.begins(),
            self.period.until
        ))?;
        self.print_lines()?;
        self.print_missing()?;
        self.print_accounts()?;
        self.print_changes()?;
        terminal::line("")?;
        terminal::line(&self.about_prices())
    }

    /// `None` if lines are missing, or if there is nothing to divide.
    fn deliveries_per_usd(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a count below 2^53, or it does not matter")]
        let (deliveries, usd) = (self.together.deliveries() as f64, self.bill.usd());
        (self.bill.is_complete() && deliveries > 0.0 && usd > 0.0).then(|| (deliveries / usd).round())
    }

    fn print_lines(&self) -> Result<(), Failure> {
        let mut table = Table::new(&["LINE", "UNITS", "DOLLARS", "OF"]);
        for Line { name: line, of, units, usd, .. } in &self.bill.lines {
            table.row([(*line).to_owned(), number(*units), dollars(*usd), of.clone()]);
        }
        let together = if self.bill.is_complete() { "together" } else { "together, as far as it is known" };
        table.row([together.to_owned(), String::new(), dollars(self.bill.usd()), String::new()]);
        table.print()
    }

    fn print_missing(&self) -> Result<(), Failure> {
        for (reason, lines) in self.bill.missing_by_reason() {
            terminal::line(&format!("– missing: {} ({reason})", lines.join(", ")))?;
        }
        self.unmetered.iter().try_for_each(|what| terminal::line(&format!("– not metered: {what}")))
    }

    fn print_accounts(&self) -> Result<(), Failure> {
        terminal::line("")?;
        if self.together.attempts == 0 {
            return terminal::line(&format!("No attempt was counted in {}.", self.period.month));
        }
        let mut sentence = format!(
            "Deliveries: {}, of accounts: {}, with attempts: {}",
            self.together.deliveries(),
            self.accounts,
            self.together.attempts
        );
        if let Some(each) = self.deliveries_per_usd() {
            let _ = write!(sentence, "; deliveries for a dollar: {each:.0}");
        }
        terminal::line(&format!("{sentence}. The dearest accounts:"))?;
        let mut table = Table::new(&["SHARE", "DOLLARS", "DELIVERIES", "ATTEMPTS", "ACCOUNT"]);
        for Share { account, units, part, usd } in &self.dearest {
            table.row([
                format!("{:.1} %", part * 100.0),
                usd.map_or_else(|| "-".to_owned(), dollars),
                units.deliveries().to_string(),
                units.attempts.to_string(),
                account.to_string(),
            ]);
        }
        table.print()
    }

    fn print_changes(&self) -> Result<(), Failure> {
        if self.changes.is_empty() {
            return Ok(());
        }
        terminal::line("")?;
        terminal::line(&format!("What another setting would change, by the units of {}:", self.period.month))?;
        let mut table = Table::new(&["SETTING", "FROM", "TO", "DOLLARS", "IF"]);
        for Change { setting, from, to, usd, assumption } in &self.changes {
            // What is shown as 0 has no minus.
            let sign = if *usd < -0.000_05 { '-' } else { '+' };
            let usd = format!("{sign}{}", dollars(usd.abs()));
            table.row([(*setting).to_owned(), from.clone(), to.clone(), usd, assumption.clone()]);
        }
        table.print()
    }

    fn about_prices(&self) -> String {
        let (region, as_of) = (prices::REGION, prices::AS_OF);
        let mut text =
            format!("Prices are the list prices of {region} on {as_of}, without free tiers, discounts and tax.");
        let here = self.stack.aws.region().map_or(region, |region| region.as_ref());
        if here != region {
            let _ = write!(text, " The stack is in {here}, where they differ.");
        }
        if self.period.is_over() {
            text.push_str(" The sizes of tables, the alarms and the settings are those of today.");
        }
        text
    }
}

/// The units: without decimals from 100 on, with three from 0.1 on, and with six below that.
pub(crate) fn number(units: f64) -> String {
    let digits = if units >= 100.0 {
        0
    } else if units >= 0.1 {
        3
    } else {
        6
    };
    format!("{units:.digits$}")
}

/// Cents, or hundredths of a cent of less than a dollar.
fn dollars(usd: f64) -> String {
    if usd >= 1.0 { format!("{usd:.2}") } else { format!("{usd:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_amounts_keep_their_digits() {
        assert_eq!([12.346, 1.0, 0.123_46, 0.0].map(dollars), ["12.35", "1.00", "0.1235", "0.0000"]);
        assert_eq!([1_234_567.8, 99.9, 0.0021].map(number), ["1234568", "99.900", "0.002100"]);
    }
}
