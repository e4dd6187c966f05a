//! What each account has of the bill: of each line the share that it has of what the line grows with.

use nano_webhooks::{names::AccountId, stats::Units};

use super::bill::{Basis, Bill};

/// How many accounts are shown.
const SHOWN: usize = 10;

/// What an account has of the bill.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) account: AccountId,
    pub(super) units: Units,
    /// Of what all accounts have together, from 0 to 1: of the dollars, or of the attempts if lines are missing.
    pub(super) part: f64,
    /// `None` if lines are missing.
    pub(super) usd: Option<f64>,
}

/// The dearest accounts, the dearest first.
pub(super) fn dearest(bill: &Bill, accounts: &[(AccountId, Units)], together: &Units) -> Vec<Share> {
    let bases = [Basis::Deliveries, Basis::Attempts, Basis::Failures, Basis::Time, Basis::Bytes];
    let rates = bases.map(|basis| {
        let all = amount(together, basis);
        let usd = bill.usd_of(|line| line.basis == basis);
        (basis, if all > 0.0 { usd / all } else { 0.0 })
    });
    let usd = |units: &Units| rates.iter().map(|(basis, rate)| amount(units, *basis) * rate).sum::<f64>();
    let attempts = |units: &Units| amount(units, Basis::Attempts);
    let weight = |units: &Units| if bill.is_complete() { usd(units) } else { attempts(units) };
    let all = weight(together);
    let shares = accounts.iter().map(|(account, units)| Share {
        account: account.clone(),
        units: *units,
        part: if all > 0.0 { weight(units) / all } else { 0.0 },
        usd: bill.is_complete().then(|| usd(units)),
    });
    let mut shares: Vec<_> = shares.collect();
    shares.sort_by(|one, other| {
        other.part.total_cmp(&one.part).then_with(|| one.account.as_str().cmp(other.account.as_str()))
    });
    shares.truncate(SHOWN);
    shares
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53, or it does not matter")]
fn amount(units: &Units, basis: Basis) -> f64 {
    let amount = match basis {
        Basis::Deliveries => units.deliveries(),
        Basis::Attempts => units.attempts,
        Basis::Failures => units.failures(),
        Basis::Time => units.milliseconds,
        Basis::Bytes => units.bytes,
        Basis::Fixed => 0,
    };
    amount as f64
}

#[cfg(test)]
mod tests {
    use super::{
        super::{bill::Line, parts::Missing},
        *,
    };

    fn account(name: &str, units: Units) -> (AccountId, Units) {
        (AccountId::parse(name).unwrap(), units)
    }

    fn bill(lines: &[(Basis, f64)]) -> Bill {
        let line = |(basis, usd): &(Basis, f64)| Line {
            name: "line",
            of: String::new(),
            units: 1.0,
            usd: *usd,
            basis: *basis,
        };
        Bill { lines: lines.iter().map(line).collect(), missing: Vec::new() }
    }

    fn together(accounts: &[(AccountId, Units)]) -> Units {
        let mut together = Units::default();
        for (_, units) in accounts {
            together += *units;
        }
        together
    }

    #[test]
    fn each_line_is_shared_out_by_what_it_grows_with_and_what_is_fixed_is_nobodys() {
        let quick = Units { attempts: 90, delivered: 90, milliseconds: 100, bytes: 900, ..Units::default() };
        let slow = Units { attempts: 10, delivered: 2, failed: 8, milliseconds: 900, bytes: 100, ..Units::default() };
        let accounts = [account("quick", quick), account("slow", slow)];
        let bill = bill(&[(Basis::Attempts, 1.0), (Basis::Time, 2.0), (Basis::Failures, 4.0), (Basis::Fixed, 50.0)]);
        let dearest = dearest(&bill, &accounts, &together(&accounts));
        assert_eq!(dearest[0].account.as_str(), "slow");
        // A tenth of the attempts, nine tenths of the time, all failures.
        assert!((dearest[0].usd.unwrap() - (0.1 + 1.8 + 4.0)).abs() < 1e-9);
        assert!((dearest[1].usd.unwrap() - (0.9 + 0.2)).abs() < 1e-9);
        assert!((dearest[0].part - 5.9 / 7.0).abs() < 1e-9);
    }

    #[test]
    fn if_lines_are_missing_accounts_are_compared_by_their_attempts_and_have_no_dollars() {
        let of = |attempts| Units { attempts, delivered: attempts, ..Units::default() };
        let accounts: Vec<_> = (0..12).map(|number| account(&format!("a{number:02}"), of(number))).collect();
        let missing = vec![Missing { line: "a line".into(), why: "a reason".into() }];
        let bill = Bill { missing, ..bill(&[(Basis::Attempts, 1.0)]) };
        let dearest = dearest(&bill, &accounts, &together(&accounts));
        assert_eq!((dearest.len(), dearest[0].account.as_str()), (SHOWN, "a11"));
        assert!((dearest[0].part - 11.0 / 66.0).abs() < 1e-9 && dearest[0].usd.is_none());
    }

    #[test]
    fn a_month_without_attempts_has_no_shares() {
        assert!(dearest(&bill(&[(Basis::Attempts, 1.0)]), &[], &Units::default()).is_empty());
        let idle = [account("idle", Units::default())];
        let idle = dearest(&bill(&[(Basis::Attempts, 1.0)]), &idle, &Units::default());
        assert_eq!((idle[0].part, idle[0].usd), (0.0, Some(0.0)));
    }
}
