//! The receiver that shows the service at work: it does in a terminal what a customer's server would do.

use std::{path::Path, time::Duration};

use harness::{ApiKey, Customer, Failure, Producer, Received, Receiver, Stack, signature};
use jiff::Timestamp;
use serde_json::json;

/// The path that the demo's webhooks arrive at.
pub(crate) const PATH: &str = "/webhooks";

/// Registers the receiver and returns the secret that the service made for it.
pub(crate) async fn register(stack: &Stack, key: &ApiKey, receiver: &Receiver) -> Result<String, Failure> {
    println!("Registering a receiver …");
    let webhook = json!({ "url": receiver.url(PATH), "events": ["job.completed", "job.failed"] });
    let reply = Customer::new(stack, key).post("/api/v1/webhooks", &webhook).await?;
    match reply.json()["data"]["secret_key"].as_str() {
        Some(secret) => Ok(secret.to_owned()),
        None => Err(Failure::new(format!("the receiver was not registered: {} {}", reply.status, reply.text))),
    }
}

/// Sends one completion through the whole service, shows the webhook that arrives, and returns the delivery's id.
pub(crate) async fn deliver_one(stack: &Stack, receiver: &Receiver, secret: &str) -> Result<String, Failure> {
    println!("Sending a completion …");
    let completion = json!({
        "account_id": "acct_demo",
        "task_id": "task_demo",
        "task_type": "image",
        "status": "completed",
        "data": { "url": "https://cdn.example.com/image.png", "credits_charged": 6 },
    });
    Producer::new(stack).send(completion).await?;
    let arrived = receiver.wait_for(PATH, 1, Duration::from_secs(30)).await?;
    show(&arrived[0], secret);
    if signature::is_valid(&arrived[0], secret) {
        Ok(arrived[0].header("webhook-id").unwrap_or_default().to_owned())
    } else {
        Err(Failure::new("the first webhook's signature is wrong"))
    }
}

/// Prints one received webhook and whether its signature is valid.
pub(crate) fn show(webhook: &Received, secret: &str) {
    let at = Timestamp::try_from(webhook.at).unwrap_or_default();
    let verdict = if signature::is_valid(webhook, secret) { "signature verified" } else { "SIGNATURE WRONG" };
    println!("\n{at:.3}  {} {}  ({verdict})", webhook.method, webhook.path);
    for (name, value) in &webhook.headers {
        if name.as_str().starts_with("x-nano-") || name.as_str().starts_with("webhook-") {
            println!("  {name}: {}", String::from_utf8_lossy(value.as_bytes()));
        }
    }
    println!("  {}", String::from_utf8_lossy(&webhook.body));
}

/// Prints how to use the stack. The webhook in the example has the receiver's secret, so that the receiver can verify
/// it too.
pub(crate) fn explain(
    stack: &Stack,
    receiver: &Receiver,
    secret: &str,
    delivery: &str,
    environment: &Path,
    log: &Path,
) {
    let (environment, log) = (environment.display(), log.display());
    let (url, api_url) = (receiver.url(PATH), &stack.api_url);
    println!(
        r#"
The stack is ready. The console, in a browser; sign in with NANO_API_KEY, which is in {environment}:

  {api_url}/console

In another terminal:

  set -a; . '{environment}'; set +a

List, look at, register and change webhooks, give one a new secret (which the receiver here does not know), delete it:

  curl "$NANO_API_URL/api/v1/webhooks" -H "Authorization: Bearer $NANO_API_KEY"
  curl "$NANO_API_URL/api/v1/webhooks/1" -H "Authorization: Bearer $NANO_API_KEY"
  curl "$NANO_API_URL/api/v1/webhooks" -H "Authorization: Bearer $NANO_API_KEY" -H "Content-Type: application/json" \
    -d '{{"url": "{url}", "events": ["job.completed"], "secret_key": "{secret}"}}'
  curl -X PATCH "$NANO_API_URL/api/v1/webhooks/2" -H "Authorization: Bearer $NANO_API_KEY" -d '{{"status": "disabled"}}'
  curl -X POST "$NANO_API_URL/api/v1/webhooks/2/rotate-secret" -H "Authorization: Bearer $NANO_API_KEY"
  curl -X DELETE "$NANO_API_URL/api/v1/webhooks/2" -H "Authorization: Bearer $NANO_API_KEY"

Send a test event, and see how it goes by the hour:

  curl -X POST "$NANO_API_URL/api/v1/webhooks/1/test" -H "Authorization: Bearer $NANO_API_KEY"
  curl "$NANO_API_URL/api/v1/webhooks/1/stats?hours=24" -H "Authorization: Bearer $NANO_API_KEY"

See what became of the deliveries, newest first; then one whole, and once more:

  curl "$NANO_API_URL/api/v1/webhooks/1/deliveries?limit=5" -H "Authorization: Bearer $NANO_API_KEY"
  curl "$NANO_API_URL/api/v1/webhooks/1/deliveries/{delivery}" -H "Authorization: Bearer $NANO_API_KEY"
  curl -X POST "$NANO_API_URL/api/v1/webhooks/1/deliveries/{delivery}/retry" -H "Authorization: Bearer $NANO_API_KEY"

Finish a task, as the job pipeline would:

  target/debug/nano-webhooks --local completions send \
    '{{"account_id": "acct_demo", "task_id": "task_2", "task_type": "image", "status": "completed", "data": {{}}}}'

Every webhook that arrives at {url} is shown here, or in
{log} if the stack is detached.
Ctrl-C ends it all; `cargo local --stop` ends a detached stack."#
    );
}
