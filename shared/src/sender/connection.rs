//! HTTP over one connection: a request goes out, and the head of its answer comes back while it does.
//!
//! It is written here because three things must be known that a library hides: whether anything of a request has left the
//! process, whether all of it has, and that nothing had come when its first byte went. With them a request that was not sent
//! is sent again without harm, and an answer is that of its own request.

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
    tls_errors,
};
use crate::delivery::Outcome;

/// How much may come in answer to one request before its final head, in bytes: what it ends is an endless series of 1xx
/// responses, each of which is small.
const MOST_RECEIVED: usize = 4 * LARGEST_HEAD;
/// How much of a body is read, in bytes: enough to leave a polite receiver's connection fit for the next delivery.
pub(super) const MOST_BODY: usize = 16 * 1024;
/// How much is read from the socket at once, in bytes.
const PIECE: usize = 4 * 1024;

/// The greatest age of a connection that gets another request. A name may lead to other addresses by then: this is how a
/// receiver moves its traffic away from a machine that is sick.
const GREATEST_AGE: Duration = Duration::from_mins(1);

/// A connection to an endpoint. It closes when this is dropped, whatever the receiver is doing at that time.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    since: Instant,
    /// It has brought an answer before.
    is_used: bool,
    /// How much of the request has been written, in bytes.
    written: usize,
    is_flushed: bool,
    /// No more of the request is written: the receiver does not take it.
    is_refused: bool,
    /// What has come and was not understood yet.
    received: Vec<u8>,
    /// How much came in answer to the request, in bytes.
    came: usize,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) outcome: Outcome,
    /// Whether the receiver may have got any of the request.
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

    /// Reads the body of an answer, as far as it is read, and writes what is left of its request. Returns whether all of both
    /// went well and the connection can take another request.
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

    /// What has come of the body, once.
    pub(super) fn take_body(&mut self, head: &Head) -> Vec<u8> {
        let mut received = mem::take(&mut self.received);
        received.truncate(MOST_BODY);
        Body::new(head.length).content(&received)
    }

    /// Whether anything came in answer to the last request.
    pub(super) fn has_heard_back(&self) -> bool {
        self.came > 0
    }

    /// Whether it can take another request: it is young, and nothing has come since its last answer.
    pub(super) fn is_fit(&mut self, now: Instant) -> bool {
        now < self.since + GREATEST_AGE && self.stream.is_silent()
    }

    /// The connection's two ends, ours first.
    pub(super) fn ends(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        self.stream.ends()
    }

    /// Whether nothing more of the request will be written.
    fn is_written(&self) -> bool {
        self.is_flushed || self.is_refused
    }

    /// Writes what the receiver takes of the request and reads what has come. Ready with the number of bytes that came: none
    /// at the connection's end.
    fn poll_exchange(&mut self, request: &Request<'_>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.is_written()
            && let Poll::Ready(Err(err)) = self.poll_write(request, cx)
        {
            if self.is_used && !self.stream.has_written() {
                return Poll::Ready(Err(err));
            }
            // An answer may have come before the receiver stopped to read.
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

    /// What a failure after the connection stood means.
    fn failure(&self, err: &io::Error) -> Outcome {
        let Some(refusal) = err.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) else {
            return match err.kind() {
                io::ErrorKind::UnexpectedEof => interrupted("it was closed"),
                kind => interrupted(&kind.to_string()),
            };
        };
        let detail = tls_errors::explain(refusal);
        match refusal {
            // With TLS 1.3 a receiver that refuses the handshake says so only now.
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
