//! Which URLs and addresses may be called: the shared cases, and our own.
//!
//! The expected answers are written by hand; none is computed by the code under test.

#[path = "egress/addresses.rs"]
mod addresses;
#[path = "egress/hosts.rs"]
mod hosts;
#[path = "egress/properties.rs"]
mod properties;
#[path = "egress/sending.rs"]
mod sending;
#[path = "egress/shared_cases.rs"]
mod shared_cases;
#[path = "egress/urls.rs"]
mod urls;
