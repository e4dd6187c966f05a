//! Decides what the dispatcher does with a message on the deliveries queue, and what it records. The functions are
//! pure, so that the model in `tests/model` can check every order of crashes, repeats and late reads.
//!
//! The actors: fan-out, `release` and a customer's retry send messages. A **dispatcher** receives one, reads the
//! stored delivery, and asks [`step`] what to do. After that it asks [`record`] what to write. The table refuses a
//! write that was made from an older version than the stored one; the dispatcher then asks [`record`] again, with the
//! delivery that is stored now.
//!
//! A message asks for one attempt of one round, and the stored delivery says how many attempts its round has had. So
//! a message that arrives twice finds its attempt recorded and does nothing. No message is hidden on the queue to
//! wait: the next attempt is another message. `docs/architecture.md` has the rules as a table.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::{Delivery, Message, Reason, State};
use crate::attempt::Attempt;
use crate::{
    retry::Verdict,
    webhook::{Circuit, Webhook},
};

/// How reliable the dispatcher's view of a delivery is.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Whether the message was received before, so that another dispatcher may have acted on it.
    pub received_before: bool,
    /// Whether the delivery, the webhook and the event were read consistently. Otherwise they may be slightly out of
    /// date.
    pub consistent: bool,
    /// Whether the event was erased.
    pub erased: bool,
}

/// What the dispatcher does with a message.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most messages ask for an attempt, and a batch has ten")]
pub enum Step {
    /// Make the attempt. If `claim` is set, first record [`Change::Claimed`], and make no attempt if the table
    /// refuses that.
    Attempt { delivery: Delivery, webhook: Webhook, claim: bool },
    /// Record this change, without an attempt.
    Record { delivery: Delivery, change: Change },
    /// The attempt is recorded, but its dispatcher may have died before it sent the next message: send that again.
    FollowUp(Delivery),
    /// Read again, consistently: only a consistent read can decide.
    LookAgain,
    /// Do nothing: the message may leave the queue.
    Done,
}

/// Decides what to do with a message, given its stored delivery and its webhook. `None` means that nothing is stored.
/// The message has its payload, from fan-out or from the stored event, unless the event is gone.
pub fn step(message: &Message, stored: Option<Delivery>, webhook: Option<Webhook>, look: Look) -> Step {
    let if_consistent = |step| if look.consistent { step } else { Step::LookAgain };
    let newer = stored.as_ref().is_some_and(|stored| stored.round > message.round);
    let begins_round = stored.as_ref().is_some_and(|stored| stored.round < message.round);
    // A run of release that died is repeated. By then the resend may have begun a round, and the round may be over.
    let is_repeated = message.resend.is_some() && stored.as_ref().is_some_and(|stored| stored.resend == message.resend);
    let Some(delivery) = in_round(message, stored) else {
        return if newer { Step::Done } else { if_consistent(Step::Done) };
    };
    if delivery.state.is_finished() || begins_round && is_repeated {
        return Step::Done;
    }
    // A probe that begins a round may have any version: a success of the last round may have been merged since the
    // probe was sent.
    if !begins_round && message.probe.is_some_and(|version| version != delivery.version) {
        return if_consistent(Step::Done);
    }
    match message.attempt.cmp(&(delivery.tries + 1)) {
        Ordering::Less if lacks_follow_up(message, &delivery, look) => return Step::FollowUp(delivery),
        Ordering::Less => return Step::Done,
        Ordering::Greater => return if_consistent(Step::Done),
        Ordering::Equal => {}
    }
    let cancelled = |delivery, reason| if_consistent(Step::Record { delivery, change: Change::Cancelled(reason) });
    match webhook {
        None => cancelled(delivery, Reason::Deleted),
        Some(_) if look.erased => cancelled(delivery, Reason::Erased),
        Some(webhook) if !may_be_attempted(message, &delivery, &webhook) => if_consistent(match delivery.state {
            State::Held => Step::Done,
            _ => Step::Record { delivery, change: Change::Held },
        }),
        Some(_) if message.payload.is_none() => cancelled(delivery, Reason::Expired),
        Some(webhook) => Step::Attempt { delivery, webhook, claim: look.received_before },
    }
}

/// A callback to another origin does not wait for the circuit, which is that of the webhook's own endpoint.
fn may_be_attempted(message: &Message, delivery: &Delivery, webhook: &Webhook) -> bool {
    let waits = || webhook.circuit() == Circuit::Open && !delivery.calls_elsewhere(webhook);
    webhook.is_active() && (message.probe.is_some() || !waits())
}

/// Whether an attempt counts for its webhook's `max_per_minute`, and must wait if that is used up.
///
/// A held delivery does not count here: release has counted its own message before it sent it. Nobody counts the other
/// messages of a held delivery: a customer's retry, the operator's flush, a repeated completion, and a message that SQS
/// delivers again. So these can exceed the limit. Probes do not count, because there are few, nor does a callback to
/// another origin, because it is not a request to the webhook's endpoint.
pub fn uses_quota(message: &Message, delivery: &Delivery, webhook: &Webhook) -> bool {
    message.probe.is_none() && delivery.state != State::Held && !delivery.calls_elsewhere(webhook)
}

/// Whether the dispatcher that recorded the message's attempt may have died before it sent the next message.
fn lacks_follow_up(message: &Message, delivery: &Delivery, look: Look) -> bool {
    look.received_before && message.attempt == delivery.tries && delivery.state == State::Retrying
}

/// Returns the delivery in the message's round: as stored, or at the beginning of a new round. Returns `None` if a
/// newer round has begun, or if nothing is stored and the message has no payload. An erased delivery's new round is
/// over before it begins.
fn in_round(message: &Message, stored: Option<Delivery>) -> Option<Delivery> {
    let Some(stored) = stored else { return Delivery::pending(message) };
    match message.round.cmp(&stored.round) {
        Ordering::Less => None,
        Ordering::Equal => Some(stored),
        Ordering::Greater => {
            let is_erased = stored.reason == Some(Reason::Erased);
            Some(Delivery {
                round: message.round,
                state: if is_erased { State::Cancelled } else { State::Pending },
                reason: stored.reason.filter(|_| is_erased),
                resend: message.resend.clone().or(stored.resend),
                tries: 0,
                next_attempt_at: None,
                ..stored
            })
        }
    }
}

/// A change of a delivery to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An attempt was made.
    Attempted(Made),
    /// No attempt was made, because the webhook is disabled, its circuit is open, or its `max_per_minute` is used up.
    Held,
    /// No attempt was made, and none can follow.
    Cancelled(Reason),
    /// A dispatcher whose message was received before is about to make an attempt. While the table takes no writes,
    /// such a dispatcher makes no request, so the endpoint gets at most two for each delivery.
    Claimed,
}

/// An attempt and its consequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub attempt: Attempt,
    pub verdict: Verdict,
    /// The webhook's epoch when the dispatcher read it.
    pub epoch: u64,
    /// How many seconds the receiver asked us to wait, if it answered 429 or 503 and asked for a minute or more.
    pub wait: Option<u64>,
    /// For a failed attempt: when the last success ended that this dispatcher has seen of the same webhook and epoch.
    /// watch-webhooks does not see the successes of a healthy webhook, so the webhook's failures report them.
    pub last_success: Option<Timestamp>,
    /// Whether watch-webhooks has to see the record: not if a healthy webhook accepted the delivery.
    pub watch: bool,
}

/// Names the attempt for which a record was made. Statistics ignore a record without a mark, and health reads no
/// attempt from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub round: u32,
    /// The delivery's version after the record, so each attempt has another number.
    pub number: u64,
    pub epoch: u64,
    pub probe: bool,
    /// See [`Made::wait`].
    pub wait: Option<u64>,
    /// See [`Made::last_success`].
    pub last_success: Option<Timestamp>,
}

/// A delivery to store, if its stored version is still [`Delivery::version`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub delivery: Delivery,
    /// `None` unless the record was made for an attempt.
    pub mark: Option<Mark>,
    pub watch: bool,
    /// Whether the write adds the delivery's last attempt to the history.
    pub adds_attempt: bool,
}

impl Write {
    /// Whether this very write is stored already: a call may succeed although its answer is lost. Another dispatcher
    /// may since have added an attempt of its own.
    ///
    /// A write is recognised by its attempt: when it began, how long it took, and whether it succeeded. Two requests of two
    /// dispatchers that agree in all three are one in the history. A write without an attempt is not recognised: two claims
    /// of the same attempt look alike, and only one dispatcher may treat the claim as its own.
    pub fn is_stored_in(&self, stored: &Delivery) -> bool {
        let identity = |attempt: &Attempt| (attempt.started_at, attempt.duration_ms, attempt.outcome.is_success());
        let written = self.delivery.attempts.last().filter(|_| self.adds_attempt).map(identity);
        written.is_some_and(|written| stored.attempts.iter().any(|attempt| identity(attempt) == written))
    }
}

/// Returns the write that records a change, given the stored delivery. Returns `None` if there is nothing to write:
/// the stored delivery contains the change already, or the dispatcher that stored it goes on from there.
///
/// A success is never dropped. If another dispatcher has recorded the same attempt, or has finished the delivery with
/// another result, the delivery becomes `delivered`. If a newer round has begun, the attempt is added to the history
/// and the round goes on.
pub fn record(message: &Message, stored: Option<Delivery>, change: &Change) -> Option<Write> {
    match change {
        Change::Attempted(made) => attempted(message, stored, made),
        Change::Held => {
            let delivery = awaiting(message, stored).filter(|delivery| delivery.state != State::Held)?;
            Some(Write { delivery: delivery.held(), mark: None, watch: true, adds_attempt: false })
        }
        Change::Cancelled(reason) => {
            let delivery = in_round(message, stored).filter(|delivery| !delivery.state.is_finished())?;
            Some(Write { delivery: delivery.cancelled(*reason), mark: None, watch: false, adds_attempt: false })
        }
        Change::Claimed => {
            let delivery = awaiting(message, stored)?;
            // A claimed probe is not sent again if its dispatcher dies, so the delivery must be held, where a drain
            // finds it.
            let probe = message.probe.is_some();
            let delivery = if probe { delivery.held() } else { delivery };
            Some(Write { delivery, mark: None, watch: probe, adds_attempt: false })
        }
    }
}

/// Returns the delivery, if the message asks for its next attempt.
fn awaiting(message: &Message, stored: Option<Delivery>) -> Option<Delivery> {
    let delivery = in_round(message, stored)?;
    (!delivery.state.is_finished() && message.attempt == delivery.tries + 1).then_some(delivery)
}

fn attempted(message: &Message, stored: Option<Delivery>, made: &Made) -> Option<Write> {
    let merge = |delivery| {
        let write = Write { delivery, mark: None, watch: false, adds_attempt: true };
        made.attempt.outcome.is_success().then_some(write)
    };
    if let Some(stored) = stored.as_ref().filter(|stored| stored.round > message.round) {
        return merge(stored.clone().with(made));
    }
    let delivery = in_round(message, stored)?;
    if delivery.state.is_finished() || message.attempt != delivery.tries + 1 {
        return merge(Delivery { state: State::Delivered, next_attempt_at: None, ..delivery.with(made) });
    }
    let probe = message.probe.is_some();
    let number = delivery.version + 1;
    let tries = delivery.tries + u32::from(!probe);
    let delivery = Delivery { tries, ..delivery.with(made) };
    let delivery = match made.verdict {
        Verdict::Delivered => Delivery { state: State::Delivered, next_attempt_at: None, ..delivery },
        _ if probe => delivery.held(),
        Verdict::RetryAt(due) => Delivery { state: State::Retrying, next_attempt_at: Some(due), ..delivery },
        Verdict::Failed => Delivery { state: State::Failed, next_attempt_at: None, ..delivery },
    };
    let Made { epoch, wait, last_success, .. } = *made;
    let mark = Mark { round: message.round, number, epoch, probe, wait, last_success };
    Some(Write { delivery, mark: Some(mark), watch: made.watch, adds_attempt: true })
}

impl Delivery {
    fn held(self) -> Self {
        Self { state: State::Held, next_attempt_at: None, ..self }
    }

    fn with(mut self, made: &Made) -> Self {
        self.push(made.attempt.clone());
        self
    }
}

#[cfg(test)]
mod tests;
