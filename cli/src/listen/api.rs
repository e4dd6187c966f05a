//! The requests to the service's public API, made with a customer's key.

use std::{error::Error, time::Duration};

use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{api_key::ApiKey, names::EventId};
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{AUTHORIZATION, DATE},
    redirect::Policy,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    pace::Budget,
    window::{Look, Page},
};
use crate::{failure::Failure, http, terminal};

/// A request that takes longer has failed: then it is made again.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest sleep before the clock is read again: a laptop may have been closed meanwhile.
const NAP: Duration = Duration::from_secs(30);
/// Shorter waits for the key's limit are not worth a line.
const SILENT: Duration = Duration::from_secs(3);

/// The API of a service, as one customer sees it.
pub(super) struct Api {
    client: Client,
    /// Without a slash at its end.
    base: String,
    key: ApiKey,
    budget: Budget,
    /// How far the API's clock is ahead of this machine's.
    ahead: SignedDuration,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum ApiFailure {
    /// The API cannot be reached, or it failed. It may be back soon.
    Away(String),
    /// The API does not have what was asked for.
    Missing,
    /// The API refuses such requests.
    Refused(String),
}

/// One event with its payload.
#[derive(Debug, Deserialize)]
pub(super) struct Details {
    /// The body that its webhooks get, byte for byte. `None` if the event was erased.
    pub(super) payload: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct Refusal {
    error: Message,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Api {
    /// The API at this address. It is not asked anything yet.
    pub(super) fn new(url: &Url, key: ApiKey) -> Result<Self, Failure> {
        // With redirects, a mistyped address could send the key to somebody else.
        let client = http::client(PATIENCE, Policy::none())?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { client, base, key, budget: Budget::default(), ahead: SignedDuration::ZERO })
    }

    /// Checks that the API answers and accepts the key. Afterwards [`Api::now`] is the API's time.
    pub(super) async fn check(&mut self) -> Result<(), Failure> {
        let checked = self.get::<Page>("/api/v1/events?limit=1").await;
        checked.map(drop).map_err(|failure| self.failure(failure))
    }

    /// The page that a look asks for next.
    pub(super) async fn page(&mut self, look: &Look) -> Result<Page, ApiFailure> {
        self.get(&look.path()).await
    }

    /// An event with its payload.
    pub(super) async fn details(&mut self, id: &EventId) -> Result<Details, ApiFailure> {
        self.get(&format!("/api/v1/events/{id}")).await
    }

    /// The API's time.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now() + self.ahead
    }

    /// How long after the beginning of a look the next one may begin.
    pub(super) fn interval(&self) -> Duration {
        self.budget.interval(Timestamp::now())
    }

    /// The failure with which the command ends.
    pub(super) fn failure(&self, failure: ApiFailure) -> Failure {
        let base = &self.base;
        Failure::Failed(match failure {
            ApiFailure::Away(why) => format!("{base}: {why}"),
            ApiFailure::Missing => format!(
                "{base}/api/v1/events does not exist: is this the API's address, and is the service as new as this command?"
            ),
            ApiFailure::Refused(why) => why,
        })
    }

    /// Sends the request as soon as the key's limits allow it, and repeats it after a 429.
    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, ApiFailure> {
        loop {
            self.wait().await;
            let request = self.client.get(format!("{}{path}", self.base));
            let request = request.header(AUTHORIZATION, format!("Bearer {}", self.key.reveal()));
            let reply = request.send().await.map_err(|err| away(&err))?;
            let (status, now) = (reply.status(), Timestamp::now());
            self.budget.update(reply.headers(), status == StatusCode::TOO_MANY_REQUESTS, now);
            self.ahead = date(&reply).map_or(self.ahead, |date| date.duration_since(now));
            if status != StatusCode::TOO_MANY_REQUESTS {
                return read(status, &reply.bytes().await.map_err(|err| away(&err))?);
            }
        }
    }

    async fn wait(&self) {
        let wait = || self.budget.wait(Timestamp::now());
        if wait() >= SILENT {
            terminal::note(&format!("The key has no requests left for now: going on in {}.", words(wait())));
        }
        while !wait().is_zero() {
            tokio::time::sleep(wait().min(NAP)).await;
        }
    }
}

/// Why a request got no answer, in words. The error's own text is about the client's layers.
fn away(err: &reqwest::Error) -> ApiFailure {
    if err.is_timeout() {
        return ApiFailure::Away(format!("no answer within {} s", PATIENCE.as_secs()));
    }
    let mut cause: &dyn Error = err;
    while let Some(below) = cause.source() {
        cause = below;
    }
    let what = if err.is_connect() { "no connection" } else { "the connection broke" };
    ApiFailure::Away(format!("{what}: {cause}"))
}

/// A wait as text: `1h 5m 3s`.
pub(super) fn words(wait: Duration) -> String {
    let seconds = i64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(i64::MAX);
    format!("{:#}", SignedDuration::from_secs(seconds))
}

fn date(reply: &Response) -> Option<Timestamp> {
    httpdate::parse_http_date(reply.headers().get(DATE)?.to_str().ok()?).ok()?.try_into().ok()
}

/// Reads a reply other than a 429.
fn read<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, ApiFailure> {
    if status.is_success() {
        let read = serde_json::from_slice(body).map(|Envelope { data }| data);
        return read.map_err(|_| ApiFailure::Away("its answer is not that of a nano-webhooks API".into()));
    }
    match status {
        StatusCode::UNAUTHORIZED => Err(ApiFailure::Refused(
            "the API does not accept the key: it was revoked, has expired, or belongs to another service. \
             Set NANO_API_KEY to a key from the service's operator"
                .into(),
        )),
        StatusCode::NOT_FOUND => Err(ApiFailure::Missing),
        StatusCode::BAD_REQUEST => Err(ApiFailure::Refused(match serde_json::from_slice(body) {
            Ok(Refusal { error }) => format!("the API refuses this: {}", error.message),
            Err(_) => "the API answers 400".into(),
        })),
        status => Err(ApiFailure::Away(format!("it answers {}", status.as_u16()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, body: &str) -> String {
        match read::<Details>(StatusCode::from_u16(status).unwrap(), body.as_bytes()) {
            Ok(_) => "none".into(),
            Err(failure) => format!("{failure:?}"),
        }
    }

    #[test]
    fn a_payload_is_kept_byte_for_byte() {
        let body = r#"{"success":true,"data":{"id":"x","payload":{"b":1.0, "a":"\u00e9","a":1e2},"more":[]}}"#;
        let details: Details = read(StatusCode::OK, body.as_bytes()).unwrap();
        assert_eq!(details.payload.unwrap().get(), r#"{"b":1.0, "a":"\u00e9","a":1e2}"#);
        let erased: Details = read(StatusCode::OK, br#"{"success":true,"data":{"payload":null}}"#).unwrap();
        assert!(erased.payload.is_none());
    }

    #[test]
    fn what_may_pass_is_away_and_what_will_not_is_refused() {
        for (status, body) in [(500, "{}"), (502, ""), (503, ""), (403, "a firewall"), (302, ""), (200, "<html>")] {
            assert!(failure(status, body).starts_with("Away"), "{status}");
        }
        assert_eq!(failure(404, ""), "Missing");
        assert!(failure(401, "").contains("NANO_API_KEY"));
        let invalid = r#"{"success":false,"error":{"code":"invalid_request","message":"since is \"x\""}}"#;
        assert_eq!(failure(400, invalid), r#"Refused("the API refuses this: since is \"x\"")"#);
    }

    #[test]
    fn a_wait_is_rounded_up() {
        assert_eq!(words(Duration::from_millis(1_200)), "2s");
        assert_eq!(words(Duration::from_secs(3_903)), "1h 5m 3s");
    }
}
