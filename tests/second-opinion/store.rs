//! Each kind of read and write of `nano_webhooks::store`, above all the conditional ones.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use nano_webhooks::{
    api_key::{ApiKey, ImportedKey, KeyGrant, KeyScope},
    attempt::{Attempt, Outcome},
    delivery::{Change, Delivery, Made, Message, State, Write, record},
    egress::Policy,
    event::{Completion, Event},
    names::{AccountId, WebhookId},
    rehearsal::{Rehearsal, RehearsalMessage, Step, StepOutcome},
    retry::Verdict,
    stats::{Hour, Month, Tally, Units},
    store::{
        ACTION_SHARDS, ApiKeys, ClaimResult, CreateError, Deliveries, End, EventFilter, Events, Filter, InsertResult,
        KeyedRequest, Limits, Pass, RehearsalBegun, Rehearsals, Shard, StepClaim, Tables, Usage, Wait, Waiting,
        Webhooks, WriteResult,
    },
    webhook::{NewWebhook, Webhook, WebhookChange},
};

use crate::dynamodb::{TABLES, named};

fn webhooks() -> Webhooks {
    Webhooks::new(&TABLES, named("webhooks"))
}

fn deliveries() -> Deliveries {
    Deliveries::new(&TABLES, named("deliveries"))
}

fn events() -> Events {
    Events::new(&TABLES, named("events"))
}

fn waiting() -> Waiting {
    Waiting::new(&TABLES, named("waiting"))
}

fn account(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

fn new_webhook() -> NewWebhook {
    NewWebhook::parse(br#"{"url": "https://example.com/hook", "events": ["job.completed"]}"#, &Policy::strict())
        .unwrap()
}

async fn webhook(account: &AccountId) -> Webhook {
    webhooks().create(account, new_webhook(), 50, None).await.unwrap().webhook
}

/// An event of the account's task with this number, a second later than the one before.
fn event(account: &AccountId, number: i64, webhook: &Webhook) -> Event {
    let ended = Timestamp::from_second(1_767_323_045 + number).unwrap();
    let completion = format!(
        r#"{{"account_id":"{account}","task_id":"task_{number}","task_type":"image","status":"completed","timestamp":"{ended}"}}"#
    );
    let completion = Completion::parse(&completion, ended).unwrap();
    Event::new(&completion, std::slice::from_ref(webhook), &Policy::strict())
}

fn message(event: &Event, webhook: &Webhook) -> Message {
    Message { payload: event.payload(), ..Message::first(event, webhook.id) }
}

/// The write that records an attempt answered with this status and text.
fn attempted(message: &Message, before: Option<Delivery>, http_status: u16, response: &str) -> Write {
    let outcome = Outcome::Http { http_status, response: response.into(), redirect: None };
    let attempt = Attempt { started_at: now(), duration_ms: 7, resent: false, outcome, answer: None };
    let later = now() + Duration::from_mins(5);
    let verdict = if http_status == 200 { Verdict::Delivered } else { Verdict::RetryAt(later) };
    let made = Made { attempt, verdict, epoch: 0, wait: None, last_success: None, watch: http_status != 200 };
    record(message, before, &Change::Attempted(made)).unwrap()
}

/// The current time, as it is stored: to the millisecond.
fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap()
}

fn in_a_month() -> i64 {
    now().as_second() + 30 * 86_400
}

#[tokio::test]
async fn webhooks_that_are_created_together_get_a_number_each_up_to_the_limit() {
    let account = account("numbers");
    let created = join_all((0..6).map(async |_| webhooks().create(&account, new_webhook(), 4, None).await)).await;
    let (made, refused): (Vec<_>, Vec<_>) = created.into_iter().partition(Result::is_ok);
    let mut numbers: Vec<_> = made.into_iter().map(|made| made.unwrap().webhook.id.0).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert!(refused.iter().all(|err| matches!(err, Err(CreateError::LimitReached(4)))), "{refused:?}");
    assert_eq!(webhooks().list(&account).await.unwrap().len(), 4);
    assert_eq!(webhooks().last_number(&account).await.unwrap(), 4);
}

#[tokio::test]
async fn a_change_raises_the_epoch_once_and_finds_no_webhook_that_was_deleted() {
    let account = account("changes");
    let webhook = webhook(&account).await;
    let change = |body: &str| WebhookChange::parse(body.as_bytes(), &Policy::strict()).unwrap();
    let moved = change(r#"{"url": "https://example.com/new"}"#);
    for _ in 0..2 {
        let changed = webhooks().change(&account, webhook.id, &moved, now()).await.unwrap().unwrap();
        assert_eq!((changed.url.as_str(), changed.epoch), ("https://example.com/new", webhook.epoch + 1));
    }
    let due = join_all((0..ACTION_SHARDS).map(async |shard| webhooks().due(shard, now(), 100).await.unwrap())).await;
    assert!(due.concat().contains(&(account.clone(), webhook.id)), "release looks at a webhook that was changed");

    let off = change(r#"{"status": "disabled"}"#);
    let changed = webhooks().change(&account, webhook.id, &off, now()).await.unwrap().unwrap();
    assert!(changed.epoch == webhook.epoch + 2 && changed.disabled_at().is_some());
    assert!(webhooks().delete(&account, webhook.id).await.unwrap());
    assert!(!webhooks().delete(&account, webhook.id).await.unwrap());
    assert!(webhooks().change(&account, webhook.id, &moved, now()).await.unwrap().is_none());
    assert!(webhooks().find(&account, webhook.id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_repeated_request_gets_the_webhook_and_the_reply_of_the_first() {
    let account = account("repeated");
    let request = KeyedRequest { account: &account, key: "k", line: "POST /api/v1/webhooks", body: b"{}" };
    let ClaimResult::Claimed(claim) = webhooks().claim(request, now()).await.unwrap() else { panic!("it is new") };
    let made = webhooks().create(&account, new_webhook(), 50, Some(&claim)).await.unwrap();
    // The function has failed, and another one takes the claim over.
    webhooks().release(&claim).await.unwrap();
    let ClaimResult::Claimed(claim) = webhooks().claim(request, now()).await.unwrap() else { panic!("it is free") };
    let again = webhooks().create(&account, new_webhook(), 50, Some(&claim)).await.unwrap();
    assert!(again.replayed && !made.replayed && again.webhook.id == made.webhook.id, "{again:?}");
    webhooks().store_reply(&claim, 201, "made").await.unwrap();
    let answered = webhooks().claim(request, now()).await.unwrap();
    assert!(matches!(&answered, ClaimResult::Answered(reply) if reply.status == 201 && reply.body == "made"));
    let other = webhooks().claim(KeyedRequest { body: b"[]", ..request }, now()).await.unwrap();
    assert!(matches!(other, ClaimResult::AnotherBody));
}

#[tokio::test]
async fn a_key_is_found_until_it_is_revoked_and_an_import_brings_it_not_back() {
    let (keys, account) = (ApiKeys::new(&TABLES, named("api-keys")), account("keys"));
    let grant = KeyGrant { account_id: account.clone(), label: None, scope: KeyScope::Read, expires_at: None };
    let key = ApiKey::generate();
    let made = keys.add(&key, grant.clone(), now()).await.unwrap();
    assert_eq!(keys.find_valid(&key, now()).await.unwrap().as_ref(), Some(&made));
    assert!(keys.add(&key, grant.clone(), now()).await.is_err(), "it exists");

    let (known, new) = (ApiKey::generate(), ApiKey::generate());
    let imported = |key: &ApiKey| ImportedKey { key_hash: key.hash(), id: "42".into(), grant: grant.clone() };
    let until = SystemTime::now() + Duration::from_secs(10);
    let first = keys.import(&[imported(&known)], now(), until).await.unwrap();
    let both = keys.import(&[imported(&known), imported(&new)], now(), until).await.unwrap();
    assert_eq!([(first.imported, first.existing), (both.imported, both.existing)], [(1, 0), (1, 1)]);

    let mut records = keys.find_all("42").await.unwrap();
    assert_eq!(keys.revoke_all(&mut records, now()).await.unwrap(), 2);
    keys.import(&[imported(&known)], now(), until).await.unwrap();
    assert!(keys.find_valid(&known, now()).await.unwrap().is_none());
    assert_eq!(keys.list_of(&account).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_key_has_its_requests_and_no_more_however_many_come_together() {
    let usage = Usage::new(&TABLES, named("usage"));
    let (limits, now) = (Limits { per_minute: 5, per_day: 100 }, now());
    let counted = join_all((0..9).map(async |_| usage.count("key_usage", limits, now).await.unwrap())).await;
    assert_eq!(counted.iter().filter(|allowance| allowance.allowed).count(), 5);
    let next = usage.count("key_usage", limits, now + SignedDuration::from_mins(1)).await.unwrap();
    assert!(next.allowed && next.remaining == 4, "{next:?}");
}

#[tokio::test]
async fn an_event_is_stored_once_listed_by_pages_and_erased_for_good() {
    let account = account("events");
    let webhook = webhook(&account).await;
    let all: Vec<_> = (0..30).map(|number| event(&account, number, &webhook)).collect();
    let stored = events().store(&all, in_a_month()).await;
    assert!(stored.iter().all(|result| matches!(result, InsertResult::Inserted)), "{stored:?}");
    let again = events().store(&all[..2], in_a_month()).await;
    assert!(matches!(&again[0], InsertResult::Exists(event) if **event == all[0]), "{again:?}");

    let (mut listed, mut below) = (Vec::new(), None);
    loop {
        let filter = EventFilter { below: below.as_ref(), ..EventFilter::default() };
        let page = events().list(&account, End::Newest, &filter, 7).await.unwrap();
        listed.extend(page.events.into_iter().map(|event| event.id));
        let Some(next) = page.next else { break };
        below = Some(next);
    }
    assert_eq!(listed, all.iter().rev().map(|event| event.id.clone()).collect::<Vec<_>>());
    let task = EventFilter { task_id: Some("task_17"), ..EventFilter::default() };
    let found = events().list(&account, End::Newest, &task, 7).await.unwrap();
    assert_eq!(found.events.iter().map(|event| &event.id).collect::<Vec<_>>(), [&all[17].id]);

    events().add_recipient(&account, &all[3].id, WebhookId(9)).await.unwrap();
    events().add_recipient(&account, &all[3].id, WebhookId(9)).await.unwrap();
    let sent_to = events().find(&account, &all[3].id).await.unwrap().unwrap().recipients.sent_to;
    assert_eq!(sent_to, [webhook.id, WebhookId(9)]);
    let erased = events().erase(&account, &all[3].id, now(), in_a_month()).await.unwrap().unwrap();
    assert!(erased.body.is_none() && erased.erased_at.is_some());
    let repeated = events().store(&all[3..4], in_a_month()).await;
    assert!(matches!(&repeated[0], InsertResult::Exists(event) if event.erased_at.is_some()), "{repeated:?}");
}

#[tokio::test]
async fn of_two_records_of_a_delivery_one_is_stored_and_the_other_learns_of_it() {
    let account = account("records");
    let webhook = webhook(&account).await;
    let event = event(&account, 1, &webhook);
    let message = message(&event, &webhook);
    let first = attempted(&message, None, 503, &"busy ".repeat(100));
    let other = attempted(&message, None, 200, "");
    let recorded = deliveries().record(&[&first], in_a_month()).await;
    assert!(matches!(recorded[0], WriteResult::Done), "{recorded:?}");
    let recorded = deliveries().record(&[&first], in_a_month()).await;
    assert!(matches!(recorded[0], WriteResult::Done), "its own write, whose answer was lost: {recorded:?}");
    let recorded = deliveries().record(&[&other], in_a_month()).await;
    let WriteResult::Superseded(Some(stored)) = &recorded[0] else { panic!("{recorded:?}") };
    assert_eq!((stored.state, stored.version), (State::Retrying, 1));

    let tables = Tables { webhooks: &webhooks(), events: &events() };
    let read = deliveries().read(tables, &[&message], true).await.unwrap().remove(0).unwrap().unwrap();
    assert_eq!(read.webhook.map(|webhook| webhook.id), Some(webhook.id));
    let next = Message { attempt: 2, ..message };
    let second = attempted(&next, read.delivery.clone(), 200, "");
    let stale = attempted(&next, read.delivery, 500, "");
    let recorded = deliveries().record(&[&second], in_a_month()).await;
    assert!(matches!(recorded[0], WriteResult::Done), "{recorded:?}");
    let recorded = deliveries().record(&[&stale], in_a_month()).await;
    assert!(matches!(&recorded[0], WriteResult::Superseded(Some(it)) if it.state == State::Delivered), "{recorded:?}");

    let whole = deliveries().find_with_answers(&account, webhook.id, &event.id).await.unwrap().unwrap();
    let answers: Vec<_> = whole.attempts.iter().map(|attempt| attempt.outcome.clone()).collect();
    assert!(matches!(&answers[0], Outcome::Http { response, .. } if response.len() == 500), "{answers:?}");
}

#[tokio::test]
async fn an_answer_that_is_almost_an_earlier_one_is_stored_as_the_difference_and_read_whole() {
    let account = account("answers");
    let webhook = webhook(&account).await;
    let event = event(&account, 1, &webhook);
    let page = |request: &str| format!("<p>Request {request} failed.</p>{}", "<p>No upstream answered.</p>".repeat(12));
    // Digits that have nothing in common.
    let digits = |power: i32| format!("{:.0}{:.0}", 1.7_f64.powi(power), 1.3_f64.powi(2 * power));
    let answers = [
        (500, page("4711")),
        (500, page("4712")),
        (500, page("4711")),
        (502, digits(1_000)),
        (502, digits(1_100)),
        (500, page("4713")),
    ];
    let mut stored = None;
    for (attempt, (status, answer)) in (1..).zip(&answers) {
        let message = Message { attempt, ..message(&event, &webhook) };
        let write = attempted(&message, stored, *status, answer);
        let recorded = deliveries().record(&[&write], in_a_month()).await;
        assert!(matches!(recorded[0], WriteResult::Done), "{recorded:?}");
        stored = deliveries().find(&account, webhook.id, &event.id).await.unwrap();
    }
    let named: Vec<_> = stored.unwrap().attempts.into_iter().map(|attempt| *attempt.answer.unwrap()).collect();
    let differs: Vec<_> = named.iter().map(|answer| answer.difference.is_some()).collect();
    assert_eq!(differs, [false, true, false, false, false, true]);
    let whole = deliveries().find_with_answers(&account, webhook.id, &event.id).await.unwrap().unwrap();
    let read: Vec<_> = whole.attempts.into_iter().map(|attempt| attempt.outcome.into_response().unwrap()).collect();
    assert_eq!(read, answers.map(|(_, answer)| answer));
}

#[tokio::test]
async fn a_list_by_state_follows_each_change_of_the_state() {
    let account = account("states");
    let webhook = webhook(&account).await;
    let messages: Vec<_> = (0..12).map(|number| message(&event(&account, number, &webhook), &webhook)).collect();
    let held: Vec<_> = messages.iter().map(|message| record(message, None, &Change::Held).unwrap()).collect();
    let recorded = deliveries().record(&held.iter().collect::<Vec<_>>(), in_a_month()).await;
    assert!(recorded.iter().all(|result| matches!(result, WriteResult::Done)), "{recorded:?}");
    assert_eq!(deliveries().count_held(&account, webhook.id, 100).await.unwrap(), 12);
    let oldest = deliveries().held(&account, webhook.id, End::Oldest, (None, None), 5).await.unwrap();
    assert_eq!(oldest, messages[..5].iter().map(|message| message.event_id.clone()).collect::<Vec<_>>());

    let stored = deliveries().find(&account, webhook.id, &messages[0].event_id).await.unwrap();
    let delivered = attempted(&messages[0], stored, 200, "");
    let recorded = deliveries().record(&[&delivered], in_a_month()).await;
    assert!(matches!(recorded[0], WriteResult::Done), "{recorded:?}");
    for (state, expected) in [(State::Held, 11), (State::Delivered, 1), (State::Failed, 0)] {
        let filter = Filter { state: Some(state), limit: 50, ..Filter::default() };
        let page = deliveries().list(&account, webhook.id, &filter).await.unwrap();
        assert_eq!(page.deliveries.len(), expected, "{state}");
    }
}

#[tokio::test]
async fn what_waits_is_found_when_it_is_due_and_a_cursor_moves_for_one_run_alone() {
    let account = account("waiting");
    let webhook = webhook(&account).await;
    let message = message(&event(&account, 1, &webhook), &webhook).clone();
    let due = now() - Duration::from_mins(1);
    let wait = Wait { due, message: Message { payload: None, attempt: 2, ..message }, carried: true };
    for _ in 0..2 {
        assert!(waiting().add(&[wait.clone(), wait.clone()]).await.iter().all(Result::is_ok));
    }
    let found = Shard::all().map(async |shard| {
        let due = waiting().due(shard, Pass::Release, None, now(), 10).await.unwrap();
        (!due.waits.is_empty()).then_some((shard, due))
    });
    let [(shard, due)] = &join_all(found).await.into_iter().flatten().collect::<Vec<_>>()[..] else {
        panic!("it is in one shard")
    };
    assert_eq!(due.waits.iter().map(|wait| &wait.message.event_id).collect::<Vec<_>>(), [&wait.message.event_id]);
    let end = due.end.as_ref().unwrap();
    assert!(waiting().advance(*shard, Pass::Release, None, end).await.unwrap());
    assert!(!waiting().advance(*shard, Pass::Release, None, end).await.unwrap(), "another run has moved it");
    let left = waiting().due(*shard, Pass::Release, Some(end), now(), 10).await.unwrap();
    assert!(left.waits.is_empty());

    let take = async |wanted| waiting().take_quota((&account, webhook.id), now(), wanted, 5).await.unwrap();
    assert_eq!([take(3).await, take(3).await, take(3).await], [3, 2, 0]);
}

#[tokio::test]
async fn a_rehearsal_begins_once_a_minute_and_each_step_is_claimed_once() {
    let rehearsals = Rehearsals::new(&TABLES, named("waiting"));
    let webhook = webhook(&account("rehearsals")).await;
    let rehearsal = Rehearsal::begin(&webhook, now(), 1, now());
    assert!(matches!(rehearsals.begin(&rehearsal).await.unwrap(), RehearsalBegun::Now(_)));
    let other = Rehearsal::begin(&webhook, now(), 2, now());
    assert!(matches!(rehearsals.begin(&other).await.unwrap(), RehearsalBegun::TooSoon(_)));
    let message = RehearsalMessage {
        account_id: webhook.account_id.clone(),
        webhook_id: webhook.id,
        rehearsal: rehearsal.id.clone(),
        step: Step::ALL[0],
    };
    assert!(matches!(rehearsals.claim(&message, true, now()).await.unwrap(), StepClaim::Claimed(_)));
    assert!(matches!(rehearsals.claim(&message, true, now()).await.unwrap(), StepClaim::Over));
    let outcome = StepOutcome {
        started_at: now(),
        duration_ms: 7,
        http_status: Some(200),
        message: "the endpoint answered 200".into(),
        response: None,
    };
    assert!(rehearsals.store(&message, &outcome).await.unwrap());
    assert!(matches!(rehearsals.claim(&message, false, now()).await.unwrap(), StepClaim::Made));
    let found = rehearsals.find(&webhook.account_id, webhook.id).await.unwrap().unwrap();
    assert_eq!(found.outcome(Step::ALL[0]), Some(&outcome));
}

#[tokio::test]
async fn the_attempts_of_an_hour_add_up() {
    let (account_id, webhook_id) = (account("hours"), WebhookId(1));
    let begins = Timestamp::from_second(1_767_322_800).unwrap();
    let hour = Hour { account_id: account_id.clone(), webhook_id, begins };
    let failures_by_outcome = BTreeMap::from([("timeout".to_owned(), 2)]);
    let tally = Tally { deliveries: 3, failures: 2, failures_by_outcome, durations: BTreeMap::from([(7, 3)]) };
    for _ in 0..2 {
        deliveries().add_to_hour(&hour, &tally).await.unwrap();
    }
    let hours = deliveries().hours(&account_id, webhook_id, begins).await.unwrap();
    let sum = &hours[&begins];
    assert_eq!((sum.deliveries, sum.failures, sum.durations[&7]), (6, 4, 6));
    assert_eq!(sum.failures_by_outcome["timeout"], 4);
}

#[tokio::test]
async fn what_accounts_used_in_a_month_adds_up_and_is_read_whole() {
    let month = Month::parse("2026-01").unwrap();
    let units = Units { attempts: 3, delivered: 1, failed: 1, exhausted: 1, milliseconds: 70, bytes: 900 };
    let accounts: Vec<_> = (0..20).map(|number| account(&format!("month-{number}"))).collect();
    for account in accounts.iter().chain([&accounts[7]]) {
        deliveries().add_to_month(&(account.clone(), month), &units).await.unwrap();
    }
    deliveries().add_to_month(&(accounts[0].clone(), Month::parse("2026-02").unwrap()), &units).await.unwrap();
    let found: HashMap<_, _> = deliveries().month(month).await.unwrap().into_iter().collect();
    let mut twice = units;
    twice += units;
    for (number, account) in accounts.iter().enumerate() {
        assert_eq!(found[account], if number == 7 { twice } else { units }, "{account}");
    }
}
