//! The HTTP client of everything that calls the stack from outside.

/// An HTTP client without a proxy, for the tests and the harness.
pub fn http_client() -> reqwest::Client {
    // reqwest needs a TLS provider even if it only speaks plain HTTP. Installing one a second time does no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "tests play the outside world, which does not have the sender")]
    reqwest::Client::builder().no_proxy().build().expect("a client without options")
}
