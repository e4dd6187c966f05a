//! The local stack, as `cargo local` describes it in `target/local/stack.env`.

use std::{collections::HashMap, fs, io};

use aws_config::{ConfigLoader, Region};
use aws_credential_types::Credentials;

const STACK_ENV: &str = "target/local/stack.env";

/// Why the local stack cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    #[error("could not read {STACK_ENV}; start the stack with `cargo local`, and run this in the project's folder")]
    NotRunning(#[source] io::Error),
    #[error("{STACK_ENV} has no {0}; start the stack again with `cargo local`")]
    Missing(&'static str),
}

/// The values in `stack.env`.
pub(crate) struct Local(HashMap<String, String>);

impl Local {
    pub(crate) fn read() -> Result<Self, LocalError> {
        let text = fs::read_to_string(STACK_ENV).map_err(LocalError::NotRunning)?;
        let values = text.lines().filter_map(|line| line.split_once('='));
        Ok(Self(values.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    /// Points the AWS clients to the local stack.
    pub(crate) fn configure(&self, loader: ConfigLoader) -> Result<ConfigLoader, LocalError> {
        let (id, secret) = (self.value("AWS_ACCESS_KEY_ID")?, self.value("AWS_SECRET_ACCESS_KEY")?);
        Ok(loader
            .endpoint_url(self.value("AWS_ENDPOINT_URL")?)
            .region(Region::new(self.value("AWS_REGION")?))
            .credentials_provider(Credentials::from_keys(id, secret, None)))
    }

    /// The address of the local API. The template's output has the address that it would have on AWS.
    pub(crate) fn api_url(&self) -> Result<String, LocalError> {
        self.value("NANO_API_URL")
    }

    /// The API key of the local stack's account.
    pub(crate) fn api_key(&self) -> Result<String, LocalError> {
        self.value("NANO_API_KEY")
    }

    fn value(&self, name: &'static str) -> Result<String, LocalError> {
        self.0.get(name).cloned().ok_or(LocalError::Missing(name))
    }
}
