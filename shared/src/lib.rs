//! The library that every function of nano-webhooks is built on.
//!
//! The modules below stand lowest first: each imports only from modules above it, and `tests/structure` checks that.
//!
//! - [`names`]: accounts, webhooks, event types and deliveries. [`attempt`]: the outcome of a request to an endpoint.
//! - [`canonical_json`]: JSON exactly as JavaScript writes it; webhook bodies are signed and sent in this form.
//!   `reply_time` and `rfc_3339`: times in API replies and requests. [`visible`]: which
//!   characters may not be shown as they are. [`egress`]: which URLs and addresses the service may call.
//!   [`retry`]: when a failed attempt is retried, as a pure function. `tls`: the TLS configuration, the trusted root
//!   certificates, and TLS errors in words. [`request`]: a request's body, field by field.
//! - [`webhook`]: a customer's registered endpoint, its health and its circuit. [`event`]: what a finished task becomes.
//!   [`signature`]: how a webhook is signed. [`delivery`]: one event on its way to one webhook. [`rehearsal`]: requests that
//!   test a receiver. [`stats`]: hourly counts of attempts, and an account's units in a month. [`prices`]: what AWS charges.
//! - [`config`]: environment variables. [`aws`]: the AWS clients' settings, and the error of a call. [`telemetry`]: logs,
//!   metrics and traces.
//! - [`sender`]: makes the HTTP request to an endpoint. [`api_key`]: the keys of the API. [`store`]: DynamoDB. [`queue`]:
//!   SQS. [`bus`]: EventBridge. No other module calls these services.
//! - [`api`]: what the API functions share: the reply envelope, errors and authentication.

pub mod names;

pub mod attempt;

pub mod canonical_json;

mod reply_time;

mod rfc_3339;

pub mod visible;

pub mod egress;

pub mod retry;

mod tls;

pub mod request;

pub mod webhook;

pub mod event;

pub mod signature;

pub mod delivery;

pub mod rehearsal;

pub mod stats;

pub mod prices;

pub mod config;

pub mod aws;

pub mod telemetry;

pub mod sender;

pub mod api_key;

pub mod store;

pub mod queue;

pub mod bus;

pub mod api;
