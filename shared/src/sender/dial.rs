//! New connections: look-up, vetting, TCP, TLS.
//!
//! The addresses that are vetted are the addresses that are dialled; the name is not resolved again.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, LazyLock},
    thread,
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::{
    connection::Connection,
    socket::{Socket, Stream},
};
use crate::{attempt::Outcome, egress::Policy, tls};

/// The time limit for a connection, including its DNS look-up and TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How many of a name's addresses are tried. They share the time, so that one dead address does not use all of it.
const MOST_ADDRESSES: usize = 4;

static TLS: LazyLock<TlsConnector> = LazyLock::new(connector);

/// Starts to read the root certificates, so that the first https connection need not wait for all of it.
pub(super) fn read_roots() {
    thread::spawn(|| LazyLock::force(&TLS));
}

/// Connects to the URL's host. Fails if the policy forbids any of the host's addresses.
pub(super) async fn dial(url: &Url, policy: &Policy) -> Result<Connection, Outcome> {
    let by = Instant::now() + CONNECT_TIMEOUT;
    let late = || format!("not within {} s", CONNECT_TIMEOUT.as_secs());
    let addresses =
        timeout_at(by, resolve(url, policy)).await.unwrap_or_else(|_| Err(Outcome::Dns { detail: late() }))?;
    let socket = match timeout_at(by, connect(&addresses, by)).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(err)) if err.kind() != io::ErrorKind::TimedOut => {
            return Err(Outcome::Connect { detail: err.kind().to_string() });
        }
        Ok(Err(_)) | Err(_) => return Err(Outcome::Connect { detail: late() }),
    };
    if url.scheme() != "https" {
        return Ok(Connection::new(Stream::Plain(socket)));
    }
    let handshake = timeout_at(by, handshake(url, socket)).await;
    Ok(Connection::new(handshake.unwrap_or_else(|_| Err(Outcome::Tls { detail: late() }))?))
}

async fn handshake(url: &Url, socket: Socket) -> Result<Stream, Outcome> {
    let name = match url.host() {
        Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()),
        Some(Host::Ipv4(address)) => Ok(ServerName::from(IpAddr::from(address))),
        Some(Host::Ipv6(address)) => Ok(ServerName::from(IpAddr::from(address))),
        None => ServerName::try_from(String::new()),
    };
    let name = name.map_err(|_| Outcome::Tls { detail: "no certificate can be for such a host name".into() })?;
    match TLS.connect(name, socket).await {
        Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
        Err(err) => Err(Outcome::Tls { detail: explain_handshake(&err) }),
    }
}

fn explain_handshake(err: &io::Error) -> String {
    match err.get_ref().and_then(|cause| cause.downcast_ref()) {
        Some(refusal) => tls::explain(refusal).to_owned(),
        None if err.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed the connection during the handshake: its log may say why".to_owned()
        }
        None => err.kind().to_string(),
    }
}

fn connector() -> TlsConnector {
    let mut config = tls::with_the_systems_roots();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// The addresses of the URL's host, all vetted. They are not resolved again: an attacker's name could be public for
/// the check and private a moment later.
async fn resolve(url: &Url, policy: &Policy) -> Result<Vec<SocketAddr>, Outcome> {
    let port = url.port_or_known_default().unwrap_or_default();
    let addresses: Vec<SocketAddr> = match url.host() {
        Some(Host::Ipv4(address)) => vec![(address, port).into()],
        Some(Host::Ipv6(address)) => vec![(address, port).into()],
        Some(Host::Domain(name)) => {
            let found = lookup_host((policy.name_to_resolve(name), port)).await;
            found.map_err(|err| Outcome::Dns { detail: explain_lookup(&err) })?.collect()
        }
        None => Vec::new(),
    };
    if addresses.is_empty() {
        return Err(Outcome::Dns { detail: "it has no addresses".into() });
    }
    if let Err(forbidden) = policy.vet_addresses(addresses.iter().map(SocketAddr::ip)) {
        let (host, address, block) = (url.host_str(), forbidden.address(), forbidden.block());
        tracing::warn!(host, %address, %block, "a target's name has a forbidden address");
        let resolved = matches!(url.host(), Some(Host::Domain(_)));
        return Err(Outcome::Blocked { detail: forbidden.to_string(), resolved });
    }
    Ok(addresses)
}

/// Returns the first connection that succeeds, in the system's order of addresses, which reflects the routes that it
/// has.
async fn connect(addresses: &[SocketAddr], by: Instant) -> io::Result<Socket> {
    let mut failure = io::ErrorKind::AddrNotAvailable.into();
    for (tried, address) in addresses.iter().take(MOST_ADDRESSES).enumerate() {
        let untried = u32::try_from(addresses.len().min(MOST_ADDRESSES) - tried).expect("a handful");
        let share = by.saturating_duration_since(Instant::now()) / untried;
        #[expect(clippy::disallowed_methods, reason = "this is where the sender dials")]
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Socket::new(stream),
            Ok(Err(err)) => failure = err,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failure)
}

/// The resolver's error, without the words that every failure has.
fn explain_lookup(err: &io::Error) -> String {
    let text = err.to_string();
    text.strip_prefix("failed to lookup address information: ").unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn an_address_is_vetted_even_where_no_name_was_looked_up() {
        let refused = resolve(&url("https://169.254.169.254/"), &Policy::local()).await;
        assert!(matches!(refused, Err(Outcome::Blocked { resolved: false, .. })), "{refused:?}");
    }

    #[tokio::test]
    async fn a_dead_address_leaves_time_for_the_next() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let alive = listener.local_addr().unwrap();
        let dead = (Ipv4Addr::LOCALHOST, 1).into();
        assert!(connect(&[dead, alive], Instant::now() + CONNECT_TIMEOUT).await.is_ok());
        let failure = connect(&[dead], Instant::now() + CONNECT_TIMEOUT).await.unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::ConnectionRefused);
    }
}
