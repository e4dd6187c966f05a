//! The gate: checks whose request it is, and whether the account may make it now.

use aws_config::SdkConfig;
use jiff::Timestamp;
use lambda_http::http::HeaderMap;

use super::{ApiError, Header};
use crate::{
    api_key::{ApiKey, KeyScope},
    config::{self, ConfigError},
    store::{Allowance, ApiKeys, KeyRecord, Limits, Usage},
};

/// Admits requests that carry a valid key and are within its limits.
#[derive(Debug)]
pub struct Gate {
    keys: ApiKeys,
    usage: Usage,
    limits: Limits,
}

impl Gate {
    /// Reads the tables' names and the limits from the environment. Fails if a variable is missing or wrong.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            keys: ApiKeys::from_env(aws)?,
            usage: Usage::from_env(aws)?,
            limits: Limits {
                per_minute: config::parsed("RATE_LIMIT_PER_MINUTE")?,
                per_day: config::parsed("RATE_LIMIT_PER_DAY")?,
            },
        })
    }

    /// Returns the record of the request's key, and how much of its limits is left. Fails if there is no valid key;
    /// such requests are not counted. A request over the limit is not counted either.
    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<(KeyRecord, Allowance), ApiError> {
        let header = headers.get("authorization").and_then(|value| value.to_str().ok());
        let key = header.and_then(ApiKey::from_authorization).ok_or(ApiError::Unauthorized)?;
        let now = Timestamp::now();
        let record = self.keys.find_valid(&key, now).await?.ok_or(ApiError::Unauthorized)?;
        let allowance = self.usage.count(&record.id, self.limits, now).await?;
        Ok((record, allowance))
    }

    /// The headers that report the key's scope, and its limits as in
    /// <https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06>.
    pub(super) fn headers(&self, scope: KeyScope, allowance: &Allowance) -> Vec<Header> {
        let Limits { per_minute, per_day } = self.limits;
        let mut headers = vec![
            ("ratelimit-limit", allowance.limit.to_string()),
            ("ratelimit-remaining", allowance.remaining.to_string()),
            ("ratelimit-reset", allowance.reset.to_string()),
            ("ratelimit-policy", format!("{per_minute};w=60, {per_day};w=86400")),
            ("x-nano-key-scope", scope.to_string()),
        ];
        if !allowance.allowed {
            headers.push(("retry-after", allowance.reset.to_string()));
        }
        headers
    }
}
