//! A running `nano-webhooks listen`, and the local server that it posts to.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::{
    api::{Api, KEY},
    server::{Answer, Request, Server},
};

/// Longer than anything takes, even on a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// A server on this machine that gets the events.
pub(crate) struct Local {
    server: Server,
    received: Arc<Mutex<Vec<Request>>>,
}

impl Local {
    pub(crate) fn start() -> Self {
        Self::answering((200, Vec::new(), "ok".into()))
    }

    pub(crate) fn answering(answer: Answer) -> Self {
        let received = Arc::<Mutex<Vec<Request>>>::default();
        let memory = Arc::clone(&received);
        let server = Server::start(move |request| {
            memory.lock().unwrap().push(request);
            Some(answer.clone())
        });
        Self { server, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}/webhook?a=b", self.server.address.port())
    }

    pub(crate) fn received(&self) -> Vec<Request> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until this many events have come.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Request> {
        wait(|| Some(self.received()).filter(|received| received.len() >= count))
            .unwrap_or_else(|| panic!("{} of {count} came", self.received().len()))
    }
}

/// The command. It is killed when this is dropped.
pub(crate) struct Listening {
    pub(crate) child: Child,
    out: Arc<Mutex<Vec<String>>>,
    err: Arc<Mutex<Vec<String>>>,
}

/// The command with these arguments, and without the variables that it reads from the environment.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nano-webhooks"));
    for name in ["NANO_API_URL", "NANO_API_KEY", "WEBHOOK_SECRET", "HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.arg("listen").args(arguments);
    command
}

impl Listening {
    /// Starts the command and waits until it listens.
    pub(crate) fn start(api: &Api, url: &str, arguments: &[&str]) -> Self {
        let mut command = command(&[&["--forward-to", url], arguments].concat());
        command.env("NANO_API_URL", api.url()).env("NANO_API_KEY", KEY);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        let listening = Self { child, out, err };
        listening.wait_for_note("Listening.");
        listening
    }

    /// Every line of standard output so far.
    pub(crate) fn out(&self) -> Vec<String> {
        self.out.lock().unwrap().clone()
    }

    /// Every line of standard error so far.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.err.lock().unwrap().clone()
    }

    /// Waits until standard output has this many lines.
    pub(crate) fn wait_for_lines(&self, count: usize) -> Vec<String> {
        wait(|| Some(self.out()).filter(|out| out.len() >= count)).unwrap_or_else(|| panic!("{self:?}"))
    }

    /// Waits until standard error has a line with these words.
    pub(crate) fn wait_for_note(&self, words: &str) {
        wait(|| self.notes().iter().any(|line| line.contains(words)).then_some(()))
            .unwrap_or_else(|| panic!("no {words:?} in {self:?}"));
    }
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "out: {:#?}, err: {:#?}", self.out(), self.notes())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // If it has ended, this fails and does no harm.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::<Mutex<Vec<String>>>::default();
    let memory = Arc::clone(&lines);
    thread::spawn(move || {
        BufReader::new(from).lines().map_while(Result::ok).for_each(|line| memory.lock().unwrap().push(line));
    });
    lines
}

fn wait<T>(mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let found = done();
        if found.is_some() || start.elapsed() > SOON {
            return found;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
