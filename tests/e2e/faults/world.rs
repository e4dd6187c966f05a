//! The scenario of a run, derived from its seed: accounts with webhooks, tasks that end, and how receivers answer.

use std::time::{Duration, Instant};

use fastrand::Rng;
use harness::{Answer, Customer, Producer, Received, Receiver, Stack};
use serde_json::json;
use tokio::time::sleep;

use super::Size;

/// The account whose calls to AWS all fail.
pub(super) const CURSED: &str = "acct_cursed";
/// The secret of every webhook.
pub(super) const SECRET: &str = "your-secret-key";
/// Marks the name of a task that every receiver refuses.
const HOPELESS: &str = "hopeless";

const BOTH: &[&str] = &["job.completed", "job.failed"];

pub(super) struct World {
    pub(super) accounts: Vec<Account>,
    pub(super) tasks: Vec<Task>,
    seed: u64,
}

pub(super) struct Account {
    pub(super) customer: Customer,
    pub(super) webhooks: Vec<Webhook>,
    id: String,
}

pub(super) struct Webhook {
    pub(super) id: u64,
    pub(super) path: String,
    events: &'static [&'static str],
}

pub(super) struct Task {
    pub(super) name: String,
    pub(super) fate: Fate,
    pub(super) message: String,
    /// The index of its account; `None` for the cursed account.
    pub(super) account: Option<usize>,
    event: &'static str,
    sent_twice: bool,
}

/// How a task's completion must end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its webhooks are delivered.
    Delivered,
    /// Its deliveries are attempted until the schedule is used up, and fail.
    Failed,
    /// It is no valid completion: it becomes a dead letter with a reason.
    Malformed,
    /// It belongs to the cursed account: it becomes a dead letter after the last receive. That takes longest, so
    /// these come first.
    Cursed,
}

impl World {
    /// Derives the scenario from the seed and registers its webhooks.
    pub(super) async fn create(stack: &Stack, receiver: &Receiver, size: &Size, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut accounts = Vec::new();
        for number in 0..size.accounts {
            let mixture = if size.three_webhooks_each { 0 } else { number % MIXTURES.len() };
            accounts.push(Account::create(stack, receiver, number, MIXTURES[mixture]).await);
        }
        let tasks = (0..size.completions).map(|number| Task::make_up(number, &accounts, &mut rng)).collect();
        let start = Instant::now();
        receiver.answer_by(move |request| mood(request, start.elapsed(), &mut rng));
        Self { accounts, tasks, seed }
    }

    /// The messages in the order in which they are sent, `size` tasks per wave. A task that is sent twice appears
    /// again in the same wave or in the next.
    pub(super) fn waves(&self, size: usize) -> impl Iterator<Item = Vec<String>> {
        let mut rng = Rng::with_seed(self.seed);
        let mut later: Vec<&Task> = Vec::new();
        self.tasks.chunks(size).map(move |tasks| {
            let again = std::mem::take(&mut later);
            let (soon, next): (Vec<_>, Vec<_>) = tasks.iter().filter(|task| task.sent_twice).partition(|_| rng.bool());
            later = next;
            let mut wave: Vec<_> = tasks.iter().chain(soon).chain(again).map(|task| task.message.clone()).collect();
            rng.shuffle(&mut wave);
            wave
        })
    }

    /// Waits until no delivery is held or retrying any more. While an account has held deliveries, another of its
    /// tasks ends from time to time: if an endpoint's only remaining delivery is one that it always refuses, the
    /// service cannot distinguish that endpoint from one that is down.
    pub(super) async fn wait_until_nothing_waits(&mut self, producer: &Producer, within: Duration) {
        let start = Instant::now();
        loop {
            let (mut waiting, mut held) = (Vec::new(), Vec::new());
            for (number, account) in self.accounts.iter().enumerate() {
                for webhook in &account.webhooks {
                    let is_held = account.has(webhook, "held").await;
                    held.extend(is_held.then_some(number));
                    waiting.extend((is_held || account.has(webhook, "retrying").await).then_some(&webhook.path));
                }
            }
            if waiting.is_empty() {
                return;
            }
            assert!(start.elapsed() < within, "{waiting:?} have deliveries that wait");
            held.dedup();
            let more = held.into_iter().flat_map(|account| BOTH.iter().map(move |event| (account, *event)));
            let more: Vec<_> = more.zip(self.tasks.len()..).collect();
            let more =
                more.into_iter().map(|((account, event), number)| Task::good(number, account, &self.accounts, event));
            let more: Vec<_> = more.collect();
            producer.send_all(&more.iter().map(|task| task.message.clone()).collect::<Vec<_>>()).await.unwrap();
            self.tasks.extend(more);
            sleep(Duration::from_secs(2)).await;
        }
    }
}

/// The events that each webhook of an account subscribes to.
type Mixture = &'static [&'static [&'static str]];

/// Three webhooks for all events, and other mixtures.
const MIXTURES: [Mixture; 3] = [&[BOTH, BOTH, BOTH], &[&["job.completed"], &["job.failed"], BOTH], &[BOTH]];

impl Account {
    async fn create(stack: &Stack, receiver: &Receiver, number: usize, mixture: Mixture) -> Self {
        let id = format!("acct_{number}");
        let customer = Customer::new(stack, &stack.create_api_key(&id).unwrap());
        let mut webhooks = Vec::new();
        for (at, &events) in mixture.iter().enumerate() {
            let path = format!("/{id}/{at}");
            let webhook = json!({ "url": receiver.url(&path), "events": events, "secret_key": SECRET });
            let reply = customer.post("/api/v1/webhooks", &webhook).await.unwrap();
            assert_eq!(reply.status, 201, "{}", reply.text);
            webhooks.push(Webhook { id: reply.json()["data"]["id"].as_u64().unwrap(), path, events });
        }
        Self { customer, webhooks, id }
    }

    async fn has(&self, webhook: &Webhook, status: &str) -> bool {
        let path = format!("/api/v1/webhooks/{}/deliveries?limit=1&status={status}", webhook.id);
        self.customer.get(&path).await.unwrap().json()["data"]["deliveries"] != json!([])
    }
}

impl Task {
    fn make_up(number: usize, accounts: &[Account], rng: &mut Rng) -> Self {
        let fate = match rng.u32(..100) {
            _ if number < 4 => Fate::Cursed,
            0..4 => Fate::Failed,
            4..8 => Fate::Malformed,
            _ => Fate::Delivered,
        };
        // Every second cursed task is malformed too: the call that sends it to the dead-letter queue fails as well.
        let is_malformed = fate == Fate::Malformed || fate == Fate::Cursed && number.is_multiple_of(2);
        let account = (fate != Fate::Cursed).then(|| rng.usize(..accounts.len()));
        let name =
            format!("task_{number}{}", if fate == Fate::Failed { format!("_{HOPELESS}") } else { String::new() });
        let event = *rng.choice(BOTH).expect("there are two");
        let message = json!({
            "account_id": account.map_or(CURSED, |account| accounts[account].id.as_str()),
            "task_id": name,
            "task_type": "image",
            "status": if is_malformed { "done" } else { status_of(event) },
            "data": { "url": "https://cdn.example.com/é.png", "credits_charged": rng.u8(..) },
            "timestamp": timestamp(number),
        });
        Self { name, fate, message: message.to_string(), account, event, sent_twice: rng.u32(..100) < 10 }
    }

    /// A task that every receiver accepts, sooner or later.
    fn good(number: usize, account: usize, accounts: &[Account], event: &'static str) -> Self {
        let name = format!("task_{number}");
        let message = json!({ "account_id": accounts[account].id, "task_id": name, "task_type": "image",
            "status": status_of(event), "timestamp": timestamp(number) });
        let message = message.to_string();
        Self { name, fate: Fate::Delivered, message, account: Some(account), event, sent_twice: false }
    }

    pub(super) fn is_wanted_by(&self, webhook: &Webhook) -> bool {
        matches!(self.fate, Fate::Delivered | Fate::Failed) && webhook.events.contains(&self.event)
    }
}

fn status_of(event: &str) -> &str {
    event.trim_start_matches("job.")
}

fn timestamp(number: usize) -> String {
    format!("2026-01-02T03:{:02}:{:02}.{:03}Z", number / 60_000, number / 1_000 % 60, number % 1_000)
}

/// Whether an endpoint is down for 25 seconds of every two minutes. Its circuit then opens, and its deliveries are held.
fn has_outages(path: &str) -> bool {
    path.ends_with("1/0") || path.ends_with("4/2")
}

/// Usually accepts; sometimes fails, is slow, or is so slow that the sender times out.
fn mood(request: &Received, since: Duration, rng: &mut Rng) -> Answer {
    let is_hopeless = request.body.windows(HOPELESS.len()).any(|window| window == HOPELESS.as_bytes());
    let slow = |millis| Answer { delay: Duration::from_millis(millis), ..Answer::status(200) };
    match rng.u32(..1000) {
        _ if has_outages(&request.path) && (15..40).contains(&(since.as_secs() % 120)) => Answer::status(503),
        _ if is_hopeless => Answer::status(500),
        0..60 => Answer::status(*rng.choice(&[500, 503, 404, 302]).expect("there are four")),
        60..90 => slow(rng.u64(100..2_000)),
        90..96 => slow(rng.u64(9_000..13_000)),
        _ => Answer::status(200),
    }
}
