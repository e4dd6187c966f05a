//! The TLS configuration of every connection that the library makes: rustls with ring, and the root certificates that
//! it trusts. See `docs/decisions/0005-one-tls-provider.md`.

mod errors;

use std::{env, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use rustls_native_certs::CertificateResult;

pub(crate) use self::errors::explain;

/// The files in which Amazon Linux (Lambda's own system) and Debian keep all root certificates.
const BUNDLES: [&str; 2] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];

/// Trusts the system's root certificates. Panics if there are none. Reading them takes longer than the rest of a cold
/// start.
pub(crate) fn with_the_systems_roots() -> ClientConfig {
    let found = system_roots();
    let config = with_roots(found.certs);
    config.unwrap_or_else(|| panic!("the system has no root certificates: {:?}", found.errors))
}

/// Trusts only these root certificates. Panics if they cannot be read.
pub(crate) fn with_roots_of(pem: &[u8]) -> ClientConfig {
    let roots = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    roots.ok().and_then(with_roots).expect("these are root certificates")
}

fn with_roots(certificates: Vec<CertificateDer<'static>>) -> Option<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return None;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has what the default protocol versions need");
    Some(config.with_root_certificates(roots).with_no_client_auth())
}

/// The system's root certificates: from the files that the environment names, otherwise from one bundle. The folder
/// beside the bundle has the same certificates in one file each; reading it takes several times as long.
fn system_roots() -> CertificateResult {
    let is_configured = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| env::var_os(name).is_some());
    match BUNDLES.iter().map(Path::new).find(|bundle| bundle.exists()) {
        Some(bundle) if !is_configured => rustls_native_certs::load_certs_from_paths(Some(bundle), None),
        _ => rustls_native_certs::load_native_certs(),
    }
}
