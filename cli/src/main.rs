//! `nano-webhooks`, the operator's command: one module for each subcommand, and the modules that they share.

mod completions;
mod dead_letters;
mod deliveries;
mod doctor;
mod failure;
mod keys;
mod local;
mod stack;
mod table;
mod tail;
mod terminal;
mod webhooks;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use failure::Failure;
use stack::Stack;

/// Operates a nano-webhooks stack.
///
/// It uses your AWS credentials and region as the AWS CLI does (`AWS_PROFILE`, `AWS_REGION`, IAM Identity Center, …),
/// and finds the stack's queues and tables by the stack's name, in CloudFormation. With `--local` it works on the
/// stack that `cargo local` has started.
#[derive(Debug, Parser)]
#[command(name = "nano-webhooks", version, after_help = AFTER_HELP)]
struct Cli {
    /// The name of the CloudFormation stack
    #[arg(long, global = true, env = "NANO_WEBHOOKS_STACK", default_value = "nano-webhooks")]
    stack: String,
    /// Use the local stack of `cargo local`, found by target/local/stack.env
    #[arg(long, global = true)]
    local: bool,
    /// Print JSON, for programs: one document, or one object per line from `deliveries tail`
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  nano-webhooks doctor                                 is all well?
  nano-webhooks keys create --account acct_1           a first key
  nano-webhooks deliveries list --account acct_1 --status failed
  nano-webhooks deliveries tail                        every attempt, as it happens
  nano-webhooks dead-letters list                      what could not be processed, and why

Exit codes:
  0    it is done
  1    it did not work
  2    it was not tried: the command line is wrong, or it needs a yes and there is nobody to ask
  3    what was named is not there: a stack, a webhook, a delivery, a key, a dead letter
  4    doctor found something that is not well
  130  interrupted by Ctrl-C";

#[derive(Debug, Subcommand)]
enum Command {
    /// Creates, lists and revokes API keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Sends completions, as the job pipeline does
    #[command(subcommand)]
    Completions(completions::Completions),
    /// Shows webhooks and their health, disables, enables and probes them
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    /// Shows deliveries and their attempts, retries them, and watches attempts as they happen
    #[command(subcommand)]
    Deliveries(deliveries::DeliveriesCommand),
    /// Shows messages that could not be processed and why, and sends them again or deletes them
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Checks a deployed stack from end to end, and says what to do if a check fails
    Doctor(doctor::Doctor),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // The doctor handles Ctrl-C itself, to delete its webhook and key before it ends.
    let cleans_up = matches!(cli.command, Command::Doctor(_));
    let done = tokio::select! {
        done = run(cli) => done,
        _ = tokio::signal::ctrl_c(), if !cleans_up => Err(Failure::Interrupted),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    if let Some(text) = failure.text() {
        terminal::note(&format!("error: {text}"));
    }
    failure.exit_code()
}

async fn run(Cli { stack, local, json, command }: Cli) -> Result<(), Failure> {
    if let Command::Doctor(doctor) = command {
        return doctor.run(&stack, local, json).await;
    }
    let stack = Stack::find(&stack, local).await?;
    match command {
        Command::Keys(command) => command.run(&stack, json).await,
        Command::Completions(command) => command.run(&stack, json).await,
        Command::Webhooks(command) => command.run(&stack, json).await,
        Command::Deliveries(command) => command.run(&stack, json).await,
        Command::DeadLetters(command) => command.run(&stack, json).await,
        Command::Doctor(_) => unreachable!("runs above"),
    }
}
