//! The URL of a webhook, as a type that only a vetted URL can have.
//!
//! URL parsers disagree, and attacks use the difference: one reads `https://a@b/` as a call to `b`, another as a call
//! to `a`; most read `0x7f.1`, `127。0。0。1` and `%31%32%37.0.0.1` as 127.0.0.1. So a URL must be written exactly as
//! the parser understood it. Then the customer reads, we vet and we call the same URL, with any parser.

use std::{fmt, net::Ipv6Addr};

use url::{Host, Position, Url};

use super::{MAX_URL_BYTES, Policy, UrlError, names, ports, without_final_dot};

/// A URL that may be called under the policy with which it was parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrl {
    text: String,
    path_and_query: String,
    url: Url,
}

impl TargetUrl {
    /// Parses and vets the URL of a webhook.
    ///
    /// It does not resolve the host's name. [`Policy::vet_addresses`] vets the addresses when the URL is called.
    ///
    /// # Errors
    ///
    /// [`UrlError`], whose text is for the customer, if the URL is not written canonically, or its scheme, host or
    /// port may not be called.
    pub fn parse(text: &str, policy: &Policy) -> Result<Self, UrlError> {
        let written = Written::split(text, policy)?;
        let mut url = Url::parse(text)?;
        written.must_mean(&url)?;
        vet_host(&url, policy)?;
        if !policy.local {
            ports::vet(url.port_or_known_default().unwrap_or_default())?;
        }
        // TLS sends a name without its final dot (RFC 6066 section 3). With the dot in the Host header, servers would
        // see two different hosts.
        let dotted = url.host_str().and_then(|host| host.strip_suffix('.'));
        if let Some(host) = dotted.map(str::to_owned) {
            url.set_host(Some(&host))?;
        }
        let path_and_query = written.path_and_query_to_send();
        Ok(Self { text: text.to_owned(), path_and_query, url })
    }

    /// The URL as the customer wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path and query to request, exactly as the customer wrote them. [`TargetUrl::url`] escapes an apostrophe in
    /// the query, and a receiver might not treat both as the same.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// The URL to connect to: the host is ASCII in lower case, without a final dot.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The host of [`TargetUrl::url`]. An IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The parts of a URL as they are written, split without the URL parser's corrections.
struct Written<'a> {
    host: &'a str,
    port: Option<&'a str>,
    path_and_query: &'a str,
}

impl<'a> Written<'a> {
    fn split(text: &'a str, policy: &Policy) -> Result<Self, UrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(UrlError::TooLong { bytes: text.len() });
        }
        if let Some(found) = text.chars().find(|c| is_dropped_or_turned(*c)) {
            return Err(UrlError::Character(found));
        }
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let https = scheme.eq_ignore_ascii_case("https");
        let http = scheme.eq_ignore_ascii_case("http");
        if !(https || http && policy.local) {
            return Err(UrlError::Scheme);
        }
        // `https://a?@b/`: software that ends the authority only at the first slash takes `a?` for a user name and
        // calls `b`. So an @ before the first slash is refused even in a query.
        if until(rest, &['/']).contains('@') {
            return Err(UrlError::UserInfo);
        }
        let authority = until(rest, &['/', '?']);
        if authority.is_empty() {
            return Err(UrlError::NoHost);
        }
        let host = match authority.find(']') {
            Some(bracket) => &authority[..=bracket],
            None => until(authority, &[':']),
        };
        let path_and_query = &rest[authority.len()..];
        match foreign(path_and_query) {
            Some(found) => Err(UrlError::Character(found)),
            None => Ok(Self { host, port: authority[host.len()..].strip_prefix(':'), path_and_query }),
        }
    }

    fn path_and_query_to_send(&self) -> String {
        let slash = if self.path_and_query.starts_with('/') { "" } else { "/" };
        format!("{slash}{}", self.path_and_query)
    }

    /// Fails unless the URL is written as the parser understood it. Three differences are allowed: the case of the
    /// host, a slash added to an empty path, and an apostrophe in the query, which RFC 3986 allows and the URL
    /// standard escapes. Otherwise a host could be vetted as one thing, and called or shown as another.
    fn must_mean(&self, url: &Url) -> Result<(), UrlError> {
        let canonical = url.host_str().unwrap_or_default();
        let host_is_meant = match url.host() {
            Some(Host::Domain(name)) => names::is_spelling_of(self.host, name),
            Some(Host::Ipv4(address)) => self.host == address.to_string(),
            Some(Host::Ipv6(address)) => {
                let inner = self.host.trim_matches(['[', ']']);
                inner.parse::<Ipv6Addr>() == Ok(address)
            }
            None => false,
        };
        if !host_is_meant {
            return Err(UrlError::HostSpelling { written: self.host.to_owned(), canonical: canonical.to_owned() });
        }
        let port = url.port_or_known_default().unwrap_or_default().to_string();
        if self.port.is_some_and(|written| written != port) {
            return Err(UrlError::PortSpelling);
        }
        let mut meant = self.path_and_query_to_send();
        if let Some((path, query)) = meant.split_once('?') {
            meant = format!("{path}?{}", query.replace('\'', "%27"));
        }
        if meant == url[Position::BeforePath..] { Ok(()) } else { Err(UrlError::PathSpelling) }
    }
}

fn vet_host(url: &Url, policy: &Policy) -> Result<(), UrlError> {
    let host = url.host_str().unwrap_or_default();
    if policy.is_own_host(host) {
        let host = host.to_owned();
        return Err(UrlError::OwnHost { host });
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        Some(Host::Domain(name)) => return names::vet(without_final_dot(name), policy.local),
        None => return Err(UrlError::NoHost),
    };
    policy
        .vet_address(address)
        .map_err(|forbidden| UrlError::NotPublic { host: host.to_owned(), reason: forbidden.block().name })
}

/// Returns the first character of a path and query that RFC 3986 (sections 3.3 and 3.4) does not allow there.
fn foreign(path_and_query: &str) -> Option<char> {
    let mut rest = path_and_query.chars();
    while let Some(c) = rest.next() {
        let allowed = match c {
            '%' => rest.as_str().bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2,
            _ => c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?".contains(c),
        };
        if !allowed {
            return Some(c);
        }
    }
    None
}

fn is_dropped_or_turned(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '\\'
}

/// The text before the first of `ends`, or all of it.
fn until<'a>(text: &'a str, ends: &[char]) -> &'a str {
    text.split(ends).next().unwrap_or(text)
}
