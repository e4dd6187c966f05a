//! Whom we may call.
//!
//! Strangers choose the URLs that this service calls, and it calls them from inside somebody's AWS account. Without
//! this module a webhook would be a way into that account's networks, its metadata services and Lambda's own runtime
//! API, with the delivery log to read the answers from.
//!
//! Two questions are asked, and each needs its own answer:
//!
//! 1. *Is this URL fit to be called?* [`TargetUrl::parse`], once when a webhook is registered and again before every
//!    send, because rules get stricter and stored URLs do not.
//! 2. *Is this address fit to be called?* [`Policy::vet_addresses`], on the very answers that the connection will use:
//!    by the client's own resolver, at connect time. A check that resolves for itself and connects later can be given
//!    one answer for the check and another for the call (DNS rebinding).
//!
//! An IP literal in a URL does not pass through a resolver, so `TargetUrl::parse` vets it as an address too.
//!
//! What is refused is data, one row per rule: addresses in [`FORBIDDEN_BLOCKS`], names in `names.rs`, ports in
//! `ports.rs`. Redirects, proxies and deadlines are the sender's.

mod addresses;
mod names;
mod ports;
mod target_url;

use std::net::IpAddr;

use url::Url;

pub use addresses::{FORBIDDEN_BLOCKS, ForbiddenBlock, Network};
pub use target_url::{MAX_URL_BYTES, TargetUrl, UrlError};

/// What this deployment may call.
///
/// ```
/// use nano_webhooks::egress::{Policy, TargetUrl};
///
/// let policy = Policy::strict().with_own_hosts(["api.nano.test".to_owned()]);
/// assert!(TargetUrl::parse("https://example.com/hook", &policy).is_ok());
/// assert!(TargetUrl::parse("https://169.254.169.254/", &policy).is_err());
/// ```
#[derive(Debug, Clone)]
pub struct Policy {
    /// Lets plain http, any port and the loopback of a laptop through. In production that would open Lambda's runtime
    /// API on 127.0.0.1:9001, whose next event belongs to another customer.
    local: bool,
    own_hosts: Vec<String>,
}

impl Policy {
    /// Production: https to public hosts.
    pub const fn strict() -> Self {
        Self { local: false, own_hosts: Vec::new() }
    }

    /// A laptop: as [`Policy::strict`], and also plain http, any port, `localhost`, `*.localhost`, 127.0.0.0/8 and
    /// `::1`.
    pub const fn local() -> Self {
        Self { local: true, own_hosts: Vec::new() }
    }

    /// Adds the names under which this service's own API is reached: host names, or whole `Host` headers. Port, case
    /// and a trailing dot do not matter, and what is no host is passed over.
    ///
    /// They are refused as targets: a webhook on our own API would let a customer make us call ourselves, and each
    /// delivery cause another.
    #[must_use]
    pub fn with_own_hosts(mut self, hosts: impl IntoIterator<Item = String>) -> Self {
        self.own_hosts.extend(hosts.into_iter().filter_map(|host| {
            // Through the parser that targets go through, so that both are spelled alike.
            let url = Url::parse(&format!("https://{host}/")).ok()?;
            url.host_str().map(|host| without_final_dot(host).to_owned())
        }));
        self
    }

    /// Whether a connection to this address may be opened.
    ///
    /// # Errors
    ///
    /// [`Forbidden`] when the address lies in one of [`FORBIDDEN_BLOCKS`].
    pub fn vet_address(&self, address: IpAddr) -> Result<(), Forbidden> {
        if self.local && address.is_loopback() {
            return Ok(());
        }
        match addresses::forbidding(address) {
            Some(block) => Err(Forbidden { address, block }),
            None => Ok(()),
        }
    }

    /// Whether a name with these DNS answers may be called.
    ///
    /// One forbidden answer refuses the name. Picking the good ones instead would leave the choice to the order of the
    /// answers, which belongs to whoever runs the name server. No answers are no objection: that is a failed
    /// resolution, which the caller reports as such.
    ///
    /// # Errors
    ///
    /// [`Forbidden`] for the first answer that [`Policy::vet_address`] refuses.
    pub fn vet_addresses(&self, answers: impl IntoIterator<Item = IpAddr>) -> Result<(), Forbidden> {
        answers.into_iter().try_for_each(|address| self.vet_address(address))
    }

    /// A host's name as the system's resolver is to be asked for it: with the final dot that says that it is whole.
    ///
    /// Without the dot a resolver completes a name that it does not find from the network's search list. Whether `db.prod`
    /// is then refused or not found would tell a stranger which names there are in the network behind us. A laptop has no
    /// such secrets, but a hosts file, which only knows names without the dot.
    pub fn name_to_resolve(&self, name: &str) -> String {
        if self.local { name.to_owned() } else { format!("{name}.") }
    }

    /// `host` as the URL parser has it.
    fn is_own_host(&self, host: &str) -> bool {
        let host = without_final_dot(host);
        self.own_hosts.iter().any(|own| own == host)
    }
}

/// An address that must not be called.
///
/// `Display` is for the customer and names neither the address nor the block: told what an internal name resolves to, a
/// stranger could map the network behind us with one webhook per guess. Our logs take [`Forbidden::address`] and
/// [`Forbidden::block`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host has an address that is not public")]
pub struct Forbidden {
    address: IpAddr,
    block: &'static ForbiddenBlock,
}

impl Forbidden {
    /// The refused address. For logs, not for customers.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The rule that refuses it. For logs, not for customers.
    pub const fn block(&self) -> &'static ForbiddenBlock {
        self.block
    }
}

/// `example.com.` and `example.com` are one host. Compared with its dot, a fully qualified `localhost.` would pass
/// every rule about names.
fn without_final_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}
