//! Certificates for the hostile receiver, made anew for each run.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, IsCa, KeyPair, date_time_ymd};
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};

/// A server's certificate: what is wrong with it, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing.
    Good,
    /// It was good until 2020.
    Expired,
    /// It is good, for another host.
    OfAnotherHost,
    /// No authority signed it.
    SelfSigned,
}

impl Certificate {
    pub(crate) const ALL: [Self; 4] = [Self::Good, Self::Expired, Self::OfAnotherHost, Self::SelfSigned];
}

/// An authority that a process under test can be told to trust.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Result<Self, Error> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "authority of the hostile receiver");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?))
    }

    /// Its own certificate, for `SSL_CERT_FILE`.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// How a server of these hosts presents such a certificate.
    pub(crate) fn server(&self, certificate: Certificate, hosts: &[&str]) -> Result<Arc<ServerConfig>, Error> {
        let hosts = if certificate == Certificate::OfAnotherHost { &["another.example.com"] } else { hosts };
        let mut params = CertificateParams::new(hosts.iter().copied().map(str::to_owned).collect::<Vec<_>>())?;
        if certificate == Certificate::Expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate()?;
        let certificate = match certificate {
            Certificate::SelfSigned => params.self_signed(&key)?,
            _ => params.signed_by(&key, &self.0)?,
        };
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                let key = PrivateKeyDer::try_from(key.serialize_der()).expect("rcgen writes PKCS #8");
                let chain = vec![CertificateDer::from(certificate.der().to_vec())];
                config.with_no_client_auth().with_single_cert(chain, key)
            });
        Ok(Arc::new(config.expect("a key and its certificate")))
    }
}
