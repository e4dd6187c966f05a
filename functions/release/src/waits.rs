//! The two passes over the waiting table, shard by shard and page by page. One sends the attempts that are due. The
//! other looks for attempts that are overdue by an hour, and sends their messages again.
//!
//! A shard's cursor moves after its page was sent. If a run dies before that, the next run sends the page again.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{
    aws::AwsError,
    delivery::{Delivery, Message, State},
    store::{Cursor, Cursors, Due, Pass, Shard, Wait},
};

use crate::{
    Release,
    run::{Done, Failure, Run},
};

/// How many items a page has, each with up to ten attempts. The cursor moves after each page.
const PAGE: u16 = 100;
/// How many shards a pass works on at the same time.
const SHARDS_AT_ONCE: usize = 8;
/// An attempt that is not recorded this long after it was due is taken to have lost its message.
const OVERDUE: SignedDuration = SignedDuration::from_hours(1);
/// The tolerance of [`OVERDUE`]: the waiting table has times to the millisecond only.
const A_MOMENT: SignedDuration = SignedDuration::from_secs(1);

impl Release {
    /// Sends the attempts that are due.
    pub(crate) async fn release(&self, cursors: &Cursors, run: Run) -> Done {
        self.pass(Pass::Release, cursors, run).await
    }

    /// Sends the messages again of attempts that are overdue by an hour.
    pub(crate) async fn sweep(&self, cursors: &Cursors, run: Run) -> Done {
        self.pass(Pass::Sweep, cursors, run).await
    }

    async fn pass(&self, pass: Pass, cursors: &Cursors, run: Run) -> Done {
        let shards = stream::iter(Shard::all()).map(|shard| self.shard(shard, pass, cursors.of(shard, pass), run));
        shards.buffer_unordered(SHARDS_AT_ONCE).fold(Done::default(), async |sum, done| sum.and(done)).await
    }

    /// Works on a shard until it has no due attempts left, a call fails, or the run's time is over.
    async fn shard(&self, shard: Shard, pass: Pass, cursor: Option<&Cursor>, run: Run) -> Done {
        let mut done = Done::default();
        let mut cursor = cursor.cloned();
        while run.has_time() {
            match self.page(shard, pass, cursor.as_ref(), run, &mut done).await {
                Ok(Some(next)) => cursor = Some(next),
                Ok(None) => break,
                Err(err) => {
                    done.fault(&err, "what waits is left to the next run");
                    break;
                }
            }
        }
        done
    }

    /// Handles one page and moves the cursor. Returns the new cursor, or `None` if the shard has no more due attempts
    /// or another run has moved the cursor.
    async fn page(
        &self,
        shard: Shard,
        pass: Pass,
        cursor: Option<&Cursor>,
        run: Run,
        done: &mut Done,
    ) -> Result<Option<Cursor>, Failure> {
        let by = match pass {
            Pass::Release => run.now,
            Pass::Sweep => run.now - OVERDUE,
        };
        let Due { waits, end, more } = self.waiting.due(shard, pass, cursor, by, PAGE).await?;
        let Some(end) = end else { return Ok(None) };
        match pass {
            Pass::Release => {
                let due = waits.into_iter().filter(|wait| !wait.carried);
                let due: Vec<_> = due.map(|Wait { due, message, .. }| (due, message)).collect();
                let oldest = due.first().map(|(due, _)| Timestamp::now().duration_since(*due));
                done.oldest = done.oldest.max(oldest.and_then(|age| age.try_into().ok()));
                self.send(due.iter().map(|(_, message)| (message, Duration::ZERO)).collect(), run).await?;
                done.released += due.len();
            }
            Pass::Sweep => {
                let lost = self.lost(&waits, run.now, done).await?;
                self.send_again(&lost, run).await?;
                done.swept += lost.len();
            }
        }
        let is_ours = self.waiting.advance(shard, pass, cursor, &end).await?;
        Ok((is_ours && more).then_some(end))
    }

    /// Returns those of these attempts that were never made. Each is checked again after as long as it is overdue
    /// now, because its message may not be lost: while no dispatcher works, all messages wait on the queue, and an
    /// attempt must not get another message every hour. Skips deliveries that cannot be read.
    async fn lost(&self, waits: &[Wait], now: Timestamp, done: &mut Done) -> Result<Vec<Wait>, AwsError> {
        let names = waits.iter().map(|wait| &wait.message);
        let names: Vec<_> = names.map(|it| (&it.account_id, it.webhook_id, &it.event_id)).collect();
        let found = self.deliveries.find_all(&names, false).await?;
        let mut lost = Vec::new();
        for (Wait { message, .. }, delivery) in waits.iter().zip(found) {
            match delivery {
                Ok(Some(delivery)) => {
                    let overdue = overdue(message, &delivery, now);
                    lost.extend(overdue.map(|by| Wait { due: now + by, message: message.clone(), carried: true }));
                }
                Ok(None) => {}
                Err(err) => done.fault(&err, "an overdue delivery cannot be read"),
            }
        }
        Ok(lost)
    }

    /// Stores the attempts of lost messages again, and sends their messages again.
    async fn send_again(&self, lost: &[Wait], run: Run) -> Result<(), Failure> {
        if lost.is_empty() {
            return Ok(());
        }
        tracing::warn!(attempts = lost.len(), "attempts that are overdue by an hour are asked for again");
        self.waiting.add(lost).await.into_iter().collect::<Result<(), _>>()?;
        self.send(lost.iter().map(|wait| (&wait.message, Duration::ZERO)).collect(), run).await
    }
}

/// How long the attempt that a message asks for is overdue. `None` if that is less than an hour, or if the delivery
/// does not wait for this attempt.
fn overdue(message: &Message, stored: &Delivery, now: Timestamp) -> Option<SignedDuration> {
    let Delivery { state, round, tries, next_attempt_at, .. } = stored;
    let is_awaited = *state == State::Retrying && (message.round, message.attempt) == (*round, tries + 1);
    let by = now.duration_since(next_attempt_at.filter(|_| is_awaited)?);
    (by > OVERDUE - A_MOMENT).then_some(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    fn message() -> Message {
        let text = r#"{"account_id":"acct_1","webhook_id":1,"event_id":"01KDYAK3482WAV4DVEFM6KBDXQ","event":"job.failed",
            "payload":{"task_id":"t","body":"{}"},"round":1,"attempt":4}"#;
        serde_json::from_str(text).unwrap()
    }

    fn waiting_since(due: Timestamp) -> Delivery {
        let delivery = Delivery::pending(&message()).unwrap();
        Delivery { state: State::Retrying, tries: 3, next_attempt_at: Some(due), ..delivery }
    }

    #[test]
    fn an_attempt_that_was_not_made_within_an_hour_is_lost() {
        let hour_ago = now() - OVERDUE;
        assert_eq!(overdue(&message(), &waiting_since(hour_ago), now()), Some(OVERDUE));
        assert_eq!(overdue(&message(), &waiting_since(hour_ago + A_MOMENT), now()), None);
        assert_eq!(overdue(&message(), &waiting_since(hour_ago - OVERDUE), now()), Some(OVERDUE * 2));
    }

    #[test]
    fn what_has_gone_on_since_is_not_lost() {
        let waiting = || waiting_since(now() - OVERDUE);
        let others = [
            Delivery { tries: 4, ..waiting() },
            Delivery { tries: 2, ..waiting() },
            Delivery { round: 2, ..waiting() },
            Delivery { state: State::Held, ..waiting() },
            Delivery { state: State::Delivered, next_attempt_at: None, ..waiting() },
        ];
        for other in others {
            assert_eq!(overdue(&message(), &other, now()), None, "{other:?}");
        }
    }
}
