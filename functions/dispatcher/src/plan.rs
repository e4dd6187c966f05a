//! Before the attempts: reads what is stored, and claims the attempts of messages that were received before.

use nano_webhooks::{
    delivery::{self, Change, Delivery, Step, Write},
    store::{Tables, WriteResult, expires_at},
    telemetry,
};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    batch::{Job, Unfinished, may_read_late},
    dispatcher::{Deadlines, Dispatcher, GivenBack, Planned, pause, step},
};

/// How often a claim is tried. If the table does not accept it, no attempt is made, and SQS delivers the message
/// again.
const CLAIM_ROUNDS: u32 = 3;

impl Dispatcher {
    /// Reads the deliveries, webhooks and events of the jobs, and decides the step for each. Repeats what could not be read
    /// until the time for attempts is over. The first read may be eventually consistent; a job that it decides against is read
    /// again, consistently.
    pub(crate) async fn plan<'a>(
        &self,
        mut jobs: Vec<Job<'a>>,
        deadlines: Deadlines,
    ) -> (Vec<Planned<'a>>, GivenBack<'a>) {
        let (mut planned, mut unfinished) = (Vec::new(), GivenBack::new());
        let tables = Tables { webhooks: &self.webhooks, events: &self.events };
        let (mut consistent, mut round) = (!may_read_late(&jobs), 0);
        while !jobs.is_empty() {
            let messages: Vec<_> = jobs.iter().map(|job| &job.message).collect();
            let read = timeout_at(deadlines.attempts, self.deliveries.read(tables, &messages, consistent)).await;
            let results = match read {
                Err(_) => {
                    unfinished.extend(jobs.into_iter().map(|job| (job.record, Unfinished::OutOfTime)));
                    break;
                }
                Ok(Err(err)) => {
                    tracing::warn!(cause = telemetry::chain(&err), "a batch is read again");
                    pause_until(deadlines.attempts, &mut round).await;
                    continue;
                }
                Ok(Ok(results)) => results,
            };
            let (mut unread, mut to_look_again) = (Vec::new(), Vec::new());
            for (mut job, result) in jobs.into_iter().zip(results) {
                match result {
                    Err(err) => unfinished.push((job.record, Unfinished::NotRead(err))),
                    Ok(None) => unread.push(job),
                    Ok(Some(stored)) => match step(&mut job, stored, consistent) {
                        Step::LookAgain => to_look_again.push(job),
                        step => planned.push(Planned { job, step }),
                    },
                }
            }
            consistent |= !to_look_again.is_empty();
            if !unread.is_empty() {
                pause_until(deadlines.attempts, &mut round).await;
            }
            jobs = unread;
            jobs.extend(to_look_again);
        }
        (planned, unfinished)
    }

    /// Claims the attempts that another dispatcher may have made. A job whose claim cannot be stored gets no attempt,
    /// and goes back to the queue.
    pub(crate) async fn claim<'a>(
        &self,
        planned: Vec<Planned<'a>>,
        deadlines: Deadlines,
    ) -> (Vec<Planned<'a>>, GivenBack<'a>) {
        let is_claim = |planned: &Planned<'_>| matches!(planned.step, Step::Attempt { claim: true, .. });
        let (mut claims, mut ready): (Vec<_>, Vec<_>) = planned.into_iter().partition(is_claim);
        let mut unfinished = GivenBack::new();
        for round in 0..CLAIM_ROUNDS {
            if claims.is_empty() || Instant::now() >= deadlines.attempts {
                break;
            }
            if round > 0 {
                sleep(pause(round)).await;
            }
            let (again, lost) = self.claim_once(claims, &mut ready, deadlines).await;
            claims = again;
            unfinished.extend(lost);
        }
        unfinished.extend(claims.into_iter().map(|planned| (planned.job.record, Unfinished::NotClaimed)));
        (ready, unfinished)
    }

    /// Tries each claim once. Returns the claims to try again, and the jobs whose claim was refused.
    async fn claim_once<'a>(
        &self,
        claims: Vec<Planned<'a>>,
        ready: &mut Vec<Planned<'a>>,
        deadlines: Deadlines,
    ) -> (Vec<Planned<'a>>, GivenBack<'a>) {
        let writes: Vec<_> = claims.iter().filter_map(claim_of).collect();
        let refs: Vec<_> = writes.iter().collect();
        let recorded = self.deliveries.record(&refs, expires_at(self.retention_days));
        let Ok(recorded) = timeout_at(deadlines.attempts, recorded).await else { return (claims, Vec::new()) };
        let (mut again, mut lost) = (Vec::new(), GivenBack::new());
        for ((Planned { job, step }, write), recorded) in claims.into_iter().zip(writes).zip(recorded) {
            match (step, recorded) {
                (Step::Attempt { webhook, .. }, WriteResult::Done) => {
                    let delivery = Delivery { version: write.delivery.version + 1, ..write.delivery };
                    ready.push(Planned { job, step: Step::Attempt { delivery, webhook, claim: false } });
                }
                (step, WriteResult::Busy(_)) => again.push(Planned { job, step }),
                _ => lost.push((job.record, Unfinished::NotClaimed)),
            }
        }
        (again, lost)
    }
}

/// The write that claims an attempt. It is `Some` for every step with `claim: true`.
fn claim_of(planned: &Planned<'_>) -> Option<Write> {
    let Step::Attempt { delivery, .. } = &planned.step else { return None };
    delivery::record(&planned.job.message, Some(delivery.clone()), &Change::Claimed)
}

async fn pause_until(deadline: Instant, round: &mut u32) {
    let _ = timeout_at(deadline, sleep(pause(*round))).await;
    *round += 1;
}
