//! Injects faults: a proxy between the functions and the emulator that makes calls fail in every way in which a
//! network call can fail, at random from a seed.
//!
//! Only the functions go through it: the emulator passes them the proxy's address as its own. The emulator's polling
//! of the queues, the tests' customers and their producer bypass it. It injects no faults until [`Faults::set_rate`]
//! is called.

mod call;
mod limit;
mod proxy;

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use fastrand::Rng;
use tokio::runtime::Builder;

use self::{call::Call, limit::Limit};
use crate::{Failure, http_client};

/// Longer than the functions' clients wait for a call: they give up after three seconds.
const HELD: Duration = Duration::from_secs(6);
/// A late call arrives up to this much after [`HELD`]: late enough to find what others have written meanwhile.
const LATER: Duration = Duration::from_secs(9);
/// The share of repeated calls that fail again, whatever the rate, so that faults come in clusters. Without it, the
/// functions' clients, which try each call three times, would hide nearly all faults from the functions.
const AGAIN: f64 = 0.5;

/// What the proxy does to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It is throttled.
    Throttled,
    /// It is answered 500 and not executed.
    Broken,
    /// The connection ends before the call arrives.
    Lost,
    /// It is executed, and the connection ends before the answer.
    AnswerLost,
    /// It never arrives, and the connection stays open until the caller has given up.
    Held,
    /// The same, but the call arrives some time after the caller has given up.
    Late,
    /// Part of a batch is not executed, and the answer says so. Half of a batch's faults are this one (half of the
    /// rest if it may be [`Fault::Lagging`]).
    Partial,
    /// Writes beyond their partition's limit are refused; see [`Faults::limit`].
    Limited,
    /// An eventually consistent read misses some items, as if they had only just been written. Half of such a read's
    /// faults are this one.
    Lagging,
}

/// Out of a hundred faults. Those that take seconds are rare.
const SHARES: [(Fault, u32); 6] = [
    (Fault::Throttled, 20),
    (Fault::Broken, 20),
    (Fault::Lost, 15),
    (Fault::AnswerLost, 35),
    (Fault::Held, 2),
    (Fault::Late, 8),
];

/// The proxy. It has a thread of its own and lives until this process ends.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    address: String,
    /// Set once the emulator runs, before any function does.
    emulator: OnceLock<String>,
    client: reqwest::Client,
    weather: Mutex<Weather>,
    /// How many calls are on their way to the emulator, including those that their caller has given up.
    under_way: AtomicUsize,
}

struct Weather {
    rng: Rng,
    rate: f64,
    cursed: Option<&'static str>,
    lagging: Option<&'static str>,
    limit: Option<Limit>,
    counts: Counts,
    taken_down: Option<Vec<(String, String)>>,
}

/// The calls that have passed the proxy so far.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// All calls, by operation.
    pub calls: BTreeMap<String, usize>,
    /// How many were made to fail, by fault.
    pub faults: BTreeMap<Fault, usize>,
}

impl Faults {
    /// Starts the proxy. The same seed makes the same choices if the calls come in the same order.
    pub fn start(seed: u64) -> Result<Self, Failure> {
        let cannot = |error| Failure::new(format!("the fault injector cannot be started: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        let address = format!("http://{}", listener.local_addr().map_err(cannot)?);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot)?;
        let weather = Weather {
            rng: Rng::with_seed(seed),
            rate: 0.0,
            cursed: None,
            lagging: None,
            limit: None,
            counts: Counts::default(),
            taken_down: None,
        };
        let inner = Arc::new(Inner {
            address,
            emulator: OnceLock::new(),
            client: http_client(),
            weather: Mutex::new(weather),
            under_way: AtomicUsize::new(0),
        });
        let proxy = Arc::clone(&inner);
        thread::spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is not blocking");
                proxy::serve(listener, &proxy).await;
            });
        });
        Ok(Self(inner))
    }

    /// Sets the share of calls that fail from now on, from 0 to 1.
    pub fn set_rate(&self, rate: f64) {
        lock(&self.0.weather).rate = rate;
    }

    /// From now on, every call whose body contains this text fails.
    pub fn curse(&self, text: &'static str) {
        lock(&self.0.weather).cursed = Some(text);
    }

    /// From now on, eventually consistent reads find nothing in the tables whose names end in `table`.
    pub fn lag(&self, table: &'static str) {
        lock(&self.0.weather).lagging = Some(table);
    }

    /// From now on, each partition of the table whose name ends in `table` takes this many writes a second, with a
    /// burst of as many, and refuses the others, as DynamoDB does. `None` removes the limit.
    pub fn limit(&self, table: &'static str, writes_per_second: Option<u32>) {
        lock(&self.0.weather).limit = writes_per_second.map(|writes| Limit::new(table, writes));
    }

    /// From now on, records each call in memory.
    pub fn take_down(&self) {
        lock(&self.0.weather).taken_down.get_or_insert_default();
    }

    /// The operation and the body of each recorded call, whether it failed or not.
    pub fn taken_down(&self) -> Vec<(String, String)> {
        lock(&self.0.weather).taken_down.clone().unwrap_or_default()
    }

    /// How many calls have not arrived yet, including those that their callers have given up.
    pub fn under_way(&self) -> usize {
        self.0.under_way.load(Ordering::SeqCst)
    }

    /// How many calls have passed so far, and how many failed.
    pub fn counts(&self) -> Counts {
        lock(&self.0.weather).counts.clone()
    }

    /// Forwards to the [endpoint](crate::Stack::endpoint) of a stack that was started without this proxy, for a
    /// client of the test's own. Returns the address that the client uses as AWS's.
    pub fn before(&self, endpoint: &str) -> &str {
        self.forward_to(endpoint);
        self.address()
    }

    /// The address that the functions use as AWS's.
    pub(crate) fn address(&self) -> &str {
        &self.0.address
    }

    /// Sets the emulator's address.
    pub(crate) fn forward_to(&self, emulator: &str) {
        self.0.emulator.get_or_init(|| emulator.to_owned());
    }
}

impl Inner {
    /// Chooses the fault of a call, if any, and counts the call and the fault.
    fn choose(&self, call: &Call) -> Option<Fault> {
        let mut weather = lock(&self.weather);
        *weather.counts.calls.entry(call.operation().to_owned()).or_default() += 1;
        if let Some(taken_down) = &mut weather.taken_down {
            taken_down.push((call.operation().to_owned(), String::from_utf8_lossy(&call.body).into_owned()));
        }
        let fault = weather.choose(call)?;
        *weather.counts.faults.entry(fault).or_default() += 1;
        Some(fault)
    }

    /// The end of the name of the tables that lag behind.
    fn lagging(&self) -> Option<&'static str> {
        lock(&self.weather).lagging
    }

    /// The places of the statements of a call that the table's limit refuses.
    fn refused(&self, call: &Call) -> Vec<usize> {
        lock(&self.weather).limit.as_mut().map(|limit| limit.refused(call)).unwrap_or_default()
    }

    /// A random generator for one call.
    fn rng(&self) -> Rng {
        lock(&self.weather).rng.fork()
    }
}

impl Weather {
    fn choose(&mut self, call: &Call) -> Option<Fault> {
        if self.cursed.is_some_and(|text| call.has(text)) {
            return Some(Fault::Broken);
        }
        if self.limit.as_ref().is_some_and(|limit| limit.concerns(call)) {
            return Some(Fault::Limited);
        }
        if self.lagging.is_some() && call.may_lag() {
            return Some(Fault::Lagging);
        }
        let chance = if self.rate > 0.0 && call.is_repeated() { AGAIN } else { self.rate };
        if self.rng.f64() >= chance {
            return None;
        }
        if call.may_lag() && self.rng.bool() {
            return Some(Fault::Lagging);
        }
        if call.is_batch() && self.rng.bool() {
            return Some(Fault::Partial);
        }
        let mut at = self.rng.u32(..100);
        let chosen = SHARES.iter().find(|(_, share)| match at.checked_sub(*share) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        chosen.map(|(fault, _)| *fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttled => "throttled",
            Self::Broken => "answered 500",
            Self::Lost => "dropped before",
            Self::AnswerLost => "dropped after",
            Self::Held => "timed out",
            Self::Late => "timed out, done later",
            Self::Partial => "done in part",
            Self::Limited => "beyond the table's limit",
            Self::Lagging => "read too early",
        })
    }
}

fn lock(weather: &Mutex<Weather>) -> MutexGuard<'_, Weather> {
    weather.lock().unwrap_or_else(PoisonError::into_inner)
}
