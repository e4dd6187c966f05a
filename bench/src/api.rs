//! `api`: what a request costs each warm function of the API, and how long it takes.

use std::{collections::BTreeMap, fs};

use hyper::body::Bytes;
use programs::workspace;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    failure::{Failure, Result, check},
    history::{Original, with_id},
    lambda::Done,
    receiver::Manner,
    report::{Report, ms, percentile, rounded, table},
    row,
    traffic::{WAITING_TABLE, WEBHOOKS_TABLE, account, load, register, said, webhook},
    world::{Functions, World},
};

const API_KEYS_TABLE: &str = "nano-webhooks-api-keys";
/// The key in the sample events.
const SAMPLE_KEY: &str = "sk-0123456789abcdef0123456789abcdef01234567";
/// How many events each account has, with deliveries to its first webhook: more than a page.
pub(crate) const HISTORY: u64 = 50;
/// The id of each account's webhook that has a resend and a rehearsal.
const RESENT: usize = 2;
/// The id of each account's last webhook, whose circuit is open.
const OPEN: usize = 3;

/// The sample requests of `events/`, each from its own account, so that every request finds what it needs.
pub(crate) struct Requests {
    samples: BTreeMap<String, String>,
}

impl Requests {
    /// Makes `accounts` accounts, each with a key, three webhooks and a history.
    pub(crate) fn new(world: &World, functions: &Functions, accounts: usize) -> Result<Self> {
        let original = Original::new(world, functions, 300)?;
        for number in 0..accounts {
            let account = account(number);
            let url = Manner::Keep.url(&world.receiver(false));
            register(world, &account, OPEN, &url)?;
            load(world, WEBHOOKS_TABLE, resent(webhook(&account, RESENT, &url)).to_string())?;
            load(world, WEBHOOKS_TABLE, open(webhook(&account, OPEN, &url)).to_string())?;
            load(world, WAITING_TABLE, rehearsed(&account).to_string())?;
            let item = json!({
                "key_hash": {"S": hex::encode(Sha256::digest(key(number)))},
                "id": {"S": format!("key_{number:016}")},
                "account_id": {"S": account},
                "created_at": {"S": "2026-01-02T03:04:05Z"},
            });
            load(world, API_KEYS_TABLE, item.to_string())?;
            original.copy(world, &account, 0..HISTORY)?;
        }
        let api = functions.built().filter(|function| function.is_api);
        let samples = api.map(|function| {
            let path = workspace().join("events").join(format!("{}.json", function.name));
            let text = fs::read_to_string(&path).map_err(Failure::to(&format!("read {}", path.display())))?;
            check(text.contains(SAMPLE_KEY) || is_public(&function.name), || format!("no key in {}", path.display()))?;
            Ok((function.name.clone(), text))
        });
        Ok(Self { samples: samples.collect::<Result<_>>()? })
    }

    /// A function's sample, as a request of this account.
    pub(crate) fn event(&self, function: &str, account: usize) -> Result<Bytes> {
        let sample = self.of(function, account)?;
        let sample = match function {
            "probe-webhook" => of_webhook(&sample, OPEN),
            "get-rehearsal" | "get-resend" | "stop-resend" => of_webhook(&sample, RESENT),
            _ => sample,
        };
        // A customer's page asks for the newest 20, of whatever state or task.
        let sample = sample.replace("status=failed&limit=50", "limit=20").replace(r#""status": "failed","#, "");
        let sample = sample.replace("task_id=task_xxx&limit=50", "limit=20").replace(r#""task_id": "task_xxx","#, "");
        Ok(with_id(&sample.replace(r#""limit": "50""#, r#""limit": "20""#), 0))
    }

    /// A search for the events of a task that does not exist.
    pub(crate) fn search(&self, account: usize) -> Result<Bytes> {
        self.of("list-events", account).map(Bytes::from)
    }

    fn of(&self, function: &str, account: usize) -> Result<String> {
        let sample = self.samples.get(function);
        let sample = sample.ok_or_else(|| Failure::new(format!("events/ has nothing for {function}")))?;
        Ok(sample.replace(SAMPLE_KEY, &key(account)))
    }
}

/// The item of a webhook with a resend that goes on.
fn resent(mut webhook: Value) -> Value {
    webhook["resend"] = json!({"M": {
        "id": {"S": "01KDYAK3482WAV4DVEFM6KBDXQ"},
        "since": {"S": "2026-01-02T03:04:05Z"},
        "until": {"S": "2026-01-02T04:04:05Z"},
        "statuses": {"L": [{"S": "failed"}]},
        "started_at": {"S": "2026-01-02T04:04:05Z"},
        "sent": {"N": "0"},
        "next_at": {"S": "2026-01-02T04:04:05Z"},
    }});
    webhook
}

/// The item of a rehearsal that was made.
fn rehearsed(account: &str) -> Value {
    let outcome = |http_status: &str| {
        json!({"M": {
            "started_at": {"S": "2026-01-02T03:04:05Z"},
            "duration_ms": {"N": "41"},
            "http_status": {"N": http_status},
            "message": {"S": format!("the endpoint answered {http_status}")},
            "response": {"S": ""},
        }})
    };
    json!({
        "shard": {"S": format!("rehearsal#{account}#{RESENT}")},
        "due": {"S": "last"},
        "rehearsal_id": {"S": "01KDYAK3482WAV4DVEFM6KBDXQ"},
        "account_id": {"S": account},
        "webhook_id": {"N": RESENT.to_string()},
        "started_at": {"N": "1767323045000"},
        "webhook_url": {"S": "https://example.com/webhooks"},
        "epoch": {"N": "0"},
        "sample_event": {"S": "job.completed"},
        "requests": {"N": "5"},
        "outcomes": {"M": {
            "signed_event": outcome("204"),
            "wrong_signature": outcome("401"),
            "old_timestamp": outcome("401"),
            "repeated_id": outcome("204"),
            "unknown_event": outcome("204"),
        }},
    })
}

/// The item of a webhook with an open circuit.
fn open(mut webhook: Value) -> Value {
    webhook["health"] = json!({"M": {
        "version": {"N": "1"},
        "epoch": {"N": "0"},
        "circuit": {"S": "open"},
        "generation": {"N": "1"},
    }});
    webhook
}

/// A request for webhook 1, changed to another webhook.
fn of_webhook(sample: &str, id: usize) -> String {
    sample.replace("/webhooks/1", &format!("/webhooks/{id}")).replace(r#""id": "1""#, &format!(r#""id": "{id}""#))
}

fn key(account: usize) -> String {
    format!("sk-{account:040x}")
}

fn is_public(function: &str) -> bool {
    matches!(function, "openapi" | "console")
}

/// Fails unless the function answered with success; `not-found` has to answer 404.
pub(crate) fn check_answer(function: &str, done: &Done) -> Result<()> {
    let answer: Value = serde_json::from_slice(&done.body).unwrap_or_default();
    let expected = if function == "not-found" { 404..=404 } else { 200..=299 };
    let status = answer["statusCode"].as_u64().unwrap_or_default();
    check(expected.contains(&status), || format!("{function} answered {answer}"))
}

/// Sends this number of requests to each function, after a tenth of it as a warm-up.
pub(crate) fn run(functions: &Functions, requests: usize) -> Result<Report> {
    let warm_up = (requests / 10).max(1);
    let mut rows = vec![row!["", "CPU ms", "p50 ms", "p99 ms", "peak RSS MiB"]];
    let mut figures = serde_json::Map::new();
    for function in functions.built().filter(|function| function.is_api) {
        let name = function.name.as_str();
        // A world for each function, so that none finds what another has changed.
        let world = World::new(functions)?;
        let events = Requests::new(&world, functions, requests + warm_up)?;
        let sandbox = world.start(functions, name, false)?;
        let send = |accounts: std::ops::Range<usize>| {
            let count = accounts.len();
            let events = accounts.map(|account| events.event(name, account)).collect::<Result<Vec<_>>>()?;
            world.lambda.queue(events);
            let answers = world.lambda.answers(count).map_err(|err| said(&err, &sandbox.log.last_words()))?;
            answers.iter().try_for_each(|done| check_answer(name, done))?;
            Ok(answers)
        };
        send(0..warm_up)?;
        let before = sandbox.cpu_ms()?;
        let answers: Vec<Done> = send(warm_up..warm_up + requests)?;
        let cpu_ms = (sandbox.cpu_ms()? - before) / requests as f64;
        world.check_calls()?;
        let share = |share| rounded(percentile(answers.iter().map(|done| ms(done.duration)), share), 2);
        let figure = json!({
            "cpu_ms": rounded(cpu_ms, 3),
            "p50_ms": share(0.5),
            "p99_ms": share(0.99),
            "peak_rss_mib": rounded(sandbox.peak_rss_mib()?, 1),
        });
        rows.push(row![name, figure["cpu_ms"], figure["p50_ms"], figure["p99_ms"], figure["peak_rss_mib"]]);
        figures.insert(name.to_owned(), figure);
    }
    let text = format!("{requests} requests to each warm function, one at a time\n\n{}", table(&rows));
    Ok(Report { json: Value::Object(figures), text })
}
