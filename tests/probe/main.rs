//! The product's own sender in a process of its own, which is there for two reasons: its environment can be chosen
//! (trusted authorities, proxies), which a test cannot do for itself, and its memory is that of the sender alone.
//!
//! `probe <body bytes> <url or milliseconds> …` makes one attempt for each URL, with pauses where there are numbers, and
//! prints a line of JSON for each.

use std::{
    env, fs,
    io::{self, Write as _},
    time::Duration,
};

use nano_webhooks::{
    delivery::Message,
    egress::Policy,
    sender::{Exchange, Sender},
    webhook::{AccountId, EventType, Secret, Webhook, WebhookId},
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let body_bytes = arguments.next().unwrap_or_default().parse()?;
    let message = message(body_bytes)?;
    let sender = Sender::new(Policy::local());
    let before = memory("VmRSS:");
    for argument in arguments {
        if let Ok(milliseconds) = argument.parse() {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            continue;
        }
        let Exchange { attempt, retry_after } = sender.attempt(&webhook(argument)?, &message).await;
        let line = json!({
            "attempt": attempt,
            "phase": attempt.outcome.phase(),
            "explanation": attempt.outcome.explanation(),
            "is_success": attempt.outcome.is_success(),
            "is_retryable": attempt.outcome.is_retryable(),
            "retry_after": retry_after,
            "grown_kib": memory("VmHWM:").zip(before).map(|(peak, before)| peak.saturating_sub(before)),
        });
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(())
}

fn webhook(url: String) -> Result<Webhook, Box<dyn std::error::Error>> {
    let (account, events) = (AccountId::parse("acct_probe")?, vec![EventType::JobCompleted]);
    Ok(Webhook::new(account, WebhookId(1), url, events, Secret::parse("the-probes-own-secret")?))
}

fn message(body_bytes: usize) -> serde_json::Result<Message> {
    serde_json::from_value(json!({
        "account_id": "acct_probe",
        "webhook_id": 1,
        "delivery_id": "01KDYAK3482WAV4DVEFM6KBDXQ",
        "event": "job.completed",
        "body": "x".repeat(body_bytes),
        "round": 0,
    }))
}

/// A line of `/proc/self/status`, in KiB; nothing where there is no `/proc`, as on macOS.
fn memory(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}
