//! HTTP over one connection, with what a general client hides: whether anything came back, and how much.

use std::{
    error::Error as StdError,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::JoinHandle,
};

use super::dial::explain;
use crate::delivery::Outcome;

/// How large the status and headers of a response may be, in bytes; this is also the most that is read from the socket
/// at once. Node's clients and servers have the same limit.
const LARGEST_HEAD: usize = 16 * 1024;
/// How many headers a response may have.
const MOST_HEADERS: usize = 100;
/// How much may come in answer to one request, in bytes. It leaves room for a head, what is read of a body and their
/// framing; what it ends is an endless series of 1xx responses, each of which is small.
const MOST_RECEIVED: usize = 4 * LARGEST_HEAD;

/// A connection to an endpoint. It closes when this is dropped, whatever the receiver is doing at that time.
#[derive(Debug)]
pub(super) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    /// What came in answer to the last request, in bytes.
    received: Arc<AtomicUsize>,
    driver: JoinHandle<()>,
}

/// Why a request got no answer.
pub(super) struct Failed {
    pub(super) outcome: Outcome,
    /// Whether the receiver may have got the request.
    pub(super) was_sent: bool,
}

impl Connection {
    /// Begins to speak HTTP over a stream. Nothing is sent yet.
    pub(super) async fn open(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> hyper::Result<Self> {
        let received = Arc::<AtomicUsize>::default();
        let stream = TokioIo::new(Metered { stream, received: Arc::clone(&received) });
        let mut http = http1::Builder::new();
        http.max_headers(MOST_HEADERS).max_header_size(LARGEST_HEAD).max_buf_size(LARGEST_HEAD);
        let (requests, connection) = http.handshake(stream).await?;
        let driver = tokio::spawn(async move {
            // Whoever waits for an answer hears of an error; on an idle connection it is of no interest.
            let _ = connection.await;
        });
        Ok(Self { requests, received, driver })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failed> {
        self.received.store(0, Relaxed);
        self.requests.try_send_request(request).await.map_err(|mut err| {
            let was_sent = err.take_message().is_none();
            Failed { outcome: failure(&err.into_error()), was_sent }
        })
    }

    /// Whether anything came in answer to the last request.
    pub(super) fn has_heard_back(&self) -> bool {
        self.received.load(Relaxed) > 0
    }

    /// Whether it is known to be of no use any more.
    pub(super) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Whether it takes a request now.
    pub(super) fn is_ready(&self) -> bool {
        self.requests.is_ready()
    }
}

impl Drop for Connection {
    /// Left to itself the driver would first finish what it is writing, to a receiver that may never read it.
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// What a failure after the handshake means. hyper wraps what happened in several layers; the innermost tells.
fn failure(err: &hyper::Error) -> Outcome {
    let causes = || std::iter::successors(err.source(), |cause| next_cause(*cause));
    if err.is_parse_too_large() || causes().any(<dyn StdError>::is::<TooMuch>) {
        return Outcome::TooLarge;
    }
    // With TLS 1.3 a receiver that refuses the handshake says so only now.
    if let Some(refusal) = causes().find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return Outcome::Tls { detail: explain(refusal) };
    }
    let detail = match causes().find_map(|cause| cause.downcast_ref::<io::Error>()) {
        _ if err.is_parse() => "what came is not HTTP/1.1".to_owned(),
        Some(err) => err.kind().to_string(),
        None => "it was closed".to_owned(),
    };
    Outcome::Interrupted { detail }
}

/// The next cause. An `io::Error` answers `source()` with the source of what it carries and so hides what it carries.
fn next_cause<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(carried) => Some(carried),
        None => cause.source(),
    }
}

/// A stream that counts what comes, and ends when it is too much.
struct Metered<S> {
    stream: S,
    received: Arc<AtomicUsize>,
}

#[derive(Debug, thiserror::Error)]
#[error("more than {MOST_RECEIVED} bytes came in answer to one request")]
struct TooMuch;

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let new = buf.filled().len() - before;
        if self.received.fetch_add(new, Relaxed) + new > MOST_RECEIVED {
            return Poll::Ready(Err(io::Error::other(TooMuch)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, duplex},
        time::timeout,
    };

    use super::*;

    #[tokio::test]
    async fn a_connection_is_closed_when_it_is_dropped_though_its_request_was_not_taken() {
        let (ours, mut theirs) = duplex(1024);
        let mut connection = Connection::open(ours).await.unwrap();
        let request = Request::post("/").body(Full::from(vec![b'x'; 100_000])).unwrap();
        assert!(timeout(Duration::from_millis(50), connection.send(request)).await.is_err(), "nobody reads it");
        drop(connection);
        let mut taken = Vec::new();
        timeout(Duration::from_secs(1), theirs.read_to_end(&mut taken)).await.unwrap().unwrap();
        assert!(taken.len() < 100_000, "nothing more of it was sent");
    }
}
