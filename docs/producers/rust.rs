//! Reports finished tasks to nano-webhooks: reads one completion a line from standard input.
//!
//! ```sh
//! COMPLETIONS_QUEUE_URL=https://sqs.… cargo run < completions.jsonl
//! ```
//!
//! Exits with 0 once SQS has taken every completion. Otherwise run it again with the same lines: the service
//! recognises a repeated completion by its timestamp, and no customer gets its webhook twice.
//!
//! Cargo.toml: `aws-config`, `aws-sdk-sqs`, `serde_json`, `fastrand`, and `tokio` with "macros", "rt" and "time".

use std::{env, error::Error, io, time::Duration};

use aws_config::{BehaviorVersion, retry::RetryConfig};
use aws_sdk_sqs::{Client, error::DisplayErrorContext, types::SendMessageBatchRequestEntry};
use serde_json::Value;

/// SQS's limits for one call.
const MOST_MESSAGES: usize = 10;
const MOST_BYTES: usize = 1024 * 1024;
const ROUNDS: u32 = 8;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let queue_url = env::var("COMPLETIONS_QUEUE_URL")?;
    // The SDK itself retries a call that failed as a whole, or was throttled.
    let config = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        // Not needed with the SDK's default features, which include an HTTP client.
        .http_client(http_client())
        .load()
        .await;
    let client = Client::new(&config);
    let lines: Vec<String> = io::stdin().lines().collect::<Result<_, _>>()?;
    let messages = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| Message::new(line));
    for batch in batches(messages.collect::<Result<_, _>>()?) {
        send(&client, &queue_url, batch).await?;
    }
    Ok(())
}

struct Message {
    body: String,
    /// The account, so that one account's many completions do not delay those of the others.
    group: String,
}

impl Message {
    fn new(line: &str) -> Result<Self, Box<dyn Error>> {
        let completion: Value = serde_json::from_str(line)?;
        // When the task ended: the same time whenever this completion is sent. Without it a repetition is a new event.
        if !completion["timestamp"].is_string() {
            return Err(format!("this completion has no timestamp: {line}").into());
        }
        let group = completion["account_id"].as_str().unwrap_or_default().to_owned();
        // As ASCII, because SQS refuses some characters that JSON allows.
        let ascii = |char: char| match char {
            ' '..='~' => vec![char],
            _ => char
                .encode_utf16(&mut [0; 2])
                .iter()
                .flat_map(|unit| format!("\\u{unit:04x}").into_bytes())
                .map(char::from)
                .collect(),
        };
        Ok(Self { body: completion.to_string().chars().flat_map(ascii).collect(), group })
    }
}

fn batches(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut batches: Vec<Vec<Message>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = message.body.len();
        bytes += size;
        match batches.last_mut() {
            Some(batch) if batch.len() < MOST_MESSAGES && bytes <= MOST_BYTES => batch.push(message),
            _ => {
                bytes = size;
                batches.push(vec![message]);
            }
        }
    }
    batches
}

/// Sends a batch until SQS has taken all of it. A call that succeeds can still have failed for some of its messages.
async fn send(client: &Client, queue_url: &str, batch: Vec<Message>) -> Result<(), Box<dyn Error>> {
    let entry = |(number, Message { body, group }): (usize, Message)| {
        let entry = SendMessageBatchRequestEntry::builder().id(number.to_string());
        entry.message_body(body).message_group_id(group).build()
    };
    let mut entries: Vec<_> = batch.into_iter().enumerate().map(entry).collect::<Result<_, _>>()?;
    for attempt in 0..ROUNDS {
        let call = client.send_message_batch().queue_url(queue_url).set_entries(Some(entries.clone()));
        let failed = call.send().await.map_err(|error| DisplayErrorContext(error).to_string())?.failed;
        // Our mistake: sending it again would fail again.
        if let Some(refused) = failed.iter().find(|failure| failure.sender_fault) {
            return Err(format!("SQS refuses a completion: {refused:?}").into());
        }
        entries.retain(|entry| failed.iter().any(|failure| failure.id == entry.id));
        if entries.is_empty() {
            return Ok(());
        }
        let longest = Duration::from_millis(200 << attempt).min(Duration::from_secs(20));
        tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
    }
    Err(format!("SQS does not take {} completions; run this again with the same lines", entries.len()).into())
}

fn http_client() -> aws_sdk_sqs::config::SharedHttpClient {
    use aws_smithy_http_client::tls::{Provider::Rustls, rustls_provider::CryptoMode};
    aws_smithy_http_client::Builder::new().tls_provider(Rustls(CryptoMode::Ring)).build_https()
}
