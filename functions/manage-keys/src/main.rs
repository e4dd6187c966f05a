//! Creates, lists, revokes and imports API keys, and creates sessions for the console, for the platform's own backend.
//!
//! It has no public route: a program invokes it, and IAM decides which may. docs/keys.md has the requests. The operator's
//! command does the same with the operator's own permissions.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use nano_webhooks::{
    api::{ApiError, envelope},
    api_key::{ApiKey, ImportedKey, KeyGrant, KeysRequest, Session},
    aws, config,
    names::AccountId,
    store::{ApiKeys, KeyRecord, Usage},
    telemetry,
};
use serde_json::{Value, json, value::RawValue};

/// The time that is left for the answer when an import stops trying.
const TIME_TO_ANSWER: Duration = Duration::from_secs(5);

struct ManageKeys {
    keys: ApiKeys,
    usage: Usage,
    /// The API's address, for the links that open the console.
    api_url: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let aws = aws::config()?;
    let manage_keys =
        ManageKeys { keys: ApiKeys::from_env(&aws)?, usage: Usage::from_env(&aws)?, api_url: config::text("API_URL")? };
    let handler = service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let LambdaEvent { payload, context } = event;
        let result = manage_keys.handle(payload.get(), context.deadline() - TIME_TO_ANSWER).await;
        Ok::<_, lambda_runtime::Error>(envelope::reply(&result, &context.request_id))
    });
    lambda_runtime::run(handler).await
}

impl ManageKeys {
    /// Does what a request asks for. `until` is when an import has to stop.
    async fn handle(&self, request: &str, until: SystemTime) -> Result<Value, ApiError> {
        let now = Timestamp::now();
        match KeysRequest::parse(request.as_bytes(), now)? {
            KeysRequest::Create(grant) => self.create(grant, now).await,
            KeysRequest::List(account) => self.list(&account).await,
            KeysRequest::Revoke(id) => self.revoke(&id, now).await,
            KeysRequest::Import(keys) => self.import(&keys, now, until).await,
            KeysRequest::CreateSession { session, api_url } => {
                self.create_session(session, api_url.as_ref().unwrap_or(&self.api_url), now).await
            }
        }
    }

    async fn create(&self, grant: KeyGrant, now: Timestamp) -> Result<Value, ApiError> {
        let key = ApiKey::generate();
        let record = self.keys.add(&key, grant, now).await?;
        tracing::info!(account_id = %record.account_id, key_id = record.id, "key created");
        Ok(json!(record.created(&key)))
    }

    async fn list(&self, account: &AccountId) -> Result<Value, ApiError> {
        let records = self.keys.list_of(account).await?;
        let last_used = self.usage.last_used_of(&records).await?;
        let listed = records.iter().map(|record| record.listed(last_used.get(&record.id).copied()));
        Ok(json!(listed.collect::<Vec<_>>()))
    }

    /// Revokes each key with this id. Repeated, it changes nothing. A repetition within a second may read an older record and
    /// return its own time as `revoked_at`.
    async fn revoke(&self, id: &str, now: Timestamp) -> Result<Value, ApiError> {
        let mut records = self.keys.find_all(id).await?;
        if records.is_empty() {
            return Err(ApiError::NotFound(format!("there is no key {id}")));
        }
        let revoked = self.keys.revoke_all(&mut records, now).await?;
        tracing::info!(key_id = id, keys = revoked, "key revoked");
        Ok(json!(records.iter().map(KeyRecord::view).collect::<Vec<_>>()))
    }

    async fn import(&self, keys: &[ImportedKey], now: Timestamp, until: SystemTime) -> Result<Value, ApiError> {
        let summary = self.keys.import(keys, now, until).await?;
        tracing::info!(imported = summary.imported, existing = summary.existing, "keys imported");
        Ok(json!(summary))
    }

    async fn create_session(&self, session: Session, api_url: &str, now: Timestamp) -> Result<Value, ApiError> {
        let key = ApiKey::generate();
        let record = self.keys.add(&key, session.grant("session", now), now).await?;
        tracing::info!(account_id = %record.account_id, key_id = record.id, "session created");
        let mut created = json!(record.created(&key));
        created["url"] = Session::link(api_url, &key).into();
        Ok(created)
    }
}
