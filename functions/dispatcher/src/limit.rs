//! Holds the attempts that are beyond their webhook's `max_per_minute`. release sends them later, at that pace.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::join_all;
use jiff::Timestamp;
use nano_webhooks::delivery::{self, Change, Step};
use tokio::time::timeout_at;

use crate::{
    batch::Unfinished,
    dispatcher::{Deadlines, Dispatcher, GivenBack, Planned},
    used_up::Name,
};

impl Dispatcher {
    /// Counts the attempts of webhooks with a limit. Returns the jobs, those beyond the limit with the step that holds
    /// them, and the messages that go back to the queue because they could not be counted.
    pub(crate) async fn limit<'a>(
        &self,
        planned: Vec<Planned<'a>>,
        deadlines: Deadlines,
    ) -> (Vec<Planned<'a>>, GivenBack<'a>) {
        let mut wanted = HashMap::<Name, (u32, u32)>::new();
        for (name, limit) in planned.iter().filter_map(limited) {
            wanted.entry(name).or_insert((0, limit)).0 += 1;
        }
        if wanted.is_empty() {
            return (planned, GivenBack::new());
        }
        let now = Timestamp::now();
        let take = wanted.into_iter().map(async |(name, (count, limit))| {
            if self.used_up.has(&name, now) {
                return (name, Ok(0));
            }
            let taken = self.waiting.take_quota((&name.0, name.1), now, count, limit);
            // The error of a call that ran out of time is `None`.
            let granted = match timeout_at(deadlines.attempts, taken).await {
                Ok(taken) => taken.map_err(|err| Some(Arc::new(err))),
                Err(_) => Err(None),
            };
            if matches!(granted, Ok(granted) if granted < count) {
                self.used_up.add(name.clone(), now);
            }
            (name, granted)
        });
        let mut granted: HashMap<_, _> = join_all(take).await.into_iter().collect();
        let (mut decided, mut unfinished) = (Vec::new(), GivenBack::new());
        for planned in planned {
            match limited(&planned).and_then(|(name, _)| granted.get_mut(&name)) {
                None => decided.push(planned),
                Some(Ok(0)) => decided.push(held(planned)),
                Some(Ok(left)) => {
                    *left -= 1;
                    decided.push(planned);
                }
                Some(Err(err)) => {
                    let why = err.clone().map_or(Unfinished::OutOfTime, Unfinished::NotCounted);
                    unfinished.push((planned.job.record, why));
                }
            }
        }
        (decided, unfinished)
    }
}

/// The webhook and its limit, if the step is an attempt that counts.
fn limited(planned: &Planned<'_>) -> Option<(Name, u32)> {
    let Step::Attempt { delivery, webhook, .. } = &planned.step else { return None };
    let limit = webhook.max_per_minute?;
    let counts = delivery::uses_quota(&planned.job.message, delivery, webhook);
    counts.then(|| ((webhook.account_id.clone(), webhook.id), limit))
}

fn held(Planned { job, step }: Planned<'_>) -> Planned<'_> {
    let step = match step {
        Step::Attempt { delivery, .. } => Step::Record { delivery, change: Change::Held },
        other => other,
    };
    Planned { job, step }
}
