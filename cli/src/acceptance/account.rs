//! An account that a check makes, with its key: what its customer and its job pipeline do.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{
    api_key::{ApiKey, KeyGrant, KeyScope},
    egress::{Policy, TargetUrl},
    event::Completion,
    names::{AccountId, EventId, EventType},
    store::KeyRecord,
    webhook::{NewWebhook, OptionalFields},
};
use reqwest::{
    Method,
    header::{AUTHORIZATION, HeaderMap},
};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use super::{
    outcome::{Outcome, ensure, failed},
    world::World,
};
use crate::failure::Failure;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a request is made again that the service failed to answer.
const AGAIN: u32 = 3;
/// How long a run's keys are valid, if the run is killed and cannot remove them.
const KEYS_LIVE: SignedDuration = SignedDuration::from_hours(24);
/// A loopback host name: under the policy `strict` it may not be called.
const REFUSED_URL: &str = "https://nano-webhooks-acceptance.localhost/";

pub(super) struct Account<'a> {
    world: &'a World,
    pub(super) id: AccountId,
    pub(super) record: KeyRecord,
    key: ApiKey,
}

/// What the API answered.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// A webhook that the account registered.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) number: u64,
    pub(super) secret: String,
}

/// The completion of a task.
#[derive(Debug)]
pub(super) struct Completed {
    /// The id of its event.
    pub(super) id: EventId,
    /// When it was made, which is just before it is sent.
    pub(super) at: Timestamp,
    pub(super) text: String,
}

impl Reply {
    /// A header's value; empty if it is missing or not text.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl<'a> Account<'a> {
    /// Makes an account with a key that may do everything.
    pub(super) async fn new(world: &'a World, name: &str) -> Outcome<Self> {
        Self::with_scope(world, name, KeyScope::Full).await
    }

    /// Makes an account, or another key of it.
    pub(super) async fn with_scope(world: &'a World, name: &str, scope: KeyScope) -> Outcome<Self> {
        let (key, now) = (ApiKey::generate(), Timestamp::now());
        let id = AccountId::parse(&format!("{}-{name}", world.run))?;
        let label = Some("nano-webhooks acceptance".to_owned());
        let grant = KeyGrant { account_id: id.clone(), label, scope, expires_at: Some(now + KEYS_LIVE) };
        let record = KeyRecord::new(key.hash(), key.id(), grant.clone(), now);
        world.made.borrow_mut().push(record.clone());
        world.stack.api_keys()?.add(&key, grant, now).await?;
        Ok(Self { world, id, record, key })
    }

    /// Makes a request of the API. If the key's limit is reached, it waits for as long as the reply says; if the service
    /// failed, it asks again, as a client does, and notes that.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome<Reply> {
        let (key, mut left) = (ApiKey::generate().id(), AGAIN);
        let headers = [("idempotency-key", key.as_str())];
        let headers = if method == Method::POST { &headers[..] } else { &[] };
        loop {
            let reply = request(self.world, self.key.reveal(), (method.clone(), path), body, headers).await?;
            match reply.status {
                // API Gateway's own 429 says no time.
                429 => sleep(Duration::from_secs(reply.header("retry-after").parse().unwrap_or(1))).await,
                500.. if left > 0 => {
                    left -= 1;
                    self.world.server_errors.set(self.world.server_errors.get() + 1);
                    sleep(LOOK_EVERY).await;
                }
                _ => return Ok(reply),
            }
        }
    }

    /// Makes a request of the API, and returns its answer, also 429.
    pub(super) async fn ask_once(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome<Reply> {
        Ok(request(self.world, self.key.reveal(), (method, path), body, &[]).await?)
    }

    /// Makes a `POST` with an idempotency key.
    pub(super) async fn post_once(&self, path: &str, body: &Value, key: &str) -> Outcome<Reply> {
        let headers = [("idempotency-key", key)];
        Ok(request(self.world, self.key.reveal(), (Method::POST, path), Some(body), &headers).await?)
    }

    /// The `data` of a reply. Fails if the status is another one.
    pub(super) async fn data(&self, method: Method, path: &str, body: Option<&Value>, status: u16) -> Outcome<Value> {
        let mut reply = self.ask(method.clone(), path, body).await?;
        if reply.status == status {
            return Ok(reply.body["data"].take());
        }
        let found = format!("{method} {path} is answered {}: {}", reply.status, reply.body);
        failed(found, "the reply's x-request-id leads to the cause in the function's log")
    }

    /// Waits until the `data` of `GET path` meets a condition, and returns it. Fails if that takes too long.
    pub(super) async fn until(&self, path: &str, within: Duration, is_met: impl Fn(&Value) -> bool) -> Outcome<Value> {
        let start = Instant::now();
        loop {
            let data = self.data(Method::GET, path, None, 200).await?;
            if is_met(&data) {
                return Ok(data);
            }
            if start.elapsed() > within {
                let found = format!("after {} s, GET {path} still shows {data}", within.as_secs());
                return failed(found, "look in the log groups of the dispatcher, watch-webhooks and release");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until an event is stored.
    pub(super) async fn wait_for_event(&self, id: &EventId) -> Outcome<()> {
        let (path, start) = (format!("/api/v1/events/{id}"), Instant::now());
        while self.ask(Method::GET, &path, None).await?.status == 404 {
            let late = || format!("the completion is no event after {} s", self.world.soon().as_secs());
            let advice = "look in fan-out's log; `doctor` says whether its trigger is on";
            ensure(start.elapsed() < self.world.soon(), late, advice)?;
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Waits until a delivery has this status, and returns it.
    pub(super) async fn delivery(&self, webhook: &Registered, id: &EventId, status: &str) -> Outcome<Value> {
        let path = format!("/api/v1/webhooks/{}/deliveries/{id}", webhook.number);
        let start = Instant::now();
        // It appears with its first attempt.
        while self.ask(Method::GET, &path, None).await?.status == 404 && start.elapsed() < self.world.soon() {
            sleep(LOOK_EVERY).await;
        }
        self.until(&path, self.world.soon(), |delivery| delivery["status"] == status).await
    }

    /// Registers a webhook for completed jobs at a path of the receiver. `more` has further fields. Without a receiver its
    /// URL is one that may not be called.
    pub(super) async fn register(&self, path: &str, more: Value) -> Outcome<Registered> {
        if !self.world.has_receiver() {
            return self.register_nowhere().await;
        }
        let mut webhook = json!({ "url": self.world.receiver()?.url(path), "events": ["job.completed"] });
        if let (Some(webhook), Value::Object(more)) = (webhook.as_object_mut(), more) {
            webhook.extend(more);
        }
        let made = self.data(Method::POST, "/api/v1/webhooks", Some(&webhook), 201).await?;
        let secret = made["secret_key"].as_str().or(webhook["secret_key"].as_str()).unwrap_or_default();
        Ok(Registered { number: made["id"].as_u64().unwrap_or_default(), secret: secret.to_owned() })
    }

    async fn register_nowhere(&self) -> Outcome<Registered> {
        let url = TargetUrl::parse(REFUSED_URL, &Policy::local())?;
        let events = vec![EventType::JobCompleted].into();
        let new = NewWebhook { url, events, secret: None, optional: OptionalFields::default() };
        let webhook = self.world.stack.webhooks()?.create(&self.id, new, 10, None).await?.webhook;
        Ok(Registered { number: webhook.id.0, secret: webhook.secret.reveal().to_owned() })
    }

    /// Sends the completion of a task, as the job pipeline does. `more` has further fields.
    pub(super) async fn complete(&self, task: &str, more: Value) -> Outcome<Completed> {
        let completion = self.completion(task, more)?;
        self.send(&completion).await?;
        Ok(completion)
    }

    /// The completion of a task, which is not sent. `more` has further fields.
    pub(super) fn completion(&self, task: &str, more: Value) -> Outcome<Completed> {
        let now = Timestamp::now();
        let mut completion = json!({
            "account_id": self.id,
            "task_id": format!("{}-{task}", self.world.run),
            "task_type": "acceptance",
            "status": "completed",
            "data": { "check": self.id },
            "timestamp": now,
        });
        if let (Some(completion), Value::Object(more)) = (completion.as_object_mut(), more) {
            completion.extend(more);
        }
        let text = completion.to_string();
        let id = Completion::parse(&text, now)?.event_id();
        Ok(Completed { id, at: now, text })
    }

    /// Sends a completion, maybe again.
    pub(super) async fn send(&self, completion: &Completed) -> Outcome<()> {
        self.world.stack.completions_queue()?.send_text(&completion.text, Some(&self.id)).await?;
        Ok(())
    }
}

/// Makes a request of the API with any key.
pub(super) async fn request(
    world: &World,
    key: &str,
    (method, path): (Method, &str),
    body: Option<&Value>,
    headers: &[(&str, &str)],
) -> Result<Reply, Failure> {
    let url = format!("{}{path}", world.api_url.trim_end_matches('/'));
    let mut request = world.client.request(method, url).header(AUTHORIZATION, format!("Bearer {key}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let under_way = world.begin_request();
    // A task, so that a request is finished although its check was interrupted: what it makes has to be removed.
    let asked = tokio::spawn(async move {
        let reply = request.send().await?;
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let text = reply.text().await?;
        drop(under_way);
        Ok::<_, reqwest::Error>((status, headers, text))
    });
    let (status, headers, text) = asked.await??;
    Ok(Reply { status, headers, body: serde_json::from_str(&text).unwrap_or_default() })
}
