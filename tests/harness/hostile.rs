//! An endpoint that misbehaves exactly as a test sets, byte for byte.
//!
//! It has a small HTTP implementation of its own: a proper server would refuse to send most of these answers.

use std::{
    collections::{HashMap, VecDeque},
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    runtime::{Builder, Handle},
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    Failure,
    certificates::{Authority, Certificate},
};

/// What the receiver does with one request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Sends these bytes and waits for the next request. Without bytes it does not answer.
    Says(Vec<u8>),
    /// Sends the first part, then the second repeatedly, with this pause before each.
    Repeats(Vec<u8>, Vec<u8>, Duration),
    /// Reads only the request's head, sends these bytes and resets the connection.
    Resets(Vec<u8>),
    /// The same, but closes the connection in the proper way.
    Closes(Vec<u8>),
    /// Sends the request back, as the body of a 200.
    Echoes,
    /// Reads only the request's head, sends these bytes, and from then on neither reads nor closes.
    Leaves(Vec<u8>),
    /// Reads the request's head, waits for this long, then reads the rest and sends these bytes.
    IsBusy(Duration, Vec<u8>),
    /// Reads 1 KiB of the request a second, and never answers.
    Sips,
    /// Sends the first part, and after the pause the second part, which nobody asked for.
    Blurts(Vec<u8>, Duration, Vec<u8>),
    /// Sends these bytes, and after the pause refreshes its keys: TLS 1.3 then sends a message of its own.
    ChangesKeys(Vec<u8>, Duration),
    /// Sends these bytes unencrypted on a connection that uses TLS.
    SpeaksPlainly(Vec<u8>),
}

/// One request that the receiver read.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Whether its connection had carried a request before.
    pub on_used_connection: bool,
    /// The request line and the headers.
    pub head: String,
}

/// A server on several ports of 127.0.0.1: one for plain HTTP, one for each kind of certificate, and one that drips.
/// Its paths are independent of each other, so many tests can share it. It runs until this process ends.
pub struct Hostile {
    memory: Arc<Mutex<Memory>>,
    plain: SocketAddr,
    tls: Vec<(Certificate, SocketAddr)>,
    dripping: SocketAddr,
    authority: Authority,
    authority_file: PathBuf,
    runtime: Handle,
}

#[derive(Default)]
struct Memory {
    connections: usize,
    behaviours: HashMap<String, VecDeque<Behaviour>>,
    heard: Vec<(String, Heard)>,
}

impl Hostile {
    /// Starts the receiver, and writes its authority's certificate into the folder.
    pub fn start(folder: &Path) -> Result<Self, Failure> {
        let cannot = |error: &dyn std::error::Error| Failure::new(format!("no hostile receiver: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| cannot(&error))?;
        let authority = Authority::new().map_err(|error| cannot(&error))?;
        let file = folder.join("authority.pem");
        fs::create_dir_all(folder).and_then(|()| fs::write(&file, authority.pem())).map_err(|error| cannot(&error))?;

        let memory = Arc::<Mutex<Memory>>::default();
        let anywhere = (Ipv4Addr::LOCALHOST, 0).into();
        let handle = runtime.handle().clone();
        let listen = |behind: Behind| listen(anywhere, &handle, &memory, behind).map_err(|error| cannot(&error));
        let mut tls = Vec::new();
        for certificate in Certificate::ALL {
            let config = authority.server(certificate, &["127.0.0.1"]).map_err(|error| cannot(&error))?;
            tls.push((certificate, listen(Behind::Tls(config.into()))?));
        }
        let (plain, dripping) = (listen(Behind::Plain)?, listen(Behind::Drip)?);
        thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        Ok(Self { memory, plain, tls, dripping, authority, authority_file: file, runtime: handle })
    }

    /// Listens for TLS on one more address, with a valid certificate for these hosts.
    pub fn listen_as(&self, hosts: &[&str], address: SocketAddr) -> Result<(), Failure> {
        let cannot = |error: &dyn std::error::Error| Failure::new(format!("no receiver on {address}: {error}"));
        let config = self.authority.server(Certificate::Good, hosts).map_err(|error| cannot(&error))?;
        listen(address, &self.runtime, &self.memory, Behind::Tls(config.into())).map_err(|error| cannot(&error))?;
        Ok(())
    }

    /// Sets what a path does: one behaviour for each request; the last one also applies to all later requests.
    /// Returns its URL.
    pub fn on(&self, path: &str, behaviours: impl IntoIterator<Item = Behaviour>) -> String {
        lock(&self.memory).behaviours.insert(path.to_owned(), behaviours.into_iter().collect());
        format!("http://{}{path}", self.plain)
    }

    /// The path's URL on the port with this certificate.
    pub fn tls_url(&self, certificate: Certificate, path: &str) -> String {
        let port = self.tls.iter().find(|(other, _)| *other == certificate);
        format!("https://{}{path}", port.expect("each certificate has a port").1)
    }

    /// A URL whose port answers a TLS handshake with one byte a second.
    pub fn dripping_url(&self) -> String {
        format!("https://{}/", self.dripping)
    }

    /// The URL of a new port that answers any request with these bytes, and closes.
    pub fn url_that_answers(&self, scheme: &str, bytes: &[u8]) -> String {
        let address =
            listen((Ipv4Addr::LOCALHOST, 0).into(), &self.runtime, &self.memory, Behind::Answer(bytes.into()));
        format!("{scheme}://{}/", address.expect("a port is free"))
    }

    /// The file with the certificate of the authority that signed the others, for `SSL_CERT_FILE`.
    pub fn authority(&self) -> &Path {
        &self.authority_file
    }

    /// How many connections were made to any of its ports.
    pub fn connections(&self) -> usize {
        lock(&self.memory).connections
    }

    /// Every request to a path, in order.
    pub fn heard(&self, path: &str) -> Vec<Heard> {
        let memory = lock(&self.memory);
        memory.heard.iter().filter(|(heard, _)| heard == path).map(|(_, heard)| heard.clone()).collect()
    }
}

enum Behind {
    Plain,
    Tls(TlsAcceptor),
    Drip,
    Answer(Vec<u8>),
}

/// How many bytes of a request the kernel accepts before the receiver reads them (Linux doubles it).
const ROOM: u32 = 16 * 1024;

/// How a connection ends.
enum End {
    Close,
    Reset,
}

fn listen(at: SocketAddr, runtime: &Handle, memory: &Arc<Mutex<Memory>>, behind: Behind) -> io::Result<SocketAddr> {
    let within = runtime.enter();
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_recv_buffer_size(ROOM)?;
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    let listener = socket.listen(1024)?;
    drop(within);
    let address = listener.local_addr()?;
    let (memory, behind) = (Arc::clone(memory), Arc::new(behind));
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            lock(&memory).connections += 1;
            tokio::spawn(accept(stream, Arc::clone(&behind), Arc::clone(&memory)));
        }
    });
    Ok(address)
}

async fn accept(mut stream: TcpStream, behind: Arc<Behind>, memory: Arc<Mutex<Memory>>) -> io::Result<()> {
    match &*behind {
        Behind::Plain => {
            if matches!(serve(&mut stream, &memory).await, Ok(End::Reset)) {
                stream.set_zero_linger()?;
            }
        }
        Behind::Tls(acceptor) => {
            serve(&mut acceptor.accept(stream).await?, &memory).await?;
        }
        Behind::Answer(bytes) => {
            stream.read_buf(&mut Vec::new()).await?;
            say_last(&mut stream, bytes).await?;
        }
        // The header of a handshake record of 16 KiB, then only zeros.
        Behind::Drip => repeat(&mut stream, &[0x16, 3, 3, 0x40, 0], &[0], Duration::from_secs(1)).await?,
    }
    Ok(())
}

/// A connection, encrypted or not.
trait Line: AsyncRead + AsyncWrite + Unpin + Send {
    /// The connection below the encryption, if there is one.
    fn below(&mut self) -> &mut TcpStream;
    /// Starts to send with new keys. Does nothing without TLS.
    fn change_keys(&mut self) {}
}

impl Line for TcpStream {
    fn below(&mut self) -> &mut TcpStream {
        self
    }
}

impl Line for TlsStream<TcpStream> {
    fn below(&mut self) -> &mut TcpStream {
        self.get_mut().0
    }

    fn change_keys(&mut self) {
        self.get_mut().1.refresh_traffic_keys().expect("this is TLS 1.3");
    }
}

async fn serve(stream: &mut impl Line, memory: &Mutex<Memory>) -> io::Result<End> {
    let mut buffer = Vec::new();
    for earlier in 0.. {
        let Some(head) = read_head(stream, &mut buffer).await? else { break };
        let (path, behaviour) = next_behaviour(memory, &head);
        lock(memory).heard.push((path, Heard { on_used_connection: earlier > 0, head: head.clone() }));
        if let Some(end) = behave(stream, &mut buffer, &head, behaviour).await? {
            return Ok(end);
        }
        stream.flush().await?;
    }
    Ok(End::Close)
}

/// Applies a behaviour to a request whose head was read. Returns how the connection ends, if it ends.
async fn behave(
    stream: &mut impl Line,
    buffer: &mut Vec<u8>,
    head: &str,
    behaviour: Behaviour,
) -> io::Result<Option<End>> {
    match behaviour {
        Behaviour::Resets(bytes) => {
            say_last(stream, &bytes).await?;
            return Ok(Some(End::Reset));
        }
        Behaviour::Closes(bytes) => {
            say_last(stream, &bytes).await?;
            return Ok(Some(End::Close));
        }
        Behaviour::Leaves(bytes) => {
            say_last(stream, &bytes).await?;
            std::future::pending::<()>().await;
        }
        Behaviour::Sips => {
            sip(stream).await?;
            return Ok(Some(End::Close));
        }
        Behaviour::Says(bytes) => {
            read_body(stream, buffer, head).await?;
            stream.write_all(&bytes).await?;
        }
        Behaviour::IsBusy(time, bytes) => {
            sleep(time).await;
            read_body(stream, buffer, head).await?;
            stream.write_all(&bytes).await?;
        }
        Behaviour::Blurts(first, pause, then) => {
            read_body(stream, buffer, head).await?;
            say_and_wait(stream, &first, pause).await?;
            stream.write_all(&then).await?;
        }
        Behaviour::ChangesKeys(bytes, pause) => {
            read_body(stream, buffer, head).await?;
            say_and_wait(stream, &bytes, pause).await?;
            stream.change_keys();
        }
        Behaviour::SpeaksPlainly(bytes) => {
            read_body(stream, buffer, head).await?;
            say_last(stream.below(), &bytes).await?;
        }
        Behaviour::Repeats(first, then, pause) => {
            read_body(stream, buffer, head).await?;
            repeat(stream, &first, &then, pause).await?;
        }
        Behaviour::Echoes => {
            let body = read_body(stream, buffer, head).await?;
            let length = head.len() + body.len();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{head}");
            stream.write_all(&[answer.as_bytes(), &body].concat()).await?;
        }
    }
    Ok(None)
}

/// Reads slowly, until the sender closes the connection.
async fn sip(stream: &mut impl Line) -> io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn say_and_wait(stream: &mut impl Line, bytes: &[u8], pause: Duration) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    sleep(pause).await;
    Ok(())
}

fn next_behaviour(memory: &Mutex<Memory>, head: &str) -> (String, Behaviour) {
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut memory = lock(memory);
    let behaviour = match memory.behaviours.get_mut(&path) {
        Some(behaviours) if behaviours.len() > 1 => behaviours.pop_front(),
        Some(behaviours) => behaviours.front().cloned(),
        None => None,
    };
    let unknown = || Behaviour::Says(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec());
    (path, behaviour.unwrap_or_else(unknown))
}

/// Reads up to the empty line. Returns `None` if the sender closed the connection.
async fn read_head(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = buffer.drain(..end + 4).collect();
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

async fn read_body(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>, head: &str) -> io::Result<Vec<u8>> {
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
    while buffer.len() < length && stream.read_buf(buffer).await? > 0 {}
    Ok(buffer.drain(..length.min(buffer.len())).collect())
}

/// Sends the last bytes of a connection and waits until they have arrived: an immediate reset could overtake them.
async fn say_last(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    if !bytes.is_empty() {
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Sends `first`, then `then` after each pause, until the connection ends.
async fn repeat(stream: &mut (impl AsyncWrite + Unpin), first: &[u8], then: &[u8], pause: Duration) -> io::Result<()> {
    stream.write_all(first).await?;
    loop {
        stream.flush().await?;
        sleep(pause).await;
        stream.write_all(then).await?;
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
