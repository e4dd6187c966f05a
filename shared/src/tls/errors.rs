//! Explains TLS errors to a customer who knows their server but not our library.
//!
//! All texts are written here. The library's own words, above all the names of its types, never reach a customer: an
//! error without a sentence of its own gets a general one.

use rustls::{AlertDescription as Alert, CertificateError, Error, InvalidMessage, PeerIncompatible, PeerMisbehaved};

const NO_TLS: &str = "what came is not TLS: set TLS up on this port, or use the URL of one that has it";
const TOO_OLD: &str = "the server speaks no TLS version that we accept: enable TLS 1.2 or 1.3";
const NOTHING_IN_COMMON: &str = "the server has no cipher suite or key exchange in common with us: enable TLS 1.3, or TLS 1.2 with ECDHE and \
     AES-GCM or ChaCha20";
const NO_CLIENT_CERTIFICATE: &str =
    "the server wants a client certificate, which we do not have: switch that off for this URL";
const UNKNOWN_NAME: &str =
    "the server has no site of this name: check the host in the URL, and the names that the server is set up for";
const BROKEN: &str =
    "the server broke the rules of TLS: update its TLS library, or look at the proxy or balancer before it";
const CHAIN: &str = "the certificate chain does not hold together: send the server's certificate first, then the intermediate \
     certificates of its authority";
const UNREADABLE: &str = "the certificate cannot be read: get a new one from a public authority";

/// Says what is wrong, and what the customer can do about it.
pub(crate) fn explain(err: &Error) -> &'static str {
    match err {
        Error::InvalidCertificate(err) => certificate(err),
        Error::AlertReceived(alert) => refusal(*alert),
        Error::InvalidMessage(err) => message(err),
        Error::PeerIncompatible(err) => incompatible(err),
        Error::PeerMisbehaved(PeerMisbehaved::TooManyWarningAlertsReceived) => UNKNOWN_NAME,
        Error::NoCertificatesPresented => "the server sent no certificate: set one up for this host",
        Error::NoApplicationProtocol => "the server does not offer HTTP/1.1 on this port: enable it",
        Error::PeerSentOversizedRecord => NO_TLS,
        Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::DecryptError => BROKEN,
        _ => "the TLS session failed: look at the server's log, and whether other TLS clients reach it",
    }
}

fn certificate(err: &CertificateError) -> &'static str {
    use CertificateError as E;
    match err {
        E::Expired | E::ExpiredContext { .. } => "the certificate is expired: renew it",
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "the certificate is not valid yet: use one whose time has begun"
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "the certificate is for another host: use one for the host in the URL"
        }
        E::UnknownIssuer => {
            "the certificate is self-signed, from an unknown authority, or an intermediate certificate is missing: use \
             one from a public authority, and send its intermediate certificates too"
        }
        E::Revoked => "the certificate is revoked: get a new one",
        E::BadEncoding => UNREADABLE,
        E::BadSignature => CHAIN,
        E::UnsupportedSignatureAlgorithmContext { .. } | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the certificate is signed in a way that is not accepted, such as with SHA-1: use one that is signed with \
             RSA or ECDSA and SHA-256"
        }
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "the certificate is not for servers: use one whose extended key usage has server authentication"
        }
        E::Other(other) => other.0.downcast_ref().map_or(UNREADABLE, chain),
        _ => "the certificate is not accepted: use one from a public authority",
    }
}

/// Explains an error that the certificate library found and rustls has no name for.
fn chain(err: &webpki::Error) -> &'static str {
    use webpki::Error as E;
    match err {
        E::CaUsedAsEndEntity => {
            "the certificate is an authority's (CA:TRUE), as `openssl req -x509` makes it: use one that a public \
             authority issued for this host"
        }
        E::UnsupportedCertVersion => "the certificate is X.509 version 1: use one of version 3",
        E::EndEntityUsedAsCa
        | E::PathLenConstraintViolated
        | E::NameConstraintViolation
        | E::MaximumNameConstraintComparisonsExceeded
        | E::MaximumPathBuildCallsExceeded
        | E::MaximumPathDepthExceeded
        | E::MaximumSignatureChecksExceeded => CHAIN,
        _ => UNREADABLE,
    }
}

/// Explains the alert with which the server ended the session.
fn refusal(alert: Alert) -> &'static str {
    match alert {
        Alert::ProtocolVersion => TOO_OLD,
        Alert::UnrecognisedName => UNKNOWN_NAME,
        Alert::InsufficientSecurity => NOTHING_IN_COMMON,
        Alert::HandshakeFailure => {
            "the server refused the handshake: enable TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20, and ask for \
             no client certificate"
        }
        Alert::NoApplicationProtocol => "the server does not offer HTTP/1.1 on this port: enable it",
        Alert::CertificateRequired
        | Alert::NoCertificate
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied => NO_CLIENT_CERTIFICATE,
        _ => "the server ended the TLS session with an alert: its log says why",
    }
}

fn message(err: &InvalidMessage) -> &'static str {
    use InvalidMessage as E;
    match err {
        E::InvalidContentType | E::UnknownProtocolVersion | E::MessageTooLarge | E::InvalidEmptyPayload => NO_TLS,
        E::HandshakePayloadTooLarge | E::CertificatePayloadTooLarge => {
            "the server's certificates are more than 64 KiB: send its own and the intermediate ones only"
        }
        _ => BROKEN,
    }
}

fn incompatible(err: &PeerIncompatible) -> &'static str {
    use PeerIncompatible as E;
    match err {
        E::ServerDoesNotSupportTls12Or13
        | E::ServerTlsVersionIsDisabledByOurConfig
        | E::SupportedVersionsExtensionRequired => TOO_OLD,
        E::NoCipherSuitesInCommon
        | E::NoEcPointFormatsInCommon
        | E::NoKxGroupsInCommon
        | E::NoSignatureSchemesInCommon
        | E::EcPointsExtensionRequired
        | E::UncompressedEcPointsRequired
        | E::NamedGroupsExtensionRequired
        | E::KeyShareExtensionRequired => NOTHING_IN_COMMON,
        E::NoCertificateRequestSignatureSchemesInCommon => NO_CLIENT_CERTIFICATE,
        _ => BROKEN,
    }
}

#[cfg(test)]
mod tests;
