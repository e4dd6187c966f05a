//! An HTTP server of a few lines, which shows each request exactly as it came.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    /// The path and query.
    pub(crate) path: String,
    /// Names as they are spelled, and values.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// The answer: its status, headers and body.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, String);

/// A running server. It ends when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Request {
    /// A header's value by its name, in exactly this spelling.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other == name);
        &found.unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).1
    }

    fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
            Some(line.trim_end().to_owned())
        };
        let path = line()?.split(' ').nth(1)?.to_owned();
        let mut headers = Vec::new();
        while let Some((name, value)) = line()?.split_once(": ") {
            headers.push((name.to_owned(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        reader.read_exact(&mut body).ok()?;
        Some(Self { at: Instant::now(), path, headers, body: String::from_utf8(body).unwrap() })
    }
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1. If there is no answer, it closes the connection.
    pub(crate) fn start(answer: impl Fn(Request) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let is_over = Arc::<AtomicBool>::default();
        let (over, answer) = (Arc::clone(&is_over), Arc::new(answer));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let answer = Arc::clone(&answer);
                // A connection from which nothing comes must not keep the test from ending.
                stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                thread::spawn(move || Request::read(&stream).and_then(&*answer).map(|answer| write(&stream, answer)));
            }
        });
        Self { address, is_over, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn write(mut stream: &TcpStream, (status, headers, body): Answer) {
    let mut lines = vec![format!("HTTP/1.1 {status} X"), "connection: close".into()];
    lines.push(format!("content-length: {}", body.len()));
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    let text = format!("{}\r\n\r\n{body}", lines.join("\r\n"));
    let _ = stream.write_all(text.as_bytes());
}
