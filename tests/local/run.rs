//! Runs the stack in this process, from start to Ctrl-C.

use std::time::Duration;

use harness::{ApiKey, Failure, Options, Receiver, Stack, operators_command, stop_helpers};
use serde_json::{Value, json};
use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    task, time,
};

use crate::{Setting, demo, session::Session, strict};

const ACCOUNT: &str = "acct_demo";
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Starts the stack, shows it, and waits until the process is asked to end.
pub(crate) async fn run(session: &Session, setting: Setting) -> Result<(), Failure> {
    let _running = session.take()?;
    let mut stop = Stop::new()?;
    let done = select! {
        done = show(session, setting) => done,
        () = stop.requested() => Ok(()),
    };
    // Ends the helpers that a slow step may have left running. The stack itself ended when its future was dropped, or
    // ends with this process, because the pipe between them closes.
    stop_helpers();
    session.forget_environment();
    if done.is_ok() {
        println!("\nStopped.");
    }
    done
}

async fn show(session: &Session, setting: Setting) -> Result<(), Failure> {
    let Setting { port, strict_egress } = setting;
    let parameters = if strict_egress { strict::PARAMETERS.to_vec() } else { Vec::new() };
    let options = Options { port, parameters, folder: session.folder.clone(), ..Options::default() };
    let start = move || {
        let stack = Stack::start(&options, &|step| println!("{step} …"))?;
        let key = create_api_key(&stack)?;
        Ok::<(Stack, ApiKey), Failure>((stack, key))
    };
    let (mut stack, key) = task::spawn_blocking(start)
        .await
        .map_err(|error| Failure::new(format!("the start was cut short: {error}")))??;

    if strict_egress {
        let refused = strict::try_forbidden(&stack, &key).await?;
        build_operators_command().await?;
        session.write_environment(&stack, &key)?;
        strict::explain(&stack, &refused, &session.environment);
        loop {
            time::sleep(LOOK_EVERY).await;
            stack.check()?;
        }
    }

    let receiver = Receiver::start()?;
    let secret = demo::register(&stack, &key, &receiver).await?;
    let delivery = demo::deliver_one(&stack, &receiver, &secret).await?;
    build_operators_command().await?;
    session.write_environment(&stack, &key)?;
    demo::explain(&stack, &receiver, &secret, &delivery, &session.environment, &session.log);

    let mut shown = 1;
    loop {
        time::sleep(LOOK_EVERY).await;
        stack.check()?;
        for webhook in receiver.received(demo::PATH).iter().skip(shown) {
            demo::show(webhook, &secret);
            shown += 1;
        }
    }
}

/// Creates the account's key as a platform's backend does, because the operator's command is not built yet.
fn create_api_key(stack: &Stack) -> Result<ApiKey, Failure> {
    let request = json!({ "action": "create", "account_id": ACCOUNT }).to_string();
    let invoke = json!({ "FunctionName": stack.manage_keys_function, "Payload": request });
    let answer = stack.aws()?.call("lambda", "Invoke", &invoke)?;
    let answer = answer["Payload"].as_str().unwrap_or_default();
    let made: Value = serde_json::from_str(answer).unwrap_or_default();
    match made["data"]["key"].as_str() {
        Some(key) => Ok(stack.known_key(ACCOUNT, key)),
        None => Err(Failure::new(format!("manage-keys made no key: {answer}"))),
    }
}

/// Builds the operator's command, which the output then suggests, after the first webhook has arrived.
async fn build_operators_command() -> Result<(), Failure> {
    println!("\nBuilding the operator's command …");
    let build = task::spawn_blocking(|| operators_command().map(drop));
    build.await.map_err(|error| Failure::new(format!("the build was cut short: {error}")))?
}

/// The two signals that ask a process to end: SIGINT (Ctrl-C) and SIGTERM (`cargo local --stop`).
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub(crate) fn new() -> Result<Self, Failure> {
        let cannot = |error| Failure::new(format!("signals cannot be received: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(cannot)?,
            terminate: signal(SignalKind::terminate()).map_err(cannot)?,
        })
    }

    /// Returns once the process has been asked to end.
    pub(crate) async fn requested(&mut self) {
        select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
