//! The steps of rehearsals. They come on the same queue as deliveries and leave the batch at its beginning: nothing here
//! touches a delivery, a webhook's health or a metric.
//!
//! A message asks for one step. Its dispatcher claims the step, makes the request, stores the outcome, and sends the
//! message for the next step; then its own message leaves the queue. If it dies in between, SQS delivers the message
//! again, and the next dispatcher continues where it stopped.

use futures_util::future::join_all;
use jiff::Timestamp;
use nano_webhooks::{
    aws::AwsError,
    queue::{self, SqsMessage},
    rehearsal::{RehearsalMessage, StepOutcome},
    store::StepClaim,
};
use tokio::time::timeout_at;

use crate::{
    batch::Unfinished,
    dispatcher::{Deadlines, Dispatcher, GivenBack},
};

/// Why a rehearsal stops that has had all of its requests and not all of its outcomes.
const USED_UP: &str = "the service failed repeatedly and could not store what your endpoint did; begin another one";

/// What is left to do for a message after its request.
enum Left {
    Nothing,
    /// Store the outcome, then send the message for the next step.
    Store(StepOutcome),
    /// Only send the message for the next step.
    SendNext,
}

impl Dispatcher {
    /// Makes the steps that these messages ask for. Returns the messages that go back to the queue.
    pub(crate) async fn rehearse<'a>(
        &self,
        asked: Vec<(&'a SqsMessage, RehearsalMessage)>,
        deadlines: Deadlines,
    ) -> GivenBack<'a> {
        let worked = asked.into_iter().map(async |(record, message)| {
            let why = match self.rehearse_one(record, &message, deadlines).await {
                Some(Ok(())) => return None,
                Some(Err(err)) => Unfinished::NotRehearsed(err),
                None => Unfinished::OutOfTime,
            };
            Some((record, why))
        });
        join_all(worked).await.into_iter().flatten().collect()
    }

    /// Returns `None` if the time runs out.
    async fn rehearse_one(
        &self,
        record: &SqsMessage,
        message: &RehearsalMessage,
        deadlines: Deadlines,
    ) -> Option<Result<(), AwsError>> {
        let left = match timeout_at(deadlines.attempts, self.make_step(record, message)).await.ok()? {
            Ok(left) => left,
            Err(err) => return Some(Err(err)),
        };
        timeout_at(deadlines.records, self.finish_step(message, left)).await.ok()
    }

    /// Claims the step and makes its request.
    async fn make_step(&self, record: &SqsMessage, message: &RehearsalMessage) -> Result<Left, AwsError> {
        let is_new = queue::is_new(record);
        let rehearsal = match self.rehearsals.claim(message, is_new, Timestamp::now()).await? {
            StepClaim::Claimed(rehearsal) => rehearsal,
            // The dispatcher that stored the outcome may have died before it sent the next message.
            StepClaim::Made if !is_new => return Ok(Left::SendNext),
            // The dispatcher that stored the outcome has the other message for this step.
            StepClaim::Made | StepClaim::Over => return Ok(Left::Nothing),
            StepClaim::UsedUp => {
                self.rehearsals.stop(message, USED_UP).await?;
                return Ok(Left::Nothing);
            }
        };
        let webhook = self.webhooks.find(&message.account_id, message.webhook_id).await?;
        if let Some(reason) = rehearsal.obstacle(webhook.as_ref()) {
            self.rehearsals.stop(message, reason).await?;
            return Ok(Left::Nothing);
        }
        let Some(webhook) = webhook else { return Ok(Left::Nothing) };
        let request = message.step.request(&webhook, &rehearsal, Timestamp::now());
        let attempt = self.sender.rehearse(&webhook, request).await.attempt;
        let (account_id, webhook_id) = (message.account_id.as_str(), message.webhook_id.0);
        let (step, http_status) = (message.step.name(), attempt.outcome.http_status());
        tracing::info!(account_id, webhook_id, step, http_status, "a request of a rehearsal was made");
        Ok(Left::Store(attempt.into()))
    }

    async fn finish_step(&self, message: &RehearsalMessage, left: Left) -> Result<(), AwsError> {
        let sends_next = match left {
            Left::Nothing => false,
            Left::Store(outcome) => self.rehearsals.store(message, &outcome).await?,
            Left::SendNext => true,
        };
        match message.next().filter(|_| sends_next) {
            Some(next) => self.queue.send_text(&next.to_text(), Some(&next.account_id)).await.map(|_| ()),
            None => Ok(()),
        }
    }
}
