//! Requests that came with an `Idempotency-Key`: an item for each of them, for a day.
//!
//! A client that got no reply repeats its request, maybe while the first one is still under way. Both calls run in
//! functions that share nothing but this item:
//!
//! 1. A function claims the key ([`Webhooks::claim`]). The claim is a lease that lasts a little longer than any function
//!    runs. Other requests with the key wait a few seconds for the reply.
//! 2. It does what the request asks for. If it makes something that a repetition could not recognise by itself, it notes
//!    that in the item, before or in the same transaction ([`Webhooks::note_secret`], [`Webhooks::create`]).
//! 3. It stores the reply ([`Webhooks::store_reply`]), which every repetition gets from then on.
//!
//! If a function dies in between, its lease ends, and the next repetition takes the claim over. It learns when the
//! request first came and what the dead function has noted, so that it does nothing twice. See
//! `docs/decisions/0038-a-repeated-request-gets-the-first-reply.md`.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Error,
    types::{AttributeValue, TransactWriteItem},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use ulid::Ulid;

use super::{
    Item, Webhooks, item_key,
    update::{Update, Updated, text},
};
use crate::{
    aws::{AwsError, WhileTryingTo as _},
    names::{AccountId, WebhookId},
    webhook::{Secret, Webhook},
};

/// How long a key is remembered, counted from the first request.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How long a claim lasts. It must be longer than a function of the API may run, which is 28 seconds (`Timeout` in the
/// template's globals). Otherwise two functions could work on the same request.
const LEASE: SignedDuration = SignedDuration::from_secs(35);

/// The waits before each look at the item, in milliseconds: six seconds together. Then the client is asked to try again.
const WAITS: [u64; 8] = [0, 50, 100, 200, 400, 800, 1_600, 3_000];

/// A request that came with an idempotency key. It has no `Debug` because the body may contain a secret.
#[derive(Clone, Copy)]
pub struct KeyedRequest<'a> {
    pub account: &'a AccountId,
    /// The `Idempotency-Key` that the client sent.
    pub key: &'a str,
    /// The method and the path.
    pub line: &'a str,
    pub body: &'a [u8],
}

/// The result of [`Webhooks::claim`].
#[derive(Debug)]
pub enum ClaimResult {
    /// The caller has to do what the request asks for.
    Claimed(Claim),
    /// The request was answered before, with this reply.
    Answered(StoredReply),
    /// Another function is working on the request.
    UnderWay,
    /// The key was used before for the same method and path, with another body.
    AnotherBody,
    /// The key was used before for another route: this one.
    AnotherRoute(String),
}

/// The right to work on a request, until the lease ends.
#[derive(Debug, Clone)]
pub struct Claim {
    name: String,
    holder: String,
    /// When the request came for the first time.
    pub first_at: Timestamp,
    /// What a function that died has noted.
    pub noted: Option<Noted>,
}

/// What a request has made or was about to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    pub webhook_id: WebhookId,
    /// The [`Secret::digest`] of the secret that it gave the webhook.
    secret_hash: Option<String>,
}

/// A stored reply. It contains the digest of a secret in place of the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReply {
    pub status: u16,
    pub body: String,
    /// The webhook that the reply shows, if the request made it or gave it a secret.
    pub noted: Option<Noted>,
}

/// The item.
#[derive(Debug, Clone, Deserialize)]
struct StoredRequest {
    /// The method and the path.
    request_line: String,
    body_hash: String,
    first_at: Timestamp,
    /// A random name of the invocation that claimed the request last.
    holder: String,
    /// Unix milliseconds.
    leased_until: i64,
    /// Unix seconds after which the key may be used again, and DynamoDB removes the item.
    expires_at: i64,
    webhook_id: Option<WebhookId>,
    secret_hash: Option<String>,
    reply_status: Option<u16>,
    reply_body: Option<String>,
}

/// Whether a request may claim its key.
#[derive(Debug)]
enum KeyState {
    /// Nobody has used the key, or more than a day ago.
    Free,
    /// The caller holds the claim already: the answer to its own write was lost.
    Own(Box<StoredRequest>),
    /// The function that held the claim has died or failed.
    Abandoned(Box<StoredRequest>),
    Decided(ClaimResult),
}

const CLAIMING: &str = "claim an Idempotency-Key or store its reply";

impl Webhooks {
    /// Claims a request's key for the caller, or returns what became of the same request before. Waits up to six
    /// seconds while another function works on it.
    pub async fn claim(&self, request: KeyedRequest<'_>, mut now: Timestamp) -> Result<ClaimResult, AwsError> {
        let holder = Ulid::from_parts(unix_ms(now).unsigned_abs(), random()).to_string();
        for wait in WAITS {
            let wait = Duration::from_millis(wait);
            tokio::time::sleep(wait).await;
            now += wait;
            match key_state(self.stored_request(&request).await?, &request, &holder, now) {
                KeyState::Own(stored) => return Ok(ClaimResult::Claimed(stored.claim(&request, holder))),
                KeyState::Decided(ClaimResult::UnderWay) => {}
                KeyState::Decided(result) => return Ok(result),
                KeyState::Free => {
                    if self.update_request(&request.name(), first_claim(&request, &holder, now)).await? {
                        let name = request.name();
                        return Ok(ClaimResult::Claimed(Claim { name, holder, first_at: now, noted: None }));
                    }
                }
                KeyState::Abandoned(stored) => {
                    if self.update_request(&request.name(), next_claim(&stored, &holder, now)).await? {
                        return Ok(ClaimResult::Claimed(stored.claim(&request, holder)));
                    }
                }
            }
        }
        Ok(ClaimResult::UnderWay)
    }

    /// Notes which secret the request is about to give a webhook. If the function dies, the function that takes the
    /// claim over can tell whether the webhook has got it ([`Noted::is_secret_of`]).
    pub async fn note_secret(&self, claim: &Claim, webhook: WebhookId, secret: &Secret) -> Result<(), AwsError> {
        self.update_request(&claim.name, claim.note(webhook, Some(secret))).await.map(|_| ())
    }

    /// Stores the reply that every repetition gets. `body` must have a secret's digest in place of the secret.
    pub async fn store_reply(&self, claim: &Claim, status: u16, body: &str) -> Result<(), AwsError> {
        let reply = claim.update(
            "SET reply_status = :status, reply_body = :body",
            vec![(":status", number(status.into())), (":body", text(body))],
        );
        self.update_request(&claim.name, reply).await.map(|_| ())
    }

    /// Ends the claim of a request that has failed on our side and may have done a part of its work: a repetition may
    /// take it over at once.
    pub async fn release(&self, claim: &Claim) -> Result<(), AwsError> {
        let release = claim.update("SET leased_until = :past", vec![(":past", number(0))]);
        self.update_request(&claim.name, release).await.map(|_| ())
    }

    /// Forgets a request that was refused and so has done nothing: the key may be used for any request.
    pub async fn forget_request(&self, claim: &Claim, now: Timestamp) -> Result<(), AwsError> {
        // Not 0: DynamoDB never removes an item that expired more than five years ago.
        let forget = claim.update("SET expires_at = :now", vec![(":now", number(now.as_second()))]);
        self.update_request(&claim.name, forget).await.map(|_| ())
    }

    /// The write that notes a new webhook with the request that makes it, for the transaction that stores the webhook.
    pub(super) fn note_webhook(&self, claim: &Claim, webhook: &Webhook, generated: bool) -> TransactWriteItem {
        let note = claim.note(webhook.id, generated.then_some(&webhook.secret));
        note.in_transaction(&self.table, item_key(claim.name.clone(), 0))
    }

    /// What was noted with a claim, by this function or by one that died.
    pub(super) async fn noted(&self, claim: &Claim) -> Result<Option<Noted>, AwsError> {
        Ok(self.request_item(&claim.name).await?.and_then(|stored| stored.noted()))
    }

    async fn stored_request(&self, request: &KeyedRequest<'_>) -> Result<Option<StoredRequest>, AwsError> {
        self.request_item(&request.name()).await
    }

    async fn request_item(&self, name: &str) -> Result<Option<StoredRequest>, AwsError> {
        let doing = "look for a repeated request";
        let key = item_key(name.to_owned(), 0);
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        let item: Option<Item> = get.send().await.while_trying_to(doing)?.item;
        item.map(serde_dynamo::from_item).transpose().while_trying_to(doing)
    }

    /// Updates an item if the condition holds and no transaction is writing it at this moment. Returns whether it did.
    async fn update_request(&self, name: &str, update: Update) -> Result<bool, AwsError> {
        match self.update_item(item_key(name.to_owned(), 0), update).await {
            Ok(updated) => Ok(matches!(updated, Updated::Done(_))),
            Err(Error::TransactionConflictException(_)) => Ok(false),
            Err(err) => Err(AwsError::new(CLAIMING, err)),
        }
    }
}

impl KeyedRequest<'_> {
    /// The item's partition. No account id can contain `#`, so this is not an account's id.
    fn name(&self) -> String {
        format!("{}#request#{}", self.account, hash(self.key.as_bytes()))
    }
}

impl Claim {
    /// A number that only this request has, also if another function takes the claim over.
    pub fn number(&self) -> u64 {
        let digest = Sha256::digest(format!("{} {}", self.name, self.first_at));
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// An update of the claimed item, unless another function has taken the claim over.
    fn update(&self, expression: &str, mut values: Vec<(&'static str, AttributeValue)>) -> Update {
        values.push((":holder", text(&self.holder)));
        Update { expression: expression.to_owned(), condition: "holder = :holder".to_owned(), values }
    }

    fn note(&self, webhook: WebhookId, secret: Option<&Secret>) -> Update {
        let mut values = vec![(":webhook", AttributeValue::N(webhook.to_string()))];
        let Some(secret) = secret else { return self.update("SET webhook_id = :webhook", values) };
        values.push((":secret", text(&secret.digest())));
        self.update("SET webhook_id = :webhook, secret_hash = :secret", values)
    }
}

impl Noted {
    /// The note of a webhook that is given this secret.
    pub fn of(webhook_id: WebhookId, secret: &Secret) -> Self {
        Self { webhook_id, secret_hash: Some(secret.digest()) }
    }

    /// Whether the secret of the note is the webhook's newest one.
    pub fn is_secret_of(&self, webhook: &Webhook) -> bool {
        self.secret_hash.as_ref().is_some_and(|hash| *hash == webhook.secret.digest())
    }

    /// The digest that stands for the secret in a stored reply.
    pub fn digest(&self) -> Option<&str> {
        self.secret_hash.as_deref()
    }
}

impl StoredRequest {
    fn noted(&self) -> Option<Noted> {
        self.webhook_id.map(|webhook_id| Noted { webhook_id, secret_hash: self.secret_hash.clone() })
    }

    /// The claim on this request.
    fn claim(&self, request: &KeyedRequest<'_>, holder: String) -> Claim {
        Claim { name: request.name(), holder, first_at: self.first_at, noted: self.noted() }
    }
}

/// Decides whether a request may claim its key, by what is stored of the key.
fn key_state(stored: Option<StoredRequest>, request: &KeyedRequest<'_>, holder: &str, now: Timestamp) -> KeyState {
    let Some(stored) = stored.filter(|stored| stored.expires_at > now.as_second()) else { return KeyState::Free };
    if stored.request_line != request.line {
        return KeyState::Decided(ClaimResult::AnotherRoute(stored.request_line));
    }
    if stored.body_hash != hash(request.body) {
        return KeyState::Decided(ClaimResult::AnotherBody);
    }
    if let (Some(status), Some(body)) = (stored.reply_status, &stored.reply_body) {
        let reply = StoredReply { status, body: body.clone(), noted: stored.noted() };
        return KeyState::Decided(ClaimResult::Answered(reply));
    }
    if stored.holder == holder {
        return KeyState::Own(Box::new(stored));
    }
    if stored.leased_until > unix_ms(now) {
        return KeyState::Decided(ClaimResult::UnderWay);
    }
    KeyState::Abandoned(Box::new(stored))
}

/// The write that claims a key which is free.
fn first_claim(request: &KeyedRequest<'_>, holder: &str, now: Timestamp) -> Update {
    let expression = "SET request_line = :line, body_hash = :hash, first_at = :first, holder = :holder, \
        leased_until = :lease, expires_at = :expiry REMOVE webhook_id, secret_hash, reply_status, reply_body";
    let values = vec![
        (":line", text(request.line)),
        (":hash", text(&hash(request.body))),
        (":first", text(&now.to_string())),
        (":holder", text(holder)),
        (":lease", number(unix_ms(now + LEASE))),
        (":expiry", number((now + KNOWN_FOR).as_second())),
        (":now", number(now.as_second())),
    ];
    let condition = "attribute_not_exists(id) OR expires_at <= :now".to_owned();
    Update { expression: expression.to_owned(), condition, values }
}

/// The write that takes over the claim of a function that died, unless another function has done so.
fn next_claim(stored: &StoredRequest, holder: &str, now: Timestamp) -> Update {
    let values =
        vec![(":holder", text(holder)), (":lease", number(unix_ms(now + LEASE))), (":before", text(&stored.holder))];
    Update {
        expression: "SET holder = :holder, leased_until = :lease".to_owned(),
        condition: "holder = :before AND attribute_not_exists(reply_body)".to_owned(),
        values,
    }
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn unix_ms(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// Random bits for a name that is not secret.
fn random() -> u128 {
    (0..2).fold(0, |number, _| number << 64 | u128::from(getrandom::u64().unwrap_or_default()))
}

#[cfg(test)]
mod tests;
