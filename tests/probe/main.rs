//! The product's own sender in its own process, for two reasons: a test cannot change its own environment (trusted
//! authorities, proxies) but can choose the probe's, and the probe's memory is the sender's alone.
//!
//! `probe <body bytes> <url or milliseconds or stop> …` makes one attempt for each URL, pauses for each number, and
//! prints a line of JSON for each attempt. At `stop` the whole process stops until it gets a SIGCONT. `EGRESS_POLICY`
//! and `OWN_HOSTS` have the dispatcher's meaning.

use std::{
    env, fs,
    io::{self, Write as _},
    time::Duration,
};

use nano_webhooks::{
    attempt::Outcome,
    config,
    delivery::{Delivery, Message},
    names::{AccountId, EventType, WebhookId},
    sender::{Exchange, Sender},
    webhook::{Secret, Webhook},
};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;
use tokio::runtime::Builder;

type Done = Result<(), Box<dyn std::error::Error>>;

fn main() -> Done {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(make_attempts());
    // A look-up without an answer continues long after its attempt.
    runtime.shutdown_background();
    done
}

async fn make_attempts() -> Done {
    let mut arguments = env::args().skip(1);
    let body = "x".repeat(arguments.next().unwrap_or_default().parse()?);
    let delivery = delivery()?;
    let own_hosts = config::text("OWN_HOSTS")?;
    let policy = config::egress_policy()?.with_own_hosts(own_hosts.split(',').map(str::to_owned));
    let sender = Sender::new(policy, Duration::from_secs(10));
    // The sender reads the root certificates in another thread; that thread's memory must not count as an attempt's.
    while status("Threads:") > Some(1) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let before = status("VmRSS:");
    for argument in arguments {
        if let Ok(milliseconds) = argument.parse() {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            continue;
        }
        if argument == "stop" {
            kill_process(getpid(), Signal::STOP)?;
            continue;
        }
        let Exchange { attempt, retry_after, .. } = sender.attempt(&webhook(argument)?, &delivery, &body, None).await;
        let (response, redirect) = match &attempt.outcome {
            Outcome::Http { response, redirect, .. } => (Some(response), redirect.as_ref()),
            _ => (None, None),
        };
        let line = json!({
            "outcome": attempt.outcome.phase(),
            "http_status": attempt.outcome.http_status(),
            "response": response,
            "redirect": redirect,
            "duration_ms": attempt.duration_ms,
            "resent": attempt.resent,
            "explanation": attempt.explanation(),
            "is_success": attempt.outcome.is_success(),
            "is_retryable": attempt.outcome.is_retryable(),
            "retry_after": retry_after.as_secs(),
            "grown_kib": status("VmHWM:").zip(before).map(|(peak, before)| peak.saturating_sub(before)),
        });
        writeln!(io::stdout(), "{line}")?;
    }
    Ok(())
}

fn webhook(url: String) -> Result<Webhook, Box<dyn std::error::Error>> {
    let (account, events) = (AccountId::parse("acct_probe")?, vec![EventType::JobCompleted]);
    Ok(Webhook::new(account, WebhookId(1), url, events, Secret::parse("the-probes-own-secret")?))
}

fn delivery() -> Result<Delivery, Box<dyn std::error::Error>> {
    let message: Message = serde_json::from_value(json!({
        "account_id": "acct_probe",
        "webhook_id": 1,
        "event_id": "01KDYAK3482WAV4DVEFM6KBDXQ",
        "event": "job.completed",
        "payload": { "task_id": "t", "body": "" },
        "round": 0,
        "attempt": 1,
    }))?;
    Delivery::pending(&message).ok_or_else(|| "the message has no payload".into())
}

/// A number from `/proc/self/status`, memory in KiB; `None` on systems without `/proc`, such as macOS.
fn status(name: &str) -> Option<u64> {
    let lines = fs::read_to_string("/proc/self/status").ok()?;
    lines.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}
