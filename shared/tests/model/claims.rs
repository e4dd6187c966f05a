//! What has to be so in every world.

use std::fmt;

use nano_webhooks::delivery::State;

use crate::{
    setting::Setting,
    world::{Answer, Letter, Standing, World, index},
};

/// A claim about the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// In the end every delivery is finished, or held because its webhook is disabled or its circuit open, or has a dead
    /// letter.
    NothingIsStranded,
    /// In the end the last round that a customer asked for has begun.
    NoRetryIsSwallowed,
    /// Each request is recorded, or about to be, or no record can be made of it: its dispatcher died, another one recorded the
    /// same attempt, or the tables took no writes.
    EveryRequestIsAccountedFor,
    /// As many requests as attempts are recorded, unless two dispatchers worked on the delivery at the same time, one died,
    /// the tables took no writes, or a read was late.
    WithoutCauseNoRequestIsLost,
    /// A round is delivered if and only if a request of it was accepted, unless its dispatcher died before it recorded that,
    /// or the tables took no writes.
    DeliveredMeansAccepted,
    /// However long the tables take no writes, an endpoint gets a delivery twice at most, and once more for each fault
    /// and redrive, which may have doubled a message.
    AtMostTwoRequestsInAnOutage,
    /// A round uses up no more tries than the schedule has.
    TheScheduleIsKept,
    /// What uses up a try is a request that is no probe.
    ProbesUseUpNoSchedule,
    /// A probe is made once, unless two dispatchers worked on the delivery at the same time, or one died.
    EachProbeIsMadeOnce,
    /// A delivery that is retried has a time at which its next attempt is due, and no other one has.
    OnlyWhatIsRetriedIsDue,
    /// What is swept up an hour late had a message that was lost.
    OnlyWhatIsLostIsSwept,
    /// An attempt that is recorded, and one of a round that is finished or over, is not made again: a repeated completion while
    /// its delivery waits makes no request.
    TheRecordedIsNotRepeated,
    /// No attempt begins before it is due, unless the customer asks for it.
    NothingIsSentEarly,
    /// No attempt begins at a webhook that is deleted, disabled, or whose circuit is open, except probes.
    NothingIsSentToTheInactive,
    /// A delivery is cancelled only if its webhook was deleted.
    OnlyTheDeletedAreCancelled,
    /// A delivery is held only if its webhook is disabled or its circuit open.
    NothingIsHeldWithoutReason,
    /// However often a retry is asked for before it begins, it makes one round.
    TwoClicksMakeOneRound,
    /// A message comes again only through a fault of ours, so a dead letter comes of nothing but faults.
    DeadLettersAreOurFault,
    /// Nothing goes on for ever.
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
    /// Checks what can be seen at one moment.
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

    /// Checks a world in which nothing happens any more unless somebody does something.
    pub(crate) fn check_end(&self) -> Result<(), Claim> {
        let may_wait = self.hook.standing != Standing::Active || self.hook.open;
        let is_over = self.item.is_some_and(|item| item.state.is_finished() || item.state == State::Held && may_wait);
        let rounds_begun = self.item.map_or(0, |item| item.round);
        let is_saved = |ask: &crate::world::Ask| ask.round >= rounds_begun;
        Claim::NothingIsStranded.holds(self.letters.is_empty())?;
        Claim::NothingIsStranded.holds(is_over || self.dead.iter().any(is_saved))?;
        let has_begun = rounds_begun >= self.wanted || self.dead.iter().any(|ask| ask.round == self.wanted);
        Claim::NoRetryIsSwallowed.holds(has_begun)
    }

    /// Attempts that were made and are about to be recorded.
    fn under_way(&self, counts: impl Fn(&Letter) -> bool) -> u8 {
        let letters = self.letters.iter().filter(|letter| letter.unrecorded().is_some() && counts(letter));
        u8::try_from(letters.count()).expect("dispatchers are few")
    }
}
