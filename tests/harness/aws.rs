//! Calls to the emulator's AWS APIs, as the operator: to look at what a deployment made, and to change it by hand.
//!
//! One helper process makes the calls with boto3, which knows every service. The tests call a dozen services; a crate
//! for each would take long to build for a few calls.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

use crate::{Failure, environment::set_clean_environment, workspace};

/// A client for every operation of AWS, pointed to the emulator. Its helper process ends when this is dropped.
pub struct Aws {
    child: Child,
    pipes: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl Aws {
    pub(crate) fn start(python: &Path, endpoint: &str) -> Result<Self, Failure> {
        let mut command = Command::new(python);
        set_clean_environment(&mut command, endpoint);
        command.arg(workspace().join("tests/harness/python/aws.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Failure::new(format!("aws.py cannot be started: {error}")))?;
        let pipes = child.stdin.take().zip(child.stdout.take().map(BufReader::new));
        Ok(Self { child, pipes: Mutex::new(pipes) })
    }

    /// Calls an operation and returns its answer. The names are those of AWS's references: `events`, `PutEvents`.
    pub fn call(&self, service: &str, operation: &str, parameters: &Value) -> Result<Value, Failure> {
        let failure = |why: &str| Failure::new(format!("{service} {operation}: {why}"));
        let call = json!({ "service": service, "operation": operation, "parameters": parameters });
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (stdin, stdout) = pipes.as_mut().ok_or_else(|| failure("there is no process to make the call"))?;
        let mut line = String::new();
        writeln!(stdin, "{call}")
            .and_then(|()| stdout.read_line(&mut line))
            .map_err(|error| failure(&error.to_string()))?;
        let mut result: Value = serde_json::from_str(&line).map_err(|error| failure(&error.to_string()))?;
        match result["failure"].as_str() {
            Some(why) => Err(failure(why)),
            None => Ok(result["answer"].take()),
        }
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        // The helper ends when its standard input closes.
        *self.pipes.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let _ = self.child.wait();
    }
}
