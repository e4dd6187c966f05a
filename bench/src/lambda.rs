//! A Lambda of our own: the Runtime API that a function's process asks for events and gives its answers to, and the
//! clock beside it. Events are handed out as fast as they are asked for; any number of processes may ask.
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

/// The share of a processor that a function has by its memory: a whole one at so many MiB:
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
pub(crate) const PROCESSOR_MIB: f64 = 1769.0;

/// An answer of a function.
#[derive(Debug)]
pub(crate) struct Done {
    /// From handing the event out to having the answer.
    pub(crate) duration: Duration,
    /// When the answer was there.
    pub(crate) at: Instant,
    pub(crate) body: Bytes,
}

/// A process that waits for an event, for as long as its connection lives.
struct Asking<'a>(&'a Lambda);

impl<'a> Asking<'a> {
    fn new(lambda: &'a Lambda) -> Self {
        let now = Instant::now();
        let mut state = lambda.lock();
        state.first_asked.get_or_insert(now);
        state.asking += 1;
        drop(state);
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

/// How long a function may be silent before an instrument gives up.
const PATIENCE: Duration = Duration::from_mins(1);
/// What a function is told that it has left.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Lambda {
    /// Queues events.
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

    /// Waits until so many events have been answered since the answers were last taken; gives them.
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

    /// When an event was first asked for, since nobody asked.
    pub(crate) fn first_asked(&self) -> Option<Instant> {
        self.lock().first_asked
    }

    /// Waits until nobody asks for an event any more, once the processes are ended. A connection outlives its process for
    /// a moment, and would be handed the next process's event.
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

    /// Answers a request of a function's runtime.
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
