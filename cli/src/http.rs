//! The HTTP client with which commands call the service's own API.

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect::Policy};

use crate::failure::Failure;

/// A client whose requests end after `patience`, the reply's body included. It uses the proxy that the environment
/// names, if it names one.
pub(crate) fn client(patience: Duration, redirects: Policy) -> Result<Client, Failure> {
    // reqwest needs the process's TLS provider. A second installation fails, and does no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "it calls this service's own API, through a proxy if there is one")]
    let builder = Client::builder();
    Ok(builder.timeout(patience).redirect(redirects).build()?)
}

/// The status that the console answers, which needs no key. It is 401 if the API takes only requests that come through
/// the operator's CDN. CloudFormation does not show whether it does: it masks secret parameters, also empty ones.
pub(crate) async fn console_status(client: &Client, api_url: &str) -> Result<StatusCode, reqwest::Error> {
    let console = format!("{}/console", api_url.trim_end_matches('/'));
    client.get(console).send().await.map(|reply| reply.status())
}
