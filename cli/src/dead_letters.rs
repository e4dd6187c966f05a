//! `nano-webhooks dead-letters`: lists the messages that could not be processed, says why, and redrives or purges
//! them.

mod selection;
mod words;

use std::collections::HashSet;

use clap::Subcommand;
use futures_util::future::join_all;
use nano_webhooks::{
    delivery::Message,
    event,
    queue::{Cause, DeadLetter, DeadLetters as DeadLetterQueue, Look},
};
use serde_json::{Value, json};

use self::selection::Selection;
use crate::{
    failure::Failure,
    stack::Stack,
    table::{Table, time},
    terminal::{self, Progress},
};

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// Lists dead letters, with the reason for each; they stay on the queue
    #[command(after_help = LIST_HELP)]
    List {
        /// List at most this many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Shows one dead letter: why it is there, what to do, and the message itself
    Show {
        /// The dead letter's id, as `dead-letters list` shows it
        id: String,
    },
    /// Sends dead letters back to the queue they came from, and then deletes them here
    ///
    /// A delivery goes to the deliveries queue: attempts that were made are not made again. A completion goes to the
    /// completions queue; if it has no timestamp, it gets the time at which it was first sent, so that it stays one
    /// event. Dead letters that arrive while the command runs are left there, also those that come back immediately.
    #[command(after_help = REDRIVE_HELP)]
    Redrive(Selection),
    /// Deletes dead letters permanently
    #[command(after_help = PURGE_HELP)]
    Purge {
        #[command(flatten)]
        selection: Selection,
        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

const LIST_HELP: &str = "\
To list a message, the command must receive it, which hides it from other readers until the command has ended. If the command
is interrupted, the messages stay hidden for a minute and one second more for each 50 dead letters.

Exit code 1 if not all were reached: SQS hides at most 120,000 at the same time, and other readers hide some, too.";

const REDRIVE_HELP: &str = "\
Examples:
  nano-webhooks dead-letters redrive 6d1b2f9e-0c7a-4f5e-9f0c-2f6f4f1f8a55
  nano-webhooks dead-letters redrive --all           except malformed ones and notifications
  nano-webhooks dead-letters redrive --malformed     those, once a newer version takes them";

const PURGE_HELP: &str = "\
Examples:
  nano-webhooks dead-letters purge --malformed       after the producer was corrected
  nano-webhooks dead-letters purge --all --yes

Dead letters that arrive after the question are not deleted.";

impl DeadLettersCommand {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        match self {
            Self::List { limit } => list(stack, limit, json).await,
            Self::Show { id } => show(stack, &id, json).await,
            Self::Redrive(selection) => redrive(stack, &selection, json).await,
            Self::Purge { selection, yes } => purge(stack, &selection, yes, json).await,
        }
    }
}

async fn list(stack: &Stack, limit: usize, json: bool) -> Result<(), Failure> {
    let (mut rows, mut kinds) = (Vec::new(), Vec::new());
    let mut table = Table::new(&["ID", "SENT", "KIND", "WHY"]);
    let unreached = stack
        .dead_letters()?
        .look_through(async |letters: Vec<DeadLetter>| {
            for letter in letters.iter().take(limit - rows.len()) {
                let why = words::why(letter);
                table.row([letter.id.clone(), time(Some(letter.sent_at)), words::kind(letter).to_owned(), why]);
                let kind = (words::kind(letter), words::what_to_do(letter, stack));
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
                rows.push(shown(letter, stack));
            }
            Ok::<_, Failure>(Look { enough: rows.len() == limit, kept: letters })
        })
        .await?;
    if json {
        terminal::json(&Value::Array(rows))?;
        return check_reached(unreached);
    }
    if rows.is_empty() {
        if unreached == 0 {
            terminal::note("No dead letters.");
        }
        return check_reached(unreached);
    }
    table.print()?;
    for (kind, what_to_do) in kinds {
        terminal::note(&format!("{kind}: {what_to_do}"));
    }
    if rows.len() == limit {
        terminal::note(&format!("There are about {}; --limit shows more.", stack.dead_letters()?.count().await?));
    }
    check_reached(unreached)
}

async fn show(stack: &Stack, id: &str, json: bool) -> Result<(), Failure> {
    let mut found = None;
    stack
        .dead_letters()?
        .look_through(async |letters: Vec<DeadLetter>| {
            found = found.take().or_else(|| {
                letters.iter().find(|letter| letter.id == id).map(|letter| {
                    (shown(letter, stack), words::why(letter), words::what_to_do(letter, stack), letter.body.clone())
                })
            });
            Ok::<_, Failure>(Look { enough: found.is_some(), kept: letters })
        })
        .await?;
    let (shown, why, what_to_do, body) = found.ok_or_else(|| selection::not_found(&[id.to_owned()]))?;
    if json {
        let mut shown = shown;
        shown["body"] = body.into();
        return terminal::json(&shown);
    }
    let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    for (name, value) in [
        ("id", text("id")),
        ("sent", text("sent_at")),
        ("kind", text("kind")),
        ("why", why),
        ("to do", what_to_do),
        ("body", body),
    ] {
        terminal::line(&format!("{name:<6} {value}"))?;
    }
    Ok(())
}

async fn redrive(stack: &Stack, selection: &Selection, json: bool) -> Result<(), Failure> {
    let letters = stack.dead_letters()?;
    let found = find(&letters, selection, |letter| selection.redrives(letter)).await?;
    selection.check_found(&found.ids)?;
    // Delete a dead letter only after it was sent. If the command is interrupted between the two, the message is
    // there twice, and its attempt is made once.
    let (done, ended) = do_each("redriven", &letters, &found, async |letter| send_back(stack, letter).await).await;
    if json {
        terminal::json(&json!({ "redriven": done }))?;
    } else {
        terminal::note(&format!("Sent {} back to their queues.", done.len()));
        if found.others > 0 && selection.all {
            let left = found.others;
            terminal::note(&format!("Left {left} that are malformed or notifications: `dead-letters list` says why."));
        }
    }
    ended?;
    check_reached(found.unreached)
}

/// Sends a dead letter back to the queue it came from. The caller deletes it. Fails for a notification, which has none.
pub(crate) async fn send_back(stack: &Stack, letter: &DeadLetter) -> Result<(), Failure> {
    match &letter.cause {
        // Without `queued_at` its time to first byte is not measured: that would include the time on this queue.
        Cause::Delivery(message) => {
            stack.deliveries_queue()?.send_one(&Message { queued_at: None, ..message.clone() }).await?;
        }
        // The dispatcher drops a step of an old rehearsal.
        Cause::NoDelivery | Cause::Rehearsal(_) => {
            drop(stack.deliveries_queue()?.send_text(&letter.body, words::account(letter)).await?);
        }
        Cause::Completion { .. } | Cause::NoCompletion(_) => {
            let timed = event::with_timestamp(&letter.body, letter.sent_at);
            let text = timed.as_deref().unwrap_or(&letter.body);
            drop(stack.completions_queue()?.send_text(text, words::account(letter)).await?);
        }
        Cause::Notification(_) => return Err(selection::cannot_redrive(letter)),
    }
    Ok(())
}

async fn purge(stack: &Stack, selection: &Selection, yes: bool, json: bool) -> Result<(), Failure> {
    let letters = stack.dead_letters()?;
    let found = find(&letters, selection, |letter| selection.purges(letter)).await?;
    selection.check_found(&found.ids)?;
    if !found.ids.is_empty() {
        terminal::confirm(yes, &format!("Delete {} of the dead letters for good?", found.ids.len())).await?;
    }
    let (done, ended) = do_each("deleted", &letters, &found, async |_| Ok(())).await;
    if json {
        terminal::json(&json!({ "deleted": done }))?;
    } else {
        terminal::note(&format!("Deleted {}.", done.len()));
    }
    ended?;
    check_reached(found.unreached)
}

/// The result of a search through the queue.
struct Found {
    /// The ids of the selected dead letters.
    ids: HashSet<String>,
    /// How many others were read.
    others: usize,
    /// About how many could not be read.
    unreached: usize,
}

/// Finds the selected dead letters before any is handled. A message that is sent back can be a dead letter again within
/// a second, under another id, and must not be sent back a second time.
async fn find(
    letters: &DeadLetterQueue,
    selection: &Selection,
    is_selected: impl Fn(&DeadLetter) -> bool,
) -> Result<Found, Failure> {
    let (mut ids, mut others) = (HashSet::new(), 0);
    let look = letters.look_through(async |batch: Vec<DeadLetter>| {
        let before = ids.len();
        ids.extend(batch.iter().filter(|letter| is_selected(letter)).map(|letter| letter.id.clone()));
        others += batch.len() - (ids.len() - before);
        Ok::<_, Failure>(Look { enough: selection.is_complete(&ids), kept: batch })
    });
    let unreached = look.await?;
    Ok(Found { ids, others, unreached })
}

/// Calls `act` for each dead letter that was found, and deletes it if `act` succeeds. Returns the ids of the deleted
/// ones, and the failure of the others.
async fn do_each(
    what: &'static str,
    letters: &DeadLetterQueue,
    found: &Found,
    act: impl AsyncFn(&DeadLetter) -> Result<(), Failure>,
) -> (Vec<String>, Result<(), Failure>) {
    let mut progress = Progress::new(what, found.ids.len());
    let mut done = Vec::new();
    if found.ids.is_empty() {
        return (done, Ok(()));
    }
    let looked = letters
        .look_through(async |batch: Vec<DeadLetter>| {
            let (taken, kept): (Vec<_>, Vec<_>) = batch.into_iter().partition(|letter| found.ids.contains(&letter.id));
            let results = join_all(taken.iter().map(async |letter| {
                act(letter).await?;
                Ok::<_, Failure>(letters.delete(letter).await?)
            }))
            .await;
            done.extend(taken.iter().zip(&results).filter(|(_, it)| it.is_ok()).map(|(letter, _)| letter.id.clone()));
            progress.add(taken.len());
            results.into_iter().collect::<Result<(), _>>()?;
            Ok::<_, Failure>(Look { enough: done.len() == found.ids.len(), kept })
        })
        .await;
    let missing = found.ids.len() - done.len();
    let hidden = || Failure::Failed(format!("{missing} were not found again: {HIDDEN}"));
    let ended = looked.and_then(|_| if missing == 0 { Ok(()) } else { Err(hidden()) });
    (done, ended)
}

const HIDDEN: &str = "another reader hides them, or SQS hides as many as it can; try again in a minute";

fn check_reached(unreached: usize) -> Result<(), Failure> {
    match unreached {
        0 => Ok(()),
        some => Err(Failure::Failed(format!("about {some} were not reached: {HIDDEN}"))),
    }
}

fn shown(letter: &DeadLetter, stack: &Stack) -> Value {
    json!({
        "id": letter.id,
        "sent_at": letter.sent_at,
        "kind": words::kind(letter),
        "account_id": words::account(letter),
        "why": words::why(letter),
        "what_to_do": words::what_to_do(letter, stack),
    })
}
