//! Certificates for the hostile receiver, made again for each run.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::rustls::{
    DEFAULT_VERSIONS, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    version::TLS12,
};

/// A server's certificate, by what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing is wrong.
    Good,
    /// It expired in 2020.
    Expired,
    /// It is valid for another host only.
    OfAnotherHost,
    /// It is self-signed: no authority signed it.
    SelfSigned,
    /// It is self-signed and marked as an authority itself, as `openssl req -x509` makes it.
    OfAnAuthority,
    /// Nothing is wrong, but its server speaks only TLS 1.2.
    GoodOver12,
}

impl Certificate {
    pub(crate) const ALL: [Self; 6] =
        [Self::Good, Self::Expired, Self::OfAnotherHost, Self::SelfSigned, Self::OfAnAuthority, Self::GoodOver12];
}

/// A certificate authority that the process under test trusts through `SSL_CERT_FILE`.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "authority of the hostile receiver");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?))
    }

    /// The authority's own certificate, for `SSL_CERT_FILE`.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// The TLS configuration of a server that presents this certificate for these hosts.
    pub(crate) fn server(&self, certificate: Certificate, hosts: &[&str]) -> Result<Arc<ServerConfig>, Error> {
        let hosts = if certificate == Certificate::OfAnotherHost { &["another.example.com"] } else { hosts };
        let mut params = CertificateParams::new(hosts.iter().copied().map(str::to_owned).collect::<Vec<_>>())?;
        if certificate == Certificate::Expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        if certificate == Certificate::OfAnAuthority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let versions = if certificate == Certificate::GoodOver12 { &[&TLS12][..] } else { DEFAULT_VERSIONS };
        let key = KeyPair::generate()?;
        let certificate = match certificate {
            Certificate::SelfSigned | Certificate::OfAnAuthority => params.self_signed(&key)?,
            _ => params.signed_by(&key, &self.0)?,
        };
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .and_then(|config| {
                let key = PrivateKeyDer::try_from(key.serialize_der()).expect("rcgen writes PKCS #8");
                let chain = vec![CertificateDer::from(certificate.der().to_vec())];
                config.with_no_client_auth().with_single_cert(chain, key)
            });
        Ok(Arc::new(config.expect("the key belongs to the certificate")))
    }
}
