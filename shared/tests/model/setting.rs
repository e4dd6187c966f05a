//! Connects the model and the library: builds the library's full values from the model's small ones, and back.

use std::time::Duration;

use jiff::Timestamp;
use nano_webhooks::{
    attempt::{Attempt, Outcome},
    delivery::{Change, Delivery, Made, Message, Reason, State},
    event::Payload,
    names::{AccountId, EventType, WebhookId},
    retry::{Circumstances, Schedule, Verdict},
    webhook::{Circuit, Secret, Status, Webhook},
};

use crate::{
    letter::{Answer, Ask, From, What},
    world::{Bounds, Due, Hook, Item, Standing, Start},
};

pub(crate) const NOW: Timestamp = Timestamp::constant(1_767_322_800, 0);
const LATER: Timestamp = Timestamp::constant(1_767_322_805, 0);
const HOUR: Duration = Duration::from_hours(1);

/// The library values from which the model's are built, and the bounds of the search.
pub(crate) struct Setting {
    pub(crate) message: Message,
    pub(crate) webhook: Webhook,
    pub(crate) schedule: Schedule,
    /// Whether a retry is due so soon that a delayed message asks for it.
    pub(crate) soon: bool,
    pub(crate) max_receives: u8,
    pub(crate) bounds: Bounds,
    pub(crate) start: Start,
    /// The guard to remove, to see which checked property fails.
    pub(crate) without: Option<Guard>,
}

/// The parts of the protocol that make it safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A record must be made from the version that the table has.
    Version,
    /// A message that was received before claims its attempt.
    Claim,
    /// A stale read decides against no attempt: it is read again.
    LookAgain,
    /// A superseded record of a success is merged.
    MergeSuccess,
    /// A dispatcher recognises its own record, whatever was stored since.
    KnowsItsRecord,
    /// A superseded hold is looked at again.
    RebaseHeld,
    /// If a message is received again, its follow-up is sent.
    FollowUp,
    /// An attempt that a delayed message asks for has an entry, too.
    Entry,
    /// The entry is stored before the record.
    EntryFirst,
    /// The sweep looks at overdue entries.
    Sweep,
    /// A probe is only valid for one version.
    ProbeVersion,
    /// A probe uses up no try of the schedule.
    ProbeSchedule,
    /// A claimed probe's delivery is held.
    ClaimedProbe,
    /// A message leaves the queue only after the outcome is recorded.
    RecordBeforeAck,
    /// A message is for one round.
    Round,
    /// An attempt that is recorded is not made again.
    Tries,
    /// A disabled webhook's deliveries are held.
    Status,
    /// The deliveries of a webhook whose circuit is open are held, except probes.
    Circuit,
    /// If a batch asks for the same attempt twice, it is made once.
    Dedupe,
    /// Two messages count as the same only if their round is equal, too.
    DedupeByRound,
    /// Two messages count as the same only if both are probes of the same version, or neither is a probe.
    DedupeByProbe,
    /// Of two equal messages, the one that was received before is kept.
    DedupeKeepsOlder,
    /// An erasure is stored in the delivery, too.
    EraseDelivery,
    /// An erasure begins with the event.
    TombstoneFirst,
    /// fan-out sends nothing of an event that was erased.
    Tombstone,
    /// A dispatcher sees that an event was erased.
    SeesErasure,
    /// No attempt is made without a body.
    NeedsBody,
    /// If a stale read finds no event, the event is read again.
    LookAgainForEvent,
    /// The second, consistent look reads the event again.
    ReadEventAgain,
    /// A dispatcher that cancels the delivery of an erased event removes the receivers' answers.
    EarlierAnswers,
    /// An attempt that is recorded after the erasure has no answer.
    LaterAnswers,
    /// An erased delivery begins no round.
    ErasureIsFinal,
}

impl Setting {
    /// How many attempts the schedule has: the fewest that include a retry.
    pub(crate) const ATTEMPTS: u32 = 2;

    pub(crate) fn new(bounds: Bounds) -> Self {
        let message = r#"{"account_id":"a","webhook_id":1,"event_id":"01KDYAK3482WAV4DVEFM6KBDXQ","event":"job.completed",
            "round":0,"attempt":1}"#;
        let message = serde_json::from_str(message).expect("is a message");
        let account = AccountId::parse("a").expect("is an account");
        let (url, events) = ("https://a.example.com/".into(), vec![EventType::JobCompleted]);
        let webhook = Webhook::new(account, WebhookId(1), url, events, Secret::generate());
        let schedule = "5".parse().expect("is a schedule");
        Self { message, webhook, schedule, soon: true, max_receives: 3, bounds, start: Start::Sent, without: None }
    }

    pub(crate) fn lacks(&self, guard: Guard) -> bool {
        self.without == Some(guard)
    }

    pub(crate) fn message(&self, ask: Ask) -> Message {
        let Ask { round, attempt, probe, from } = ask;
        let is_fanned_out = from == From::FanOut;
        // fan-out's messages have the payload, and for the others the dispatcher reads the event.
        let payload = Some(Payload { task_id: String::new(), body: String::new() });
        Message { round, attempt, probe, payload, queued_at: is_fanned_out.then_some(NOW), ..self.message.clone() }
    }

    pub(crate) fn delivery(&self, item: Item) -> Delivery {
        let time = |due| match due {
            Due::Later => LATER,
            Due::Now => NOW,
            Due::Overdue => NOW - HOUR,
        };
        let accepted = |number| if number < item.accepted { Answer::Accepted } else { Answer::Refused };
        let message = self.message(Ask::FIRST);
        Delivery {
            round: item.round,
            state: item.state,
            reason: item.reason,
            attempts: (0..item.attempts).map(|number| accepted(number).attempt(item.answers)).collect(),
            tries: item.tries,
            next_attempt_at: item.due.map(time),
            version: item.version,
            ..Delivery::pending(&message).expect("it has a payload")
        }
    }

    pub(crate) fn webhook(&self, hook: Hook) -> Option<Webhook> {
        let mut webhook = self.webhook.clone();
        match hook.standing {
            Standing::Unknown | Standing::Deleted => return None,
            Standing::Active => {}
            Standing::Disabled => webhook.status = Status::Disabled,
        }
        if hook.open {
            webhook.stored_health.circuit = Circuit::Open;
        }
        Some(webhook)
    }

    /// Whether the schedule has another attempt after this answer.
    pub(crate) fn retries(&self, answer: Answer, earlier_tries: u32) -> bool {
        let circumstances = Circumstances { earlier_tries, now: NOW, jitter: 0.0, retry_after: Duration::ZERO };
        matches!(self.schedule.verdict(&answer.outcome(), circumstances), Verdict::RetryAt(_))
    }
}

impl Item {
    pub(crate) fn of(delivery: &Delivery) -> Self {
        let Delivery { round, state, reason, ref attempts, tries, next_attempt_at, version, .. } = *delivery;
        let count = |number| u8::try_from(number).expect("attempts are few");
        let accepted = attempts.iter().filter(|attempt| attempt.outcome.is_success());
        let has_answer = |attempt: &Attempt| match &attempt.outcome {
            Outcome::Http { response, .. } => !response.is_empty(),
            _ => false,
        };
        let due = |due| match due {
            due if due > NOW => Due::Later,
            due if due == NOW => Due::Now,
            _ => Due::Overdue,
        };
        Self {
            round,
            state,
            reason: reason.filter(|reason| state == State::Cancelled || *reason == Reason::Erased),
            tries,
            attempts: count(attempts.len()),
            accepted: count(accepted.count()),
            answers: attempts.iter().any(has_answer),
            due: next_attempt_at.map(due),
            version,
        }
    }
}

impl What {
    pub(crate) fn of(change: &Change) -> Self {
        match change {
            Change::Held => Self::Held,
            Change::Cancelled(reason) => Self::Cancelled(*reason),
            Change::Attempted(_) | Change::Claimed => unreachable!("a step records no such change"),
        }
    }

    pub(crate) fn change(self) -> Change {
        match self {
            Self::Held => Change::Held,
            Self::Cancelled(reason) => Change::Cancelled(reason),
            Self::Attempted { answer, retried } => {
                let verdict = match answer {
                    Answer::Accepted => Verdict::Delivered,
                    _ if retried => Verdict::RetryAt(LATER),
                    _ => Verdict::Failed,
                };
                let attempt = answer.attempt(true);
                Change::Attempted(Made { attempt, verdict, epoch: 0, wait: None, last_success: None, watch: true })
            }
        }
    }

    pub(crate) fn answer(self) -> Option<Answer> {
        if let Self::Attempted { answer, .. } = self { Some(answer) } else { None }
    }
}

impl Answer {
    pub(crate) const ALL: [Self; 3] = [Self::Accepted, Self::Refused, Self::Gone];

    fn outcome(self) -> Outcome {
        let http_status = match self {
            Self::Accepted => 204,
            Self::Refused => 503,
            Self::Gone => 410,
        };
        Outcome::Http { http_status, response: "thanks".into(), redirect: None }
    }

    /// An attempt with the receiver's answer, or without it.
    fn attempt(self, has_answer: bool) -> Attempt {
        let mut outcome = self.outcome();
        if let (Outcome::Http { response, .. }, false) = (&mut outcome, has_answer) {
            response.clear();
        }
        Attempt { started_at: NOW, duration_ms: 0, resent: false, outcome, answer: None }
    }
}

impl Ask {
    pub(crate) fn of(message: &Message, from: From) -> Self {
        let Message { round, attempt, probe, .. } = *message;
        Self { round, attempt, probe, from }
    }
}
