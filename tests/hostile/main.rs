//! The sender against misbehaving receivers.
//!
//! These tests check details: outcomes, bytes, connections, memory. The real sender runs in its own process, the
//! probe; each attempt or pair of attempts has a process of its own. The end-to-end tests, in `hostile`, test a few
//! of these receivers with the whole stack.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod answers;
mod certificates;
mod connections;
mod limits;
mod silence;
mod unasked;

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use harness::Hostile;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How much an attempt may add to the process, in KiB: more than any normal attempt needs, less than any of these
/// receivers sends.
const FLAT: u64 = 2 * 1024;

/// The receiver that all tests share; each test uses its own paths.
static HOSTILE: LazyLock<Hostile> = LazyLock::new(|| {
    Hostile::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap_or_else(|failure| panic!("{failure}"))
});

/// A running probe.
struct Probe(Child);

impl Probe {
    /// Starts attempts with a body of this many bytes. A step is a URL, a pause in milliseconds, or `stop`.
    fn start(body_bytes: usize, steps: &[&str]) -> Self {
        let mut probe = Command::new(env!("CARGO_BIN_EXE_probe"));
        probe.arg(body_bytes.to_string()).args(steps).env("SSL_CERT_FILE", HOSTILE.authority());
        probe.env("EGRESS_POLICY", "local").env("OWN_HOSTS", "");
        // If the sender used a proxy, it would find this one, and the test would see the request.
        for variable in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            probe.env(variable, PROXY.as_str());
        }
        Self(probe.env_remove("no_proxy").env_remove("NO_PROXY").stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until the process has stopped at its step `stop`, waits for `pause` so that the receiver can act,
    /// and continues the process.
    fn pass_stop(self, pause: Duration) -> Self {
        let status = format!("/proc/{}/status", self.0.id());
        let start = Instant::now();
        while !fs::read_to_string(&status).unwrap().contains("State:\tT") {
            assert!(start.elapsed() < Duration::from_secs(30), "the probe does not stop");
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(pause);
        kill_process(Pid::from_child(&self.0), Signal::CONT).unwrap();
        self
    }

    /// Waits for the attempts and asserts that the process has not grown, whatever the receiver did.
    fn finish(self) -> Vec<Attempted> {
        let output = self.0.wait_with_output().unwrap();
        assert!(output.status.success());
        let lines = String::from_utf8(output.stdout).unwrap();
        let attempts: Vec<_> = lines.lines().map(|line| Attempted(serde_json::from_str(line).unwrap())).collect();
        for Attempted(line) in &attempts {
            assert!(line["grown_kib"].as_u64().is_none_or(|grown| grown < FLAT), "memory is not flat: {line}");
        }
        attempts
    }
}

/// The address that the probes' environment names as a proxy.
static PROXY: LazyLock<String> = LazyLock::new(|| HOSTILE.on("", []));

/// The result of one attempt.
struct Attempted(Value);

impl Attempted {
    /// The outcome's name in the history.
    fn outcome(&self) -> &str {
        self.0["outcome"].as_str().unwrap()
    }

    /// The HTTP status, if there was an answer.
    fn status(&self) -> Option<u64> {
        self.0["http_status"].as_u64()
    }

    /// The part of the body that the history stores.
    fn response(&self) -> &str {
        self.0["response"].as_str().unwrap()
    }

    fn explanation(&self) -> &str {
        self.0["explanation"].as_str().unwrap()
    }

    fn took(&self) -> Duration {
        Duration::from_millis(self.0["duration_ms"].as_u64().unwrap())
    }

    fn was_resent(&self) -> bool {
        self.0["resent"].as_bool().unwrap()
    }

    /// How long the receiver asked to wait, in seconds.
    fn retry_after(&self) -> u64 {
        self.0["retry_after"].as_u64().unwrap()
    }

    /// What the dispatcher does next, if the schedule is not used up.
    fn next(&self) -> &'static str {
        match (self.0["is_success"].as_bool().unwrap(), self.0["is_retryable"].as_bool().unwrap()) {
            (true, _) => "delivered",
            (false, true) => "retried",
            (false, false) => "failed",
        }
    }
}

/// Makes one attempt with a small body.
fn attempt(url: &str) -> Attempted {
    Probe::start(100, &[url]).finish().remove(0)
}

/// A complete answer: status line, headers, body.
fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
