//! Why a URL cannot be a webhook's.

/// The longest URL that a webhook may have, in bytes.
pub const MAX_URL_BYTES: usize = 2_048;

/// Why a URL cannot be a webhook's. `Display` is the text for the customer, and begins with the field's name, `url`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Longer than [`MAX_URL_BYTES`].
    #[error("url is {} bytes long; the limit is {}", grouped(*.bytes), grouped(MAX_URL_BYTES))]
    TooLong {
        /// The URL's length.
        bytes: usize,
    },
    /// A character that RFC 3986 does not allow. Parsers silently drop some of these and read others as slashes;
    /// servers such as Tomcat refuse the rest.
    #[error("url contains {0:?}, which may not stand in a URL; remove it, or write it as {escape}", escape = escaped(*.0))]
    Character(char),
    /// Fragments are never sent, so the customer would expect something that cannot happen.
    #[error("url must have no fragment (#…)")]
    Fragment,
    /// Not https, or not followed by two slashes.
    #[error("url must use https and start with https://")]
    Scheme,
    /// There is nothing, or a third slash, in place of the host.
    #[error("url must have a host right after https://, with no further slash between them")]
    NoHost,
    /// Credentials in URLs end up in logs, and parsers disagree about ambiguous forms.
    #[error("url must not contain a user name or password, or an @ before its path")]
    UserInfo,
    /// The URL parser refused it.
    #[error("url is not valid: {0}")]
    Malformed(#[from] url::ParseError),
    /// A host that does not mean what is written.
    #[error("url host {written:?} must be written as {canonical:?}")]
    HostSpelling {
        /// The host as it is written in the URL.
        written: String,
        /// The host as the parser understood it.
        canonical: String,
    },
    /// A port that is empty or has leading zeros.
    #[error("url port must be written as a plain number, or left out with its colon")]
    PortSpelling,
    /// A path that would be called differently from how it is written.
    #[error("url path must have no \".\" or \"..\" segments")]
    PathSpelling,
    /// Not a host name.
    #[error("url host {host:?} is not a valid host name: {problem}")]
    HostName {
        /// The host as the parser understood it.
        host: String,
        /// The rule that the name breaks.
        problem: &'static str,
    },
    /// A name or an address that has no public meaning.
    #[error("url host {host:?} cannot be called: it is not a public host ({reason})")]
    NotPublic {
        /// The host as the parser understood it.
        host: String,
        /// The rule that refuses it.
        reason: &'static str,
    },
    /// The host is this service's own API.
    #[error("url host {host:?} cannot be called: it is this service itself")]
    OwnHost {
        /// The host as the parser understood it.
        host: String,
    },
    /// A port below 1024 other than 443.
    #[error("url port {port} is not allowed; use 443, 8443 or a port from 1024 up")]
    PortTooLow {
        /// The refused port.
        port: u16,
    },
    /// The well-known port of another service.
    #[error("url port {port} is not allowed, it belongs to {service}; use 443, 8443 or another port from 1024 up")]
    PortOfService {
        /// The refused port.
        port: u16,
        /// The service that usually uses the port.
        service: &'static str,
    },
}

/// Formats 2048 as `2,048`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A character's UTF-8 bytes, each percent-encoded.
fn escaped(c: char) -> String {
    c.to_string().bytes().fold(String::new(), |escaped, byte| escaped + &format!("%{byte:02X}"))
}
