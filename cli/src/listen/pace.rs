//! When to ask the API again: the pace of the looks, the limits of the key, and the waits while the API is away.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use nano_webhooks::retry;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The time from one look to the next, while the key has requests to spare. An event then takes at most this long and
/// three requests to arrive: within three seconds.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The wait after a 429 that does not say how long to wait.
const UNSAID: Duration = Duration::from_secs(5);
const DAY: i64 = 86_400;

/// How many requests the key may make, as the API's `RateLimit-*` headers say.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// The window, a minute or a day of UTC, in which fewer requests are left.
    window: Option<Window>,
    day: Day,
    /// From a 429: when the API may be asked again.
    refused_until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    limit: u32,
    remaining: u32,
    ends_at: Timestamp,
}

/// The requests of this command on one day of UTC. The headers report the day's window only when fewer requests are
/// left in it than in the minute's, which is too late to spread them.
#[derive(Debug, Default)]
struct Day {
    number: i64,
    limit: Option<u32>,
    used: u32,
}

impl Budget {
    /// Reads a reply's headers. `was_refused` says whether its status is 429.
    pub(super) fn update(&mut self, headers: &HeaderMap, was_refused: bool, now: Timestamp) {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let number = |name| text(name)?.parse::<u32>().ok();
        if let (Some(limit), Some(remaining), Some(reset)) =
            (number("ratelimit-limit"), number("ratelimit-remaining"), number("ratelimit-reset"))
        {
            self.window = Some(Window { limit, remaining, ends_at: now + SignedDuration::from_secs(reset.into()) });
        }
        if self.day.number != day(now) {
            self.day = Day { number: day(now), ..Day::default() };
        }
        self.day.used += 1;
        self.day.limit = text("ratelimit-policy").and_then(limit_of_a_day).or(self.day.limit);
        self.refused_until = was_refused.then(|| {
            let wait = text(RETRY_AFTER.as_str()).map(|text| retry::retry_after(text, now)).unwrap_or_default();
            now + if wait.is_zero() { UNSAID } else { wait }
        });
    }

    /// How long the next request has to wait. Zero if the key has a request left.
    pub(super) fn wait(&self, now: Timestamp) -> Duration {
        let used_up = self.window.filter(|window| window.remaining == 0).map(|window| window.ends_at);
        let until = used_up.max(self.refused_until).unwrap_or(now);
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    }

    /// The time from one look to the next. It grows when three quarters of a window's requests are used, so that the
    /// rest lasts until the window ends.
    pub(super) fn interval(&self, now: Timestamp) -> Duration {
        let window = self.window.map(|Window { limit, remaining, ends_at }| spread(limit, remaining, ends_at, now));
        let midnight = Timestamp::from_second((day(now) + 1) * DAY).unwrap_or(now);
        let day = self.day.limit.map(|limit| spread(limit, limit.saturating_sub(self.day.used), midnight, now));
        LOOK_EVERY.max(window.unwrap_or_default()).max(day.unwrap_or_default())
    }
}

/// The wait before the next try, after this many failures in a row. An API that is back is noticed within ten seconds.
pub(super) fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(4)).min(Duration::from_secs(10))
}

fn day(now: Timestamp) -> i64 {
    now.as_second() / DAY
}

/// Finds the limit of a day in a policy such as `60;w=60, 10000;w=86400`.
fn limit_of_a_day(policy: &str) -> Option<u32> {
    let items = policy.split(',').filter_map(|item| item.trim().split_once(";w="));
    items.filter(|(_, window)| window.parse() == Ok(DAY)).find_map(|(limit, _)| limit.parse().ok())
}

fn spread(limit: u32, remaining: u32, ends_at: Timestamp, now: Timestamp) -> Duration {
    let left = Duration::try_from(ends_at.duration_since(now)).unwrap_or_default();
    if remaining > limit / 4 { Duration::ZERO } else { left / remaining.max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-11-28T12:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        noon() + SignedDuration::from_secs(seconds)
    }

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn window(limit: &'static str, remaining: &'static str, reset: &'static str) -> HeaderMap {
        headers(&[("ratelimit-limit", limit), ("ratelimit-remaining", remaining), ("ratelimit-reset", reset)])
    }

    fn budget_from(headers: &HeaderMap) -> Budget {
        let mut budget = Budget::default();
        budget.update(headers, false, noon());
        budget
    }

    #[test]
    fn with_requests_to_spare_it_looks_every_two_seconds() {
        for budget in [Budget::default(), budget_from(&HeaderMap::new()), budget_from(&window("60", "30", "59"))] {
            assert_eq!((budget.interval(noon()), budget.wait(noon())), (LOOK_EVERY, Duration::ZERO));
        }
    }

    #[test]
    fn the_last_quarter_of_a_window_is_spread_over_the_rest_of_it() {
        let budget = budget_from(&window("60", "5", "40"));
        assert_eq!(budget.interval(noon()), Duration::from_secs(8));
        assert_eq!(budget.interval(after(40)), LOOK_EVERY, "the next window has begun");
        assert_eq!(budget_from(&window("60", "15", "20")).interval(noon()), LOOK_EVERY);
        assert_eq!(budget_from(&window("60", "15", "60")).interval(noon()), Duration::from_secs(4));
    }

    #[test]
    fn a_window_without_requests_is_waited_for() {
        let budget = budget_from(&window("60", "0", "23"));
        assert_eq!(budget.wait(noon()), Duration::from_secs(23));
        assert_eq!(budget.wait(after(22)), Duration::from_secs(1));
        assert_eq!(budget.wait(after(23)), Duration::ZERO);
    }

    #[test]
    fn a_429_is_waited_for_as_long_as_it_says() {
        let refused = |headers: &[(&'static str, &'static str)]| {
            let mut budget = Budget::default();
            budget.update(&super::tests::headers(headers), true, noon());
            budget.wait(noon())
        };
        assert_eq!(refused(&[("retry-after", "7")]), Duration::from_secs(7));
        assert_eq!(refused(&[("retry-after", "Sat, 28 Nov 2026 12:01:00 GMT")]), Duration::from_mins(1));
        assert_eq!(refused(&[]), UNSAID, "the gateway's own throttle does not say");
        assert_eq!(refused(&[("retry-after", "0")]), UNSAID);
        let mut budget = Budget::default();
        budget.update(&HeaderMap::new(), true, noon());
        budget.update(&HeaderMap::new(), false, noon());
        assert_eq!(budget.wait(noon()), Duration::ZERO, "it was answered");
    }

    #[test]
    fn the_last_quarter_of_a_days_requests_lasts_until_midnight() {
        let policy = headers(&[("ratelimit-policy", "60;w=60, 1000;w=86400")]);
        let mut budget = Budget::default();
        for _ in 0..749 {
            budget.update(&policy, false, noon());
        }
        assert_eq!(budget.interval(noon()), LOOK_EVERY);
        budget.update(&policy, false, noon());
        assert_eq!(budget.interval(noon()), Duration::from_hours(12) / 250);
        budget.update(&policy, false, after(12 * 3600));
        assert_eq!(budget.interval(after(12 * 3600)), LOOK_EVERY, "a new day");
    }

    #[test]
    fn headers_that_are_no_numbers_change_nothing() {
        let mut budget = budget_from(&window("60", "0", "23"));
        budget.update(&window("many", "0", "1"), false, noon());
        budget.update(&headers(&[("ratelimit-policy", "60;w=60, x;w=86400, ;;, 7")]), false, noon());
        assert_eq!(budget.wait(noon()), Duration::from_secs(23));
        assert_eq!(budget.interval(noon()), Duration::from_secs(23));
    }

    #[test]
    fn an_api_that_is_away_is_asked_less_and_less_often() {
        let waits: Vec<_> = (1..8).map(|failures| backoff(failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10, 10]);
        assert_eq!(backoff(u32::MAX), Duration::from_secs(10));
    }
}
