//! The error of an invalid request.

/// Why a request is invalid: a sentence for the customer that names the field and the fix.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Invalid(pub String);
