//! Runs the stack in the background, as a second process of this program, and ends it.

use std::{
    env,
    fs::{self, File},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use harness::Failure;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{select, time};

use crate::{Setting, run::Stop, session::Session};

const LOOK_EVERY: Duration = Duration::from_millis(100);
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// Starts the stack in the background, shows its progress, and returns once it is ready.
pub(crate) async fn start(session: &Session, setting: Setting) -> Result<(), Failure> {
    // Only a check: the background process takes the lock itself. Without the check, the log of a running stack would
    // be lost.
    drop(session.take()?);
    let mut stop = Stop::new()?;
    let mut background = spawn(session, setting)?;
    let ready = select! {
        ready = wait_until_ready(session, &mut background) => ready,
        () = stop.requested() => Err(Failure::new("stopped before it was ready")),
    };
    if ready.is_err() {
        end(session, Pid::from_child(&background)).await?;
    }
    ready
}

/// Ends the running stack and returns when all of it has ended.
pub(crate) async fn stop(session: &Session) -> Result<(), Failure> {
    let Some(process) = session.running()? else {
        // If the stack was killed, it could not delete this file itself.
        session.forget_environment();
        println!("No local stack is running.");
        return Ok(());
    };
    end(session, process).await?;
    println!("Stopped.");
    Ok(())
}

fn spawn(session: &Session, setting: Setting) -> Result<Child, Failure> {
    let cannot = |error| Failure::new(format!("the stack cannot be started in the background: {error}"));
    let log = File::create(&session.log).map_err(cannot)?;
    let mut command = Command::new(env::current_exe().map_err(cannot)?);
    if let Some(port) = setting.port {
        command.args(["--port", &port.to_string()]);
    }
    if setting.strict_egress {
        command.arg("--strict-egress");
    }
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(cannot)?)
        .stderr(log)
        // In its own process group, so that Ctrl-C and the end of this terminal do not reach it.
        .process_group(0)
        .spawn()
        .map_err(cannot)
}

/// Prints the log until the stack is ready or has ended.
async fn wait_until_ready(session: &Session, background: &mut Child) -> Result<(), Failure> {
    let mut shown = 0;
    loop {
        // Checked before the log is read, so that the log is complete when one of them is true.
        let ready = session.environment.exists();
        let ended = background.try_wait().ok().flatten();
        let log = fs::read(&session.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let mut reason = None;
        while let Some(length) = log[shown..].find('\n') {
            let line = &log[shown..shown + length];
            shown += length + 1;
            // The last such line is the reason of the failure, which the caller reports.
            let sentence = line.strip_prefix("error: ").filter(|_| ended.is_some());
            match sentence {
                Some(sentence) => {
                    if let Some(earlier) = reason.replace(sentence.to_owned()) {
                        println!("error: {earlier}");
                    }
                }
                None => println!("{line}"),
            }
        }
        if ready {
            return Ok(());
        }
        if ended.is_some() {
            return Err(Failure::new(reason.unwrap_or_else(|| "the stack was stopped before it was ready".to_owned())));
        }
        time::sleep(LOOK_EVERY).await;
    }
}

/// Asks a stack's process to end, kills it if it does not, and waits until it has ended.
async fn end(session: &Session, process: Pid) -> Result<(), Failure> {
    let asked = Instant::now();
    // It may have ended by itself in the meantime.
    let _ = kill_process(process, Signal::TERM);
    while session.running()? == Some(process) {
        if asked.elapsed() > GONE_WITHIN {
            let _ = kill_process(process, Signal::KILL);
        }
        time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
