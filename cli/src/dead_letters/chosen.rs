//! Which dead letters a command is about.

use std::collections::HashSet;

use clap::Args;
use nano_webhooks::queue::{Cause, DeadLetter};

use crate::failure::Failure;

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Chosen {
    /// These, by their ids
    ids: Vec<String>,
    /// All; of these, `redrive` leaves malformed ones and notifications where they are
    #[arg(long)]
    pub(super) all: bool,
    /// Those that are malformed, and no others
    #[arg(long)]
    malformed: bool,
}

/// The failure to find these.
pub(super) fn no_letters(ids: &[String]) -> Failure {
    Failure::NotFound(format!(
        "there is no dead letter {}; it may be looked at by somebody else: try again in a minute",
        ids.join(", ")
    ))
}

/// The failure to send this one back.
pub(super) fn no_way_back(letter: &DeadLetter) -> Failure {
    Failure::Failed(format!("{} is a notification, which has no queue to go back to: purge it", letter.id))
}

impl Chosen {
    pub(super) fn redrives(&self, letter: &DeadLetter) -> bool {
        let malformed = is_malformed(letter);
        let has_way_back = !malformed && !matches!(letter.cause, Cause::Notification(_));
        self.ids.contains(&letter.id) || (self.all && has_way_back) || (self.malformed && malformed)
    }

    pub(super) fn purges(&self, letter: &DeadLetter) -> bool {
        self.ids.contains(&letter.id) || self.all || (self.malformed && is_malformed(letter))
    }

    /// Whether nothing else can be chosen.
    pub(super) fn is_complete(&self, done: &HashSet<String>) -> bool {
        !self.ids.is_empty() && self.ids.iter().all(|id| done.contains(id))
    }

    /// Fails for those that were named and not found.
    pub(super) fn check_found(&self, done: &HashSet<String>) -> Result<(), Failure> {
        let missing: Vec<String> = self.ids.iter().filter(|id| !done.contains(*id)).cloned().collect();
        if missing.is_empty() { Ok(()) } else { Err(no_letters(&missing)) }
    }
}

/// Sent again, it would be back at once.
fn is_malformed(letter: &DeadLetter) -> bool {
    matches!(letter.cause, Cause::NoCompletion(_) | Cause::NoDelivery)
}
