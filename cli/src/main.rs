//! `nano-webhooks`, the operator's command.

#![expect(clippy::print_stdout, reason = "a command talks on standard output")]

mod completions;
mod keys;
mod local;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nano_webhooks::{config, telemetry};

/// Operates a nano-webhooks stack.
///
/// It uses your AWS credentials and region as the AWS CLI does (`AWS_PROFILE`, `AWS_REGION`, IAM Identity Center, …).
/// With `--local` it talks to the stack that `cargo local` has started.
#[derive(Debug, Parser)]
#[command(name = "nano-webhooks", version)]
struct Cli {
    /// The CloudFormation stack
    #[arg(long, global = true, default_value = "nano-webhooks")]
    stack: String,
    /// Use the local stack of `cargo local`, found by target/local/stack.env
    #[arg(long, global = true)]
    local: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes, lists and revokes the API keys of accounts
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Sends completions, as the job pipeline does
    #[command(subcommand)]
    Completions(completions::Completions),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("error: {}", telemetry::chain(err.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Box<dyn std::error::Error>> {
    let aws = if cli.local { local::aws().await? } else { config::aws_loader().load().await };
    match cli.command {
        Command::Keys(command) => command.run(&aws, &cli.stack).await,
        Command::Completions(command) => command.run(&aws, &cli.stack).await,
    }
}
