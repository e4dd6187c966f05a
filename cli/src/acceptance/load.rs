//! The check under load: completions at a rate for a time, and what became of each. One account sends nearly all of them;
//! a second one sends one a second, and fair queues should spare it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{
    account::{Account, Completed},
    bill,
    outcome::{Outcome, ensure, failed, not_checked},
    receiver::Tally,
    world::World,
};
use crate::keys;

const LOUD: &str = "load";
const QUIET: &str = "load-quiet";
/// How long the last deliveries may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// How much load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Completions a second.
    pub(super) rate: u32,
    pub(super) length: Duration,
}

/// The completions that were sent of an account, and what arrived of each.
struct Sent {
    at: HashMap<String, Timestamp>,
    refused: usize,
}

/// What became of them.
#[derive(Debug)]
struct Figures {
    sent: usize,
    lost: usize,
    duplicates: u32,
    /// Milliseconds from each completion to the first byte of its request, sorted.
    first_bytes: Vec<i64>,
}

impl Load {
    /// How many completions it is.
    pub(super) fn completions(self) -> u64 {
        (u64::from(self.rate) + 1) * self.length.as_secs()
    }
}

/// Parses how long the load is to last, for clap. CloudWatch has values by the minute for 15 days.
pub(super) fn length(text: &str) -> Result<SignedDuration, String> {
    let length = keys::lifetime(text)?;
    if length <= SignedDuration::from_hours(14 * 24) { Ok(length) } else { Err("expected 14d at most".to_owned()) }
}

/// Makes the load. Returns the finding and, for programs, its figures.
pub(super) async fn make(world: &World, asked: Option<Load>) -> Outcome<(String, Value)> {
    let Some(Load { rate, length }) = asked else { return not_checked("no load was asked for", "--load 50 --for 10m") };
    let receiver = world.receiver()?;
    let (loud, quiet) = (Account::new(world, LOUD).await?, Account::new(world, QUIET).await?);
    for (account, path) in [(&loud, LOUD), (&quiet, QUIET)] {
        receiver.tally(path);
        account.register(path, json!({})).await?;
    }
    let began = Timestamp::now();
    let (loud, quiet) = tokio::join!(send(&loud, rate, length), send(&quiet, 1, length));
    let (loud, quiet) = (loud?, quiet?);
    let start = Instant::now();
    let figures = || [loud.figures(&receiver.tallied(LOUD)), quiet.figures(&receiver.tallied(QUIET))];
    while figures().iter().any(|of_one| of_one.lost > 0) && start.elapsed() < PATIENCE {
        sleep(Duration::from_secs(1)).await;
    }
    // A duplicate comes later than the first.
    sleep(world.a_moment()).await;
    let [loud_figures, quiet_figures] = figures();
    let bill = bill::metered(world, began).await?;
    let shown = json!({
        "rate": rate,
        "seconds": length.as_secs(),
        "loud": loud_figures.shown(),
        "quiet": quiet_figures.shown(),
        "refused": loud.refused + quiet.refused,
        "metered": bill.json(),
    });
    let words = format!(
        "{}; meanwhile an account with one completion a second: {}. Metered bill: {}",
        loud_figures.words(),
        quiet_figures.words(),
        bill::words(&bill)
    );
    let lost = loud_figures.lost + quiet_figures.lost;
    ensure(loud.refused + quiet.refused == 0, || format!("SQS took not all completions: {words}"), "try a lower rate")?;
    if lost > 0 {
        let advice =
            "their deliveries may still be retried: look at the dispatcher's log and at the metrics Faults and Held";
        return failed(format!("{lost} did not arrive: {words}"), advice);
    }
    Ok((words, shown))
}

/// Sends an account's completions at a rate, each as a message of its own.
async fn send(account: &Account<'_>, rate: u32, length: Duration) -> Outcome<Sent> {
    let count = u64::from(rate) * length.as_secs();
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sent = Sent { at: HashMap::new(), refused: 0 };
    let mut sending = FuturesUnordered::new();
    let mut begun = 0;
    while begun < count || !sending.is_empty() {
        tokio::select! {
            _ = ticks.tick(), if begun < count => {
                let completion = account.completion(&format!("load-{begun}"), json!({}))?;
                sending.push(async move { (account.send(&completion).await.is_ok(), completion) });
                begun += 1;
            }
            Some((is_sent, completion)) = sending.next(), if !sending.is_empty() => sent.note(&completion, is_sent),
        }
    }
    Ok(sent)
}

impl Sent {
    fn note(&mut self, completion: &Completed, is_sent: bool) {
        if is_sent {
            self.at.insert(completion.id.to_string(), completion.at);
        } else {
            self.refused += 1;
        }
    }

    fn figures(&self, arrived: &HashMap<String, Tally>) -> Figures {
        let times = self.at.iter().filter_map(|(id, at)| Some(arrived.get(id)?.first_at.duration_since(*at)));
        let mut first_bytes: Vec<_> =
            times.map(|time: SignedDuration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX)).collect();
        first_bytes.sort_unstable();
        Figures {
            sent: self.at.len(),
            lost: self.at.len() - first_bytes.len(),
            duplicates: arrived.values().map(|tally| tally.requests - 1).sum(),
            first_bytes,
        }
    }
}

impl Figures {
    /// The least time that this share of the deliveries does not exceed, in milliseconds.
    fn percentile(&self, share: f64) -> Option<i64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "far below 2^52"
        )]
        let rank = (share * self.first_bytes.len() as f64).ceil() as usize;
        self.first_bytes.get(rank.saturating_sub(1)).copied()
    }

    fn shown(&self) -> Value {
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| self.percentile(share));
        json!({ "sent": self.sent, "lost": self.lost, "duplicates": self.duplicates,
            "first_byte_ms": { "p50": p50, "p95": p95, "p99": p99, "max": self.first_bytes.last() } })
    }

    fn words(&self) -> String {
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| self.percentile(share).unwrap_or_default());
        let Self { sent, lost, duplicates, .. } = self;
        format!(
            "{sent} completions, {lost} lost, {duplicates} duplicates, first byte p50 {p50} ms, p95 {p95} ms, p99 {p99} ms"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_lasts_two_weeks_at_most() {
        assert_eq!(length("14d"), Ok(SignedDuration::from_hours(336)));
        assert_eq!(length("15d"), Err("expected 14d at most".to_owned()));
    }

    #[test]
    fn what_did_not_arrive_is_lost_and_what_arrived_twice_is_a_duplicate() {
        let at = Timestamp::UNIX_EPOCH;
        let sent = Sent { at: (0..100).map(|number| (number.to_string(), at)).collect(), refused: 0 };
        let tally = |number: i64| Tally {
            first_at: at + SignedDuration::from_millis(number + 1),
            requests: if number == 7 { 3 } else { 1 },
        };
        let arrived =
            (0..100).filter(|number| *number != 50).map(|number| (number.to_string(), tally(number))).collect();
        let figures = sent.figures(&arrived);
        assert_eq!((figures.sent, figures.lost, figures.duplicates), (100, 1, 2));
        assert_eq!([0.5, 0.95, 0.99].map(|share| figures.percentile(share)), [Some(50), Some(96), Some(100)]);
    }
}
