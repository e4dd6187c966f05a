//! `nano-webhooks completions`: what the job pipeline does, by hand.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Completions {
    /// Puts one message on the completions queue, as the job pipeline does for a finished task
    ///
    /// The message is sent as it is. What is no completion ends in the dead-letter queue, with the reason.
    Send {
        /// The completion: a JSON object with `account_id`, `task_id`, `task_type` and `status`
        json: String,
    },
}

impl Completions {
    pub(crate) async fn run(self, aws: &SdkConfig, stack: &str) -> Result<(), Box<dyn std::error::Error>> {
        let Self::Send { json } = self;
        let client = Client::new(aws);
        let queue = client.get_queue_url().queue_name(format!("{stack}-completions")).send().await?;
        let queue = queue.queue_url().ok_or("SQS gave no address for the queue")?;
        let sent = client.send_message().queue_url(queue).message_body(json).send().await?;
        println!("{}", sent.message_id().unwrap_or_default());
        Ok(())
    }
}
