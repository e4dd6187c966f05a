//! The check of dead letters: a message that is no completion becomes one, with its reason; and one that is sent back is
//! processed.

use std::time::Instant;

use nano_webhooks::{
    names::AccountId,
    queue::{Cause, DeadLetter, Look, Queue},
};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use super::{
    account::Account,
    outcome::{Outcome, ensure, failed},
    world::World,
};
use crate::{dead_letters::send_back, failure::Failure, stack::Stack, terminal};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A look hides the dead letters for a minute, or longer if there are many.
const AFTER_A_LOOK: Duration = Duration::from_secs(90);

pub(super) async fn dead_letter_and_redrive(world: &World) -> Outcome {
    let account = Account::new(world, "dead-letter").await?;
    let malformed = json!({ "account_id": account.id, "task_id": format!("{}-malformed", world.run) }).to_string();
    world.dead_letters.borrow_mut().insert(malformed.clone());
    world.stack.completions_queue()?.send_text(&malformed, Some(&account.id)).await?;
    let reason = when_there(world, &malformed, async |letter| match &letter.cause {
        Cause::NoCompletion(reason) => Ok(Some(reason.clone())),
        _ => Ok(None),
    });
    let reason = reason.await?;
    let is_right = reason.as_deref() == Some("task_type is missing");
    ensure(is_right, || format!("the dead letter's reason is {reason:?}"), "report this as a bug")?;

    // As if fan-out had failed on it until SQS gave up.
    let sent = account.completion("redriven", json!({}))?;
    let queue = Queue::new(&world.stack.aws, world.stack.output("DeadLetterQueueUrl")?.to_owned());
    world.dead_letters.borrow_mut().insert(sent.text.clone());
    queue.send_text(&sent.text, Some(&account.id)).await?;
    when_there(world, &sent.text, async |letter| send_back(&world.stack, letter).await).await?;
    account.wait_for_event(&sent.id).await?;
    Ok("a message that is no completion became a dead letter with its reason, and one that was sent back an event"
        .into())
}

/// Waits until there is a dead letter with this body, does something with it, and deletes it.
async fn when_there<T>(world: &World, body: &str, act: impl AsyncFn(&DeadLetter) -> Result<T, Failure>) -> Outcome<T> {
    let (letters, start) = (world.stack.dead_letters()?, Instant::now());
    while start.elapsed() < world.soon() {
        let mut done = None;
        let look = letters.look_through(async |mut batch: Vec<DeadLetter>| {
            if let Some(at) = batch.iter().position(|letter| letter.body == body) {
                let letter = batch.swap_remove(at);
                done = Some(act(&letter).await?);
                letters.delete(&letter).await?;
                world.dead_letters.borrow_mut().remove(body);
            }
            Ok::<_, Failure>(Look { enough: done.is_some(), kept: batch })
        });
        look.await?;
        if let Some(done) = done {
            return Ok(done);
        }
        sleep(LOOK_EVERY).await;
    }
    failed("the message is not among the dead letters", "look in fan-out's log; another reader may hide it: try again")
}

/// Deletes the dead letters of this run that are left. Waits up to 90 s for those that fan-out has not made yet, or that an
/// interrupted look still hides. Returns how many it deleted, and how many did not appear.
pub(super) async fn purge(world: &World) -> Result<(usize, usize), Failure> {
    let (start, mut purged) = (Instant::now(), 0);
    if !world.dead_letters.borrow().is_empty() {
        let most = AFTER_A_LOOK.as_secs();
        terminal::note(&format!("Waiting up to {most} s for this run's dead letters. Ctrl-C leaves them."));
    }
    loop {
        let deleted = delete_those(&world.stack, |letter| letter.body.contains(&world.run)).await?;
        purged += deleted.len();
        world.dead_letters.borrow_mut().retain(|body| !deleted.contains(body));
        let missing = world.dead_letters.borrow().len();
        if missing == 0 || start.elapsed() > AFTER_A_LOOK {
            return Ok((purged, missing));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Deletes some of the dead letters, and returns their bodies.
pub(super) async fn delete_those(
    stack: &Stack,
    is_meant: impl Fn(&DeadLetter) -> bool,
) -> Result<Vec<String>, Failure> {
    let (letters, mut deleted) = (stack.dead_letters()?, Vec::new());
    let look = letters.look_through(async |batch: Vec<DeadLetter>| {
        let (meant, kept): (Vec<_>, Vec<_>) = batch.into_iter().partition(&is_meant);
        for letter in meant {
            letters.delete(&letter).await?;
            deleted.push(letter.body);
        }
        Ok::<_, Failure>(Look { enough: false, kept })
    });
    look.await?;
    Ok(deleted)
}

/// The account that a dead letter names, also one that is no completion.
pub(super) fn account(letter: &DeadLetter) -> Option<AccountId> {
    let body: Value = serde_json::from_str(&letter.body).ok()?;
    AccountId::parse(body["account_id"].as_str()?).ok()
}
