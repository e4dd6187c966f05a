//! The endpoint that webhooks arrive at: it records each request byte for byte, and answers as the test sets.

use std::{
    collections::{HashMap, VecDeque},
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::runtime::Builder;

use crate::Failure;

/// A server on a free port of 127.0.0.1. Its paths are independent of each other, so many tests can share it.
#[derive(Clone)]
pub struct Receiver {
    address: String,
    memory: Arc<Mutex<Memory>>,
}

/// One request that the receiver read.
#[derive(Clone, Debug)]
pub struct Received {
    /// When the request was complete.
    pub at: SystemTime,
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Bytes,
    /// The status of the answer. `None` while the sender waits, and forever if the sender gave up.
    pub answered: Option<u16>,
}

impl Received {
    /// A header's value. `None` if the header is missing or is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON, or null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What the receiver answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers, in addition to the usual ones.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
    /// How long the receiver waits before it answers.
    pub delay: Duration,
}

impl Answer {
    /// An empty answer with this status, without delay.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), delay: Duration::ZERO }
    }
}

type Decide = Box<dyn FnMut(&Received) -> Answer + Send>;

#[derive(Default)]
struct Memory {
    received: Vec<Received>,
    answers: HashMap<String, VecDeque<Answer>>,
    decide: Option<Decide>,
}

impl Memory {
    /// Records a request; returns its number and its answer.
    fn take(&mut self, received: Received) -> (usize, Answer) {
        let set = self.answers.get_mut(&received.path).and_then(VecDeque::pop_front);
        let answer = set.or_else(|| self.decide.as_mut().map(|decide| decide(&received)));
        self.received.push(received);
        (self.received.len() - 1, answer.unwrap_or_else(|| Answer::status(200)))
    }
}

impl Receiver {
    /// Starts a receiver. It has its own thread and runs until this process ends, across all runtimes of a test.
    pub fn start() -> Result<Self, Failure> {
        let cannot = |error| Failure::new(format!("the receiver cannot be started: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?.to_string();
        let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let memory = Arc::<Mutex<Memory>>::default();
        let routes = Router::new().fallback(receive).with_state(Arc::clone(&memory));
        thread::spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is not blocking");
                axum::serve(listener, routes).await
            })
        });
        Ok(Self { address, memory })
    }

    /// The URL of a path, which starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sets the next answers of a path. Once they are used up, the function of [`Receiver::answer_by`] decides;
    /// without one, the answer is an empty 200.
    pub fn answer(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.memory).answers.insert(path.to_owned(), answers.into_iter().collect());
    }

    /// Sets the function that decides the answer for a path without set answers.
    pub fn answer_by(&self, decide: impl FnMut(&Received) -> Answer + Send + 'static) {
        lock(&self.memory).decide = Some(Box::new(decide));
    }

    /// Every request that was received, in order.
    pub fn received_by_all(&self) -> Vec<Received> {
        lock(&self.memory).received.clone()
    }

    /// Every request that a path received, in order.
    pub fn received(&self, path: &str) -> Vec<Received> {
        lock(&self.memory).received.iter().filter(|received| received.path == path).cloned().collect()
    }

    /// Waits until a path has received this many requests, and returns all of its requests. Fails if that takes
    /// longer than `within`.
    pub async fn wait_for(&self, path: &str, count: usize, within: Duration) -> Result<Vec<Received>, Failure> {
        let start = Instant::now();
        loop {
            let received = self.received(path);
            if received.len() >= count {
                return Ok(received);
            }
            if start.elapsed() > within {
                let found = received.len();
                return Err(Failure::late(&format!("{path} received {found} of {count} webhooks within {within:?}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn receive(
    State(memory): State<Arc<Mutex<Memory>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let received = Received { at: SystemTime::now(), method, path, headers, body, answered: None };
    let (number, answer) = lock(&memory).take(received);
    tokio::time::sleep(answer.delay).await;
    lock(&memory).received[number].answered = Some(answer.status);
    let mut response = answer.body.into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).expect("the test asks for a status that exists");
    for (name, value) in answer.headers {
        let value = HeaderValue::from_str(&value).expect("the test asks for a header that can be sent");
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
