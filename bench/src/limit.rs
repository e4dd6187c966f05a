//! The limit: the least that a delivery can cost. One thread with hyper signs the bytes that the dispatcher sent and
//! posts them to the same receiver, 64 at a time, and does nothing else.

use std::{cell::Cell, net::Ipv4Addr, path::Path, rc::Rc, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header::HeaderValue,
};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use sha2::Sha256;
use tokio::{net::TcpStream, runtime::Builder, task::LocalSet};
use tokio_rustls::TlsConnector;

use crate::{
    cores,
    failure::{Failure, Result, check},
    traffic::SECRET,
};

/// How many requests are open at the same time, unless the caller asks for fewer.
pub(crate) const AT_ONCE: usize = 64;

/// The request to post, and the receiver.
pub(crate) struct Target {
    pub(crate) port: u16,
    /// The authority of the receiver's certificate; `None` for HTTP.
    pub(crate) authority: Option<CertificateDer<'static>>,
    /// Whether each request has a connection of its own.
    pub(crate) new_connections: bool,
    /// A request that the dispatcher made: path, headers and body.
    pub(crate) sample: (String, HeaderMap, Bytes),
}

/// Makes `count` requests, `at_once` at the same time, after up to 1,000 that warm it up, and returns the processor time that they took together.
/// Fails if one is not answered with success.
pub(crate) fn run(target: Target, count: usize, at_once: usize) -> Result<Duration> {
    cores::on_the_functions(move || {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::to("start a runtime"))?;
        let used = || cores::time_used(Path::new("/proc/thread-self/schedstat")).map_err(Failure::to("read the time"));
        let client = Rc::new(Client::new(target)?);
        let of = |count: usize| {
            let (client, left) = (Rc::clone(&client), Rc::new(Cell::new(count)));
            LocalSet::new().block_on(&runtime, async move {
                let workers: Vec<_> = (0..at_once)
                    .map(|_| tokio::task::spawn_local(work(Rc::clone(&client), Rc::clone(&left))))
                    .collect();
                for worker in workers {
                    worker.await.map_err(Failure::to("finish a request of the bare loop"))??;
                }
                Ok::<_, Failure>(())
            })
        };
        of(count.min(1000))?;
        let before = used()?;
        of(count)?;
        Ok(Duration::from_nanos(used()? - before))
    })
}

struct Client {
    target: Target,
    tls: Option<TlsConnector>,
    key: Vec<u8>,
}

async fn work(client: Rc<Client>, left: Rc<Cell<usize>>) -> Result<()> {
    let mut connection = None;
    while left.get() > 0 {
        left.set(left.get() - 1);
        let mut open = match connection.take() {
            Some(open) => open,
            None => client.connect().await?,
        };
        open.ready().await.map_err(Failure::to("use a connection"))?;
        let answer = open.send_request(client.signed()?).await.map_err(Failure::to("post"))?;
        check(answer.status().is_success(), || format!("the receiver answered {}", answer.status()))?;
        answer.into_body().collect().await.map_err(Failure::to("read an answer"))?;
        if !client.target.new_connections {
            connection = Some(open);
        }
    }
    Ok(())
}

impl Client {
    fn new(target: Target) -> Result<Self> {
        let tls = target.authority.clone().map(|authority| {
            let mut roots = RootCertStore::empty();
            roots.add(authority).map_err(Failure::to("trust the receiver"))?;
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(Failure::to("set TLS up"))?;
            let config = config.with_root_certificates(roots).with_no_client_auth();
            Ok(TlsConnector::from(Arc::new(config)))
        });
        let encoded = SECRET.strip_prefix("whsec_").unwrap_or(SECRET);
        let key = STANDARD.decode(encoded).map_err(Failure::to("decode the secret"))?;
        Ok(Self { tls: tls.transpose()?, key, target })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let failed = Failure::to("connect");
        #[expect(clippy::disallowed_methods, reason = "it calls the receiver of this program and nobody else")]
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.target.port)).await.map_err(&failed)?;
        stream.set_nodelay(true).map_err(&failed)?;
        let Some(tls) = &self.tls else { return speak(TokioIo::new(stream)).await };
        let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        speak(TokioIo::new(tls.connect(name, stream).await.map_err(&failed)?)).await
    }

    /// The request, signed with the current time as by the dispatcher: with the page's and Standard Webhooks'
    /// signature.
    fn signed(&self) -> Result<Request<Full<Bytes>>> {
        let (path, headers, body) = &self.target.sample;
        let timestamp = Timestamp::now().as_second().to_string();
        let id = headers.get("webhook-id").map(HeaderValue::as_bytes).unwrap_or_default();
        let page = sign(SECRET.as_bytes(), &[timestamp.as_bytes(), b".", body]);
        let standard = sign(&self.key, &[id, b".", timestamp.as_bytes(), b".", body]);
        let mut request = Request::post(path.as_str());
        for (name, value) in headers {
            request = match name.as_str() {
                "x-nano-timestamp" | "webhook-timestamp" => request.header(name, &timestamp),
                "x-nano-signature" => request.header(name, format!("v1={}", hex::encode(page))),
                "webhook-signature" => request.header(name, format!("v1,{}", STANDARD.encode(standard))),
                // hyper writes this header itself.
                "content-length" => request,
                _ => request.header(name, value),
            };
        }
        request.body(Full::new(body.clone())).map_err(Failure::to("make a request"))
    }
}

async fn speak<S>(stream: S) -> Result<SendRequest<Full<Bytes>>>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    let (requests, connection) = handshake(stream).await.map_err(Failure::to("speak HTTP"))?;
    tokio::task::spawn_local(connection);
    Ok(requests)
}

fn sign(key: &[u8], message: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in message {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
