//! What the checks share: the stack, its API, and the receiver.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_lambda::Client as Lambda;
use jiff::Timestamp;
use nano_webhooks::{api_key::ApiKey, names::AccountId, queue::LONGEST_DELAY, store::KeyRecord};
use reqwest::{Client, redirect::Policy};
use tokio::time::sleep;

use super::{
    outcome::{Outcome, Problem, failed, not_checked},
    receiver::{Received, Receiver},
};
use crate::{
    failure::{self, Failure},
    http,
    stack::Stack,
};

/// How long an API request may take.
const REQUEST: Duration = Duration::from_secs(30);

/// How long something may take that release does in its next run, or in the one after it.
pub(super) const AFTER_RELEASE: Duration = Duration::from_mins(4);

/// Everything that a run needs and makes.
pub(super) struct World {
    pub(super) stack: Stack,
    /// The run's name, with which the names of its accounts and tasks begin.
    pub(super) run: String,
    pub(super) started_at: Timestamp,
    /// `None` if the stack can reach no receiver of this command.
    receiver: Option<Receiver>,
    /// Whether checks that take many minutes are made.
    pub(super) long: bool,
    /// The stack's resources: the physical id of each, by its id in the template.
    resources: HashMap<String, String>,
    pub(super) client: Client,
    pub(super) api_url: String,
    /// The accounts with their keys, noted before they are stored, so that they are removed whenever the run ends.
    pub(super) made: RefCell<Vec<KeyRecord>>,
    /// The bodies of this run's messages that are dead letters or will be, noted before they are sent.
    pub(super) dead_letters: RefCell<HashSet<String>>,
    /// Shared with every request to the API that is under way.
    requests: Arc<()>,
    /// How many requests the API answered with 5xx, and were made again.
    pub(super) server_errors: Cell<u32>,
}

impl World {
    pub(super) async fn new(
        stack: Stack,
        (run, api_url): (String, String),
        receiver: Option<Receiver>,
        long: bool,
    ) -> Result<Self, Failure> {
        Ok(Self {
            resources: stack.resources().await?,
            run,
            started_at: Timestamp::now(),
            receiver,
            long,
            client: http::client(REQUEST, Policy::none())?,
            api_url,
            made: RefCell::default(),
            dead_letters: RefCell::default(),
            requests: Arc::default(),
            server_errors: Cell::default(),
            stack,
        })
    }

    /// A name that no other run has: `acceptance-` and eight random digits.
    pub(super) fn name() -> String {
        let id = ApiKey::generate().id();
        format!("acceptance-{}", id.trim_start_matches("key_").get(..8).unwrap_or("0"))
    }

    /// Every account that this run has made.
    pub(super) fn accounts(&self) -> Vec<AccountId> {
        let mut accounts: Vec<_> = self.made.borrow().iter().map(|key| key.account_id.clone()).collect();
        accounts.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        accounts.dedup();
        accounts
    }

    /// What a request to the API keeps until it has ended.
    pub(super) fn begin_request(&self) -> Arc<()> {
        Arc::clone(&self.requests)
    }

    /// Waits until no request to the API is under way. Checks that were interrupted may have left some.
    pub(super) async fn end_requests(&self) {
        let start = Instant::now();
        while Arc::strong_count(&self.requests) > 1 && start.elapsed() < REQUEST {
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether the stack runs on this machine: then everything is near, and nothing costs anything.
    pub(super) fn is_local(&self) -> bool {
        self.stack.calls_this_machine()
    }

    /// How long something may take that is done at once.
    pub(super) fn soon(&self) -> Duration {
        Duration::from_secs(if self.is_local() { 40 } else { 90 })
    }

    /// How long to wait for something that must not happen, after something later has happened.
    pub(super) fn a_moment(&self) -> Duration {
        Duration::from_secs(if self.is_local() { 2 } else { 10 })
    }

    /// The receiver. The check is not made if there is none.
    pub(super) fn receiver(&self) -> Outcome<&Receiver> {
        match &self.receiver {
            Some(receiver) => Ok(receiver),
            None => not_checked(
                "there is no endpoint that the stack could call",
                "--endpoint https://… of a tunnel that forwards to this machine's port --port",
            ),
        }
    }

    pub(super) fn has_receiver(&self) -> bool {
        self.receiver.is_some()
    }

    /// The physical id of a resource of the template; `None` if the stack does not have it.
    pub(super) fn resource(&self, logical: &str) -> Option<&str> {
        self.resources.get(logical).map(String::as_str)
    }

    /// The stack's resources whose id in the template ends so, sorted.
    pub(super) fn resources(&self, ending: &str) -> Vec<(&str, &str)> {
        let pairs = self.resources.iter().map(|(logical, physical)| (logical.as_str(), physical.as_str()));
        let mut found: Vec<_> = pairs.filter(|(logical, _)| logical.ends_with(ending)).collect();
        found.sort_unstable();
        found
    }

    /// Checks that the endpoint leads to this command. Fails if a request to it does not arrive here.
    pub(super) async fn check_endpoint(&self) -> Result<(), Failure> {
        const PATH: &str = "hello";
        let Some(receiver) = &self.receiver else { return Ok(()) };
        let url = receiver.url(PATH);
        let sent = self.client.post(&url).body("{}").send().await;
        let arrived = !receiver.received(PATH).is_empty();
        match sent {
            Ok(_) if arrived => Ok(()),
            Ok(reply) => Err(Failure::Failed(format!(
                "{url} answered {} and nothing arrived here: does the tunnel forward to --port?",
                reply.status().as_u16()
            ))),
            Err(err) => Err(Failure::Failed(format!("{url} cannot be reached: {}", failure::words(&err)))),
        }
    }

    /// Waits until a path has received this many requests, and returns them. Fails if fewer arrive in time.
    pub(super) async fn arrivals(&self, path: &str, count: usize) -> Outcome<Vec<Received>> {
        let within = self.soon();
        let (received, met) = self.receiver()?.wait(path, within, |received| received.len() >= count).await;
        if met {
            return Ok(received);
        }
        let [fan_out, dispatcher] = ["fan-out", "dispatcher"].map(|function| self.stack.log_group(function));
        failed(
            format!("{} of {count} requests arrived within {} s", received.len(), within.as_secs()),
            format!("look in {fan_out} and {dispatcher}; `doctor` says whether a function's trigger is disabled"),
        )
    }

    /// The longest time for which the dispatcher delays a message. A retry that is due later waits in a table.
    pub(super) async fn longest_delay(&self) -> Outcome<Duration> {
        let name = self.resource("DispatcherFunction").unwrap_or_default();
        let asked = Lambda::new(&self.stack.aws).get_function_configuration().function_name(name).send().await;
        let environment = asked?.environment;
        let variables = environment.and_then(|environment| environment.variables).unwrap_or_default();
        let seconds = variables.get("LONGEST_DELAY_SECONDS").and_then(|text| text.parse().ok());
        Ok(seconds.map_or(LONGEST_DELAY, Duration::from_secs).min(LONGEST_DELAY))
    }

    /// Refuses a check that takes many minutes, unless they are asked for.
    pub(super) fn allow(&self, most: Duration) -> Outcome<()> {
        if self.long || most <= Duration::from_mins(5) {
            return Ok(());
        }
        let minutes = most.as_secs().div_ceil(60);
        Err(Problem::NotChecked { why: format!("it takes up to {minutes} minutes"), advice: "--long".into() })
    }
}
