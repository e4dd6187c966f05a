//! The checks of who may do what through the API, and how often.

use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use nano_webhooks::api_key::{ApiKey, KeyScope};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    account::{Account, Reply, request},
    outcome::{Outcome, ensure, failed, not_checked},
    world::World,
};

const WEBHOOKS: &str = "/api/v1/webhooks";
const LEAK: &str = "do not let customers use this stack; report this as SECURITY.md says";
/// The most requests with which a key's limit is tested.
pub(super) const MOST_REQUESTS: u64 = 300;
/// How many of them are made at the same time.
const AT_ONCE: u64 = 20;
/// The least time of a minute that is enough for them, in seconds.
const TIME_FOR_THEM: u64 = 25;

pub(super) async fn keys_refused(world: &World) -> Outcome {
    let unknown = request(world, ApiKey::generate().reveal(), (Method::GET, WEBHOOKS), None, &[]).await?;
    ensure(unknown.status == 401, || format!("an unknown key gets {}", unknown.status), LEAK)?;

    let reader = Account::with_scope(world, "keys-refused", KeyScope::Read).await?;
    reader.data(Method::GET, WEBHOOKS, None, 200).await?;
    let refused = reader.ask(Method::POST, WEBHOOKS, Some(&never_called())).await?;
    ensure(refused.status == 403, || format!("a key that may only read gets {} for a POST", refused.status), LEAK)?;

    let revoked = Account::new(world, "keys-refused").await?;
    revoked.data(Method::GET, WEBHOOKS, None, 200).await?;
    world.stack.api_keys()?.revoke_all(&mut [revoked.record.clone()], Timestamp::now()).await?;
    let after = revoked.ask(Method::GET, WEBHOOKS, None).await?;
    ensure(after.status == 401, || format!("a revoked key gets {}", after.status), LEAK)?;
    Ok("an unknown key gets 401, a revoked one 401, and one that may only read 403 for a POST".into())
}

/// A webhook that gets no event: no check sends a completion of a failed job.
fn never_called() -> Value {
    json!({ "url": "https://acceptance.example.com/", "events": ["job.failed"] })
}

/// A request that a client repeats with the same `Idempotency-Key`: five times at the same time, and later once more.
pub(super) async fn repeated_request(world: &World) -> Outcome {
    const TIMES: usize = 5;
    let account = Account::new(world, "repeated-request").await?;
    let (body, key) = (never_called(), format!("{}-key", world.run));
    let mut replies = Vec::new();
    for reply in join_all((0..TIMES).map(|_| account.post_once(WEBHOOKS, &body, &key))).await {
        replies.push(reply?);
    }
    replies.push(account.post_once(WEBHOOKS, &body, &key).await?);
    let is_right = |reply: &Reply| reply.status == 201 && reply.body == replies[0].body;
    let wrong = replies.iter().find(|reply| !is_right(reply));
    let found = || wrong.map(|reply| format!("one was answered {}: {}", reply.status, reply.body)).unwrap_or_default();
    ensure(wrong.is_none(), found, "look in the log of create-webhook")?;
    let replayed = replies.iter().filter(|reply| reply.header("idempotent-replayed") == "true").count();
    let made = account.data(Method::GET, WEBHOOKS, None, 200).await?.as_array().map_or(0, Vec::len);
    let is_right = made == 1 && replayed == TIMES;
    ensure(
        is_right,
        || format!("they made {made} webhooks, and {replayed} say that they are repeated"),
        "report this as a bug",
    )?;
    Ok(format!("{} requests with one Idempotency-Key made one webhook and got one reply", TIMES + 1))
}

pub(super) async fn isolation(world: &World) -> Outcome {
    let (one, other) = (Account::new(world, "isolation-one").await?, Account::new(world, "isolation-other").await?);
    let owned = [one.register("isolation-one", json!({})).await?, one.register("isolation-one", json!({})).await?];
    other.register("isolation-other", json!({})).await?;
    let sent = one.complete("task", json!({})).await?;
    let event = format!("/api/v1/events/{}", sent.id);
    if world.has_receiver() {
        world.arrivals("isolation-one", 2).await?;
        one.delivery(&owned[1], &sent.id, "delivered").await?;
    }
    one.wait_for_event(&sent.id).await?;

    // The other account has a webhook 1 of its own, and no webhook 2.
    let webhook = format!("{WEBHOOKS}/{}", owned[1].number);
    let delivery = format!("{webhook}/deliveries/{}", sent.id);
    let tried = [
        (Method::GET, webhook.clone()),
        (Method::PATCH, webhook.clone()),
        (Method::POST, format!("{webhook}/rotate-secret")),
        (Method::GET, delivery.clone()),
        (Method::POST, format!("{delivery}/retry")),
        (Method::GET, event.clone()),
        (Method::DELETE, event),
        (Method::DELETE, webhook),
    ];
    for (method, path) in tried {
        let body = (method == Method::PATCH).then(|| json!({ "status": "disabled" }));
        let reply = other.ask(method.clone(), &path, body.as_ref()).await?;
        ensure(reply.status == 404, || format!("another account gets {} for {method} {path}", reply.status), LEAK)?;
    }
    let listed = other.data(Method::GET, WEBHOOKS, None, 200).await?;
    let count = listed.as_array().map_or(0, Vec::len);
    ensure(count == 1, || format!("an account with one webhook sees {count}"), LEAK)?;
    let events = other.data(Method::GET, "/api/v1/events", None, 200).await?;
    ensure(events["events"] == json!([]), || format!("an account without events sees {events}"), LEAK)?;
    if world.has_receiver() {
        sleep(world.a_moment()).await;
        let leaked = world.receiver()?.received("isolation-other").len();
        ensure(leaked == 0, || format!("another account's webhook got {leaked} requests"), LEAK)?;
    }
    Ok("an account's key reaches nothing of another account, and its events went to its own webhooks alone".into())
}

/// Makes more requests in a minute than a key may.
pub(super) async fn throttling(world: &World) -> Outcome {
    let account = Account::new(world, "throttling").await?;
    let ask = || account.ask_once(Method::GET, WEBHOOKS, None);
    let first = ask().await?;
    let limit: u64 = first.header("ratelimit-limit").parse().unwrap_or_default();
    ensure(limit > 0, || "a reply has no ratelimit-limit".into(), "is this the API of this stack?")?;
    if limit > MOST_REQUESTS {
        return not_checked(
            format!("a key may make {limit} requests a minute, which is too many to try"),
            format!("it is checked on a stack whose RateLimitPerMinute is at most {MOST_REQUESTS}"),
        );
    }
    let left: u64 = first.header("ratelimit-reset").parse().unwrap_or_default();
    if left < TIME_FOR_THEM {
        sleep(Duration::from_secs(left + 1)).await;
    }
    let (mut allowed, mut refused) = (0, None);
    for _ in 0..=limit.div_ceil(AT_ONCE) {
        for reply in join_all((0..AT_ONCE).map(|_| ask())).await {
            let reply = reply?;
            if reply.status == 429 { refused = Some(reply) } else { allowed += 1 }
        }
        if refused.is_some() {
            break;
        }
    }
    let Some(refused) = refused else {
        let found = format!("{allowed} requests in a minute were allowed, and the limit is {limit}");
        return failed(found, "look at RateLimitPerMinute, and report this as a bug");
    };
    check_refusal(&refused)?;
    ensure(allowed <= limit, || format!("{allowed} requests were allowed, and the limit is {limit}"), LEAK)?;
    let other = Account::new(world, "throttling-other").await?.ask_once(Method::GET, WEBHOOKS, None).await?;
    ensure(other.status == 200, || format!("meanwhile another key got {}", other.status), "report this as a bug")?;
    Ok(format!("beyond {limit} requests a minute a key gets 429 with Retry-After, and another key does not"))
}

fn check_refusal(refused: &Reply) -> Outcome<()> {
    let wait = refused.header("retry-after").parse().unwrap_or(0_u32);
    let is_right = (1..=60).contains(&wait)
        && refused.body["error"]["code"] == "rate_limited"
        && !refused.header("ratelimit-policy").is_empty();
    let gateway = "API Gateway itself answers 429 beyond ApiRequestsPerSecond and ApiBurst; raise them, or try again";
    ensure(is_right, || format!("the 429 has the body {} and Retry-After {wait}", refused.body), gateway)
}
