//! `nano-webhooks listen`: shows an account's events as they happen, and posts each to a server on this machine.
//!
//! It is the one command for customers: it uses the public API with an API key, and no AWS credentials. It looks at the
//! list of events every two seconds ([`window`] says what to ask and what is new, [`pace`] when), fetches each new
//! event's payload ([`api`]), posts it ([`forward`]) and shows the answer ([`line`]). Events are posted one after the
//! other, oldest first.

mod api;
mod forward;
mod line;
mod pace;
mod window;

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, Instant},
};

use clap::Args;
use jiff::SignedDuration;
use nano_webhooks::{api_key::ApiKey, egress::TargetUrl, names::EventType, webhook::Secret};
use reqwest::Url;
use serde_json::value::RawValue;

use self::{
    api::{Api, ApiFailure, Details, words},
    forward::Forward,
    line::{PostResult, show},
    window::{Seen, Summary},
};
use crate::{failure::Failure, local::Local, terminal};

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Listen {
    /// Where each event is posted: a server on this machine, such as `http://localhost:3000/webhook`
    #[arg(long, value_name = "URL", value_parser = forward::target)]
    forward_to: TargetUrl,
    /// The API's address
    #[arg(long, value_name = "URL", value_parser = api_url, env = "NANO_API_URL", hide_env_values = true)]
    api_url: Option<Url>,
    /// Your API key. The variable is better: other users of this machine can see a command's arguments
    #[arg(long, env = "NANO_API_KEY", hide_env_values = true)]
    key: Option<Hidden>,
    /// Sign with this secret, the one that your server has; without it a new one is made and shown
    #[arg(long, env = "WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<Hidden>,
    /// Only events of this type
    #[arg(long, value_parser = event_type)]
    event: Option<EventType>,
    /// Start with the events of this long ago until now, oldest first
    #[arg(long, value_name = "10m", value_parser = how_long)]
    replay_last: Option<SignedDuration>,
}

const HELP: &str = "\
Examples:
  export NANO_API_URL=https://api.example.com NANO_API_KEY=sk-…
  nano-webhooks listen --forward-to http://localhost:3000/webhook
  nano-webhooks listen --forward-to http://localhost:3000/webhook --replay-last 10m
  nano-webhooks listen --forward-to http://localhost:3000/webhook --event job.failed --json

An event is shown within 3 seconds of its completion, and posted with the headers and signatures of a real delivery.
Your webhooks get it as well, whatever your server answers. It is posted once; --replay-last posts it again.

An event whose task ended more than 15 minutes before its completion was sent is not shown; --replay-last shows it.

It asks 30 times a minute, and once for each event. If the key's limits do not allow that, events are shown later, and
none is left out. Other programs with the same key then get 429, so give it a key of its own.";

/// How many times the API may fail to return an event while it answers otherwise.
const TRIES: u32 = 5;
/// A slower pace than this is worth a remark.
const SLOW: Duration = Duration::from_secs(10);
const LONGEST_REPLAY: SignedDuration = SignedDuration::from_hours(24 * 366);

/// A text that appears neither in error messages nor in debug output.
#[derive(Clone)]
struct Hidden(String);

impl From<&str> for Hidden {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// An event that is still to be posted.
struct Waiting {
    event: Summary,
    failures: u32,
}

/// A running command.
struct Listener {
    api: Api,
    forward: Forward,
    seen: Seen,
    waiting: VecDeque<Waiting>,
    only: Option<EventType>,
    json: bool,
    is_slow: bool,
}

impl Listen {
    /// Runs until the process is interrupted. Fails if an argument is wrong, if the API does not answer at first, or if
    /// it does not accept the key.
    pub(crate) async fn run(self, local: bool, json: bool) -> Result<(), Failure> {
        let local = local.then(Local::read).transpose()?;
        let (url, key) = (self.url(local.as_ref())?, self.key(local.as_ref())?);
        let secret = self.secret.as_ref().map(|secret| Secret::parse(&secret.0)).transpose();
        let secret = secret.map_err(|err| Failure::Wrong(format!("--secret: {err}")))?;
        let mut api = Api::new(&url, key)?;
        api.check().await?;

        terminal::note(&format!("Events of {} go to {}.", url.as_str().trim_end_matches('/'), self.forward_to));
        let secret = secret.unwrap_or_else(|| {
            let made = Secret::generate();
            terminal::note(&format!("They are signed with this secret: {}", made.reveal()));
            made
        });
        let seen = Seen::new(api.now());
        let forward = Forward::new(&self.forward_to, secret);
        let mut listener =
            Listener { api, forward, seen, waiting: VecDeque::new(), only: self.event, json, is_slow: false };
        listener.begin(self.replay_last).await?;
        terminal::note("Listening. Ctrl-C ends it.");
        listener.listen().await
    }

    fn url(&self, local: Option<&Local>) -> Result<Url, Failure> {
        if let Some(url) = &self.api_url {
            return Ok(url.clone());
        }
        let local =
            local.ok_or_else(|| Failure::Wrong("name the API's address in NANO_API_URL or --api-url".into()))?;
        api_url(&local.api_url()?).map_err(Failure::Wrong)
    }

    fn key(&self, local: Option<&Local>) -> Result<ApiKey, Failure> {
        let missing = || Failure::Wrong("an API key is needed: set NANO_API_KEY".into());
        let text = match (&self.key, local) {
            (Some(Hidden(text)), _) => text.clone(),
            (None, Some(local)) => local.api_key()?,
            (None, None) => return Err(missing()),
        };
        let wrong = || {
            Failure::Wrong(
                "the API key is not one: it must begin with sk- and have 20 to 256 characters without spaces".into(),
            )
        };
        ApiKey::from_authorization(&format!("Bearer {text}")).ok_or_else(wrong)
    }
}

impl Listener {
    /// Finds out which events there are already, and keeps those that are to be replayed.
    async fn begin(&mut self, replay: Option<SignedDuration>) -> Result<(), Failure> {
        let now = self.api.now();
        let replay = replay.unwrap_or_default();
        let mut events = self.look(Seen::first_look(now, replay)).await?;
        events.retain(|event| !replay.is_zero() && event.id.ended_at() >= now - replay);
        self.expect(events);
        if !replay.is_zero() {
            terminal::note(&format!("Replaying {} of the last {replay:#}.", self.waiting.len()));
        }
        Ok(())
    }

    async fn listen(&mut self) -> Result<(), Failure> {
        loop {
            let began = Instant::now();
            self.post_all().await?;
            tokio::time::sleep(self.interval().saturating_sub(began.elapsed())).await;
            let events = self.look(self.seen.next_look(self.api.now())).await?;
            self.expect(events);
        }
    }

    fn expect(&mut self, events: Vec<Summary>) {
        let wanted = |event: &Summary| self.only.is_none_or(|only| event.event == only.to_string());
        self.waiting.extend(events.into_iter().filter(wanted).map(|event| Waiting { event, failures: 0 }));
    }

    /// Reads the pages of a look. While the API is away, it tries again and says so once. Returns the new events, oldest
    /// first.
    async fn look(&mut self, mut look: window::Look) -> Result<Vec<Summary>, Failure> {
        let mut failures = 0;
        loop {
            match self.api.page(&look).await {
                Ok(page) => {
                    if failures > 0 {
                        terminal::note("The API is back.");
                    }
                    failures = 0;
                    if look.take(page, &self.seen) {
                        return Ok(self.seen.finish(look));
                    }
                }
                Err(ApiFailure::Away(why)) => {
                    if failures == 0 {
                        terminal::note(&format!("The API is away: {why}. Trying until it is back; no event is lost."));
                    }
                    failures += 1;
                    tokio::time::sleep(pace::backoff(failures)).await;
                }
                Err(failure) => return Err(self.api.failure(failure)),
            }
        }
    }

    /// Posts what waits, oldest first. Stops at an event that the API does not return: the next look finds out whether
    /// the API is away, and an event that it cannot return although it is there is given up after [`TRIES`].
    async fn post_all(&mut self) -> Result<(), Failure> {
        while let Some(Waiting { event, failures }) = self.waiting.front_mut() {
            *failures += 1;
            let result = match self.api.details(&event.id).await {
                Ok(Details { payload }) => {
                    post_event(&self.forward, event, payload.as_deref().map(RawValue::get)).await
                }
                Err(ApiFailure::Away(_) | ApiFailure::Missing) if *failures < TRIES => return Ok(()),
                Err(ApiFailure::Away(why)) => {
                    PostResult::NotPosted(format!("the API does not return its payload: {why}"))
                }
                Err(ApiFailure::Missing) => PostResult::NotPosted("the API does not have it any more".into()),
                Err(refused @ ApiFailure::Refused(_)) => return Err(self.api.failure(refused)),
            };
            show(event, &result, self.json)?;
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// The time from one look to the next; says when it becomes long.
    fn interval(&mut self) -> Duration {
        let interval = self.api.interval();
        let is_slow = interval >= SLOW;
        if is_slow && !self.is_slow {
            let interval = words(interval);
            terminal::note(&format!("The key has few requests left for now: looking every {interval}."));
        }
        if self.is_slow && !is_slow {
            terminal::note("The key has requests again: looking every 2 s.");
        }
        self.is_slow = is_slow;
        interval
    }
}

/// Posts an event, if it has a payload and a type that this command knows.
async fn post_event(forward: &Forward, event: &Summary, payload: Option<&str>) -> PostResult {
    match (payload, event_type(&event.event)) {
        (None, _) => PostResult::NotPosted("its payload was erased".into()),
        (_, Err(_)) => PostResult::NotPosted("this command does not know the event; install a newer one".into()),
        (Some(payload), Ok(event_type)) => PostResult::Posted(forward.post(&event.id, event_type, payload).await),
    }
}

/// Parses `--event`, for clap.
fn event_type(text: &str) -> Result<EventType, String> {
    text.parse().map_err(|_| format!("expected one of {}", EventType::names()))
}

/// Parses `--api-url`, for clap.
fn api_url(text: &str) -> Result<Url, String> {
    let is_usable = |url: &Url| {
        let is_http = matches!(url.scheme(), "http" | "https");
        let is_bare = url.query().is_none() && url.fragment().is_none();
        // It is shown, and a password must not be.
        is_http && url.has_host() && is_bare && url.username().is_empty() && url.password().is_none()
    };
    let wrong = || "expected the API's address, such as https://api.example.com".to_owned();
    text.parse().ok().filter(is_usable).ok_or_else(wrong)
}

/// Parses `--replay-last`, for clap.
fn how_long(text: &str) -> Result<SignedDuration, String> {
    let range = SignedDuration::from_secs(1)..=LONGEST_REPLAY;
    let wrong = || "expected how long ago, up to a year, such as 10m or 2h".to_owned();
    text.parse().ok().filter(|long| range.contains(long)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_is_a_length_of_time() {
        assert_eq!(how_long("10m"), Ok(SignedDuration::from_mins(10)));
        assert_eq!(how_long("1h 30m"), Ok(SignedDuration::from_mins(90)));
        for wrong in ["", "10", "-10m", "0s", "9999999h", "2026-01-02T03:04:05Z", "10 parsecs"] {
            assert!(how_long(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_apis_address_is_a_url_without_a_query() {
        for right in ["https://api.example.com", "http://127.0.0.1:4566/_aws/execute-api/55066ffb"] {
            assert!(api_url(right).is_ok(), "{right}");
        }
        for wrong in ["api.example.com", "localhost:3000", "ftp://x/", "https://x/?a", "https://x/#a", "", "https://"] {
            assert!(api_url(wrong).is_err(), "{wrong}");
        }
        assert!(api_url("https://a:b@x/").is_err() && api_url("https://a@x/").is_err());
    }

    #[test]
    fn a_key_is_not_in_debug_output() {
        assert_eq!(format!("{:?}", Hidden::from("sk-1")), "Hidden(…)");
    }
}
