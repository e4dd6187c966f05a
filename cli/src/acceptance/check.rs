//! The checks: their names, what each shows, what it costs, and the function that makes it.

use clap::ValueEnum;
use serde_json::Value;

use super::{
    access,
    bill::Work,
    dead_letter, delivering, failing,
    load::{self, Load},
    observed,
    outcome::Outcome,
    permissions,
    world::World,
};
use crate::stack::Stack;

/// A check. Its name is that of the case in kebab-case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Check {
    CreateToDelivered,
    Signatures,
    RepeatedCompletion,
    RedeliveredMessage,
    ConflictingRecords,
    Callback,
    RetryByDelayedMessage,
    RetryByDueTime,
    HeldAndDrained,
    Resend,
    DeadLetterAndRedrive,
    Statistics,
    RepeatedRequest,
    KeysRefused,
    Isolation,
    Throttling,
    Permissions,
    Metrics,
    Traces,
    Kms,
    Load,
}

impl Check {
    /// Whether the check is made before the load. The load is made last, so that it delays no other check.
    pub(super) fn is_first(self) -> bool {
        self != Self::Load
    }

    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it shows if it passes.
    pub(super) fn shows(self) -> &'static str {
        match self {
            Self::CreateToDelivered => "a registered webhook gets the event of a completion, and the history says so",
            Self::Signatures => "both signatures of a request are right, checked by the command's own code",
            Self::RepeatedCompletion => "a completion that is reported again makes no second request",
            Self::RedeliveredMessage => "a message that a queue delivers again makes no second request",
            Self::ConflictingRecords => "of two dispatchers that record one delivery at the same time none is lost",
            Self::Callback => "a job's own endpoint is called in place of the webhook's",
            Self::RetryByDelayedMessage => "a failed attempt is made again by a delayed message with a group",
            Self::RetryByDueTime => "an attempt that is due too late for a delayed message is sent by release",
            Self::HeldAndDrained => "deliveries to an endpoint that is down are held, and sent when it is back",
            Self::Resend => "events of a time range are sent again",
            Self::DeadLetterAndRedrive => "a message that is no completion is a dead letter, and one can be sent back",
            Self::Statistics => "both readers of the table's stream get every record",
            Self::RepeatedRequest => "a request that is repeated with its Idempotency-Key does its work once",
            Self::KeysRefused => "unknown, revoked and read-only keys are refused",
            Self::Isolation => "an account reaches nothing of another one",
            Self::Throttling => "a key that asks too often gets 429",
            Self::Permissions => "each function's role lacks what it should lack, as IAM itself decides",
            Self::Metrics => "CloudWatch has the metrics that the alarms look at",
            Self::Traces => "X-Ray has the segment that the dispatcher makes itself",
            Self::Kms => "the tables are encrypted with your key, and the functions can use it",
            Self::Load => "nothing is lost at a rate, and how soon the first byte arrives",
        }
    }

    /// About what it does.
    pub(super) fn work(self, stack: &Stack, load: Option<Load>) -> Work {
        let (deliveries, api_requests, metrics) = match self {
            Self::CreateToDelivered | Self::Callback => (1, 5, 0),
            Self::Signatures | Self::RepeatedCompletion | Self::RedeliveredMessage => (2, 6, 0),
            Self::ConflictingRecords => (10, 20, 0),
            Self::RetryByDelayedMessage | Self::RetryByDueTime => (2, 10, 0),
            Self::HeldAndDrained => (8, 40, 0),
            Self::Resend => (6, 60, 0),
            Self::DeadLetterAndRedrive => (3, 8, 0),
            Self::Statistics => (4, 120, 0),
            Self::KeysRefused | Self::RepeatedRequest => (0, 7, 0),
            Self::Isolation => (2, 20, 0),
            Self::Throttling => {
                let limit = stack.parameter("RateLimitPerMinute").and_then(|limit| limit.parse().ok()).unwrap_or(60);
                (0, if limit > access::MOST_REQUESTS { 1 } else { limit + 50 }, 0)
            }
            Self::Permissions => (0, 0, 0),
            Self::Metrics => (1, 2, 360),
            Self::Traces | Self::Kms => (1, 3, 0),
            Self::Load => load.map_or((0, 0, 0), |load| (load.completions(), 4, 200)),
        };
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let [deliveries, api_requests, metrics] = [deliveries, api_requests, metrics].map(|count: u64| count as f64);
        Work { deliveries, api_requests, metrics }
    }

    /// Makes the check. Returns the finding, and figures for programs, or null.
    pub(super) async fn make(self, world: &World, load: Option<Load>) -> Outcome<(String, Value)> {
        let made = match self {
            Self::CreateToDelivered => Box::pin(delivering::create_to_delivered(world)).await,
            Self::Signatures => Box::pin(delivering::signatures(world)).await,
            Self::RepeatedCompletion => Box::pin(delivering::repeated_completion(world)).await,
            Self::RedeliveredMessage => Box::pin(delivering::redelivered_message(world)).await,
            Self::ConflictingRecords => Box::pin(delivering::conflicting_records(world)).await,
            Self::Callback => Box::pin(delivering::callback(world)).await,
            Self::RetryByDelayedMessage => Box::pin(failing::retry_by_delayed_message(world)).await,
            Self::RetryByDueTime => Box::pin(failing::retry_by_due_time(world)).await,
            Self::HeldAndDrained => Box::pin(failing::held_and_drained(world)).await,
            Self::Resend => Box::pin(failing::resend(world)).await,
            Self::DeadLetterAndRedrive => Box::pin(dead_letter::dead_letter_and_redrive(world)).await,
            Self::Statistics => Box::pin(failing::statistics(world)).await,
            Self::RepeatedRequest => Box::pin(access::repeated_request(world)).await,
            Self::KeysRefused => Box::pin(access::keys_refused(world)).await,
            Self::Isolation => Box::pin(access::isolation(world)).await,
            Self::Throttling => Box::pin(access::throttling(world)).await,
            Self::Permissions => Box::pin(permissions::permissions(world)).await,
            Self::Metrics => Box::pin(observed::metrics(world)).await,
            Self::Traces => Box::pin(observed::traces(world)).await,
            Self::Kms => Box::pin(observed::kms(world)).await,
            Self::Load => return Box::pin(load::make(world, load)).await,
        };
        Ok((made?, Value::Null))
    }
}
