//! `cargo local`: the whole service on this machine, with a receiver that shows that it works.
//!
//! - `cargo local` runs it in this terminal until Ctrl-C;
//! - `cargo local --detach` leaves it running in the background, `cargo local --stop` ends it;
//! - `cargo local --strict-egress` applies production's rules about which hosts it calls, without a receiver: try to
//!   get past them.
//!
//! Only one stack runs at a time. While it is ready, its address and keys are in `target/local/stack.env`.

#![expect(clippy::print_stdout, reason = "this program talks to a person")]

mod demo;
mod detach;
mod run;
mod session;
mod strict;

use std::{process::ExitCode, time::Duration};

use clap::{Args, Parser};
use harness::Failure;
use session::Session;
use tokio::runtime::Builder;

/// Runs nano-webhooks on this machine: the real template and the real functions on an emulator of AWS.
#[derive(Parser)]
#[command(bin_name = "cargo local")]
struct Arguments {
    #[command(flatten)]
    setting: Setting,
    /// Return once the stack is ready and leave it running
    #[arg(long)]
    detach: bool,
    /// End the stack that is running, and wait until all of it is gone
    #[arg(long, conflicts_with_all = ["port", "strict_egress", "detach"])]
    stop: bool,
}

/// The options of a stack.
#[derive(Args, Clone, Copy)]
struct Setting {
    /// Port of the emulator on 127.0.0.1 [default: any free port]
    #[arg(long)]
    port: Option<u16>,
    /// Call what production calls, public hosts over https, and nothing on this machine
    #[arg(long)]
    strict_egress: bool,
}

/// How long the program waits at its end for a step that is still running.
const END_WITHIN: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime without options");
    let done = runtime.block_on(act(&arguments));
    runtime.shutdown_timeout(END_WITHIN);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn act(arguments: &Arguments) -> Result<(), Failure> {
    let session = Session::new();
    if arguments.stop {
        detach::stop(&session).await
    } else if arguments.detach {
        detach::start(&session, arguments.setting).await
    } else {
        run::run(&session, arguments.setting).await
    }
}
