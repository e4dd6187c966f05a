//! How many requests a key may make.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use harness::{ApiKey, Customer, Options, Reply, Stack};
use serde_json::{Value, json};

use crate::{console::Browser, folder_of_this_run};

const WEBHOOKS: &str = "/api/v1/webhooks";
const PATHS: [&str; 3] = [WEBHOOKS, "/api/v1/webhooks/1", "/nowhere"];

/// Sends requests at the same time to several functions, whose processes share no memory. Takes two minutes, because
/// the day's limit shows only after the minute's limit has reset.
#[tokio::test]
async fn a_keys_limits_hold_across_functions_and_sandboxes() {
    let options = Options {
        folder: folder_of_this_run().join("throttling"),
        parameters: vec![("RateLimitPerMinute", "20"), ("RateLimitPerDay", "30")],
        ..Options::default()
    };
    let stack = Stack::start(&options, &|_| {}).unwrap();
    let key = stack.create_api_key("acct_busy").unwrap();
    let customer = Customer::new(&stack, &key);
    let stranger = Customer::new(&stack, &ApiKey { key: "sk-0".into(), ..key.clone() });
    // Starts the sandboxes first, so that the burst does not last into the next minute on a slow machine.
    join_all((0..8).flat_map(|_| PATHS).map(|path| stranger.get(path))).await;

    a_good_minute().await;
    let burst = burst(&customer, 40).await;
    let (refused, allowed): (Vec<_>, Vec<_>) = burst.iter().partition(|reply| reply.status == 429);
    assert_eq!((allowed.len(), refused.len()), (20, 20));
    let mut remaining: Vec<u32> = allowed.iter().map(|reply| header(reply, "ratelimit-remaining")).collect();
    remaining.sort_unstable();
    assert_eq!(remaining, (0..20).collect::<Vec<_>>(), "no two requests were counted as one");
    for reply in &refused {
        let wait: u32 = header(reply, "retry-after");
        assert!((1..=60).contains(&wait), "{wait}");
        assert_eq!(reply.json()["error"]["code"], "rate_limited");
        let message = format!("the limit of 20 requests a minute is reached; try again in {wait} s");
        assert_eq!(reply.json()["error"]["message"], message);
        assert_eq!((header(reply, "ratelimit-limit"), header(reply, "ratelimit-reset")), (20, wait));
        assert_eq!(reply.headers["ratelimit-policy"], "20;w=60, 30;w=86400");
    }

    let other = Customer::new(&stack, &stack.create_api_key("acct_busy").unwrap());
    assert_eq!(other.get(WEBHOOKS).await.unwrap().status, 200, "each key has limits of its own");
    let keys: Value = serde_json::from_str(&stack.operator(&["keys", "list", "--json"]).unwrap()).unwrap();
    assert!(keys[0]["last_used_at"].is_string(), "{keys}");

    next_minute().await;
    let next_minute = self::burst(&customer, 15).await;
    let allowed = next_minute.iter().filter(|reply| reply.status != 429).count();
    assert_eq!(allowed, 10, "what was refused was not counted");
    let refused = next_minute.iter().find(|reply| reply.status == 429).unwrap();
    assert!(refused.text.contains("the limit of 30 requests a day is reached"), "{}", refused.text);
    the_console_says_when_to_go_on(&stack, &key).await;
}

async fn the_console_says_when_to_go_on(stack: &Stack, key: &ApiKey) {
    let Some(browser) = Browser::start_at(&stack.api_url).await else { return };
    browser.write("API key", &key.key).await;
    browser.click("Sign in").await;
    browser.read("Too many requests with this key. Try again at").await;
    // Simulates a person who reaches the limit while signed in.
    browser.script_with("sessionStorage.setItem('api-key', given)", json!(key.key)).await;
    browser.go("").await;
    browser.read("The console goes on by itself at").await;
}

async fn burst(customer: &Customer, requests: usize) -> Vec<Reply> {
    let requests = (0..requests).map(|at| customer.get(PATHS[at % PATHS.len()]));
    join_all(requests).await.into_iter().map(Result::unwrap).collect()
}

fn header(reply: &Reply, name: &str) -> u32 {
    reply.headers[name].to_str().unwrap().parse().unwrap()
}

/// Waits for a minute that has half its time left and is not the day's last one.
async fn a_good_minute() {
    while now() % 60 > 30 || now() % 86_400 >= 86_340 {
        next_minute().await;
    }
}

async fn next_minute() {
    tokio::time::sleep(Duration::from_secs(60 - now() % 60)).await;
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
