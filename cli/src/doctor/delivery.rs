//! Makes the test delivery: one event from the completions queue to an endpoint, with its own webhook and key, which
//! are deleted afterwards.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use nano_webhooks::{
    api_key::ApiKey,
    attempt::Outcome,
    delivery::Delivery,
    egress::{Policy, TargetUrl},
    event::Completion,
    names::{DeliveryId, EventType},
    store::Deliveries,
    webhook::{NewWebhook, Webhook},
};
use serde_json::{Value, json};

use super::{account, api::Api, keys, receiver::Receiver, report::Report};
use crate::{failure::Failure, stack::Stack};

const WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A loopback host name, which the dispatcher refuses unless `EgressPolicy` is `local`, so that no request is sent.
const NOBODY: &str = "https://nano-webhooks-doctor.localhost/";
/// The limit of webhooks for the account: more than the doctor ever has.
const WEBHOOKS: usize = 10;

const DELIVERY: &str = "test delivery";

/// The endpoint of the test delivery.
enum Target {
    Theirs(TargetUrl),
    Ours(Receiver),
    Nobody,
}

pub(super) async fn check(
    report: &mut Report,
    stack: &Stack,
    api: Option<&Api>,
    endpoint: Option<TargetUrl>,
) -> Result<(), Failure> {
    let target = match endpoint {
        Some(url) => Target::Theirs(url),
        None if stack.calls_this_machine() => Target::Ours(Receiver::start().await?),
        None => Target::Nobody,
    };
    let tried = tokio::select! {
        tried = attempt(report, stack, api, target) => tried,
        _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    };
    let put_away = put_away(stack).await;
    if let Err(Failure::Interrupted | Failure::Unread) = &tried {
        return tried;
    }
    for failure in [tried, put_away].into_iter().filter_map(Result::err) {
        let advice =
            "your credentials need to read and write the tables and to send to the queues; else look at the cause";
        report.ill(DELIVERY, failure.text().unwrap_or_default(), advice)?;
    }
    Ok(())
}

async fn attempt(report: &mut Report, stack: &Stack, api: Option<&Api>, target: Target) -> Result<(), Failure> {
    // A webhook that a killed doctor left would get this completion, too.
    put_away(stack).await?;
    let url = match &target {
        Target::Theirs(url) => url.clone(),
        Target::Ours(receiver) => TargetUrl::parse(&receiver.url, &Policy::local())?,
        Target::Nobody => TargetUrl::parse(NOBODY, &Policy::local())?,
    };
    let new = NewWebhook { url, events: vec![EventType::JobCompleted], secret: None };
    let webhook = stack.webhooks()?.create(&account(), new, WEBHOOKS, None, Timestamp::now()).await?.webhook;
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
    let id = Completion::parse(&completion, now)?.delivery_id(webhook.id);
    let start = Instant::now();
    stack.completions_queue()?.send_text(&completion, Some(&account())).await?;
    if let Some(delivery) = wait(&stack.deliveries()?, &webhook, &id).await? {
        return judge(report, &delivery, &webhook, target, start.elapsed());
    }
    let [fan_out, dispatcher] = ["fan-out", "dispatcher"].map(|function| stack.log_group(function));
    let found = format!("no attempt within {} s of the completion", WITHIN.as_secs());
    let advice = format!("look in {fan_out} and {dispatcher}: is a function's trigger disabled, or does it fail?");
    report.ill(DELIVERY, &found, &advice)
}

/// Checks that a new key is accepted by the API, and lists its own account's webhook.
async fn check_key(report: &mut Report, stack: &Stack, api: &Api, webhook: &Webhook) -> Result<(), Failure> {
    let key = ApiKey::generate();
    stack.api_keys()?.add(&key, account(), Timestamp::now()).await?;
    let (status, text) = api.list(key.reveal()).await?;
    let reply: Value = serde_json::from_str(&text).unwrap_or_default();
    let shown =
        reply["data"].as_array().is_some_and(|webhooks| webhooks.iter().any(|shown| shown["id"] == webhook.id.0));
    let found = format!("a new key gets {} and its account's webhook", status.as_u16());
    if status.is_success() && shown {
        return report.well("key", &found);
    }
    let found = format!("a new key gets {}, and not its account's webhook", status.as_u16());
    report.ill("key", &found, "is this the API of this stack? Its function list-webhooks has the cause in its log")
}

async fn wait(deliveries: &Deliveries, webhook: &Webhook, id: &DeliveryId) -> Result<Option<Delivery>, Failure> {
    let start = Instant::now();
    while start.elapsed() < WITHIN {
        let found = deliveries.find(&webhook.account_id, webhook.id, id).await?;
        if let Some(delivery) = found {
            return Ok(Some(delivery));
        }
        tokio::time::sleep(LOOK_EVERY).await;
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
        let found = format!("it is {} without an attempt", delivery.state.as_str());
        return report.ill(DELIVERY, &found, "is another doctor at work on this stack? Try again");
    };
    let found = format!(
        "{}, in the history after {:.1} s: {}",
        delivery.state.as_str(),
        took.as_secs_f64(),
        attempt.explanation()
    );
    match target {
        Target::Ours(mut receiver) => match receiver.next() {
            Some(arrived) if attempt.outcome.is_success() && arrived.id == delivery.id.as_str() => {
                if arrived.is_signed_with(&webhook.secret) {
                    report.well(DELIVERY, &format!("{found}, and its signature is right"))
                } else {
                    report.ill(DELIVERY, &format!("{found}, and its signature is wrong"), "report this as a bug")
                }
            }
            _ => report.ill(DELIVERY, &found, "the receiver on this machine was not reached: see the dispatcher's log"),
        },
        Target::Theirs(_) if attempt.outcome.is_success() => report.well(DELIVERY, &found),
        Target::Theirs(_) => {
            report.ill(DELIVERY, &found, "does your endpoint answer a POST with 2xx, from the internet?")
        }
        Target::Nobody if matches!(attempt.outcome, Outcome::Http { .. }) => {
            report.ill(DELIVERY, &found, "something answers where nobody may: is EgressPolicy strict?")
        }
        Target::Nobody => {
            report.well(DELIVERY, &found)?;
            let advice = "--endpoint https://… of an endpoint of yours that answers 2xx";
            report.unknown("delivering itself", "was not tried, and nobody was called", Some(advice))
        }
    }
}

/// Deletes the doctor's webhooks and keys. Its deliveries expire like all others.
async fn put_away(stack: &Stack) -> Result<(), Failure> {
    let webhooks = stack.webhooks()?;
    for webhook in webhooks.list(&account()).await? {
        webhooks.delete(&account(), webhook.id).await?;
    }
    for key in keys(stack).await? {
        stack.api_keys()?.forget(&key).await?;
    }
    Ok(())
}
