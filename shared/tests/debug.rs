//! A type that holds a secret or a key does not show it in its `Debug`. Request bodies, replies and views, which
//! would have to show one, have no `Debug` at all.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::{fmt::Debug, time::Duration};

use jiff::Timestamp;
use nano_webhooks::{
    api_key::ApiKey,
    delivery::{self, Look, Message},
    egress::Policy,
    event::{Completion, Event},
    names::{AccountId, EventType, WebhookId},
    signature,
    store::{Created, Stored},
    webhook::{NewWebhook, Rotation, Secret, Webhook, WebhookChange},
};

const SECRET: &str = "a-secret-of-the-customers-own";

fn assert_silent(thing: &dyn Debug) {
    for text in [format!("{thing:?}"), format!("{thing:#?}")] {
        assert!(!text.contains(SECRET) && !text.contains(&format!("{:?}", &SECRET.as_bytes()[..4])[1..]), "{text}");
    }
}

fn webhook() -> Webhook {
    let (account, url) = (AccountId::parse("acct_1").unwrap(), "https://a.example.com/".to_owned());
    let secret = || Secret::parse(SECRET).unwrap();
    let webhook = Webhook::new(account, WebhookId(1), url, vec![EventType::JobCompleted], secret());
    let hour = Duration::from_hours(1);
    webhook.rotated(secret(), hour, hour, Timestamp::now()).unwrap()
}

#[test]
fn nothing_that_holds_a_secret_shows_it() {
    let (webhook, now) = (webhook(), Timestamp::now());
    let completion = Completion::sample(&webhook.account_id, EventType::JobCompleted, 1, now);
    let event = Event::test(&completion, webhook.id);
    let message = Message { payload: event.payload(), ..Message::first(&event, webhook.id) };
    let new = format!(
        r#"{{"url":"https://a.example.com/","events":["job.failed"],"secret_key":"{SECRET}","headers":{{"x-key":"{SECRET}"}}}}"#
    );
    let change = format!(r#"{{"headers":{{"x-key":"{SECRET}"}}}}"#);
    let rotation = format!(r#"{{"secret_key":"{SECRET}"}}"#);

    assert_silent(&webhook);
    assert_silent(&webhook.secret);
    assert_silent(&webhook.previous_secrets);
    assert_silent(&webhook.signing_at(now));
    assert_silent(&NewWebhook::parse(new.as_bytes(), &Policy::strict()).unwrap());
    assert_silent(&WebhookChange::parse(change.as_bytes(), &Policy::strict()).unwrap());
    assert_silent(&Rotation::parse(rotation.as_bytes()).unwrap());
    assert_silent(&signature::of(&webhook, "id", now, "{}"));
    let look = Look { received_before: false, consistent: true, erased: false };
    assert_silent(&delivery::step(&message, None, Some(webhook.clone()), look));
    assert_silent(&Stored { delivery: None, webhook: Some(webhook.clone()), event: Some(event) });
    assert_silent(&Created { webhook, generated: true, replayed: false });
}

#[test]
fn nothing_that_refuses_a_secret_repeats_it() {
    for body in [
        format!(r#"{{"secret_key":"{SECRET}","#),
        format!(r#"{{"secret_key":["{SECRET}"]}}"#),
        format!(r#"{{"secret_key":{{"{SECRET}":"{SECRET}"}}}}"#),
        format!(r#"{{"secret_key":"{SECRET} with a space"}}"#),
        format!(r#"{{"secret_key":"{SECRET}","secret_key":"{SECRET}"}}"#),
        format!(r#"{{"secret_key":"{SECRET}","other":"{SECRET}"}}"#),
        format!(r#"["{SECRET}",1,2,3]"#),
    ] {
        assert_silent(&Rotation::parse(body.as_bytes()).unwrap_err());
        let whole = body.replacen('{', r#"{"url":"https://a.example.com/","events":["job.failed"],"#, 1);
        assert_silent(&NewWebhook::parse(whole.as_bytes(), &Policy::strict()).unwrap_err());
    }
}

#[test]
fn a_key_shows_nothing() {
    let key = ApiKey::generate();
    assert_eq!(format!("{key:?}"), "ApiKey(…)");
}
