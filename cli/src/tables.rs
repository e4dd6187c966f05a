//! `nano-webhooks tables`: restores a table of the stack to a time in the past, and puts tables and queues that a deleted
//! stack has left into a new stack. docs/recovering.md is the page for both.

mod adopt;
mod derived;
mod exchange;
pub(crate) mod named;
mod restore;
mod settings;

use clap::Subcommand;

use crate::{failure::Failure, stack::Stack};

#[derive(Debug, Subcommand)]
pub(crate) enum TablesCommand {
    /// Restores a table to a time of the last 35 days, and has the stack use the restored table
    Restore(restore::Restore),
    /// Begins a stack with the tables and queues that were kept when the stack of this name was deleted
    Adopt(adopt::Adopt),
}

impl TablesCommand {
    pub(crate) async fn run(self, stack: &str, local: bool, json: bool) -> Result<(), Failure> {
        match self {
            Self::Restore(command) => command.run(&Stack::find(stack, local).await?, json).await,
            Self::Adopt(command) => command.run(stack, local, json).await,
        }
    }
}
