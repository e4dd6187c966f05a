//! Makes the test delivery: one event from the completions queue to an endpoint, with its own webhook and key, which
//! are deleted afterwards.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{
    api_key::{ApiKey, KeyGrant, KeyScope},
    attempt::Outcome,
    delivery::{Delivery, State},
    egress::{Policy, TargetUrl},
    event::Completion,
    names::{EventId, EventType},
    store::Deliveries,
    webhook::{NewWebhook, OptionalFields, Webhook},
};
use serde_json::{Value, json};

use super::{account, api::Api, keys, receiver::Receiver, report::Report};
use crate::{failure::Failure, stack::Stack};

const TIMEOUT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// A loopback host name, which the dispatcher refuses unless `EgressPolicy` is `local`, so that no request is sent.
const REFUSED_URL: &str = "https://nano-webhooks-doctor.localhost/";
/// The most webhooks the account may have: more than the doctor ever makes.
const MAX_WEBHOOKS: usize = 10;

const DELIVERY: &str = "test delivery";

/// The endpoint of the test delivery.
enum Target {
    /// The URL of `--endpoint`.
    Given(TargetUrl),
    /// A receiver on this machine.
    Local(Receiver),
    /// [`REFUSED_URL`].
    Refused,
}

pub(super) async fn check(
    report: &mut Report,
    stack: &Stack,
    api: Option<&Api>,
    endpoint: Option<TargetUrl>,
) -> Result<(), Failure> {
    let target = match endpoint {
        Some(url) => Target::Given(url),
        None if stack.calls_this_machine() => Target::Local(Receiver::start().await?),
        None => Target::Refused,
    };
    let tried = tokio::select! {
        tried = attempt(report, stack, api, target) => tried,
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    };
    let cleaned_up = clean_up(stack).await;
    if let Err(Failure::Interrupted | Failure::Unread) = &tried {
        return tried;
    }
    for failure in [tried, cleaned_up].into_iter().filter_map(Result::err) {
        let advice = "your credentials need to read and write the tables and to send to the queues; if they may, look \
                      at the cause";
        report.failed(DELIVERY, failure.text().unwrap_or_default(), advice)?;
    }
    Ok(())
}

async fn attempt(report: &mut Report, stack: &Stack, api: Option<&Api>, target: Target) -> Result<(), Failure> {
    // If an earlier doctor was killed, its webhook would get this completion too.
    clean_up(stack).await?;
    let url = match &target {
        Target::Given(url) => url.clone(),
        Target::Local(receiver) => TargetUrl::parse(&receiver.url, &Policy::local())?,
        Target::Refused => TargetUrl::parse(REFUSED_URL, &Policy::local())?,
    };
    let events = vec![EventType::JobCompleted].into();
    let new = NewWebhook { url, events, secret: None, optional: OptionalFields::default() };
    let webhook = stack.webhooks()?.create(&account(), new, MAX_WEBHOOKS, None).await?.webhook;
    if let Some(api) = api {
        check_key(report, stack, api, &webhook).await?;
    }

    let now = Timestamp::now();
    let completion = json!({
        "account_id": account(),
        "task_id": format!("doctor_{now}"),
        "task_type": "doctor",
        "status": "completed",
        "timestamp": now,
    })
    .to_string();
    let id = Completion::parse(&completion, now)?.event_id();
    let start = Instant::now();
    stack.completions_queue()?.send_text(&completion, Some(&account())).await?;
    if let Some(delivery) = wait(&stack.deliveries()?, &webhook, &id).await? {
        return judge(report, &delivery, &webhook, target, start.elapsed());
    }
    let [fan_out, dispatcher] = ["fan-out", "dispatcher"].map(|function| stack.log_group(function));
    let found = format!("no attempt within {} s of the completion", TIMEOUT.as_secs());
    let advice = format!("look in {fan_out} and {dispatcher}: is a function's trigger disabled, or does it fail?");
    report.failed(DELIVERY, &found, &advice)
}

/// Checks that the API accepts a new key, and lists the webhook of the key's account.
async fn check_key(report: &mut Report, stack: &Stack, api: &Api, webhook: &Webhook) -> Result<(), Failure> {
    let key = ApiKey::generate();
    // `clean_up` finds keys by an index, which may not have one that was made a moment ago. It expires instead.
    let expires_at = Some(Timestamp::now() + SignedDuration::from_hours(1));
    let grant = KeyGrant { account_id: account(), label: None, scope: KeyScope::Full, expires_at };
    stack.api_keys()?.add(&key, grant, Timestamp::now()).await?;
    let (status, text) = api.list(key.reveal()).await?;
    let reply: Value = serde_json::from_str(&text).unwrap_or_default();
    let shown =
        reply["data"].as_array().is_some_and(|webhooks| webhooks.iter().any(|shown| shown["id"] == webhook.id.0));
    let found = format!("a new key gets {} and its account's webhook", status.as_u16());
    if status.is_success() && shown {
        return report.passed("key", &found);
    }
    let found = format!("a new key gets {}, and not its account's webhook", status.as_u16());
    report.failed("key", &found, "is this the API of this stack? Its function list-webhooks has the cause in its log")
}

/// Waits until an attempt is recorded, or the delivery is held or cancelled. Returns `None` if that takes too long. A
/// pending delivery is one whose attempt a dispatcher has claimed and not yet recorded.
async fn wait(deliveries: &Deliveries, webhook: &Webhook, id: &EventId) -> Result<Option<Delivery>, Failure> {
    let start = Instant::now();
    while start.elapsed() < TIMEOUT {
        let found = deliveries.find(&webhook.account_id, webhook.id, id).await?;
        if let Some(delivery) = found.filter(|delivery| delivery.state != State::Pending) {
            return Ok(Some(delivery));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(None)
}

fn judge(
    report: &mut Report,
    delivery: &Delivery,
    webhook: &Webhook,
    target: Target,
    took: Duration,
) -> Result<(), Failure> {
    let Some(attempt) = delivery.attempts.last() else {
        let found = format!("it is {} without an attempt", delivery.state);
        return report.failed(DELIVERY, &found, "is another doctor running on this stack? Try again");
    };
    let found =
        format!("{}, in the history after {:.1} s: {}", delivery.state, took.as_secs_f64(), attempt.explanation());
    match target {
        Target::Local(mut receiver) => match receiver.next() {
            Some(arrived) if attempt.outcome.is_success() && arrived.id == delivery.id.as_str() => {
                if arrived.is_signed_with(&webhook.secret) {
                    report.passed(DELIVERY, &format!("{found}, and its signature is right"))
                } else {
                    report.failed(DELIVERY, &format!("{found}, and its signature is wrong"), "report this as a bug")
                }
            }
            _ => report.failed(
                DELIVERY,
                &found,
                "the receiver on this machine was not reached: see the dispatcher's log",
            ),
        },
        Target::Given(_) if attempt.outcome.is_success() => report.passed(DELIVERY, &found),
        Target::Given(_) => {
            report.failed(DELIVERY, &found, "does your endpoint answer a POST with 2xx, from the internet?")
        }
        Target::Refused if matches!(attempt.outcome, Outcome::Http { .. }) => {
            report.failed(DELIVERY, &found, "a loopback host was called: is EgressPolicy strict?")
        }
        Target::Refused => {
            report.passed(DELIVERY, &found)?;
            let advice = "--endpoint https://… of an endpoint of yours that answers 2xx";
            report.unknown("delivering itself", "was not tried: no endpoint was called", Some(advice))
        }
    }
}

/// Deletes the doctor's webhooks and keys. Its deliveries expire like all others.
async fn clean_up(stack: &Stack) -> Result<(), Failure> {
    let webhooks = stack.webhooks()?;
    for webhook in webhooks.list(&account()).await? {
        webhooks.delete(&account(), webhook.id).await?;
    }
    for key in keys(stack).await? {
        stack.api_keys()?.forget(&key).await?;
        stack.usage()?.forget(&key.id).await?;
    }
    Ok(())
}
