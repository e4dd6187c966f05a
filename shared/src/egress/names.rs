//! The host names that may be called.
//!
//! This is not the main protection: a name that passes is resolved later, and its addresses are vetted then. This
//! check refuses at registration, with a reason, names to which no delivery could ever succeed. It also prevents DNS
//! look-ups of names under `.internal`, `.lan` and the like, which exist only inside a private network.

use super::UrlError;

/// The longest name, in bytes (RFC 1035 section 2.3.4, without the root label).
const MAX_NAME_BYTES: usize = 253;
/// The longest label, in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// Checks whether a webhook may be on a host of this name. The name must be ASCII, in lower case, without a final
/// dot. `local` also allows `localhost` and `*.localhost`.
///
/// # Errors
///
/// [`UrlError::HostName`] if this is not a host name, [`UrlError::NotPublic`] if the name is not public.
pub(super) fn vet(name: &str, local: bool) -> Result<(), UrlError> {
    if let Some(problem) = syntax_error(name) {
        let host = name.to_owned();
        return Err(UrlError::HostName { host, problem });
    }
    if local && is_within(name, "localhost") {
        return Ok(());
    }
    match not_public(name) {
        Some(reason) => Err(UrlError::NotPublic { host: name.to_owned(), reason }),
        None => Ok(()),
    }
}

/// The rule of RFC 1123 section 2.1 that a name breaks. Underscores are allowed: they are not in the standard, but
/// real host names have them, and TLS libraries accept them.
pub(crate) fn syntax_error(name: &str) -> Option<&'static str> {
    if name.len() > MAX_NAME_BYTES {
        return Some("it is longer than 253 bytes");
    }
    name.split('.').find_map(|label| {
        if label.is_empty() {
            Some("it has an empty label")
        } else if label.len() > MAX_LABEL_BYTES {
            Some("it has a label of more than 63 bytes")
        } else if label.starts_with('-') || label.ends_with('-') {
            Some("it has a label that begins or ends with a hyphen")
        } else if !label.bytes().all(is_name_byte) {
            Some("it may have only letters, digits, hyphens, underscores and dots")
        } else {
            None
        }
    })
}

/// Whether `written` spells this name, in ASCII or in normalised Unicode. Other spellings are refused: the URL parser
/// turns full-width digits, soft hyphens and the like into other characters.
pub(crate) fn is_spelling_of(written: &str, name: &str) -> bool {
    let written = written.to_ascii_lowercase();
    written == name || written == url::quirks::domain_to_unicode(name)
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn not_public(name: &str) -> Option<&'static str> {
    if !name.contains('.') {
        // `metadata`, `instance-data`, `ip6-loopback`: a resolver completes such names from the network's search list
        // or the machine's hosts file.
        return Some("it has no dot");
    }
    NOT_PUBLIC.iter().find(|(domain, _)| is_within(name, domain)).map(|(_, reason)| *reason)
}

/// Whether a name is this domain or below it. `notlocalhost` is not within `localhost`.
fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

const METADATA: &str = "it is a metadata service";

/// Domains that may not be called, each with the reason that the customer reads. A row covers the domain and all
/// names below it.
#[rustfmt::skip]
const NOT_PUBLIC: &[(&str, &str)] = &[
    // IANA Special-Use Domain Names. `example.com` and similar names are also listed there, but they are delegated
    // and answer.
    ("alt", ".alt is not in the DNS, RFC 9476"),
    ("arpa", ".arpa is for infrastructure, RFC 3172"), // with home.arpa, RFC 8375
    ("example", ".example is reserved for documentation, RFC 6761"),
    ("invalid", ".invalid never resolves, RFC 6761"),
    ("local", ".local is for local networks, RFC 6762"),
    ("localhost", "localhost is the calling machine itself, RFC 6761"),
    ("onion", ".onion is not in the DNS, RFC 7686"),
    ("test", ".test is reserved for testing, RFC 6761"),

    // Top-level domains that ICANN keeps out of the DNS because private networks use them (RFC 6762 appendix G;
    // .internal by ICANN, 2024; .mail, with .corp and .home, by ICANN, 2018).
    ("corp", ".corp is for private networks"),
    ("home", ".home is for private networks"),
    ("internal", ".internal is for private networks"), // metadata.google.internal
    ("intranet", ".intranet is for private networks"),
    ("lan", ".lan is for private networks"),
    ("mail", ".mail is for private networks"),
    ("private", ".private is for private networks"),

    // Names that hosts files and cluster resolvers add.
    ("localdomain", ".localdomain is for private networks"),
    ("svc", ".svc is for Kubernetes clusters"),

    // Metadata services under public domains, each as its provider documents it. Other providers document only
    // addresses (see `addresses.rs`), names without a dot (`metadata`, `instance-data`, CloudStack's `data-server`),
    // or names under .internal (Google's and Yandex's metadata.google.internal, EC2's instance-data.ec2.internal,
    // Rancher's).
    // Google: https://docs.cloud.google.com/compute/docs/metadata/querying-metadata
    ("metadata.goog", METADATA),
    // Tencent Cloud: https://www.tencentcloud.com/document/product/213/4934
    ("metadata.tencentyun.com", METADATA),
    // Equinix Metal, on a public address: https://metal.equinix.com/developers/docs/server-metadata/metadata/
    ("metadata.platformequinix.com", METADATA),
    // Packet, which became Equinix Metal: https://github.com/packethost/packngo/tree/master/metadata
    ("metadata.packet.net", METADATA),
    // IBM Cloud VPC: https://cloud.ibm.com/apidocs/vpc-metadata
    ("api.metadata.cloud.ibm.com", METADATA),
    // IBM Cloud classic (SoftLayer): https://sldn.softlayer.com/reference/services/SoftLayer_Resource_Metadata/
    ("api.service.softlayer.com", METADATA),
    // Exoscale: https://community.exoscale.com/product/compute/instances/how-to/cloud-init-user-data/
    ("metadata.exoscale.com", METADATA),

    // Wildcard DNS services: the name contains the address that it resolves to.
    ("1u.ms", "names under 1u.ms stand for any address"),
    ("backname.io", "names under backname.io stand for any address"),
    ("local-ip.sh", "names under local-ip.sh stand for any address"),
    ("nip.io", "names under nip.io stand for any address"),
    ("rbndr.us", "names under rbndr.us stand for any address"),
    ("sslip.io", "names under sslip.io stand for any address"),
    ("traefik.me", "names under traefik.me stand for any address"),
    ("xip.io", "names under xip.io stand for any address"),

    // Public names for 127.0.0.1.
    ("ddev.site", "names under ddev.site stand for the calling machine"),
    ("fuf.me", "names under fuf.me stand for the calling machine"),
    ("lacolhost.com", "names under lacolhost.com stand for the calling machine"),
    ("lndo.site", "names under lndo.site stand for the calling machine"),
    ("localhost.direct", "names under localhost.direct stand for the calling machine"),
    ("localhst.co.uk", "names under localhst.co.uk stand for the calling machine"),
    ("localtest.me", "names under localtest.me stand for the calling machine"),
    ("lvh.me", "names under lvh.me stand for the calling machine"),
    ("vcap.me", "names under vcap.me stand for the calling machine"),
];
