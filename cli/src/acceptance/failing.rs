//! The checks of deliveries that do not succeed at once, and of what is sent again.

use std::{collections::HashSet, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    account::{Account, Completed, Registered},
    delivering::check_signed,
    outcome::{Outcome, ensure, not_checked},
    receiver::{Answer, Received},
    world::{AFTER_RELEASE, World},
};

const RELEASE: &str = "look in release's log; `doctor` says whether its schedule is on";
/// The jitter that is added to a wait, at most: a fifth.
const WITH_JITTER: f64 = 1.2;

pub(super) async fn retry_by_delayed_message(world: &World) -> Outcome {
    const NAME: &str = "retry-by-delayed-message";
    let receiver = world.receiver()?;
    let schedule = world.stack.parameter("RetryScheduleSeconds").unwrap_or_default();
    let Some(wait) = schedule.split(',').next().and_then(|wait| wait.parse().ok()).map(Duration::from_secs) else {
        return not_checked("the stack makes no second attempt", "RetryScheduleSeconds is empty");
    };
    if wait > world.longest_delay().await? {
        return not_checked("the first retry of this stack waits in a table", "retry-by-due-time checks that");
    }
    world.allow(wait)?;
    receiver.answer(NAME, [Answer::status(503)]);
    let account = Account::new(world, NAME).await?;
    let webhook = account.register(NAME, json!({})).await?;
    let sent = account.complete("task", json!({})).await?;
    let most = wait.mul_f64(WITH_JITTER) + world.soon() * 2;
    let took = second_attempt(world, (NAME, &webhook, &sent), wait, most).await?;
    account.delivery(&webhook, &sent.id, "delivered").await?;
    Ok(format!(
        "after a 503 the second attempt came {took:.1} s later ({} s and jitter), and was taken",
        wait.as_secs()
    ))
}

pub(super) async fn retry_by_due_time(world: &World) -> Outcome {
    const NAME: &str = "retry-by-due-time";
    let receiver = world.receiver()?;
    let wait = world.longest_delay().await? + Duration::from_secs(5);
    let most = wait.mul_f64(WITH_JITTER) + AFTER_RELEASE;
    world.allow(most)?;
    // Not 503: with such a `Retry-After` it would open the circuit.
    receiver.answer(NAME, [Answer { retry_after: Some(wait.as_secs()), ..Answer::status(500) }]);
    let account = Account::new(world, NAME).await?;
    let webhook = account.register(NAME, json!({})).await?;
    let sent = account.complete("task", json!({})).await?;
    let took = second_attempt(world, (NAME, &webhook, &sent), wait, most).await?;
    account.delivery(&webhook, &sent.id, "delivered").await?;
    Ok(format!(
        "an attempt that was due {} s later waited in the table, and was made after {took:.1} s",
        wait.as_secs()
    ))
}

/// Waits for the second attempt of a delivery, checks it, and returns how many seconds after the first it came.
async fn second_attempt(
    world: &World,
    (path, webhook, sent): (&str, &Registered, &Completed),
    wait: Duration,
    most: Duration,
) -> Outcome<f64> {
    world.arrivals(path, 1).await?;
    let (requests, met) = world.receiver()?.wait(path, most, |received| received.len() >= 2).await;
    let late = || format!("no second attempt came within {} s", most.as_secs());
    ensure(met, late, "look in the dispatcher's and release's logs, and at the delivery's next_attempt_at")?;
    let [first, second] = [&requests[0], &requests[1]];
    let took = second.at.duration_since(first.at).as_secs_f64();
    // SQS counts whole seconds.
    let early = || format!("the second attempt came after {took:.1} s already");
    ensure(took >= wait.as_secs_f64() - 1.0, early, "report this as a bug")?;
    check_signed(first, &webhook.secret)?;
    check_signed(second, &webhook.secret)?;
    let ids = [first.id(), second.id()];
    ensure(ids == [sent.id.as_str(); 2], || format!("the attempts have the ids {ids:?}"), "report this as a bug")?;
    let numbers = [first, second].map(|request| request.header("x-nano-attempt"));
    ensure(numbers == ["1", "2"], || format!("the attempts have the numbers {numbers:?}"), "report this as a bug")?;
    Ok(took)
}

pub(super) async fn held_and_drained(world: &World) -> Outcome {
    const NAME: &str = "held-and-drained";
    const HELD: usize = 3;
    let receiver = world.receiver()?;
    // Such an answer opens the circuit at once.
    receiver.always(NAME, Answer { retry_after: Some(60), ..Answer::status(503) });
    let account = Account::new(world, NAME).await?;
    let webhook = account.register(NAME, json!({})).await?;
    let path = format!("/api/v1/webhooks/{}", webhook.number);
    // Its own second attempt is due a minute later, and nobody waits for that.
    let first = account.complete("first", json!({})).await?;
    world.arrivals(NAME, 1).await?;
    account.until(&path, world.soon(), |webhook| webhook["circuit"] == "open").await?;
    for task in 0..HELD {
        account.complete(&format!("held-{task}"), json!({})).await?;
    }
    let shown = account.until(&path, world.soon(), |webhook| webhook["held"].as_u64() >= Some(HELD as u64)).await?;
    let requests = receiver.received(NAME).len();
    let too_many = || format!("{requests} requests reached an endpoint that was down");
    ensure(requests == 1, too_many, "report this as a bug")?;

    receiver.always(NAME, Answer::status(200));
    account.data(Method::POST, &format!("{path}/probe"), None, 202).await?;
    let held = |received: &[Received]| distinct(received.iter().filter(|it| it.id() != first.id.as_str()));
    let (requests, met) = receiver.wait(NAME, AFTER_RELEASE, |received| held(received) == HELD).await;
    let missing = || format!("{} of {HELD} held deliveries came when the endpoint was back", held(&requests));
    ensure(met, missing, RELEASE)?;
    Ok(format!("{} deliveries were held while the endpoint was down, and came when it was back", shown["held"]))
}

/// How many events these requests are of.
fn distinct<'a>(requests: impl IntoIterator<Item = &'a Received>) -> usize {
    requests.into_iter().map(Received::id).collect::<HashSet<_>>().len()
}

pub(super) async fn resend(world: &World) -> Outcome {
    const NAME: &str = "resend";
    const EVENTS: usize = 3;
    let receiver = world.receiver()?;
    let account = Account::new(world, NAME).await?;
    let webhook = account.register(NAME, json!({})).await?;
    let mut sent = Vec::new();
    for task in 0..EVENTS {
        sent.push(account.complete(&format!("task-{task}"), json!({})).await?);
    }
    world.arrivals(NAME, EVENTS).await?;
    for event in &sent {
        account.delivery(&webhook, &event.id, "delivered").await?;
    }
    let path = format!("/api/v1/webhooks/{}/resend", webhook.number);
    let since = json!({ "since": world.started_at - Duration::from_mins(1), "statuses": ["delivered"] });
    account.data(Method::POST, &path, Some(&since), 202).await?;
    let (requests, met) = receiver.wait(NAME, AFTER_RELEASE, |received| received.len() >= 2 * EVENTS).await;
    ensure(met, || format!("{} of {EVENTS} events came again", requests.len() - EVENTS), RELEASE)?;
    let done = |resend: &Value| resend["status"] == "done";
    let shown = account.until(&path, AFTER_RELEASE, done).await?;
    let is_right = shown["sent"] == EVENTS && distinct(&requests) == EVENTS;
    let wrong = || format!("the resend says {} sent; {} events came", shown["sent"], distinct(&requests));
    ensure(is_right, wrong, "report this as a bug")?;
    Ok(format!("{EVENTS} delivered events came once more, with their ids"))
}

/// What the two readers of the deliveries table's stream make of it: the webhook's health, and statistics.
pub(super) async fn statistics(world: &World) -> Outcome {
    const NAME: &str = "statistics";
    const EVENTS: u64 = 3;
    let receiver = world.receiver()?;
    // Late enough that the failure is seen before a success undoes it.
    receiver.answer(NAME, [Answer { retry_after: Some(20), ..Answer::status(500) }]);
    let account = Account::new(world, NAME).await?;
    let webhook = account.register(NAME, json!({})).await?;
    let path = format!("/api/v1/webhooks/{}", webhook.number);
    account.complete("task-0", json!({})).await?;
    world.arrivals(NAME, 1).await?;
    account.until(&path, world.soon(), |webhook| webhook["consecutive_failures"] == 1).await?;
    for task in 1..EVENTS {
        account.complete(&format!("task-{task}"), json!({})).await?;
    }
    account.until(&path, world.soon(), |webhook| webhook["consecutive_failures"] == 0).await?;
    let sum = |stats: &Value, field: &str| -> u64 {
        stats["hours"].as_array().into_iter().flatten().filter_map(|hour| hour[field].as_u64()).sum()
    };
    let counted = |stats: &Value| (sum(stats, "deliveries"), sum(stats, "failures")) == (EVENTS, 1);
    account.until(&format!("{path}/stats?hours=2"), AFTER_RELEASE, counted).await?;
    Ok(format!(
        "a failure was in the webhook's health until a success, and {EVENTS} deliveries and 1 failure were counted"
    ))
}
