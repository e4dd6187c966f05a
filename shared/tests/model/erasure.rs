//! The end of an event's body: the customer erases it, or it is older than the time for which events are kept.
//!
//! It mirrors `functions/api/src/bin/delete-event.rs`. First the event becomes a tombstone: from then on, nobody sends
//! a message for it, and a dispatcher that reads it makes no attempt. Then the delivery is stored as erased, because
//! fan-out's messages bring the body, and the dispatcher does not read the event for them. If the request fails in
//! between, the customer repeats it, so the second step happens in the end.

use nano_webhooks::delivery::{Delivery, Reason, State};

use crate::{
    claims::Claim,
    letter::{Ask, Letter},
    receive::Read,
    setting::{Guard, Setting},
    world::{Item, Standing, World},
};

/// The body in the events table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Body {
    Stored,
    /// The event is a tombstone.
    Erased,
    /// The event is no longer kept.
    Expired,
}

impl World {
    /// The first step of an erasure.
    pub(crate) fn erase(&mut self, setting: &Setting) {
        self.erasing = true;
        if setting.lacks(Guard::TombstoneFirst) {
            self.erase_delivery(setting);
        } else {
            self.body = Body::Erased;
        }
    }

    /// The second step of an erasure.
    pub(crate) fn finish_erasure(&mut self, setting: &Setting) {
        self.erasing = false;
        if self.body == Body::Erased {
            self.erase_delivery(setting);
        }
        self.body = Body::Erased;
    }

    /// Stores the delivery as erased, whether or not it was stored before. The conditional write is repeated until it
    /// holds, so it happens at one moment.
    fn erase_delivery(&mut self, setting: &Setting) {
        if setting.lacks(Guard::EraseDelivery) {
            return;
        }
        let pending = || Delivery::pending(&setting.message(Ask::FIRST)).expect("it has a payload");
        let delivery = self.item.map_or_else(pending, |item| setting.delivery(item));
        let Some(erased) = delivery.erased() else { return };
        self.seen.delivered = erased.state == State::Delivered;
        self.seen.excuse |= self.letters.iter().any(Letter::is_decided);
        let is_stored = self.store(Item::of(&erased), setting);
        assert!(is_stored, "it was made from what is stored");
    }

    /// Whether the erasure was confirmed to the customer, or the delivery is stored as erased.
    pub(crate) fn is_erased(&self) -> bool {
        let is_marked = self.item.is_some_and(|item| item.reason == Some(Reason::Erased));
        self.body == Body::Erased && !self.erasing || is_marked
    }

    /// Checks that an attempt may begin, although the body may be gone.
    pub(crate) fn check_body(&self, letter: Letter, read: Read) -> Result<(), Claim> {
        let is_there = read.body == Body::Stored && (!read.consistent || self.body == Body::Stored);
        Claim::NothingIsSentWithoutABody.holds(!letter.needs_event() || is_there)?;
        Claim::NothingIsSentOfTheErased.holds(!(self.is_erased() && (read.consistent || letter.belated)))
    }

    /// Checks that a delivery is cancelled for a reason that is true.
    pub(crate) fn check_reason(&self, reason: Option<Reason>, setting: &Setting) -> Result<(), Claim> {
        let has_expired = self.left.expiries < setting.bounds.expiries;
        match reason {
            Some(Reason::Deleted) => {
                Claim::OnlyTheDeletedAreCalledDeleted.holds(self.hook.standing == Standing::Deleted)
            }
            Some(Reason::Erased) => {
                Claim::OnlyTheErasedAreCalledErased.holds(self.body == Body::Erased || self.erasing)
            }
            Some(Reason::Expired) => Claim::OnlyTheExpiredAreCalledExpired.holds(has_expired),
            None => Claim::TheCancelledHaveAReason.holds(false),
        }
    }

    /// Checks what is stored of an erased or cancelled delivery.
    pub(crate) fn check_erased(&self, item: Item, setting: &Setting) -> Result<(), Claim> {
        let is_marked = item.reason == Some(Reason::Erased);
        Claim::NoAnswerOutlivesTheErasure.holds(!(is_marked && item.answers))?;
        Claim::TheDeliveredStaysDelivered.holds(!self.seen.delivered || item.state == State::Delivered)?;
        if item.state == State::Cancelled { self.check_reason(item.reason, setting) } else { Ok(()) }
    }
}

impl Item {
    /// The stored delivery, as a dispatcher takes it to be that does not know of the erasure.
    pub(crate) fn without_guards(mut self, setting: &Setting) -> Self {
        if setting.lacks(Guard::LaterAnswers) || setting.lacks(Guard::ErasureIsFinal) {
            self.reason = None;
        }
        self
    }

    /// The record of such a dispatcher. `stored` is the delivery from which it is made.
    pub(crate) fn written(mut self, stored: Option<Self>, setting: &Setting) -> Self {
        let Some(stored) = stored else { return self };
        let is_erased = stored.reason == Some(Reason::Erased);
        if is_erased && setting.lacks(Guard::LaterAnswers) {
            self.reason = stored.reason;
        }
        if is_erased && setting.lacks(Guard::ErasureIsFinal) {
            (self.reason, self.answers) = (stored.reason, false);
        }
        if setting.lacks(Guard::EarlierAnswers) {
            self.answers |= stored.answers;
        }
        self
    }
}
