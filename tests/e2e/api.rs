//! The published routes, byte for byte, and requests to anything else.

use harness::{ApiKey, Customer, Reply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{STACK, isolation::WITH_KEY, key_for};

const WEBHOOKS: &str = "/api/v1/webhooks";
const UNAUTHORIZED: &str =
    r#"{"success":false,"error":{"code":"unauthorized","message":"Invalid or missing API key"}}"#;

fn customer(account: &str) -> Customer {
    Customer::new(&STACK, &key_for(account))
}

/// The error's code and message. Also asserts the envelope around them.
fn error(reply: &Reply) -> (String, String) {
    let body = reply.json();
    assert_eq!(body["success"], false, "{}", reply.text);
    assert_eq!(reply.headers["content-type"], "application/json");
    assert!(!reply.headers["x-request-id"].is_empty());
    let text = |field: &str| body["error"][field].as_str().unwrap_or_default().to_owned();
    (text("code"), text("message"))
}

/// If a misspelled parameter were ignored, its sender would believe that the reply took it into account.
#[tokio::test]
async fn every_route_refuses_a_query_parameter_that_it_does_not_have_and_names_those_that_it_has() {
    let customer = customer("acct_query");
    for (route, _, body) in WITH_KEY.iter().filter(|(route, ..)| *route != "$default") {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path.replace("{id}", "1").replace("{event_id}", "01JFSKR5R00000000000000000");
        let (method, asked): (Method, _) = (method.parse().unwrap(), format!("{path}?statuss=failed"));
        let reply = customer.send(method.clone(), &asked, Some((*body).to_owned())).await.unwrap();
        let known = match path.rsplit('/').next().unwrap() {
            "stats" => "the only query parameter here is hours",
            "deliveries" => "the query parameters here are status, event, task_id, since, until, limit, cursor",
            "events" => {
                "the query parameters here are task_id, event, task_type, since, until, undelivered, limit, cursor"
            }
            "webhooks" if method == Method::GET => "the only query parameter here is include",
            _ => "this route takes no query parameters",
        };
        let message = format!("the query has \"statuss\"; {known}");
        assert_eq!((reply.status, error(&reply)), (400, ("invalid_request".into(), message)), "{route}");
        assert_eq!(reply.json()["error"]["field"], "statuss", "{route}");
    }
    // The refused requests have changed nothing.
    assert_eq!(customer.get(WEBHOOKS).await.unwrap().json()["data"], json!([]));
    for odd in ["?", "?&", "?status", "?limit=5&statuss=failed", "?limit=5&x%00=1"] {
        let reply = customer.get(&format!("/api/v1/webhooks/1/deliveries{odd}")).await.unwrap();
        let expected = if odd.contains("ss=") || odd.contains("x%00") || odd == "?status" { 400 } else { 404 };
        assert_eq!(reply.status, expected, "{odd}: {}", reply.text);
    }
}

#[tokio::test]
async fn the_three_routes_answer_as_on_the_page() {
    let customer = customer("acct_page");
    let empty = customer.get(WEBHOOKS).await.unwrap();
    assert_eq!((empty.status, empty.text.as_str()), (200, r#"{"success":true,"data":[]}"#));

    let webhook =
        r#"{"id":1,"url":"https://your-server.com/webhook","events":["job.completed","job.failed"],"status":"active"}"#;
    let request = json!({ "url": "https://your-server.com/webhook", "events": ["job.completed", "job.failed"],
        "secret_key": "your-secret-key" });
    let created = customer.post(WEBHOOKS, &request).await.unwrap();
    assert_eq!((created.status, created.text), (201, format!(r#"{{"success":true,"data":{webhook}}}"#)));
    assert!(!created.headers["x-request-id"].is_empty());

    let listed = customer.get(WEBHOOKS).await.unwrap();
    assert_eq!((listed.status, listed.text), (200, format!(r#"{{"success":true,"data":[{webhook}]}}"#)));

    let deleted = customer.delete("/api/v1/webhooks/1").await.unwrap();
    assert_eq!((deleted.status, deleted.text.as_str()), (200, r#"{"success":true,"data":{"id":1}}"#));
    assert_eq!(customer.get(WEBHOOKS).await.unwrap().text, r#"{"success":true,"data":[]}"#);
}

#[tokio::test]
async fn the_description_is_the_repositorys_and_needs_no_key() {
    let stranger = Customer::new(&STACK, &ApiKey { account_id: String::new(), key: String::new() });
    let reply = stranger.get("/openapi.yaml").await.unwrap();
    assert_eq!((reply.status, reply.text.as_str()), (200, include_str!("../../openapi.yaml")));
    assert_eq!(reply.headers["content-type"], "application/yaml");
    assert!(!reply.headers["x-request-id"].is_empty());
}

#[tokio::test]
async fn a_generated_secret_is_shown_once() {
    let customer = customer("acct_generated");
    let request = json!({ "url": "https://your-server.com/webhook", "events": ["job.failed"] });
    let created = customer.post(WEBHOOKS, &request).await.unwrap();
    let secret = created.json()["data"]["secret_key"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_") && secret.len() == 6 + 44, "{secret}");
    let listed = customer.get(WEBHOOKS).await.unwrap();
    assert!(!listed.text.contains("secret"), "{}", listed.text);
}

/// A client that got no reply repeats the request. It must not end up with two webhooks, or with one whose secret it
/// never saw.
#[tokio::test]
async fn a_repeated_create_with_an_idempotency_key_gives_the_same_webhook_again() {
    let customer = customer("acct_repeats");
    let create = async |key: &str, body: &Value| {
        customer.send_with(Method::POST, WEBHOOKS, Some(body.to_string()), &[("idempotency-key", key)]).await.unwrap()
    };
    let request = json!({ "url": "https://your-server.com/webhook", "events": ["job.failed"] });
    let replies = futures_util::future::join_all((0..5).map(|_| create("key-1", &request))).await;
    let texts: std::collections::HashSet<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(replies.iter().all(|reply| reply.status == 201));
    assert!(replies[0].json()["data"]["secret_key"].is_string());
    let replayed = |reply: &Reply| reply.headers.contains_key("idempotent-replayed");
    assert_eq!(replies.iter().filter(|reply| replayed(reply)).count(), 4);
    assert_eq!(customer.get(WEBHOOKS).await.unwrap().json()["data"].as_array().unwrap().len(), 1);

    let other = create("key-1", &json!({ "url": "https://your-server.com/", "events": ["job.failed"] })).await;
    let reused = "this Idempotency-Key was used with another body; use a new key for a new webhook";
    assert_eq!((other.status, error(&other)), (409, ("conflict".into(), reused.into())));
    assert_eq!(create("key-2", &request).await.json()["data"]["id"], 2);
    for wrong in ["", "two words", &"x".repeat(256)] {
        let reply = create(wrong, &request).await;
        assert_eq!(error(&reply).1, "Idempotency-Key must be 1 to 255 visible ASCII characters", "{wrong}");
    }

    let own_secret = json!({ "secret_key": "the-customers-own" });
    assert_eq!(customer.post("/api/v1/webhooks/1/rotate-secret", &own_secret).await.unwrap().status, 200);
    let again = create("key-1", &request).await;
    assert_eq!(again.status, 201);
    assert!(!again.text.contains("secret"), "a secret that the service did not make is not shown: {}", again.text);
    assert_eq!(customer.delete("/api/v1/webhooks/1").await.unwrap().status, 200);
    let gone = "this Idempotency-Key made webhook 1, which was deleted; use a new key for a new webhook";
    assert_eq!(error(&create("key-1", &request).await).1, gone);
}

#[tokio::test]
async fn ids_are_never_used_again_and_deleting_is_final() {
    let customer = customer("acct_ids");
    let request = json!({ "url": "https://your-server.com/webhook", "events": ["job.failed"] });
    for id in 1..=3 {
        let created = customer.post(WEBHOOKS, &request).await.unwrap();
        assert_eq!(created.json()["data"]["id"], id);
        let path = format!("{WEBHOOKS}/{id}");
        assert_eq!(customer.delete(&path).await.unwrap().status, 200);
        let again = customer.delete(&path).await.unwrap();
        assert_eq!(again.status, 404);
        assert_eq!(error(&again), ("not_found".into(), format!("there is no webhook {id}")));
    }
    for id in ["0", "01", "x", "-1", "1.0"] {
        assert_eq!(customer.delete(&format!("{WEBHOOKS}/{id}")).await.unwrap().status, 404, "{id}");
    }
}

/// Repetitions that start shortly after each other: one may look for the first request just before it is written, and
/// read the account just after that.
#[tokio::test]
async fn repetitions_that_overtake_each_other_make_one_webhook() {
    let customer = customer("acct_impatient");
    let body = json!({ "url": "https://your-server.com/webhook", "events": ["job.failed"] }).to_string();
    for number in 1..=10 {
        let key = format!("key-{number}");
        let repetitions = (0..10).map(async |repetition| {
            tokio::time::sleep(std::time::Duration::from_millis(repetition * 7)).await;
            let headers = [("idempotency-key", key.as_str())];
            let reply = customer.send_with(Method::POST, WEBHOOKS, Some(body.clone()), &headers).await.unwrap();
            reply.json()["data"]["id"].clone()
        });
        let ids = futures_util::future::join_all(repetitions).await;
        assert!(ids.iter().all(|id| *id == number), "{ids:?}");
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_valid_key() {
    let key = key_for("acct_keys");
    let with = |key: &str| Customer::new(&STACK, &ApiKey { account_id: String::new(), key: key.to_owned() });
    let mut last_digit_changed = key.key.clone();
    let last = if last_digit_changed.pop() == Some('0') { '1' } else { '0' };
    last_digit_changed.push(last);
    let routes = [
        (Method::GET, WEBHOOKS),
        (Method::POST, WEBHOOKS),
        (Method::DELETE, "/api/v1/webhooks/1"),
        (Method::PUT, WEBHOOKS),
        (Method::GET, "/nowhere"),
    ];
    for (method, path) in routes {
        for wrong in ["", "sk-", "sk-0123", &last_digit_changed, &key.key.to_uppercase()] {
            let reply = with(wrong).send(method.clone(), path, Some("{}".into())).await.unwrap();
            assert_eq!((reply.status, reply.text.as_str()), (401, UNAUTHORIZED), "{method} {path} with {wrong:?}");
        }
    }
    assert_eq!(with(&key.key).get(WEBHOOKS).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_revoked_key_opens_nothing() {
    let key = key_for("acct_revoked");
    let customer = Customer::new(&STACK, &key);
    assert_eq!(customer.get(WEBHOOKS).await.unwrap().status, 200);
    let keys = STACK.operator(&["keys", "list", "--account", "acct_revoked", "--json"]).unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    assert!(!keys.to_string().contains(&key.key), "a key is not listed");
    let id = keys[0]["id"].as_str().unwrap();

    STACK.operator(&["keys", "revoke", "--yes", id]).unwrap();
    let refused = customer.get(WEBHOOKS).await.unwrap();
    assert_eq!((refused.status, refused.text.as_str()), (401, UNAUTHORIZED));
    assert!(STACK.operator(&["keys", "revoke", "--yes", id]).unwrap_err().to_string().contains("revoked already"));
}

#[tokio::test]
async fn unknown_routes_and_methods_get_the_envelope() {
    let customer = customer("acct_routes");
    for (method, path) in [
        (Method::PUT, WEBHOOKS),
        (Method::PATCH, "/api/v1/webhooks/1/x"),
        (Method::GET, "/api/v1/webhook"),
        (Method::DELETE, WEBHOOKS),
    ] {
        let reply = customer.send(method.clone(), path, None).await.unwrap();
        assert_eq!(reply.status, 404, "{method} {path}");
        let (code, message) = error(&reply);
        assert_eq!(code, "not_found");
        assert_eq!(message, format!("there is no route {method} {path}"));
    }
}

#[tokio::test]
async fn the_error_says_what_is_wrong_with_a_request() {
    let customer = customer("acct_wrong");
    let cases = [
        ("", "the body is empty"),
        ("{", "the body is not valid JSON"),
        ("[]", "the body must be a JSON object"),
        ("\u{feff}{}", "byte order mark"),
        (r#""{\"url\":\"https://a.example.com/\"}""#, "it was encoded twice"),
        (r#"{"events":["job.failed"]}"#, "url is required"),
        (r#"{"url":"http://203.0.113.1/","events":["job.failed"]}"#, "url host"),
        (r#"{"url":"https://10.0.0.1/","events":["job.failed"]}"#, "url host"),
        (r#"{"url":"https://a.example.com/#x","events":["job.failed"]}"#, "url must"),
        (
            r#"{"url":"https://a.example.com/","events":["job.failed","job.done"]}"#,
            "events[1] is \"job.done\"; expected one of job.completed, job.failed",
        ),
        (
            r#"{"url":"https://a.example.com/","events":["job.failed"],"secret":"12345678"}"#,
            "there is no field \"secret\"",
        ),
        (r#"{"url":"https://a.example.com/","events":["job.failed"],"secret_key":"short"}"#, "secret_key must be"),
    ];
    for (body, expected) in cases {
        let reply = customer.send(Method::POST, WEBHOOKS, Some(body.into())).await.unwrap();
        assert_eq!(reply.status, 400, "{body}");
        let (code, message) = error(&reply);
        assert_eq!(code, "invalid_request");
        assert!(message.contains(expected), "{body}: {message}");
    }
    assert_eq!(customer.get(WEBHOOKS).await.unwrap().json()["data"], json!([]), "nothing was registered");
}

#[tokio::test]
async fn a_body_over_64_kib_is_413() {
    let customer = customer("acct_large");
    for (size, status) in [(64 * 1024, 400), (64 * 1024 + 1, 413)] {
        let reply = customer.send(Method::POST, WEBHOOKS, Some(" ".repeat(size))).await.unwrap();
        assert_eq!(reply.status, status, "{}", reply.text);
    }
}

#[tokio::test]
async fn fifty_concurrent_creates_get_fifty_ids_and_the_51st_is_a_clear_409() {
    let customer = customer("acct_fifty");
    let request = json!({ "url": "https://your-server.com/webhook", "events": ["job.failed"] });
    let creates = (0..50).map(|_| customer.post(WEBHOOKS, &request));
    let mut ids = Vec::new();
    for reply in futures_util::future::join_all(creates).await {
        let reply = reply.unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text);
        ids.push(reply.json()["data"]["id"].as_u64().unwrap());
    }
    ids.sort_unstable();
    assert_eq!(ids, (1..=50).collect::<Vec<_>>());

    let full = customer.post(WEBHOOKS, &request).await.unwrap();
    assert_eq!(full.status, 409);
    let (code, message) = error(&full);
    assert_eq!(code, "conflict");
    assert_eq!(message, "the account has 50 webhooks, which is the most it can have; delete one first");

    assert_eq!(customer.delete("/api/v1/webhooks/7").await.unwrap().status, 200);
    let next = customer.post(WEBHOOKS, &request).await.unwrap();
    assert_eq!(next.json()["data"]["id"], 51, "a freed place does not free its number");
}

#[tokio::test]
async fn two_accounts_cannot_see_or_delete_each_others_webhooks() {
    let (one, other) = (customer("acct_one"), customer("acct_other"));
    let request = json!({ "url": "https://your-server.com/webhook", "events": ["job.failed"] });
    one.post(WEBHOOKS, &request).await.unwrap();

    assert_eq!(other.get(WEBHOOKS).await.unwrap().text, r#"{"success":true,"data":[]}"#);
    let (foreign, missing) =
        (other.delete("/api/v1/webhooks/1").await.unwrap(), other.delete("/api/v1/webhooks/2").await.unwrap());
    assert_eq!((foreign.status, missing.status), (404, 404));
    assert_eq!(foreign.text.replace('1', "2"), missing.text, "the two replies are alike");
    assert_eq!(one.get(WEBHOOKS).await.unwrap().json()["data"][0]["id"], 1, "it is still there");
}
