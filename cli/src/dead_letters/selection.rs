//! Which dead letters a command handles.

use std::collections::HashSet;

use clap::Args;
use nano_webhooks::queue::{Cause, DeadLetter};

use crate::failure::Failure;

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Selection {
    /// The ids of dead letters
    ids: Vec<String>,
    /// All dead letters; `redrive` leaves malformed ones and notifications on the queue
    #[arg(long)]
    pub(super) all: bool,
    /// Only the malformed ones
    #[arg(long)]
    malformed: bool,
}

/// The failure for ids that were not found.
pub(super) fn not_found(ids: &[String]) -> Failure {
    Failure::NotFound(format!(
        "there is no dead letter {}; another reader may hide it: try again in a minute",
        ids.join(", ")
    ))
}

/// The failure to send a notification back.
pub(super) fn cannot_redrive(letter: &DeadLetter) -> Failure {
    Failure::Failed(format!("{} is a notification, which has no queue to go back to: purge it", letter.id))
}

impl Selection {
    pub(super) fn redrives(&self, letter: &DeadLetter) -> bool {
        let malformed = is_malformed(letter);
        let can_redrive = !malformed && !matches!(letter.cause, Cause::Notification(_));
        self.ids.contains(&letter.id) || (self.all && can_redrive) || (self.malformed && malformed)
    }

    pub(super) fn purges(&self, letter: &DeadLetter) -> bool {
        self.ids.contains(&letter.id) || self.all || (self.malformed && is_malformed(letter))
    }

    /// Whether all named dead letters were found, so that the search can stop. Always false with `--all` or
    /// `--malformed`.
    pub(super) fn is_complete(&self, done: &HashSet<String>) -> bool {
        !self.ids.is_empty() && self.ids.iter().all(|id| done.contains(id))
    }

    /// Fails if a named dead letter was not found.
    pub(super) fn check_found(&self, done: &HashSet<String>) -> Result<(), Failure> {
        let missing: Vec<String> = self.ids.iter().filter(|id| !done.contains(*id)).cloned().collect();
        if missing.is_empty() { Ok(()) } else { Err(not_found(&missing)) }
    }
}

/// Whether the message would become a dead letter again if it were sent back.
fn is_malformed(letter: &DeadLetter) -> bool {
    matches!(letter.cause, Cause::NoCompletion(_) | Cause::NoDelivery)
}
