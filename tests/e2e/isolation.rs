//! No account sees, changes or receives anything of another. This file tests the API's routes with a stranger's
//! requests; [`events`] tests fan-out and the dispatcher.
//!
//! The accounts' webhooks have the same numbers, so that the tests would detect a look-up by number alone.

mod events;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use harness::{ApiKey, Customer, Producer, Reply, expand_template, signature};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{RECEIVER, STACK, key_for};

const WEBHOOKS: &str = "/api/v1/webhooks";
const EVENTS: &str = "/api/v1/events";
const UNAUTHORIZED: &str =
    r#"{"success":false,"error":{"code":"unauthorized","message":"Invalid or missing API key"}}"#;

/// Every route that needs a key, with the query and the body of a request that its owner could make. The order
/// matters, because the strangers change their own webhooks on the way: the routes that delete and create come last.
pub(crate) const WITH_KEY: [(&str, &str, &str); 24] = [
    ("GET /api/v1/webhooks", "", ""),
    ("GET /api/v1/webhooks", "?include=details", ""),
    ("GET /api/v1/webhooks/{id}", "", ""),
    ("GET /api/v1/webhooks/{id}/stats", "?hours=1", ""),
    ("GET /api/v1/webhooks/{id}/deliveries", "", ""),
    ("GET /api/v1/webhooks/{id}/deliveries", "?limit=1&cursor={cursor}", ""),
    ("GET /api/v1/webhooks/{id}/deliveries/{event_id}", "", ""),
    ("POST /api/v1/webhooks/{id}/deliveries/{event_id}/retry", "", ""),
    ("GET /api/v1/events", "", ""),
    ("GET /api/v1/events", "?limit=1&cursor={cursor}", ""),
    ("GET /api/v1/events/{event_id}", "", ""),
    ("DELETE /api/v1/events/{event_id}", "", ""),
    (
        "PATCH /api/v1/webhooks/{id}",
        "",
        r#"{"events":["*"],"description":"a stranger's","metadata":{"team":"strangers"},"task_types":["video"]}"#,
    ),
    ("POST /api/v1/webhooks/{id}/rotate-secret", "", r#"{"secret_key":"a-strangers-secret","overlap_seconds":0}"#),
    ("POST /api/v1/webhooks/{id}/test", "", ""),
    ("POST /api/v1/webhooks/{id}/probe", "", ""),
    ("GET /api/v1/webhooks/{id}/rehearse", "", ""),
    ("POST /api/v1/webhooks/{id}/rehearse", "", ""),
    ("GET /api/v1/webhooks/{id}/resend", "", ""),
    ("POST /api/v1/webhooks/{id}/resend", "", RESEND),
    ("DELETE /api/v1/webhooks/{id}/resend", "", ""),
    ("DELETE /api/v1/webhooks/{id}", "", ""),
    ("POST /api/v1/webhooks", "", CREATE),
    ("$default", "", ""),
];

/// Every route that needs no key, with one of its paths and the reason.
const WITHOUT_KEY: [(&str, &str, &str); 4] = [
    ("GET /openapi.yaml", "/openapi.yaml", "it describes the API, and who reads it has no key yet"),
    ("GET /docs", "/docs", "it is the same, to be read by a person"),
    ("GET /console", "/console", "it is the page on which a customer enters the key"),
    (
        "GET /console/{file}",
        "/console/app-0123456789abcdef.js",
        "it is what that page is made of, the same for everybody",
    ),
];

/// Of a time without events, so that nothing is sent.
const RESEND: &str =
    r#"{"since":"2001-01-01T00:00:00Z","until":"2001-01-02T00:00:00Z","statuses":["failed","missed","delivered"]}"#;

const CREATE: &str = r#"{"url":"https://your-server.com/","events":["job.failed"],"secret_key":"your-secret-key"}"#;

/// The names in a request's path, query and headers.
struct Names {
    webhook: u64,
    delivery: String,
    cursor: String,
    idempotency_key: &'static str,
}

impl Names {
    /// The idempotency key of a request to a route: each request has its own, or all but the first would be refused.
    fn key_of(&self, route: &str, body: &str) -> String {
        format!("{}/{}/{}/{}", self.idempotency_key, self.webhook, route.replace(' ', "/"), body == CREATE)
    }
}

/// The method and the path of a request to a route, with these names filled in.
fn line(route: &str, query: &str, names: &Names) -> (Method, String) {
    let (method, path) = if route == "$default" { ("GET", "/nowhere/{id}") } else { route.split_once(' ').unwrap() };
    let path = format!("{path}{query}")
        .replace("{id}", &names.webhook.to_string())
        .replace("{event_id}", &names.delivery)
        .replace("{cursor}", &names.cursor);
    (method.parse().unwrap(), path)
}

#[test]
fn every_route_of_the_template_is_in_a_table_here() {
    let template = expand_template().unwrap_or_else(|failure| panic!("{failure}"));
    let resources = template["Resources"].as_object().unwrap().values();
    let api = resources.filter(|resource| resource["Type"] == "AWS::ApiGatewayV2::Api");
    let paths = api.flat_map(|api| api["Properties"]["Body"]["paths"].as_object().unwrap());
    let routes = paths.flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| match path.as_str() {
            "/$default" => "$default".to_owned(),
            path => format!("{} {path}", method.to_uppercase()),
        })
    });
    let with_key = WITH_KEY.iter().map(|(route, ..)| *route);
    let tabled: BTreeSet<_> = with_key.chain(WITHOUT_KEY.iter().map(|(route, ..)| *route)).map(str::to_owned).collect();
    // HEAD is GET without the body.
    let routes = routes.filter(|route| !route.starts_with("HEAD "));
    assert_eq!(routes.collect::<BTreeSet<_>>(), tabled);
}

/// The victim: an account with three webhooks that received two tasks, and every name that a stranger could have
/// obtained.
struct Victim {
    account: &'static str,
    customer: Customer,
    key: ApiKey,
}

impl Victim {
    async fn new(account: &'static str) -> Self {
        let key = key_for(account);
        let victim = Self { account, customer: Customer::new(&STACK, &key), key };
        for number in 1..=3 {
            let webhook = json!({ "url": RECEIVER.url(&victim.path(number)), "events": ["job.completed"],
                "secret_key": victim.secret(number) });
            assert_eq!(victim.customer.post(WEBHOOKS, &webhook).await.unwrap().status, 201);
        }
        victim.complete("victims_task_1").await;
        victim.complete("victims_task_2").await;
        victim.wait_until_heard(2).await;
        for number in 1..=3 {
            victim.wait_until_recorded(number).await;
        }
        victim
    }

    fn path(&self, number: u64) -> String {
        format!("/{}/victims_path/{number}", self.account)
    }

    fn secret(&self, number: u64) -> String {
        format!("{}-victims-secret-{number}", self.account)
    }

    async fn complete(&self, task: &str) {
        let completion =
            json!({ "account_id": self.account, "task_id": task, "task_type": "image", "status": "completed" });
        Producer::new(&STACK).send(completion).await.unwrap();
    }

    async fn wait_until_heard(&self, count: usize) {
        for number in 1..=3 {
            RECEIVER.wait_for(&self.path(number), count, Duration::from_secs(20)).await.unwrap();
        }
    }

    async fn wait_until_recorded(&self, number: u64) {
        for _ in 0..100 {
            let delivered = format!("{WEBHOOKS}/{number}/deliveries?status=delivered");
            if self.data(&delivered).await["deliveries"].as_array().unwrap().len() == 2 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the deliveries to webhook {number} are not recorded");
    }

    async fn data(&self, path: &str) -> Value {
        self.customer.data(path).await.unwrap()
    }

    /// The names that belong to one of its webhooks.
    async fn names(&self, webhook: u64) -> Names {
        let page = self.data(&format!("{WEBHOOKS}/{webhook}/deliveries?limit=1")).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (delivery, cursor) = (text(&page["deliveries"][0]["id"]), text(&page["next_cursor"]));
        Names { webhook, delivery, cursor, idempotency_key: "victims-idempotency-key" }
    }

    /// Everything that the victim can see of its own account.
    async fn snapshot(&self) -> Vec<Value> {
        let mut seen = vec![self.data(WEBHOOKS).await, self.data(&format!("{WEBHOOKS}?include=details")).await];
        for number in 1..=3 {
            let webhook = format!("{WEBHOOKS}/{number}");
            seen.push(self.data(&webhook).await);
            let deliveries = self.data(&format!("{webhook}/deliveries")).await;
            for delivery in deliveries["deliveries"].as_array().unwrap() {
                seen.push(self.data(&format!("{webhook}/deliveries/{}", delivery["id"].as_str().unwrap())).await);
            }
            seen.push(deliveries);
        }
        let events = self.data(EVENTS).await;
        for event in events["events"].as_array().unwrap() {
            seen.push(self.data(&format!("{EVENTS}/{}", event["id"].as_str().unwrap())).await);
        }
        seen.push(events);
        seen
    }

    /// Asserts that its webhooks received its own tasks and nothing else, and still sign with their original secrets.
    async fn assert_unharmed(&self, before: &[Value]) {
        assert_eq!(self.snapshot().await, before);
        self.complete("victims_task_3").await;
        self.wait_until_heard(3).await;
        for number in 1..=3 {
            let heard = RECEIVER.received(&self.path(number));
            let mut tasks: Vec<_> = heard.iter().map(|webhook| webhook.json()["task_id"].clone()).collect();
            tasks.sort_by_key(Value::to_string);
            assert_eq!(tasks, ["victims_task_1", "victims_task_2", "victims_task_3"]);
            assert!(heard.iter().all(|webhook| signature::is_valid(webhook, &self.secret(number))));
        }
    }
}

#[tokio::test]
async fn no_route_lets_anybody_in_without_a_valid_key() {
    let victim = Victim::new("acct_locked").await;
    let before = victim.snapshot().await;
    let names = victim.names(3).await;
    let key = &victim.key.key;
    let revoked = key_for(victim.account).key;
    assert_eq!(ask_with(Some(&format!("Bearer {revoked}")), Method::GET, WEBHOOKS, "").await.status, 200);
    revoke_newest_key(victim.account);
    let unknown = format!("{}{}", &key[..key.len() - 1], if key.ends_with('0') { '1' } else { '0' });
    let wrong = [
        None,
        Some(String::new()),
        Some("Bearer".into()),
        Some("Bearer sk-".into()),
        Some(format!("Bearer {unknown}")),
        Some(format!("Bearer {revoked}")),
        Some(format!("Bearer {}", key.to_uppercase())),
        Some(format!("Bearer {}", &key[..key.len() - 1])),
        Some(format!("Bearer {key}0")),
        Some(format!("Bearer  {key}")),
        Some(format!("Basic {key}")),
        Some(key.clone()),
        // The value that the gateway makes of two headers.
        Some(format!("Bearer {key},Bearer {key}")),
    ];
    for (route, query, body) in WITH_KEY {
        let (method, path) = line(route, query, &names);
        let replies = join_all(wrong.iter().map(|value| ask_with(value.as_deref(), method.clone(), &path, body)));
        for (reply, value) in replies.await.iter().zip(&wrong) {
            assert_eq!((reply.status, reply.text.as_str()), (401, UNAUTHORIZED), "{route} with {value:?}");
            assert!(!reply.headers.contains_key("ratelimit-limit"), "{route} with {value:?}");
        }
    }
    for (route, path, reason) in WITHOUT_KEY {
        let with_key = ask_with(Some(&format!("Bearer {key}")), Method::GET, path, "").await;
        assert_eq!(with_key.status, 200, "{route}");
        let replies = join_all(wrong.iter().map(|value| ask_with(value.as_deref(), Method::GET, path, "")));
        for (reply, value) in replies.await.iter().zip(&wrong) {
            assert_eq!((reply.status, &reply.text), (200, &with_key.text), "{route}: {reason}; with {value:?}");
        }
    }
    victim.assert_unharmed(&before).await;
}

async fn ask_with(authorization: Option<&str>, method: Method, path: &str, body: &str) -> Reply {
    let header = authorization.map(|value| ("authorization", value));
    let stranger = Customer::without_key(&STACK);
    stranger.send_with(method, path, Some(body.to_owned()), header.as_slice()).await.unwrap()
}

fn revoke_newest_key(account: &str) {
    let keys = STACK.operator(&["keys", "list", "--account", account, "--json"]).unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let newest = keys.as_array().unwrap().last().unwrap();
    STACK.operator(&["keys", "revoke", "--yes", newest["id"].as_str().unwrap()]).unwrap();
}

/// Two strangers with the same webhooks of their own make the same requests. The first one makes them before the
/// victim's account exists, and names things that do not exist. The second one names the victim's. If any reply
/// differs, a stranger can distinguish the victim's things from things that do not exist.
#[tokio::test]
async fn what_is_another_accounts_is_answered_like_what_is_nobodys() {
    // A webhook number that the strangers do not have, and one that every account has.
    let nobodys = [9, 1].map(|webhook| Names {
        webhook,
        delivery: "01JFSKR5R00000000000000000".into(),
        cursor: "01JFSKR5R00000000000000000".into(),
        idempotency_key: "nobodys-idempotency-key",
    });
    let before_the_victim = ask_for_all(&stranger("acct_stranger_early").await, &nobodys).await;

    let victim = Victim::new("acct_watched").await;
    let key = victim.names(3).await.key_of("POST /api/v1/webhooks", CREATE);
    let key = [("idempotency-key", key.as_str())];
    let create = CREATE.replace("your-server.com", "victims-server.com");
    assert_eq!(victim.customer.send_with(Method::POST, WEBHOOKS, Some(create), &key).await.unwrap().status, 201);
    assert_eq!(victim.customer.delete("/api/v1/webhooks/4").await.unwrap().status, 200);
    let before = victim.snapshot().await;

    let names = [victim.names(3).await, victim.names(1).await];
    let with_the_victim = ask_for_all(&stranger("acct_stranger_late").await, &names).await;
    for ((route, one), (_, other)) in with_the_victim.iter().zip(&before_the_victim) {
        assert_eq!(one, other, "{route}");
    }
    victim.assert_unharmed(&before).await;
}

/// A reply's status, text and headers.
type Said = (u16, String, BTreeMap<String, String>);

/// The replies of every route to a request with each of these names, with the request.
async fn ask_for_all(customer: &Customer, names: &[Names]) -> Vec<(String, Said)> {
    let mut said = Vec::new();
    for names in names {
        for (route, query, body) in WITH_KEY {
            for body in [body, CREATE] {
                said.push((format!("{route}{query} {body}"), ask(customer, route, query, body, names).await));
            }
        }
    }
    said
}

async fn stranger(account: &str) -> Customer {
    let customer = Customer::new(&STACK, &key_for(account));
    let webhook =
        json!({ "url": RECEIVER.url("/strangers"), "events": ["job.completed"], "secret_key": "a-strangers-secret" });
    for _ in 1..=2 {
        assert_eq!(customer.post(WEBHOOKS, &webhook).await.unwrap().status, 201);
    }
    customer
}

/// The reply, without the names that the request contained and without values that differ between requests.
async fn ask(customer: &Customer, route: &str, query: &str, body: &str, names: &Names) -> Said {
    let (method, path) = line(route, query, names);
    let key = names.key_of(route, body);
    let key = [("idempotency-key", key.as_str())];
    let reply = customer.send_with(method, &path, Some(body.to_owned()), &key).await.unwrap();
    let headers = reply.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let own = ["date", "x-request-id", "apigw-requestid", "ratelimit-remaining", "ratelimit-reset", "retry-after"];
    let wait = reply.headers.get("retry-after").map_or("?", |wait| wait.to_str().unwrap());
    let text = reply.text.replace(&format!("try again in {wait} s"), "try again in some seconds");
    let text = text.replace(&format!("webhook {}\"", names.webhook), "webhook {id}\"");
    let text = text.replace(&format!("/nowhere/{}\"", names.webhook), "/nowhere/{id}\"");
    (reply.status, without_ids_and_times(&text), headers.filter(|(name, _)| !own.contains(&name.as_str())).collect())
}

/// Replaces ids and times: event ids are echoed, each test event and each resend has a new id, and times are the present
/// one.
fn without_ids_and_times(text: &str) -> String {
    let is_id =
        |word: &&str| word.len() == 26 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let is_time = |word: &&str| word.parse::<jiff::Timestamp>().is_ok();
    let words = text.split('"').flat_map(|text| text.split(' ')).filter(|word| is_id(word) || is_time(word));
    words.fold(text.to_owned(), |text, word| text.replace(word, "…"))
}
