//! Loads the samples of earlier versions into the tables and queues of the stack under test.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use harness::{ApiKey, Customer, SOON, Stack, prepare, workspace};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::{RECEIVER, STACK};

/// The samples of one version.
pub(super) struct Frozen {
    pub(super) version: String,
    pub(super) account_id: String,
    /// The receiver's address at that time. The items and messages are changed to the present one.
    pub(super) receiver_then: String,
    /// The API's replies at that time, by path.
    pub(super) replies_then: BTreeMap<String, Value>,
    /// The API's replies about the same items now, before anything else happens to them.
    pub(super) replies_now: BTreeMap<String, Value>,
    about: Value,
    items: Value,
}

/// The samples of all versions. The first call loads them.
pub(super) async fn frozen() -> &'static [Frozen] {
    static FROZEN: OnceCell<Vec<Frozen>> = OnceCell::const_new();
    let put_in = async || {
        let mut all = Vec::new();
        for folder in fs::read_dir(workspace().join("tests/samples")).unwrap() {
            let folder = folder.unwrap().path();
            if folder.is_dir() {
                all.push(Frozen::put_in(&folder).await);
            }
        }
        assert!(!all.is_empty(), "there are samples");
        all
    };
    FROZEN.get_or_init(put_in).await
}

impl Frozen {
    async fn put_in(folder: &Path) -> Self {
        let about = read(folder, "about.json");
        let receiver_then = about["receiver"].as_str().unwrap().to_owned();
        let receiver_now = RECEIVER.url("");
        let moved = |name| -> Value {
            let text = read(folder, name).to_string().replace(&receiver_then, &receiver_now);
            serde_json::from_str(&text).unwrap()
        };
        let replies_then: BTreeMap<String, Value> = serde_json::from_value(moved("replies.json")).unwrap();
        let hour_then = replies_then["/api/v1/webhooks/1/stats?hours=1"]["hours"][0]["hour"].as_str().unwrap();
        let mut items = in_this_hour(&moved("items.json"), hour_then);
        let waits = take_waits(&mut items);
        tool(&STACK, &["put-items"], &items);

        let mut frozen = Self {
            version: folder.file_name().unwrap().to_str().unwrap().to_owned(),
            account_id: about["account_id"].as_str().unwrap().to_owned(),
            replies_now: BTreeMap::new(),
            receiver_then,
            replies_then,
            about,
            items,
        };
        frozen.replies_now = frozen.ask().await;
        tool(&STACK, &["put-items"], &json!({ "waiting": due_soon(waits) }));
        tool(&STACK, &["send", &STACK.deliveries_queue_url], &read(folder, "deliveries-queue.json"));
        tool(&STACK, &["send", &STACK.completions_queue_url], &read(folder, "completions-queue.json"));
        frozen
    }

    /// The API's present replies, for all paths that have an earlier one.
    async fn ask(&self) -> BTreeMap<String, Value> {
        let customer = Customer::new(&STACK, &self.key("key"));
        let mut replies = BTreeMap::new();
        for (path, then) in &self.replies_then {
            let reply = customer.get(path).await.unwrap();
            assert_eq!(reply.status, 200, "{}: {path}: {}", self.version, reply.text);
            let mut now = reply.json()["data"].take();
            if path.contains("/stats") {
                // The hour was moved; its counts were not changed.
                now["hours"][0]["hour"] = then["hours"][0]["hour"].clone();
            }
            // Release goes on: it closes the circuit of a recovering webhook that has nothing held.
            if then["circuit"] == "recovering" && now["circuit"] == "closed" {
                now["circuit"] = "recovering".into();
            }
            replies.insert(path.clone(), now);
        }
        replies
    }

    pub(super) fn key(&self, name: &str) -> ApiKey {
        ApiKey { account_id: self.account_id.clone(), key: self.about[name].as_str().unwrap().to_owned() }
    }

    /// The receiver's path for the webhook with this name.
    pub(super) fn path(&self, webhook: &str) -> String {
        format!("/{}/{webhook}", self.account_id)
    }

    pub(super) fn secret_of(&self, webhook: u64) -> String {
        let webhooks = self.items["webhooks"].as_array().unwrap();
        let number = webhook.to_string();
        let item = webhooks.iter().find(|item| item["id"]["N"] == *number && item.get("secret").is_some()).unwrap();
        item["secret"]["S"].as_str().unwrap().to_owned()
    }

    /// The id of a task's delivery to a webhook, from the earlier replies.
    pub(super) fn delivery(&self, webhook: u64, task: &str) -> String {
        let of_webhook = format!("/api/v1/webhooks/{webhook}/deliveries/");
        let mut deliveries = self.replies_then.iter().filter(|(path, _)| path.starts_with(&of_webhook));
        let (path, _) = deliveries.find(|(_, reply)| reply["payload"]["task_id"] == task).unwrap();
        path[of_webhook.len()..].to_owned()
    }

    /// Waits until the API's answer meets this condition, and returns the answer.
    pub(super) async fn wait_for(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let (customer, start) = (Customer::new(&STACK, &self.key("key")), Instant::now());
        loop {
            let data = customer.get(path).await.unwrap().json()["data"].take();
            if is_so(&data) {
                return data;
            }
            assert!(start.elapsed() < SOON, "{}: {path} stays {data}", self.version);
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }
}

fn read(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// Moves the items' hours so that the hour in which they were saved becomes the present one: after a week the API no
/// longer shows older hours.
fn in_this_hour(items: &Value, hour_then: &str) -> Value {
    let then: Timestamp = hour_then.parse().unwrap();
    let now = Timestamp::from_second(Timestamp::now().as_second() / 3600 * 3600).unwrap();
    let mut items = items.clone();
    for item in items["deliveries"].as_array_mut().unwrap() {
        if item["webhook"]["S"].as_str().is_some_and(|webhook| webhook.ends_with("#hours")) {
            let hour: Timestamp = item["id"]["S"].as_str().unwrap().parse().unwrap();
            item["id"]["S"] = (hour + now.duration_since(then)).to_string().into();
        }
    }
    items
}

/// Takes the entries of attempts that were due later out of the items. The cursors of `release` stay out: this stack has
/// its own.
fn take_waits(items: &mut Value) -> Vec<Value> {
    let waiting = items["waiting"].take();
    let is_wait = |item: &Value| item["shard"]["S"].as_str().unwrap().parse::<u8>().is_ok();
    let (waits, others): (Vec<_>, Vec<_>) = waiting.as_array().unwrap().iter().cloned().partition(is_wait);
    items["waiting"] = others.into_iter().filter(|item| item["shard"]["S"] != "cursors").collect();
    waits
}

/// Moves entries to the near future: `release` of this stack has gone past the times at which they were due.
fn due_soon(mut waits: Vec<Value>) -> Vec<Value> {
    let soon = Timestamp::now() + SignedDuration::from_secs(45);
    for wait in &mut waits {
        let (_, attempt) = wait["due"]["S"].as_str().unwrap().split_once('#').unwrap();
        wait["due"]["S"] = format!("{soon:.3}#{attempt}").into();
    }
    waits
}

/// Runs `samples.py` against a stack and returns the JSON that it prints.
pub(super) fn tool(stack: &Stack, arguments: &[&str], input: &Value) -> Value {
    let (python, _) = prepare(&|_| ()).unwrap();
    let mut tool = Command::new(python);
    tool.arg(workspace().join("tests/e2e/upgrades/samples.py")).args(arguments).envs(stack.aws_environment());
    let mut child = tool.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "samples.py {arguments:?} failed");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}
