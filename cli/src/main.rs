//! `nano-webhooks`, the operator's command, and with `listen` the customer's: one module for each subcommand, and the
//! modules that they share.

mod acceptance;
mod accounts;
mod completions;
mod console_link;
mod cost;
mod dead_letters;
mod deliveries;
mod deploy;
mod doctor;
#[cfg(test)]
mod documents;
mod events;
mod failure;
mod http;
mod keys;
mod listen;
mod local;
mod stack;
mod table;
mod tables;
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
///
/// `listen` is for customers: it needs an API key and no AWS credentials.
#[derive(Debug, Parser)]
#[command(name = "nano-webhooks", version, after_help = AFTER_HELP)]
struct Cli {
    /// The name of the CloudFormation stack
    #[arg(long, global = true, env = "NANO_WEBHOOKS_STACK", default_value = "nano-webhooks")]
    stack: String,
    /// Use the local stack of `cargo local`, found by target/local/stack.env
    #[arg(long, global = true)]
    local: bool,
    /// Print JSON, for programs: one document, or one object per line from `deliveries tail` and `listen`
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  nano-webhooks deploy --from dist                     a stack from a release
  nano-webhooks doctor                                 is all well?
  nano-webhooks keys create --account acct_1           a first key
  nano-webhooks events list --account acct_1 --task-id task_7
  nano-webhooks deliveries list --account acct_1 --status failed
  nano-webhooks deliveries tail                        every attempt, as it happens
  nano-webhooks dead-letters list                      what could not be processed, and why
  nano-webhooks cost                                   what this month has cost so far
  nano-webhooks listen --forward-to http://localhost:3000/webhook

Exit codes:
  0    it is done
  1    it did not work
  2    it was not tried: the command line is wrong, or it needs a yes and there is nobody to ask
  3    what was named is not there: a stack, an account, a webhook, an event, a delivery, a key, a dead letter
  4    doctor found something that is not well
  130  interrupted by Ctrl-C";

#[derive(Debug, Subcommand)]
enum Command {
    /// Deploys a release to your AWS account: creates the stack, or changes it to another version
    Deploy(Box<deploy::Deploy>),
    /// Changes a stack back to the version that was deployed before
    Rollback(deploy::Rollback),
    /// Creates, imports, lists and revokes API keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Makes a link that opens the console of one account for some hours
    ConsoleLink(console_link::ConsoleLink),
    /// Sends completions, as the job pipeline does
    #[command(subcommand)]
    Completions(completions::Completions),
    /// Shows webhooks and their health, disables, enables and probes them
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    /// Shows events: what became of each finished task, whether or not a webhook got it
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Shows deliveries and their attempts, retries them, and watches attempts as they happen
    #[command(subcommand)]
    Deliveries(deliveries::DeliveriesCommand),
    /// Shows messages that could not be processed and why, and sends them again or deletes them
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Erases what is stored of an account
    #[command(subcommand)]
    Accounts(accounts::AccountsCommand),
    /// Shows what a stack costs in a month: by line, by account, and what another setting would change
    Cost(cost::Cost),
    /// Restores a table to a time in the past, and takes tables that were kept into a new stack
    #[command(subcommand)]
    Tables(tables::TablesCommand),
    /// Checks a deployed stack from end to end, and says what to do if a check fails
    Doctor(doctor::Doctor),
    /// Shows on a deployed stack, from outside, what the end-to-end tests show: a report of checks
    Acceptance(Box<acceptance::Acceptance>),
    /// For customers: shows your account's events as they happen, and posts each to a server on your machine
    Listen(Box<listen::Listen>),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // These handle Ctrl-C themselves, to delete their webhooks and keys before they end.
    let cleans_up = matches!(cli.command, Command::Doctor(_) | Command::Acceptance(_));
    let done = tokio::select! {
        done = run(cli) => done,
        () = terminal::interrupted(), if !cleans_up => Err(Failure::Interrupted),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    if let Some(text) = failure.text() {
        terminal::note(&format!("error: {text}"));
    }
    failure.exit_code()
}

async fn run(Cli { stack, local, json, command }: Cli) -> Result<(), Failure> {
    // These run without a stack: one may have to be created, it is the first that the doctor checks, and customers have
    // no access to it.
    let command = match command {
        Command::Deploy(deploy) => return deploy.run(&stack, local, json).await,
        Command::Rollback(rollback) => return rollback.run(&stack, local, json).await,
        Command::Tables(command) => return command.run(&stack, local, json).await,
        Command::Doctor(doctor) => return doctor.run(&stack, local, json).await,
        Command::Listen(listen) => return listen.run(local, json).await,
        command => command,
    };
    let stack = Stack::find(&stack, local).await?;
    match command {
        Command::Keys(command) => command.run(&stack, json).await,
        Command::ConsoleLink(command) => command.run(&stack, json).await,
        Command::Completions(command) => command.run(&stack, json).await,
        Command::Webhooks(command) => command.run(&stack, json).await,
        Command::Events(command) => command.run(&stack, json).await,
        Command::Deliveries(command) => command.run(&stack, json).await,
        Command::DeadLetters(command) => command.run(&stack, json).await,
        Command::Accounts(command) => command.run(&stack, json).await,
        Command::Cost(command) => command.run(&stack, json).await,
        Command::Acceptance(command) => command.run(stack, json).await,
        Command::Deploy(_) | Command::Rollback(_) | Command::Tables(_) | Command::Doctor(_) | Command::Listen(_) => {
            unreachable!("runs above")
        }
    }
}
