//! The circuit, and the operator's settings: when an endpoint counts as down, and what happens then.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// Whether a webhook's deliveries are attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Circuit {
    /// Deliveries are attempted.
    #[default]
    Closed,
    /// The endpoint is down: deliveries are held, except probes and callbacks to other origins.
    Open,
    /// New deliveries are attempted, and held deliveries are released at a pace.
    Recovering,
}

impl fmt::Display for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The operator's settings for circuits. The default has the template's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How many attempts must fail in a row before the endpoint counts as down. A `Retry-After` of a minute or more
    /// opens the circuit, too.
    pub failures: usize,
    /// How many different deliveries must be among those failures.
    pub events: usize,
    /// A webhook is disabled if a probe fails after its circuit has been open for this long.
    pub patience: Duration,
    /// How long release waits before each probe.
    pub probe_waits: ProbeWaits,
    /// How many held deliveries are sent in the first minute of a drain.
    pub drain_start: u32,
    /// The most that a drain sends in a minute, unless the webhook had more traffic before it failed.
    pub drain_per_minute: u32,
    /// How long a dispatcher may work on a batch, and so how long it may act on a circuit that has since changed.
    pub dispatcher_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures: 10,
            events: 5,
            patience: Duration::from_hours(5 * 24),
            probe_waits: ProbeWaits([60, 120, 300, 600, 1800, 3600].map(Duration::from_secs).into()),
            drain_start: 30,
            drain_per_minute: 6_000,
            dispatcher_timeout: Duration::from_secs(30),
        }
    }
}

/// The waits before probes, in order. The last one repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeWaits(Vec<Duration>);

impl ProbeWaits {
    /// The wait before the next probe, given how many probes were made since the circuit was last closed.
    pub fn wait(&self, made: u32) -> Duration {
        let made = usize::try_from(made).unwrap_or(usize::MAX);
        self.0[made.min(self.0.len() - 1)]
    }
}

/// The text is not a valid [`ProbeWaits`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected 1 to {MOST_WAITS} waits in seconds, 1 to {LONGEST_WAIT} each, separated by commas: 60,300,3600")]
pub struct InvalidProbeWaits;

const MOST_WAITS: usize = 20;
/// In seconds: one day.
const LONGEST_WAIT: u64 = 86_400;

impl FromStr for ProbeWaits {
    type Err = InvalidProbeWaits;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wait = |item: &str| {
            let seconds = item.trim().parse().ok().filter(|seconds| (1..=LONGEST_WAIT).contains(seconds));
            seconds.map(Duration::from_secs).ok_or(InvalidProbeWaits)
        };
        let waits = text.split(',').map(wait).collect::<Result<Vec<_>, _>>()?;
        if waits.len() > MOST_WAITS { Err(InvalidProbeWaits) } else { Ok(Self(waits)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_wait_repeats() {
        let waits: ProbeWaits = "60, 120,300".parse().unwrap();
        let seconds: Vec<_> = (0..5).map(|made| waits.wait(made).as_secs()).collect();
        assert_eq!(seconds, [60, 120, 300, 300, 300]);
    }

    #[test]
    fn invalid_waits_are_refused() {
        let too_many = ["1"; 21].join(",");
        for bad in ["", "60,", "0", "86401", "-1", "1.5", "soon", too_many.as_str()] {
            assert_eq!(bad.parse::<ProbeWaits>(), Err(InvalidProbeWaits), "{bad}");
        }
    }
}
