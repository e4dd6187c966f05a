//! Everything that this command prints.
//!
//! Results go to standard output, remarks and progress to standard error. Texts from customers and their endpoints
//! must not move a terminal's cursor: lines for a person go through [`visible`], JSON is ASCII.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use nano_webhooks::{canonical_json, visible::is_obeyed};
use serde::Serialize;
use tokio::{signal, sync::oneshot};

use crate::failure::Failure;

/// Prints one line of the result.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write_line(&visible(text))
}

/// Prints the result as JSON, on one line.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).expect("a result has string keys and no failing parts");
    write_line(&canonical_json::to_ascii(&text))
}

/// Prints a remark.
pub(crate) fn note(text: &str) {
    // If standard error cannot be written, the failure cannot be reported either.
    let _ = writeln!(io::stderr(), "{}", visible(text));
}

/// Not "nothing was done": before it asked, the command may have uploaded files, or restored a table beside the present one.
const NOT_CONFIRMED: &str = "you did not confirm";

/// Whether a question is open. Ctrl-C is then its answer. The command goes on, because it may have to remove something.
static ASKING: AtomicBool = AtomicBool::new(false);

/// Waits for a Ctrl-C that does not answer a question.
pub(crate) async fn interrupted() {
    loop {
        // Without a handler for the signal, Ctrl-C ends the process.
        if signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        if !ASKING.swap(false, Ordering::SeqCst) {
            return;
        }
    }
}

/// Asks for confirmation unless `yes` is set. Fails if the answer is no or Ctrl-C, or if there is no terminal to ask on.
pub(crate) async fn confirm(yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::Wrong(format!("{question} There is no terminal to answer on: say --yes if you mean it")));
    }
    let mut err = io::stderr();
    write!(err, "{} [y/N] ", visible(question))?;
    err.flush()?;
    ASKING.store(true, Ordering::SeqCst);
    let answer = tokio::select! {
        answer = read_line() => answer,
        _ = signal::ctrl_c() => {
            writeln!(err, "\n{NOT_CONFIRMED}")?;
            return Err(Failure::Interrupted);
        }
    };
    ASKING.store(false, Ordering::SeqCst);
    let answer = answer?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::Failed(NOT_CONFIRMED.into()))
    }
}

/// Reads a line from standard input, in a thread that does not outlive the process: nothing ends a read.
async fn read_line() -> Result<String, Failure> {
    let (answered, answer) = oneshot::channel();
    thread::spawn(move || {
        let mut line = String::new();
        answered.send(io::stdin().lock().read_line(&mut line).map(|_| line))
    });
    Ok(answer.await??)
}

/// The progress of long work, on one line. Shown only if standard error is a terminal.
pub(crate) struct Progress {
    what: &'static str,
    total: usize,
    done: usize,
    shown: bool,
}

impl Progress {
    /// `total` may be an estimate, such as a queue's message count.
    pub(crate) fn new(what: &'static str, total: usize) -> Self {
        Self { what, total, done: 0, shown: io::stderr().is_terminal() }
    }

    pub(crate) fn add(&mut self, done: usize) {
        self.done += done;
        if self.shown {
            let total = self.total.max(self.done);
            let _ = write!(io::stderr(), "\r{} {} of {total} …", self.what, self.done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown && self.done > 0 {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Escapes every character that a terminal would obey instead of showing it: control characters, and those that
/// change the direction of writing.
pub(crate) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for char in text.chars() {
        if is_obeyed(char) { visible.extend(char.escape_default()) } else { visible.push(char) }
    }
    visible
}

fn write_line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Unread),
        written => Ok(written?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_or_turns_the_writing_gets_through() {
        assert_eq!(visible("a\x1b[2Jb\r\n\u{9b}1A\u{202e}"), "a\\u{1b}[2Jb\\r\\n\\u{9b}1A\\u{202e}");
        assert_eq!(visible("https://ümlaut.example/ 😀"), "https://ümlaut.example/ 😀");
    }
}
