//! `nano-webhooks completions`: sends completions by hand, as the job pipeline does.

use std::{fs, io};

use clap::Subcommand;
use jiff::Timestamp;
use nano_webhooks::{canonical_json, event::Completion};
use serde_json::json;

use crate::{failure::Failure, stack::Stack, terminal};

#[derive(Debug, Subcommand)]
pub(crate) enum Completions {
    /// Sends one message to the completions queue, as the job pipeline does for a finished task
    ///
    /// It prints the message's id. It refuses text that is not a completion, with fan-out's reason.
    /// Send integers beyond 2^53, such as a model's seed, as strings: numbers are rounded, and this command warns of
    /// that.
    #[command(after_help = SEND_HELP)]
    Send {
        /// The completion as JSON, bare or in an EventBridge event; `-` reads it from standard input, `@FILE` from a file
        completion: String,
        /// Send the text even if it is not a completion. It then becomes a dead letter, with the reason
        #[arg(long)]
        unchecked: bool,
    },
}

const SEND_HELP: &str = r#"Examples:
  nano-webhooks completions send @completion.json
  jq -c .detail event.json | nano-webhooks completions send -
  nano-webhooks completions send '{"account_id": "acct_1", "task_id": "task_1", "task_type": "image",
    "status": "completed", "data": {"url": "https://cdn.example.com/image.png"}}'

  # Make a dead letter, to test the alarm
  nano-webhooks completions send --unchecked '{"account_id": "acct_1"}'"#;

impl Completions {
    pub(crate) async fn run(self, stack: &Stack, json: bool) -> Result<(), Failure> {
        let Self::Send { completion, unchecked } = self;
        let text = read(&completion)?;
        let parsed = Completion::parse(&text, Timestamp::now());
        if let (Err(rejection), false) = (&parsed, unchecked) {
            return Err(Failure::Wrong(format!(
                "this is not a completion: {rejection}; --unchecked sends it all the same"
            )));
        }
        let completion = parsed.ok();
        // SQS refuses some characters that JSON allows, so they are escaped. Text that is not JSON is sent unchanged.
        let text = if canonical_json::parse(&text).is_ok() { canonical_json::to_ascii(&text) } else { text };
        let account = completion.as_ref().map(|completion| &completion.account_id);
        let id = stack.completions_queue()?.send_text(&text, account).await?;
        if let Some(rounded @ 1..) = completion.map(|completion| completion.rounded_integers) {
            terminal::note(&format!(
                "warning: {rounded} of the integers in data are beyond 2^53 and reach the customer with other digits; send them as strings"
            ));
        }
        if json { terminal::json(&json!({ "message_id": id })) } else { terminal::line(&id) }
    }
}

fn read(argument: &str) -> Result<String, Failure> {
    let (read, from) = match argument.strip_prefix('@') {
        Some(path) => (fs::read_to_string(path), path),
        None if argument == "-" => (io::read_to_string(io::stdin()), "standard input"),
        None => return Ok(argument.to_owned()),
    };
    read.map_err(|err| Failure::Wrong(format!("could not read {from}: {err}")))
}
