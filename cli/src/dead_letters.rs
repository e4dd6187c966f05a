//! `nano-webhooks dead-letters`: what could not be processed, why in plain words, and the way out of the queue.

mod chosen;
mod words;

use clap::Subcommand;
use futures_util::future::join_all;
use nano_webhooks::{
    delivery::Message,
    event,
    queue::{Cause, DeadLetter, Look},
};
use serde_json::{Value, json};

use self::chosen::Chosen;
use crate::{
    failure::Failure,
    stack::Stack,
    table::{Table, time},
    terminal::{self, Progress},
};

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// Lists dead letters, with the reason for each; they stay where they are
    #[command(after_help = LIST_HELP)]
    List {
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Shows one dead letter: why it is there, what to do, and the message itself
    Show {
        /// Its id, as `dead-letters list` shows it
        id: String,
    },
    /// Sends dead letters back to the queue that they belong to, and then deletes them here
    ///
    /// A delivery goes to the deliveries queue: attempts that were made are not made again. A completion goes to the
    /// completions queue; if it has no timestamp, it gets the time at which it was first sent, so that it stays one event.
    #[command(after_help = REDRIVE_HELP)]
    Redrive(Chosen),
    /// Deletes dead letters for good
    #[command(after_help = PURGE_HELP)]
    Purge {
        #[command(flatten)]
        chosen: Chosen,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

const LIST_HELP: &str = "\
SQS shows nobody a message without handing it out, so what is listed is hidden from others meanwhile: for the moment that
it takes, or for a minute where it is cut short.";

const REDRIVE_HELP: &str = "\
Examples:
  nano-webhooks dead-letters redrive 6d1b2f9e-0c7a-4f5e-9f0c-2f6f4f1f8a55
  nano-webhooks dead-letters redrive --all           all but the malformed ones
  nano-webhooks dead-letters redrive --malformed     those, once a newer version takes them";

const PURGE_HELP: &str = "\
Examples:
  nano-webhooks dead-letters purge --malformed       after the producer was corrected
  nano-webhooks dead-letters purge --all --yes

What arrives while you are asked is not deleted.";

impl DeadLetters {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        match self {
            Self::List { limit } => list(stack, limit, json).await,
            Self::Show { id } => show(stack, &id, json).await,
            Self::Redrive(chosen) => redrive(stack, &chosen, json).await,
            Self::Purge { chosen, yes } => purge(stack, &chosen, yes, json).await,
        }
    }
}

async fn list(stack: &Stack, limit: usize, json: bool) -> Result<(), Failure> {
    let (mut rows, mut kinds) = (Vec::new(), Vec::new());
    let mut table = Table::new(&["ID", "SENT", "KIND", "WHY"]);
    stack
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
        return terminal::json(&Value::Array(rows));
    }
    if rows.is_empty() {
        terminal::note("No dead letters.");
        return Ok(());
    }
    table.print()?;
    for (kind, what_to_do) in kinds {
        terminal::note(&format!("{kind}: {what_to_do}"));
    }
    if rows.len() == limit {
        terminal::note(&format!("There are about {}; --limit shows more.", stack.dead_letters()?.count().await?));
    }
    Ok(())
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
    let (shown, why, what_to_do, body) = found.ok_or_else(|| chosen::no_letters(&[id.to_owned()]))?;
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

async fn redrive(stack: &Stack, chosen: &Chosen, json: bool) -> Result<(), Failure> {
    let (completions, deliveries) = (stack.completions_queue()?, stack.deliveries_queue()?);
    let letters = stack.dead_letters()?;
    let mut progress = Progress::new("redriven", letters.count().await?);
    let (mut done, mut left) = (Vec::new(), 0);
    let looked = letters
        .look_through(async |batch: Vec<DeadLetter>| {
            let (taken, kept): (Vec<_>, Vec<_>) = batch.into_iter().partition(|letter| chosen.redrives(letter));
            // Deleted only when it is on its queue: cut short in between, it is there twice, and delivered once.
            let sent = join_all(taken.iter().map(async |letter| {
                match &letter.cause {
                    // Its way to the first attempt is measured no more: it would count the time that it lay here.
                    Cause::Delivery(message) => {
                        deliveries.send_one(&Message { queued_at: None, ..message.clone() }).await?;
                    }
                    Cause::NoDelivery => drop(deliveries.send_text(&letter.body, None).await?),
                    Cause::Completion { .. } | Cause::NoCompletion(_) => {
                        let timed = event::with_timestamp(&letter.body, letter.sent_at);
                        let text = timed.as_deref().unwrap_or(&letter.body);
                        drop(completions.send_text(text, words::account(letter)).await?);
                    }
                }
                Ok::<_, Failure>(letters.delete(letter).await?)
            }))
            .await;
            done.extend(taken.iter().zip(&sent).filter(|(_, sent)| sent.is_ok()).map(|(letter, _)| letter.id.clone()));
            progress.add(taken.len());
            sent.into_iter().collect::<Result<(), _>>()?;
            left += kept.len();
            Ok::<_, Failure>(Look { enough: chosen.is_complete(&done), kept })
        })
        .await;
    drop(progress);
    if json {
        terminal::json(&json!({ "redriven": done }))?;
    } else {
        terminal::note(&format!("Sent {} back to their queues.", done.len()));
        if left > 0 && chosen.all {
            terminal::note(&format!("Left {left} that are malformed: `dead-letters list` says why."));
        }
    }
    looked?;
    chosen.check_found(&done)
}

async fn purge(stack: &Stack, chosen: &Chosen, yes: bool, json: bool) -> Result<(), Failure> {
    let letters = stack.dead_letters()?;
    let mut found = Vec::new();
    letters
        .look_through(async |batch: Vec<DeadLetter>| {
            found.extend(batch.iter().filter(|letter| chosen.purges(letter)).map(|letter| letter.id.clone()));
            Ok::<_, Failure>(Look { enough: chosen.is_complete(&found), kept: batch })
        })
        .await?;
    chosen.check_found(&found)?;
    if !found.is_empty() {
        terminal::confirm(yes, &format!("Delete {} of the dead letters for good?", found.len()))?;
    }
    let mut progress = Progress::new("deleted", found.len());
    let mut done = Vec::new();
    let looked = letters
        .look_through(async |batch: Vec<DeadLetter>| {
            let (taken, kept): (Vec<_>, Vec<_>) = batch.into_iter().partition(|letter| found.contains(&letter.id));
            let deleted = join_all(taken.iter().map(|letter| letters.delete(letter))).await;
            done.extend(taken.iter().zip(&deleted).filter(|(_, it)| it.is_ok()).map(|(letter, _)| letter.id.clone()));
            progress.add(taken.len());
            deleted.into_iter().collect::<Result<(), _>>()?;
            Ok::<_, Failure>(Look { enough: done.len() == found.len(), kept })
        })
        .await;
    drop(progress);
    if json {
        terminal::json(&json!({ "deleted": done }))?;
    } else {
        terminal::note(&format!("Deleted {}.", done.len()));
    }
    looked?;
    if done.len() < found.len() {
        let hidden = found.len() - done.len();
        return Err(Failure::Failed(format!(
            "{hidden} were not found again: somebody else looks at them; try again in a minute"
        )));
    }
    Ok(())
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
