//! The checks of deliveries that succeed: one completion is one signed request, however often a message comes.

use std::{collections::HashSet, time::Duration};

use nano_webhooks::{
    delivery::Message,
    names::{EventId, WebhookId},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    account::{Account, Completed, Registered},
    outcome::{Outcome, ensure, failed, not_checked},
    receiver::{Answer, Received},
    signature,
    world::World,
};

const BUG: &str = "report this as a bug, with the version of the stack";
/// Longer than two dispatchers need to receive the same message.
const SLOW: Duration = Duration::from_secs(3);

pub(super) async fn create_to_delivered(world: &World) -> Outcome {
    const NAME: &str = "create-to-delivered";
    world.receiver()?;
    let account = Account::new(world, NAME).await?;
    let webhook = account.register(NAME, json!({})).await?;
    let sent = account.complete("task", json!({ "data": { "url": "https://cdn.example.com/é.png" } })).await?;
    let request = world.arrivals(NAME, 1).await?.swap_remove(0);
    let took = request.at.duration_since(sent.at);
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let is_it = request.id() == sent.id.as_str()
        && body["event"] == "job.completed"
        && body["data"]["url"] == "https://cdn.example.com/é.png";
    ensure(is_it, || format!("the request has the id {:?} and the body {body}", request.id()), BUG)?;
    let delivery = account.delivery(&webhook, &sent.id, "delivered").await?;
    let count = &delivery["attempt_count"];
    ensure(*count == 1, || format!("it was delivered in {count} attempts"), "the delivery's history says why")?;
    Ok(format!("a completion arrived after {:.2} s, and is in the history as delivered", took.as_secs_f64()))
}

pub(super) async fn signatures(world: &World) -> Outcome {
    world.receiver()?;
    let account = Account::new(world, "signatures").await?;
    let made = account.register("signatures/made", json!({})).await?;
    let chosen = account.register("signatures/chosen", json!({ "secret_key": format!("own-{}", world.run) })).await?;
    let sent = account.complete("task", json!({ "data": { "text": "é 😀 \u{2028}" } })).await?;
    for (path, secret, other) in [("signatures/made", &made, &chosen), ("signatures/chosen", &chosen, &made)] {
        let request = world.arrivals(path, 1).await?.swap_remove(0);
        check_signed(&request, &secret.secret)?;
        let forged =
            signature::is_valid(&request, &other.secret) || signature::is_valid_standard(&request, &other.secret);
        ensure(!forged, || "another webhook's secret fits too".into(), BUG)?;
        let changed = Received { body: [&request.body[..], b" "].concat().into(), ..request.clone() };
        let is_valid = signature::is_valid(&changed, &secret.secret);
        ensure(!is_valid, || "the signature fits a changed body".into(), BUG)?;
        let said: i64 = request.header("x-nano-timestamp").parse().unwrap_or_default();
        let off = (request.at.as_second() - said).abs();
        ensure(off < 300, || format!("its timestamp is {off} s off"), "set this machine's clock")?;
        ensure(request.id() == sent.id.as_str(), || "another event arrived".into(), BUG)?;
    }
    Ok("X-Nano-Signature and webhook-signature are right, with a secret of ours and with a chosen one".into())
}

/// Checks both signatures of a request.
pub(super) fn check_signed(request: &Received, secret: &str) -> Outcome<()> {
    let wrong =
        |header: &str| format!("{header} is wrong: the request was signed with another secret or changed on its way");
    let advice = "if something between the stack and this machine changes bodies, such as a tunnel, that is the cause; \
                  otherwise report this as a bug";
    ensure(signature::is_valid(request, secret), || wrong("X-Nano-Signature"), advice)?;
    ensure(signature::is_valid_standard(request, secret), || wrong("webhook-signature"), advice)
}

pub(super) async fn repeated_completion(world: &World) -> Outcome {
    const NAME: &str = "repeated-completion";
    let (account, _, sent) = delivered(world, NAME).await?;
    for _ in 0..3 {
        account.send(&sent).await?;
    }
    let requests = count_after_another(world, &account, NAME, &sent.id).await?;
    ensure(requests == 1, || format!("its webhook got {requests} requests"), BUG)?;
    Ok("a completion that was sent four times made one request".into())
}

pub(super) async fn redelivered_message(world: &World) -> Outcome {
    const NAME: &str = "redelivered-message";
    let (account, webhook, sent) = delivered(world, NAME).await?;
    let Some(event) = world.stack.events()?.find(&account.id, &sent.id).await? else {
        return failed("the event is not in the events table", BUG);
    };
    let message = Message::first(&event, WebhookId(webhook.number));
    for _ in 0..3 {
        world.stack.deliveries_queue()?.send_one(&message).await?;
    }
    let requests = count_after_another(world, &account, NAME, &sent.id).await?;
    ensure(requests == 1, || format!("its webhook got {requests} requests"), BUG)?;
    Ok("a delivery's message that came four times made one request".into())
}

/// An account with a webhook at this path of the receiver, and a completion that was delivered to it.
async fn delivered<'a>(world: &'a World, path: &str) -> Outcome<(Account<'a>, Registered, Completed)> {
    world.receiver()?;
    let account = Account::new(world, path).await?;
    let webhook = account.register(path, json!({})).await?;
    let sent = account.complete("task", json!({})).await?;
    world.arrivals(path, 1).await?;
    account.delivery(&webhook, &sent.id, "delivered").await?;
    Ok((account, webhook, sent))
}

/// Sends another completion, waits until it has arrived and a moment more, and returns how many requests there were for
/// the first event.
async fn count_after_another(world: &World, account: &Account<'_>, path: &str, first: &EventId) -> Outcome<usize> {
    let another = account.complete("another", json!({})).await?;
    let has_arrived = |received: &[Received]| received.iter().any(|it| it.id() == another.id.as_str());
    let (_, met) = world.receiver()?.wait(path, world.soon(), has_arrived).await;
    ensure(met, || "a completion that was sent afterwards did not arrive".into(), "look in the dispatcher's log")?;
    sleep(world.a_moment()).await;
    let received = world.receiver()?.received(path);
    Ok(received.iter().filter(|it| it.id() == first.as_str()).count())
}

/// Dispatchers that record the same delivery at the same time: the table refuses all writes except one, and the other
/// dispatchers record again with the stored version, so that every attempt is in the history. Not checked if the attempts
/// never overlapped: each time one dispatcher made the only request.
pub(super) async fn conflicting_records(world: &World) -> Outcome {
    const NAME: &str = "conflicting-records";
    const MESSAGES: usize = 3;
    /// How long the receiver takes to answer, in each try. An attempt ends after 10 s.
    const SLOWER: [Duration; 3] = [SLOW, Duration::from_secs(6), Duration::from_secs(8)];
    let receiver = world.receiver()?;
    let (account, webhook, sent) = delivered(world, NAME).await?;

    let number = WebhookId(webhook.number);
    let (webhooks, deliveries, queue) =
        (world.stack.webhooks()?, world.stack.deliveries()?, world.stack.deliveries_queue()?);
    let path = format!("/api/v1/webhooks/{}/deliveries/{}", webhook.number, sent.id);
    for delay in SLOWER {
        receiver.always(NAME, Answer { delay, ..Answer::status(200) });
        let before = receiver.received(NAME).len();
        let counted = account.data(Method::GET, &path, None, 200).await?["attempt_count"].as_u64().unwrap_or_default();
        let stored =
            webhooks.find(&account.id, number).await?.zip(deliveries.find(&account.id, number, &sent.id).await?);
        let Some((owner, delivery)) = stored else { return failed("the delivery is not in its table", BUG) };
        let message = delivery.retried(&owner);
        // The first dispatcher waits for its answer when the others get their messages.
        queue.send_one(&message).await?;
        world.arrivals(NAME, before + 1).await?;
        for _ in 1..MESSAGES {
            queue.send_one(&message).await?;
        }
        sleep(delay + delay / 2 + world.a_moment()).await;
        let requests = receiver.received(NAME);
        let ids: HashSet<_> = requests.iter().map(Received::id).collect();
        let at_once = requests.len() - before;
        let is_right = ids.len() == 1 && at_once <= MESSAGES;
        ensure(is_right, || format!("{at_once} requests for {MESSAGES} messages, of {} events", ids.len()), BUG)?;
        let is_recorded = |delivery: &Value| {
            delivery["status"] == "delivered" && delivery["attempt_count"].as_u64() >= Some(counted + at_once as u64)
        };
        account.until(&path, world.soon(), is_recorded).await?;
        if at_once > 1 {
            return Ok(format!(
                "{at_once} requests for {MESSAGES} equal messages at the same time; the delivery is delivered"
            ));
        }
    }
    not_checked(
        format!("{MESSAGES} equal messages made one request each time: no two dispatchers recorded at the same time"),
        "--only conflicting-records tries again",
    )
}

pub(super) async fn callback(world: &World) -> Outcome {
    const NAME: &str = "callback";
    let receiver = world.receiver()?;
    let account = Account::new(world, NAME).await?;
    let webhook: Registered = account.register(NAME, json!({})).await?;
    let url = receiver.url("callback-of-the-job");
    let sent = account.complete("task", json!({ "callback_url": url })).await?;
    let request = world.arrivals("callback-of-the-job", 1).await?.swap_remove(0);
    check_signed(&request, &webhook.secret)?;
    let event = account.data(Method::GET, &format!("/api/v1/events/{}", sent.id), None, 200).await?;
    ensure(event["callback_url"] == url.as_str(), || format!("the event shows {}", event["callback_url"]), BUG)?;
    let elsewhere = receiver.received(NAME).len();
    ensure(elsewhere == 0, || "the webhook's own URL was called too".into(), BUG)?;
    Ok("a job's callback_url was called in place of the webhook's URL, signed with its secret".into())
}
