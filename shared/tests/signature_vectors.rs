//! Checks the signing code against the published vectors, `docs/signature-vectors.json`. Python computed them, and
//! openssl agrees: see `docs/verifying.md`.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use nano_webhooks::{
    canonical_json,
    names::{AccountId, EventType, WebhookId},
    signature::{self, Signatures},
    webhook::{PreviousSecret, Secret, Webhook},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    name: String,
    secret: String,
    next_secret: Option<String>,
    previous_secrets: Vec<String>,
    id: String,
    timestamp: i64,
    body: String,
    headers: BTreeMap<String, String>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../docs/signature-vectors.json")).expect("an array of vectors")
}

fn webhook(secret: Secret) -> Webhook {
    let account = AccountId::parse("acct_1").expect("a valid account");
    Webhook::new(account, WebhookId(1), "https://your-server.com/webhook".into(), vec![EventType::JobCompleted], secret)
}

#[test]
fn we_sign_every_vector_as_it_is_published() {
    for vector in vectors() {
        let Vector { name, secret, next_secret, previous_secrets, id, timestamp, body, headers } = &vector;
        let at = Timestamp::from_second(*timestamp).expect(name);
        let parse = |text: &String| Secret::parse(text).expect(name);
        let soon = at + Duration::from_secs(1);
        let mut webhook = webhook(parse(next_secret.as_ref().unwrap_or(secret)));
        // Before the switch the newest secret is the next one, and the current one the first of those before it.
        let older = next_secret.as_ref().map(|_| secret).into_iter().chain(previous_secrets);
        webhook.previous_secrets = older.map(|text| PreviousSecret { secret: parse(text), expires_at: soon }).collect();
        webhook.secret_switches_at = next_secret.as_ref().map(|_| soon);
        let Signatures { nano, next, previous, standard_webhooks } = signature::of(&webhook, id, at, body);
        let header = |name: &str| headers.get(name).map(String::as_str);
        assert_eq!(Some(nano.as_str()), header("X-Nano-Signature"), "{name}");
        assert_eq!(next.as_deref(), header("X-Nano-Signature-Next"), "{name}");
        assert_eq!(previous.as_deref(), header("X-Nano-Signature-Previous"), "{name}");
        assert_eq!(Some(standard_webhooks.as_str()), header("webhook-signature"), "{name}");
    }
}

#[test]
fn every_vector_of_an_event_has_a_body_that_we_would_send() {
    let events: Vec<Vector> = vectors().into_iter().filter(|vector| vector.body.starts_with("{\"event\":")).collect();
    assert!(events.len() > 15, "{} vectors are of events", events.len());
    for Vector { name, body, .. } in events {
        assert_eq!(canonical_json::parse(&body).expect("it is JSON").to_string(), body, "{name}");
    }
}
