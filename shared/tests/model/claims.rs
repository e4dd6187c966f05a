//! What has to be so in every world.

use std::fmt;

use crate::{
    setting::{NOW, Setting},
    world::{Answer, Copies, Due, Letter, World, index},
};

/// A claim about the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Whatever is unfinished has a message on the queue, or a dead letter.
    NothingIsLost,
    /// In the end the last round that was promised is the one that is finished.
    NoRetryIsSwallowed,
    /// `delivered` and `failed` come of an attempt in that very round.
    NoRoundEndsUntried,
    /// `delivered` is recorded if and only if an attempt whose record was kept was accepted: no success is made up, and
    /// every repetition at the receiver is an attempt that a crash or a race kept from being recorded.
    DeliveredMeansAccepted,
    /// Each attempt is in the history, or on its way there, or was lost to a crash or a race.
    EveryAttemptIsAccountedFor,
    /// No attempt is lost without a fault, in a round that has one message and is not overtaken by the next.
    WithoutCauseNoAttemptIsLost,
    /// The history has no more tries in a round than the schedule.
    TheScheduleIsKept,
    /// A round that is finished, or over, gets no new attempt.
    TheFinishedIsLeftAlone,
    /// A delivery that is retried has a time at which its next attempt is due, and has none before.
    NothingIsSentEarly,
    /// A message of an earlier round changes nothing.
    TheStaleChangesNothing,
    /// What is recorded has every attempt that was recorded before.
    NoAttemptIsForgotten,
    /// A retry follows only a failure that may pass, and only while the schedule lasts.
    OnlyWhatMayYetSucceedIsRetried,
    /// 410 disables the webhook, and so does a failure after five days of them; nothing else does.
    OnlyTheHopelessAreDisabled,
    /// No attempt begins at a deleted or disabled webhook.
    NothingIsSentToTheInactive,
    /// An active webhook's delivery is not cancelled.
    OnlyTheInactiveAreCancelled,
    /// A delivery is the same one through all of its rounds.
    TheIdIsKept,
    /// A delivery can be retried by hand when it is finished or stuck, and at no other time.
    WhatHasEndedCanBeRetried,
    /// However often a retry is asked for before it begins, it makes one round.
    TwoClicksMakeOneRound,
    /// Each receive is an attempt's or a fault's, so a dead letter comes of nothing but faults.
    DeadLettersAreOurFault,
    /// There is always something to do until all messages are gone.
    NothingStandsStill,
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

impl Letter {
    /// Whether every receive was an attempt's, or one for it, or through a fault.
    pub(crate) fn is_explained(&self, setting: &Setting) -> bool {
        self.receives <= setting.schedule_attempts + self.ours
    }
}

impl World {
    /// Checks all that can be seen at one moment.
    pub(crate) fn check(&self, setting: &Setting) -> Result<(), Claim> {
        let wanted = self.wanted();
        let over = self.item.is_some_and(|item| item.round >= wanted && item.is_finished());
        let alive = |letter: &Letter| letter.round == wanted && letter.is_sent() && letter.copies != Copies::Deleted;
        let kept = self.letters.iter().any(alive) || self.dead.contains(&wanted);
        if wanted == 0 {
            Claim::NothingIsLost.holds(over || kept)?;
        } else {
            Claim::NoRetryIsSwallowed.holds(over || kept)?;
        }
        self.check_letters(setting)?;
        self.check_item(setting)?;
        self.check_causes(setting)
    }

    fn check_letters(&self, setting: &Setting) -> Result<(), Claim> {
        let explained = |letter: &Letter| letter.is_explained(setting);
        Claim::DeadLettersAreOurFault.holds(self.letters.iter().all(explained))?;
        let moving = self.letters.is_empty() || self.events(setting).iter().any(|event| event.is_progress());
        Claim::NothingStandsStill.holds(moving)
    }

    fn check_item(&self, setting: &Setting) -> Result<(), Claim> {
        let Some(item) = self.item else { return Ok(()) };
        let round = self.rounds[index(item.round)];
        Claim::TheScheduleIsKept.holds(item.tries <= u32::from(setting.schedule_attempts))?;
        Claim::NoRoundEndsUntried.holds(!["delivered", "failed"].contains(&item.state) || round.made > 0)?;
        Claim::NothingIsSentEarly.holds((item.state == "retrying") == item.due.is_some())?;
        let ended = item.is_finished() || item.due == Some(Due::Overdue);
        Claim::WhatHasEndedCanBeRetried.holds(setting.delivery(item).can_be_retried(NOW) == ended)?;
        let under_way = self.under_way(item.round, |_| true);
        Claim::EveryAttemptIsAccountedFor
            .holds(u32::from(round.made) == item.tries + u32::from(round.lost + under_way))?;
        let accepted = round.lost_accepted + self.under_way(item.round, |answer| answer == Answer::Accepted);
        Claim::DeliveredMeansAccepted.holds(round.accepted == accepted + u8::from(item.state == "delivered"))
    }

    fn check_causes(&self, setting: &Setting) -> Result<(), Claim> {
        let faultless = self.left.faults == setting.bounds.faults;
        let loses_none = self.rounds.iter().all(|round| round.lost == 0 || round.contended);
        Claim::WithoutCauseNoAttemptIsLost.holds(!faultless || loses_none)
    }

    /// Attempts of a round that were made and are about to be recorded.
    fn under_way(&self, round: u32, counts: impl Fn(Answer) -> bool) -> u8 {
        let letters = self.letters.iter().filter(|letter| letter.round == round);
        let count = letters.filter_map(Letter::unrecorded).filter(|answer| counts(*answer)).count();
        u8::try_from(count).expect("dispatchers are few")
    }
}
