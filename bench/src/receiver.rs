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
    /// Answers with 500 and an error page of 1 KiB, after 100 ms. Its time and the request's id differ each time.
    Fails,
    /// Answers with 500 and the same 1 KiB each time, after 100 ms.
    FailsAlike,
    /// Answers with 500 and 1 KiB of random letters, after 100 ms.
    FailsAtRandom,
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
            Self::FailsAtRandom => "/fails-at-random",
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

/// Makes answers different.
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
    let number = || NUMBER.fetch_add(1, Relaxed);
    let (waits, status, text) = if path == Manner::Slow.path() {
        (100, 200, String::new())
    } else if path == Manner::Talks.path() {
        (100, 200, format!("{:x<400}", number()))
    } else if path == Manner::Fails.path() {
        (100, 500, page(number()))
    } else if path == Manner::FailsAlike.path() {
        (100, 500, page(0))
    } else if path == Manner::FailsAtRandom.path() {
        (100, 500, letters(number(), 1_024))
    } else if path == Manner::Hangs.path() {
        (15_000, 200, String::new())
    } else {
        (0, 200, String::new())
    };
    if waits > 0 {
        tokio::time::sleep(Duration::from_millis(waits)).await;
    }
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = StatusCode::from_u16(status).expect("is a status");
    if path == Manner::Close.path() {
        answer.headers_mut().insert("connection", "close".parse().expect("a header's value"));
    }
    answer
}

/// An error page of 1 KiB. The id and the time of the request are in its first half, because only the beginning of an answer
/// is stored.
fn page(number: u64) -> String {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>500 Internal Server Error</title>\n\
         <style>body {{ font: 16px sans-serif; margin: 4em auto; max-width: 40em }} .id {{ color: #666 }}</style></head>\n\
         <body><h1>Something went wrong</h1>\n<p>We could not process your request. Our engineers have been told.</p>\n\
         <p class=\"id\">Request {}, {:.3}</p>\n<p>The server could not complete the request because a service behind \
         it did not answer in time. You may repeat the request: it is safe to send it more than once. If the problem \
         persists, quote the id of the request.</p>\n<ul><li>Is the service in maintenance? See the status page.</li>\n\
         <li>Are you a customer? The console shows what happened to each request.</li>\n\
         <li>Do you run this server? Its log has the cause under the id of the request.</li></ul>\n</body></html>\n",
        letters(number, 24),
        jiff::Timestamp::UNIX_EPOCH + Duration::from_millis(1_767_322_800_000 + number * 37_409),
    );
    format!("{page: <1024}")
}

/// Random letters and digits, the same for the same number.
fn letters(number: u64, count: usize) -> String {
    let mut random = fastrand::Rng::with_seed(number);
    std::iter::repeat_with(|| random.alphanumeric()).take(count).collect()
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
