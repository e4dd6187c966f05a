//! Calls to AWS: the configuration of its clients, and the error of a call that failed.

mod error;
mod http;

use std::{env, time::Duration};

use aws_config::{ConfigLoader, SdkConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, IdentityCache, Region, SharedCredentialsProvider, StalledStreamProtectionConfig,
    retry::{ReconnectMode, RetryConfig},
};

pub use self::error::AwsError;
pub(crate) use self::error::WhileTryingTo;
use crate::{
    config::{self, ConfigError},
    tls,
};

/// The root certificates from which AWS's endpoints have their certificates.
const AMAZON_ROOTS: &[u8] = include_bytes!("aws/amazon-roots.pem");

/// The beginnings of region names in partitions whose endpoints may use other root certificates.
const APART: [&str; 4] = ["cn-", "us-iso", "eu-iso", "eusc-"];

/// The AWS clients' configuration of a function, read only from Lambda's environment variables. A cold start has no
/// time to look for profiles, metadata services or the system's certificates.
pub fn config() -> Result<SdkConfig, ConfigError> {
    let region = config::text("AWS_REGION")?;
    let endpoint = env::var("AWS_ENDPOINT_URL").ok();
    let is_apart = APART.iter().any(|beginning| region.starts_with(beginning));
    let is_elsewhere = endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("https"));
    let tls = if is_elsewhere || is_apart { tls::with_the_systems_roots() } else { tls::with_roots_of(AMAZON_ROOTS) };
    let credentials = Credentials::new(
        config::text("AWS_ACCESS_KEY_ID")?,
        config::text("AWS_SECRET_ACCESS_KEY")?,
        env::var("AWS_SESSION_TOKEN").ok(),
        None,
        "Lambda",
    );
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http::client(tls, CONNECT_TIMEOUT))
        // By default the SDK would try to close failed connections, which our client does not support, and log an
        // error each time.
        .retry_config(RetryConfig::standard().with_reconnect_mode(ReconnectMode::ReuseAllConnections))
        // Requests and answers are whole, and each attempt has its time limit.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // The credentials are in the environment, and do not change while the process lives.
        .identity_cache(IdentityCache::no_cache())
        .timeout_config(time_limits());
    config.set_endpoint_url(endpoint);
    Ok(config.build())
}

/// The AWS clients' configuration of an operator's command. It finds credentials, region and endpoint as the AWS CLI
/// does.
pub fn loader() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http::client(tls::with_the_systems_roots(), ATTEMPT_TIMEOUT))
        .timeout_config(time_limits())
}

/// How long a function may take to connect: TCP only, for all addresses of a name together. AWS's endpoints are in
/// its own region.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one attempt of a call may take, everything included.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// The time limits of a call. They leave time for a retry, and for the few calls of an API function in its 28
/// seconds.
fn time_limits() -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(Duration::from_secs(7))
        .build()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// The digests that Amazon publishes at <https://www.amazontrust.com/repository/>.
    #[test]
    fn the_roots_are_amazons_own() {
        let roots = CertificateDer::pem_slice_iter(AMAZON_ROOTS).map(|root| hex::encode(Sha256::digest(root.unwrap())));
        let published = [
            "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
            "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
            "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
            "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
            "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
        ];
        assert_eq!(roots.collect::<Vec<_>>(), published);
    }
}
