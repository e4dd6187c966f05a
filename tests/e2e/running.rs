//! A command of `nano-webhooks` that runs until it is interrupted.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use harness::Stack;
use rustix::process::{Pid, Signal, kill_process};

/// Longer than the command's interval, even on a busy machine.
pub(crate) const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// A running command. It ends with the test, however the test ends.
pub(crate) struct Running {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Running {
    pub(crate) fn start(stack: &Stack, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = stack.operator_command().unwrap();
        command.args(arguments).envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, out, err }
    }

    /// The next line of standard output.
    pub(crate) fn next(&self) -> String {
        self.out.recv_timeout(SHOWN_WITHIN).unwrap()
    }

    /// The next line of standard error.
    pub(crate) fn next_note(&self) -> String {
        self.err.recv_timeout(SHOWN_WITHIN).unwrap()
    }

    /// Interrupts it as Ctrl-C does, and returns its exit code.
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // If it has already ended, this fails and does no harm.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    lines
}
