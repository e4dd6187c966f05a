//! What a function is told by its environment, and its AWS clients' common settings.

use std::{env, str::FromStr, time::Duration};

use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{self, rustls_provider::CryptoMode},
};

use crate::egress::Policy;

/// A variable is missing or wrong. The function stops at once and says so: a deployment that is half configured must
/// not take messages.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is not set.
    #[error("the environment variable {0} is not set; the template sets it")]
    Missing(&'static str),
    /// It is set to something else than it has to be.
    #[error("the environment variable {name} is \"{value}\": {problem}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        problem: String,
    },
}

/// The text of a variable.
pub fn text(name: &'static str) -> Result<String, ConfigError> {
    env::var(name).map_err(|_| ConfigError::Missing(name))
}

/// A variable, parsed.
pub fn parsed<T: FromStr<Err: ToString>>(name: &'static str) -> Result<T, ConfigError> {
    let value = text(name)?;
    value.parse().map_err(|problem: T::Err| ConfigError::Invalid { name, value, problem: problem.to_string() })
}

/// A variable that gives a duration in whole seconds.
pub fn seconds(name: &'static str) -> Result<Duration, ConfigError> {
    parsed(name).map(Duration::from_secs)
}

/// A variable that switches something `on` or `off`.
pub fn switch(name: &'static str) -> Result<bool, ConfigError> {
    match text(name)?.as_str() {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        value => Err(ConfigError::Invalid { name, value: value.into(), problem: "expected on or off".into() }),
    }
}

/// The egress policy that `EGRESS_POLICY` names: `strict`, or `local` on a developer's machine.
pub fn egress_policy() -> Result<Policy, ConfigError> {
    let name = "EGRESS_POLICY";
    match text(name)?.as_str() {
        "strict" => Ok(Policy::strict()),
        "local" => Ok(Policy::local()),
        value => Err(ConfigError::Invalid { name, value: value.into(), problem: "expected strict or local".into() }),
    }
}

/// The AWS clients' configuration: credentials, region and endpoint as the environment has them.
pub async fn aws() -> SdkConfig {
    aws_loader().load().await
}

/// What [`aws`] loads, for a caller that knows better than the environment: rustls with ring, and time limits that
/// leave room for a retry, and for the few calls that an API function makes in its 28 seconds.
pub fn aws_loader() -> ConfigLoader {
    let http_client = Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https();
    let limits = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(7));
    aws_config::defaults(BehaviorVersion::latest()).http_client(http_client).timeout_config(limits.build())
}
