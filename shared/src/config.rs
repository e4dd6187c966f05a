//! Reads a function's environment variables, and configures its AWS clients.

use std::{env, str::FromStr, time::Duration};

use crate::{egress::Policy, retry::Schedule, webhook::Settings};

/// A variable is missing or wrong. The function stops immediately and reports it: a half-configured deployment must
/// not take messages.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set; the template sets it")]
    Missing(&'static str),
    /// The variable has an invalid value.
    #[error("the environment variable {name} is \"{value}\": {problem}")]
    Invalid {
        /// The variable's name.
        name: &'static str,
        /// Its value.
        value: String,
        /// A description of the valid values.
        problem: String,
    },
}

/// Returns a variable's text. Fails if it is not set.
pub fn text(name: &'static str) -> Result<String, ConfigError> {
    env::var(name).map_err(|_| ConfigError::Missing(name))
}

/// Returns a variable, parsed. Fails if it is not set or its value is invalid.
pub fn parsed<T: FromStr<Err: ToString>>(name: &'static str) -> Result<T, ConfigError> {
    let value = text(name)?;
    value.parse().map_err(|problem: T::Err| ConfigError::Invalid { name, value, problem: problem.to_string() })
}

/// Returns a variable that holds a duration in whole seconds.
pub fn seconds(name: &'static str) -> Result<Duration, ConfigError> {
    parsed(name).map(Duration::from_secs)
}

/// Returns a variable that switches something `on` or `off` (`true` and `false` also work).
pub fn switch(name: &'static str) -> Result<bool, ConfigError> {
    match text(name)?.as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        value => Err(ConfigError::Invalid { name, value: value.into(), problem: "expected on or off".into() }),
    }
}

/// Returns the egress policy of `EGRESS_POLICY`: `strict`, or `local` on a developer's machine.
pub fn egress_policy() -> Result<Policy, ConfigError> {
    let name = "EGRESS_POLICY";
    match text(name)?.as_str() {
        "strict" => Ok(Policy::strict()),
        "local" => Ok(Policy::local()),
        value => Err(ConfigError::Invalid { name, value: value.into(), problem: "expected strict or local".into() }),
    }
}

/// Returns the egress policy of `EGRESS_POLICY`, which also forbids the deployment's own host names: those in
/// `OWN_HOSTS`, separated by commas.
pub fn sending_policy() -> Result<Policy, ConfigError> {
    let own_hosts = text("OWN_HOSTS")?;
    let own_hosts = own_hosts.split(',').filter(|host| !host.is_empty()).map(str::to_owned);
    Ok(egress_policy()?.with_own_hosts(own_hosts))
}

/// Returns how long an event is kept, in days: `HISTORY_RETENTION_DAYS`, but at least a week, and at least as long as
/// a delivery of it may wait: for `DISABLE_AFTER_SECONDS` until its webhook is disabled, and then for the whole of
/// `RETRY_SCHEDULE_SECONDS`.
pub fn event_retention_days() -> Result<u32, ConfigError> {
    let history: u32 = parsed("HISTORY_RETENTION_DAYS")?;
    let schedule: Schedule = parsed("RETRY_SCHEDULE_SECONDS")?;
    let longest = seconds("DISABLE_AFTER_SECONDS")? + schedule.total();
    let days = longest.as_secs().div_ceil(86_400) + 1;
    Ok(history.max(7).max(u32::try_from(days).unwrap_or(u32::MAX)))
}

/// Returns the operator's settings for circuits, from `CIRCUIT_FAILURES`, `CIRCUIT_EVENTS`, `DISABLE_AFTER_SECONDS`,
/// `PROBE_WAITS_SECONDS`, `DRAIN_PER_MINUTE` and `DISPATCHER_TIMEOUT_SECONDS`.
pub fn circuit_settings() -> Result<Settings, ConfigError> {
    Ok(Settings {
        failures: parsed("CIRCUIT_FAILURES")?,
        events: parsed("CIRCUIT_EVENTS")?,
        patience: seconds("DISABLE_AFTER_SECONDS")?,
        probe_waits: parsed("PROBE_WAITS_SECONDS")?,
        drain_per_minute: parsed("DRAIN_PER_MINUTE")?,
        dispatcher_timeout: seconds("DISPATCHER_TIMEOUT_SECONDS")?,
        ..Settings::default()
    })
}
