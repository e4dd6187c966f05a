//! The receiver of the checks' deliveries: a server on this machine, which answers as a check sets, and remembers what
//! arrived. Each check uses its own paths.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http_body_util::{BodyExt as _, Collected};
use hyper::{
    HeaderMap, Request, Response,
    body::{Bytes, Incoming},
    header::RETRY_AFTER,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::{net::TcpListener, task};

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A server on 127.0.0.1. It runs until the process ends.
pub(super) struct Receiver {
    /// The URL under which the stack reaches it, without a slash at the end. It ends with the run's name, which
    /// separates the paths of this run from whatever a tunnel puts before them.
    base: String,
    memory: Arc<Mutex<Memory>>,
}

/// One request that arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    /// When its head had arrived.
    pub(super) at: Timestamp,
    /// Its path after the run's name.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What the receiver answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The seconds of its `Retry-After`, if it has one.
    pub(super) retry_after: Option<u64>,
    /// How long the receiver waits before it answers.
    pub(super) delay: Duration,
}

/// What arrived of one event at a path that is only counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    /// When the first request's head had arrived.
    pub(super) first_at: Timestamp,
    pub(super) requests: u32,
}

#[derive(Default)]
struct Memory {
    received: Vec<Received>,
    /// The next answers of a path.
    next: HashMap<String, VecDeque<Answer>>,
    /// The answer of a path when `next` has none.
    standing: HashMap<String, Answer>,
    /// The paths of which only these are kept: what arrived of each event, by its id.
    tallied: HashMap<String, HashMap<String, Tally>>,
}

impl Answer {
    pub(super) fn status(status: u16) -> Self {
        Self { status, retry_after: None, delay: Duration::ZERO }
    }
}

impl Received {
    /// A header's value; empty if it is missing or not text.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The event's id.
    pub(super) fn id(&self) -> &str {
        self.header("webhook-id")
    }
}

impl Receiver {
    /// Listens on 127.0.0.1, on this port or any free one. `endpoint` is the URL that leads there from outside, if it is
    /// not the port's own.
    pub(super) async fn start(port: u16, endpoint: Option<&str>, run: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let own = format!("http://{}", listener.local_addr()?);
        let base = format!("{}/{run}", endpoint.unwrap_or(&own).trim_end_matches('/'));
        let memory = Arc::<Mutex<Memory>>::default();
        let (kept, mark) = (Arc::clone(&memory), format!("/{run}/"));
        task::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (memory, mark) = (Arc::clone(&kept), mark.clone());
                let service = service_fn(move |request| {
                    let (memory, mark) = (Arc::clone(&memory), mark.clone());
                    async move { Ok::<_, Infallible>(answer(request, &mark, &memory).await) }
                });
                task::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { base, memory })
    }

    /// The URL of a path, which has no slash at its beginning.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// Sets the next answers of a path.
    pub(super) fn answer(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.memory).next.insert(path.to_owned(), answers.into_iter().collect());
    }

    /// Sets the answer of a path from now on; without it, that is 200.
    pub(super) fn always(&self, path: &str, answer: Answer) {
        lock(&self.memory).standing.insert(path.to_owned(), answer);
    }

    /// Only counts what arrives at this path, because it is much.
    pub(super) fn tally(&self, path: &str) {
        lock(&self.memory).tallied.insert(path.to_owned(), HashMap::new());
    }

    /// What arrived at a path that is only counted.
    pub(super) fn tallied(&self, path: &str) -> HashMap<String, Tally> {
        lock(&self.memory).tallied.get(path).cloned().unwrap_or_default()
    }

    /// What arrived at a path, in order.
    pub(super) fn received(&self, path: &str) -> Vec<Received> {
        lock(&self.memory).received.iter().filter(|received| received.path == path).cloned().collect()
    }

    /// Waits until something is true of what a path received, or until the time is over. Returns what it received and
    /// whether that is true.
    pub(super) async fn wait(
        &self,
        path: &str,
        within: Duration,
        is_met: impl Fn(&[Received]) -> bool,
    ) -> (Vec<Received>, bool) {
        let start = Instant::now();
        loop {
            let received = self.received(path);
            if is_met(&received) {
                return (received, true);
            }
            if start.elapsed() > within {
                return (received, false);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

async fn answer(request: Request<Incoming>, mark: &str, memory: &Mutex<Memory>) -> Response<String> {
    let at = Timestamp::now();
    let path = request.uri().path().rsplit_once(mark).map_or("", |(_, path)| path).to_owned();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let answer = lock(memory).take(Received { at, path, headers: head.headers, body });
    tokio::time::sleep(answer.delay).await;
    let mut response = Response::builder().status(answer.status);
    if let Some(seconds) = answer.retry_after {
        response = response.header(RETRY_AFTER, seconds);
    }
    response.body(String::new()).expect("a check sets a status that exists")
}

impl Memory {
    /// Keeps a request, and returns what to answer.
    fn take(&mut self, received: Received) -> Answer {
        let next = self.next.get_mut(&received.path).and_then(VecDeque::pop_front);
        let answer = next.or_else(|| self.standing.get(&received.path).copied()).unwrap_or(Answer::status(200));
        match self.tallied.get_mut(&received.path) {
            Some(tallied) => {
                let tally = Tally { first_at: received.at, requests: 0 };
                tallied.entry(received.id().to_owned()).or_insert(tally).requests += 1;
            }
            None => self.received.push(received),
        }
        answer
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
