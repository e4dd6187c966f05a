//! What another setting would change, from the month's own units.

use nano_webhooks::{prices, stats::Units};

use super::{
    bill::{BACKUPS, Basis, Bill, GB_SECONDS, LOGS_KEPT, STORED},
    parts::Settings,
};

const HOUR: u64 = 3_600;
/// The retry window that is compared with the stack's.
const WINDOW: u64 = 72 * HOUR;
/// The longest wait of a retry schedule.
const LONGEST_WAIT: u64 = 10 * HOUR;
/// The shortest and the longest `HistoryRetentionDays`.
const HISTORY_DAYS: (u32, u32) = (7, 3_650);

/// Another setting, and by how much it would change the bill of the month.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) setting: &'static str,
    pub(super) from: String,
    pub(super) to: String,
    /// Negative if it would cost less.
    pub(super) usd: f64,
    /// What is assumed.
    pub(super) assumption: String,
}

/// The changes that can be computed: without CloudWatch's figures only those of storage.
pub(super) fn changes(bill: &Bill, settings: &Settings, together: &Units) -> Vec<Change> {
    let mut changes = Vec::new();
    if bill.is_complete() {
        changes.extend(retry_window(bill, settings, together));
    }
    changes.extend(history(bill, settings));
    if bill.is_complete() {
        changes.push(architecture(bill, settings));
        changes.extend(logs(bill, settings));
    }
    changes
}

/// Each delivery that has used up the schedule would have had more attempts.
fn retry_window(bill: &Bill, settings: &Settings, together: &Units) -> Option<Change> {
    let window: u64 = settings.retry_waits.iter().sum();
    let more = WINDOW.checked_sub(window)?.div_ceil(LONGEST_WAIT);
    let rate = |bases: &[Basis], count: u64| {
        let usd = bill.usd_of(|line| bases.contains(&line.basis));
        if count == 0 { 0.0 } else { usd / float(count) }
    };
    let attempt = rate(&[Basis::Attempts, Basis::Time], together.attempts);
    let failure = rate(&[Basis::Failures], together.failures());
    (more > 0).then(|| Change {
        setting: "RetryScheduleSeconds",
        from: format!("{:.1} h", float(window) / float(HOUR)),
        to: "72 h".to_owned(),
        usd: float(together.exhausted * more) * (attempt + failure),
        assumption: format!(
            "at most: each of the {} deliveries that used up the schedule has {more} more attempts, 10 h apart, which fail \
             and cost as much as this month's failed ones; endpoints that are down cost less, because their deliveries are held",
            together.exhausted
        ),
    })
}

/// Half the days and twice as many: stored bytes in proportion.
fn history(bill: &Bill, settings: &Settings) -> Vec<Change> {
    let days = settings.history_days;
    let kept = |line: &str| [STORED, BACKUPS].contains(&line);
    let stored = bill.usd_of(|line| kept(line.name) && ["events", "deliveries"].contains(&line.of.as_str()));
    let (least, most) = HISTORY_DAYS;
    let others = [(days / 2).max(least), (days * 2).min(most)].into_iter().filter(|other| *other != days);
    let changes = others.map(|other| Change {
        setting: "HistoryRetentionDays",
        from: days.to_string(),
        to: other.to_string(),
        usd: stored * (f64::from(other) / f64::from(days) - 1.0),
        assumption:
            "the stored bytes of events and deliveries are in proportion to the days, which they are after that long"
                .to_owned(),
    });
    changes.collect()
}

fn architecture(bill: &Bill, settings: &Settings) -> Change {
    let (from, to) = (("arm64", prices::LAMBDA_GB_SECOND), ("x86_64", prices::LAMBDA_X86_GB_SECOND));
    let (from, to) = if settings.is_arm { (from, to) } else { (to, from) };
    Change {
        setting: "Architecture",
        from: from.0.to_owned(),
        to: to.0.to_owned(),
        usd: bill.usd_of(|line| line.name == GB_SECONDS) * (to.1 / from.1 - 1.0),
        assumption: "the functions take as long as now".to_owned(),
    }
}

/// A week, or a day if logs are kept for no longer than a week.
fn logs(bill: &Bill, settings: &Settings) -> Option<Change> {
    let days = settings.log_days;
    let fewer = if days > 7 { 7 } else { 1 };
    (days > fewer).then(|| Change {
        setting: "LogRetentionDays",
        from: days.to_string(),
        to: fewer.to_string(),
        usd: bill.usd_of(|line| line.name == LOGS_KEPT) * (f64::from(fewer) / f64::from(days) - 1.0),
        assumption: "as many lines; most of the price of logs is that they are taken in, which stays".to_owned(),
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53, or it does not matter")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::{
        super::{bill::tests::bill, parts::Missing},
        *,
    };

    fn settings() -> Settings {
        let retry_waits = vec![5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];
        Settings { retry_waits, history_days: 30, log_days: 30, is_arm: true, ..Settings::default() }
    }

    fn month() -> Units {
        Units { attempts: 1_000_000, delivered: 900_000, failed: 20_000, exhausted: 10_000, ..Units::default() }
    }

    #[track_caller]
    fn assert_change(found: &Change, (setting, from, to): (&str, &str, &str), usd: f64) {
        assert_eq!((found.setting, found.from.as_str(), found.to.as_str()), (setting, from, to));
        assert!((found.usd - usd).abs() < 5e-5, "{found:?}");
    }

    #[test]
    fn each_change_is_computed_from_the_months_own_lines() {
        let changes = changes(&bill(), &settings(), &month());
        // Five more attempts of 10,000 deliveries. The lines of attempts are the dispatcher's queue, requests, writes, logs and
        // time: 0.2 + 0.02 + 0.6875 + 0.163 + 0.0015 + 0.0213 for a million; those of failures 0.0625 for 100,000.
        assert_change(&changes[0], ("RetryScheduleSeconds", "27.6 h", "72 h"), 50_000.0 * (1.0933e-6 + 0.625e-6));
        assert!(changes[0].assumption.contains("10000 deliveries") && changes[0].assumption.contains("5 more"));
        // 0.75 and 0.4 for each of the two tables.
        assert_change(&changes[1], ("HistoryRetentionDays", "30", "15"), -1.15);
        assert_change(&changes[2], ("HistoryRetentionDays", "30", "60"), 2.3);
        // 100,000 times 20 ms of a quarter of a GB, and 1,600 GB-seconds: 2,100 at 0.0000033333 more.
        assert_change(&changes[3], ("Architecture", "arm64", "x86_64"), 0.0070);
        assert_change(&changes[4], ("LogRetentionDays", "30", "7"), -0.0011);
        assert_eq!(changes.len(), 5);
    }

    #[test]
    fn a_setting_at_its_end_is_not_compared_with_itself() {
        let long = Settings { retry_waits: vec![36_000; 8], history_days: 7, log_days: 1, ..settings() };
        let of: Vec<_> = changes(&bill(), &long, &month()).iter().map(|change| change.setting).collect();
        assert_eq!(of, ["HistoryRetentionDays", "Architecture"]);
    }

    #[test]
    fn without_attempts_a_longer_schedule_costs_nothing() {
        assert_change(
            &changes(&bill(), &settings(), &Units::default())[0],
            ("RetryScheduleSeconds", "27.6 h", "72 h"),
            0.0,
        );
    }

    #[test]
    fn without_cloudwatch_only_storage_is_compared() {
        let missing = vec![Missing { line: "a line".into(), why: "a reason".into() }];
        let changes = changes(&Bill { missing, ..bill() }, &settings(), &month());
        assert_eq!(changes.iter().map(|change| change.setting).collect::<Vec<_>>(), ["HistoryRetentionDays"; 2]);
    }
}
