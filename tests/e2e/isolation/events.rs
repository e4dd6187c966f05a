//! Every webhook that receives a task's event belongs to the task's account.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::join_all;
use harness::{Customer, Producer};
use serde_json::{Value, json};

use super::{Victim, WEBHOOKS};
use crate::{RECEIVER, STACK, key_for};

const A_WHILE: Duration = Duration::from_secs(30);

/// The path that an account's webhook listens on.
fn path(account: &str, webhook: u64) -> String {
    format!("/heard_by/{account}/{webhook}")
}

async fn register(account: &str, webhooks: u64) -> Customer {
    let customer = Customer::new(&STACK, &key_for(account));
    for number in 1..=webhooks {
        let webhook = json!({ "url": RECEIVER.url(&path(account, number)), "events": ["job.completed"] });
        let created = customer.post(WEBHOOKS, &webhook).await.unwrap();
        assert_eq!(created.json()["data"]["id"], number, "{}", created.text);
    }
    customer
}

/// The tasks whose events a path has received.
fn heard(path: &str) -> BTreeSet<String> {
    let tasks = RECEIVER.received(path).into_iter();
    tasks.map(|webhook| webhook.json()["task_id"].as_str().unwrap().to_owned()).collect()
}

/// Completions that name an account in different ways, and the account that each belongs to; `None` if it is not a
/// valid completion. If a name is given twice the last one counts, as in every JSON parser of a customer. A webhook's
/// body does not contain the account.
const NAMED: [(&str, Option<&str>); 37] = [
    (r#""account_id":"iso-a""#, Some("iso-a")),
    (r#""account_id":"iso-ab""#, Some("iso-ab")),
    (r#""account_id":"ISO-A""#, Some("ISO-A")),
    (r#""account_id":"iso-a:1""#, Some("iso-a:1")),
    (r#""account_id":"iso-""#, Some("iso-")),
    (r#""account_id":"\u0069so-a""#, Some("iso-a")),
    (r#""account_id":"iso-b","account_id":"iso-a""#, Some("iso-a")),
    (r#""account_id":"iso-a","account_id":"iso-b""#, Some("iso-b")),
    (r#""account_id":"iso-a","\u0061ccount_id":"iso-b""#, Some("iso-b")),
    (r#""account_id":"iso-a","accountId":"iso-b","ACCOUNT_ID":"iso-b","account":"iso-b""#, Some("iso-a")),
    (r#""account_id":"iso-a","__proto__":{"account_id":"iso-b"}"#, Some("iso-a")),
    (r#""__proto__":{"account_id":"iso-b"},"account_id":"iso-a""#, Some("iso-a")),
    (r#""account_id":"iso-a","data":{"account_id":"iso-b"}"#, Some("iso-a")),
    (r#""account_id":"iso-a","detail":{"account_id":"iso-b"}"#, Some("iso-a")),
    (r#""account_id":"iso-b","account_id":null"#, None),
    (r#""account_id":"iso-a","detail-type":"task","detail":"iso-b""#, None),
    (r#""__proto__":{"account_id":"iso-a"}"#, None),
    (r#""constructor":{"prototype":{"account_id":"iso-a"}}"#, None),
    (r#""account_id":null"#, None),
    (r#""account_id":1"#, None),
    (r#""account_id":["iso-a"]"#, None),
    (r#""account_id":{"S":"iso-a"}"#, None),
    (r#""account_id":"""#, None),
    (r#""account_id":"iso-a ""#, None),
    (r#""account_id":" iso-a""#, None),
    (r#""account_id":"iso-a\n""#, None),
    (r#""account_id":"iso-a#1""#, None),
    (r##""account_id":"#iso-a""##, None),
    (r#""account_id":"iso-a%231""#, None),
    (r#""account_id":"iso%2Da""#, None),
    (r#""account_id":"iso-a\u0000""#, None),
    (r#""account_id":"iso-a,iso-b""#, None),
    (r#""account_id":"iso-*""#, None),
    (r#""account_id":"iso-\u0430""#, None),  // a Cyrillic a
    (r#""account_id":"\uff49so-a""#, None),  // a wide i
    (r#""account_id":"i\u0131so-a""#, None), // a dotless i
    (r#""account_id":"iso-a\u200b""#, None),
];

#[tokio::test]
async fn a_completion_goes_to_the_account_that_it_spells_out_and_to_no_likeness_of_it() {
    let accounts = ["iso-", "iso-a", "iso-ab", "iso-b", "ISO-A", "iso-a:1", "iso-a.1"];
    join_all(accounts.map(|account| register(account, 2))).await;
    let mut expected: BTreeMap<&str, BTreeSet<String>> = accounts.map(|account| (account, BTreeSet::new())).into();
    let mut messages = Vec::new();
    let mut dead = Vec::new();
    let rest = |task: &str| format!(r#""task_id":"{task}","task_type":"image","status":"completed""#);
    for (number, (named, account)) in NAMED.into_iter().enumerate() {
        let task = format!("named_{number}_");
        messages.push(format!("{{{named},{}}}", rest(&task)));
        match account {
            Some(account) => assert!(expected.get_mut(account).unwrap().insert(task)),
            None => dead.push(task),
        }
    }
    // In EventBridge's envelope only the inner account counts, and the last of two.
    let (inner, other) = (rest("named_inside"), rest("named_elsewhere"));
    messages.push(format!(
        r#"{{"detail-type":"task","account":"iso-b","account_id":"iso-b",{other},
            "detail":{{"account_id":"iso-b",{other}}},"detail":{{"account_id":"iso-a",{inner}}}}}"#
    ));
    expected.get_mut("iso-a").unwrap().insert("named_inside".into());
    // Sent last: a webhook that goes to a wrong account arrives before these.
    for account in accounts {
        messages.push(format!(r#"{{"account_id":"{account}",{}}}"#, rest("named_last")));
        expected.get_mut(account).unwrap().insert("named_last".into());
    }
    let producer = Producer::new(&STACK);
    producer.send_all(&messages).await.unwrap();

    for task in dead {
        let letter = producer.wait_for_dead_letter(&task, A_WHILE).await.unwrap();
        let reason = letter.reason.unwrap_or_default();
        assert!(reason.starts_with("account_id is ") || reason.starts_with("detail is "), "{}: {reason}", letter.body);
    }
    for (account, tasks) in expected {
        for webhook in 1..=2 {
            RECEIVER.wait_for(&path(account, webhook), tasks.len(), A_WHILE).await.unwrap();
            assert_eq!(heard(&path(account, webhook)), tasks, "webhook {webhook} of {account}");
        }
    }
}

/// Accounts with nearly the same names and the same webhooks; each task's account is chosen at random.
#[tokio::test]
async fn whoever_hears_of_a_task_is_of_its_account() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let accounts: Vec<String> = similar_names(&mut rng, 8).into_iter().collect();
    let webhooks: Vec<u64> = accounts.iter().map(|_| rng.u64(1..=3)).collect();
    join_all(accounts.iter().zip(&webhooks).map(|(account, count)| register(account, *count))).await;
    let mut expected: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let mut messages: Vec<String> = (0..200)
        .map(|number| {
            let account = rng.usize(..accounts.len());
            let task = format!("drawn_{number}");
            let completion = json!({ "account_id": accounts[account], "task_id": task, "task_type": "image",
                "status": "completed", "timestamp": "2026-01-02T03:04:05Z" });
            expected.entry(account).or_default().insert(task);
            completion.to_string()
        })
        .collect();
    rng.shuffle(&mut messages);
    Producer::new(&STACK).send_all(&messages).await.unwrap();

    for (account, tasks) in &expected {
        for webhook in 1..=webhooks[*account] {
            RECEIVER.wait_for(&path(&accounts[*account], webhook), tasks.len(), A_WHILE).await.unwrap();
        }
    }
    for (at, account) in accounts.iter().enumerate() {
        for webhook in 1..=3 {
            let tasks = if webhook <= webhooks[at] { expected.get(&at).cloned() } else { None };
            assert_eq!(heard(&path(account, webhook)), tasks.unwrap_or_default(), "webhook {webhook} of {account}");
        }
    }
}

/// Names that differ in case, in their first or last character, or in length.
fn similar_names(rng: &mut Rng, count: usize) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["drawn".to_owned()]);
    while names.len() < count {
        let mut name = names.iter().nth(rng.usize(..names.len())).unwrap().clone();
        match rng.u8(..3) {
            0 => name.push(rng.choice(['A', '1', '_', '-', '.', ':']).unwrap()),
            1 => name = name.to_uppercase(),
            _ => name.insert(0, rng.choice(['a', '1', '_', '-', '.', ':']).unwrap()),
        }
        names.insert(name);
    }
    names
}

/// Only fan-out, three functions of the API, and an operator by mistake can send to the deliveries queue. Such a
/// message reaches only webhooks of the account that it names, and only that account's webhooks and deliveries are
/// read: another account's are not called, shown or changed.
#[tokio::test]
async fn a_forged_delivery_stays_in_the_account_that_it_names() {
    let victim = Victim::new("acct_forged").await;
    let before = victim.snapshot().await;
    let forger = register("ACCT_forged", 1).await;
    let producer = Producer::new(&STACK);
    let mut deliveries = Vec::new();
    for (webhook, round) in [(3, 0), (1, 0), (1, 1)] {
        let delivery = victim.names(webhook).await.delivery;
        let task = format!("forged_{webhook}_{round}");
        let body = json!({ "task_id": task }).to_string();
        let message = json!({ "account_id": "ACCT_forged", "webhook_id": webhook, "event_id": delivery,
            "event": "job.completed", "payload": { "task_id": task, "body": body }, "round": round, "attempt": 1 });
        producer.forge_delivery(message).await.unwrap();
        deliveries.push(format!("{WEBHOOKS}/{webhook}/deliveries/{delivery}"));
        if webhook == 1 {
            let count = usize::try_from(round).unwrap() + 1;
            RECEIVER.wait_for(&path("ACCT_forged", 1), count, A_WHILE).await.unwrap();
        }
    }
    assert_eq!(heard(&path("ACCT_forged", 1)), BTreeSet::from(["forged_1_0".into(), "forged_1_1".into()]));
    for (delivery, state) in deliveries.iter().zip(["cancelled", "delivered"]) {
        let shown = wait_for_state(&forger, delivery, state).await;
        assert!(shown["task_id"].as_str().unwrap().starts_with("forged_"), "{shown}");
        assert_eq!(shown["payload"], Value::Null, "the forger has no such event, and the victim's is not read");
        assert!(!shown.to_string().contains("victims"), "{shown}");
    }
    victim.assert_unharmed(&before).await;
}

async fn wait_for_state(customer: &Customer, delivery: &str, state: &str) -> Value {
    for _ in 0..100 {
        let shown = customer.get(delivery).await.unwrap().json()["data"].clone();
        if shown["status"] == state {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{delivery} is not {state}");
}
