//! Checks the API: it answers, it refuses a request without a key, and its clock agrees with this machine's.

use std::time::{Duration, SystemTime};

use reqwest::{
    Client, Response, StatusCode,
    header::{AUTHORIZATION, DATE},
    redirect::Policy,
};

use super::report::Report;
use crate::{
    failure::{self, Failure},
    http,
};

/// The largest clock difference that is well. AWS, and receivers of webhooks, refuse requests that are five minutes
/// off.
const MUCH: Duration = Duration::from_mins(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// The API, once it has answered.
pub(super) struct Api {
    client: Client,
    webhooks: String,
}

/// Checks the API and this machine's clock. Returns `None` if the API does not answer, or takes only requests
/// that come through the operator's CDN.
pub(super) async fn check(report: &mut Report, url: &str) -> Result<Option<Api>, Failure> {
    let api = Api {
        client: http::client(PATIENCE, Policy::default())?,
        webhooks: format!("{}/api/v1/webhooks", url.trim_end_matches('/')),
    };
    if matches!(http::console_status(&api.client, url).await, Ok(StatusCode::UNAUTHORIZED)) {
        let advice = "name the address that your customers use with --api-url";
        report.unknown("api", "it takes only requests that come through your CDN", Some(advice))?;
        return Ok(None);
    }
    let before = SystemTime::now();
    let reply = match api.client.get(&api.webhooks).send().await {
        Ok(reply) => reply,
        Err(err) => {
            let advice = "if it has a domain of its own, name it with --api-url; else look at the stack's HTTP API";
            report.failed("api", &failure::words(&err), advice)?;
            return Ok(None);
        }
    };
    let date = date(&reply);
    let found = format!("{url} answers {} without a key", reply.status().as_u16());
    if reply.status() == StatusCode::UNAUTHORIZED {
        report.passed("api", &found)?;
    } else {
        let advice = "it must answer 401: is this the stack's API, and does its function list-webhooks run?";
        report.failed("api", &found, advice)?;
    }
    let Some(date) = date else {
        report.unknown("clock", "the API says no time", None)?;
        return Ok(Some(api));
    };
    let skew = skew(date, before, SystemTime::now());
    let found = format!("{} s from the API's", skew.as_secs());
    if skew > MUCH {
        report.failed("clock", &found, "set this machine's clock: AWS refuses requests that are five minutes off")?;
    } else {
        report.passed("clock", &found)?;
    }
    Ok(Some(api))
}

impl Api {
    /// Lists webhooks with this key. Returns the status and the body.
    pub(super) async fn list(&self, key: &str) -> Result<(StatusCode, String), reqwest::Error> {
        let reply = self.client.get(&self.webhooks).header(AUTHORIZATION, format!("Bearer {key}")).send().await?;
        Ok((reply.status(), reply.text().await?))
    }
}

fn date(reply: &Response) -> Option<SystemTime> {
    httpdate::parse_http_date(reply.headers().get(DATE)?.to_str().ok()?).ok()
}

/// How far a time that was reported between two others is outside them. The reported time is cut to a second, which
/// is allowed for.
fn skew(said: SystemTime, before: SystemTime, after: SystemTime) -> Duration {
    let early = before.duration_since(said + Duration::from_secs(1)).unwrap_or_default();
    early.max(said.duration_since(after).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_within_the_request_is_no_skew() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds);
        assert_eq!(skew(at(10.0), at(10.9), at(11.2)), Duration::ZERO);
        assert_eq!(skew(at(100.0), at(10.0), at(12.0)), Duration::from_secs(88));
        assert_eq!(skew(at(10.0), at(100.0), at(102.0)), Duration::from_secs(89));
    }
}
