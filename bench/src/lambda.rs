//! Plays Lambda: serves the Runtime API, from which a function's process gets events and to which it posts answers,
//! and measures the time between the two. Any number of processes may ask; each gets the next queued event
//! immediately.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    collections::{HashMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use http_body_util::Full;
use hyper::{Method, Request, Response, body::Bytes};
use tokio::sync::Notify;

use crate::{
    failure::{Failure, Result, check},
    http::{Answer, json},
};

/// The memory size, in MiB, at which a function has a whole processor; with less it has a proportional share, and
/// waits for it: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
pub(crate) const PROCESSOR_MIB: f64 = 1769.0;

/// A function's answer to an event.
#[derive(Debug)]
pub(crate) struct Done {
    /// From handing out the event to receiving the answer.
    pub(crate) duration: Duration,
    /// When the answer arrived.
    pub(crate) at: Instant,
    pub(crate) body: Bytes,
}

/// Counts a process that waits for an event, until it gets one or its connection ends.
struct Asking<'a>(&'a Lambda);

impl<'a> Asking<'a> {
    fn new(lambda: &'a Lambda) -> Self {
        let now = Instant::now();
        let mut state = lambda.lock();
        state.first_asked.get_or_insert(now);
        state.asking += 1;
        drop(state);
        lambda.changed.notify_all();
        Self(lambda)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.lock().asking -= 1;
        self.0.changed.notify_all();
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(u64, Bytes)>,
    queued: u64,
    out: HashMap<u64, Instant>,
    done: Vec<Done>,
    first_asked: Option<Instant>,
    /// How many processes wait for an event.
    asking: usize,
    failure: Option<String>,
}

/// The Runtime API.
#[derive(Default)]
pub(crate) struct Lambda {
    state: Mutex<State>,
    queued: Notify,
    changed: Condvar,
}

/// How long an instrument waits for the next answer before it fails.
const PATIENCE: Duration = Duration::from_mins(1);
/// The time until the deadline that each event carries.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Lambda {
    /// Queues events for the functions.
    pub(crate) fn queue(&self, events: impl IntoIterator<Item = Bytes>) {
        let mut state = self.lock();
        for event in events {
            let number = state.queued;
            state.queued += 1;
            state.waiting.push_back((number, event));
        }
        drop(state);
        self.queued.notify_waiters();
    }

    /// Waits until `count` events have been answered since the last call, and returns the answers. Fails if a
    /// function reports an error, or if no answer comes for [`PATIENCE`].
    pub(crate) fn answers(&self, count: usize) -> Result<Vec<Done>> {
        let mut state = self.lock();
        while state.done.len() < count {
            let before = state.done.len();
            let waited = self.changed.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if let Some(failure) = &state.failure {
                return Err(Failure::new(format!("the function failed: {failure}")));
            }
            check(!waited.1.timed_out() || state.done.len() > before, || {
                format!("{before} of {count} events were answered, and then nothing more for {PATIENCE:?}")
            })?;
        }
        Ok(std::mem::take(&mut state.done))
    }

    /// When a process first asked for an event, since [`Self::wait_until_nobody_asks`].
    pub(crate) fn first_asked(&self) -> Option<Instant> {
        self.lock().first_asked
    }

    /// Waits until this many processes ask for an event; call it before they are ended. The request of a process that was
    /// ended just before would arrive a moment later, and get the next process's event.
    pub(crate) fn wait_until_asked_by(&self, processes: usize) -> Result<()> {
        let mut state = self.lock();
        while state.asking < processes {
            let waited = self.changed.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            check(!waited.1.timed_out(), || "a process asks for no further event".into())?;
        }
        Ok(())
    }

    /// Waits until no process asks for an event; call it when the processes have ended. A connection lives a moment
    /// longer than its process, and would otherwise get the next process's event.
    pub(crate) fn wait_until_nobody_asks(&self) -> Result<()> {
        let mut state = self.lock();
        while state.asking > 0 {
            let waited = self.changed.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            check(!waited.1.timed_out(), || "a process that was ended still asks for events".into())?;
        }
        state.first_asked = None;
        Ok(())
    }

    /// Answers a request of a function's runtime to the Runtime API.
    pub(crate) async fn answer(&self, request: Request<Bytes>) -> Answer {
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').skip(2).collect();
        match (request.method(), parts.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => {
                self.done(id, request.into_body());
                json(202, "{}")
            }
            (&Method::POST, ["invocation", _, "error"] | ["init", "error"]) => {
                let text = String::from_utf8_lossy(request.body()).into_owned();
                self.lock().failure = Some(text);
                self.changed.notify_all();
                json(202, "{}")
            }
            _ => json(404, "{}"),
        }
    }

    async fn next(&self) -> Answer {
        let _asking = Asking::new(self);
        loop {
            let queued = self.queued.notified();
            tokio::pin!(queued);
            queued.as_mut().enable();
            if let Some(answer) = self.hand_out() {
                return answer;
            }
            queued.await;
        }
    }

    fn hand_out(&self) -> Option<Answer> {
        let mut state = self.lock();
        let (number, event) = state.waiting.pop_front()?;
        state.out.insert(number, Instant::now());
        let deadline = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + TIMEOUT;
        let answer = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", number.to_string())
            .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:bench")
            .header("lambda-runtime-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0");
        Some(answer.body(Full::new(event)).expect("the headers are valid"))
    }

    fn done(&self, id: &str, body: Bytes) {
        let at = Instant::now();
        let mut state = self.lock();
        let Some(handed_out) = id.parse().ok().and_then(|number: u64| state.out.remove(&number)) else {
            state.failure = Some(format!("an answer to {id}, which is no event that is out"));
            return;
        };
        state.done.push(Done { duration: at - handed_out, at, body });
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
