//! Decides which URLs and addresses this service may call.
//!
//! Strangers choose the URLs, and the service calls them from inside somebody's AWS account. Without this module a
//! webhook would be a way into that account's networks, its metadata services and Lambda's own runtime API, and the
//! delivery log would show the answers.
//!
//! There are two checks, and both are needed:
//!
//! 1. *May this URL be called?* [`TargetUrl::parse`] decides when a webhook is registered, and again before every
//!    send, because the rules get stricter and a stored URL does not change.
//! 2. *May this address be called?* [`Policy::vet_addresses`] decides at connect time, on the very DNS answers that
//!    the connection uses. A check with its own look-up could get one answer, and the call another (DNS rebinding).
//!
//! An IP literal in a URL is never resolved, so `TargetUrl::parse` also vets it as an address.
//!
//! The rules are data, one row each: addresses in [`FORBIDDEN_BLOCKS`], names in `names.rs`, ports in `ports.rs`.
//! Redirects, proxies and deadlines are the sender's concern.

mod addresses;
mod names;
mod origin;
mod ports;
mod target_url;
mod url_error;

use std::net::IpAddr;

use url::Url;

pub use addresses::{FORBIDDEN_BLOCKS, ForbiddenBlock, Network};
pub(crate) use names::{is_spelling_of, syntax_error};
pub use origin::origin;
pub use target_url::TargetUrl;
pub use url_error::{MAX_URL_BYTES, UrlError};

/// The rules for what this deployment may call.
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
    /// Also allows plain http, any port and loopback addresses. In production that would expose Lambda's runtime API
    /// on 127.0.0.1:9001, whose next event belongs to another customer.
    local: bool,
    own_hosts: Vec<String>,
}

impl Policy {
    /// Production: https to public hosts only.
    pub const fn strict() -> Self {
        Self { local: false, own_hosts: Vec::new() }
    }

    /// A developer's machine: like [`Policy::strict`], but also allows plain http, any port, `localhost`,
    /// `*.localhost`, 127.0.0.0/8 and `::1`.
    pub const fn local() -> Self {
        Self { local: true, own_hosts: Vec::new() }
    }

    /// Adds names of this service's own API, which are then refused as targets. Each may be a host name or a whole
    /// `Host` header. Port, case and a trailing dot do not matter; a text that is not a host is ignored.
    ///
    /// A webhook to our own API would let a customer make the service call itself, so that each delivery causes
    /// another.
    #[must_use]
    pub fn with_own_hosts(mut self, hosts: impl IntoIterator<Item = String>) -> Self {
        self.own_hosts.extend(hosts.into_iter().filter_map(|host| {
            // Parsed like a target, so that both have the same spelling.
            let url = Url::parse(&format!("https://{host}/")).ok()?;
            url.host_str().map(|host| without_final_dot(host).to_owned())
        }));
        self
    }

    /// Checks whether a connection to this address may be opened.
    ///
    /// # Errors
    ///
    /// [`Forbidden`] if the address is in one of [`FORBIDDEN_BLOCKS`].
    pub fn vet_address(&self, address: IpAddr) -> Result<(), Forbidden> {
        if self.local && address.is_loopback() {
            return Ok(());
        }
        match addresses::forbidding(address) {
            Some(block) => Err(Forbidden { address, block }),
            None => Ok(()),
        }
    }

    /// Checks whether a name with these DNS answers may be called.
    ///
    /// One forbidden answer refuses the name. Using only the allowed ones would let the order of the answers decide,
    /// which the owner of the name server controls. An empty list is allowed: the caller reports it as a failed
    /// look-up.
    ///
    /// # Errors
    ///
    /// [`Forbidden`] for the first answer that [`Policy::vet_address`] refuses.
    pub fn vet_addresses(&self, answers: impl IntoIterator<Item = IpAddr>) -> Result<(), Forbidden> {
        answers.into_iter().try_for_each(|address| self.vet_address(address))
    }

    /// The name to ask the system's resolver for. Under the strict policy it ends with a dot, which marks it as
    /// complete.
    ///
    /// Without the dot, a resolver that does not find a name completes it from the network's search list. A stranger
    /// could then learn, from whether `db.prod` is refused or not found, which names exist in our network. A
    /// developer's machine has no such secrets, but it has a hosts file, which only knows names without the dot.
    pub fn name_to_resolve(&self, name: &str) -> String {
        if self.local { name.to_owned() } else { format!("{name}.") }
    }

    /// `host` must be spelled as the URL parser spells it.
    fn is_own_host(&self, host: &str) -> bool {
        let host = without_final_dot(host);
        self.own_hosts.iter().any(|own| own == host)
    }
}

/// An address that must not be called.
///
/// `Display` is for the customer and names neither the address nor the block: a stranger who learns what an internal
/// name resolves to could map our network with one webhook per guess. Our logs use [`Forbidden::address`] and
/// [`Forbidden::block`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host has an address that is not public")]
pub struct Forbidden {
    address: IpAddr,
    block: &'static ForbiddenBlock,
}

impl Forbidden {
    /// The refused address. For logs, never for customers.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The rule that refuses it. For logs, never for customers.
    pub const fn block(&self) -> &'static ForbiddenBlock {
        self.block
    }
}

/// Removes a final dot: `example.com.` and `example.com` are one host. With its dot, `localhost.` would pass every
/// rule about names.
pub(crate) fn without_final_dot(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}
