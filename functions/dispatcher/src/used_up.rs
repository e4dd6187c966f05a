//! Remembers which webhooks have used up their `max_per_minute` in the present minute.

use std::{cell::RefCell, collections::HashSet};

use jiff::Timestamp;
use nano_webhooks::{
    names::{AccountId, WebhookId},
    webhook::minute_of,
};

/// Names a webhook of any account.
pub(crate) type Name = (AccountId, WebhookId);

/// The webhooks whose quota was used up when this sandbox last asked. In a flood this saves a write for each batch.
#[derive(Debug, Default)]
pub(crate) struct UsedUp(RefCell<(i64, HashSet<Name>)>);

impl UsedUp {
    pub(crate) fn has(&self, name: &Name, now: Timestamp) -> bool {
        let (minute, names) = &*self.0.borrow();
        *minute == minute_of(now) && names.contains(name)
    }

    pub(crate) fn add(&self, name: Name, now: Timestamp) {
        let (minute, names) = &mut *self.0.borrow_mut();
        if *minute != minute_of(now) {
            (*minute, *names) = (minute_of(now), HashSet::new());
        }
        names.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_up_quota_is_remembered_until_its_minute_ends() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let name = |id| (AccountId::parse("acct_1").unwrap(), WebhookId(id));
        let used_up = UsedUp::default();
        used_up.add(name(1), at("2026-01-02T03:04:05Z"));
        assert!(used_up.has(&name(1), at("2026-01-02T03:04:59Z")));
        assert!(!used_up.has(&name(2), at("2026-01-02T03:04:59Z")));
        assert!(!used_up.has(&name(1), at("2026-01-02T03:05:00Z")));
        used_up.add(name(2), at("2026-01-02T03:05:00Z"));
        assert!(!used_up.has(&name(1), at("2026-01-02T03:05:00Z")));
    }
}
