//! The local stack, as `cargo local` describes it in `target/local/stack.env`.

use std::{collections::HashMap, fs, io};

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use nano_webhooks::config;

const STACK_ENV: &str = "target/local/stack.env";

/// Why there is no local stack to talk to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    #[error("could not read {STACK_ENV}; start the stack with `cargo local`, and run this in the project's folder")]
    NotRunning(#[source] io::Error),
    #[error("{STACK_ENV} has no {0}; start the stack again with `cargo local`")]
    Missing(&'static str),
}

/// The AWS clients' configuration for the local stack.
pub(crate) async fn aws() -> Result<SdkConfig, LocalError> {
    let text = fs::read_to_string(STACK_ENV).map_err(LocalError::NotRunning)?;
    let values: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |name| values.get(name).map(|value| (*value).to_owned()).ok_or(LocalError::Missing(name));
    let credentials = Credentials::from_keys(value("AWS_ACCESS_KEY_ID")?, value("AWS_SECRET_ACCESS_KEY")?, None);
    let loader = config::aws_loader()
        .endpoint_url(value("AWS_ENDPOINT_URL")?)
        .region(Region::new(value("AWS_REGION")?))
        .credentials_provider(credentials);
    Ok(loader.load().await)
}
