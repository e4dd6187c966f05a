//! The library that every function of nano-webhooks is built on.
//!
//! The modules, lowest first:
//!
//! - [`canonical_json`]: JSON exactly as JavaScript writes it; webhook bodies are signed and sent in this form.
//! - `reply_time`: the format of times in API replies. `tls`: the TLS configuration, and which root certificates are
//!   trusted.
//! - [`egress`]: which URLs and addresses the service may call.
//! - [`webhook`]: a customer's registered endpoint, its health and its circuit. [`event`]: what a finished task
//!   becomes. [`delivery`]: one event on its way to one webhook.
//! - [`retry`]: when a failed attempt is retried, as a pure function. [`signature`]: how a webhook is signed.
//!   [`stats`]: hourly counts of attempts.
//! - [`config`]: environment variables and the AWS clients' settings. [`telemetry`]: logs, metrics and traces.
//! - [`sender`]: makes the HTTP request to an endpoint. [`store`]: DynamoDB. [`queue`]: SQS. [`bus`]: EventBridge. No
//!   other module calls these services.
//! - [`api`]: what the API functions share: the reply envelope, errors and authentication.

pub mod names;

pub mod attempt;

pub mod webhook;

pub mod event;

pub mod delivery;

pub mod canonical_json;

mod reply_time;

pub mod signature;

pub mod retry;

pub mod stats;

pub mod egress;

pub mod sender;

pub mod store;

pub mod queue;

pub mod bus;

pub mod api;

pub mod api_key;

pub mod aws;

pub mod config;

mod tls;

pub mod telemetry;
