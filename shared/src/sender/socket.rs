//! The socket below a connection, and facts about it that a stream hides.
//!
//! tokio only knows what its event loop was notified of, and a process that was frozen has received nothing. So
//! before a used connection carries another request, we ask the kernel for its state.

use std::{
    io::{self, Read as _},
    mem::MaybeUninit,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

#[cfg(target_os = "linux")]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A connection's byte stream, encrypted or not.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// A TCP connection.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    /// Whether reads ask the kernel directly, not tokio.
    asks_the_kernel: bool,
    /// Whether the next write is the first of a request: it may only be sent if nothing has come.
    is_guarded: bool,
    /// Whether anything was written since [`Socket::begin`].
    has_written: bool,
}

/// Why a request was not begun.
#[derive(Debug, thiserror::Error)]
#[error("something came, or the connection ended, before the request")]
struct NotSilent;

impl Socket {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        // With this, a socket is writable only when everything has been sent: see `is_sent`.
        #[cfg(target_os = "linux")]
        SockRef::from(&stream).set_tcp_notsent_lowat(1)?;
        Ok(Self { stream, asks_the_kernel: false, is_guarded: false, has_written: false })
    }

    /// Begins a request. If it is guarded, its first write fails if anything has come by then: an answer that came
    /// before the request belongs to another one.
    fn begin(&mut self, is_guarded: bool) {
        (self.is_guarded, self.has_written) = (is_guarded, false);
    }

    /// Whether the kernel has nothing to read, not even the connection's end.
    fn is_silent(&self) -> bool {
        let peeked = SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit()]);
        peeked.is_err_and(|err| err.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether the kernel has sent everything that was written. It keeps bytes for which the receiver has no room.
    #[cfg(target_os = "linux")]
    fn is_sent(&self) -> bool {
        let mut fds = [PollFd::new(&self.stream, PollFlags::OUT)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready == 1)
    }

    /// Other systems do not show that.
    #[cfg(not(target_os = "linux"))]
    fn is_sent(&self) -> bool {
        true
    }

    /// Records the result of a write.
    fn written(&mut self, written: io::Result<usize>) -> io::Result<usize> {
        if written.as_ref().is_ok_and(|bytes| *bytes > 0) {
            (self.is_guarded, self.has_written) = (false, true);
        }
        written
    }
}

impl Stream {
    /// Whether nothing has come since the last answer, neither data nor the connection's end. TLS's own messages,
    /// such as the tickets of TLS 1.3, are read and do not count.
    pub(super) fn is_silent(&mut self) -> bool {
        self.socket_mut().asks_the_kernel = true;
        let mut byte = [0];
        let read =
            Pin::new(&mut *self).poll_read(&mut Context::from_waker(Waker::noop()), &mut ReadBuf::new(&mut byte));
        self.socket_mut().asks_the_kernel = false;
        read.is_pending()
    }

    /// See [`Socket::is_sent`].
    pub(super) fn is_sent(&self) -> bool {
        self.socket().is_sent()
    }

    /// See [`Socket::begin`].
    pub(super) fn begin(&mut self, is_guarded: bool) {
        self.socket_mut().begin(is_guarded);
    }

    /// Whether anything of the last request that was begun has left the process.
    pub(super) fn has_written(&self) -> bool {
        self.socket().has_written
    }

    /// The local address and the peer's.
    pub(super) fn ends(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        let stream = &self.socket().stream;
        Ok((stream.local_addr()?, stream.peer_addr()?))
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    fn socket_mut(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_mut().0,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.asks_the_kernel {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        match (&*SockRef::from(&self.stream)).read(buf.initialize_unfilled()) {
            Ok(bytes) => {
                buf.advance(bytes);
                Poll::Ready(Ok(()))
            }
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(err) => Poll::Ready(Err(err)),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_guarded && !self.is_silent() {
            return Poll::Ready(Err(io::Error::other(NotSilent)));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs));
        Poll::Ready(self.written(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Stream {
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
}
