//! HTTP over one connection: sends a request, and reads the head of its answer at the same time.
//!
//! It is written here because a library hides three facts: whether any of a request has left the process, whether all
//! of it has, and that nothing had come before its first byte was sent. With these facts a request that was not sent
//! is sent again safely, and an answer always belongs to its own request.

use std::{
    future::poll_fn,
    io, mem,
    net::SocketAddr,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::io::ReadBuf;

use super::{
    body::Body,
    head::{self, Head, LARGEST_HEAD, Parsed},
    request::Request,
    socket::Stream,
};
use crate::{attempt::Outcome, tls};

/// The most bytes that may come for one request before its final head. It ends an endless series of 1xx responses,
/// each of which is small.
const MOST_RECEIVED: usize = 4 * LARGEST_HEAD;
/// The most bytes of a body that are read: enough to keep a polite receiver's connection usable for the next
/// delivery.
pub(super) const MOST_BODY: usize = 16 * 1024;
/// The most bytes that one read takes from the socket.
const PIECE: usize = 4 * 1024;

/// The greatest age at which a connection takes another request. By then the name may lead to other addresses: this
/// is how receivers move traffic away from a broken machine.
const GREATEST_AGE: Duration = Duration::from_mins(1);

/// A connection to an endpoint. Dropping it closes it, whatever the receiver is doing.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    since: Instant,
    /// Whether it has completed an exchange before.
    is_used: bool,
    /// The bytes of the request that have been written.
    written: usize,
    is_flushed: bool,
    /// Whether writing stopped early, because the receiver does not take the rest of the request.
    is_refused: bool,
    /// The bytes that have come and are not parsed yet.
    received: Vec<u8>,
    /// The bytes that came in answer to the request.
    came: usize,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) outcome: Outcome,
    /// Whether the receiver may have received any of the request.
    pub(super) was_sent: bool,
}

impl Connection {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            since: Instant::now(),
            is_used: false,
            written: 0,
            is_flushed: false,
            is_refused: false,
            received: Vec::new(),
            came: 0,
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: &Request<'_>) -> Result<Head, Failed> {
        (self.written, self.is_flushed, self.is_refused, self.came) = (0, false, false, 0);
        self.received.clear();
        self.stream.begin(self.is_used);
        let answer = self.answer(request).await;
        answer.map_err(|outcome| Failed { outcome, was_sent: self.stream.has_written() })
    }

    async fn answer(&mut self, request: &Request<'_>) -> Result<Head, Outcome> {
        loop {
            match head::parse(&self.received) {
                Parsed::Whole(head, length) => {
                    self.received.drain(..length);
                    if !head.is_interim() {
                        return Ok(head);
                    }
                    continue;
                }
                Parsed::NotHttp => return Err(interrupted("what came is not HTTP/1.1")),
                Parsed::TooLarge => return Err(Outcome::TooLarge),
                Parsed::Unfinished if self.came > MOST_RECEIVED => return Err(Outcome::TooLarge),
                Parsed::Unfinished => {}
            }
            match poll_fn(|cx| self.poll_exchange(request, cx)).await {
                Ok(0) => return Err(interrupted("it was closed")),
                Ok(_) => {}
                Err(err) => return Err(self.failure(&err)),
            }
        }
    }

    /// Reads the body, up to [`MOST_BODY`], and writes the rest of the request. Returns whether both are complete and
    /// the connection can take another request.
    pub(super) async fn finish(&mut self, request: &Request<'_>, head: &Head) -> bool {
        let mut body = Body::new(head.length);
        loop {
            let end = body.end(&self.received[..self.received.len().min(MOST_BODY)]);
            if end.is_some() && self.is_written() {
                self.is_used = true;
                let is_over = self.is_flushed && self.stream.is_sent() && end == Some(self.received.len());
                return is_over && head.keeps_alive;
            }
            if self.received.len() >= MOST_BODY {
                return false;
            }
            let more = poll_fn(|cx| match self.poll_exchange(request, cx) {
                Poll::Pending if end.is_some() && self.is_written() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
                Poll::Ready(read) => Poll::Ready(Some(read)),
            });
            if matches!(more.await, Some(Ok(0) | Err(_))) {
                return false;
            }
        }
    }

    /// Takes the part of the body that has come. A second call returns nothing.
    pub(super) fn take_body(&mut self, head: &Head) -> Vec<u8> {
        let mut received = mem::take(&mut self.received);
        received.truncate(MOST_BODY);
        Body::new(head.length).content(&received)
    }

    /// Whether anything came in answer to the last request.
    pub(super) fn has_heard_back(&self) -> bool {
        self.came > 0
    }

    /// Whether it can take another request: it is young enough, and nothing has come since its last answer.
    pub(super) fn is_fit(&mut self, now: Instant) -> bool {
        now < self.since + GREATEST_AGE && self.stream.is_silent()
    }

    /// The local address and the peer's.
    pub(super) fn ends(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        self.stream.ends()
    }

    /// Whether no more of the request will be written.
    fn is_written(&self) -> bool {
        self.is_flushed || self.is_refused
    }

    /// Writes as much of the request as the receiver takes, and reads what has come. Ready with the number of bytes
    /// that came; 0 means that the connection ended.
    fn poll_exchange(&mut self, request: &Request<'_>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.is_written()
            && let Poll::Ready(Err(err)) = self.poll_write(request, cx)
        {
            if self.is_used && !self.stream.has_written() {
                return Poll::Ready(Err(err));
            }
            // The receiver may have answered before it stopped reading.
            self.is_refused = true;
        }
        self.poll_read(cx)
    }

    fn poll_write(&mut self, request: &Request<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < request.len() {
            let written = ready!(self.stream.poll_write(cx, &request.rest(self.written)))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        ready!(self.stream.poll_flush(cx))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let before = self.received.len();
        self.received.resize(before + PIECE, 0);
        let mut piece = ReadBuf::new(&mut self.received[before..]);
        let read = self.stream.poll_read(cx, &mut piece);
        let come = piece.filled().len();
        self.received.truncate(before + come);
        self.came += come;
        ready!(read)?;
        Poll::Ready(Ok(come))
    }

    /// The outcome for a failure after the connection was established.
    fn failure(&self, err: &io::Error) -> Outcome {
        let Some(refusal) = err.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) else {
            return match err.kind() {
                io::ErrorKind::UnexpectedEof => interrupted("it was closed"),
                kind => interrupted(&kind.to_string()),
            };
        };
        let detail = tls::explain(refusal);
        match refusal {
            // With TLS 1.3 a receiver's refusal of the handshake arrives only now.
            rustls::Error::AlertReceived(_) if !self.is_used && self.came == 0 => {
                Outcome::Tls { detail: detail.into() }
            }
            _ => interrupted(&format!("after the TLS handshake, {detail}")),
        }
    }
}

fn interrupted(detail: &str) -> Outcome {
    Outcome::Interrupted { detail: detail.to_owned() }
}

#[cfg(test)]
pub(super) mod tests;
