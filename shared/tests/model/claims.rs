//! The claims that must hold in every world.

use std::fmt;

use nano_webhooks::delivery::State;

use crate::{
    erasure::Body,
    letter::{Answer, Ask, Letter},
    setting::Setting,
    world::{Standing, World, index},
};

/// A claim about the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// In the end every delivery is finished, or held because its webhook is disabled or its circuit open, or it has
    /// a dead letter.
    NothingIsStranded,
    /// In the end the last round that the customer asked for has begun, unless the event is erased.
    NoRetryIsSwallowed,
    /// Each request is recorded, or about to be, or cannot be recorded: its dispatcher died, another one recorded the
    /// same attempt, or the tables refused writes.
    EveryRequestIsAccountedFor,
    /// As many attempts are recorded as requests were made, unless two dispatchers worked on the delivery at the same
    /// time, one died, the tables refused writes, or a read was late.
    WithoutCauseNoRequestIsLost,
    /// A round is delivered if and only if one of its requests was accepted, unless the dispatcher died before it
    /// recorded that, or the tables refused writes.
    DeliveredMeansAccepted,
    /// However long the tables refuse writes, an endpoint gets a delivery at most twice, plus once for each fault and
    /// redrive, which may have duplicated a message.
    AtMostTwoRequestsInAnOutage,
    /// A round uses at most as many tries as the schedule has.
    TheScheduleIsKept,
    /// Only a request that is not a probe uses up a try.
    ProbesUseUpNoSchedule,
    /// A probe is made once, unless two dispatchers worked on the delivery at the same time, or one died.
    EachProbeIsMadeOnce,
    /// A delivery has a time at which its next attempt is due if and only if it is retrying.
    OnlyWhatIsRetriedIsDue,
    /// If the sweep sends a message an hour late, the first message was lost.
    OnlyWhatIsLostIsSwept,
    /// An attempt is not made again if it is recorded, or its round is finished or over. So a repeated completion
    /// makes no request while its delivery waits.
    TheRecordedIsNotRepeated,
    /// No attempt begins before it is due, unless the customer asks for it.
    NothingIsSentEarly,
    /// No attempt except a probe begins if the webhook is deleted or disabled, or its circuit is open.
    NothingIsSentToTheInactive,
    /// A delivery is cancelled with the reason `deleted` only if its webhook was deleted.
    OnlyTheDeletedAreCalledDeleted,
    /// A delivery is cancelled with the reason `erased` only if its event was erased.
    OnlyTheErasedAreCalledErased,
    /// A delivery is cancelled with the reason `expired` only if its event has expired.
    OnlyTheExpiredAreCalledExpired,
    TheCancelledHaveAReason,
    /// No attempt begins without a body. After a consistent read, the body is still stored.
    NothingIsSentWithoutABody,
    /// Once an event is erased, no attempt begins after a consistent read, and none at all for a message that was
    /// sent since, if no read is so late that it is older than its message.
    NothingIsSentOfTheErased,
    /// In the end every delivery of an erased event is finished, also if its webhook is disabled or its circuit open.
    TheErasedIsFinished,
    /// An erased delivery has no receiver's answer, also if an attempt is recorded later.
    NoAnswerOutlivesTheErasure,
    /// A delivery that is delivered when it is erased stays delivered.
    TheDeliveredStaysDelivered,
    /// A delivery is held only if its webhook is disabled or its circuit open.
    NothingIsHeldWithoutReason,
    /// However often a customer asks for a retry before it begins, it makes one round.
    TwoClicksMakeOneRound,
    /// A message is received again only because of a fault of ours, so dead letters come only from faults.
    DeadLettersAreOurFault,
    /// Nothing continues forever.
    EverythingEnds,
}

impl Claim {
    pub(crate) fn holds(self, holds: bool) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it does not hold that {self:?}")
    }
}

impl World {
    /// Checks the claims that must hold at every moment.
    pub(crate) fn check(&self, setting: &Setting) -> Result<(), Claim> {
        let Some(item) = self.item else { return Ok(()) };
        let seen = &self.seen;
        let under_way = self.under_way(|_| true);
        Claim::EveryRequestIsAccountedFor.holds(seen.requests == item.attempts + seen.lost + under_way)?;
        Claim::WithoutCauseNoRequestIsLost.holds(seen.excuse || seen.lost == 0)?;
        let doubled = setting.bounds.faults - self.left.faults + setting.bounds.redrives - self.left.redrives;
        Claim::AtMostTwoRequestsInAnOutage.holds(seen.in_outage <= 2 + doubled)?;
        Claim::TheScheduleIsKept.holds(item.tries <= Setting::ATTEMPTS)?;
        Claim::EachProbeIsMadeOnce.holds(seen.probes_made <= seen.probes_sent)?;
        self.check_erased(item, setting)?;
        Claim::OnlyWhatIsRetriedIsDue.holds((item.state == State::Retrying) == item.due.is_some())?;

        let round = seen.rounds[index(item.round)];
        Claim::ProbesUseUpNoSchedule.holds(item.tries <= u32::from(round.scheduled))?;
        let accepted = |letter: &Letter| letter.unrecorded() == Some(Answer::Accepted);
        let of_round = self.under_way(|letter| letter.ask.round == item.round && accepted(letter));
        let recorded = round.accepted - round.accepted_lost - of_round;
        Claim::DeliveredMeansAccepted.holds((item.state == State::Delivered) == (recorded > 0))?;
        let all: u8 = seen.rounds.iter().map(|round| round.accepted - round.accepted_lost).sum();
        Claim::DeliveredMeansAccepted.holds(item.accepted + self.under_way(accepted) == all)
    }

    /// Checks a world in which nothing more happens without an event from outside.
    pub(crate) fn check_end(&self) -> Result<(), Claim> {
        let may_wait = self.hook.standing != Standing::Active || self.hook.open;
        let is_over = self.item.is_some_and(|item| item.state.is_finished() || item.state == State::Held && may_wait);
        let rounds_begun = self.item.map_or(0, |item| item.round);
        let is_saved = |ask: &Ask| ask.round >= rounds_begun;
        Claim::NothingIsStranded.holds(self.letters.is_empty())?;
        Claim::NothingIsStranded.holds(is_over || self.dead.iter().any(is_saved))?;
        let is_finished = self.item.is_some_and(|item| item.state.is_finished());
        Claim::TheErasedIsFinished.holds(self.body != Body::Erased || is_finished)?;
        let has_begun = rounds_begun >= self.wanted || self.dead.iter().any(|ask| ask.round == self.wanted);
        Claim::NoRetryIsSwallowed.holds(has_begun || self.body == Body::Erased)
    }

    /// Counts the attempts that were made and are about to be recorded.
    fn under_way(&self, counts: impl Fn(&Letter) -> bool) -> u8 {
        let letters = self.letters.iter().filter(|letter| letter.unrecorded().is_some() && counts(letter));
        u8::try_from(letters.count()).expect("dispatchers are few")
    }
}
