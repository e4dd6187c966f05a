//! What every function of nano-webhooks is made of, in reading order.
//!
//! What we talk about: a customer's [`webhook`], the [`event`] that a finished task becomes, and the [`delivery`] of
//! one event to one webhook. The bytes and their proof: [`canonical_json`] and [`signature`]. When to try again:
//! [`retry`], a pure function. How it went: [`stats`]. Whom we may call, and the call: [`egress`] and [`sender`]. The
//! outside world, and the only modules that know it: [`store`] (DynamoDB), [`queue`] (SQS) and [`bus`] (EventBridge). What
//! every `main` needs: [`api`] (envelope, errors, authentication), [`config`] (environment) and [`telemetry`] (logs, metrics,
//! traces).

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

pub mod aws;

pub mod config;

mod tls;

pub mod telemetry;
