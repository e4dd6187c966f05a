//! The endpoint that receives the deliveries, as fast as a server can be, over HTTP and TLS. It remembers which
//! deliveries arrived, so that no figure counts one that did not.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http_body_util::Full;
use hyper::{HeaderMap, Request, Response, StatusCode, body::Bytes};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    failure::{Failure, Result},
    http::Answer,
};

/// The requests that arrived.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// How often each delivery arrived, by its `webhook-id`.
    pub(crate) deliveries: HashMap<String, u32>,
    /// The last request: its path, headers and body.
    pub(crate) last: Option<(String, HeaderMap, Bytes)>,
}

/// How the receiver answers requests; the path of a webhook's URL selects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers immediately and keeps the connection.
    Keep,
    /// Answers immediately and closes the connection.
    Close,
    /// Answers after 100 ms.
    Slow,
    /// Answers with 400 bytes after 100 ms.
    Talks,
    /// Answers with 500 and 1 KiB that begin differently each time, after 100 ms.
    Fails,
    /// Answers with 500 and the same 1 KiB each time, after 100 ms.
    FailsAlike,
    /// Does not answer within the time that an attempt has.
    Hangs,
    /// Refuses connections.
    Refuses,
}

impl Manner {
    fn path(self) -> &'static str {
        match self {
            Self::Keep => "/keep",
            Self::Close => "/close",
            Self::Slow => "/slow",
            Self::Talks => "/talks",
            Self::Fails => "/fails",
            Self::FailsAlike => "/fails-alike",
            Self::Hangs => "/hangs",
            Self::Refuses => "/",
        }
    }

    /// The URL of a webhook that gets these answers.
    pub(crate) fn url(self, address: &str) -> String {
        // No server listens on port 1.
        let address = if self == Self::Refuses { "http://127.0.0.1:1" } else { address };
        format!("{address}{}", self.path())
    }
}

/// Makes the text of each answer different.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Remembers a request and answers it.
pub(crate) async fn answer(heard: Arc<Mutex<Heard>>, request: Request<Bytes>) -> Answer {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = parts.headers.get("webhook-id").and_then(|id| id.to_str().ok()) {
            *heard.deliveries.entry(id.to_owned()).or_default() += 1;
        }
        heard.last = Some((path.clone(), parts.headers, body));
    }
    let (waits, status, bytes) = if path == Manner::Slow.path() {
        (100, 200, 0)
    } else if path == Manner::Talks.path() {
        (100, 200, 400)
    } else if path == Manner::Fails.path() || path == Manner::FailsAlike.path() {
        (100, 500, 1_024)
    } else if path == Manner::Hangs.path() {
        (15_000, 200, 0)
    } else {
        (0, 200, 0)
    };
    if waits > 0 {
        tokio::time::sleep(Duration::from_millis(waits)).await;
    }
    let number = if path == Manner::FailsAlike.path() { 0 } else { NUMBER.fetch_add(1, Relaxed) };
    // The number is at the front, because only the beginning of an answer is stored.
    let text = if bytes > 0 { format!("{number:x<bytes$}") } else { String::new() };
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = StatusCode::from_u16(status).expect("is a status");
    if path == Manner::Close.path() {
        answer.headers_mut().insert("connection", "close".parse().expect("a header's value"));
    }
    answer
}

/// A certificate for 127.0.0.1 and its new authority: the acceptor for the server, the authority for its clients.
pub(crate) struct Certificate {
    pub(crate) acceptor: TlsAcceptor,
    /// The authority's certificate in PEM, for `SSL_CERT_FILE`.
    pub(crate) authority: String,
    /// The authority's certificate in DER.
    pub(crate) authority_der: CertificateDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Result<Self> {
        let made = Failure::to("make a certificate");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(&made)?;
        let authority = CertifiedIssuer::self_signed(params, key).map_err(&made)?;
        let key = KeyPair::generate().map_err(&made)?;
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).map_err(&made)?;
        let certificate = params.signed_by(&key, &authority).map_err(&made)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(Failure::to("use a key"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key));
        let acceptor = TlsAcceptor::from(Arc::new(config.map_err(Failure::to("set TLS up"))?));
        Ok(Self { acceptor, authority: authority.pem(), authority_der: authority.der().clone() })
    }
}
