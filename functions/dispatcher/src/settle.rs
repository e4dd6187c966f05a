//! After the attempts: records their outcomes, and arranges the next attempts.

use std::time::Duration;

use jiff::Timestamp;
use nano_webhooks::{
    aws::AwsError,
    delivery::{self, Delivery, Write},
    queue::{self, Outgoing, SqsMessage},
    store::{Wait, WriteResult, expires_at},
    telemetry::{self, trace::Trace},
};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    batch::{Job, Recording, Unfinished, Work, Worked},
    dispatcher::{Dispatcher, GivenBack, pause},
    observed::{self, Observed},
};

/// The work that some jobs still need before their messages may leave the queue.
#[derive(Default)]
struct Open<'a> {
    recordings: Vec<Unrecorded<'a>>,
    follow_ups: Vec<(&'a SqsMessage, Wait)>,
    unfinished: GivenBack<'a>,
}

struct Unrecorded<'a> {
    job: Job<'a>,
    recording: Recording,
    /// The entry in the waiting table for the next attempt, if there is a next attempt. `is_entered` says whether it
    /// is stored.
    entry: Option<Wait>,
    is_entered: bool,
}

impl Dispatcher {
    /// Records the outcomes of some jobs and arranges the next attempts, and repeats what fails until `deadline`. A
    /// job whose record is stored does not wait for jobs whose writes are throttled. Returns the messages that go
    /// back to the queue.
    ///
    /// The entry for the next attempt is stored before the record. Once the attempt is recorded, every other message
    /// for it leaves the queue. If this dispatcher dies then, only the entry leads to the next attempt.
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
                Ok(Work::Record(recording)) => {
                    let entry = self.next_attempt(&recording.write);
                    let is_entered = entry.is_none();
                    open.recordings.push(Unrecorded { job, recording: *recording, entry, is_entered });
                }
                Ok(Work::FollowUp(wait)) => open.follow_ups.push((job.record, *wait)),
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
        unfinished.extend(recordings.into_iter().map(|open| (open.job.record, Unfinished::OutOfTime)));
        unfinished.extend(follow_ups.into_iter().map(|(record, _)| (record, Unfinished::NotFollowedUp)));
        unfinished
    }

    async fn settle_once(&self, open: &mut Open<'_>, observed: &Observed, deadline: Instant) {
        self.store_entries(&mut open.recordings).await;
        self.record(open, observed).await;
        if !open.follow_ups.is_empty() {
            let messages = open.follow_ups.iter().enumerate().map(|(at, (record, wait))| {
                let trace = queue::trace_header(record).and_then(Trace::parse);
                (at, Outgoing::new(&wait.message).delayed(time_until(wait.due)).traced(trace))
            });
            let refused = self.queue.send(messages, deadline).await;
            let mut at = 0..;
            open.follow_ups.retain(|_| at.next().is_some_and(|at| refused.contains(&at)));
        }
    }

    /// Stores the entries that are still missing. An entry that fails is tried again in the next round.
    async fn store_entries(&self, recordings: &mut [Unrecorded<'_>]) {
        let mut missing: Vec<_> = recordings.iter_mut().filter(|unrecorded| !unrecorded.is_entered).collect();
        if missing.is_empty() {
            return;
        }
        let waits: Vec<_> = missing.iter().filter_map(|unrecorded| unrecorded.entry.clone()).collect();
        for (unrecorded, added) in missing.iter_mut().zip(self.waiting.add(&waits).await) {
            unrecorded.is_entered = added.inspect_err(|err| warn(unrecorded.job.record, err)).is_ok();
        }
    }

    /// Records the attempts whose entry is stored, or that need no entry.
    async fn record(&self, open: &mut Open<'_>, observed: &Observed) {
        let entered = || open.recordings.iter().filter(|unrecorded| unrecorded.is_entered);
        let writes: Vec<_> = entered().map(|unrecorded| &unrecorded.recording.write).collect();
        if writes.is_empty() {
            return;
        }
        let mut recorded = self.deliveries.record(&writes, expires_at(self.retention_days)).await.into_iter();
        for mut unrecorded in std::mem::take(&mut open.recordings) {
            let recorded = if unrecorded.is_entered { recorded.next() } else { None };
            let Unrecorded { job, recording, entry, .. } = &mut unrecorded;
            match recorded {
                None => open.recordings.push(unrecorded),
                Some(WriteResult::Done) => {
                    observed.recorded(&recording.write);
                    let is_awaited = self.next_attempt(&recording.write).is_some();
                    let carried = entry.take().filter(|entry| entry.carried && is_awaited);
                    open.follow_ups.extend(carried.map(|wait| (job.record, wait)));
                }
                Some(WriteResult::Superseded(stored)) => {
                    if let Some(write) = delivery::record(&job.message, stored, &recording.change) {
                        recording.write = write;
                        open.recordings.push(unrecorded);
                    }
                }
                Some(WriteResult::Busy(err)) => {
                    warn(job.record, &err);
                    open.recordings.push(unrecorded);
                }
                Some(WriteResult::Failed(err)) => open.unfinished.push((job.record, Unfinished::NotRecorded(err))),
            }
        }
    }

    /// The next attempt after a write. `None` if the delivery is finished, or if the write records no attempt of its
    /// round, such as a success merged into a newer round.
    fn next_attempt(&self, write: &Write) -> Option<Wait> {
        write.mark.and_then(|_| self.waiting_for(&write.delivery))
    }

    /// The attempt that a delivery waits for; `None` if it waits for none.
    fn waiting_for(&self, delivery: &Delivery) -> Option<Wait> {
        let due = delivery.next_attempt_at?;
        Some(Wait { due, message: delivery.follow_up(), carried: time_until(due) <= self.longest_delay })
    }

    /// The work that is left if the dispatcher that recorded an attempt has died. The entry is stored, but the
    /// delayed message may be missing, so it is sent again.
    pub(crate) fn follow_up(&self, delivery: &Delivery) -> Work {
        self.waiting_for(delivery)
            .filter(|wait| wait.carried)
            .map_or(Work::Nothing, |wait| Work::FollowUp(Box::new(wait)))
    }
}

fn warn(record: &SqsMessage, err: &AwsError) {
    tracing::warn!(message_id = record.message_id, cause = telemetry::chain(err), "a write is tried again");
}

fn time_until(due: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default()
}
