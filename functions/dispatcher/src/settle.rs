//! After the attempts: what became of them is recorded, and the next attempts are arranged.

use std::time::Duration;

use jiff::Timestamp;
use nano_webhooks::{
    delivery::{self, Delivery, State},
    queue::{Outgoing, SqsMessage},
    store::{Recorded, StoreError, Wait},
    telemetry,
};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    batch::{FollowUp, Job, Recording, Unfinished, Work},
    dispatcher::{Dispatcher, GivenBack, Worked, pause},
    observed::{self, Observed},
};

/// What a few jobs still need before their messages may leave the queue.
#[derive(Default)]
struct Open<'a> {
    recordings: Vec<(Job<'a>, Recording)>,
    follow_ups: Vec<(&'a SqsMessage, FollowUp)>,
    unfinished: GivenBack<'a>,
}

impl Dispatcher {
    /// Records what became of some jobs and arranges what follows, each until it is done or the time is over. What is recorded
    /// does not wait for what the table is too busy for. Returns the messages that go back to the queue.
    pub(crate) async fn settle<'a>(
        &self,
        worked: Vec<Worked<'a>>,
        observed: &Observed,
        deadline: Instant,
    ) -> GivenBack<'a> {
        observed::log(&worked);
        let mut open = Open::default();
        for Worked { job, work, .. } in worked {
            match work {
                Ok(Work::Nothing) => {}
                Ok(Work::Record(recording)) => open.recordings.push((job, *recording)),
                Ok(Work::FollowUp(follow_up)) => open.follow_ups.push((job.record, follow_up)),
                Err(why) => open.unfinished.push((job.record, why)),
            }
        }
        let mut round = 0;
        while !(open.recordings.is_empty() && open.follow_ups.is_empty()) {
            if round > 0 {
                sleep(pause(round)).await;
            }
            if timeout_at(deadline, self.settle_once(&mut open, observed, deadline)).await.is_err() {
                break;
            }
            round += 1;
        }
        let Open { recordings, follow_ups, mut unfinished } = open;
        unfinished.extend(recordings.into_iter().map(|(job, _)| (job.record, Unfinished::OutOfTime)));
        unfinished.extend(follow_ups.into_iter().map(|(record, _)| (record, Unfinished::NotFollowedUp)));
        unfinished
    }

    async fn settle_once(&self, open: &mut Open<'_>, observed: &Observed, deadline: Instant) {
        let writes: Vec<_> = open.recordings.iter().map(|(_, recording)| &recording.write).collect();
        let recorded = if writes.is_empty() {
            Vec::new()
        } else {
            self.deliveries.record(&writes, expires_at(self.retention_days)).await
        };
        for ((job, recording), recorded) in std::mem::take(&mut open.recordings).into_iter().zip(recorded) {
            match recorded {
                Recorded::Done => {
                    observed.recorded(&recording.write);
                    if let Work::FollowUp(follow_up) = self.follow_up(recording.write.delivery) {
                        open.follow_ups.push((job.record, follow_up));
                    }
                }
                Recorded::Superseded(stored) => {
                    if let Some(write) = delivery::record(&job.message, stored, &recording.change) {
                        open.recordings.push((job, Recording { write, ..recording }));
                    }
                }
                Recorded::Busy(err) => {
                    warn(job.record, &err);
                    open.recordings.push((job, recording));
                }
                Recorded::Failed(err) => open.unfinished.push((job.record, Unfinished::NotRecorded(err))),
            }
        }
        self.arrange(&mut open.follow_ups, deadline).await;
    }

    /// The work that a recorded delivery leaves: to arrange its next attempt, if there is to be one.
    pub(crate) fn follow_up(&self, delivery: Delivery) -> Work {
        match (delivery.state, delivery.next_attempt_at) {
            (State::Retrying, Some(due)) => {
                let sent = wait(due) > self.longest_delay;
                Work::FollowUp(FollowUp { delivery, due, stored: false, sent })
            }
            _ => Work::Nothing,
        }
    }

    /// Stores an entry for each next attempt, and sends the delayed messages of those that are due soon. Leaves those that
    /// failed in one of the two.
    async fn arrange(&self, follow_ups: &mut Vec<(&SqsMessage, FollowUp)>, deadline: Instant) {
        if follow_ups.is_empty() {
            return;
        }
        let (stored, refused) = tokio::join!(self.store(follow_ups), self.send(follow_ups, deadline));
        for (at, (_, follow_up)) in follow_ups.iter_mut().enumerate() {
            follow_up.stored |= stored.contains(&at);
            follow_up.sent |= !refused.contains(&at);
        }
        follow_ups.retain(|(_, follow_up)| !(follow_up.stored && follow_up.sent));
    }

    /// Which of the entries are stored now.
    async fn store(&self, follow_ups: &[(&SqsMessage, FollowUp)]) -> Vec<usize> {
        let missing = follow_ups.iter().enumerate().filter(|(_, (_, follow_up))| !follow_up.stored);
        let (at, waits): (Vec<_>, Vec<_>) = missing
            .map(|(at, (_, FollowUp { delivery, due, .. }))| {
                let carried = wait(*due) <= self.longest_delay;
                (at, Wait { due: *due, message: delivery.follow_up(), carried })
            })
            .unzip();
        let results = if waits.is_empty() { Vec::new() } else { self.waiting.add(&waits).await };
        let stored = at
            .into_iter()
            .zip(results)
            .filter_map(|(at, result)| result.inspect_err(|err| warn(follow_ups[at].0, err)).is_ok().then_some(at));
        stored.collect()
    }

    /// Which of the messages are not on the queue.
    async fn send(&self, follow_ups: &[(&SqsMessage, FollowUp)], deadline: Instant) -> Vec<usize> {
        let unsent = follow_ups.iter().enumerate().filter(|(_, (_, follow_up))| !follow_up.sent);
        let messages = unsent.map(|(at, (_, FollowUp { delivery, due, .. }))| {
            (at, Outgoing::new(&delivery.follow_up()).delayed(wait(*due)))
        });
        self.queue.send(messages, deadline).await
    }
}

fn warn(record: &SqsMessage, err: &StoreError) {
    tracing::warn!(message_id = record.message_id, cause = telemetry::chain(err), "a write is tried again");
}

fn wait(due: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default()
}

/// When a delivery that is recorded now may be removed, in Unix seconds.
pub(crate) fn expires_at(retention_days: u32) -> i64 {
    Timestamp::now().as_second() + i64::from(retention_days) * 86_400
}
